//! The private addresses that an admin opens to jobs with a network. Pure: it must not know firewalls.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// What is not the public internet (IANA's special-purpose registry, multicast and reserved space), and the
/// one public address at which a large cloud answers with its machines' metadata.
pub const CLOSED: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
];

fn within(address: Ipv4Addr, network: Ipv4Addr, prefix: u8) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
    u32::from(address) & mask == u32::from(network)
}

/// Whether this address is not on the public internet.
pub fn is_closed(address: Ipv4Addr) -> bool {
    CLOSED
        .iter()
        .any(|(network, prefix)| within(address, *network, *prefix))
}

/// One address or network, with one port or all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Allowed {
    pub network: Ipv4Addr,
    /// Length of the network's prefix, 0 to 32.
    pub prefix: u8,
    /// None: every port and every protocol.
    pub port: Option<u16>,
}

/// What jobs may reach although it is not public; in an order of its own, each entry once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Allowed>);

/// What is wrong with an entry, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AllowError {
    #[error(
        "{0:?} is not an address: write an IPv4 address or network, with or without a port, such as 10.0.0.5:5432 or 192.168.7.0/24"
    )]
    Address(String),
    #[error("{0:?} is an IPv6 address, and job networks have IPv4 only")]
    V6(String),
    #[error("{0:?} has no valid prefix length: it is a number from 0 to 32")]
    Prefix(String),
    #[error("{0:?} has no valid port: it is a number from 1 to 65535")]
    Port(String),
    #[error(
        "{given:?} has bits after its prefix: did you mean {network}/{prefix}, or one address without a prefix?"
    )]
    Host {
        given: String,
        network: Ipv4Addr,
        prefix: u8,
    },
}

impl AllowList {
    /// Whether an admin opened this address at this port.
    pub fn opens(&self, address: Ipv4Addr, port: u16) -> bool {
        self.0.iter().any(|entry| {
            within(address, entry.network, entry.prefix) && entry.port.is_none_or(|open| open == port)
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Allowed> {
        self.0.iter()
    }
}

impl FromStr for AllowList {
    type Err = AllowError;

    /// Entries with commas between them; nothing is an empty list.
    fn from_str(text: &str) -> Result<Self, AllowError> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut list = entries.map(Allowed::from_str).collect::<Result<Vec<_>, _>>()?;
        list.sort_unstable();
        list.dedup();
        Ok(Self(list))
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, entry) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            write!(f, "{entry}")?;
        }
        Ok(())
    }
}

impl FromStr for Allowed {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, AllowError> {
        if text.matches(':').count() > 1 {
            return Err(AllowError::V6(text.to_owned()));
        }
        let (place, port) = match text.split_once(':') {
            Some((place, port)) => (place, Some(port)),
            None => (text, None),
        };
        let port = port
            .map(|port| number(port).filter(|port| *port > 0))
            .map(|port| port.ok_or_else(|| AllowError::Port(text.to_owned())))
            .transpose()?;
        let (address, prefix) = match place.split_once('/') {
            Some((address, prefix)) => {
                let prefix = number::<u8>(prefix).filter(|prefix| *prefix <= 32);
                (
                    address,
                    prefix.ok_or_else(|| AllowError::Prefix(text.to_owned()))?,
                )
            }
            None => (place, 32),
        };
        let address: Ipv4Addr = address
            .parse()
            .map_err(|_| AllowError::Address(text.to_owned()))?;
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        let network = Ipv4Addr::from(u32::from(address) & mask);
        if network != address {
            let given = text.to_owned();
            return Err(AllowError::Host {
                given,
                network,
                prefix,
            });
        }
        Ok(Self {
            network,
            prefix,
            port,
        })
    }
}

/// Digits only: `+5` and ` 5` are no numbers here.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, String> {
        let list = text.parse::<AllowList>();
        list.map(|list| list.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn addresses_networks_and_ports_are_read() {
        assert_eq!(read(""), Ok(String::new()));
        assert_eq!(read(" , "), Ok(String::new()));
        assert_eq!(
            read("192.168.7.0/24, 10.0.0.5:5432,10.0.0.5:5432,10.0.0.5"),
            Ok("10.0.0.5/32,10.0.0.5/32:5432,192.168.7.0/24".into())
        );
        assert_eq!(read("0.0.0.0/0:443"), Ok("0.0.0.0/0:443".into()));
    }

    #[test]
    fn the_same_entries_are_the_same_list_in_any_order() {
        let one: AllowList = "10.0.0.2,10.0.0.1".parse().unwrap();
        assert_eq!(one, "10.0.0.1, 10.0.0.2, 10.0.0.1/32".parse().unwrap());
    }

    #[test]
    fn what_can_not_be_read_is_named_with_what_to_write() {
        for (text, wanted) in [
            ("db.internal:5432", "\"db.internal:5432\" is not an address"),
            ("10.0.0", "is not an address"),
            ("10.0.0.1 10.0.0.2", "is not an address"),
            ("10.0.0.5/8", "did you mean 10.0.0.0/8"),
            ("10.0.0.0/33", "prefix length"),
            ("10.0.0.0/+8", "prefix length"),
            ("10.0.0.0/", "prefix length"),
            ("10.0.0.1:0", "port"),
            ("10.0.0.1:65536", "port"),
            ("10.0.0.1:", "port"),
            ("10.0.0.1:80-90", "port"),
            ("fd00::1", "IPv4 only"),
            ("[fd00::1]:80", "IPv4 only"),
            ("10.0.0.1:80; accept", "port"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(wanted), "{text}: {error}");
        }
    }
}
