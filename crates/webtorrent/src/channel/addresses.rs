//! Which of this machine's addresses are offered to others.

use std::net::{IpAddr, SocketAddr};

/// Addresses to offer at most: one socket each, for each connection. A machine with more has bridges and tunnels.
const ADDRESSES_MAX: usize = 8;

/// A socket address with port 0 for each address of this machine that another could reach.
pub(super) fn local(loopback: bool) -> Vec<SocketAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the network interfaces");
        Vec::new()
    });
    choose(interfaces.iter().map(if_addrs::Interface::ip), loopback)
}

fn choose(addresses: impl Iterator<Item = IpAddr>, loopback: bool) -> Vec<SocketAddr> {
    let mut chosen: Vec<IpAddr> = addresses.filter(|ip| is_offered(*ip, loopback)).collect();
    chosen.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6(), *ip));
    chosen.dedup();
    chosen.into_iter().take(ADDRESSES_MAX).map(|ip| SocketAddr::new(ip, 0)).collect()
}

fn is_offered(ip: IpAddr, loopback: bool) -> bool {
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        // Means nothing without the name of the interface, which candidates do not carry.
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !is_link_local && !ip.is_unspecified() && (loopback || !ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chooses_what_others_can_reach() {
        let all = ["127.0.0.1", "::1", "fe80::1", "169.254.1.1", "fd00::2", "192.0.2.2", "192.0.2.2", "0.0.0.0"];
        let check = |loopback, expected: &[&str]| {
            let chosen = choose(all.iter().map(|ip| ip.parse().unwrap()), loopback);
            assert_eq!(chosen.iter().map(|addr| addr.ip().to_string()).collect::<Vec<_>>(), expected);
        };
        check(false, &["192.0.2.2", "fd00::2"]);
        check(true, &["192.0.2.2", "fd00::2", "127.0.0.1", "::1"]);
        let many = choose((0..100).map(|n| IpAddr::from([10, 0, 0, n])), false);
        assert_eq!(many.len(), ADDRESSES_MAX);
    }
}
