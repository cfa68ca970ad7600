//! What a relay is told at its start, and which of it cannot be.

use crate::{
    ice::{IceServersConfig, IceUri, TURN_TTL_MIN},
    tracker::TrackerConfig,
};
use std::{net::SocketAddr, time::Duration};

/// How long a member that vanished (killed, suspended, network gone) may stay in its room at most (docs/PROTOCOL.md).
pub const VANISH_MAX: Duration = Duration::from_secs(45);

/// What a relay may use and how patient it is.
#[derive(Clone, Debug, PartialEq)]
pub struct RelayConfig {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Connections at one time; further ones wait in the system's queue. At least 1.
    pub connections_max: usize,
    /// Rooms at one time, empty ones that are remembered among them; a `Join` that would make another one is refused. At
    /// least 1.
    pub rooms_max: usize,
    /// Messages a second that one connection may send on the average. At least 1.
    pub messages_per_second: u32,
    /// Messages that one connection may send at once after a pause. At least 1.
    pub messages_burst: u32,
    /// How often a connection is asked whether it lives.
    pub ping_interval: Duration,
    /// How long it may take to answer.
    pub ping_timeout: Duration,
    /// How long a write to a connection may hang without progress. A reader that stopped reading is noticed by this
    /// alone: closing a socket waits for its last write.
    pub write_timeout: Duration,
    /// How long a room without members is remembered.
    pub empty_room_memory: Duration,
    /// How long a shutdown waits for connections to end before it drops them.
    pub shutdown_max: Duration,
    /// The tracker; `None` where the relay is to have none.
    pub tracker: Option<TrackerConfig>,
    /// The STUN and TURN servers that members are told of.
    pub ice_servers: IceServersConfig,
}

impl RelayConfig {
    /// The defaults, listening at an address.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            // A process may open 1,024 files by default on most systems; the rest is for rooms and the log.
            connections_max: 1000,
            // At 96 KiB of playlist each, below 100 MB when someone fills them all.
            rooms_max: 1000,
            // A client reports once a second and pings a little more often; dragging a slider sends some 20 a second.
            messages_per_second: 50,
            messages_burst: 200,
            ping_interval: Duration::from_secs(5),
            ping_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            // Long enough for one who is alone in the room to restart a computer.
            empty_room_memory: Duration::from_secs(600),
            shutdown_max: Duration::from_secs(5),
            tracker: Some(TrackerConfig::default()),
            ice_servers: IceServersConfig::default(),
        }
    }

    /// After how long a member that vanished has left its room at the latest: up to one interval passes until it is
    /// asked, it may answer until the timeout, and a write to it that hangs is given up.
    #[must_use]
    pub fn vanish_after(&self) -> Duration {
        self.ping_interval.saturating_add(self.ping_timeout).saturating_add(self.write_timeout)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let zero = |what| Err(ConfigError::Zero { what });
        if self.connections_max == 0 {
            return zero("the number of connections");
        }
        if self.rooms_max == 0 {
            return zero("the number of rooms");
        }
        if self.messages_per_second == 0 || self.messages_burst == 0 {
            return zero("the message rate");
        }
        if let Some(tracker) = &self.tracker
            && [
                tracker.messages_per_second,
                tracker.messages_burst,
                tracker.requests_per_second,
                tracker.requests_burst,
            ]
            .contains(&0)
        {
            return zero("a rate of the tracker");
        }
        if self.ping_interval.is_zero() || self.ping_timeout.is_zero() || self.write_timeout.is_zero() {
            return zero("a ping interval or a timeout");
        }
        if self.vanish_after() > VANISH_MAX {
            return Err(ConfigError::TooPatient { after: self.vanish_after() });
        }
        let ice = &self.ice_servers;
        let mut turn = ice.turn.iter().chain(ice.turn_users.iter().map(|user| &user.uri));
        if ice.stun.iter().any(IceUri::is_turn) || !turn.all(IceUri::is_turn) {
            return Err(ConfigError::MixedUp);
        }
        if !ice.turn.is_empty() && ice.turn_secret.is_none() {
            return Err(ConfigError::NoTurnSecret);
        }
        if ice.turn_ttl < TURN_TTL_MIN {
            return Err(ConfigError::ShortTurn);
        }
        Ok(())
    }
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A limit or a time is zero.
    #[error("{what} must not be zero")]
    Zero {
        /// Which one.
        what: &'static str,
    },
    /// Members that vanished would stay too long.
    #[error(
        "a member that vanished would be noticed after {after:?} only (ping interval + ping timeout + \
         write timeout); at most {VANISH_MAX:?} are allowed"
    )]
    TooPatient {
        /// After how long it would be noticed.
        after: Duration,
    },
    /// A STUN server among the TURN servers, or the reverse.
    #[error("a STUN server begins with stun: or stuns:, a TURN server with turn: or turns:")]
    MixedUp,
    /// Nobody could use the TURN servers.
    #[error("TURN servers need the secret that they share with the relay")]
    NoTurnSecret,
    /// Credentials would end before they could be used.
    #[error("credentials for TURN must be good for at least {TURN_TTL_MIN:?}")]
    ShortTurn,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ice::{TurnSecret, TurnUser};

    fn config() -> RelayConfig {
        RelayConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    #[test]
    fn by_default_a_vanished_member_leaves_in_time() {
        assert_eq!(config().vanish_after(), Duration::from_secs(20));
        assert!(config().vanish_after() < VANISH_MAX);
        assert_eq!(config().check(), Ok(()));
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let patient = RelayConfig { ping_timeout: Duration::from_secs(31), ..config() };
        assert_eq!(patient.check(), Err(ConfigError::TooPatient { after: Duration::from_secs(46) }));
        let zeros = [
            RelayConfig { connections_max: 0, ..config() },
            RelayConfig { rooms_max: 0, ..config() },
            RelayConfig { messages_per_second: 0, ..config() },
            RelayConfig { messages_burst: 0, ..config() },
            RelayConfig { ping_interval: Duration::ZERO, ..config() },
            RelayConfig { ping_timeout: Duration::ZERO, ..config() },
            RelayConfig { write_timeout: Duration::ZERO, ..config() },
        ];
        for zero in zeros {
            assert!(matches!(zero.check(), Err(ConfigError::Zero { .. })), "{zero:?}");
        }
        let ice = |ice_servers| RelayConfig { ice_servers, ..config() }.check();
        let (stun, turn): (Vec<IceUri>, Vec<IceUri>) =
            (vec!["stun:a".parse().unwrap()], vec!["turn:a".parse().unwrap()]);
        let default = IceServersConfig::default;
        assert_eq!(ice(IceServersConfig { stun: turn.clone(), ..default() }), Err(ConfigError::MixedUp));
        assert_eq!(ice(IceServersConfig { turn: stun.clone(), ..default() }), Err(ConfigError::MixedUp));
        assert_eq!(ice(IceServersConfig { turn: turn.clone(), ..default() }), Err(ConfigError::NoTurnSecret));
        let user = |uri: &IceUri| TurnUser { uri: uri.clone(), username: "ada".into(), credential: "west".into() };
        assert_eq!(ice(IceServersConfig { turn_users: vec![user(&stun[0])], ..default() }), Err(ConfigError::MixedUp));
        assert_eq!(ice(IceServersConfig { turn_users: vec![user(&turn[0])], ..default() }), Ok(()));
        assert_eq!(
            ice(IceServersConfig { turn_ttl: Duration::from_secs(59), ..default() }),
            Err(ConfigError::ShortTurn)
        );
        let turn_secret = TurnSecret::new("north".to_owned());
        assert_eq!(ice(IceServersConfig { stun, turn, turn_secret, ..default() }), Ok(()));
    }
}
