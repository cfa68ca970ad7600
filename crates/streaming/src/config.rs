//! How an engine is set up, and what people want if they say nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::Limits;

/// How an [`Engine`](crate::Engine) is set up. [`EngineConfig::new`] gives what people want; tests start from
/// [`NetworkConfig::isolated`].
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Folder for the session's own files (which torrents, which pieces, DHT table). Created when missing; two engines must not share one.
    pub state_dir: PathBuf,
    /// Folder under which each downloaded torrent gets a folder of its own. Created when missing.
    pub download_dir: PathBuf,
    /// What the engine may talk to.
    pub network: NetworkConfig,
    /// What the engine may use up.
    pub limits: Limits,
    /// The exact values of the `Origin` header that may read media. A request with any other origin is refused; a request without one
    /// (a `<video>` element without `crossorigin`) is served. Default: none.
    pub origins: Vec<String>,
    /// How long a magnet link may take to give its metadata. Default: 90 s, because a first DHT bootstrap takes 10-30 s.
    pub metadata_timeout: Duration,
    /// How long fetching a `.torrent` over HTTP may take. Default: 30 s.
    pub fetch_timeout: Duration,
    /// How long a read may wait for a piece before the response is cut off; the player may then ask again. Default: 120 s, longer
    /// than a peer search after all peers were lost.
    pub stall_timeout: Duration,
}

impl EngineConfig {
    /// The defaults, for people.
    #[must_use]
    pub fn new(state_dir: PathBuf, download_dir: PathBuf) -> Self {
        Self {
            state_dir,
            download_dir,
            network: NetworkConfig::default(),
            limits: Limits::default(),
            origins: Vec::new(),
            metadata_timeout: Duration::from_secs(90),
            fetch_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(120),
        }
    }
}

/// What an [`Engine`](crate::Engine) may talk to.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// The distributed hash table (BEP 5). Default: on.
    pub dht: bool,
    /// HTTP and UDP trackers (BEP 3, 15). Default: on.
    pub trackers: bool,
    /// uTP (BEP 29) beside TCP. Default: on.
    pub utp: bool,
    /// Local service discovery (BEP 14). Default: on.
    pub local_discovery: bool,
    /// Asks the router to forward the listening port. Default: on.
    pub upnp: bool,
    /// Where peers can connect to, port 0 for any. `None`: no incoming peers, and no uTP. Default: `0.0.0.0:0`.
    pub listen: Option<SocketAddr>,
    /// Trackers to use for every torrent that is not private, beside its own. Default: none.
    pub extra_trackers: Vec<Url>,
}

impl NetworkConfig {
    /// Everything off, incoming peers on the loopback interface only: for tests.
    #[must_use]
    pub fn isolated() -> Self {
        Self {
            dht: false,
            trackers: false,
            utp: false,
            local_discovery: false,
            upnp: false,
            listen: Some((Ipv4Addr::LOCALHOST, 0).into()),
            extra_trackers: Vec::new(),
        }
    }
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self {
            dht: true,
            trackers: true,
            utp: true,
            local_discovery: true,
            upnp: true,
            listen: Some((Ipv4Addr::UNSPECIFIED, 0).into()),
            extra_trackers: Vec::new(),
        }
    }
}
