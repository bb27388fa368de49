//! The only place that asks the system for randomness.

use std::time::Duration;

use base64::Engine as _;
use rand::RngExt as _;
use uuid::Uuid;

use super::Timestamp;

/// Source of identifiers and secrets: the operating system's generator behind a per-thread ChaCha.
#[derive(Debug, Default, Clone, Copy)]
pub struct Entropy;

impl Entropy {
    pub fn bytes<const N: usize>(self) -> [u8; N] {
        rand::rng().random()
    }

    /// UUIDv7 of the given moment (RFC 9562, section 5.7).
    pub fn uuid_v7(self, at: Timestamp) -> Uuid {
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// A random time below this one.
    pub fn up_to(self, most: Duration) -> Duration {
        most.mul_f64(f64::from(u16::from_le_bytes(self.bytes())) / 65_536.0)
    }

    /// 256 random bits, base64url: a bearer secret.
    pub fn token(self) -> String {
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.bytes::<32>())
    }
}
