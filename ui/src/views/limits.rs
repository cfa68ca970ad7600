//! The form of what torrents may use up.

use super::typed;
use crate::format;
use crate::ports::shelf;
use std::str::FromStr;
use streamshare_ipc::{LimitSettings, SettingsView};
use yew::prelude::*;

/// Bytes in the units of the form.
const KB: u32 = 1_000;
const GB: f64 = 1e9;

#[derive(Properties, PartialEq)]
pub(super) struct Props {
    /// What fills the cache now.
    pub(super) cached_bytes: u64,
}

/// What stands in the fields, as it was typed.
#[derive(Clone, Debug, Default, PartialEq)]
struct Fields([String; 6]);

/// A field: its test id, its label, and what stands in it while it is empty.
const FIELDS: [(&str, &str, &str); 6] = [
    ("limit-download", "Download, kB/s", "no limit"),
    ("limit-upload", "Upload, kB/s", "no limit"),
    ("limit-peers", "Peers per torrent", "256"),
    ("limit-ratio", "Stop seeding at ratio", "never"),
    ("limit-minutes", "Stop seeding after (min)", "never"),
    ("limit-cache", "Cache, GB (0: no limit)", ""),
];

#[component]
pub(super) fn LimitsForm(props: &Props) -> Html {
    let view = use_state(|| None::<SettingsView>);
    let fields = use_state(Fields::default);
    let told = use_state(|| None::<Result<String, String>>);
    let take = {
        let (view, fields, told) = (view.clone(), fields.clone(), told.clone());
        move |answer: Result<SettingsView, String>, saved: bool| match answer {
            Ok(new) => {
                fields.set(Fields::of(&new.limits));
                told.set(saved.then(|| Ok("Saved. The number of peers holds from the next start on.".to_owned())));
                view.set(Some(new));
            }
            Err(why) => told.set(Some(Err(why))),
        }
    };
    {
        let take = take.clone();
        use_effect_with((), move |()| shelf::settings(Callback::from(move |answer| take(answer, false))));
    }
    let submit = {
        let (fields, told) = (fields.clone(), told.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let take = take.clone();
            match fields.parse() {
                Ok(limits) => shelf::set_limits(limits, Callback::from(move |answer| take(answer, true))),
                Err(why) => told.set(Some(Err(why))),
            }
        })
    };
    let Some(view) = &*view else { return Html::default() };
    let cache = view.limits.cache_bytes.unwrap_or(view.cache_default);
    let of_cache = if cache == 0 { String::new() } else { format!(" of {}", format::bytes(cache)) };
    let field = |(index, (id, label, hint)): (usize, &(&'static str, &'static str, &'static str))| {
        let (fields, told) = (fields.clone(), told.clone());
        let hint = if hint.is_empty() { gigabytes(view.cache_default) } else { (*hint).to_owned() };
        let value = fields.0[index].clone();
        let oninput = Callback::from(move |event: InputEvent| {
            if let Some(text) = typed(&event) {
                let mut new = (*fields).clone();
                new.0[index] = text;
                fields.set(new);
                told.set(None);
            }
        });
        html! {
            <label class="field">
                <span>{ *label }</span>
                <input data-testid={*id} type="text" inputmode="decimal" autocomplete="off" placeholder={hint} {value} {oninput} />
            </label>
        }
    };
    html! {
        <form class="limits" data-testid="limits" novalidate=true onsubmit={submit}>
            <h3>{ "Limits" }</h3>
            // Each of the same height whatever the figures are: below it is what is clicked.
            <p class="limits-note" data-testid="cache-use">
                { format!("Films that you don't keep take up {}{of_cache}.", format::bytes(props.cached_bytes)) }
            </p>
            <p class="limits-note">{ format!("They are in {}. Those not watched for longest go first.", view.download_folder) }</p>
            <div class="limits-fields">{ for FIELDS.iter().enumerate().map(field) }</div>
            <div class="limits-end">
                <button type="submit" class="primary" data-testid="limits-save">{ "Save" }</button>
                if let Some(told) = &*told {
                    { match told {
                        Ok(text) => html! { <p class="limits-note" data-testid="limits-saved" role="status">{ text }</p> },
                        Err(why) => html! { <p class="form-error" data-testid="limits-error" role="alert">{ why }</p> },
                    } }
                }
            </div>
        </form>
    }
}

impl Fields {
    fn of(limits: &LimitSettings) -> Self {
        let whole = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
        let speed = |bps: Option<u32>| bps.map(|bps| trimmed(f64::from(bps) / f64::from(KB))).unwrap_or_default();
        Self([
            speed(limits.download_bps),
            speed(limits.upload_bps),
            whole(limits.peers),
            limits.seed_ratio.map(trimmed).unwrap_or_default(),
            whole(limits.seed_minutes),
            limits.cache_bytes.map(gigabytes).unwrap_or_default(),
        ])
    }

    /// The limits that they mean. Whether each is in its range is the shell's to say.
    fn parse(&self) -> Result<LimitSettings, String> {
        Ok(LimitSettings {
            download_bps: self.speed(0)?,
            upload_bps: self.speed(1)?,
            peers: self.number(2)?,
            seed_ratio: self.number(3)?,
            seed_minutes: self.number(4)?,
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "`as` keeps to the range of u64"
            )]
            cache_bytes: self.number::<f64>(5)?.map(|gigabytes| (gigabytes * GB).round() as u64),
        })
    }

    fn number<T: FromStr>(&self, index: usize) -> Result<Option<T>, String> {
        let text = self.0[index].trim().replace(',', ".");
        // What is below zero, or none at all such as `NaN`, is no number here.
        let looks_like_one = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        match text.parse() {
            _ if text.is_empty() => Ok(None),
            Ok(number) if looks_like_one => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let label = FIELDS[index].1.split(',').next().unwrap_or_default();
                Err(format!("{label}: \"{}\" is not a number that fits.", self.0[index].trim()))
            }
        }
    }

    fn speed(&self, index: usize) -> Result<Option<u32>, String> {
        let speed = self.number::<u32>(index)?;
        match speed.map(|kilobytes| kilobytes.checked_mul(KB)) {
            Some(None) => Err(format!("{}: this is more than any line carries.", FIELDS[index].1)),
            Some(Some(bps)) => Ok(Some(bps)),
            None => Ok(None),
        }
    }
}

fn gigabytes(bytes: u64) -> String {
    #[allow(clippy::cast_precision_loss, reason = "shown with one digit")]
    let gigabytes = bytes as f64 / GB;
    trimmed((gigabytes * 10.0).round() / 10.0)
}

/// A number without a fraction that says nothing.
fn trimmed(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_comes_back() {
        let limits = LimitSettings {
            upload_bps: Some(500_000),
            download_bps: None,
            peers: Some(40),
            seed_ratio: Some(1.5),
            seed_minutes: Some(0),
            cache_bytes: Some(12_500_000_000),
        };
        let fields = Fields::of(&limits);
        assert_eq!(fields.0, ["", "500", "40", "1.5", "0", "12.5"]);
        assert_eq!(fields.parse(), Ok(limits));
        assert_eq!(Fields::default().parse(), Ok(LimitSettings::default()));
    }

    #[test]
    fn what_is_no_number_is_told() {
        let parse = |index: usize, text: &str| {
            let mut fields = Fields::default();
            fields.0[index] = text.to_owned();
            fields.parse()
        };
        assert_eq!(parse(3, " 0,5 ").map(|limits| limits.seed_ratio), Ok(Some(0.5)));
        for (index, text) in [(0, "fast"), (0, "-5"), (1, "99999999"), (2, "1.5"), (3, "NaN"), (5, "1e3")] {
            assert!(parse(index, text).is_err(), "{text}");
        }
        assert!(parse(0, "fast").is_err_and(|why| why.starts_with("Download:")));
    }
}
