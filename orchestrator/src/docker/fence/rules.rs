//! The firewall rules of job networks, as text for `nft`. Pure: it must not talk to Docker.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use cronium_protocol::manifest::sha256;

use crate::allow::{AllowList, Allowed, CLOSED};

/// Every bridge of a job network begins so. The kernel allows 15 characters for the whole name.
const PREFIX: &str = "crn";
const SHORT: usize = 6;

/// Names that follow from an allow-list alone: orchestrators with the same list share a table, and those with
/// different lists on one engine don't touch each other's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    pub table: String,
    bridges: String,
}

impl Names {
    pub fn of(allow: &AllowList) -> Self {
        let digest = short(&allow.to_string());
        Self {
            table: format!("cronium_{digest}"),
            bridges: format!("{PREFIX}{digest}"),
        }
    }

    /// The interface name of this network's bridge, by which the rules know it.
    pub fn bridge(&self, network: &str) -> String {
        format!("{}{}", self.bridges, short(network))
    }
}

/// 30 bits of a digest in letters and digits.
fn short(text: &str) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let digest = sha256(text.as_bytes());
    let letters = digest.iter().take(SHORT);
    letters
        .map(|byte| char::from(LETTERS[usize::from(byte & 31)]))
        .collect()
}

/// One transaction that replaces the whole table, whatever was there.
///
/// Both hooks see packets after address translation, so a published port of the host leads to the address
/// behind it. `input` is everything that the host itself would take, at whichever of its addresses.
/// To a job nobody opens a connection, so that job networks can't reach each other over any range.
pub fn script(names: &Names, allow: &AllowList, resolvers: &[Ipv4Addr]) -> String {
    let Names { table, bridges } = names;
    let mut open = String::new();
    for entry in allow.iter() {
        // Writing to a String can't fail.
        let _ = writeln!(open, "    {} accept", dialled(entry));
    }
    for resolver in resolvers {
        let _ = writeln!(
            open,
            "    ip daddr {resolver} meta l4proto {{ tcp, udp }} th dport 53 accept"
        );
    }
    let closed = CLOSED
        .map(|(network, prefix)| format!("{network}/{prefix}"))
        .join(", ");
    format!(
        "add table inet {table}
delete table inet {table}
table inet {table} {{
  set closed {{
    type ipv4_addr
    flags interval
    elements = {{ {closed} }}
  }}
  chain open {{
{open}  }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    oifname \"{bridges}*\" ct direction original reject with icmpx type admin-prohibited
    iifname != \"{bridges}*\" accept
    jump open
    meta nfproto != ipv4 reject with icmpx type admin-prohibited
    ip daddr @closed reject with icmpx type admin-prohibited
    ct original ip daddr @closed reject with icmpx type admin-prohibited
    oifname \"docker*\" reject with icmpx type admin-prohibited
    oifname \"br-*\" reject with icmpx type admin-prohibited
  }}
  chain input {{
    type filter hook input priority -10; policy accept;
    iifname != \"{bridges}*\" accept
    jump open
    reject with icmpx type admin-prohibited
  }}
}}
"
    )
}

/// Matches what the job asked for, before the host translated it.
fn dialled(entry: &Allowed) -> String {
    let Allowed {
        network,
        prefix,
        port,
    } = entry;
    let mut rule = format!("ct original ip daddr {network}/{prefix}");
    if let Some(port) = port {
        let _ = write!(rule, " meta l4proto {{ tcp, udp }} ct original proto-dst {port}");
    }
    rule
}

/// The IPv4 name servers of a resolv.conf; what answers on loopback is asked by the engine itself.
pub fn resolvers(resolv_conf: &str) -> Vec<Ipv4Addr> {
    let lines = resolv_conf
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = lines.filter_map(|rest| rest.split_whitespace().next()?.parse::<Ipv4Addr>().ok());
    let mut found: Vec<_> = addresses.filter(|address| !address.is_loopback()).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_kernel_and_follow_the_list() {
        let none = Names::of(&AllowList::default());
        let some = Names::of(&"10.0.0.1:80".parse().unwrap());
        assert_ne!(none, some);
        assert_eq!(some, Names::of(&"10.0.0.1/32:80".parse().unwrap()));
        let bridge = none.bridge("cronium-1");
        assert_eq!(bridge.len(), 15);
        assert!(bridge.starts_with(&none.bridges));
        assert_ne!(bridge, none.bridge("cronium-2"));
    }

    #[test]
    fn what_is_open_comes_before_what_is_closed() {
        let allow = "10.0.0.5:5432,192.168.7.0/24".parse().unwrap();
        let names = Names::of(&allow);
        let text = script(&names, &allow, &[Ipv4Addr::new(10, 0, 0, 53)]);
        for line in [
            "ct original ip daddr 10.0.0.5/32 meta l4proto { tcp, udp } ct original proto-dst 5432 accept",
            "ct original ip daddr 192.168.7.0/24 accept",
            "ip daddr 10.0.0.53 meta l4proto { tcp, udp } th dport 53 accept",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert_eq!(text.matches(&format!("table inet {}", names.table)).count(), 3);
    }

    #[test]
    fn name_servers_are_read() {
        let text = "# made by hand\nsearch lan\nnameserver 10.0.0.2\n nameserver\t10.0.0.1 # second\n\
                    nameserver 127.0.0.53\nnameserver fd00::1\nnameserver 10.0.0.2\nnameserver\noptions ndots:0\n";
        assert_eq!(
            resolvers(text),
            [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)]
        );
    }
}
