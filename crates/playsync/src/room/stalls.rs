//! Whose player waits for data, and whether the room waits for it.

use super::{Room, ms};
use crate::{RelayTime, anchor::Anchor};
use std::time::Duration;
use streamshare_protocol::{MediaTime, MemberId, PlaybackState, PlayerState, StallPolicy, SyncReport};

/// How long a player has to stall before the room stands: shorter gaps are over before everyone would have stopped.
pub(super) const HOLD_AFTER: Duration = Duration::from_millis(1500);
/// How long the room waits for one stall, while others could go on. Nobody waits for ever: what users of other programs
/// complain of most (syncplay#532, jellyfin#17864).
const HOLD_BUDGET: Duration = Duration::from_secs(10);
/// How long a player has to play until it is waited for once more, or at all where its member came into a film. One that just
/// landed says that it plays, and may stand again at once: who starves would stop the others for [`HOLD_BUDGET`] every few
/// seconds, and who joins in a slow swarm would stop them for having joined.
const PLAYS_AGAIN_AFTER: Duration = Duration::from_secs(3);
/// From when on a member that says nothing is not believed any more; members report every 2 s.
const SILENT_AFTER: Duration = Duration::from_secs(6);

/// What a member said of its player.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    state: Option<PlayerState>,
    said_at: RelayTime,
    position: MediaTime,
    /// Whether it ever played the head: whoever joins or loads is not waited for.
    has_played: bool,
    stalled_since: Option<RelayTime>,
    playing_since: Option<RelayTime>,
    /// Waited for in vain, or just come: not before it played for a while.
    excused: bool,
}

impl Watcher {
    /// Of a member that enters: what it fetches first may not last, and nobody stops for someone who only joins.
    pub(super) fn of_joining() -> Self {
        Self { excused: true, ..Self::default() }
    }

    pub(super) fn handle_report(&mut self, report: &SyncReport, now: RelayTime) {
        (self.state, self.said_at, self.position) = (report.player_state, now, report.current_time);
        let plays = report.player_state == Some(PlayerState::Playing);
        let stalls = report.player_state == Some(PlayerState::Stalled);
        let played = self.playing_since.map(|since| now.since(since));
        self.excused &= played.is_none_or(|played| played < PLAYS_AGAIN_AFTER);
        self.playing_since = self.playing_since.or(Some(now)).filter(|_| plays);
        self.stalled_since = self.stalled_since.or(Some(now)).filter(|_| stalls);
        self.has_played |= plays;
    }

    /// Another item is the head.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    fn is_silent(&self, now: RelayTime) -> bool {
        now.since(self.said_at) >= SILENT_AFTER
    }

    fn is_stalled(&self, now: RelayTime) -> bool {
        self.stalled_since.is_some() && self.has_played && !self.is_silent(now)
    }

    fn has_stalled_long(&self, now: RelayTime) -> bool {
        self.is_stalled(now) && self.stalled_since.is_some_and(|since| now.since(since) >= HOLD_AFTER)
    }

    /// Whether there is a player that could go on. Plain peers say nothing of theirs.
    fn could_go_on(&self, is_plain: bool, now: RelayTime) -> bool {
        match self.state {
            None => is_plain,
            Some(PlayerState::Playing | PlayerState::Paused) => !self.is_silent(now),
            Some(_) => false,
        }
    }
}

/// The room waits.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) members: Vec<MemberId>,
    /// Since when somebody could go on without them; [`None`] while there is nobody.
    since: Option<RelayTime>,
}

impl Room {
    /// Whether to begin or to end to wait, after anything happened.
    pub(super) fn check_stalls(&mut self, now: RelayTime) {
        if self.hold.is_some() {
            self.check_hold(now);
        } else if self.anchor.state == PlaybackState::Playing && self.anchor.at_ms <= ms(now) {
            let stalled = self.members_that(|watcher| watcher.has_stalled_long(now));
            let others = self.somebody_could_go_on(now);
            let wanted = match (others, self.stall_policy) {
                (false, _) => stalled,
                (true, StallPolicy::Wait) => {
                    stalled.into_iter().filter(|id| !self.members[id].watcher.excused).collect()
                }
                (true, StallPolicy::NeverWait) => Vec::new(),
            };
            if !wanted.is_empty() {
                self.begin_hold(wanted, others, now);
            }
        }
    }

    /// When that is to be asked again though nothing happens.
    pub(super) fn next_stall_check(&self) -> impl Iterator<Item = RelayTime> {
        let hold_ends = self.hold.as_ref().and_then(|hold| hold.since).map(|since| since + HOLD_BUDGET);
        let watchers = self.members.values().map(|member| &member.watcher);
        let stalls = watchers.filter_map(|watcher| watcher.stalled_since.map(|since| (since, watcher.said_at)));
        hold_ends.into_iter().chain(stalls.flat_map(|(since, said_at)| [since + HOLD_AFTER, said_at + SILENT_AFTER]))
    }

    /// Someone acted: there is nothing to wait for any more. Where it goes on, it does so without those.
    pub(super) fn end_hold(&mut self, goes_on: bool) {
        for id in self.hold.take().into_iter().flat_map(|hold| hold.members) {
            if let Some(member) = self.members.get_mut(&id) {
                member.watcher.excused |= goes_on;
            }
        }
    }

    fn begin_hold(&mut self, members: Vec<MemberId>, others: bool, now: RelayTime) {
        let mut position = self.anchor.position(ms(now));
        if !others {
            // Nobody saw what came after: the room goes back to where the pictures stopped.
            let furthest = members.iter().map(|id| self.members[id].watcher.position).fold(MediaTime::ZERO, later);
            position = if furthest < position { furthest } else { position };
        }
        self.anchor = Anchor { position, at_ms: ms(now), state: PlaybackState::Paused, ..self.anchor };
        self.hold = Some(Hold { members, since: Some(now).filter(|_| others) });
        self.moved_on(now);
    }

    fn check_hold(&mut self, now: RelayTime) {
        let others = self.somebody_could_go_on(now);
        let stalled = self.members_that(|watcher| watcher.is_stalled(now));
        let Some(hold) = &mut self.hold else { return };
        hold.since = if others { hold.since.or(Some(now)) } else { None };
        let left: Vec<MemberId> = hold.members.iter().copied().filter(|id| stalled.contains(id)).collect();
        let expired = hold.since.is_some_and(|since| now.since(since) >= HOLD_BUDGET);
        let unwanted = others && self.stall_policy == StallPolicy::NeverWait;
        if left.is_empty() || expired || unwanted {
            self.end_hold(true);
            let at_ms = ms(now) + self.start_lead_ms(None);
            self.anchor = Anchor { at_ms, state: PlaybackState::Playing, ..self.anchor };
        } else if left == hold.members {
            return;
        } else {
            hold.members = left;
        }
        self.moved_on(now);
    }

    /// The room itself changed its course: as much a change as someone's act, but no act.
    fn moved_on(&mut self, now: RelayTime) {
        let former = self.order;
        self.order = former.next();
        if let Some(restored) = self.restored.as_mut().filter(|restored| restored.order == former) {
            restored.order = self.order;
        }
        self.hello_to_all(now);
    }

    fn members_that(&self, holds: impl Fn(&Watcher) -> bool) -> Vec<MemberId> {
        self.members.iter().filter(|(_, member)| holds(&member.watcher)).map(|(id, _)| *id).collect()
    }

    fn somebody_could_go_on(&self, now: RelayTime) -> bool {
        self.members.values().any(|member| member.watcher.could_go_on(!member.timed, now))
    }
}

fn later(a: MediaTime, b: MediaTime) -> MediaTime {
    if a > b { a } else { b }
}
