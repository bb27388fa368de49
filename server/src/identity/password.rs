//! Password hashing: Argon2id with 19 MiB and two passes (OWASP's minimum), off the async threads, and only as many at
//! a time as there are processors: five hundred people who sign in at once must not take ten gigabytes.

use std::net::IpAddr;
use std::sync::LazyLock;
use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};

use crate::kernel::{Error, Result};

use super::turns::{Turn, Turns};

/// Shortest password that is accepted, in characters.
pub const MIN_LENGTH: usize = 12;
/// Longest password, so that hashing stays bounded.
pub const MAX_LENGTH: usize = 256;

/// Hash of no password: verified when the account does not exist, so that both cases take as long.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// More at a time would take more memory and be no quicker.
static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Turns::new(processors.clamp(1, 8))
});
/// Who has waited this long for a turn is told to come again.
const WAIT: Duration = Duration::from_secs(15);
const COME_AGAIN_SECS: u64 = 5;

/// Waits for a turn. It belongs to the work, not to who asked for it: those who hang up leave their work behind.
async fn turn(client: Option<IpAddr>) -> Result<Turn> {
    let turn = tokio::time::timeout(WAIT, TURNS.wait(client)).await;
    turn.map_err(|_| Error::RateLimited {
        retry_after_secs: COME_AGAIN_SECS,
    })
}

/// The PHC string of a new password.
pub async fn hash(client: Option<IpAddr>, password: String) -> Result<String> {
    let turn = turn(client).await?;
    let hashed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        Argon2::default()
            .hash_password(password.as_bytes())
            .map(|hash| hash.to_string())
    });
    hashed
        .await
        .map_err(Error::internal)?
        .map_err(|e| Error::internal(e.to_string()))
}

/// Whether the password is the one; without a stored hash never, after the same work.
pub async fn verify(client: Option<IpAddr>, password: String, stored: Option<String>) -> Result<bool> {
    let turn = turn(client).await?;
    let verified = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        // Empty: an account without a password, whose people come by a provider.
        let stored = stored.filter(|hash| !hash.is_empty());
        let known = stored.is_some();
        let text = stored.unwrap_or_else(|| NOBODY.to_owned());
        PasswordHash::new(&text).map(|hash| {
            Argon2::default()
                .verify_password(password.as_bytes(), &hash)
                .is_ok()
                && known
        })
    });
    verified
        .await
        .map_err(Error::internal)?
        .map_err(|e| Error::internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_only() {
        let stored = hash(None, "correct horse battery".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(
            verify(None, "correct horse battery".into(), Some(stored.clone()))
                .await
                .unwrap()
        );
        assert!(!verify(None, "wrong".into(), Some(stored)).await.unwrap());
        assert!(!verify(None, "anything".into(), None).await.unwrap());
        assert!(!verify(None, String::new(), Some(String::new())).await.unwrap());
    }
}
