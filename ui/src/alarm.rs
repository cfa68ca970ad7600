//! An alarm that rings in time in hidden pages, too: a film whose page is behind another is still heard.

use gloo_timers::callback::Timeout;
use js_sys::Array;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{MessageEvent, Worker};
use yew::Callback;

/// One alarm: setting it anew takes the place of what was set before. Dropping it ends it.
pub(crate) struct Alarm {
    inner: Rc<Inner>,
    /// A timer that no hidden page slows down. Without it, where workers are missing, the page's own does.
    worker: Option<(Worker, OnMessage)>,
}

type OnMessage = Closure<dyn FnMut(MessageEvent)>;

struct Inner {
    /// Counts what was set: what an earlier one still says is not about this one.
    number: Cell<f64>,
    page: RefCell<Option<Timeout>>,
    on_ring: Callback<()>,
}

impl Alarm {
    pub(crate) fn new(on_ring: Callback<()>) -> Self {
        let inner = Rc::new(Inner { number: Cell::new(0.0), page: RefCell::default(), on_ring });
        let worker = Worker::new("timer.js").ok().map(|worker| {
            let rings = Rc::clone(&inner);
            let on_message = OnMessage::new(move |event: MessageEvent| {
                if let Some(number) = event.data().as_f64() {
                    rings.ring(number);
                }
            });
            worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
            (worker, on_message)
        });
        Self { inner, worker }
    }

    /// Rings once after so many milliseconds, whichever of the two timers is first.
    pub(crate) fn set(&self, wait_ms: u32) {
        let number = self.inner.number.get() + 1.0;
        self.inner.number.set(number);
        let rings = Rc::clone(&self.inner);
        self.inner.page.replace(Some(Timeout::new(wait_ms, move || rings.ring(number))));
        if let Some((worker, _)) = &self.worker {
            // Refused only where the worker is gone, and then the page's timer does.
            let _ = worker.post_message(&Array::of2(&number.into(), &wait_ms.into()));
        }
    }
}

impl Inner {
    fn ring(&self, number: f64) {
        #[allow(clippy::float_cmp, reason = "whole numbers, passed through unchanged")]
        if self.number.get() == number {
            self.number.set(number + 1.0);
            self.on_ring.emit(());
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.inner.page.take();
        if let Some((worker, _)) = &self.worker {
            worker.set_onmessage(None);
            worker.terminate();
        }
    }
}
