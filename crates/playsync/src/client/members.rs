//! Who else is in the room, and what they said of their players.

use super::types::MemberView;
use crate::MonoTime;
use std::collections::BTreeMap;
use std::time::Duration;
use streamshare_protocol::{Latency, MediaTime, MemberId, Name, PlayerState, Skew, SyncReport, User};

/// A report older than this says nothing any more; members report every 2 s.
const REPORT_AGE_MAX: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Entry {
    name: Name,
    report: Option<(SyncReport, MonoTime)>,
}

#[derive(Debug, Default)]
pub(super) struct Members {
    entries: BTreeMap<MemberId, Entry>,
}

impl Members {
    /// Takes the list of a HELLO; says who came and who left.
    pub(super) fn handle_users(&mut self, users: &[User]) -> (Vec<Name>, Vec<Name>) {
        let gone = |id: &MemberId| !users.iter().any(|user| user.id == *id);
        let left = self.entries.iter().filter(|(id, _)| gone(id)).map(|(_, entry)| entry.name.clone()).collect();
        self.entries.retain(|id, _| !gone(id));
        let mut entered = Vec::new();
        for user in users {
            let entry = self.entries.entry(user.id).or_insert_with(|| {
                entered.push(user.name.clone());
                Entry { name: user.name.clone(), report: None }
            });
            entry.name = user.name.clone();
        }
        (entered, left)
    }

    pub(super) fn handle_report(&mut self, member: MemberId, report: SyncReport, now: MonoTime) {
        if let Some(entry) = self.entries.get_mut(&member) {
            entry.report = Some((report, now));
        }
    }

    /// Another item plays: what was said of the former one counts no more.
    pub(super) fn forget_reports(&mut self) {
        for entry in self.entries.values_mut() {
            entry.report = None;
        }
    }

    pub(super) fn name(&self, member: MemberId) -> Option<&Name> {
        self.entries.get(&member).map(|entry| &entry.name)
    }

    /// How long before a start the others want to hear of it, in milliseconds, where it is one from another place or not.
    pub(super) fn lead_ms(&self, me: Option<MemberId>, seeks: bool) -> f64 {
        let reports = self.entries.iter().filter(|(id, _)| Some(**id) != me).filter_map(|(_, e)| e.report.as_ref());
        let latency = |report: &SyncReport| if seeks { report.seek_latency } else { report.start_latency };
        reports.filter_map(|(report, _)| latency(report)).map(Latency::ms).fold(0.0, f64::max)
    }

    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// The item's length, as someone's player knows it.
    pub(super) fn duration(&self) -> Option<MediaTime> {
        self.entries.values().filter_map(|entry| entry.report.as_ref()?.0.duration).next()
    }

    /// Everyone, `me` first, then by order of arrival.
    pub(super) fn views(&self, me: Option<MemberId>, now: MonoTime) -> Vec<MemberView> {
        let view = |(id, entry): (&MemberId, &Entry)| {
            let fresh = entry.report.as_ref().filter(|(_, at)| now.since(*at) < REPORT_AGE_MAX);
            let position = fresh.map(|(report, at)| {
                let moves = report.player_state == Some(PlayerState::Playing);
                let moved_s = if moves { now.since(*at).as_secs_f64() } else { 0.0 };
                MediaTime::saturating(report.current_time.seconds() + moved_s)
            });
            MemberView {
                id: *id,
                name: entry.name.clone(),
                is_me: Some(*id) == me,
                player: fresh.and_then(|(report, _)| report.player_state),
                position,
                buffer: fresh.map(|(report, _)| report.buffer),
                skew_ms: fresh.and_then(|(report, _)| report.skew).map(Skew::ms),
            }
        };
        let mut views: Vec<MemberView> = self.entries.iter().map(view).collect();
        views.sort_by_key(|member| !member.is_me);
        views
    }
}
