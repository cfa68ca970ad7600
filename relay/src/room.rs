//! One room's task: takes what its members send in one order, and sends to each of them.

use crate::{
    addresses::trackers_for,
    hub::{Hub, Occupancy},
    incoming::{EVENT, Refusal, action_id},
};
use socketioxide::{SendError, extract::SocketRef, socket::Sid};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};
use streamshare_playsync::{Delivery, JoinError, Room};
use streamshare_protocol::{ClientMessage, EditOp, Epoch, ErrorCode, Join, MemberId, RelayHello, RelayMessage, RoomId};
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// How often to try whether a member that lagged reads again. A snapshot is at most 128 KiB, so this bounds what a slow
/// reader makes the relay do.
const LAGGING_RETRY: Duration = Duration::from_millis(100);

/// What reaches a room's task.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A socket sent a message.
    Message { from: SocketRef, message: ClientMessage },
    /// A socket is gone, or went to another room.
    Leave(Sid),
}

/// A member's connection.
#[derive(Debug)]
struct Seat {
    socket: SocketRef,
    /// The relay's own tracker as this member reaches it: in the magnet links that go to it, and not in those that come
    /// from it.
    trackers: Vec<String>,
    /// Whether something that matters could not be delivered: it gets nothing more until it can take the whole state.
    lagging: bool,
}

/// One room and the connections of its members.
#[derive(Debug)]
pub(crate) struct RoomTask {
    hub: Arc<Hub>,
    id: RoomId,
    incarnation: u64,
    occupancy: Arc<Occupancy>,
    room: Room,
    seats: BTreeMap<MemberId, Seat>,
    members: HashMap<Sid, MemberId>,
}

impl RoomTask {
    pub(crate) fn new(hub: Arc<Hub>, id: RoomId, incarnation: u64, epoch: Epoch, occupancy: Arc<Occupancy>) -> Self {
        let room = Room::new(epoch, hub.clock.now());
        Self { hub, id, incarnation, occupancy, room, seats: BTreeMap::new(), members: HashMap::new() }
    }

    /// Runs until `stop`, or until the room has been empty for as long as it is remembered.
    pub(crate) async fn run(mut self, mut mail: mpsc::Receiver<Mail>, stop: CancellationToken) {
        tracing::debug!(room = ?self.id, incarnation = self.incarnation, "room made");
        let memory = self.hub.config.empty_room_memory;
        let mut retry = interval(LAGGING_RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut forget_at = Instant::now() + memory;
        loop {
            let lagging = self.seats.values().any(|seat| seat.lagging);
            let due = self.room.poll_timeout().map(|at| at.since(self.hub.clock.now()));
            tokio::select! {
                () = stop.cancelled() => break,
                received = mail.recv() => match received {
                    Some(Mail::Message { from, message }) => self.take(from, message),
                    Some(Mail::Leave(sid)) => self.leave(sid),
                    None => break,
                },
                _ = retry.tick(), if lagging => self.catch_up(),
                () = sleep(due.unwrap_or_default()), if due.is_some() => {
                    self.room.handle_timeout(self.hub.clock.now());
                    self.deliver();
                }
                () = sleep_until(forget_at), if self.seats.is_empty() => {
                    if self.hub.forget_if_empty(&self.id, self.incarnation) {
                        break;
                    }
                }
            }
            if !self.seats.is_empty() {
                forget_at = Instant::now() + memory;
            }
        }
        tracing::debug!(room = ?self.id, incarnation = self.incarnation, "room ended");
    }

    fn take(&mut self, from: SocketRef, message: ClientMessage) {
        let now = self.hub.clock.now();
        match (self.members.get(&from.id), message) {
            (Some(member), mut message) => {
                if let Some(seat) = self.seats.get(member) {
                    seat.take_out_trackers(&mut message);
                }
                let renames = matches!(message, ClientMessage::Join(_));
                self.room.handle_message(*member, message, now);
                if renames {
                    self.occupancy.release(&self.hub.clock);
                }
                self.deliver();
            }
            (None, ClientMessage::Join(join)) => self.join(from, join),
            (None, message) => {
                let refusal = Refusal::new(ErrorCode::NotJoined, "Join a room first.").about(action_id(&message));
                refuse(&from, refusal);
            }
        }
    }

    fn join(&mut self, from: SocketRef, join: Join) {
        let joined = match self.room.handle_join(join, self.hub.clock.now()) {
            Ok(joined) => joined,
            Err(error) => {
                self.occupancy.release(&self.hub.clock);
                return refuse(&from, Refusal::new(code_of(error), error.to_string()));
            }
        };
        tracing::debug!(room = ?self.id, member = %joined.member, sid = %from.id, resumed = joined.resumed, "member joined");
        self.members.insert(from.id, joined.member);
        let has_tracker = self.hub.config.tracker.is_some();
        let trackers = if has_tracker { trackers_for(&from.req_parts().headers) } else { Vec::new() };
        if let Some(former) = self.seats.insert(joined.member, Seat { socket: from, trackers, lagging: false }) {
            // The member is one, whatever number of connections it had.
            self.occupancy.release(&self.hub.clock);
            self.members.remove(&former.socket.id);
            if let Err(error) = former.socket.disconnect() {
                tracing::debug!(%error, "cannot tell a member's former connection; its pings will end it");
            }
        }
        self.deliver();
    }

    fn leave(&mut self, sid: Sid) {
        let Some(member) = self.members.remove(&sid) else { return };
        tracing::debug!(room = ?self.id, %member, %sid, "member left");
        self.seats.remove(&member);
        self.room.handle_leave(member, self.hub.clock.now());
        self.deliver();
        self.occupancy.release(&self.hub.clock);
    }

    /// Sends what the room has to say.
    fn deliver(&mut self) {
        while let Some(output) = self.room.poll_output() {
            for member in output.to {
                if let Some(seat) = self.seats.get_mut(&member) {
                    seat.send(member, &output.message, output.delivery);
                }
            }
        }
    }

    /// Tries to give the whole state to those who missed something.
    fn catch_up(&mut self) {
        let lagging: Vec<MemberId> =
            self.seats.iter().filter(|(_, seat)| seat.lagging).map(|(member, _)| *member).collect();
        for member in lagging {
            if let Some(seat) = self.seats.get_mut(&member) {
                seat.lagging = false;
            }
            self.room.handle_lagging(member, self.hub.clock.now());
            self.deliver();
        }
    }
}

impl Seat {
    /// A member sends back what it was sent: the relay's own tracker is not part of the room's state.
    fn take_out_trackers(&self, message: &mut ClientMessage) {
        match message {
            ClientMessage::Hello(hello) => hello.playlist = hello.playlist.without_trackers(&self.trackers),
            ClientMessage::Edit(edit) => {
                if let EditOp::Append { items } = &mut edit.op {
                    *items = items.without_trackers(&self.trackers);
                }
            }
            ClientMessage::Join(_)
            | ClientMessage::Play(_)
            | ClientMessage::Pause(_)
            | ClientMessage::Sync(_)
            | ClientMessage::Set(_)
            | ClientMessage::Ping { .. } => {}
        }
    }

    /// Sends a message, unless the member lags. The socket's own queue is bounded: where it is full, a report is dropped
    /// and anything else makes the member lag.
    fn send(&mut self, member: MemberId, message: &RelayMessage, delivery: Delivery) {
        if self.lagging {
            return;
        }
        let sent = if let RelayMessage::Hello(hello) = message
            && !self.trackers.is_empty()
        {
            let playlist = hello.playlist.with_trackers(&self.trackers);
            self.socket.emit(EVENT, &RelayMessage::Hello(RelayHello { playlist, ..hello.clone() }))
        } else {
            self.socket.emit(EVENT, message)
        };
        match sent {
            Ok(()) => {}
            // "Closed" is also what a socket says in the instant before its connection is complete.
            Err(SendError::Socket(error)) => {
                tracing::debug!(%member, %error, ?delivery, "cannot deliver");
                self.lagging = delivery == Delivery::Required;
            }
            Err(error @ SendError::Serialize(_)) => tracing::error!(%member, %error, "cannot encode a message"),
        }
    }
}

fn code_of(error: JoinError) -> ErrorCode {
    match error {
        JoinError::Full => ErrorCode::RoomFull,
        _ => ErrorCode::Other,
    }
}

/// Tells a socket that has no seat. Where its queue is full, the message is dropped: it is not listening.
fn refuse(socket: &SocketRef, refusal: Refusal) {
    if let Err(error) = socket.emit(EVENT, &refusal.into_message()) {
        tracing::debug!(sid = %socket.id, %error, "cannot deliver an error");
    }
}
