//! Names of STUN and TURN servers, looked up once for many connections.
//!
//! webrtc-rs waits for a name before it does anything else for its connection. Where there is no name server, which takes
//! the system many seconds to find out, not even the machine's own addresses would be offered in time.

use super::lock;
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use std::{collections::HashMap, io, net::SocketAddr, sync::Mutex, time::Duration};
use tokio::{
    net::lookup_host,
    time::{Instant, timeout_at},
};

/// How long connections wait for a name, counted from when the first of them asked.
const WAIT: Duration = Duration::from_secs(1);
/// How long an answer, or that there is none, is good.
const MEMORY: Duration = Duration::from_secs(60);
/// Names at a time; all are forgotten when there are more.
const NAMES_MAX: usize = 64;

type Lookup = Shared<BoxFuture<'static, Vec<SocketAddr>>>;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: Mutex<HashMap<String, (Instant, Lookup)>>,
}

impl Names {
    /// Addresses of `HOST:PORT`.
    ///
    /// # Errors
    /// When there are none, or none yet.
    pub(super) async fn resolve(&self, host: &str) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        let (since, lookup) = self.begin(host);
        match timeout_at(since + WAIT, lookup).await {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(io::Error::new(io::ErrorKind::NotFound, "the name is not known")),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn begin(&self, host: &str) -> (Instant, Lookup) {
        let mut known = lock(&self.known);
        if let Some((since, lookup)) = known.get(host).filter(|(since, _)| since.elapsed() < MEMORY) {
            return (*since, lookup.clone());
        }
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        let name = host.to_owned();
        // A task of its own: it goes on when nobody waits for it any more, and ends when the system has given up.
        let task = tokio::spawn(async move { lookup_host(name).await.map(Iterator::collect).unwrap_or_default() });
        let entry = (Instant::now(), task.map(Result::unwrap_or_default).boxed().shared());
        known.insert(host.to_owned(), entry.clone());
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_need_no_lookup_and_names_one() {
        let names = Names::default();
        for literal in ["192.0.2.1:3478", "[2001:db8::1]:1"] {
            let found = names.resolve(literal).await.unwrap();
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), [literal]);
        }
        assert!(names.known.lock().unwrap().is_empty());
        for _ in 0..3 {
            let found = names.resolve("localhost:3478").await.unwrap();
            assert!(found.iter().all(|address| address.ip().is_loopback() && address.port() == 3478), "{found:?}");
        }
        assert_eq!(names.known.lock().unwrap().len(), 1);
    }

    /// A name server that never answers is waited for once, not by each connection.
    #[tokio::test]
    async fn a_name_that_takes_too_long_is_waited_for_once() {
        let names = Names::default();
        let pending: Lookup = std::future::pending().boxed().shared();
        let since = Instant::now().checked_sub(WAIT).unwrap();
        names.known.lock().unwrap().insert("nowhere:1".into(), (since, pending));
        assert_eq!(names.resolve("nowhere:1").await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(since.elapsed() < 2 * WAIT);
    }
}
