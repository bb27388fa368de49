//! Whom orchestrators say hello to, and who tells them to take no new work.

use cronium_protocol::agent::HostReport;
use sea_orm::TransactionTrait as _;
use serde_json::json;

use crate::access::{self, Action};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::kernel::ids::OrchestratorId;
use crate::kernel::{Kernel, Op, Result, Timestamp};

use super::model::connected;
use super::store::{self, Row};

/// Lists and steers orchestrators.
#[derive(Clone, Debug)]
pub struct Orchestrators {
    kernel: Kernel,
    audit: Audit,
}

/// What an orchestrator says of itself on each connection.
#[derive(Debug, Clone)]
pub struct Hello {
    pub id: OrchestratorId,
    pub name: String,
    pub version: String,
    /// Executions at a time.
    pub capacity: u32,
    pub labels: Vec<String>,
    /// When its process began; None: it does not say.
    pub started_at: Option<Timestamp>,
    /// It reaches servers over SSH.
    pub ssh: bool,
}

/// What a connected orchestrator offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    pub labels: Vec<String>,
    /// It takes no new work.
    pub draining: bool,
    /// It reaches servers over SSH.
    pub ssh: bool,
}

/// An orchestrator, and whether it is there.
#[derive(Debug, Clone)]
pub struct Seen {
    pub row: Row,
    pub connected: bool,
}

impl Orchestrators {
    pub fn new(kernel: Kernel, audit: Audit) -> Self {
        Self { kernel, audit }
    }

    /// An orchestrator has connected. Tells whether it is to take no new work.
    pub async fn hello(&self, hello: &Hello) -> Result<bool> {
        store::hello(&self.kernel.pool, hello).await
    }

    /// An orchestrator sends its figures. Tells whether it is to take no new work.
    pub async fn heartbeat(&self, id: OrchestratorId, host: &HostReport, running: u32) -> Result<bool> {
        store::heartbeat(&self.kernel.relaxed, id, host, running).await
    }

    /// All that have ever said hello.
    pub async fn list(&self, op: &Op) -> Result<Vec<Seen>> {
        access::allow(op, Action::ReadSystem)?;
        let rows = store::all(&self.kernel.db).await?;
        Ok(rows.into_iter().map(|row| self.seen(row)).collect())
    }

    /// What those offer that are there: the queue asks, not a person.
    pub async fn offers(&self) -> Result<Vec<Offer>> {
        let rows = store::all(&self.kernel.db).await?;
        let here = rows
            .into_iter()
            .map(|row| self.seen(row))
            .filter(|one| one.connected);
        let offer = |one: Seen| Offer {
            labels: one.row.labels,
            draining: one.row.draining,
            ssh: one.row.ssh,
        };
        Ok(here.map(offer).collect())
    }

    /// Whether anybody is there who reaches servers over SSH and takes new work: who looks for one asks, not a person.
    pub async fn reach_servers(&self) -> Result<bool> {
        let rows = store::all(&self.kernel.db).await?;
        let mut here = rows
            .into_iter()
            .map(|row| self.seen(row))
            .filter(|one| one.connected);
        Ok(here.any(|one| one.row.ssh && !one.row.draining))
    }

    /// From now on it takes no new work, or takes some again. What it runs goes on.
    pub async fn set_draining(&self, op: &Op, id: OrchestratorId, draining: bool) -> Result<Seen> {
        access::allow(op, Action::ManageSettings)?;
        let tx = self.kernel.db.begin().await?;
        let row = store::lock(&tx, id).await?;
        if row.draining == draining {
            return Ok(self.seen(row));
        }
        let row = store::set_draining(&tx, row.id, draining).await?;
        let target = Target::new(TargetKind::Orchestrator, id, row.name.clone());
        let change = Change::new(AuditAction::DrainOrchestrator, target)
            .from(json!({ "draining": !draining }))
            .to(json!({ "draining": draining }));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        self.kernel.signals.drain_changed();
        Ok(self.seen(row))
    }

    /// Whether it is to take no new work.
    pub async fn is_draining(&self, id: OrchestratorId) -> Result<bool> {
        store::is_draining(&self.kernel.db, id).await
    }

    fn seen(&self, row: Row) -> Seen {
        Seen {
            connected: connected(row.last_seen_at, self.kernel.now()),
            row,
        }
    }
}
