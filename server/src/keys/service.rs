//! Changing, listing and forgetting master keys.

use std::path::PathBuf;
use std::sync::Arc;

use sea_orm::TransactionTrait as _;
use serde_json::json;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::access::{self, Action};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::config::keys::{Keys, read_keys, write_keys};
use crate::kernel::error::UserErrorCode;
use crate::kernel::sealed::{KeyId, KeyRing, MasterKey};
use crate::kernel::{Error, Kernel, Op, Result};

use super::store::PLACES;

/// Values that are wrapped anew between two looks.
const BATCH: i64 = 100;
/// Serialises changes of the key between processes.
const LOCK: i64 = 0x4352_4f4e_4b45_5953;

/// The master keys of this installation.
#[derive(Debug, Clone)]
pub struct MasterKeys {
    kernel: Kernel,
    audit: Audit,
    ring: KeyRing,
    file: Option<PathBuf>,
    turn: Arc<Mutex<()>>,
}

/// What a change of the key did.
#[derive(Debug, Clone, Copy)]
pub struct Changed {
    pub present: KeyId,
    /// Whether that key was made just now.
    pub made: bool,
    pub wrapped: u64,
}

impl MasterKeys {
    pub fn new(kernel: Kernel, audit: Audit, keys: &Keys) -> Self {
        Self {
            kernel,
            audit,
            ring: keys.master.clone(),
            file: keys.master_file.clone(),
            turn: Arc::default(),
        }
    }

    /// A change that was asked for through the API. `expected` is the present key as the caller knows it: when another
    /// one is present already, as after a lost reply, none is made.
    pub async fn rotate(&self, op: &Op, expected: Option<&str>) -> Result<Changed> {
        access::allow(op, Action::ManageSettings)?;
        let expected = expected.map(|id| self.known(id)).transpose()?;
        let (this, op) = (self.clone(), op.clone());
        // In a task of its own: a caller who hangs up must not leave half a change or the lock behind.
        let changed = tokio::spawn(async move { this.change(&op, expected).await });
        let changed = changed.await.map_err(Error::internal)??;
        if self.file.is_none() && changed.wrapped == 0 && self.ring.ids().len() == 1 {
            let message = "The master key is given by CRONIUM_MASTER_KEY, and there is no other one to change to: put \
                           a new key before it there, restart every server, and ask again.";
            return Err(Error::field(UserErrorCode::Unsupported, "", message));
        }
        Ok(changed)
    }

    fn known(&self, id: &str) -> Result<KeyId> {
        self.ring.refresh();
        let parsed = id.parse().ok();
        parsed.filter(|id| self.ring.ids().contains(id)).ok_or_else(|| {
            let message = "This installation has no such master key.";
            Error::field(UserErrorCode::Invalid, "expectedKeyId", message)
        })
    }

    /// Makes a new master key, where it is kept in a file, and wraps every sealed value anew. A key from the
    /// environment is not ours to change: then only what is under older keys is wrapped anew. Old keys stay,
    /// for backups and for servers that have not seen the new one yet.
    pub async fn change(&self, op: &Op, expected: Option<KeyId>) -> Result<Changed> {
        // One at a time, and only that one holds a connection while it waits for other processes: those that wait
        // here must not take the connections that it needs.
        let _turn = self.turn.lock().await;
        let mut lock = self.kernel.pool.acquire().await?;
        sqlx::query("SELECT pg_advisory_lock($1)")
            .bind(LOCK)
            .execute(&mut *lock)
            .await?;
        let changed = self.change_alone(op, expected).await;
        sqlx::query("SELECT pg_advisory_unlock($1)")
            .bind(LOCK)
            .execute(&mut *lock)
            .await?;
        changed
    }

    async fn change_alone(&self, op: &Op, expected: Option<KeyId>) -> Result<Changed> {
        self.ring.refresh();
        let before = self.present()?;
        let wanted = expected.is_none_or(|expected| expected == before);
        let file = self.file.as_ref().filter(|_| wanted);
        if let Some(file) = file {
            let mut keys = vec![MasterKey::new(self.kernel.entropy.bytes())];
            keys.extend(read_keys(file)?);
            // In the file first: what is sealed with it from now on can be opened after any crash.
            write_keys(file, &keys)?;
            self.ring.replace(keys);
            self.record(op, before, None).await?;
        }
        let wrapped = self.wrap_anew().await?;
        if file.is_none() && wrapped > 0 {
            self.record(op, before, Some(wrapped)).await?;
        }
        let present = self.present()?;
        tracing::info!(key = %present, wrapped, "sealed values are under the present master key");
        Ok(Changed {
            present,
            made: file.is_some(),
            wrapped,
        })
    }

    async fn record(&self, op: &Op, before: KeyId, wrapped: Option<u64>) -> Result<()> {
        let target = Target::new(TargetKind::Settings, Uuid::nil(), "");
        let change = Change::new(AuditAction::RotateEncryptionKey, target)
            .from(json!({ "present": before.to_string() }))
            .to(json!({ "present": self.present()?.to_string(), "wrapped": wrapped }));
        let tx = self.kernel.db.begin().await?;
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(())
    }

    /// All keys, for those who manage settings.
    pub async fn seen(&self, op: &Op) -> Result<Vec<(KeyId, i64)>> {
        access::allow(op, Action::ManageSettings)?;
        self.ring.refresh();
        self.list().await
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
