//! What menus have in common: how they are closed, and how keys go through them.

use gloo_events::EventListener;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, KeyboardEvent};
use yew::prelude::*;

/// Closes what is open at Escape, wherever the focus is.
#[hook]
pub(super) fn use_escape(open: bool, on_close: &Callback<()>) {
    let on_close = on_close.clone();
    use_effect_with(open, move |open| {
        let document = web_sys::window().and_then(|window| window.document()).filter(|_| *open);
        let listener = document.map(|document| {
            EventListener::new(&document, "keydown", move |event| {
                if event.dyn_ref::<KeyboardEvent>().is_some_and(|event| event.key() == "Escape") {
                    on_close.emit(());
                }
            })
        });
        move || drop(listener)
    });
}

/// Goes to another of the things that a selector finds, as a key asks for; whether it did.
pub(super) fn walk(within: &NodeRef, selector: &str, key: &str) -> bool {
    let things = found(within, selector);
    let active = web_sys::window().and_then(|window| window.document()).and_then(|document| document.active_element());
    let here = things.iter().position(|thing| Some(thing.as_ref()) == active.as_ref());
    let Some(to) = next(key, here, things.len()) else { return false };
    focus(&things[to]);
    true
}

/// Keeps the Tab key within a dialog, at both of its ends; whether it did.
pub(super) fn wrap(within: &NodeRef, event: &KeyboardEvent) -> bool {
    let things = found(within, "button:not(:disabled), input:not(:disabled), summary, a[href]");
    let active = web_sys::window().and_then(|window| window.document()).and_then(|document| document.active_element());
    let ends = if event.shift_key() { (things.first(), things.last()) } else { (things.last(), things.first()) };
    let (Some(end), Some(other)) = ends else { return false };
    // The dialog itself has the focus at first; before it is nothing.
    let at_end = active.as_ref() == Some(end.as_ref())
        || (event.shift_key() && active.as_ref() == within.cast::<Element>().as_ref());
    let wraps = event.key() == "Tab" && at_end;
    if wraps {
        focus(other);
    }
    wraps
}

/// Gives the focus to the first that a selector finds.
pub(super) fn focus_first(within: &NodeRef, selector: &str) {
    if let Some(first) = found(within, selector).first() {
        focus(first);
    }
}

fn focus(element: &HtmlElement) {
    // Where it cannot have the focus, Tab leads there.
    let _ = element.focus();
}

fn found(within: &NodeRef, selector: &str) -> Vec<HtmlElement> {
    let list = within.cast::<Element>().and_then(|element| element.query_selector_all(selector).ok());
    let nodes = list.iter().flat_map(|list| (0..list.length()).filter_map(|index| list.get(index)));
    nodes.filter_map(|node| node.dyn_into().ok()).collect()
}

/// Where an arrow leads from here, of so many; round and round.
fn next(key: &str, here: Option<usize>, count: usize) -> Option<usize> {
    let last = count.checked_sub(1)?;
    match key {
        "ArrowDown" => Some(here.map_or(0, |here| if here >= last { 0 } else { here + 1 })),
        "ArrowUp" => Some(here.map_or(last, |here| here.checked_sub(1).unwrap_or(last))),
        "Home" => Some(0),
        "End" => Some(last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn arrows_go_round() {
        assert_eq!((next("ArrowDown", None, 3), next("ArrowDown", Some(2), 3)), (Some(0), Some(0)));
        assert_eq!((next("ArrowUp", Some(0), 3), next("ArrowUp", Some(2), 3)), (Some(2), Some(1)));
        assert_eq!((next("Home", Some(1), 3), next("End", None, 3)), (Some(0), Some(2)));
        assert_eq!((next("ArrowDown", None, 0), next("k", Some(1), 3)), (None, None));
    }
}
