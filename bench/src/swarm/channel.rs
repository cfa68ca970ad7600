//! One channel to and from Chromium.

use super::{
    link::{Conditions, Link},
    remote::Remote,
    report::beside,
};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use streamshare_tests::Case;

/// Bytes of a message: a block of a torrent and its header, which is what both peers send.
const MESSAGE_BYTES: usize = 16 * 1024 + 13;

/// What is measured of a channel.
pub(super) struct Plan {
    conditions: Option<Conditions>,
    bytes: usize,
    rounds: usize,
}

/// No link between them but this machine.
pub(super) const DIRECT: Plan = Plan { conditions: None, bytes: 50_000_000, rounds: 5 };
/// A fast line to the other end of the country.
pub(super) const DELAYED: Plan = Plan { conditions: Some(LINE), bytes: 30_000_000, rounds: 5 };
/// The same line over a bad Wi-Fi.
///
/// No stack gets far ahead of another here, whatever its settings: SCTP halves its window at each loss and lets it grow by a packet each
/// round trip (RFC 9260, section 7.2), so that the speed is sqrt(3/2) packets a round trip by the root of the loss (Mathis and others,
/// 1997): 0.78 MB/s with packets of 1163 bytes, 41 ms and 0.2 %. Chromium, libdatachannel and webrtc-rs have packets of about that
/// size, which fit through IPv6's smallest link; larger ones would be faster in proportion, and lost for good on some ways. A transfer
/// meets some 14 losses, so that two of the same stack differ by a factor of 2: hence the rounds, in each of which both stacks lose the same
/// packets of those that they send.
pub(super) const LOSSY: Plan =
    Plan { conditions: Some(Conditions { one_lost_of: 500, ..LINE }), bytes: 8_000_000, rounds: 15 };

const LINE: Conditions = Conditions { delay: Duration::from_millis(20), one_lost_of: 0, seed: 0, rate: 100e6 / 8.0 };

#[derive(Debug, Default)]
struct Figures {
    /// MB/s.
    speed: Vec<f64>,
    /// CPU seconds per 100 MB.
    cpu: Vec<f64>,
}

impl Figures {
    fn note(&mut self, speed: f64, cpu: f64) {
        self.speed.push(speed);
        self.cpu.push(cpu);
    }
}

/// Both directions of one stack.
#[derive(Debug, Default)]
struct Stack {
    to_browser: Figures,
    from_browser: Figures,
}

pub(super) async fn run(plan: &Plan) -> Result<()> {
    let case = Case::begin("bench-swarm-channel").await?;
    let mut browser = Remote::browser(&case)?;
    let mut peers = [Remote::ours(&case, "channel")?, Remote::node(&case, "datachannel.mjs")?];
    let mut stacks = [Stack::default(), Stack::default()];
    for seed in (1..).take(plan.rounds) {
        for (peer, stack) in peers.iter_mut().zip(&mut stacks) {
            round(plan, seed, &mut browser, peer, stack)?;
        }
    }
    let [ours, theirs] = &stacks;
    for (what, ours, theirs) in [
        ("Rust -> Chromium", &ours.to_browser, &theirs.to_browser),
        ("Chromium -> Rust", &ours.from_browser, &theirs.from_browser),
    ] {
        beside(what, "MB/s", &ours.speed, "node-datachannel", &theirs.speed);
        beside(&format!("{what}, our CPU"), "s per 100 MB", &ours.cpu, "node-datachannel", &theirs.cpu);
    }
    Ok(())
}

fn round(plan: &Plan, seed: u64, browser: &mut Remote, peer: &mut Remote, stack: &mut Stack) -> Result<()> {
    browser.call("open", &json!(["channel"]))?;
    let conditions = plan.conditions.map(|conditions| Conditions { seed, ..conditions });
    let link = connect(browser, peer, 0, conditions)?;
    // Warms everything up, and slow start passes.
    let few = plan.bytes / 20;
    transfer(browser, peer, few, true)?;
    transfer(browser, peer, few, false)?;
    for (to_browser, figures) in [(true, &mut stack.to_browser), (false, &mut stack.from_browser)] {
        let before = peer.cpu_seconds()?;
        let begun = Instant::now();
        transfer(browser, peer, plan.bytes, to_browser)?;
        let (took, used) = (begun.elapsed().as_secs_f64(), peer.cpu_seconds()? - before);
        #[allow(clippy::cast_precision_loss, reason = "some megabytes")]
        let bytes = plan.bytes as f64;
        figures.note(bytes / 1e6 / took, used * 100e6 / bytes);
    }
    browser.call("call", &json!(["closeAll"]))?;
    peer.call("closeAll", &json!([]))?;
    drop(link);
    Ok(())
}

/// Moves so many bytes, until the last has arrived.
fn transfer(browser: &mut Remote, peer: &mut Remote, bytes: usize, to_browser: bool) -> Result<()> {
    transfer_on(browser, peer, 0, bytes, to_browser)
}

pub(super) fn transfer_on(
    browser: &mut Remote,
    peer: &mut Remote,
    key: usize,
    bytes: usize,
    to_browser: bool,
) -> Result<()> {
    if to_browser {
        let received = browser.ask("call", &json!(["receive", key, bytes]))?;
        peer.call("send", &json!([key, bytes, MESSAGE_BYTES]))?;
        browser.answer(&received)?;
    } else {
        let received = peer.ask("receive", &json!([key, bytes]))?;
        browser.call("call", &json!(["send", key, bytes, MESSAGE_BYTES]))?;
        peer.answer(&received)?;
    }
    Ok(())
}

/// Opens a channel. Its only way is from Chromium to the peer's first address, by the link if there is one: whatever else the
/// two offer each other is taken out of the descriptions, so that all stacks are measured on the same way.
pub(super) fn connect(
    browser: &mut Remote,
    peer: &mut Remote,
    key: usize,
    conditions: Option<Conditions>,
) -> Result<Option<Link>> {
    let offer = peer.call("offer", &json!([key]))?;
    let offer = offer.as_str().context("an offer")?;
    let target = reachable(offer).context("the peer offers no address of this machine but lo")?;
    let link = conditions.map(|conditions| Link::to(target, conditions)).transpose()?;
    let entry = link.as_ref().map_or(target, |link| link.entry);
    let answer = browser.call("call", &json!(["answer", key, with_candidate(offer, Some(entry))]))?;
    let answer = with_candidate(answer.as_str().context("an answer")?, None);
    let opened = browser.ask("call", &json!(["opened", key]))?;
    peer.call("answer", &json!([key, answer]))?;
    if browser.answer(&opened)? != Value::Bool(true) {
        anyhow::bail!("the channel did not open");
    }
    Ok(link)
}

/// The first address over IPv4 that a description offers, except loopback ones.
fn reachable(sdp: &str) -> Option<SocketAddr> {
    sdp.lines().filter(|line| line.starts_with("a=candidate:")).find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_udp = words.get(2)?.eq_ignore_ascii_case("udp");
        let addr = SocketAddr::new(words.get(4)?.parse().ok()?, words.get(5)?.parse().ok()?);
        (is_udp && addr.is_ipv4() && !addr.ip().is_loopback()).then_some(addr)
    })
}

/// A description with this candidate and no other.
fn with_candidate(sdp: &str, candidate: Option<SocketAddr>) -> String {
    let is_candidate = |line: &&str| line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates");
    let mut lines: Vec<String> = sdp.lines().filter(|line| !is_candidate(line)).map(str::to_owned).collect();
    if let Some(candidate) = candidate {
        let (ip, port) = (candidate.ip(), candidate.port());
        // RFC 8839, section 5.1.
        lines.push(format!("a=candidate:1 1 UDP 2130706431 {ip} {port} typ host"));
        lines.push("a=end-of-candidates".to_owned());
    }
    lines.join("\r\n") + "\r\n"
}
