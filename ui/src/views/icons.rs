//! The icons, drawn on a grid of 24, and the logo.

use yew::prelude::*;

/// What an icon shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Icon {
    Play,
    Pause,
    Next,
    Captions,
    SoundOn,
    SoundLow,
    SoundOff,
    Fullscreen,
    Window,
    Up,
    Down,
    Remove,
    Copy,
    Done,
    Leave,
    Add,
    Less,
    Files,
    Retry,
    Fetch,
    Screen,
    Shelf,
    Keep,
    Bin,
}

/// The outlines of an icon, and whether they are filled rather than drawn.
fn outline(icon: Icon) -> (&'static str, bool) {
    match icon {
        Icon::Play => ("M8 5.2v13.6a.8.8 0 0 0 1.2.7l10.9-6.8a.8.8 0 0 0 0-1.4L9.2 4.5A.8.8 0 0 0 8 5.2z", true),
        Icon::Pause => ("M7 5h3.2v14H7zM13.8 5H17v14h-3.2z", true),
        Icon::Next => {
            ("M5 5.6v12.8a.7.7 0 0 0 1.1.6L15 12.6a.7.7 0 0 0 0-1.2L6.1 5a.7.7 0 0 0-1.1.6zM16.6 5H19v14h-2.4z", true)
        }
        Icon::Captions => ("M4 5.5h16v13H4zM7 14.5h6M15 14.5h2M7 11h3M12 11h5", false),
        Icon::SoundOn => {
            ("M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11", false)
        }
        Icon::SoundLow => ("M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4.2 4.2 0 0 1 0 6", false),
        Icon::SoundOff => ("M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5", false),
        Icon::Fullscreen => ("M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", false),
        Icon::Window => ("M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5", false),
        Icon::Up => ("M6 14.5l6-6 6 6", false),
        Icon::Down => ("M6 9.5l6 6 6-6", false),
        Icon::Remove => ("M6.5 6.5l11 11M17.5 6.5l-11 11", false),
        Icon::Copy => ("M9 9h10v11H9zM15 9V4H5v11h4", false),
        Icon::Done => ("M5 12.5l4.5 4.5L19 7.5", false),
        Icon::Leave => ("M14 4H6v16h8M10.5 12H20M16.5 8.5L20 12l-3.5 3.5", false),
        Icon::Add => ("M12 5v14M5 12h14", false),
        Icon::Less => ("M5 12h14", false),
        Icon::Files => ("M4 6h5.5l2 2.5H20V19H4z", false),
        Icon::Retry => ("M19 12a7 7 0 1 1-2.2-5.1M19 4v4.5h-4.5", false),
        Icon::Fetch => ("M12 4v11M7 10.5l5 5 5-5M5 20h14", false),
        Icon::Shelf => ("M4 6h16M4 12h16M4 18h10", false),
        Icon::Keep => ("M7 4h10v16l-5-4-5 4z", false),
        Icon::Bin => ("M5 7h14M10 4h4M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5", false),
        Icon::Screen => ("M3.5 5h17v11h-17zM8.5 20h7M12 16v4", false),
    }
}

/// An icon, hidden from screen readers: what it stands in carries the words.
pub(crate) fn icon(icon: Icon) -> Html {
    let (path, filled) = outline(icon);
    html! {
        <svg class={classes!("icon", filled.then_some("filled"))} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
            <path d={path} />
        </svg>
    }
}

/// Two screens at the same place of one film.
pub(crate) fn logo() -> Html {
    html! {
        <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
            <rect class="logo-back" x="10" y="4" width="20" height="18" rx="5" />
            <rect class="logo-front" x="2" y="10" width="20" height="18" rx="5" />
            <path class="logo-play" d="M9.5 15.1v7.8a.6.6 0 0 0 .9.5l6.3-3.9a.6.6 0 0 0 0-1l-6.3-3.9a.6.6 0 0 0-.9.5z" />
        </svg>
    }
}
