//! `settings.json`: read at the start, with every fault told; only its limits are ever written.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use std::{
    fs,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};
use streamshare_ipc::LimitSettings;
use url::Url;

/// Where the port of hosted rooms starts out: not registered with IANA, easy to forward by hand.
const HOSTING_PORT: u16 = 7411;

/// The settings' file in the app's folder.
const FILE: &str = "settings.json";
/// Bytes a second below which torrents don't get along: a block has 16 KiB, and wants to pass within a second.
const SPEED_MIN: u32 = 20_000;
/// Peers a torrent: one is enough to get a film, and beyond the other end systems run out of sockets.
const PEERS: RangeInclusive<u32> = 1..=2000;
/// More than anybody means; keeps slips of the finger out.
const SEED_RATIO_MAX: f64 = 1000.0;
const SEED_MINUTES_MAX: u32 = 60 * 24 * 366;
/// Bytes of the smallest cache: what players read ahead, 32 MiB for each of a few streams, and what a tick brings in.
const CACHE_MIN: u64 = 500_000_000;

/// The person's settings: `settings.json` in the app's folder, every field optional.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Where films go, an absolute path; [`None`] for `Streamshare` in the person's downloads.
    pub download_folder: Option<PathBuf>,
    /// How torrents find others.
    pub network: NetworkSettings,
    /// How the app hosts rooms.
    pub hosting: HostingSettings,
    /// What torrents may use up; the only settings that the app itself writes.
    pub limits: LimitSettings,
}

/// How torrents find others.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// The distributed hash table (BEP 5).
    pub dht: bool,
    /// The trackers that torrents name.
    pub trackers: bool,
    /// uTP (BEP 29) beside TCP.
    pub utp: bool,
    /// Finding others in the same network (BEP 14).
    pub local_discovery: bool,
    /// Asking the router to forward the port.
    pub upnp: bool,
    /// Where others reach us; port 0 for any that is free.
    pub listen: SocketAddr,
    /// Trackers that are asked for every torrent, and named in the links that the app makes: http(s) and udp for TCP and uTP
    /// peers, ws(s) for browsers (WebTorrent's).
    pub extra_trackers: Vec<Url>,
    /// Exchanging torrents with browsers, over WebRTC.
    pub webrtc: bool,
    /// What helps WebRTC through routers.
    pub ice_servers: Vec<IceServerSettings>,
}

/// A STUN or TURN server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IceServerSettings {
    /// `stun:HOST:PORT` or `turn:HOST:PORT` (RFC 7064, RFC 7065).
    pub url: String,
    /// For TURN.
    #[serde(default)]
    pub username: String,
    /// For TURN.
    #[serde(default)]
    pub credential: String,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            dht: true,
            trackers: true,
            utp: true,
            local_discovery: true,
            upnp: true,
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            extra_trackers: Vec::new(),
            webrtc: true,
            // What WebTorrent asks by default, too: without such a server nobody behind a router is found from outside.
            ice_servers: vec![IceServerSettings {
                url: "stun:stun.l.google.com:19302".to_owned(),
                username: String::new(),
                credential: String::new(),
            }],
        }
    }
}

/// How the app hosts rooms.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HostingSettings {
    /// Where the app's own relay listens, once a room is hosted.
    pub listen: SocketAddr,
}

impl Default for HostingSettings {
    fn default() -> Self {
        Self { listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, HOSTING_PORT)) }
    }
}

/// Why `settings.json` cannot be used. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file is there and cannot be read.
    #[error("The settings in {} cannot be read: {source}.", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Not JSON, an unknown field, or a value of the wrong kind.
    #[error("The settings in {} are not understood: {source}.", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("The settings cannot be written to {}: {source}.", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A value that is well formed and means nothing.
    #[error("The settings in {} cannot be used: {why}.", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

impl Settings {
    /// Reads `settings.json` in the app's folder; the defaults where there is none.
    ///
    /// # Errors
    /// When the file cannot be read or used. Nothing of it counts then.
    pub fn load(home: &Path) -> Result<Self, SettingsError> {
        let path = home.join(FILE);
        let settings: Self = read(&path)?.unwrap_or_default();
        match settings.fault() {
            Some(why) => Err(SettingsError::Value { path, why }),
            None => Ok(settings),
        }
    }

    /// Writes limits into `settings.json` in the app's folder and leaves the rest of it as it is. All or nothing: a power loss
    /// leaves the former file.
    ///
    /// # Errors
    /// When a limit is out of its range, and when the file cannot be read, understood or written.
    pub fn save_limits(home: &Path, limits: &LimitSettings) -> Result<(), SettingsError> {
        let path = home.join(FILE);
        if let Some(why) = limits_fault(limits) {
            return Err(SettingsError::Value { path, why });
        }
        let mut whole: Map<String, Value> = read(&path)?.unwrap_or_default();
        let value =
            serde_json::to_value(limits).map_err(|source| SettingsError::Parse { path: path.clone(), source })?;
        whole.insert("limits".to_owned(), value);
        let write = || {
            let text = serde_json::to_string_pretty(&whole)?;
            let partial = path.with_extension("partial");
            fs::create_dir_all(home)?;
            let mut file = fs::File::create(&partial)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(|source| SettingsError::Write { path: path.clone(), source })
    }

    fn fault(&self) -> Option<String> {
        if let Some(why) = limits_fault(&self.limits) {
            return Some(why);
        }
        if let Some(folder) = self.download_folder.as_ref().filter(|folder| !folder.is_absolute()) {
            return Some(format!("downloadFolder {} is not an absolute path", folder.display()));
        }
        let is_odd = |tracker: &&Url| !matches!(tracker.scheme(), "http" | "https" | "udp" | "ws" | "wss");
        let odd = self.network.extra_trackers.iter().find(is_odd);
        odd.map(|tracker| format!("the extra tracker {tracker} is neither an http(s), a udp nor a ws(s) address"))
    }
}

/// Nothing where there is no file.
fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, SettingsError> {
    let path = path.to_owned();
    match fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).map(Some).map_err(|source| SettingsError::Parse { path, source }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SettingsError::Read { path, source }),
    }
}

/// What is wrong with limits, if anything is.
pub(crate) fn limits_fault(limits: &LimitSettings) -> Option<String> {
    let speeds = [("upload", limits.upload_bps), ("download", limits.download_bps)];
    if let Some((which, _)) = speeds.iter().find(|(_, speed)| speed.is_some_and(|speed| speed < SPEED_MIN)) {
        return Some(format!(
            "the {which} limit is below {} kB/s, too little to pass on a single block",
            SPEED_MIN / 1000
        ));
    }
    if limits.peers.is_some_and(|peers| !PEERS.contains(&peers)) {
        return Some(format!("the limit of peers is not from {} to {}", PEERS.start(), PEERS.end()));
    }
    if limits.seed_ratio.is_some_and(|ratio| !(0.0..=SEED_RATIO_MAX).contains(&ratio)) {
        return Some(format!("the seed ratio is not from 0 to {SEED_RATIO_MAX}"));
    }
    if limits.seed_minutes.is_some_and(|minutes| minutes > SEED_MINUTES_MAX) {
        return Some(format!("the seed time is longer than {SEED_MINUTES_MAX} minutes, a year"));
    }
    if limits.cache_bytes.is_some_and(|bytes| bytes != 0 && bytes < CACHE_MIN) {
        return Some(format!("the cache is below {} MB, less than a film needs to play", CACHE_MIN / 1_000_000));
    }
    None
}

/// The folders that the app works in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The app's own: settings and what the torrent engine remembers.
    pub home: PathBuf,
    /// Where films go if the settings don't say.
    pub downloads: PathBuf,
}

impl Folders {
    /// The folders, given those of the platform: `app_data` for the app, `downloads` of the person, if there is one.
    /// The environment's `STREAMSHARE_HOME` takes the place of the first.
    #[must_use]
    pub fn new(home_override: Option<PathBuf>, app_data: PathBuf, downloads: Option<PathBuf>) -> Self {
        let home = home_override.filter(|home| !home.as_os_str().is_empty()).unwrap_or(app_data);
        let downloads = downloads.map_or_else(|| home.join("downloads"), |folder| folder.join("Streamshare"));
        Self { home, downloads }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Settings, String> {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("settings.json"), text).expect("a file");
        Settings::load(home.path()).map_err(|e| e.to_string())
    }

    #[test]
    fn no_file_means_defaults() {
        let home = tempfile::tempdir().expect("a folder");
        assert_eq!(Settings::load(home.path()).expect("defaults"), Settings::default());
        assert_eq!(load("{}"), Ok(Settings::default()));
        assert_eq!(Settings::default().hosting.listen.to_string(), "0.0.0.0:7411");
    }

    #[test]
    fn every_field() {
        let settings = load(
            r#"{"downloadFolder": "/films",
                "network": {"dht": false, "trackers": false, "utp": false, "localDiscovery": false, "upnp": false,
                            "listen": "127.0.0.1:0", "extraTrackers": ["http://127.0.0.1:6969/announce"]},
                "hosting": {"listen": "[::1]:0"},
                "limits": {"uploadBps": 50000, "downloadBps": 60000, "peers": 40, "seedRatio": 1.5, "seedMinutes": 90,
                           "cacheBytes": 2000000000}}"#,
        )
        .expect("settings");
        assert_eq!(settings.download_folder, Some("/films".into()));
        let network = &settings.network;
        assert!(![network.dht, network.trackers, network.utp, network.local_discovery, network.upnp].contains(&true));
        assert_eq!(network.listen.to_string(), "127.0.0.1:0");
        assert_eq!(network.extra_trackers[0].as_str(), "http://127.0.0.1:6969/announce");
        assert_eq!(settings.hosting.listen.to_string(), "[::1]:0");
        let limits = LimitSettings {
            upload_bps: Some(50_000),
            download_bps: Some(60_000),
            peers: Some(40),
            seed_ratio: Some(1.5),
            seed_minutes: Some(90),
            cache_bytes: Some(2_000_000_000),
        };
        assert_eq!(settings.limits, limits);
    }

    #[test]
    fn limits_are_written_and_the_rest_stays() {
        let home = tempfile::tempdir().expect("a folder");
        let limits = LimitSettings { upload_bps: Some(50_000), seed_ratio: Some(2.0), ..LimitSettings::default() };
        Settings::save_limits(home.path(), &limits).expect("written where there was nothing");
        assert_eq!(Settings::load(home.path()).expect("settings").limits, limits);
        let file = home.path().join(FILE);
        fs::write(&file, r#"{"downloadFolder": "/films", "limits": {"peers": 9}}"#).expect("a file");
        Settings::save_limits(home.path(), &limits).expect("written");
        let again = Settings::load(home.path()).expect("settings");
        assert_eq!((again.limits, again.download_folder), (limits, Some("/films".into())));
        // What is out of range, and a file that somebody broke, change nothing.
        let slow = LimitSettings { upload_bps: Some(16_000), ..limits };
        assert!(Settings::save_limits(home.path(), &slow).is_err());
        assert_eq!(Settings::load(home.path()).expect("settings").limits, limits);
        fs::write(&file, "{").expect("a file");
        assert!(Settings::save_limits(home.path(), &limits).is_err());
        assert_eq!(fs::read_to_string(&file).expect("the file"), "{");
    }

    #[test]
    fn some_fields_leave_the_others() {
        let settings = load(r#"{"network": {"dht": false}}"#).expect("settings");
        assert_eq!(settings.network, NetworkSettings { dht: false, ..NetworkSettings::default() });
    }

    #[test]
    fn what_is_refused_says_why() {
        for (text, why) in [
            ("", "EOF"),
            (r#"{"downloads": "/x"}"#, "unknown field `downloads`"),
            (r#"{"network": {"dhtt": true}}"#, "unknown field `dhtt`"),
            (r#"{"network": {"dht": "no"}}"#, "expected a boolean"),
            (r#"{"network": {"listen": "localhost"}}"#, "invalid socket address"),
            (r#"{"limits": {"uploadBps": 16383}}"#, "upload limit is below 20 kB/s"),
            (r#"{"limits": {"downloadBps": 0}}"#, "download limit is below"),
            (r#"{"limits": {"peers": 0}}"#, "not from 1 to 2000"),
            (r#"{"limits": {"seedRatio": -1}}"#, "not from 0 to 1000"),
            (r#"{"limits": {"cacheBytes": 1000}}"#, "below 500 MB"),
            (r#"{"limits": {"seedMinutes": 600000}}"#, "a year"),
            (r#"{"downloadFolder": "films"}"#, "not an absolute path"),
            (r#"{"network": {"extraTrackers": ["tracker"]}}"#, "relative URL"),
            (r#"{"network": {"extraTrackers": ["ftp://tracker/"]}}"#, "neither an http(s), a udp nor"),
        ] {
            let error = load(text).expect_err(text);
            assert!(error.contains(why) && error.contains("settings.json"), "{text}: {error}");
        }
    }

    #[test]
    fn folders() {
        let folders = |home: Option<&str>, downloads: Option<&str>| {
            Folders::new(home.map(Into::into), "/data".into(), downloads.map(Into::into))
        };
        let expected = |home: &str, downloads: &str| Folders { home: home.into(), downloads: downloads.into() };
        assert_eq!(folders(None, Some("/me/Downloads")), expected("/data", "/me/Downloads/Streamshare"));
        assert_eq!(folders(Some("/h"), None), expected("/h", "/h/downloads"));
        assert_eq!(folders(Some(""), None), expected("/data", "/data/downloads"));
    }
}
