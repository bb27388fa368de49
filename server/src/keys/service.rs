//! Changing, listing and forgetting master keys.

use std::path::PathBuf;

use crate::config::keys::{Keys, read_keys, write_keys};
use crate::kernel::sealed::{KeyId, KeyRing, MasterKey};
use crate::kernel::{Error, Kernel, Result};

use super::store::PLACES;

/// Values that are wrapped anew between two looks.
const BATCH: i64 = 100;
/// Serialises changes of the key between processes.
const LOCK: i64 = 0x4352_4f4e_4b45_5953;

/// The master keys of this installation.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    kernel: Kernel,
    ring: KeyRing,
    file: Option<PathBuf>,
}

/// What a change of the key did.
#[derive(Debug, Clone, Copy)]
pub struct Changed {
    pub present: KeyId,
    pub wrapped: u64,
}

impl MasterKeys {
    pub fn new(kernel: Kernel, keys: &Keys) -> Self {
        Self {
            kernel,
            ring: keys.master.clone(),
            file: keys.master_file.clone(),
        }
    }

    /// Makes a new master key, where it is kept in a file, and wraps every sealed value anew. A key from the
    /// environment is not ours to change: then only what is under older keys is wrapped anew. Old keys stay,
    /// for backups and for servers that have not seen the new one yet.
    pub async fn change(&self) -> Result<Changed> {
        let mut lock = self.kernel.pool.acquire().await?;
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(LOCK)
            .execute(&mut *lock)
            .await?;
        let changed = self.change_alone().await;
        sqlx::query("SELECT pg_advisory_unlock($1)")
            .bind(LOCK)
            .execute(&mut *lock)
            .await?;
        changed
    }

    async fn change_alone(&self) -> Result<Changed> {
        if let Some(file) = &self.file {
            let mut keys = vec![MasterKey::new(self.kernel.entropy.bytes())];
            keys.extend(read_keys(file)?);
            // In the file first: what is sealed with it from now on can be opened after any crash.
            write_keys(file, &keys)?;
            self.ring.replace(keys);
        }
        let wrapped = self.wrap_anew().await?;
        let present = self.present()?;
        tracing::info!(key = %present, wrapped, "sealed values are under the present master key");
        Ok(Changed { present, wrapped })
    }

    fn present(&self) -> Result<KeyId> {
        let first = self.ring.ids().first().copied();
        first.ok_or_else(|| Error::internal("no master key was loaded"))
    }

    /// Wraps what is under older keys with the present one. Idempotent: what a stale server seals meanwhile
    /// is found by the next call.
    pub async fn wrap_anew(&self) -> Result<u64> {
        self.ring.refresh();
        let (present, mut wrapped) = (self.present()?, 0);
        for place in PLACES {
            let mut after = String::new();
            loop {
                let old = place.not_under(&self.kernel, present, &after, BATCH).await?;
                let Some(last) = old.last() else { break };
                after.clone_from(&last.id);
                for value in &old {
                    let context = place.context(&value.id);
                    let new = self.ring.rewrap(self.kernel.entropy, &context, &value.value)?;
                    if let Some(new) = new
                        && place.put(&self.kernel, value, &new).await?
                    {
                        wrapped += 1;
                    }
                }
            }
        }
        Ok(wrapped)
    }

    /// All keys, the present one first, and how many values each has sealed.
    pub async fn list(&self) -> Result<Vec<(KeyId, i64)>> {
        let mut list = Vec::new();
        for key in self.ring.ids() {
            let mut count = 0;
            for place in PLACES {
                count += place.count_under(&self.kernel, key).await?;
            }
            list.push((key, count));
        }
        Ok(list)
    }

    /// Removes an old key from the file; refused while it is the present one or anything is under it.
    pub async fn forget(&self, key: KeyId) -> Result<()> {
        let no = |why: &str| Err(Error::BadRequest(format!("the key {key} {why}")));
        let Some(file) = &self.file else {
            return no("comes from the environment: take it out of CRONIUM_MASTER_KEY");
        };
        let list = self.list().await?;
        match list.iter().position(|(id, _)| *id == key) {
            None => return no("is not among this installation's keys"),
            Some(0) => return no("is the present one: change it first"),
            Some(at) if list[at].1 > 0 => return no("still seals values: change the key again first"),
            Some(_) => {}
        }
        let mut keys = read_keys(file)?;
        keys.retain(|kept| kept.id() != key);
        write_keys(file, &keys)?;
        self.ring.replace(keys);
        Ok(())
    }
}
