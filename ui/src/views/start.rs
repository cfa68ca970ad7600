//! The first page: a name, and a room to start or to join.

use super::icons::logo;
use super::shelf::Shelf;
use super::typed;
use crate::app::Entry;
use crate::ports::shell::Kind;
use yew::prelude::*;

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) kind: Kind,
    /// What the name begins with.
    pub(crate) name: String,
    /// What the link begins with; not empty where the person was invited.
    pub(crate) link: String,
    pub(crate) error: Option<String>,
    /// Whether an answer is waited for.
    pub(crate) busy: bool,
    /// What waits for a room.
    pub(crate) held: Vec<String>,
    pub(crate) on_enter: Callback<(String, Entry)>,
}

/// A text that the person may change, and that begins anew whenever its source changes.
#[hook]
fn use_text(source: &str) -> UseStateHandle<String> {
    let state = use_state(|| source.to_owned());
    let setter = state.setter();
    use_effect_with(source.to_owned(), move |source| {
        if !source.is_empty() {
            setter.set(source.clone());
        }
    });
    state
}

fn types_into(state: &UseStateHandle<String>) -> Callback<InputEvent> {
    let state = state.clone();
    Callback::from(move |event: InputEvent| {
        if let Some(text) = typed(&event) {
            state.set(text);
        }
    })
}

#[component]
pub(crate) fn StartPage(props: &Props) -> Html {
    let name = use_text(&props.name);
    let link = use_text(&props.link);
    let relay = use_state(String::new);
    // Not by `autofocus`: on a busy computer WebKit obeys it late, and takes the focus from whoever types elsewhere by then.
    let name_input = use_node_ref();
    use_effect_with(name_input.clone(), |input| {
        if let Some(input) = input.cast::<web_sys::HtmlElement>() {
            // Without the focus, the field is one click away.
            let _ = input.focus();
        }
    });
    // A name that nobody typed here, such as the computer's, goes with the first letter of another.
    use_effect_with((name_input.clone(), *name == props.name), |(input, is_given)| {
        if let Some(input) = input.cast::<web_sys::HtmlInputElement>().filter(|_| *is_given) {
            input.select();
        }
    });
    let invited = !props.link.is_empty();
    let start = {
        let (on_enter, name, relay) = (props.on_enter.clone(), name.clone(), relay.clone());
        Callback::from(move |()| {
            let relay = Some(relay.trim().to_owned()).filter(|relay| !relay.is_empty());
            on_enter.emit(((*name).clone(), Entry::Start { relay }));
        })
    };
    let join = {
        let (on_enter, name, link) = (props.on_enter.clone(), name.clone(), link.clone());
        Callback::from(move |()| on_enter.emit(((*name).clone(), Entry::Join { link: (*link).clone() })))
    };
    // Enter in a field does what stands first.
    let submit = {
        let (start, join, has_link) = (start.clone(), join.clone(), !link.trim().is_empty());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            if has_link { join.emit(()) } else { start.emit(()) }
        })
    };
    let start_class = if invited { "secondary" } else { "primary" };
    let join_class = if invited { "primary" } else { "secondary" };
    let start_part = html! {
        <section class="way">
            <h2>{ "Start a room" }</h2>
            <p>{ match props.kind {
                Kind::Desktop => "This computer hosts it. Friends join with the link you send them.",
                Kind::Web => "A new room on this server. Friends join with the link you send them.",
            } }</p>
            <button type="button" class={start_class} data-testid="start-room" disabled={props.busy} onclick={start.reform(|_| ())}>
                { if props.busy { "Starting..." } else { "Start a room" } }
            </button>
            if props.kind == Kind::Desktop {
                <details>
                    <summary>{ "Advanced: use another relay" }</summary>
                    <label class="field">
                        <span>{ "Relay address" }</span>
                        <input data-testid="relay-input" type="text" inputmode="url" placeholder="http://host:7411"
                            spellcheck="false" autocomplete="off" value={(*relay).clone()} oninput={types_into(&relay)} />
                    </label>
                </details>
            }
        </section>
    };
    let join_part = html! {
        <section class="way">
            <h2>{ if invited { "You are invited" } else { "Join a room" } }</h2>
            <label class="field">
                <span>{ "Invitation link" }</span>
                <input data-testid="join-input" type="text" inputmode="url" placeholder="http://host:7411/#/room/..."
                    spellcheck="false" autocomplete="off" value={(*link).clone()} oninput={types_into(&link)} />
            </label>
            <button type="button" class={join_class} data-testid="join-room" onclick={join.reform(|_| ())}>{ "Join the room" }</button>
        </section>
    };
    html! {
        <main class="start" data-testid="start">
            <header class="hero">
                { logo() }
                <h1>{ "Streamshare" }</h1>
                <p>{ "Watch torrents and your own files together, in step, wherever everyone is." }</p>
            </header>
            if !props.held.is_empty() {
                <p class="note" data-testid="held">{ format!("Start or join a room to watch {}.", listed(&props.held)) }</p>
            }
            <form class="card" novalidate=true onsubmit={submit}>
                <label class="field">
                    <span>{ "Your name" }</span>
                    <input data-testid="name-input" type="text" maxlength="64" autocomplete="nickname" ref={name_input}
                        placeholder="How the others see you" value={(*name).clone()} oninput={types_into(&name)} />
                </label>
                if let Some(error) = &props.error {
                    <p class="form-error" data-testid="form-error" role="alert">{ error }</p>
                }
                <div class="ways">
                    if invited { { join_part }{ start_part } } else { { start_part }{ join_part } }
                </div>
                // Lets Enter submit a form whose visible buttons do different things.
                <button type="submit" class="unseen" tabindex="-1" aria-hidden="true"></button>
            </form>
            if props.kind == Kind::Desktop { <div class="start-shelf"><Shelf /></div> }
        </main>
    }
}

/// `a`, `a and b`, `a and 2 more`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, rest @ ..] => format!("{one} and {} more", rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_sentence() {
        let list = |names: &[&str]| listed(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!((list(&["a"]), list(&["a", "b"])), ("a".to_owned(), "a and b".to_owned()));
        assert_eq!(list(&["a", "b", "c"]), "a and 2 more");
    }
}
