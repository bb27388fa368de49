//! Orchestrators in the API.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use cronium_protocol::agent::HostReport;

use crate::access::{self, Action, Permission};
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, UserError, api, op, payload};
use crate::kernel::ids::OrchestratorId;

use super::model::is_older;
use super::service::{Orchestrators, Seen};

/// A process that runs executions on a host.
#[derive(Debug, Clone)]
pub struct Orchestrator(pub Seen);

/// A process that runs executions on a host.
#[Object]
impl Orchestrator {
    /// Global id.
    pub async fn id(&self) -> ID {
        OrchestratorId(self.0.row.id).global()
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.row.name
    }

    /// Its version.
    async fn version(&self) -> &str {
        &self.0.row.version
    }

    /// Whether its version is older than the server's.
    async fn outdated(&self) -> bool {
        is_older(&self.0.row.version, env!("CARGO_PKG_VERSION"))
    }

    /// What its operator says it offers.
    async fn labels(&self) -> &[String] {
        &self.0.row.labels
    }

    /// Whether it was heard of in the last 15 seconds.
    async fn connected(&self) -> bool {
        self.0.connected
    }

    /// Whether it finishes its work and takes no more.
    async fn draining(&self) -> bool {
        self.0.row.draining
    }

    /// How many executions it runs at a time.
    async fn capacity(&self) -> i32 {
        self.0.row.capacity
    }

    /// How many executions it runs itself now; those on servers are not counted.
    async fn running(&self) -> i32 {
        self.0.row.running
    }

    /// When it was last heard of.
    async fn last_seen_at(&self) -> Timestamp {
        self.0.row.last_seen_at
    }

    /// When it was started.
    async fn started_at(&self) -> Timestamp {
        self.0.row.started_at
    }

    /// Figures of its host; null until it has sent some.
    async fn host(&self) -> Option<HostFigures> {
        let report: HostReport = serde_json::from_value(self.0.row.host.clone()?).ok()?;
        Some(HostFigures {
            cpu_percent: report.cpu_percent,
            memory_used_bytes: report.memory_used as f64,
            memory_total_bytes: report.memory_total as f64,
            disk_used_bytes: report.disk_used as f64,
            disk_total_bytes: report.disk_total as f64,
            load_average: report.load_average,
        })
    }

    /// What the viewer may do with it.
    async fn viewer_can(&self, ctx: &Context<'_>) -> ApiResult<Vec<Permission>> {
        let op = op(ctx)?;
        let mut can = vec![Permission::Read];
        if access::decide(op, Action::ManageSettings).is_ok() {
            can.push(Permission::Change);
        }
        Ok(can)
    }
}

/// Figures of a host.
#[derive(Debug, SimpleObject)]
pub struct HostFigures {
    /// Load of all processors, 0 to 100.
    cpu_percent: f64,
    /// Memory in use, in bytes.
    memory_used_bytes: f64,
    /// Memory in all, in bytes.
    memory_total_bytes: f64,
    /// Disk space in use, in bytes.
    disk_used_bytes: f64,
    /// Disk space in all, in bytes.
    disk_total_bytes: f64,
    /// Load average of the last minute.
    load_average: f64,
}

/// Whether an orchestrator takes new work.
#[derive(Debug, InputObject)]
pub struct SetOrchestratorDrainingInput {
    /// The orchestrator.
    pub id: ID,
    /// True: it finishes what it runs and takes no more. False: it takes work again.
    pub draining: bool,
}

/// Result of setOrchestratorDraining.
#[derive(SimpleObject)]
pub struct SetOrchestratorDrainingPayload {
    /// The orchestrator as it is now.
    orchestrator: Option<Orchestrator>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Reading orchestrators.
#[derive(Debug, Default)]
pub struct OrchestratorsQuery;

#[Object]
impl OrchestratorsQuery {
    /// Processes that run executions.
    async fn orchestrators(&self, ctx: &Context<'_>) -> ApiResult<Vec<Orchestrator>> {
        let found = api(ctx, ctx.data::<Orchestrators>()?.list(op(ctx)?).await)?;
        Ok(found.into_iter().map(Orchestrator).collect())
    }
}

/// Steering orchestrators.
#[derive(Debug, Default)]
pub struct OrchestratorsMutation;

#[Object]
impl OrchestratorsMutation {
    /// Lets an orchestrator finish what it runs and take no new work, for an upgrade or before it is switched off; or
    /// lets it take work again. It stays so over restarts. Needs MANAGE_SETTINGS.
    async fn set_orchestrator_draining(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which, and whether.")] input: SetOrchestratorDrainingInput,
    ) -> ApiResult<SetOrchestratorDrainingPayload> {
        let orchestrators = ctx.data::<Orchestrators>()?;
        let changed = match OrchestratorId::parse(&input.id) {
            Ok(id) => orchestrators.set_draining(op(ctx)?, id, input.draining).await,
            Err(error) => Err(error),
        };
        let (changed, user_errors) = payload(ctx, changed)?;
        Ok(SetOrchestratorDrainingPayload {
            orchestrator: changed.map(Orchestrator),
            user_errors,
        })
    }
}
