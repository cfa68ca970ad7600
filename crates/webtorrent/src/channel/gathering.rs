//! How long to wait for what STUN and TURN servers say.
//!
//! Offers and answers carry all candidates at once, so that a server that does not answer would hold up each connection,
//! those to machines next door too, for as long as webrtc-rs asks (10.8 s) or we wait. So after a gathering that did not
//! end in time the next ones wait little longer than the servers that did answer took.

use super::{GATHER_TIME, IceServer, lock};
use std::{
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};

/// The least wait: a server that answers does so within a round trip, which is shorter on nearly every link.
const PATIENCE_MIN: Duration = Duration::from_millis(300);
/// How long silence is remembered. A machine that comes into another network has the full wait again after it.
const MEMORY: Duration = Duration::from_secs(60);

/// The servers for new connections, and what is known of them.
#[derive(Debug)]
pub(super) struct Servers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    servers: Vec<IceServer>,
    /// Some of them were silent lately: when, and how long to wait for the others.
    silence: Option<(Instant, Duration)>,
}

/// One gathering.
#[derive(Debug)]
pub(super) struct Gathering {
    begun: Instant,
    /// How long it took until a server had helped last.
    helped: Mutex<Option<Duration>>,
}

impl Gathering {
    pub(super) fn begin() -> Self {
        Self { begun: Instant::now(), helped: Mutex::default() }
    }

    /// A candidate was found with the help of a server.
    pub(super) fn found_by_server(&self) {
        *lock(&self.helped) = Some(self.begun.elapsed());
    }
}

impl Servers {
    pub(super) fn new(servers: Vec<IceServer>) -> Self {
        Self { state: Mutex::new(State { servers, silence: None }) }
    }

    pub(super) fn get(&self) -> Vec<IceServer> {
        self.state().servers.clone()
    }

    pub(super) fn set(&self, servers: Vec<IceServer>) {
        let mut state = self.state();
        // Credentials are made anew now and then; that tells nothing of the servers.
        let urls = |servers: &[IceServer]| servers.iter().map(|server| server.url.clone()).collect::<Vec<_>>();
        if urls(&state.servers) != urls(&servers) {
            state.silence = None;
        }
        state.servers = servers;
    }

    /// How long the next gathering may take.
    pub(super) fn patience(&self) -> Duration {
        self.state().patience(Instant::now())
    }

    /// A gathering ended: completely, or because it took too long.
    pub(super) fn gathered(&self, complete: bool, gathering: &Gathering) {
        let helped = *lock(&gathering.helped);
        self.state().gathered(complete, helped, Instant::now());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    fn patience(&self, now: Instant) -> Duration {
        let remembered = self.silence.filter(|(since, _)| now.saturating_duration_since(*since) < MEMORY);
        remembered.map_or(GATHER_TIME, |(_, patience)| patience)
    }

    fn gathered(&mut self, complete: bool, helped: Option<Duration>, now: Instant) {
        if complete {
            self.silence = None;
        } else if self.patience(now) == GATHER_TIME {
            // Twice what the slowest took that answered: links are not always equally fast.
            let patience = helped.map_or(PATIENCE_MIN, |helped| (helped * 2).clamp(PATIENCE_MIN, GATHER_TIME));
            self.silence = Some((now, patience));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_remembered_for_a_while() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut state = State::default();
        assert_eq!(state.patience(at(0)), GATHER_TIME);
        state.gathered(false, None, at(0));
        assert_eq!(state.patience(at(1)), PATIENCE_MIN);
        // Gatherings that were cut short do not make it longer.
        state.gathered(false, None, at(59));
        assert_eq!(state.patience(at(59)), PATIENCE_MIN);
        assert_eq!(state.patience(at(60)), GATHER_TIME);
        state.gathered(false, None, at(60));
        state.gathered(true, None, at(61));
        assert_eq!(state.patience(at(61)), GATHER_TIME);
    }

    #[test]
    fn servers_that_answer_get_their_time() {
        let now = Instant::now();
        for (helped, patience) in [(10, 300), (400, 800), (1900, 2000)] {
            let mut state = State::default();
            state.gathered(false, Some(Duration::from_millis(helped)), now);
            assert_eq!(state.patience(now), Duration::from_millis(patience), "{helped} ms");
        }
    }

    #[test]
    fn other_servers_get_a_chance_other_credentials_do_not() {
        let server = |url: &str, username: &str| IceServer {
            url: url.into(),
            username: username.into(),
            ..IceServer::default()
        };
        let servers = Servers::new(vec![server("turn:a", "ada")]);
        servers.gathered(false, &Gathering::begin());
        assert_eq!(servers.patience(), PATIENCE_MIN);
        servers.set(vec![server("turn:a", "ben")]);
        assert_eq!((servers.patience(), servers.get()[0].username.as_str()), (PATIENCE_MIN, "ben"));
        servers.set(vec![server("turn:b", "ben")]);
        assert_eq!(servers.patience(), GATHER_TIME);
    }
}
