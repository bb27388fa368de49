//! One value of the settings, sealed with the master key and bound to its name. Whoever has such a value says what it
//! means, who may change it and what is written of it.

use cronium_entity::setting;
use sea_orm::DatabaseTransaction;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Result};

use super::store;

/// A value under its name; `keys` has to know each name.
#[derive(Clone, Debug)]
pub struct Sealed {
    kernel: Kernel,
    master: KeyRing,
    name: &'static str,
}

impl Sealed {
    pub fn new(kernel: Kernel, master: KeyRing, name: &'static str) -> Self {
        Self { kernel, master, name }
    }

    fn context(&self) -> String {
        format!("settings/{}", self.name)
    }

    fn opened<T: DeserializeOwned>(&self, sealed: Option<Vec<u8>>) -> Result<Option<T>> {
        let Some(sealed) = sealed else { return Ok(None) };
        let json = self.master.open(&self.context(), &sealed)?;
        serde_json::from_slice(&json).map(Some).map_err(Error::internal)
    }

    /// None: nobody has set it.
    pub async fn load<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        self.opened(store::load(&self.kernel.db, self.name).await?)
    }

    /// The same; nobody else changes it until the transaction ends.
    pub async fn lock<T: DeserializeOwned>(&self, tx: &DatabaseTransaction) -> Result<Option<T>> {
        self.opened(store::lock(tx, self.name).await?)
    }

    pub async fn save(&self, tx: &DatabaseTransaction, value: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec(value).map_err(Error::internal)?;
        let row = setting::Model {
            key: self.name.into(),
            value: self.master.seal(self.kernel.entropy, &self.context(), &json)?,
            updated_at: self.kernel.now(),
        };
        store::save(tx, row).await
    }

    pub async fn remove(&self, tx: &DatabaseTransaction) -> Result<()> {
        store::remove(tx, self.name).await
    }
}
