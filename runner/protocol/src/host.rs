//! A server that is reached over SSH: how to sign in, how to know it again, and what an orchestrator finds out there.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

pub use crate::address::{Address, AddressProblem, DEFAULT_PORT, Login, LoginProblem};

/// A text that prints as nothing and is wiped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Concealed(Zeroizing<String>);

impl Concealed {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Concealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Concealed {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<Concealed> for String {
    fn from(text: Concealed) -> Self {
        text.0.to_string()
    }
}

/// How to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignIn {
    Key {
        /// In OpenSSH's own format, as `ssh-keygen` writes it.
        private: Concealed,
        passphrase: Option<Concealed>,
    },
    Password(Concealed),
}

/// Kinds of host keys that can be pinned. Certificates are none: they would be trusted for who signed them.
const ALGORITHMS: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
];
/// Largest public key, in bytes: RSA with 16,384 bits has some 2,070.
const MAX_KEY: usize = 4096;

/// One of them. A type of its own, because serde takes a reference for borrowed from what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Algorithm(&'static str);

/// A host's public key, as it stands in `known_hosts` after the names: `ssh-ed25519 AAAA…`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostKey {
    algorithm: Algorithm,
    blob: Vec<u8>,
}

/// A text is no host key that can be pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no public host key of a known kind")]
pub struct NoHostKey;

impl HostKey {
    pub fn algorithm(&self) -> &'static str {
        self.algorithm.0
    }

    /// As `ssh-keygen -l` shows it: `SHA256:` and 43 characters.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&self.blob)))
    }
}

/// Whether a text looks like a fingerprint as [`HostKey::fingerprint`] writes it.
pub fn is_fingerprint(text: &str) -> bool {
    let digest = text
        .strip_prefix("SHA256:")
        .map(|rest| STANDARD_NO_PAD.decode(rest));
    matches!(digest, Some(Ok(bytes)) if bytes.len() == 32)
}

impl std::str::FromStr for HostKey {
    type Err = NoHostKey;

    fn from_str(text: &str) -> Result<Self, NoHostKey> {
        let (name, encoded) = text.split_once(' ').ok_or(NoHostKey)?;
        let algorithm = ALGORITHMS
            .into_iter()
            .find(|known| *known == name)
            .ok_or(NoHostKey)?;
        let blob = STANDARD.decode(encoded).map_err(|_| NoHostKey)?;
        // The key says again of what kind it is (RFC 4253, 6.6).
        let length = u32::try_from(algorithm.len())
            .map_err(|_| NoHostKey)?
            .to_be_bytes();
        let head = [&length, algorithm.as_bytes()].concat();
        if blob.len() > MAX_KEY || blob.len() <= head.len() || !blob.starts_with(&head) {
            return Err(NoHostKey);
        }
        Ok(Self {
            algorithm: Algorithm(algorithm),
            blob,
        })
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm(), STANDARD.encode(&self.blob))
    }
}

impl TryFrom<String> for HostKey {
    type Error = NoHostKey;

    fn try_from(text: String) -> Result<Self, NoHostKey> {
        text.parse()
    }
}

impl From<HostKey> for String {
    fn from(key: HostKey) -> Self {
        key.to_string()
    }
}

/// A server with all that it takes to sign in there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    pub address: Address,
    pub login: Login,
    pub sign_in: SignIn,
    /// The one key that is accepted.
    pub host_key: HostKey,
    /// It is reached through this one.
    pub jump: Option<Box<HostSpec>>,
}

/// Something to find out about a server; nothing of a user's runs there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// Which keys the host shows, without signing in.
    HostKeys {
        address: Address,
        jump: Option<Box<HostSpec>>,
    },
    /// Sign in and look.
    Check { host: Box<HostSpec> },
}

/// What came of an errand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Report {
    HostKeys {
        /// Each kind once, the strongest first.
        keys: Vec<HostKey>,
        /// From asking to the last of them.
        latency_us: u64,
    },
    Check(HostFigures),
    Trouble(HostTrouble),
}

/// What a server says of itself; None: it does not tell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostFigures {
    /// From asking to the answer of a command, over a connection that stands.
    pub latency_us: u64,
    /// `Linux 6.1.0 (Debian GNU/Linux 12)`; at most 120 characters.
    pub system: Option<String>,
    /// As `uname -m` says it: `x86_64`.
    pub machine: Option<String>,
    pub processors: Option<u32>,
    /// Of the last minute.
    pub load_average: Option<f64>,
    pub memory_used: Option<u64>,
    pub memory_total: Option<u64>,
    /// Of the file system that runs are kept on.
    pub disk_used: Option<u64>,
    pub disk_total: Option<u64>,
    /// Of the runner that is kept there for this installation.
    pub runner_version: Option<String>,
}

/// Why a server could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostTrouble {
    pub kind: TroubleKind,
    /// What was said, cleaned and at most 300 characters; never anything secret.
    pub told: Option<String>,
}

/// Kinds of trouble that people act on differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TroubleKind {
    /// The name is unknown.
    Unresolved,
    /// Nobody listens there, or it can't be reached at all.
    Refused,
    /// No answer in time.
    Silent,
    /// What answers does not speak SSH, or not well.
    NotSsh,
    /// It shows another key than the pinned one: nothing was said to it.
    KeyChanged,
    /// User, key or password is not accepted.
    Denied,
    /// The private key can't be used: damaged, or another passphrase.
    BadKey,
    /// It lets nobody begin another session.
    NoSession,
    /// Signed in, but commands can't be run there.
    NoShell,
    /// The server on the way has trouble of its own.
    Jump,
    /// Anything else.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made with ssh-keygen, and its fingerprint with ssh-keygen -l.
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL4g03jXBJdVDwABclEfwho2UVGu4Cq6GQnUclA6btkM";
    const FINGERPRINT: &str = "SHA256:mqFoZROhA0VVqcsJBba1l7/7g9pazIA7wFuHyGmMYT0";

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_shows() {
        let key: HostKey = KEY.parse().unwrap();
        assert_eq!(key.fingerprint(), FINGERPRINT);
        assert_eq!(key.algorithm(), "ssh-ed25519");
        assert_eq!(key.to_string(), KEY);
        assert!(is_fingerprint(FINGERPRINT));
        for bad in ["", "SHA256:", "MD5:aa", "SHA256:abc", &FINGERPRINT[7..]] {
            assert!(!is_fingerprint(bad), "{bad:?}");
        }
    }

    #[test]
    fn only_keys_of_known_kinds_that_say_the_same_twice_are_taken() {
        let (_, blob) = KEY.split_once(' ').unwrap();
        let bad = [
            String::new(),
            blob.to_owned(),
            format!("ssh-rsa {blob}"),
            format!("ssh-dss {blob}"),
            format!("ssh-ed25519-cert-v01@openssh.com {blob}"),
            format!("ssh-ed25519  {blob}"),
            format!("ssh-ed25519 {blob} comment"),
            format!("ssh-ed25519 {blob}\n"),
            "ssh-ed25519 AAAA".to_owned(),
        ];
        for text in bad {
            assert_eq!(text.parse::<HostKey>(), Err(NoHostKey), "{text:?}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let sign_in = SignIn::Key {
            private: "hunter2".to_owned().into(),
            passphrase: Some("swordfish".to_owned().into()),
        };
        let shown = format!("{sign_in:?} {:?}", SignIn::Password("hunter2".to_owned().into()));
        assert!(
            !shown.contains("hunter2") && !shown.contains("swordfish"),
            "{shown}"
        );
    }
}
