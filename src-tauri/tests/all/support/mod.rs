//! What the tests of the shell share: a window that only takes notes, and a network cable that can be pulled.

pub(crate) mod app;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use streamshare::{Gui, GuiEvent};
use streamshare_relay::{Relay, RelayConfig};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::timeout,
};

/// Longer than anything that is waited for takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A window that takes notes.
#[derive(Default)]
pub(crate) struct Notes {
    seen: Mutex<Vec<GuiEvent>>,
    focused: Mutex<usize>,
    changed: Notify,
}

impl Notes {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Waits until `find` finds something in what came so far and takes that and all before it off.
    pub(crate) async fn wait<T>(&self, what: &str, mut find: impl FnMut(&GuiEvent) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                {
                    let mut seen = self.seen.lock().unwrap();
                    let found = seen.iter().enumerate().find_map(|(index, event)| Some((index, find(event)?)));
                    if let Some((index, value)) = found {
                        seen.drain(..=index);
                        return value;
                    }
                }
                changed.await;
            }
        };
        match timeout(DEADLINE, waiting).await {
            Ok(value) => value,
            Err(_) => panic!("no {what} came, but {:?}", self.seen.lock().unwrap()),
        }
    }

    pub(crate) fn take(&self) -> Vec<GuiEvent> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    pub(crate) fn focused(&self) -> usize {
        *self.focused.lock().unwrap()
    }
}

impl Gui for Notes {
    fn emit(&self, event: GuiEvent) {
        self.seen.lock().unwrap().push(event);
        self.changed.notify_waiters();
    }

    fn focus_window(&self) {
        *self.focused.lock().unwrap() += 1;
    }

    fn has_window(&self) -> bool {
        true
    }
}

/// A relay that asks often whether its members live.
pub(crate) async fn relay(listen: SocketAddr) -> Relay {
    let mut config = RelayConfig::new(listen);
    config.ping_interval = Duration::from_millis(300);
    config.ping_timeout = Duration::from_millis(700);
    Relay::start(config).await.expect("a relay")
}

pub(crate) fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What the cable does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cable {
    /// Bytes pass.
    Whole,
    /// Nothing passes, and nobody is told.
    Frozen,
    /// Connections are reset.
    Cut,
}

/// A TCP proxy on loopback whose cable can be pulled.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    cable: watch::Sender<Cable>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(loopback()).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (cable, state) = watch::channel(Cable::Whole);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, target, state.clone()));
            }
        });
        Self { addr, cable }
    }

    pub(crate) fn set(&self, cable: Cable) {
        self.cable.send_replace(cable);
    }
}

async fn carry(near: TcpStream, target: SocketAddr, mut cable: watch::Receiver<Cable>) {
    if *cable.borrow() != Cable::Whole {
        return;
    }
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    let mut near = near;
    let changed = tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => return,
        changed = cable.wait_for(|cable| *cable != Cable::Whole) => changed.map(|cable| *cable),
    };
    match changed {
        // Both ends stay open and silent until the cable is cut.
        Ok(Cable::Frozen) => drop(cable.wait_for(|cable| *cable == Cable::Cut).await.map(|cable| *cable)),
        Ok(Cable::Cut | Cable::Whole) | Err(_) => {
            #[expect(deprecated, reason = "a reset is what a killed peer's system sends")]
            let _ = near.set_linger(Some(Duration::ZERO));
        }
    }
}
