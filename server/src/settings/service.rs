//! Reading and changing the settings.

use cronium_entity::setting;
use sea_orm::TransactionTrait as _;
use uuid::Uuid;

use crate::access::{self, Action};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Op, Result};

use super::model::{Registration, Settings as Values, Smtp};
use super::store;

const CONTEXT: &str = "settings/general";

/// The settings of this installation, sealed with its master key.
#[derive(Clone, Debug)]
pub struct Settings {
    kernel: Kernel,
    audit: Audit,
    master: KeyRing,
}

/// What changes; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    pub registration: Option<Registration>,
    /// Some(None) forgets the mail server.
    pub smtp: Option<Option<Smtp>>,
}

impl Settings {
    pub fn new(kernel: Kernel, audit: Audit, master: KeyRing) -> Self {
        Self {
            kernel,
            audit,
            master,
        }
    }

    /// For the program itself.
    pub async fn load(&self) -> Result<Values> {
        self.opened(store::load(&self.kernel.db).await?)
    }

    fn opened(&self, sealed: Option<Vec<u8>>) -> Result<Values> {
        let Some(sealed) = sealed else {
            return Ok(Values::default());
        };
        let json = self.master.open(CONTEXT, &sealed)?;
        serde_json::from_slice(&json).map_err(Error::internal)
    }

    pub async fn read(&self, op: &Op) -> Result<Values> {
        access::allow(op, Action::ManageSettings)?;
        self.load().await
    }

    pub async fn update(&self, op: &Op, expected: Option<i32>, change: SettingsChange) -> Result<Values> {
        access::allow(op, Action::ManageSettings)?;
        let tx = self.kernel.db.begin().await?;
        let old = self.opened(store::lock(&tx).await?)?;
        if expected.is_some_and(|expected| expected != old.version) {
            let message = "The settings were changed meanwhile. Load them, then make your change again.";
            return Err(Error::field(UserErrorCode::Conflict, "expectedVersion", message));
        }
        let mut new = old.clone();
        new.registration = change.registration.unwrap_or(old.registration);
        if let Some(mut smtp) = change.smtp {
            if let Some(smtp) = &mut smtp {
                smtp.keep_password(old.smtp.as_ref());
            }
            new.smtp = smtp;
        }
        new.version += 1;
        let mut checks = Checks::default();
        new.check(&mut checks);
        checks.done()?;
        let json = serde_json::to_vec(&new).map_err(Error::internal)?;
        let row = setting::Model {
            key: store::KEY.into(),
            value: self.master.seal(self.kernel.entropy, CONTEXT, &json)?,
            updated_at: self.kernel.now(),
        };
        store::save(&tx, row).await?;
        let target = Target::new(TargetKind::Settings, Uuid::nil(), "");
        let change = Change::new(AuditAction::UpdateSettings, target)
            .from(old.audited())
            .to(new.audited());
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(new)
    }
}
