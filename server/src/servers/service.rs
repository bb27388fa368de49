//! Showing, checking and removing servers. How one is saved stands in `save`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;
use tokio::time::Instant;
use uuid::Uuid;

use crate::access::{self, Action, Reach};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{ServerId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::signals::ServerSignal;
use crate::kernel::{Error, Kernel, Op, Result};

use super::errands::Errands;
use super::loader::{Behind, EACH};
use super::model;
use super::store::{self, CheckRow, Face, Filter, ServerRow};
use super::vault::Vault;

/// A check that somebody waits for may take so long.
const CHECK: Duration = Duration::from_secs(45);
/// Private keys that are opened at a time: each keeps a processor busy for a while.
const OPENED: usize = 2;
/// Servers that somebody who watches all of them is told of after signals were lost.
const WATCHED: u64 = 1_000;

/// Servers that people own.
#[derive(Clone, Debug)]
pub struct Servers {
    pub(super) kernel: Kernel,
    audit: Audit,
    pub(super) errands: Errands,
    pub(super) vault: Vault,
    pub(super) opening: Arc<Semaphore>,
}

/// What became of a server that was to be removed.
#[derive(Debug)]
pub enum Removal {
    Gone(ServerId),
    /// Others are reached through it: so many, and those of them that may be seen.
    InUse(u64, Vec<ServerRow>),
}

impl Servers {
    pub fn new(kernel: Kernel, audit: Audit, errands: Errands, vault: Vault) -> Self {
        Self {
            kernel,
            audit,
            errands,
            vault,
            opening: Arc::new(Semaphore::new(OPENED)),
        }
    }

    pub async fn list(
        &self,
        op: &Op,
        filter: Option<&Filter>,
        args: &PageArgs,
        counted: bool,
    ) -> Result<(Page<ServerRow>, u64)> {
        let grant = access::allow(op, Action::ReadServers)?;
        let Some(filter) = filter else {
            return Ok((args.page(Vec::new()), 0));
        };
        let page = store::page(&self.kernel.db, &grant, filter, args).await?;
        let total = if counted {
            store::count(&self.kernel.db, &grant, filter).await?
        } else {
            0
        };
        Ok((page, total))
    }

    pub async fn get(&self, op: &Op, id: ServerId) -> Result<ServerRow> {
        let grant = access::allow(op, Action::ReadServers)?;
        store::get(&self.kernel.db, &grant, id).await
    }

    /// Those of the servers that may be seen.
    pub async fn seen(&self, op: &Op, ids: &[ServerId]) -> Result<Vec<ServerRow>> {
        let grant = access::allow(op, Action::ReadServers)?;
        store::seen(&self.kernel.db, &grant, ids.iter().map(|id| id.0)).await
    }

    /// How those are that may be seen, for who watches them.
    pub async fn faces(&self, op: &Op) -> Result<BTreeMap<Uuid, Face>> {
        let grant = access::allow(op, Action::ReadServers)?;
        store::faces(&self.kernel.db, &grant, WATCHED).await
    }

    /// Changes of servers, as this process hears of them.
    pub fn signals(&self) -> Receiver<ServerSignal> {
        self.kernel.signals.servers()
    }

    /// Checks of a server, newest first.
    pub async fn checks(&self, op: &Op, id: ServerId, args: &PageArgs) -> Result<(Page<CheckRow>, u64)> {
        let row = self.get(op, id).await?;
        store::checks(&self.kernel.db, ServerId(row.id), args).await
    }

    /// What to ask a loader for: the servers behind one, as far as they may be seen; None for who sees none.
    pub fn behind(&self, op: &Op, row: &ServerRow) -> Option<Behind> {
        let grant = access::decide(op, Action::ReadServers).ok()?;
        Some(Behind {
            server: row.id,
            viewer: match grant.reach() {
                Reach::All => None,
                Reach::Own(user) | Reach::OwnAndShared(user) => Some(user.0),
            },
        })
    }

    /// Checks a server now. No check: it goes on, and is found among the server's checks later.
    pub async fn check(&self, op: &Op, id: ServerId) -> Result<(ServerRow, Option<CheckRow>)> {
        let grant = access::allow(op, Action::ManageServers)?;
        let row = store::get(&self.kernel.db, &grant, id).await?;
        if row.host_key_fingerprint.is_none() {
            return Err(Error::field(UserErrorCode::Conflict, "id", model::UNCONFIRMED));
        }
        let check = self.errands.check(id, Instant::now() + CHECK).await?;
        Ok((store::get(&self.kernel.db, &grant, id).await?, check))
    }

    /// Removes a server, unless others are reached through it, or something runs on it. What waits, or is
    /// accepted while this goes on, finds no server when it comes to run.
    pub async fn delete(&self, op: &Op, id: ServerId, expected: Option<i32>) -> Result<Removal> {
        let grant = access::allow(op, Action::ManageServers)?;
        let tx = self.kernel.db.begin().await?;
        let row = store::lock(&tx, &grant, id).await?;
        expect_version(&row, expected)?;
        let count = store::count_behind(&tx, id).await?;
        if count > 0 {
            let Some(asked) = self.behind(op, &row) else {
                return Ok(Removal::InUse(count, Vec::new()));
            };
            let seen = store::behind(&tx, vec![asked.server], asked.viewer, EACH).await?;
            return Ok(Removal::InUse(count, seen));
        }
        let runs = store::runs::unended(&tx, id).await?;
        if runs > 0 {
            let message = format!(
                "{runs} run{} on it {} not ended: wait for that, or cancel first.",
                if runs == 1 { "" } else { "s" },
                if runs == 1 { "has" } else { "have" },
            );
            return Err(Error::field(UserErrorCode::InUse, "id", message));
        }
        store::delete(&tx, id).await?;
        self.record(&tx, op, Some(&row), None).await?;
        tx.commit().await?;
        self.kernel.signals.server_changed(id);
        Ok(Removal::Gone(id))
    }

    /// For loaders: servers that are reached through these, as far as somebody may see them.
    pub async fn all_behind(&self, servers: Vec<Uuid>, viewer: Option<Uuid>) -> Result<Vec<ServerRow>> {
        store::behind(&self.kernel.db, servers, viewer, EACH).await
    }

    /// Writes a change into the audit log, and beside it that a host key was confirmed.
    pub(super) async fn record(
        &self,
        tx: &DatabaseTransaction,
        op: &Op,
        before: Option<&ServerRow>,
        after: Option<&ServerRow>,
    ) -> Result<()> {
        let action = match (before, after) {
            (None, _) => AuditAction::CreateServer,
            (_, Some(_)) => AuditAction::UpdateServer,
            (_, None) => AuditAction::DeleteServer,
        };
        let Some(row) = after.or(before) else {
            return Ok(());
        };
        let target = Target::new(TargetKind::Server, row.id, row.name.clone());
        let mut entries = vec![Change {
            before: before.map(store::audited),
            after: after.map(store::audited),
            ..Change::new(action, target.clone())
        }];
        let pinned = |row: Option<&ServerRow>| row.and_then(|row| row.host_key_fingerprint.clone());
        let (was, is) = (pinned(before), pinned(after));
        if is.is_some() && was != is {
            let said = |pin: Option<&str>| serde_json::json!({ "hostKeyFingerprint": pin });
            let entry = Change::new(AuditAction::ConfirmHostKey, target);
            entries.push(entry.from(said(was.as_deref())).to(said(is.as_deref())));
        }
        self.audit.record_all(tx, op, entries).await
    }

    /// For `viewerCan`: whether somebody may change, check and remove it.
    pub fn may_change(&self, op: &Op, row: &ServerRow) -> bool {
        access::can(op, Action::ManageServers, UserId(row.owner_id), false)
    }

    /// For `jumpServer`: whether somebody may see it.
    pub fn may_see(&self, op: &Op, row: &ServerRow) -> bool {
        access::can(op, Action::ReadServers, UserId(row.owner_id), row.shared)
    }
}

pub(super) fn expect_version(row: &ServerRow, expected: Option<i32>) -> Result<()> {
    match expected {
        Some(expected) if row.version != expected => {
            let message = format!(
                "Version {} was saved meanwhile. Load it, then make your change again.",
                row.version
            );
            Err(Error::field(UserErrorCode::Conflict, "expectedVersion", message))
        }
        _ => Ok(()),
    }
}
