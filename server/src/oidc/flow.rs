//! What a browser carries while it is away at the provider, and where it may come back to. Pure but for sealing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::identity::Vouched;
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Entropy, Error, Result, Timestamp};

/// How long somebody may stay at the provider, in seconds.
pub const AWAY: i64 = 600;
/// How long somebody may look for their second factor, in seconds.
pub const PROOF: i64 = 300;

const AWAY_CONTEXT: &str = "oidc/away";
const PROOF_CONTEXT: &str = "oidc/proof";

/// A sign-in that was begun. It is sealed into a cookie of the browser that began it, and no other can end it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Away {
    pub state: String,
    pub nonce: String,
    /// Of PKCE: RFC 7636.
    pub verifier: String,
    /// Whom it was begun with: another provider's answer is none.
    pub issuer: String,
    pub client_id: String,
    pub back: String,
    pub locale: String,
    pub expires_at: Timestamp,
}

/// Somebody whom the provider vouched for, and who still owes a code.
#[derive(Clone, Serialize, Deserialize)]
pub struct Proof {
    pub who: Vouched,
    pub expires_at: Timestamp,
}

fn seal(ring: &KeyRing, entropy: Entropy, context: &str, what: &impl Serialize) -> Result<String> {
    let json = serde_json::to_vec(what).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(ring.seal(entropy, context, &json)?))
}

fn open<T: DeserializeOwned>(ring: &KeyRing, context: &str, text: &str) -> Option<T> {
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&ring.open(context, &sealed).ok()?).ok()
}

impl Away {
    pub fn seal(&self, ring: &KeyRing, entropy: Entropy) -> Result<String> {
        seal(ring, entropy, AWAY_CONTEXT, self)
    }

    /// What a cookie holds, unless it is not ours or too old.
    pub fn open(ring: &KeyRing, text: &str, now: Timestamp) -> Option<Self> {
        open(ring, AWAY_CONTEXT, text).filter(|away: &Self| away.expires_at > now)
    }

    /// Whether an answer belongs to this sign-in.
    pub fn is_answered_by(&self, state: &str) -> bool {
        self.state.as_bytes().ct_eq(state.as_bytes()).into()
    }
}

impl Proof {
    pub fn seal(&self, ring: &KeyRing, entropy: Entropy) -> Result<String> {
        seal(ring, entropy, PROOF_CONTEXT, self)
    }

    pub fn open(ring: &KeyRing, text: &str, now: Timestamp) -> Option<Self> {
        open(ring, PROOF_CONTEXT, text).filter(|proof: &Self| proof.expires_at > now)
    }
}

/// The language of a page; English where it is none of ours.
pub fn language(text: Option<&str>) -> &'static str {
    match text {
        Some("es") => "es",
        _ => "en",
    }
}

/// Where to go after signing in: a page of ours, whatever was asked for. Browsers read `\` as `/`, and drop tabs
/// and line ends, so that neither may be in it.
pub fn way_back(asked: Option<&str>, locale: &str) -> String {
    let own = asked.filter(|path| {
        let page = ["/en", "/es"].iter().any(|root| {
            let rest = path.strip_prefix(root);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        });
        page && path.len() <= 500 && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    });
    own.map_or_else(|| format!("/{locale}"), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for own in ["/en", "/es/jobs?status=FAILED", "/en/events/1", "/en?tab=a"] {
            assert_eq!(way_back(Some(own), "es"), own);
        }
        for other in [
            "",
            "/",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/en\\evil",
            "/en/\t/evil",
            "/english",
            "/auth/oidc/start",
            "/en/\r\nSet-Cookie: a=b",
            "/en/ñ",
            "javascript:alert(1)",
        ] {
            assert_eq!(way_back(Some(other), "es"), "/es", "{other:?}");
        }
        assert_eq!(way_back(None, "en"), "/en");
        assert_eq!(way_back(Some(&format!("/en/{}", "a".repeat(500))), "en"), "/en");
    }
}
