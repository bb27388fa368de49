//! Where a server is and who signs in there, as far as that can be judged without asking anybody. What gets through
//! here may stand in a file that `ssh` reads: nothing in it is an option, a token or a line of its own.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Port of SSH where none is said.
pub const DEFAULT_PORT: u16 = 22;
/// Longest name of a host (RFC 1035, 2.3.4) and of a part of it.
const MAX_NAME: usize = 253;
const MAX_PART: usize = 63;
/// Longest name of a person who signs in.
const MAX_USER: usize = 64;

/// Why a text is no address. The text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    #[error("Give the name or the IP address of the host.")]
    Empty,
    #[error("A host does not begin with a hyphen.")]
    Hyphen,
    #[error("A host is one line without spaces and control characters.")]
    Blank,
    #[error("Leave out the user: it has a field of its own.")]
    User,
    #[error("Leave out the part before ://, and any path.")]
    Url,
    #[error("Write an international name in its ASCII form, which begins with xn--.")]
    International,
    #[error("An IPv6 address has no zone (%) here.")]
    Zone,
    #[error("Square brackets hold a whole IPv6 address, as in [2001:db8::1]:22.")]
    Brackets,
    #[error("An IPv4 address has four numbers from 0 to 255, as in 192.0.2.10.")]
    Numbers,
    #[error("A host has letters, digits, hyphens and dots; each part has 1 to 63 and no hyphen at its ends.")]
    Name,
    #[error("A host's name has at most 253 characters.")]
    Long,
    #[error("A port is a number from 1 to 65535.")]
    Port,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// Host and port of a server: `db.example.org`, `192.0.2.10:2222`, `[::1]:2222`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    host: Host,
    port: u16,
}

impl Address {
    /// Reads a host, and a port where the text has none of its own.
    pub fn parse(text: &str, port: Option<u16>) -> Result<Self, AddressProblem> {
        let (host, own) = split(text)?;
        let port = match own {
            Some(digits) => number(digits)?,
            None => port.unwrap_or(DEFAULT_PORT),
        };
        if port == 0 {
            return Err(AddressProblem::Port);
        }
        Ok(Self { host, port })
    }

    /// Whether the text names a port by itself.
    pub fn names_port(text: &str) -> bool {
        split(text).is_ok_and(|(_, port)| port.is_some())
    }

    /// Without brackets.
    pub fn host(&self) -> String {
        match &self.host {
            Host::Name(name) => name.clone(),
            Host::V4(ip) => ip.to_string(),
            Host::V6(ip) => ip.to_string(),
        }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{}", self.port),
            Host::V4(ip) => write!(f, "{ip}:{}", self.port),
            Host::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

impl FromStr for Address {
    type Err = AddressProblem;

    fn from_str(text: &str) -> Result<Self, AddressProblem> {
        Self::parse(text, None)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressProblem;

    fn try_from(text: String) -> Result<Self, AddressProblem> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

fn number(digits: &str) -> Result<u16, AddressProblem> {
    let plain = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    digits
        .parse()
        .ok()
        .filter(|port| plain && *port != 0)
        .ok_or(AddressProblem::Port)
}

/// The host, and the digits of a port.
fn split(text: &str) -> Result<(Host, Option<&str>), AddressProblem> {
    if text.is_empty() {
        return Err(AddressProblem::Empty);
    }
    if text.starts_with('-') {
        return Err(AddressProblem::Hyphen);
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(AddressProblem::Blank);
    }
    if text.contains('/') {
        return Err(AddressProblem::Url);
    }
    if text.contains('@') {
        return Err(AddressProblem::User);
    }
    if !text.is_ascii() {
        return Err(AddressProblem::International);
    }
    if text.contains('%') {
        return Err(AddressProblem::Zone);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']').ok_or(AddressProblem::Brackets)?;
        let ip = inside.parse().map_err(|_| AddressProblem::Brackets)?;
        let port = match after {
            "" => None,
            _ => Some(after.strip_prefix(':').ok_or(AddressProblem::Brackets)?),
        };
        return Ok((Host::V6(ip), port));
    }
    if text.contains(['[', ']']) {
        return Err(AddressProblem::Brackets);
    }
    if let Ok(ip) = text.parse() {
        return Ok((Host::V6(ip), None));
    }
    let (host, port) = match text.split_once(':') {
        Some((_, port)) if port.contains(':') => return Err(AddressProblem::Brackets),
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    Ok((name(host)?, port))
}

fn name(text: &str) -> Result<Host, AddressProblem> {
    if let Ok(ip) = text.parse() {
        return Ok(Host::V4(ip));
    }
    if text.is_empty() {
        return Err(AddressProblem::Empty);
    }
    if text.len() > MAX_NAME {
        return Err(AddressProblem::Long);
    }
    let good = |part: &str| {
        (1..=MAX_PART).contains(&part.len())
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if !text.split('.').all(good) {
        return Err(AddressProblem::Name);
    }
    // A resolver reads 127.1, 0x7f.1 and 2130706433 as addresses: who means one writes it in full.
    let last = text.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    let is_number = last.bytes().all(|b| b.is_ascii_digit())
        || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_number {
        return Err(AddressProblem::Numbers);
    }
    Ok(Host::Name(text.to_ascii_lowercase()))
}

/// Why a text is no name to sign in with. The text is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginProblem {
    #[error("Give the user to sign in as.")]
    Empty,
    #[error("A user has at most 64 characters.")]
    Long,
    #[error("A user begins with a letter, a digit or an underscore.")]
    Begin,
    #[error("A user has letters, digits and . _ - @ only.")]
    Letters,
}

/// Who signs in on a server: `deploy`, `anna@corp.example`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Login(String);

impl Login {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Login {
    type Err = LoginProblem;

    fn from_str(text: &str) -> Result<Self, LoginProblem> {
        let first = text.bytes().next().ok_or(LoginProblem::Empty)?;
        if text.len() > MAX_USER {
            return Err(LoginProblem::Long);
        }
        if !first.is_ascii_alphanumeric() && first != b'_' {
            return Err(LoginProblem::Begin);
        }
        let good = |b: u8| b.is_ascii_alphanumeric() || b"._-@".contains(&b);
        if !text.bytes().all(good) {
            return Err(LoginProblem::Letters);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Login {
    type Error = LoginProblem;

    fn try_from(text: String) -> Result<Self, LoginProblem> {
        text.parse()
    }
}

impl From<Login> for String {
    fn from(login: Login) -> Self {
        login.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, AddressProblem> {
        text.parse::<Address>().map(|address| address.to_string())
    }

    #[test]
    fn names_and_addresses_with_and_without_a_port_are_read() {
        for (given, meant) in [
            ("db.example.org", "db.example.org:22"),
            ("DB.Example.ORG:2222", "db.example.org:2222"),
            ("build_7", "build_7:22"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example:22"),
            ("192.0.2.10", "192.0.2.10:22"),
            ("192.0.2.10:65535", "192.0.2.10:65535"),
            ("::1", "[::1]:22"),
            ("2001:DB8::1", "[2001:db8::1]:22"),
            ("[::1]", "[::1]:22"),
            ("[::1]:2222", "[::1]:2222"),
        ] {
            assert_eq!(read(given).as_deref(), Ok(meant), "{given}");
            assert_eq!(read(meant).as_deref(), Ok(meant), "what is shown is read again");
        }
        let other = Address::parse("db", Some(2022)).unwrap();
        assert_eq!((other.host().as_str(), other.port()), ("db", 2022));
        assert_eq!(Address::parse("db:23", Some(2022)).unwrap().port(), 23);
        assert!(Address::names_port("[::1]:2222") && !Address::names_port("::1"));
    }

    #[test]
    fn what_ssh_or_a_resolver_could_understand_otherwise_is_refused() {
        for (given, why) in [
            ("", AddressProblem::Empty),
            (":22", AddressProblem::Empty),
            ("-oProxyCommand=touch /tmp/x", AddressProblem::Hyphen),
            ("-oProxyCommand=x", AddressProblem::Hyphen),
            ("db\nProxyCommand x", AddressProblem::Blank),
            ("db\r", AddressProblem::Blank),
            ("d b", AddressProblem::Blank),
            ("d\0b", AddressProblem::Blank),
            ("ssh://db", AddressProblem::Url),
            ("db/x", AddressProblem::Url),
            ("root@db", AddressProblem::User),
            ("bücher.example", AddressProblem::International),
            ("db\u{2024}example", AddressProblem::International),
            ("%h", AddressProblem::Zone),
            ("fe80::1%eth0", AddressProblem::Zone),
            ("[::1", AddressProblem::Brackets),
            ("[db]", AddressProblem::Brackets),
            ("[::1]x", AddressProblem::Brackets),
            ("[::1]2222", AddressProblem::Brackets),
            ("db]", AddressProblem::Brackets),
            ("1:2:3", AddressProblem::Brackets),
            ("127.1", AddressProblem::Numbers),
            ("256.0.0.1", AddressProblem::Numbers),
            ("0x7f.1", AddressProblem::Numbers),
            ("2130706433", AddressProblem::Numbers),
            ("0X7F000001", AddressProblem::Numbers),
            ("a..b", AddressProblem::Name),
            ("a.", AddressProblem::Name),
            ("a-.b", AddressProblem::Name),
            ("a.-b", AddressProblem::Name),
            ("$(id)", AddressProblem::Name),
            ("a;b", AddressProblem::Name),
            ("a\"b", AddressProblem::Name),
            ("db:0", AddressProblem::Port),
            ("db:", AddressProblem::Port),
            ("db:65536", AddressProblem::Port),
            ("db:+22", AddressProblem::Port),
            ("[::1]:", AddressProblem::Port),
        ] {
            assert_eq!(read(given), Err(why), "{given:?}");
        }
        assert_eq!(read(&"a".repeat(64)), Err(AddressProblem::Name));
        assert_eq!(read(&"a.".repeat(127)), Err(AddressProblem::Long));
        assert_eq!(Address::parse("db", Some(0)), Err(AddressProblem::Port));
    }

    #[test]
    fn a_user_is_a_plain_word() {
        for good in ["root", "_apt", "7zip", "anna@corp.example", "a-b.c_d"] {
            assert_eq!(good.parse::<Login>().map(String::from), Ok(good.to_owned()));
        }
        for (bad, why) in [
            ("", LoginProblem::Empty),
            ("-l", LoginProblem::Begin),
            (".x", LoginProblem::Begin),
            ("a b", LoginProblem::Letters),
            ("a\n", LoginProblem::Letters),
            ("%r", LoginProblem::Begin),
            ("a%h", LoginProblem::Letters),
            ("a$b", LoginProblem::Letters),
            ("ä", LoginProblem::Begin),
            ("CORP\\anna", LoginProblem::Letters),
        ] {
            assert_eq!(bad.parse::<Login>().unwrap_err(), why, "{bad:?}");
        }
        assert_eq!("a".repeat(65).parse::<Login>(), Err(LoginProblem::Long));
    }
}
