//! The product as people and peers meet it. Every case keeps a screenshot of each step in `tests/output/<case>/`.

mod arguments;
mod bad_input;
mod browser;
mod faults;
mod feeds;
mod first_light;
mod full_room;
mod late;
mod one_swarm;
mod plain;
mod restart;
mod resume;
mod strangers;
mod web;
mod web_film;
