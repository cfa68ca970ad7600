//! How far this player is from the room, and how sure that is: said as it is.

use crate::clock::mono_ms;
use streamshare_playsync::Skew;
use yew::prelude::*;

/// Below this nobody hears an echo, in milliseconds: a frame at 24 a second.
const TOGETHER_MS: f64 = 40.0;
/// The figure stays for so many milliseconds: what changes faster cannot be read.
const STAYS_MS: f64 = 1_000.0;
/// From so many milliseconds on, tenths of a second say enough.
const LONG_MS: f64 = 1_000.0;

const EXPLANATION: &str = "How far your player is from where the room is at this moment, and how far that may be wrong. \
     Below 40 ms, a single frame of a film, nobody who sits beside you hears an echo.";

/// What is said: `data-state`, in words, in figures.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    state: &'static str,
    words: &'static str,
    figures: String,
}

fn said(skew: Skew) -> Said {
    let (state, words) = if skew.ms.abs() > TOGETHER_MS {
        ("apart", if skew.ms > 0.0 { "Ahead" } else { "Behind" })
    } else if skew.uncertainty_ms > TOGETHER_MS {
        ("unsure", "About in sync")
    } else {
        ("together", "In sync")
    };
    Said { state, words, figures: format!("{} ± {}", length(skew.ms.abs()), length(skew.uncertainty_ms.ceil())) }
}

fn length(ms: f64) -> String {
    if ms < LONG_MS { format!("{ms:.0} ms") } else { format!("{:.1} s", ms / 1000.0) }
}

#[derive(Properties, PartialEq)]
pub(crate) struct Props {
    pub(crate) skew: Option<Skew>,
}

#[component]
pub(crate) fn SkewView(props: &Props) -> Html {
    let shown = use_mut_ref(|| None::<(Said, f64)>);
    let said = props.skew.map(said);
    let now_ms = mono_ms();
    let mut shown = shown.borrow_mut();
    let stays = match (&said, &*shown) {
        (Some(new), Some((old, since_ms))) => new.state == old.state && now_ms - since_ms < STAYS_MS,
        _ => false,
    };
    if !stays {
        *shown = said.map(|said| (said, now_ms));
    }
    let Some((said, _)) = &*shown else { return Html::default() };
    html! {
        <p class="skew" data-testid="skew" data-state={said.state} title={EXPLANATION}>
            <span class="dot" aria-hidden="true"></span>
            <span>{ said.words }</span>
            <span class="figures">{ said.figures.clone() }</span>
        </p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_truth_in_a_few_words() {
        for (ms, uncertainty_ms, state, text) in [
            (3.2, 1.4, "together", "In sync 3 ms ± 2 ms"),
            (-39.0, 2.0, "together", "In sync 39 ms ± 2 ms"),
            (5.0, 60.0, "unsure", "About in sync 5 ms ± 60 ms"),
            (-120.0, 3.0, "apart", "Behind 120 ms ± 3 ms"),
            (2_340.0, 1_000.0, "apart", "Ahead 2.3 s ± 1.0 s"),
        ] {
            let said = said(Skew { ms, uncertainty_ms });
            assert_eq!((said.state, format!("{} {}", said.words, said.figures).as_str()), (state, text));
        }
    }
}
