//! Rows of orchestrators.

use cronium_entity::orchestrator;
use cronium_protocol::agent::HostReport;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait, EntityTrait as _, QueryOrder as _,
    QuerySelect as _,
};
use sqlx::PgPool;
use sqlx::types::Json;
use uuid::Uuid;

use crate::kernel::ids::OrchestratorId;
use crate::kernel::{Error, Result};

use super::service::Hello;

pub type Row = orchestrator::Model;

/// Keeps what it says of itself; tells whether it is to take no new work.
pub async fn hello(pool: &PgPool, hello: &Hello) -> Result<bool> {
    let draining = sqlx::query_scalar(
        "INSERT INTO orchestrators (id, name, version, capacity, labels, running, started_at, last_seen_at, ssh)
         VALUES ($1, $2, $3, $4, $5, 0, coalesce($6, now()), now(), $7)
         ON CONFLICT (id) DO UPDATE SET name = $2, version = $3, capacity = $4, labels = $5, ssh = $7,
             started_at = coalesce($6, orchestrators.started_at), last_seen_at = now()
         RETURNING draining",
    )
    .bind(hello.id.0)
    .bind(&hello.name)
    .bind(&hello.version)
    .bind(i32::try_from(hello.capacity).unwrap_or(i32::MAX))
    .bind(&hello.labels)
    .bind(hello.started_at)
    .bind(hello.ssh)
    .fetch_one(pool)
    .await?;
    Ok(draining)
}

/// Keeps its figures; tells whether it is to take no new work.
pub async fn heartbeat(pool: &PgPool, id: OrchestratorId, host: &HostReport, running: u32) -> Result<bool> {
    let draining = sqlx::query_scalar(
        "UPDATE orchestrators SET running = $2, host = $3, last_seen_at = now() WHERE id = $1 RETURNING draining",
    )
    .bind(id.0)
    .bind(i32::try_from(running).unwrap_or(i32::MAX))
    .bind(Json(host))
    .fetch_optional(pool)
    .await?;
    Ok(draining.unwrap_or(false))
}

pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<Row>> {
    let all = orchestrator::Entity::find().order_by_asc(orchestrator::Column::Name);
    Ok(all.order_by_asc(orchestrator::Column::Id).all(db).await?)
}

pub async fn lock(db: &impl ConnectionTrait, id: OrchestratorId) -> Result<Row> {
    let found = orchestrator::Entity::find_by_id(id.0).lock_exclusive();
    found.one(db).await?.ok_or(Error::NotFound("orchestrator"))
}

pub async fn set_draining(db: &impl ConnectionTrait, id: Uuid, draining: bool) -> Result<Row> {
    let change = orchestrator::ActiveModel {
        id: Set(id),
        draining: Set(draining),
        ..Default::default()
    };
    Ok(change.update(db).await?)
}

pub async fn is_draining(db: &impl ConnectionTrait, id: OrchestratorId) -> Result<bool> {
    let found = orchestrator::Entity::find_by_id(id.0).one(db).await?;
    Ok(found.is_some_and(|row| row.draining))
}
