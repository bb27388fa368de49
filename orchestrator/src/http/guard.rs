//! Which addresses a request may reach: public ones, and what an admin has opened. A name is resolved once, and the
//! connection goes to the very addresses that were looked at.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;
use url::Host;

use crate::allow::{AllowList, is_closed};

/// Why no address of a host may be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(
        "{host} is {address}, which is not public: an admin may open it to requests and jobs with CRONIUM_NETWORK_ALLOW"
    )]
    Closed { host: String, address: IpAddr },
    #[error("there is no host {host}, or its name could not be resolved")]
    Unknown { host: String },
}

/// IPv6 addresses that are on the internet and do not lead to an IPv4 address in disguise (IANA's special-purpose
/// registry): global unicast, without documentation, benchmarks, Teredo, ORCHID and 6to4.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let global = a & 0xe000 == 0x2000;
    // 2001::/23 holds Teredo, benchmarks and ORCHID; 2001:db8::/32 and 3fff::/20 are for documents.
    let special = (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

/// Whether this address at this port may be reached.
pub fn is_open(address: IpAddr, port: u16, allow: &AllowList) -> bool {
    let v4 = |address: Ipv4Addr| !is_closed(address) || allow.opens(address, port);
    match address {
        IpAddr::V4(address) => v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => v4(mapped),
            None => is_public_v6(address),
        },
    }
}

/// A host that is written as an address needs no name service, and would pass by its guard.
pub fn check_literal(host: &Host<&str>, port: u16, allow: &AllowList) -> Result<(), Refused> {
    let address = match host {
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address),
        Host::Domain(_) => return Ok(()),
    };
    if is_open(address, port, allow) {
        return Ok(());
    }
    let host = host.to_string();
    Err(Refused::Closed { host, address })
}

/// Those of a name's addresses that may be reached: a name may lead to both kinds.
fn open_of(found: &[SocketAddr], host: String, allow: &AllowList) -> Result<Vec<SocketAddr>, Refused> {
    let open = found.iter().copied();
    let open: Vec<_> = open.filter(|at| is_open(at.ip(), at.port(), allow)).collect();
    match found.first() {
        _ if !open.is_empty() => Ok(open),
        Some(closed) => {
            let address = closed.ip();
            Err(Refused::Closed { host, address })
        }
        None => Err(Refused::Unknown { host }),
    }
}

/// Resolves names for one port and keeps back what may not be reached.
#[derive(Debug, Clone)]
pub struct Guard {
    allow: Arc<AllowList>,
    port: u16,
    refused: Arc<Mutex<Option<Refused>>>,
}

impl Guard {
    pub fn new(allow: Arc<AllowList>, port: u16) -> Self {
        Self {
            allow,
            port,
            refused: Arc::default(),
        }
    }

    /// Why the last name led nowhere: the connector's own error does not tell.
    pub fn refused(&self) -> Option<Refused> {
        self.refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn refuse(&self, refused: Refused) -> std::io::Error {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused.clone());
        std::io::Error::other(refused)
    }

    async fn resolve(self, host: String) -> std::io::Result<std::vec::IntoIter<SocketAddr>> {
        let found = tokio::net::lookup_host((host.as_str(), self.port)).await;
        let found: Vec<SocketAddr> = found.into_iter().flatten().collect();
        match open_of(&found, host, &self.allow) {
            Ok(open) => Ok(open.into_iter()),
            Err(refused) => Err(self.refuse(refused)),
        }
    }
}

impl Service<Name> for Guard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(address: &str, allow: &str) -> bool {
        is_open(address.parse().unwrap(), 80, &allow.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_open_and_what_an_admin_opened() {
        for public in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700:4700::1111",
            "::ffff:1.1.1.1",
        ] {
            assert!(open(public, ""), "{public}");
        }
        let closed = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in closed {
            assert!(!open(address, ""), "{address}");
        }
        assert!(open("10.1.2.3", "10.0.0.0/8"));
        assert!(open("::ffff:10.1.2.3", "10.1.2.3:80"));
        assert!(!open("10.1.2.3", "10.1.2.3:81"));
        assert!(!open("::1", "127.0.0.1"));
    }

    #[test]
    fn of_a_name_that_leads_to_both_kinds_only_the_open_addresses_are_tried() {
        let found = [
            "10.0.0.1:80",
            "1.1.1.1:80",
            "[::1]:80",
            "[2606:4700::1]:80",
            "10.0.0.2:80",
        ];
        let found = found.map(|at| at.parse::<SocketAddr>().unwrap());
        let open =
            |found: &[SocketAddr], allow: &str| open_of(found, "a.test".into(), &allow.parse().unwrap());
        assert_eq!(open(&found, "").unwrap(), [found[1], found[3]]);
        assert_eq!(
            open(&found, "10.0.0.2:80").unwrap(),
            [found[1], found[3], found[4]]
        );
        let closed = Refused::Closed {
            host: "a.test".into(),
            address: found[2].ip(),
        };
        assert_eq!(open(&found[2..3], ""), Err(closed));
        assert_eq!(
            open(&[], ""),
            Err(Refused::Unknown {
                host: "a.test".into()
            })
        );
    }

    #[test]
    fn an_address_in_any_spelling_is_looked_at() {
        for url in [
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://\u{ff11}27.0.0.1/",
        ] {
            let url = url::Url::parse(url).unwrap();
            let checked = check_literal(&url.host().unwrap(), 80, &AllowList::default());
            assert!(matches!(checked, Err(Refused::Closed { .. })), "{url}");
        }
    }
}
