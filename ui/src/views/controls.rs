//! The player's controls. They show the room, not the player: what everyone sees.

use super::captions::CaptionsMenu;
use super::icons::{Icon, icon};
use super::pace::Pace;
use super::ready::ReadyLine;
use super::{slid, typed};
use crate::app::Wish;
use crate::captions::CaptionsView;
use crate::format;
use streamshare_ipc::Ready;
use streamshare_playsync::{Action, View};
use streamshare_protocol::{MediaTime, PlaybackState};
use yew::prelude::*;

/// The volume slider's steps from silent to full.
const VOLUME_STEPS: f64 = 100.0;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) room: View,
    /// What is there of the file.
    pub(crate) ready: Option<Ready>,
    /// Up to where this player could go on without waiting.
    pub(crate) buffered_to: MediaTime,
    /// Volume from 0 to 1, and whether the sound is off.
    pub(crate) sound: (f64, bool),
    pub(crate) captions: CaptionsView,
    pub(crate) fullscreen: bool,
    pub(crate) on_action: Callback<Action>,
    pub(crate) on_wish: Callback<Wish>,
    pub(crate) on_fullscreen: Callback<()>,
}

#[component]
pub(crate) fn Controls(props: &Props) -> Html {
    let room = &props.room;
    let empty = room.playlist.is_empty();
    // A slider that is held stays where the hand is; ticks don't move it, and only the release is a seek.
    let held = use_state(|| None::<f64>);
    let shown = held.map_or(room.position, MediaTime::saturating);
    let (toggle_words, toggle_icon, toggle_state, action) = match room.state {
        PlaybackState::Playing => ("Pause", Icon::Pause, "PLAYING", Action::Pause),
        PlaybackState::Paused => ("Play", Icon::Play, "PAUSED", Action::Play),
    };
    let duration = room.duration.map_or(0.0, MediaTime::seconds);
    html! {
        <div class="controls">
            <ReadyLine ready={props.ready.clone()} />
            <SeekBar
                {shown} {duration} buffered_to={props.buffered_to} disabled={empty || duration <= 0.0}
                on_hold={ let held = held.clone(); Callback::from(move |to| held.set(Some(to))) }
                on_release={
                    let (held, on_action) = (held.clone(), props.on_action.clone());
                    Callback::from(move |to| {
                        on_action.emit(Action::Seek(MediaTime::saturating(to)));
                        held.set(None);
                    })
                }
            />
            <div class="buttons">
                <button type="button" class="control" data-testid="play-toggle" data-state={toggle_state} aria-label={toggle_words}
                    title={format!("{toggle_words} (space)")} disabled={empty} onclick={props.on_action.reform(move |_| action.clone())}>
                    { icon(toggle_icon) }
                </button>
                <button type="button" class="control" data-testid="next-item" aria-label="Next" title="Next" disabled={empty}
                    onclick={props.on_action.reform(|_| Action::Next)}>{ icon(Icon::Next) }</button>
                { sound(props) }
                <span class="times">
                    <span data-testid="position" data-seconds={room.position.seconds().to_string()}>{ format::clock(shown) }</span>
                    <span class="of">{ "/" }</span>
                    <span data-testid="duration" data-seconds={duration.to_string()}>
                        { room.duration.map_or("-:--".to_owned(), format::clock) }
                    </span>
                </span>
                <span class="space"></span>
                <Pace room={room.clone()} on_action={props.on_action.clone()} />
                <CaptionsMenu captions={props.captions.clone()} disabled={empty} on_wish={props.on_wish.clone()} />
                <button type="button" class="control" data-testid="fullscreen" title="Full screen (f)"
                    aria-label={if props.fullscreen { "Leave full screen" } else { "Full screen" }}
                    onclick={props.on_fullscreen.reform(|_| ())}>
                    { icon(if props.fullscreen { Icon::Window } else { Icon::Fullscreen }) }
                </button>
            </div>
        </div>
    }
}

fn sound(props: &Props) -> Html {
    let (volume, muted) = props.sound;
    let silent = muted || volume <= 0.0;
    let shape = if silent {
        Icon::SoundOff
    } else if volume < 0.5 {
        Icon::SoundLow
    } else {
        Icon::SoundOn
    };
    let level = if muted { 0.0 } else { volume * VOLUME_STEPS };
    let wish = props.on_wish.clone();
    let slide = Callback::from(move |event: InputEvent| {
        if let Some(level) = slid(&event) {
            wish.emit(Wish::Sound { volume: level / VOLUME_STEPS, muted: false });
        }
    });
    // Unmuting a player at volume 0 would change nothing.
    let loud = if volume <= 0.0 { 1.0 } else { volume };
    let mute =
        props.on_wish.reform(move |_| Wish::Sound { volume: if silent { loud } else { volume }, muted: !silent });
    html! {
        <span class="sound">
            <button type="button" class="control" data-testid="mute" aria-pressed={if silent { "true" } else { "false" }}
                aria-label={if silent { "Sound on" } else { "Mute" }} title="Mute (m)" onclick={mute}>{ icon(shape) }</button>
            <input type="range" class="slider volume" data-testid="volume" min="0" max="100" step="1" aria-label="Volume"
                style={format!("--played: {level:.0}%; --buffered: 0%")} value={format!("{level:.0}")} oninput={slide} />
        </span>
    }
}

#[derive(Properties, PartialEq)]
struct SeekBarProps {
    shown: MediaTime,
    duration: f64,
    buffered_to: MediaTime,
    disabled: bool,
    on_hold: Callback<f64>,
    on_release: Callback<f64>,
}

#[component]
fn SeekBar(props: &SeekBarProps) -> Html {
    let share = |at: MediaTime| {
        if props.duration > 0.0 { (at.seconds() / props.duration * 100.0).clamp(0.0, 100.0) } else { 0.0 }
    };
    let style = format!("--played: {:.3}%; --buffered: {:.3}%", share(props.shown), share(props.buffered_to));
    let (hold, release) = (props.on_hold.clone(), props.on_release.clone());
    let on_input = Callback::from(move |event: InputEvent| {
        if let Some(to) = slid(&event) {
            hold.emit(to);
        }
    });
    let on_change = Callback::from(move |event: Event| {
        if let Some(to) = typed(&event).and_then(|text| text.parse().ok()) {
            release.emit(to);
        }
    });
    html! {
        <input type="range" class="slider seek" data-testid="seek" min="0" max={props.duration.to_string()} step="0.1"
            aria-label="Position" aria-valuetext={format::clock(props.shown)} disabled={props.disabled} {style}
            value={props.shown.seconds().to_string()} oninput={on_input} onchange={on_change} />
    }
}
