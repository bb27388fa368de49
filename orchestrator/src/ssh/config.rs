//! What stands in the configuration that an `ssh` of ours reads; it reads no other. All of it is fixed words, our own
//! paths, and values that the protocol has checked letter by letter. It must not know who runs ssh or what for.

use std::fmt;
use std::path::{Path, PathBuf};

use cronium_protocol::host::{Address, HostKey, HostSpec, SignIn};

/// What a server is called on command lines and in `known_hosts`: its true name is in the file alone.
pub const TARGET: &str = "target";

/// Files of one server in its directory.
pub const CONFIG: &str = "config";
pub const KNOWN_HOSTS: &str = "hosts";
pub const KEY: &str = "key";
/// What ssh itself says; what the server says is not in it.
pub const LOG: &str = "log";
/// Socket that answers the one question for a secret.
pub const ASK: &str = "ask";
/// Socket that leads to the next server.
pub const WAY: &str = "way";
/// Socket over which commands are started on a connection that stands.
pub const CONTROL: &str = "ctl";

/// First argument of our own program where it is started as the way through another server.
pub const LEAD: &str = "ssh-way";

/// What a key of a server that is only looked at comes after.
pub const SHOWN: &str = "shown ";

/// Seconds for connecting and the first words; through other servers their sign-in is part of it.
const CONNECT_SECS: u32 = 10;
const CONNECT_SECS_THROUGH: u32 = 15;

/// A path that means itself to `ssh`, to its percent signs and to a shell, as long as it stands in double quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainPath(String);

/// A path can't be put in quotes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} can't be given to ssh: it must be absolute and have letters, digits, spaces and /._-+@,= only",
    .0.display()
)]
pub struct NotPlain(pub PathBuf);

impl PlainPath {
    pub fn new(path: &Path) -> Result<Self, NotPlain> {
        let plain = |c: char| c.is_alphanumeric() || "/._-+@,= ".contains(c);
        match path.to_str() {
            Some(text) if path.is_absolute() && text.chars().all(plain) => Ok(Self(text.to_owned())),
            _ => Err(NotPlain(path.to_owned())),
        }
    }

    /// A file or directory in it; the name is one of ours.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl fmt::Display for PlainPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The way to a server that can't be reached from here.
#[derive(Debug, Clone, Copy)]
pub struct Through<'a> {
    /// Our own program.
    pub helper: &'a PlainPath,
    /// Directory of the server on the way.
    pub hop: &'a PlainPath,
}

/// The one key that is accepted from a server, under the name that it has here.
pub fn known_hosts(key: &HostKey) -> String {
    format!("{TARGET} {key}\n")
}

/// Signs in on a server, and makes the way `onward` to the next one where there is one.
pub fn sign_in(
    host: &HostSpec,
    dir: &PlainPath,
    through: Option<Through<'_>>,
    onward: Option<&Address>,
) -> String {
    let mut text = common(&host.address, host.login.as_str(), dir, through);
    text.line("HostKeyAlgorithms", signatures(&host.host_key));
    let is_asked = match &host.sign_in {
        SignIn::Key { passphrase, .. } => {
            text.line("IdentityFile", quoted(&dir.join(KEY)));
            text.line("PubkeyAuthentication", "yes");
            text.line("PasswordAuthentication", "no");
            text.line("KbdInteractiveAuthentication", "no");
            text.line("PreferredAuthentications", "publickey");
            passphrase.is_some()
        }
        SignIn::Password(_) => {
            text.line("IdentityFile", "none");
            text.line("PubkeyAuthentication", "no");
            text.line("PasswordAuthentication", "yes");
            text.line("KbdInteractiveAuthentication", "yes");
            text.line("PreferredAuthentications", "password,keyboard-interactive");
            true
        }
    };
    text.line("NumberOfPasswordPrompts", "1");
    text.line("BatchMode", if is_asked { "no" } else { "yes" });
    match onward {
        // A socket in our private directory: no port of this machine that others could use, and no address on a
        // command line, as with -W.
        Some(next) => {
            text.line("LocalForward", format!("{} {next}", quoted(&dir.join(WAY))));
            text.line("ExitOnForwardFailure", "yes");
        }
        None => text.line("ClearAllForwardings", "yes"),
    }
    text.0
}

/// Only looks at the key that a server shows for one group of algorithms: ssh prints it by a command of ours, knows
/// none that it could be, and ends before it says who it is. (`KnownHostsCommand` came with OpenSSH 8.5.)
pub fn look(address: &Address, algorithms: &str, dir: &PlainPath, through: Option<Through<'_>>) -> String {
    let mut text = common(address, "nobody", dir, through);
    text.line("HostKeyAlgorithms", algorithms);
    // The shell's program is fixed; kind and key are arguments of it.
    let print = format!("/bin/sh -c 'echo {SHOWN}$0 $1 >&2' %t %K");
    text.line("KnownHostsCommand", print);
    text.line("IdentityFile", "none");
    text.line("PubkeyAuthentication", "no");
    text.line("PasswordAuthentication", "no");
    text.line("KbdInteractiveAuthentication", "no");
    text.line("PreferredAuthentications", "none");
    text.line("BatchMode", "yes");
    text.line("ClearAllForwardings", "yes");
    text.0
}

struct Text(String);

impl Text {
    fn line(&mut self, keyword: &str, value: impl AsRef<str>) {
        self.0 += &format!("  {keyword} {}\n", value.as_ref());
    }
}

fn quoted(path: &PlainPath) -> String {
    format!("\"{path}\"")
}

/// How a key of this kind signs. RSA never with SHA-1.
fn signatures(key: &HostKey) -> &'static str {
    match key.algorithm() {
        "ssh-rsa" => RSA_SIGNATURES,
        other => other,
    }
}

/// Signatures of RSA keys that are accepted.
pub const RSA_SIGNATURES: &str = "rsa-sha2-512,rsa-sha2-256";

fn common(address: &Address, user: &str, dir: &PlainPath, through: Option<Through<'_>>) -> Text {
    let mut text = Text(format!("Host {TARGET}\n"));
    // Words of newer versions than the oldest that we run with.
    text.line("IgnoreUnknown", "WarnWeakCrypto");
    text.line("WarnWeakCrypto", "no");
    text.line("HostName", address.host());
    text.line("Port", address.port().to_string());
    text.line("User", user);
    text.line("HostKeyAlias", TARGET);
    text.line("UserKnownHostsFile", quoted(&dir.join(KNOWN_HOSTS)));
    text.line("GlobalKnownHostsFile", "/dev/null");
    let secs = match through {
        // Run by a shell: nothing in it comes from outside, and nothing in double quotes means anything to it.
        Some(Through { helper, hop }) => {
            let command = format!("{} {LEAD} {}", quoted(helper), quoted(hop));
            text.line("ProxyCommand", command);
            CONNECT_SECS_THROUGH
        }
        None => CONNECT_SECS,
    };
    text.line("ConnectTimeout", secs.to_string());
    for (keyword, value) in FIXED {
        text.line(keyword, value);
    }
    text
}

/// The same for every connection.
const FIXED: [(&str, &str); 23] = [
    ("StrictHostKeyChecking", "yes"),
    ("UpdateHostKeys", "no"),
    ("CheckHostIP", "no"),
    ("VerifyHostKeyDNS", "no"),
    ("CanonicalizeHostname", "no"),
    ("HostbasedAuthentication", "no"),
    ("IdentitiesOnly", "yes"),
    ("IdentityAgent", "none"),
    ("AddKeysToAgent", "no"),
    ("ForwardAgent", "no"),
    ("ForwardX11", "no"),
    ("GatewayPorts", "no"),
    ("Tunnel", "no"),
    ("PermitLocalCommand", "no"),
    ("ControlMaster", "no"),
    ("ControlPath", "none"),
    ("ConnectionAttempts", "1"),
    ("ServerAliveInterval", "5"),
    ("ServerAliveCountMax", "3"),
    ("EscapeChar", "none"),
    ("RequestTTY", "no"),
    ("Compression", "no"),
    // With less, it does not tell that it signed in, nor that the other side hung up.
    ("LogLevel", "VERBOSE"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const KEY_LINE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL4g03jXBJdVDwABclEfwho2UVGu4Cq6GQnUclA6btkM";

    fn dir() -> PlainPath {
        PlainPath::new(Path::new("/run/a b/1")).unwrap()
    }

    fn host(sign_in: SignIn) -> HostSpec {
        HostSpec {
            address: "[2001:db8::1]:2222".parse().unwrap(),
            login: "anna@corp.example".parse().unwrap(),
            sign_in,
            host_key: KEY_LINE.parse().unwrap(),
            jump: None,
        }
    }

    fn key(passphrase: Option<&str>) -> SignIn {
        SignIn::Key {
            private: "hunter2".to_owned().into(),
            passphrase: passphrase.map(|text| text.to_owned().into()),
        }
    }

    fn value<'a>(text: &'a str, keyword: &str) -> Vec<&'a str> {
        let of = |line: &'a str| line.trim().split_once(' ').filter(|(name, _)| *name == keyword);
        text.lines().filter_map(of).map(|(_, value)| value).collect()
    }

    #[test]
    fn only_the_pinned_key_is_accepted_and_nothing_is_learned() {
        let text = sign_in(&host(key(None)), &dir(), None, None);
        for (keyword, meant) in [
            ("HostName", "2001:db8::1"),
            ("Port", "2222"),
            ("User", "anna@corp.example"),
            ("HostKeyAlias", "target"),
            ("HostKeyAlgorithms", "ssh-ed25519"),
            ("UserKnownHostsFile", "\"/run/a b/1/hosts\""),
            ("GlobalKnownHostsFile", "/dev/null"),
            ("StrictHostKeyChecking", "yes"),
            ("UpdateHostKeys", "no"),
            ("IdentityFile", "\"/run/a b/1/key\""),
            ("IdentityAgent", "none"),
            ("PreferredAuthentications", "publickey"),
            ("BatchMode", "yes"),
            ("ClearAllForwardings", "yes"),
        ] {
            assert_eq!(value(&text, keyword), [meant], "{keyword} in\n{text}");
        }
        assert!(value(&text, "ProxyCommand").is_empty(), "{text}");
        assert_eq!(
            known_hosts(&host(key(None)).host_key),
            format!("target {KEY_LINE}\n")
        );
    }

    #[test]
    fn a_secret_is_asked_for_once_and_never_written() {
        for sign_in_by in [
            key(Some("swordfish")),
            SignIn::Password("swordfish".to_owned().into()),
        ] {
            let text = sign_in(&host(sign_in_by), &dir(), None, None);
            assert_eq!(value(&text, "BatchMode"), ["no"]);
            assert_eq!(value(&text, "NumberOfPasswordPrompts"), ["1"]);
            assert!(!text.contains("swordfish") && !text.contains("hunter2"), "{text}");
        }
        let text = sign_in(&host(SignIn::Password("x".to_owned().into())), &dir(), None, None);
        assert_eq!(value(&text, "IdentityFile"), ["none"]);
        assert_eq!(
            value(&text, "PreferredAuthentications"),
            ["password,keyboard-interactive"]
        );
    }

    #[test]
    fn a_way_is_made_of_our_own_words() {
        let helper = PlainPath::new(Path::new("/opt/cronium orchestrator")).unwrap();
        let hop = dir();
        let through = Some(Through {
            helper: &helper,
            hop: &hop,
        });
        let text = sign_in(&host(key(None)), &dir(), through, None);
        let command = "\"/opt/cronium orchestrator\" ssh-way \"/run/a b/1\"";
        assert_eq!(value(&text, "ProxyCommand"), [command]);
        let onward = "[2001:db8::2]:22".parse().unwrap();
        let text = sign_in(&host(key(None)), &dir(), None, Some(&onward));
        assert_eq!(
            value(&text, "LocalForward"),
            ["\"/run/a b/1/way\" [2001:db8::2]:22"]
        );
        assert!(
            value(&text, "ClearAllForwardings").is_empty(),
            "it would clear that one too"
        );
    }

    #[test]
    fn looking_at_keys_knows_none_and_signs_in_nowhere() {
        let address = "db.example.org".parse().unwrap();
        let text = look(&address, RSA_SIGNATURES, &dir(), None);
        assert_eq!(value(&text, "PreferredAuthentications"), ["none"]);
        assert_eq!(value(&text, "StrictHostKeyChecking"), ["yes"]);
        assert_eq!(value(&text, "HostKeyAlgorithms"), ["rsa-sha2-512,rsa-sha2-256"]);
        let print = "/bin/sh -c 'echo shown $0 $1 >&2' %t %K";
        assert_eq!(value(&text, "KnownHostsCommand"), [print]);
    }

    #[test]
    fn every_option_stands_once_on_a_line_of_its_own() {
        let onward = "db".parse().unwrap();
        let text = sign_in(&host(key(Some("x"))), &dir(), None, Some(&onward));
        let mut words: Vec<_> = text
            .lines()
            .map(|l| l.trim().split(' ').next().unwrap())
            .collect();
        let all = words.len();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), all, "{text}");
    }

    #[test]
    fn a_path_that_means_more_than_itself_is_refused() {
        for good in ["/tmp/.tmpAb1", "/srv/my data/é", "/a/b@c,d=e+f"] {
            assert_eq!(PlainPath::new(Path::new(good)).unwrap().as_str(), good);
        }
        for bad in [
            "relative", "", "/a\"b", "/a'b", "/a\nb", "/a%h", "/a$HOME", "/a`id`", "/a\\b", "/a:b", "/~a",
            "/a;b", "/a\tb",
        ] {
            assert!(PlainPath::new(Path::new(bad)).is_err(), "{bad:?}");
        }
    }
}
