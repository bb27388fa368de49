//! How the installation is, kept current for as long as somebody is signed in: the sidebar, the
//! overview and the monitoring page read it. Knows how to ask; knows no page.

use std::ops::ControlFlow;

use cynic::{QueryBuilder as _, SubscriptionBuilder as _};
use dioxus::prelude::*;

use crate::api::{self, ApiError, Feed, Timestamp, schema};
use crate::i18n::t;
use crate::session::{self, Permission};

/// The state of the installation at a moment.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct SystemStatus {
    pub at: Timestamp,
    pub healthy: bool,
    pub database: ComponentStatus,
    pub queue_depth: i32,
    pub oldest_queued_seconds: Option<f64>,
    pub running: i32,
    pub orchestrators: Vec<Orchestrator>,
}

/// One part of the installation.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct ComponentStatus {
    pub ok: bool,
    pub latency_ms: Option<f64>,
}

impl ComponentStatus {
    /// What the database is told to be.
    pub fn words(&self) -> String {
        t(if self.ok {
            "status.database_ok"
        } else {
            "status.database_away"
        })
    }
}

/// A process that runs executions.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct Orchestrator {
    pub id: cynic::Id,
    pub name: String,
    pub version: String,
    pub connected: bool,
    pub draining: bool,
    pub labels: Vec<String>,
    pub outdated: bool,
    pub capacity: i32,
    pub running: i32,
    pub last_seen_at: Timestamp,
    pub started_at: Timestamp,
    pub host: Option<HostFigures>,
    pub viewer_can: Vec<Permission>,
}

/// What an orchestrator's machine has left.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct HostFigures {
    pub cpu_percent: f64,
    pub memory_used_bytes: f64,
    pub memory_total_bytes: f64,
    pub disk_used_bytes: f64,
    pub disk_total_bytes: f64,
    pub load_average: f64,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query")]
struct StatusQuery {
    system_status: SystemStatus,
}

crate::api::listed!(Query StatusQuery, ());

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Subscription")]
struct StatusSubscription {
    system_status: SystemStatus,
}

crate::api::listed!(Subscription StatusSubscription, ());

/// The latest state, once it is known.
pub static STATUS: GlobalSignal<Option<SystemStatus>> = Signal::global(|| None);
/// Whether news of it flow.
pub static STATUS_LIVE: GlobalSignal<bool> = Signal::global(|| false);
/// The last samples of this visit, oldest first.
pub static SAMPLES: GlobalSignal<Vec<SystemStatus>> = Signal::global(Vec::new);

const KEPT_SAMPLES: usize = 120;

fn took(status: SystemStatus) {
    let mut samples = SAMPLES.write();
    if samples.last().is_none_or(|last| last.at < status.at) {
        if samples.len() >= KEPT_SAMPLES {
            samples.remove(0);
        }
        samples.push(status.clone());
    }
    drop(samples);
    *STATUS.write() = Some(status);
}

/// Asks once.
pub async fn load() -> Result<(), ApiError> {
    took(api::run(StatusQuery::build(())).await?.system_status);
    Ok(())
}

/// Follows the state until the component that started it is gone.
pub async fn follow() {
    if !session::may(session::Scope::ReadSystem) {
        return;
    }
    // Pages that need it ask themselves and show their own error.
    let _ = load().await;
    let begin = || api::subscribe(|| StatusSubscription::build(()));
    api::insist(begin, |news| {
        *STATUS_LIVE.write() = matches!(news, Feed::Live | Feed::Data(_));
        if let Feed::Data(answer) = news {
            took(answer.system_status);
        }
        ControlFlow::Continue(())
    })
    .await;
}
