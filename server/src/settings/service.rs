//! Reading and changing the settings.

use sea_orm::TransactionTrait as _;
use uuid::Uuid;

use crate::access::{self, Action};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Op, Result};

use super::model::{Registration, Settings as Values, Smtp, TerminalRules};
use super::sealed::Sealed;

/// Under which name they are kept.
const NAME: &str = "general";

/// The settings of this installation, sealed with its master key.
#[derive(Clone, Debug)]
pub struct Settings {
    kernel: Kernel,
    audit: Audit,
    sealed: Sealed,
}

/// What changes; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    pub registration: Option<Registration>,
    /// Some(None) forgets the mail server.
    pub smtp: Option<Option<Smtp>>,
    pub terminals: Option<TerminalRules>,
}

impl Settings {
    pub fn new(kernel: Kernel, audit: Audit, master: KeyRing) -> Self {
        Self {
            sealed: Sealed::new(kernel.clone(), master, NAME),
            kernel,
            audit,
        }
    }

    /// For the program itself.
    pub async fn load(&self) -> Result<Values> {
        Ok(self.sealed.load().await?.unwrap_or_default())
    }

    pub async fn read(&self, op: &Op) -> Result<Values> {
        access::allow(op, Action::ManageSettings)?;
        self.load().await
    }

    pub async fn update(&self, op: &Op, expected: Option<i32>, change: SettingsChange) -> Result<Values> {
        access::allow(op, Action::ManageSettings)?;
        let tx = self.kernel.db.begin().await?;
        let old: Values = self.sealed.lock(&tx).await?.unwrap_or_default();
        if expected.is_some_and(|expected| expected != old.version) {
            let message = "The settings were changed meanwhile. Load them, then make your change again.";
            return Err(Error::field(UserErrorCode::Conflict, "expectedVersion", message));
        }
        let mut new = old.clone();
        new.registration = change.registration.unwrap_or(old.registration);
        new.terminals = change.terminals.unwrap_or(old.terminals);
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
        self.sealed.save(&tx, &new).await?;
        let target = Target::new(TargetKind::Settings, Uuid::nil(), "");
        let change = Change::new(AuditAction::UpdateSettings, target)
            .from(old.audited())
            .to(new.audited());
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(new)
    }
}
