//! Envelope encryption: each value has a data key of its own (AES-256-GCM), wrapped by one of the
//! installation's master keys, which has an id. Both are bound to a context, the value's place, so that a
//! sealed value can't be moved elsewhere. A new master key means new wraps, never new values.
//!
//! Format: version (1) · key id (8) · nonce (12) · wrapped data key (48) · nonce (12) · value and tag.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Entropy, Error, Result};

const VERSION: u8 = 1;
const WRAPPED: usize = 12 + 32 + 16;

/// Names a master key without telling anything of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl KeyId {
    fn of(key: &[u8; 32]) -> Self {
        let digest = Sha256::new()
            .chain_update(b"cronium master key id")
            .chain_update(key)
            .finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }

    pub fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::str::FromStr for KeyId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::BadRequest("a key's id has 16 hex digits".into());
        let number = u64::from_str_radix(text, 16).map_err(|_| wrong())?;
        if text.len() == 16 {
            Ok(Self(number.to_be_bytes()))
        } else {
            Err(wrong())
        }
    }
}

/// A master key. Prints nothing of itself.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(***)")
    }
}

impl MasterKey {
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0)
    }

    /// 64 hex digits, for the file that keeps it.
    pub fn reveal(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn encrypt(key: &[u8; 32], nonce: [u8; 12], aad: &[u8], msg: &[u8]) -> Result<Vec<u8>> {
    let key: &Key<Aes256Gcm> = key.into();
    let sealed = Aes256Gcm::new(key).encrypt(&Nonce::from(nonce), Payload { msg, aad });
    sealed.map_err(|_| Error::internal("the value could not be sealed"))
}

/// `sealed` begins with its nonce.
fn decrypt(key: &[u8; 32], sealed: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, msg) = sealed.split_first_chunk::<12>()?;
    let key: &Key<Aes256Gcm> = key.into();
    let opened = Aes256Gcm::new(key).decrypt(&Nonce::from(*nonce), Payload { msg, aad });
    opened.ok().map(Zeroizing::new)
}

fn wrap_aad(id: KeyId, context: &str) -> Vec<u8> {
    [b"cronium data key\0".as_slice(), &id.0, context.as_bytes()].concat()
}

fn value_aad(context: &str) -> Vec<u8> {
    [b"cronium value\0".as_slice(), context.as_bytes()].concat()
}

/// The id of the master key under which a value is sealed; None for a value of the first format, which had
/// neither version nor data key.
pub fn key_of(sealed: &[u8]) -> Option<KeyId> {
    let (head, rest) = sealed.split_first_chunk::<9>()?;
    let mut id = [0; 8];
    id.copy_from_slice(&head[1..]);
    (head[0] == VERSION && rest.len() > WRAPPED).then_some(KeyId(id))
}

/// Reads the keys again, newest first: another process may have added one.
type Source = dyn Fn() -> Vec<MasterKey> + Send + Sync;

/// The master keys of an installation: the first seals, all of them open.
#[derive(Clone, Default)]
pub struct KeyRing {
    keys: Arc<RwLock<Vec<MasterKey>>>,
    source: Option<Arc<Source>>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyRing(***)")
    }
}

impl KeyRing {
    /// The newest key first.
    pub fn new(keys: Vec<MasterKey>) -> Self {
        Self {
            keys: Arc::new(RwLock::new(keys)),
            source: None,
        }
    }

    /// Asked again when a value names a key that is not there.
    #[must_use]
    pub fn with_source(self, source: impl Fn() -> Vec<MasterKey> + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..self
        }
    }

    fn keys(&self) -> Vec<MasterKey> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the keys again.
    pub fn refresh(&self) {
        if let Some(source) = &self.source {
            self.replace(source());
        }
    }

    /// From now on these, the newest first. An empty list changes nothing.
    pub fn replace(&self, keys: Vec<MasterKey>) {
        if !keys.is_empty() {
            *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        }
    }

    /// Ids of all keys, the one that seals first.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys().iter().map(MasterKey::id).collect()
    }

    fn present(&self) -> Result<MasterKey> {
        let first = self.keys().into_iter().next();
        first.ok_or_else(|| Error::internal("no master key was loaded"))
    }

    fn find(&self, id: KeyId) -> Result<MasterKey> {
        let named = || self.keys().into_iter().find(|key| key.id() == id);
        let found = named().or_else(|| {
            self.refresh();
            named()
        });
        found.ok_or_else(|| {
            let message =
                format!("a value is sealed with the master key {id}, which this server does not have");
            Error::internal(message)
        })
    }

    /// `context` names the table, the column and the row that the value belongs to.
    pub fn seal(&self, entropy: Entropy, context: &str, plain: &[u8]) -> Result<Vec<u8>> {
        let data_key = Zeroizing::new(entropy.bytes::<32>());
        let head = self.wrap(entropy, context, &data_key)?;
        let nonce = entropy.bytes();
        let body = encrypt(&data_key, nonce, &value_aad(context), plain)?;
        Ok([head.as_slice(), &nonce, &body].concat())
    }

    fn wrap(&self, entropy: Entropy, context: &str, data_key: &[u8; 32]) -> Result<Vec<u8>> {
        let master = self.present()?;
        let (id, nonce) = (master.id(), entropy.bytes());
        let wrapped = encrypt(&master.0, nonce, &wrap_aad(id, context), data_key)?;
        Ok([[VERSION].as_slice(), &id.0, &nonce, &wrapped].concat())
    }

    fn data_key(&self, context: &str, id: KeyId, sealed: &[u8]) -> Result<Zeroizing<[u8; 32]>> {
        let master = self.find(id)?;
        let opened = decrypt(&master.0, &sealed[9..9 + WRAPPED], &wrap_aad(id, context));
        let key = opened.and_then(|key| <[u8; 32]>::try_from(key.as_slice()).ok());
        key.map(Zeroizing::new).ok_or_else(broken)
    }

    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        match key_of(sealed) {
            Some(id) => {
                let key = self.data_key(context, id, sealed)?;
                decrypt(&key, &sealed[9 + WRAPPED..], &value_aad(context)).ok_or_else(broken)
            }
            None => self.open_first_format(context, sealed).ok_or_else(broken),
        }
    }

    fn open_first_format(&self, context: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let keys = self.keys();
        keys.iter()
            .find_map(|key| decrypt(&key.0, sealed, context.as_bytes()))
    }

    /// The value under the present master key; None when it is so already.
    pub fn rewrap(&self, entropy: Entropy, context: &str, sealed: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(id) = key_of(sealed) else {
            let plain = self.open(context, sealed)?;
            return self.seal(entropy, context, &plain).map(Some);
        };
        if id == self.present()?.id() {
            return Ok(None);
        }
        let key = self.data_key(context, id, sealed)?;
        let head = self.wrap(entropy, context, &key)?;
        Ok(Some([head.as_slice(), &sealed[9 + WRAPPED..]].concat()))
    }
}

fn broken() -> Error {
    Error::internal("a sealed value can't be opened: it was changed, or belongs elsewhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "settings.value/a";

    fn ring(keys: &[u8]) -> KeyRing {
        KeyRing::new(keys.iter().map(|byte| MasterKey::new([*byte; 32])).collect())
    }

    #[test]
    fn a_sealed_value_opens_only_in_its_place_with_its_key_and_unchanged() {
        let sealed = ring(&[7]).seal(Entropy, PLACE, b"secret").unwrap();
        assert_eq!(&**ring(&[7]).open(PLACE, &sealed).unwrap(), b"secret");
        assert!(ring(&[7]).open("settings.value/b", &sealed).is_err());
        assert!(ring(&[8]).open(PLACE, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring(&[7]).open(PLACE, &changed).is_err(), "byte {at}");
            assert!(ring(&[7]).open(PLACE, &sealed[..at]).is_err(), "{at} bytes");
        }
    }

    #[test]
    fn a_data_key_does_not_open_another_value() {
        let ring = ring(&[7]);
        let (a, b) = (
            ring.seal(Entropy, PLACE, b"one").unwrap(),
            ring.seal(Entropy, PLACE, b"two").unwrap(),
        );
        let mixed = [&a[..9 + WRAPPED], &b[9 + WRAPPED..]].concat();
        assert!(ring.open(PLACE, &mixed).is_err());
    }

    #[test]
    fn a_new_master_key_wraps_anew_and_the_old_one_opens_no_more() {
        let old = ring(&[1]);
        let sealed = old.seal(Entropy, PLACE, b"secret").unwrap();
        let both = ring(&[2, 1]);
        let moved = both.rewrap(Entropy, PLACE, &sealed).unwrap().unwrap();
        assert_eq!(key_of(&moved), Some(both.ids()[0]));
        assert_eq!(sealed[9 + WRAPPED..], moved[9 + WRAPPED..]);
        assert_eq!(both.rewrap(Entropy, PLACE, &moved).unwrap(), None);
        assert_eq!(&**ring(&[2]).open(PLACE, &moved).unwrap(), b"secret");
        assert!(old.open(PLACE, &moved).is_err());
        assert!(both.rewrap(Entropy, "elsewhere", &sealed).is_err());
    }

    #[test]
    fn a_key_that_another_process_added_is_found() {
        let source = || vec![MasterKey::new([2; 32]), MasterKey::new([1; 32])];
        let stale = ring(&[1]).with_source(source);
        let sealed = ring(&[2]).seal(Entropy, PLACE, b"secret").unwrap();
        assert_eq!(&**stale.open(PLACE, &sealed).unwrap(), b"secret");
        assert_eq!(stale.ids(), ring(&[2, 1]).ids());
    }

    #[test]
    fn a_value_of_the_first_format_opens_and_is_moved_on() {
        let nonce = Entropy.bytes();
        let body = encrypt(&[1; 32], nonce, PLACE.as_bytes(), b"secret").unwrap();
        let first = [nonce.as_slice(), &body].concat();
        let ring = ring(&[2, 1]);
        assert_eq!(&**ring.open(PLACE, &first).unwrap(), b"secret");
        let moved = ring.rewrap(Entropy, PLACE, &first).unwrap().unwrap();
        assert_eq!(key_of(&moved), Some(ring.ids()[0]));
        assert_eq!(&**ring.open(PLACE, &moved).unwrap(), b"secret");
    }
}
