//! What is there of the film: the line under the position's slider, and when it can play. Bytes stand for time in proportion,
//! which is true but for films of very uneven rate.

use std::time::Duration;
use streamshare_ipc::{Ready, TorrentStats};
use streamshare_protocol::MediaTime;
use yew::prelude::*;

/// Seconds of film that a player wants to have before it starts.
const START_S: f64 = 2.0;
/// What a wait of more than this is: nothing that a number helps with.
const WAIT_MAX_S: f64 = 100.0 * 3600.0;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    pub(super) ready: Option<Ready>,
}

/// The parts of the file that are there, as a line as long as the file.
#[component]
pub(super) fn ReadyLine(props: &Props) -> Html {
    let Some(ready) = props.ready.as_ref().filter(|ready| ready.length > 0) else { return Html::default() };
    #[allow(clippy::cast_precision_loss, reason = "a place on the screen")]
    let share = |bytes: u64| bytes as f64 / ready.length as f64 * 100.0;
    let part = |(from, to): &(u64, u64)| {
        html! { <i style={format!("left: {:.3}%; width: {:.3}%", share(*from), share(to - from))}></i> }
    };
    let whole = if spans_length(ready, 0) == ready.length { "whole" } else { "part" };
    html! {
        <div class="ready" data-testid="ready" data-of={whole} data-spans={ready.spans.len().to_string()} aria-hidden="true">
            { for ready.spans.iter().map(part) }
        </div>
    }
}

/// What is there of the file that plays.
pub(super) fn of_file(stats: Option<&TorrentStats>, file_index: usize) -> Option<Ready> {
    stats?.ready.iter().find(|ready| ready.file_index == file_index).cloned()
}

/// When a file can play.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forecast {
    /// Until it starts; nothing where that cannot be told, as nothing comes.
    pub(super) starts: Option<Duration>,
    /// Until it can start and go on to its end without a break, as far as the speed stays.
    pub(super) through: Option<Duration>,
}

/// Foretells from what is there, where the film is, how long it is, and how fast its bytes come.
pub(super) fn forecast(
    ready: &Ready,
    at: MediaTime,
    duration: Option<MediaTime>,
    bytes_per_s: u64,
) -> Option<Forecast> {
    let duration = duration.map(MediaTime::seconds).filter(|seconds| *seconds > 0.0)?;
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let (length, speed) = (ready.length as f64, bytes_per_s as f64);
    let rate = length / duration;
    let left_s = (duration - at.seconds()).max(0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the file")]
    let here = (at.seconds().min(duration) * rate) as u64;
    let span = ready.spans.iter().find(|(from, to)| (*from..*to).contains(&here));
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let (ahead, missing) = (
        span.map_or(0.0, |(_, to)| (to - here) as f64),
        ready.length.saturating_sub(here).saturating_sub(spans_length(ready, here)) as f64,
    );
    let starts_s = ((START_S.min(left_s) * rate).min(ahead + missing) - ahead).max(0.0) / speed;
    let through_s = (missing / speed - left_s).max(starts_s);
    // Nothing divided by nothing is no wait at all.
    let told = |seconds: f64, none: bool| if none { Some(Duration::ZERO) } else { wait(seconds) };
    Some(Forecast { starts: told(starts_s, starts_s.is_nan()), through: told(through_s, missing <= 0.0) })
}

fn wait(seconds: f64) -> Option<Duration> {
    (seconds.is_finite() && seconds <= WAIT_MAX_S).then(|| Duration::from_secs_f64(seconds))
}

/// The bytes from a place on that are there.
fn spans_length(ready: &Ready, from: u64) -> u64 {
    ready.spans.iter().map(|(start, end)| end.saturating_sub((*start).max(from))).sum()
}

/// A wait in words; nothing where there is none to speak of.
pub(super) fn wait_text(wait: Duration) -> Option<String> {
    match wait.as_secs() {
        0 => None,
        1..60 => Some(format!("{} s", wait.as_secs())),
        seconds @ 60..5_400 => Some(format!("{} min", (seconds + 30) / 60)),
        seconds => Some(format!("{} h", (seconds + 1_800) / 3_600)),
    }
}

/// When it plays on, for what is said over the picture.
pub(super) fn starts_text(forecast: Option<Forecast>) -> Option<String> {
    wait_text(forecast?.starts?).map(|wait| format!("It goes on in about {wait}."))
}

/// When a player that has nothing to show yet can begin, for what is said over the picture: by what it has to read before that, and how
/// fast it comes.
pub(super) fn begins_text(ready: &Ready, bytes_per_s: u64) -> Option<String> {
    let missing = ready.missing_to_start.filter(|missing| *missing > 0)?;
    if bytes_per_s == 0 {
        return None;
    }
    #[allow(clippy::cast_precision_loss, reason = "an estimate")]
    let seconds = missing as f64 / bytes_per_s as f64;
    wait_text(wait(seconds)?).map(|wait| format!("It can play in about {wait}."))
}

/// Whether the film outruns what comes, for the line under the picture.
pub(super) fn through_text(forecast: Option<Forecast>) -> Option<String> {
    wait_text(forecast?.through?).map(|wait| format!("plays through without a break in {wait}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(spans: &[(u64, u64)]) -> Ready {
        Ready { file_index: 0, length: 1000, spans: spans.to_vec(), missing_to_start: None }
    }

    /// At so many seconds of 100, 10 bytes each: until it starts, and until it plays through.
    fn told(spans: &[(u64, u64)], at: f64, speed: u64) -> (Option<f64>, Option<f64>) {
        let duration = Some(MediaTime::saturating(100.0));
        let forecast = forecast(&ready(spans), MediaTime::saturating(at), duration, speed).expect("a duration");
        (forecast.starts.map(|wait| wait.as_secs_f64()), forecast.through.map(|wait| wait.as_secs_f64()))
    }

    #[test]
    fn when_it_can_play() {
        // All is there, also where nothing comes any more.
        assert_eq!(told(&[(0, 1000)], 0.0, 0), (Some(0.0), Some(0.0)));
        assert_eq!(told(&[(500, 1000)], 50.0, 0), (Some(0.0), Some(0.0)));
        // Faster than it plays: two seconds of film first.
        assert_eq!(told(&[], 0.0, 20), (Some(1.0), Some(1.0)));
        assert_eq!(told(&[(0, 10)], 0.0, 20), (Some(0.5), Some(0.5)));
        // Half as fast as it plays: half of it has to be there.
        assert_eq!(told(&[(0, 100)], 0.0, 5), (Some(0.0), Some(80.0)));
        // What lies behind does not help.
        assert_eq!(told(&[(0, 500)], 60.0, 5), (Some(4.0), Some(40.0)));
        // Nothing comes.
        assert_eq!(told(&[(0, 500)], 60.0, 0), (None, None));
        assert_eq!(told(&[(0, 500)], 10.0, 0), (Some(0.0), None));
        // The end of the film is less than a player wants.
        assert_eq!(told(&[], 99.0, 10), (Some(1.0), Some(1.0)));
        assert_eq!(forecast(&ready(&[]), MediaTime::ZERO, None, 10), None);
    }

    #[test]
    fn when_a_player_can_begin() {
        let text = |missing, speed| begins_text(&Ready { missing_to_start: missing, ..ready(&[]) }, speed);
        assert_eq!(text(Some(1200), 100).as_deref(), Some("It can play in about 12 s."));
        // Nothing comes, nothing is missing, it is there at once, or nobody knows.
        assert_eq!(
            [text(Some(1200), 0), text(Some(0), 100), text(Some(50), 100), text(None, 100)],
            [None, None, None, None]
        );
    }

    #[test]
    fn waits_in_words() {
        let text = |seconds| wait_text(Duration::from_secs(seconds));
        assert_eq!(text(0), None);
        assert_eq!(
            [text(1), text(59), text(60), text(89)].map(Option::unwrap_or_default),
            ["1 s", "59 s", "1 min", "1 min"]
        );
        assert_eq!([text(90), text(5_400), text(9_000)].map(Option::unwrap_or_default), ["2 min", "2 h", "3 h"]);
    }
}
