//! Which rooms there are, and the way into them.

use crate::{
    clock::Clock,
    config::RelayConfig,
    incoming::Refusal,
    room::{Mail, RoomTask},
};
use socketioxide::extract::SocketRef;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use streamshare_protocol::{ClientMessage, Epoch, ErrorCode, Join, RoomId};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Messages that wait for a room's task. A task takes microseconds for each, so this fills only when the machine is
/// overloaded; then whoever sends is told so (RATE_LIMITED) and reports of positions are dropped. Nobody waits.
pub(crate) const MAILBOX: usize = 256;

/// All rooms of one relay.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(crate) config: RelayConfig,
    pub(crate) clock: Clock,
    /// Random, so that no incarnation of a room is taken for one of another relay or of an earlier start.
    seed: String,
    rooms: Mutex<Rooms>,
    /// Ends all room tasks.
    stop: CancellationToken,
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Rooms {
    by_id: HashMap<RoomId, RoomHandle>,
    /// How many there were so far.
    incarnations: u64,
}

/// The way to one room's task.
#[derive(Clone, Debug)]
pub(crate) struct RoomHandle {
    incarnation: u64,
    pub(crate) mailbox: mpsc::Sender<Mail>,
    occupancy: Arc<Occupancy>,
    stop: CancellationToken,
}

/// Who is in a room or on the way in, shared by the hub and the room's task.
#[derive(Debug, Default)]
pub(crate) struct Occupancy {
    /// Members, and `Join`s that the task has not taken yet. Grows under the lock on the rooms only, so that a room found
    /// empty under that lock stays so.
    claims: AtomicUsize,
    /// When it became empty, in microseconds of the relay's clock.
    emptied_us: AtomicU64,
}

impl Occupancy {
    pub(crate) fn is_empty(&self) -> bool {
        self.claims.load(Ordering::Acquire) == 0
    }

    /// A member left, or a `Join` did not bring a new one.
    pub(crate) fn release(&self, clock: &Clock) {
        self.emptied_us.store(clock.unix_us(), Ordering::Relaxed);
        self.claims.fetch_sub(1, Ordering::AcqRel);
    }
}

/// How much a relay holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) rooms: usize,
    pub(crate) members: usize,
}

impl Hub {
    pub(crate) fn new(config: RelayConfig, seed: String) -> Self {
        Self {
            config,
            clock: Clock::start(),
            seed,
            rooms: Mutex::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Sends a `Join` to its room, which is made where there is none, and a leave to the `former` room where that is
    /// another one. Either both are sent or, where it is refused, none.
    pub(crate) fn enter(
        self: &Arc<Self>,
        from: SocketRef,
        join: Join,
        former: Option<&RoomHandle>,
    ) -> Result<RoomHandle, Refusal> {
        let busy = || Refusal::new(ErrorCode::RateLimited, "The room is busy; try again.");
        let mut rooms = self.lock();
        let handle = self.find_or_make(&mut rooms, &join.room_id)?;
        let target = handle.mailbox.try_reserve().map_err(|_| busy())?;
        if let Some(former) = former.filter(|former| former.incarnation != handle.incarnation) {
            match former.mailbox.try_send(Mail::Leave(from.id)) {
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(_)) => return Err(busy()),
            }
        }
        handle.occupancy.claims.fetch_add(1, Ordering::AcqRel);
        target.send(Mail::Message { from, message: ClientMessage::Join(join) });
        Ok(handle.clone())
    }

    fn find_or_make(self: &Arc<Self>, rooms: &mut Rooms, id: &RoomId) -> Result<RoomHandle, Refusal> {
        if let Some(handle) = rooms.by_id.get(id) {
            return Ok(handle.clone());
        }
        if rooms.by_id.len() >= self.config.rooms_max && !rooms.forget_one() {
            return Err(Refusal::new(ErrorCode::TooManyRooms, "This relay holds as many rooms as it may."));
        }
        rooms.incarnations += 1;
        let incarnation = rooms.incarnations;
        let (mailbox, mail) = mpsc::channel(MAILBOX);
        let occupancy = Arc::new(Occupancy::default());
        let stop = self.stop.child_token();
        let epoch = Epoch::new(&format!("{}-{incarnation}", self.seed))
            .expect("33 hexadecimal digits and signs and a number of at most 20 digits are within the cap of an epoch");
        let task = RoomTask::new(Arc::clone(self), id.clone(), incarnation, epoch, Arc::clone(&occupancy));
        self.tasks.spawn(task.run(mail, stop.clone()));
        let handle = RoomHandle { incarnation, mailbox, occupancy, stop };
        rooms.by_id.insert(id.clone(), handle.clone());
        Ok(handle)
    }

    /// Forgets a room if it is empty, so that its task may end.
    pub(crate) fn forget_if_empty(&self, id: &RoomId, incarnation: u64) -> bool {
        let mut rooms = self.lock();
        match rooms.by_id.get(id) {
            Some(handle) if handle.incarnation == incarnation => {
                let empty = handle.occupancy.is_empty();
                if empty {
                    rooms.by_id.remove(id);
                }
                empty
            }
            _ => true,
        }
    }

    pub(crate) fn load(&self) -> Load {
        let rooms = self.lock();
        let members = rooms.by_id.values().map(|room| room.occupancy.claims.load(Ordering::Relaxed)).sum();
        Load { rooms: rooms.by_id.len(), members }
    }

    /// Ends all room tasks and waits until they have ended.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.lock().by_id.clear();
    }

    /// A panic while the lock is held leaves a whole map: every change of it is one call.
    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rooms {
    /// Forgets the room that has been empty longest, if one is: a new room matters more than a memory, and whoever comes
    /// back to a forgotten room brings its state along.
    fn forget_one(&mut self) -> bool {
        let empty = self.by_id.iter().filter(|(_, room)| room.occupancy.is_empty());
        let oldest = empty.min_by_key(|(_, room)| room.occupancy.emptied_us.load(Ordering::Relaxed));
        let Some(id) = oldest.map(|(id, _)| id.clone()) else {
            return false;
        };
        if let Some(room) = self.by_id.remove(&id) {
            room.stop.cancel();
        }
        true
    }
}
