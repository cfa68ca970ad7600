//! A future that ends with its owner.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use wasm_bindgen_futures::spawn_local;

type Slot = Rc<RefCell<State>>;

enum State {
    Waiting(Pin<Box<dyn Future<Output = ()>>>),
    Running,
    Over,
}

/// Owns a running future: dropping it drops the future, at the latest at its next await.
pub(crate) struct Task {
    slot: Slot,
}

impl Task {
    /// Runs a future on the page's event loop.
    pub(crate) fn spawn(future: impl Future<Output = ()> + 'static) -> Self {
        let slot: Slot = Rc::new(RefCell::new(State::Waiting(Box::pin(future))));
        let held = Rc::clone(&slot);
        spawn_local(poll_fn(move |context| {
            let taken = held.replace(State::Running);
            let State::Waiting(mut future) = taken else {
                held.replace(State::Over);
                return Poll::Ready(());
            };
            let poll = future.as_mut().poll(context);
            let mut state = held.borrow_mut();
            match (poll, &*state) {
                (Poll::Pending, State::Running) => {
                    *state = State::Waiting(future);
                    Poll::Pending
                }
                _ => {
                    *state = State::Over;
                    drop(state);
                    Poll::Ready(())
                }
            }
        }));
        Self { slot }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // Taken out first: what the future owns may look at this slot while it is dropped.
        let future = self.slot.replace(State::Over);
        drop(future);
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}
