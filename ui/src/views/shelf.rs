//! The shelf: all torrents of the desktop app, what each costs, and what can be done about it.

use super::icons::{Icon, icon};
use super::limits::LimitsForm;
use super::menu::{focus_first, wrap};
use crate::format;
use crate::ports::shelf;
use streamshare_ipc::{Act, Counted, Keeping, TorrentState, TorrentStats};
use yew::prelude::*;

/// The button that opens the shelf, and the shelf.
#[component]
pub(crate) fn Shelf() -> Html {
    let open = use_state(|| false);
    let torrents = use_state(Vec::new);
    let place = use_node_ref();
    {
        // Heard all the time: it comes once a second, and would be missing when the shelf opens.
        let torrents = torrents.setter();
        use_effect_with((), move |()| {
            let watch = shelf::watch(Callback::from(move |stats| torrents.set(stats)));
            move || drop(watch)
        });
    }
    let toggle = |to: bool| {
        let (open, place) = (open.clone(), place.clone());
        Callback::from(move |()| {
            open.set(to);
            // Where one was before.
            if !to {
                focus_first(&place, "button");
            }
        })
    };
    html! {
        <span ref={place.clone()} class="shelf-place">
            <button type="button" class="secondary shelf-button" data-testid="shelf-open" aria-haspopup="dialog"
                onclick={toggle(true).reform(|_| ())}>
                { icon(Icon::Shelf) }<span>{ "Torrents" }</span>
            </button>
            if *open { <Sheet torrents={(*torrents).clone()} on_close={toggle(false)} /> }
        </span>
    }
}

#[derive(Properties, PartialEq)]
struct SheetProps {
    torrents: Vec<TorrentStats>,
    on_close: Callback<()>,
}

/// What is to be done to a torrent, or to all.
type Deed = (Option<String>, Act);

#[component]
fn Sheet(props: &SheetProps) -> Html {
    // What could not be done, and to which torrent.
    let failure = use_state(|| None::<(Option<String>, String)>);
    let sheet = use_node_ref();
    let (doomed, doom) = use_doomed(&sheet);
    let act = {
        let (failure, doom, is_doomed) = (failure.clone(), doom.clone(), doomed.is_some());
        Callback::from(move |(info_hash, act): Deed| {
            failure.set(None);
            if is_doomed {
                doom.emit(None);
            }
            let (failure, whose) = (failure.clone(), info_hash.clone());
            shelf::act(info_hash, act, Callback::from(move |why| failure.set(Some((whose.clone(), why)))));
        })
    };
    let on_key = {
        let (on_close, sheet, doom, is_doomed) =
            (props.on_close.clone(), sheet.clone(), doom.clone(), doomed.is_some());
        Callback::from(move |event: KeyboardEvent| {
            // None of the player's shortcuts is meant here.
            event.stop_propagation();
            if wrap(&sheet, &event) {
                event.prevent_default();
            }
            match event.key().as_str() {
                "Escape" if is_doomed => doom.emit(None),
                "Escape" => on_close.emit(()),
                _ => {}
            }
        })
    };
    let list = &props.torrents;
    let failed = |hash: Option<&String>| {
        let (whose, why) = (*failure).as_ref()?;
        // What it was done to may have gone.
        let whose = whose.as_ref().filter(|whose| list.iter().any(|stats| stats.info_hash == **whose));
        (whose == hash).then_some(why.as_str())
    };
    html! {
        <div class="sheet-back" onclick={props.on_close.reform(|_| ())}>
            <section ref={sheet.clone()} class="sheet" data-testid="shelf" role="dialog" aria-modal="true" aria-label="Torrents" tabindex="-1"
                onclick={Callback::from(|event: MouseEvent| event.stop_propagation())} onkeydown={on_key}>
                { head(list, failed(None), &sheet, &act, &props.on_close) }
                <ul class="torrents">
                    { for list.iter().map(|stats| {
                        let is_doomed = doomed.as_deref() == Some(stats.info_hash.as_str());
                        row(&Row { stats, is_doomed, failed: failed(Some(&stats.info_hash)) }, &doom, &act)
                    }) }
                </ul>
                <LimitsForm cached_bytes={cached(list)} />
            </section>
        </div>
    }
}

/// The torrent whose deletion waits for a second word, and what tells so. The focus stays in the sheet meanwhile: without it Escape, Tab and
/// the player's keys would be the page's.
#[hook]
fn use_doomed(sheet: &NodeRef) -> (Option<String>, Callback<Option<String>>) {
    let doomed = use_state(|| None::<String>);
    use_effect_with((*doomed).clone(), {
        let sheet = sheet.clone();
        move |doomed| match (doomed, sheet.cast::<web_sys::HtmlElement>()) {
            // What is asked may lie below what is seen.
            (Some(_), _) => focus_first(&sheet, ".torrent-confirm .secondary"),
            // Where it cannot have the focus, keys work as before.
            (None, Some(sheet)) => drop(sheet.focus()),
            (None, None) => {}
        }
    });
    let setter = doomed.setter();
    ((*doomed).clone(), Callback::from(move |hash| setter.set(hash)))
}

/// What stays at the top while the list is scrolled.
fn head(
    list: &[TorrentStats],
    failed: Option<&str>,
    sheet: &NodeRef,
    act: &Callback<Deed>,
    on_close: &Callback<()>,
) -> Html {
    let to_limits = {
        let sheet = sheet.clone();
        Callback::from(move |_: MouseEvent| {
            let form =
                sheet.cast::<web_sys::Element>().and_then(|sheet| sheet.query_selector(".limits").ok().flatten());
            if let Some(form) = form {
                focus_first(&sheet, ".limits input");
                form.scroll_into_view();
            }
        })
    };
    html! {
        <div class="sheet-head">
            <header class="sheet-top">
                <h2>{ "Torrents" }</h2>
                <span class="sheet-sum" data-testid="shelf-sum">{ sum(list) }</span>
                <button type="button" class="quiet" data-testid="shelf-close" aria-label="Close" title="Close"
                    onclick={on_close.reform(|_| ())}>{ icon(Icon::Remove) }</button>
            </header>
            if list.is_empty() {
                <p class="empty">{ "No torrents yet. What you watch or share is listed here." }</p>
            } else {
                <div class="sheet-buttons">
                    <button type="button" class="secondary" data-testid="pause-all" onclick={act.reform(|_| (None, Act::Pause))}>
                        { icon(Icon::Pause) }<span>{ "Pause all" }</span></button>
                    <button type="button" class="secondary" data-testid="resume-all" onclick={act.reform(|_| (None, Act::Resume))}>
                        { icon(Icon::Play) }<span>{ "Resume all" }</span></button>
                    <button type="button" class="quiet" data-testid="to-limits" onclick={to_limits}>{ "Limits" }{ icon(Icon::Down) }</button>
                </div>
            }
            if let Some(why) = failed { <p class="form-error" data-testid="shelf-error" role="alert">{ why }</p> }
        </div>
    }
}

/// A torrent in the list.
struct Row<'a> {
    stats: &'a TorrentStats,
    /// Whether its deletion waits for a second word.
    is_doomed: bool,
    /// Why what was to be done to it could not be done.
    failed: Option<&'a str>,
}

fn row(row: &Row<'_>, doom: &Callback<Option<String>>, act: &Callback<Deed>) -> Html {
    let Row { stats, is_doomed, failed } = *row;
    let does = |what: Act| {
        let hash = stats.info_hash.clone();
        act.reform(move |_: MouseEvent| (Some(hash.clone()), what))
    };
    let dooms = |hash: Option<String>| doom.reform(move |_: MouseEvent| hash.clone());
    let stands = matches!(stats.state, TorrentState::Paused | TorrentState::Failed);
    let (go_words, go_icon, go) =
        if stands { ("Resume", Icon::Play, Act::Resume) } else { ("Pause", Icon::Pause, Act::Pause) };
    let kept = stats.keeping == Keeping::Kept;
    let done = format::percent(stats.have_bytes, stats.total_bytes).unwrap_or(0);
    let named = |what: &str| format!("{what} {}", stats.name);
    let (does_what, [got, place]) = (activity(stats), cost(stats));
    let told = format!("{got} · {place}");
    html! {
        <li key={stats.info_hash.clone()} class="torrent" data-testid="torrent" data-hash={stats.info_hash.clone()}
            data-state={state_name(stats.state)} data-keeping={keeping_name(stats.keeping)}>
            <span class="torrent-name" title={stats.name.clone()}>{ &stats.name }</span>
            <span class="torrent-buttons">
                <button type="button" class="quiet" data-testid="torrent-go" aria-label={named(go_words)} title={go_words} onclick={does(go)}>
                    { icon(go_icon) }</button>
                if stats.keeping != Keeping::Own {
                    <button type="button" class={classes!("quiet", kept.then_some("on"))} data-testid="torrent-keep"
                        aria-pressed={if kept { "true" } else { "false" }} aria-label={named("Keep")}
                        title={if kept { "It is kept. Click to let it make room for others." } else { "Keep it: it is not deleted to make room for others." }}
                        onclick={does(if kept { Act::Release } else { Act::Keep })}>{ icon(Icon::Keep) }</button>
                }
                <button type="button" class="quiet" data-testid="torrent-delete" aria-label={named("Delete")} title="Delete"
                    onclick={dooms(Some(stats.info_hash.clone()))}>{ icon(Icon::Bin) }</button>
            </span>
            <span class={classes!("torrent-detail", stats.error.is_some().then_some("failed"))} data-testid="torrent-activity"
                title={does_what.clone()}>{ &does_what }</span>
            <span class="torrent-detail torrent-cost" data-testid="torrent-cost" title={told}>
                <span>{ got }</span><span class="torrent-dot">{ " · " }</span><span>{ place }</span>
            </span>
            <span class="bar" role="presentation"><span style={format!("width: {done}%")}></span></span>
            if is_doomed {
                <div class="torrent-confirm" data-testid="torrent-confirm" role="alert">
                    <span>{ warning(stats) }</span>
                    <button type="button" class="danger" data-testid="confirm-delete" onclick={does(Act::Delete)}>
                        { if stats.keeping == Keeping::Own { "Remove" } else { "Delete" } }</button>
                    <button type="button" class="secondary" data-testid="confirm-cancel" onclick={dooms(None)}>{ "Cancel" }</button>
                </div>
            }
            if let Some(why) = failed { <p class="form-error" data-testid="shelf-error" role="alert">{ why }</p> }
        </li>
    }
}

fn state_name(state: TorrentState) -> &'static str {
    match state {
        TorrentState::Checking => "checking",
        TorrentState::Downloading => "downloading",
        TorrentState::Seeding => "seeding",
        TorrentState::Paused => "paused",
        TorrentState::Failed => "failed",
    }
}

fn keeping_name(keeping: Keeping) -> &'static str {
    match keeping {
        Keeping::Own => "own",
        Keeping::Kept => "kept",
        Keeping::Cached => "cached",
    }
}

/// What a torrent does.
fn activity(stats: &TorrentStats) -> String {
    if let Some(error) = &stats.error {
        return error.clone();
    }
    let peers = format::counted(u64::from(stats.peers.total()), "peer", "peers") + &swarm(stats);
    let (down, up) = (format::speed(stats.download_bps), format::speed(stats.upload_bps));
    match stats.state {
        TorrentState::Checking => "Checking the disk".to_owned(),
        TorrentState::Paused => "Paused".to_owned(),
        TorrentState::Failed => "Failed".to_owned(),
        TorrentState::Downloading => format!("↓ {down} · ↑ {up} · {peers}"),
        TorrentState::Seeding => format!("↑ {up} · {peers}"),
    }
}

/// Who else there is, as trackers count. Whoever is alone there needs no numbers.
fn swarm(stats: &TorrentStats) -> String {
    let Some(Counted { seeders, leechers }) = stats.counted.filter(|all| all.seeders + all.leechers > 1) else {
        return String::new();
    };
    let leechers = format::counted(leechers, "leecher", "leechers");
    format!(" · {}, {leechers}", format::counted(seeders, "seeder", "seeders"))
}

/// What a torrent has and gave, and what it costs.
fn cost(stats: &TorrentStats) -> [String; 2] {
    let (have, total) = (format::bytes(stats.have_bytes), format::bytes(stats.total_bytes));
    let size = if stats.have_bytes >= stats.total_bytes { total } else { format!("{have} of {total}") };
    let given = format!("gave {}{}", format::bytes(stats.uploaded_bytes), ratio(stats));
    let place = match stats.keeping {
        Keeping::Own => "your own file".to_owned(),
        Keeping::Kept => format!("{} on the disk, kept", format::bytes(stats.disk_bytes)),
        Keeping::Cached => format!("{} on the disk", format::bytes(stats.disk_bytes)),
    };
    [format!("{size} · {given}"), place]
}

/// How often a torrent gave what it has.
fn ratio(stats: &TorrentStats) -> String {
    if stats.have_bytes == 0 {
        return String::new();
    }
    #[allow(clippy::cast_precision_loss, reason = "shown with two digits")]
    let ratio = stats.uploaded_bytes as f64 / stats.have_bytes as f64;
    format!(" (ratio {ratio:.2})")
}

fn warning(stats: &TorrentStats) -> String {
    match stats.keeping {
        Keeping::Own => "Stop sharing it? Your file stays where it is.".to_owned(),
        Keeping::Kept | Keeping::Cached => {
            format!("Delete it and its {} from this computer?", format::bytes(stats.disk_bytes))
        }
    }
}

/// What all of them take up together.
fn sum(list: &[TorrentStats]) -> String {
    if list.is_empty() {
        return String::new();
    }
    let own = |stats: &&TorrentStats| stats.keeping != Keeping::Own;
    let disk = list.iter().filter(own).fold(0_u64, |sum, stats| sum.saturating_add(stats.disk_bytes));
    format!("{}, {} on the disk", format::counted(list.len() as u64, "torrent", "torrents"), format::bytes(disk))
}

/// The bytes of those that make room for others.
fn cached(list: &[TorrentStats]) -> u64 {
    list.iter()
        .filter(|stats| stats.keeping == Keeping::Cached)
        .fold(0, |sum, stats| sum.saturating_add(stats.disk_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use streamshare_ipc::Peers;

    fn stats(keeping: Keeping, have_bytes: u64, uploaded_bytes: u64) -> TorrentStats {
        TorrentStats {
            info_hash: "aa".to_owned(),
            name: "Film".to_owned(),
            state: TorrentState::Downloading,
            have_bytes,
            total_bytes: 2_000_000_000,
            download_bps: 1_400_000,
            upload_bps: 20_000,
            peers: Peers { tcp: 2, ..Peers::default() },
            known_peers: 9,
            counted: None,
            uploaded_bytes,
            disk_bytes: have_bytes,
            keeping,
            ready: Vec::new(),
            error: None,
        }
    }

    #[test]
    fn a_torrent_and_its_cost() {
        let cached = stats(Keeping::Cached, 500_000_000, 250_000_000);
        assert_eq!(activity(&cached), "↓ 1.4 MB/s · ↑ 20 kB/s · 2 peers");
        let counted = |seeders, leechers| {
            activity(&TorrentStats { counted: Some(Counted { seeders, leechers }), ..cached.clone() })
        };
        assert_eq!(counted(0, 1), activity(&cached));
        assert_eq!(counted(3, 1), activity(&cached) + " · 3 seeders, 1 leecher");
        assert_eq!(cost(&cached), ["500 MB of 2.0 GB · gave 250 MB (ratio 0.50)", "500 MB on the disk"]);
        let own = stats(Keeping::Own, 2_000_000_000, 0);
        assert_eq!(cost(&own), ["2.0 GB · gave 0 B (ratio 0.00)", "your own file"]);
        assert_eq!(cost(&stats(Keeping::Kept, 0, 0)), ["0 B of 2.0 GB · gave 0 B", "0 B on the disk, kept"]);
        // What is the person's own is neither counted nor ever deleted.
        assert_eq!(sum(&[cached.clone(), own.clone()]), "2 torrents, 500 MB on the disk");
        assert!(warning(&own).contains("stays where it is") && warning(&cached).contains("500 MB"));
        let failed = TorrentStats { error: Some("The disk is full.".to_owned()), ..cached };
        assert_eq!(activity(&failed), "The disk is full.");
    }
}
