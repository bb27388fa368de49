//! Values sealed with the installation's master key: AES-256-GCM with a random nonce, bound to a context
//! so that a sealed value can't be moved to another place.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use zeroize::Zeroizing;

use super::{Entropy, Error, Result};

/// The installation's master key. Prints nothing of itself.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

impl MasterKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    fn cipher(&self) -> Aes256Gcm {
        let key: &Key<Aes256Gcm> = (&*self.0).into();
        Aes256Gcm::new(key)
    }

    /// `context` names the row and column that the value belongs to.
    pub fn seal(&self, entropy: Entropy, context: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; 12] = entropy.bytes();
        let payload = Payload {
            msg: plain,
            aad: context.as_bytes(),
        };
        let sealed = self.cipher().encrypt(&Nonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| Error::internal("the value could not be sealed"))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let broken = || Error::internal("a sealed value can't be opened: was the master key changed?");
        let (nonce, body) = sealed.split_first_chunk::<12>().ok_or_else(broken)?;
        let payload = Payload {
            msg: body,
            aad: context.as_bytes(),
        };
        self.cipher()
            .decrypt(&Nonce::from(*nonce), payload)
            .map(Zeroizing::new)
            .map_err(|_| broken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_opens_only_in_its_place_and_with_its_key() {
        let key = MasterKey::new([7; 32]);
        let sealed = key.seal(Entropy, "settings/a", b"secret").unwrap();
        assert_eq!(&**key.open("settings/a", &sealed).unwrap(), b"secret");
        assert!(key.open("settings/b", &sealed).is_err());
        assert!(MasterKey::new([8; 32]).open("settings/a", &sealed).is_err());
        assert!(key.open("settings/a", &[0; 5]).is_err());
    }
}
