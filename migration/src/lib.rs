//! Database migrations, oldest first. They speak SQL and never import the entities, so that an old
//! migration keeps its meaning when an entity changes.

use sea_orm_migration::prelude::*;

mod m0001_people;
mod m0002_events;
mod m0003_jobs;
mod m0004_logs;
mod m0005_system;
mod m0006_jobs_finished;
mod m0007_access;
mod m0008_audit;
mod m0009_accounts;
mod m0013_quotas;
mod m0014_invites;
mod m0015_oidc;
mod m0016_policies;
mod m0017_waiting;
mod m0018_variables;
mod m0019_runtime;
mod m0020_orchestrators;
mod m0021_requests;
mod m0022_labels;
mod m0023_settled_calls;
mod m0024_servers;
mod m0025_runs_on_servers;
mod m0026_terminals;

/// Runs the migrations in order.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_people::Migration),
            Box::new(m0002_events::Migration),
            Box::new(m0003_jobs::Migration),
            Box::new(m0004_logs::Migration),
            Box::new(m0005_system::Migration),
            Box::new(m0006_jobs_finished::Migration),
            Box::new(m0007_access::Migration),
            Box::new(m0008_audit::Migration),
            Box::new(m0009_accounts::Migration),
            Box::new(m0013_quotas::Migration),
            Box::new(m0014_invites::Migration),
            Box::new(m0015_oidc::Migration),
            Box::new(m0016_policies::Migration),
            Box::new(m0017_waiting::Migration),
            Box::new(m0020_orchestrators::Migration),
            Box::new(m0021_requests::Migration),
            Box::new(m0018_variables::Migration),
            Box::new(m0019_runtime::Migration),
            Box::new(m0022_labels::Migration),
            Box::new(m0023_settled_calls::Migration),
            Box::new(m0024_servers::Migration),
            Box::new(m0025_runs_on_servers::Migration),
            Box::new(m0026_terminals::Migration),
        ]
    }
}
