use serde::Deserialize;
use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};
use url::Url;

/// Where the port of hosted rooms starts out: not registered with IANA, easy to forward by hand.
const HOSTING_PORT: u16 = 7411;

/// The person's settings: `settings.json` in the app's folder, every field optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Where films go, an absolute path; [`None`] for `Streamshare` in the person's downloads.
    pub download_folder: Option<PathBuf>,
    /// How torrents find others.
    pub network: NetworkSettings,
    /// How the app hosts rooms.
    pub hosting: HostingSettings,
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
    /// Trackers that are asked for every torrent.
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
        let path = home.join("settings.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(SettingsError::Read { path, source }),
        };
        let settings: Self = match serde_json::from_str(&text) {
            Ok(settings) => settings,
            Err(source) => return Err(SettingsError::Parse { path, source }),
        };
        match settings.fault() {
            Some(why) => Err(SettingsError::Value { path, why }),
            None => Ok(settings),
        }
    }

    fn fault(&self) -> Option<String> {
        if let Some(folder) = self.download_folder.as_ref().filter(|folder| !folder.is_absolute()) {
            return Some(format!("downloadFolder {} is not an absolute path", folder.display()));
        }
        let odd =
            self.network.extra_trackers.iter().find(|tracker| !matches!(tracker.scheme(), "http" | "https" | "udp"));
        odd.map(|tracker| format!("the extra tracker {tracker} is neither an http(s) nor a udp address"))
    }
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
                "hosting": {"listen": "[::1]:0"}}"#,
        )
        .expect("settings");
        assert_eq!(settings.download_folder, Some("/films".into()));
        let network = &settings.network;
        assert!(![network.dht, network.trackers, network.utp, network.local_discovery, network.upnp].contains(&true));
        assert_eq!(network.listen.to_string(), "127.0.0.1:0");
        assert_eq!(network.extra_trackers[0].as_str(), "http://127.0.0.1:6969/announce");
        assert_eq!(settings.hosting.listen.to_string(), "[::1]:0");
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
            (r#"{"downloadFolder": "films"}"#, "not an absolute path"),
            (r#"{"network": {"extraTrackers": ["tracker"]}}"#, "relative URL"),
            (r#"{"network": {"extraTrackers": ["ftp://tracker/"]}}"#, "neither an http(s) nor a udp"),
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
