//! What a run's record keeps of a run on a server: where it is, and what it takes to speak to it. It must not know how
//! servers are reached.

use std::fmt;

use cronium_protocol::resident::TOKEN_BYTES;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::hex::{hex, unhex};

/// What whoever speaks to a runner has to know. It prints as nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Token([u8; TOKEN_BYTES]);

/// A text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token has {} hexadecimal digits", 2 * TOKEN_BYTES)]
pub struct NoToken;

impl Token {
    pub fn new(bytes: [u8; TOKEN_BYTES]) -> Self {
        Self(bytes)
    }

    pub fn reveal(&self) -> &[u8; TOKEN_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl TryFrom<String> for Token {
    type Error = NoToken;

    fn try_from(text: String) -> Result<Self, NoToken> {
        unhex(&text).map(Self).ok_or(NoToken)
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        hex(&token.0)
    }
}

/// A path on a server that means itself to every shell there may be, without quotes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerPath(String);

/// A path might mean something else to some shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a path on a server must be absolute and have letters, digits and /._-+@, only")]
pub struct NotPlain;

/// In bytes; Linux has a limit of its own, which is larger.
const MAX_PATH: usize = 1024;

impl ServerPath {
    /// A file or directory in it; the name is one of ours.
    #[must_use]
    pub fn join(&self, name: &str) -> Self {
        Self(format!("{}/{name}", self.0))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name in it.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for ServerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ServerPath {
    type Error = NotPlain;

    fn try_from(text: String) -> Result<Self, NotPlain> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@,".contains(&byte);
        if text.starts_with('/') && text.len() <= MAX_PATH && text.bytes().all(plain) {
            Ok(Self(text))
        } else {
            Err(NotPlain)
        }
    }
}

impl From<ServerPath> for String {
    fn from(path: ServerPath) -> Self {
        path.0
    }
}

/// A run on a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnServer {
    pub server_id: Uuid,
    pub token: Token,
    /// Its directory there. Kept, because the next connection may find another place for new ones.
    pub dir: ServerPath,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_means_more_than_itself_is_refused() {
        for good in ["/tmp/cronium-1000", "/srv/anna@corp.example/.cache/cronium", "/"] {
            let path = ServerPath::try_from(good.to_owned()).unwrap();
            assert_eq!(path.as_str(), good);
        }
        for bad in [
            "", "relative", "~/x", "/a b", "/a'b", "/a\"b", "/$HOME", "/a;b", "/a\\b", "/a\nb", "/a!b", "/é",
            "/a*", "/a~", "/a=b", "/a%b", "/a{b}",
        ] {
            assert_eq!(ServerPath::try_from(bad.to_owned()), Err(NotPlain), "{bad:?}");
        }
        let path = ServerPath::try_from("/base".to_owned()).unwrap();
        assert_eq!(path.join("runs").join("1").name(), "1");
    }

    #[test]
    fn a_token_is_kept_and_never_printed() {
        let on = OnServer {
            server_id: Uuid::from_u128(7),
            token: Token::new([0xAB; TOKEN_BYTES]),
            dir: ServerPath("/base/runs/1".to_owned()),
        };
        let kept = serde_json::to_string(&on).unwrap();
        assert!(kept.contains(&"ab".repeat(TOKEN_BYTES)), "{kept}");
        assert_eq!(serde_json::from_str::<OnServer>(&kept).unwrap(), on);
        let shown = format!("{on:?}");
        assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
        assert!(serde_json::from_str::<OnServer>(&kept.replace("/base", "/a b")).is_err());
        assert!(serde_json::from_str::<OnServer>(&kept.replacen("ab", "", 1)).is_err());
    }
}
