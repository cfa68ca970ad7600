//! What a way of keeping players together consists of, so that several can live in the same world.

use crate::player::Sample;
use crate::scenario::SeatSpec;
use streamshare_playsync::{MonoTime, Now};

/// What a person does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UserAct {
    /// Opens so many films: the first one starts as soon as this player can. The rules of others know of one.
    Open(usize),
    /// Starts playback.
    Play,
    /// Pauses it.
    Pause,
    /// Goes to a place, in seconds.
    Seek(f64),
    /// Sets how fast everyone plays, where the rules know of that.
    Speed(f64),
    /// Wants nobody to be waited for, where the rules know of that.
    NeverWait,
    /// Goes on to the next film, where the rules know of that.
    Next,
}

/// What a message says about the course of a room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Course {
    /// Whether it plays from now on, and from which place, in seconds; and in which film, where it says so.
    Control(Option<usize>, bool, f64),
    /// A film is over, by number: what comes after it stands at its beginning. What was over before changes nothing.
    Next(usize),
    /// The film, by number, and the rest as for a control: it counts where it differs from what the room does.
    Announce(usize, bool, f64),
}

/// Something that reaches a viewer's program.
#[derive(Clone, Debug)]
pub enum Happening<Down> {
    /// The connection stands.
    LinkUp,
    /// The connection is gone.
    LinkDown,
    /// The relay sent this.
    Message(Down),
    /// The person did this.
    User(UserAct),
    /// The player says that something about it changed.
    Player,
    /// The periodic timer.
    Timer,
    /// A moment that was asked for.
    Wake,
}

/// Something that a viewer's program wants done.
#[derive(Clone, Debug)]
pub enum Effect<Up> {
    /// Send this to the relay.
    Send(Up),
    /// Load a film, by number.
    Load(usize),
    /// Play.
    Play,
    /// Pause.
    Pause,
    /// Go to a place, in seconds.
    Seek(f64),
    /// Play this fast.
    Rate(f64),
    /// A timer at this moment of the monotonic clock.
    WakeAt(MonoTime),
    /// The same by a worker's timer, which browsers do not slow down in hidden pages. It takes the place of the one before.
    AlarmAt(MonoTime),
}

/// A viewer's program.
pub trait Viewer {
    /// What it sends.
    type Up;
    /// What it gets.
    type Down;

    /// Microseconds between two timers.
    fn timer_us(&self) -> u64;

    /// Something happened; `sample` is the player right now.
    fn handle(
        &mut self,
        happening: Happening<Self::Down>,
        sample: &Sample,
        now: &Now,
        effects: &mut Vec<Effect<Self::Up>>,
    );
}

/// The relay's program. Seats are told apart by their number; a seat that sends something is there.
pub trait Relay {
    /// What it gets.
    type Up;
    /// What it sends.
    type Down;

    /// A seat sent something; `now_us` is the relay's monotonic clock.
    fn handle(&mut self, seat: usize, message: Self::Up, now_us: u64);

    /// A seat's connection is over.
    fn leave(&mut self, seat: usize, now_us: u64);

    /// The moment of the relay's monotonic clock at which [`Relay::handle_timeout`] is due.
    fn timeout_us(&self) -> Option<u64>;

    /// That moment has come.
    fn handle_timeout(&mut self, now_us: u64);

    /// What is to be sent next, and to which seat.
    fn poll(&mut self) -> Option<(usize, Self::Down)>;
}

/// A way of keeping players together.
pub trait Scheme {
    /// What viewers send.
    type Up: Clone;
    /// What the relay sends.
    type Down: Clone;
    /// The viewer's program.
    type Viewer: Viewer<Up = Self::Up, Down = Self::Down>;
    /// The relay's program.
    type Relay: Relay<Up = Self::Up, Down = Self::Down>;

    /// What tables call it.
    fn name(&self) -> &'static str;

    /// A relay with an empty room.
    fn relay(&self, now_us: u64) -> Self::Relay;

    /// A viewer that has not connected yet.
    fn viewer(&self, seat: usize, spec: &SeatSpec) -> Self::Viewer;

    /// What a message says about the course of the room, if it does.
    fn course(message: &Self::Up) -> Option<Course>;

    /// How fast a message says that the room is to play, if it does.
    fn speed(_message: &Self::Up) -> Option<f64> {
        None
    }
}
