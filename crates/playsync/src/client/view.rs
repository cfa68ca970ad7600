//! What there is to see of a room, and of this player in it.

use super::Client;
use super::types::{PlayerPhase, Skew, View};
use crate::Now;
use streamshare_protocol::{MediaTime, MemberId, PlaybackState};

impl Client {
    /// What there is to see at a moment.
    #[must_use]
    pub fn view(&self, now: Now) -> View {
        let duration = self.duration();
        let mut members = self.members.views(self.me, now.mono);
        if let Some(me) = members.iter_mut().find(|member| member.is_me) {
            me.player = Some(self.follower.player_state(now.mono));
            me.position = Some(self.own_position(now));
            me.buffer = self.follower.report().map(|report| report.buffer);
            me.skew_ms = self.skew(now).map(|skew| skew.ms);
        }
        let position = self.anchor().position(self.clock.relay_ms(now.mono));
        let name = |id: &MemberId| self.members.name(*id).cloned();
        View {
            link: self.link,
            members,
            playlist: self.playlist.clone(),
            state: self.state(),
            position: duration.map_or(position, |end| if position > end { end } else { position }),
            duration,
            needs_gesture: self.anchor().state == PlaybackState::Playing
                && self.follower.report().is_some_and(|r| r.blocked && r.phase == PlayerPhase::Ready),
            skew: self.skew(now),
            waiting_for: self.waits().iter().filter_map(name).collect(),
            speed: self.anchor().speed.factor(),
            stall_policy: self.stall_policy,
        }
    }

    /// Whom the room waits for, unless this client's person went on without them.
    pub(super) fn waits(&self) -> &[MemberId] {
        if self.pending.anchor(self.head_id()).is_some() { &[] } else { &self.waiting_for }
    }

    /// What people want: a room that waits would play.
    pub(super) fn state(&self) -> PlaybackState {
        if self.waits().is_empty() { self.anchor().state } else { PlaybackState::Playing }
    }

    /// How far this player is from the room.
    pub(super) fn skew(&self, now: Now) -> Option<Skew> {
        let (error_ms, sigma_ms) = self.follower.error_ms().filter(|_| self.clock.is_known())?;
        Some(Skew { ms: -error_ms, uncertainty_ms: self.clock.uncertainty_ms(now.mono) + 2.0 * sigma_ms })
    }

    pub(super) fn duration(&self) -> Option<MediaTime> {
        self.follower.report().and_then(|report| report.duration).or_else(|| self.members.duration())
    }

    /// Where this player is; where it shows nothing, where the room is.
    pub(super) fn own_position(&self, now: Now) -> MediaTime {
        let ready = self.follower.report().is_some_and(|report| report.phase == PlayerPhase::Ready);
        let own = if ready { self.follower.position(now.mono) } else { None };
        own.unwrap_or_else(|| self.anchor().position(self.clock.relay_ms(now.mono)))
    }
}
