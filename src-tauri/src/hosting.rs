//! The relay inside the app, for rooms that this computer hosts.

use crate::{settings::IceServerSettings, torrents::shell_error};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use streamshare_ipc::{Hosted, ShellError, code};
use streamshare_relay::{IceServersConfig, IceUri, Relay, RelayConfig, StartError, TurnUser};
use tokio::sync::OnceCell;

/// The app's own relay, started with the first room that it hosts.
pub(crate) struct Hosting {
    listen: SocketAddr,
    ice_servers: IceServersConfig,
    running: OnceCell<(Relay, Hosted)>,
}

impl Hosting {
    /// Guests are told of the same STUN and TURN servers that this app uses itself.
    pub(crate) fn new(listen: SocketAddr, ice_servers: &[IceServerSettings]) -> Self {
        Self { listen, ice_servers: named(ice_servers), running: OnceCell::new() }
    }

    /// Starts the relay, once, and tells its addresses.
    pub(crate) async fn host(&self) -> Result<Hosted, ShellError> {
        let running = self.running.get_or_try_init(|| async {
            let relay = start(self.listen, &self.ice_servers)
                .await
                .map_err(|error| shell_error(code::NETWORK, &format!("This computer cannot host a room: {error}")))?;
            let hosted = addresses(relay.local_addr(), &interfaces());
            tracing::info!(port = relay.local_addr().port(), "hosting rooms");
            Ok((relay, hosted))
        });
        running.await.map(|(_, hosted)| hosted.clone())
    }

    pub(crate) async fn shutdown(&self) {
        if let Some((relay, _)) = self.running.get() {
            relay.shutdown().await;
        }
    }
}

/// On the port of the settings, so that yesterday's links work today; on any other where that one is taken.
async fn start(listen: SocketAddr, ice_servers: &IceServersConfig) -> Result<Relay, StartError> {
    let config = |listen| RelayConfig { ice_servers: ice_servers.clone(), ..RelayConfig::new(listen) };
    match Relay::start(config(listen)).await {
        Err(error) if listen.port() != 0 => {
            tracing::warn!(%error, port = listen.port(), "hosting on any free port instead");
            Relay::start(config(SocketAddr::new(listen.ip(), 0))).await
        }
        started => started,
    }
}

/// The servers as the relay names them; what is no server's address is left out.
fn named(servers: &[IceServerSettings]) -> IceServersConfig {
    let mut config = IceServersConfig::default();
    for server in servers {
        match server.url.parse::<IceUri>() {
            Ok(uri) if uri.is_turn() => {
                let (username, credential) = (server.username.clone(), server.credential.clone());
                config.turn_users.push(TurnUser { uri, username, credential });
            }
            Ok(uri) => config.stun.push(uri),
            Err(error) => tracing::warn!(%error, "a server of network.iceServers is not named to guests"),
        }
    }
    config
}

/// A network address of this computer and the interface that has it.
struct Interface {
    name: String,
    ip: IpAddr,
}

fn interfaces() -> Vec<Interface> {
    match if_addrs::get_if_addrs() {
        Ok(all) => all.into_iter().map(|interface| Interface { ip: interface.ip(), name: interface.name }).collect(),
        Err(error) => {
            tracing::warn!(%error, "the addresses of this computer are unknown");
            Vec::new()
        }
    }
}

/// Where a relay that listens at `local` is reached: from this computer, and from others, the likeliest way first.
fn addresses(local: SocketAddr, interfaces: &[Interface]) -> Hosted {
    let link = |ip: IpAddr| format!("http://{}", SocketAddr::new(ip, local.port()));
    let own = match local.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let share = if local.ip().is_unspecified() {
        let mut reachable: Vec<_> = interfaces.iter().filter_map(|i| Some((rank(i, local.is_ipv6())?, i.ip))).collect();
        reachable.sort();
        reachable.dedup();
        reachable.into_iter().map(|(_, ip)| link(ip)).collect()
    } else if local.ip().is_loopback() {
        Vec::new()
    } else {
        vec![link(local.ip())]
    };
    Hosted { relay: link(own), share }
}

/// How likely others reach the address, smaller is better; nothing where they cannot.
fn rank(interface: &Interface, with_v6: bool) -> Option<(bool, u8)> {
    let class = match interface.ip {
        ip if ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() => return None,
        IpAddr::V4(v4) if v4.is_link_local() => return None,
        IpAddr::V4(v4) if v4.is_private() => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(v6) if !with_v6 || v6.is_unicast_link_local() => return None,
        IpAddr::V6(v6) if !v6.is_unique_local() => 2,
        IpAddr::V6(_) => 3,
    };
    Some((is_virtual(&interface.name), class))
}

/// Interfaces that usually lead to containers and virtual machines on this computer, by the names that their makers give.
fn is_virtual(name: &str) -> bool {
    const PREFIXES: [&str; 10] =
        ["docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "vEthernet", "podman", "cni", "lxc"];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(listen: &str, interfaces: &[(&str, &str)]) -> (String, Vec<String>) {
        let interface = |(name, ip): &(&str, &str)| Interface { name: (*name).into(), ip: ip.parse().expect("an ip") };
        let interfaces: Vec<_> = interfaces.iter().map(interface).collect();
        let hosted = addresses(listen.parse().expect("an address"), &interfaces);
        (hosted.relay, hosted.share)
    }

    #[test]
    fn the_likeliest_address_comes_first() {
        let interfaces = [
            ("lo", "127.0.0.1"),
            ("lo", "::1"),
            ("docker0", "172.17.0.1"),
            ("wlan0", "2001:db8::7"),
            ("wlan0", "fe80::1"),
            ("wlan0", "fd00::7"),
            ("wan0", "203.0.113.9"),
            ("wlan0", "192.168.1.7"),
            ("eth1", "169.254.3.4"),
        ];
        let (relay, v4) = share("0.0.0.0:7411", &interfaces);
        assert_eq!(relay, "http://127.0.0.1:7411");
        assert_eq!(v4, ["http://192.168.1.7:7411", "http://203.0.113.9:7411", "http://172.17.0.1:7411"]);
        let (relay, both) = share("[::]:80", &interfaces);
        assert_eq!(relay, "http://[::1]:80");
        let expected = ["192.168.1.7", "203.0.113.9", "[2001:db8::7]", "[fd00::7]", "172.17.0.1"];
        assert_eq!(both, expected.map(|host| format!("http://{host}:80")));
    }

    #[test]
    fn an_address_that_was_chosen_is_the_only_one() {
        let interfaces = [("eth0", "192.168.1.7"), ("eth1", "10.0.0.7")];
        assert_eq!(share("127.0.0.1:5", &interfaces), ("http://127.0.0.1:5".into(), vec![]));
        assert_eq!(
            share("10.0.0.7:5", &interfaces),
            ("http://10.0.0.7:5".into(), vec!["http://10.0.0.7:5".to_owned()])
        );
        assert_eq!(share("0.0.0.0:5", &[]), ("http://127.0.0.1:5".into(), vec![]));
    }
}
