//! JSON Web Tokens of one kind: HS256 and nothing else, with a type, an audience and an end. The only algorithm
//! there is comes from here, so that no header can ask for another. Knows no sessions.

use hmac::{Hmac, KeyInit as _, Mac as _};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error as JwtError, ErrorKind, Result as JwtResult};
use jsonwebtoken::signature::{Error as SignatureError, Signer, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Error, Result, Timestamp};

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8], algorithm: Algorithm) -> JwtResult<Self> {
        let refused = || JwtError::from(ErrorKind::InvalidAlgorithm);
        if algorithm != Algorithm::HS256 {
            return Err(refused());
        }
        Hmac::new_from_slice(key).map(Self).map_err(|_| refused())
    }

    fn of(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(message);
        mac
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, SignatureError> {
        Ok(self.of(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let checked = self.of(message).verify_slice(signature);
        checked.map_err(|_| SignatureError::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(key.as_bytes(), *algorithm)?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(key.try_get_as_bytes()?, *algorithm)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// What every token says beside its own claims.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Claims<T> {
    aud: String,
    /// Seconds since the Unix epoch.
    iat: i64,
    exp: i64,
    #[serde(flatten)]
    own: T,
}

/// Makes and reads tokens of one type for one audience.
#[derive(Clone)]
pub struct Jwt {
    encode: EncodingKey,
    decode: DecodingKey,
    typ: &'static str,
    audience: &'static str,
}

impl std::fmt::Debug for Jwt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Jwt({})", self.typ)
    }
}

impl Jwt {
    pub fn new(key: &[u8], typ: &'static str, audience: &'static str) -> Self {
        // Again is no error: it is the same one.
        let _again = PROVIDER.install_default().is_err();
        Self {
            encode: EncodingKey::from_secret(key),
            decode: DecodingKey::from_secret(key),
            typ,
            audience,
        }
    }

    pub fn write<T: Serialize>(&self, own: T, now: Timestamp, until: Timestamp) -> Result<String> {
        let header = Header {
            typ: Some(self.typ.into()),
            ..Header::new(Algorithm::HS256)
        };
        let claims = Claims {
            aud: self.audience.into(),
            iat: now.timestamp(),
            exp: until.timestamp(),
            own,
        };
        jsonwebtoken::encode(&header, &claims, &self.encode).map_err(Error::internal)
    }

    /// The claims of a token that is ours, of this type, for this audience, and not over; None for all others.
    pub fn read<T: DeserializeOwned>(&self, token: &str, now: Timestamp) -> Option<T> {
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_audience(&[self.audience]);
        rules.set_required_spec_claims(&["exp", "aud"]);
        // The library asks the machine's clock; ours is below.
        rules.validate_exp = false;
        let data = jsonwebtoken::decode::<Claims<T>>(token, &self.decode, &rules).ok()?;
        let ours = data.header.typ.as_deref() == Some(self.typ);
        (ours && now.timestamp() < data.claims.exp).then_some(data.claims.own)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use chrono::TimeDelta;
    use serde_json::{Value, json};

    use super::*;

    const KEY: &[u8; 32] = b"a key that only these tests have";

    fn jwt() -> Jwt {
        Jwt::new(KEY, "at+jwt", "cronium-api")
    }

    fn signed(key: &[u8], header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(message.as_bytes());
        format!(
            "{message}.{}",
            URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
        )
    }

    #[test]
    fn only_what_is_ours_in_every_respect_is_read() {
        let now = Timestamp::default();
        let good = (
            json!({ "alg": "HS256", "typ": "at+jwt" }),
            json!({ "aud": "cronium-api", "iat": 0, "exp": 600, "sid": "s" }),
        );
        let read = |token: &str, at| {
            jwt()
                .read::<Value>(token, now + TimeDelta::seconds(at))
                .map(|own| own["sid"].clone())
        };
        let token = signed(KEY, &good.0, &good.1);
        assert_eq!(read(&token, 599), Some(json!("s")));
        assert_eq!(read(&token, 600), None, "it is over");
        for (what, header, claims) in [
            (
                "another type",
                json!({ "alg": "HS256", "typ": "JWT" }),
                good.1.clone(),
            ),
            ("no type", json!({ "alg": "HS256" }), good.1.clone()),
            (
                "another algorithm's name",
                json!({ "alg": "HS384", "typ": "at+jwt" }),
                good.1.clone(),
            ),
            (
                "no algorithm",
                json!({ "alg": "none", "typ": "at+jwt" }),
                good.1.clone(),
            ),
            (
                "another audience",
                good.0.clone(),
                json!({ "aud": "other", "iat": 0, "exp": 600, "sid": "s" }),
            ),
            (
                "no audience",
                good.0.clone(),
                json!({ "iat": 0, "exp": 600, "sid": "s" }),
            ),
            (
                "no end",
                good.0.clone(),
                json!({ "aud": "cronium-api", "iat": 0, "sid": "s" }),
            ),
        ] {
            assert_eq!(read(&signed(KEY, &header, &claims), 0), None, "{what}");
        }
        assert_eq!(read(&signed(b"another key", &good.0, &good.1), 0), None);
        let (message, _) = token.rsplit_once('.').unwrap();
        assert_eq!(read(&format!("{message}."), 0), None, "no signature");
        assert_eq!(read("a.b.c", 0), None);
    }

    #[test]
    fn what_is_written_is_read() {
        let now = Timestamp::default();
        let token = jwt()
            .write(json!({ "sub": "me" }), now, now + TimeDelta::minutes(10))
            .ok()
            .unwrap();
        assert_eq!(
            jwt().read::<Value>(&token, now).map(|own| own["sub"].clone()),
            Some(json!("me"))
        );
    }
}
