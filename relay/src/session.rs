//! One socket: which room it is in, and how much it may send.

use crate::{
    config::RelayConfig,
    hub::{Hub, RoomHandle},
    incoming::{EVENT, Incoming, Refusal, action_id},
    room::Mail,
};
use socketioxide::{SendError, SocketError, extract::SocketRef};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use streamshare_protocol::{ClientMessage, ErrorCode, RelayMessage};
use tokio::{
    sync::mpsc::error::TrySendError,
    time::{Instant, sleep},
};

/// A socket that sends too much is told so at most this often.
const NOTICE_INTERVAL: Duration = Duration::from_secs(1);

/// How often, and how far apart, to try to answer a socket that is not complete yet: it refuses for some microseconds
/// after its client was told that it is connected.
const ANSWER_TRIES: usize = 5;
const ANSWER_RETRY: Duration = Duration::from_millis(2);

#[derive(Debug)]
struct Session {
    hub: Arc<Hub>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    room: Option<RoomHandle>,
    /// Set at the end, which may come while a message is being handled: nothing may be entered afterwards.
    closed: bool,
    allowance: Allowance,
}

/// Has a socket that connects handled. To be called before the socket is told that it is connected, so that its first
/// message finds a handler.
pub(crate) fn register(socket: &SocketRef, hub: &Arc<Hub>) {
    let allowance = Allowance::full(&hub.config, Instant::now());
    let state = Mutex::new(State { room: None, closed: false, allowance });
    let session = Arc::new(Session { hub: Arc::clone(hub), state });
    let of_messages = Arc::clone(&session);
    // All work is done before the future is made, in the task that reads the socket: socketioxide spawns the futures, and
    // messages handled in them would overtake each other.
    socket.on(EVENT, move |socket: SocketRef, incoming: Incoming| {
        let refusal = of_messages.handle(&socket, &incoming).err().map(Refusal::into_message);
        let unsent = refusal.filter(|refusal| !answered(&socket, refusal));
        async move {
            if let Some(refusal) = unsent {
                answer_later(&socket, &refusal).await;
            }
        }
    });
    socket.on_disconnect(move |socket: SocketRef| {
        let left = session.close();
        let sid = socket.id;
        async move {
            if let Some(room) = left {
                // Waits where the mailbox is full: a leave must not be lost. A room that ended needs none.
                let _ = room.mailbox.send(Mail::Leave(sid)).await;
            }
        }
    });
}

impl Session {
    /// Takes a message, or says why not.
    fn handle(&self, socket: &SocketRef, incoming: &Incoming) -> Result<(), Refusal> {
        let mut state = self.lock();
        if !state.allowance.take(Instant::now()) {
            return state.allowance.refuse("More messages than a member may send; slow down.");
        }
        let Some(message) = incoming.read()? else { return Ok(()) };
        if state.closed {
            return Ok(());
        }
        let ClientMessage::Join(join) = message else {
            return state.pass_on(socket, message);
        };
        let room = self.hub.enter(socket.clone(), join, state.room.as_ref())?;
        state.room = Some(room);
        Ok(())
    }

    /// The socket is gone: gives back the room that is to be told.
    fn close(&self) -> Option<RoomHandle> {
        let mut state = self.lock();
        state.closed = true;
        state.room.take()
    }

    /// A panic while the lock is held leaves a whole state: each change of it is one assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pass_on(&mut self, socket: &SocketRef, message: ClientMessage) -> Result<(), Refusal> {
        let not_joined = || Refusal::new(ErrorCode::NotJoined, "Join a room first.");
        let action_id = action_id(&message);
        let Some(room) = &self.room else {
            return Err(not_joined().about(action_id));
        };
        let is_report = matches!(message, ClientMessage::Sync(_));
        match room.mailbox.try_send(Mail::Message { from: socket.clone(), message }) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) if is_report => Ok(()),
            Err(TrySendError::Full(_)) => {
                let refusal = Refusal::new(ErrorCode::RateLimited, "The room is busy; try again.");
                Err(refusal.about(action_id))
            }
            Err(TrySendError::Closed(_)) => {
                self.room = None;
                Err(not_joined().about(action_id))
            }
        }
    }
}

/// What a socket may still send: a token bucket.
#[derive(Debug)]
struct Allowance {
    per_second: f64,
    burst: f64,
    left: f64,
    counted: Instant,
    noticed: Option<Instant>,
}

impl Allowance {
    fn full(config: &RelayConfig, now: Instant) -> Self {
        let burst = f64::from(config.messages_burst);
        Self { per_second: f64::from(config.messages_per_second), burst, left: burst, counted: now, noticed: None }
    }

    fn take(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.counted).as_secs_f64();
        self.left = (self.left + since * self.per_second).min(self.burst);
        self.counted = now;
        let may = self.left >= 1.0;
        if may {
            self.left -= 1.0;
        }
        may
    }

    /// Refuses a message, silently where the socket was told a short while ago.
    fn refuse(&mut self, why: &str) -> Result<(), Refusal> {
        if self.noticed.is_some_and(|noticed| self.counted.saturating_duration_since(noticed) < NOTICE_INTERVAL) {
            return Ok(());
        }
        self.noticed = Some(self.counted);
        Err(Refusal::new(ErrorCode::RateLimited, why))
    }
}

/// Tells a socket why its message was refused; says whether that is done with. Where its queue is full, the message is
/// dropped: it is not listening.
fn answered(socket: &SocketRef, refusal: &RelayMessage) -> bool {
    match socket.emit(EVENT, refusal) {
        Ok(()) => true,
        Err(SendError::Socket(SocketError::Closed)) => false,
        Err(error) => {
            tracing::debug!(sid = %socket.id, %error, "cannot deliver an error");
            true
        }
    }
}

async fn answer_later(socket: &SocketRef, refusal: &RelayMessage) {
    for _ in 0..ANSWER_TRIES {
        sleep(ANSWER_RETRY).await;
        if answered(socket, refusal) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn the_allowance_refills_with_time_up_to_the_burst() {
        let config = RelayConfig {
            messages_per_second: 10,
            messages_burst: 3,
            ..RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        let start = Instant::now();
        let mut allowance = Allowance::full(&config, start);
        let taken = |allowance: &mut Allowance, now| (0..9).filter(|_| allowance.take(now)).count();
        assert_eq!(taken(&mut allowance, start), 3);
        assert_eq!(taken(&mut allowance, start + Duration::from_millis(250)), 2);
        assert_eq!(taken(&mut allowance, start + Duration::from_secs(60)), 3);
    }

    #[test]
    fn refusals_are_told_once_a_second() {
        let config = RelayConfig {
            messages_per_second: 1,
            messages_burst: 1,
            ..RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
        };
        let start = Instant::now();
        let mut allowance = Allowance::full(&config, start);
        assert!(allowance.take(start));
        let told = |allowance: &mut Allowance, ms| {
            assert!(!allowance.take(start + Duration::from_millis(ms)));
            allowance.refuse("").is_err()
        };
        assert!(told(&mut allowance, 1));
        assert!(!told(&mut allowance, 900));
        assert!(allowance.take(start + Duration::from_millis(1_000)));
        assert!(told(&mut allowance, 1_100));
    }
}
