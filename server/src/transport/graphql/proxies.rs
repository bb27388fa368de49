//! Whose address a request comes from, when proxies pass it on. Only what a trusted proxy says is believed:
//! anybody can write a header.

use std::net::IpAddr;

use axum::http::HeaderMap;

/// Networks of trusted proxies.
#[derive(Debug, Clone, Default)]
pub struct Proxies(Vec<(IpAddr, u32)>);

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

impl Proxies {
    /// From addresses and networks; None when one of them is neither.
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Option<Self> {
        let network = |text: &str| {
            let (address, prefix) = text.trim().split_once('/').unwrap_or((text.trim(), ""));
            let address: IpAddr = address.parse().ok()?;
            let most = bits(address).1;
            let prefix = if prefix.is_empty() {
                most
            } else {
                prefix.parse().ok()?
            };
            (prefix <= most).then_some((address, prefix))
        };
        let all = texts.into_iter().map(|text| network(text.as_ref()));
        all.collect::<Option<_>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        let (is, length) = bits(address);
        self.0.iter().any(|(network, prefix)| {
            let (of, of_length) = bits(*network);
            let differs = (is ^ of).checked_shr(128 - prefix).unwrap_or_default();
            length == of_length && differs == 0
        })
    }

    /// The nearest address that is not a proxy's: header entries are read from the last one, which the nearest
    /// proxy wrote, and no further than proxies go.
    pub fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer?.to_canonical();
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let lines = lines.filter_map(|line| line.to_str().ok());
        for hop in lines.flat_map(|line| line.rsplit(',')) {
            if !self.trusts(client) {
                break;
            }
            let Ok(hop) = hop.trim().parse::<IpAddr>() else {
                break;
            };
            client = hop.to_canonical();
        }
        Some(client)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let proxies = Proxies::parse(proxies).unwrap();
        proxies.client(peer.parse().ok(), &headers).unwrap().to_string()
    }

    #[test]
    fn a_header_counts_only_from_a_proxy() {
        let forged = ["203.0.113.9"];
        assert_eq!(client(&[], "192.0.2.1", &forged), "192.0.2.1");
        assert_eq!(client(&["192.0.2.2"], "192.0.2.1", &forged), "192.0.2.1");
        assert_eq!(client(&["192.0.2.1"], "192.0.2.1", &forged), "203.0.113.9");
        assert_eq!(
            client(&["192.0.2.0/24"], "::ffff:192.0.2.77", &forged),
            "203.0.113.9"
        );
        assert_eq!(
            client(&["2001:db8::/32"], "2001:db8:9::1", &forged),
            "203.0.113.9"
        );
    }

    #[test]
    fn what_the_client_itself_wrote_is_not_reached() {
        let proxies = ["10.0.0.0/8"];
        assert_eq!(
            client(&proxies, "10.0.0.1", &["1.1.1.1, 203.0.113.9, 10.0.0.2"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&proxies, "10.0.0.1", &["1.1.1.1", "203.0.113.9"]),
            "203.0.113.9"
        );
        assert_eq!(
            client(&proxies, "10.0.0.1", &["203.0.113.9, nonsense"]),
            "10.0.0.1"
        );
        assert_eq!(client(&["0.0.0.0/0"], "10.0.0.1", &["1.1.1.1"]), "1.1.1.1");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy.example", "10.0.0.0/33", "10.0.0.0/x", "::/129"] {
            assert!(Proxies::parse([text]).is_none(), "{text}");
        }
    }
}
