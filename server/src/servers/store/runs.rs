//! What running on servers asks of their rows: names, ways, and what has not ended there.

use cronium_entity::server;
use sea_orm::{
    ColumnTrait as _, ConnectionTrait, DbBackend, EntityTrait as _, QueryFilter as _, QuerySelect as _,
    Statement,
};
use uuid::Uuid;

use crate::kernel::Result;
use crate::kernel::ids::{ServerId, UserId};
use crate::servers::model::MAX_JUMPS;

use super::{ServerRow, of};

/// Servers, and all that they are reached through; of each way one more than there may be.
pub async fn with_ways(db: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Vec<ServerRow>> {
    let sql = "WITH RECURSIVE way AS (
             SELECT id, jump_server_id, 0 AS step FROM servers WHERE id = ANY($1::uuid[])
             UNION
             SELECT s.id, s.jump_server_id, way.step + 1 FROM servers s JOIN way ON s.id = way.jump_server_id
             WHERE way.step <= $2
         ) SELECT * FROM servers WHERE id IN (SELECT id FROM way)";
    let values = [ids.into(), (MAX_JUMPS as i32).into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(server::Entity::find().from_raw_sql(statement).all(db).await?)
}

/// Those of the servers that are somebody's own, or shared, with their names.
pub async fn usable(db: &impl ConnectionTrait, owner: UserId, ids: &[Uuid]) -> Result<Vec<(Uuid, String)>> {
    Ok(server::Entity::find()
        .filter(server::Column::Id.is_in(ids.iter().copied()))
        .filter(of(owner))
        .select_only()
        .columns([server::Column::Id, server::Column::Name])
        .into_tuple()
        .all(db)
        .await?)
}

/// Somebody's own servers by their names, case ignored, and shared ones where none of their own has the name: the name
/// that was asked for, the server, its name.
pub async fn named(
    db: &impl ConnectionTrait,
    owner: UserId,
    names: &[String],
) -> Result<Vec<(String, Uuid, String)>> {
    let sql = "SELECT w.name AS wanted, s.id, s.name FROM (SELECT DISTINCT unnest($1::text[])) AS w(name)
         JOIN servers s ON lower(s.name) = lower(w.name)
         WHERE s.owner_id = $2 OR (s.shared AND NOT EXISTS (
             SELECT FROM servers own WHERE own.owner_id = $2 AND lower(own.name) = lower(w.name)))
         ORDER BY s.id";
    let values = [names.to_vec().into(), owner.0.into()];
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let rows = db.query_all_raw(statement).await?;
    let found = |row: sea_orm::QueryResult| {
        Ok((
            row.try_get("", "wanted")?,
            row.try_get("", "id")?,
            row.try_get("", "name")?,
        ))
    };
    rows.into_iter().map(found).collect()
}

/// How many runs are at work on it, or about to be. What waits is not among them: it ends when it comes to run.
pub async fn unended(db: &impl ConnectionTrait, id: ServerId) -> Result<i64> {
    // That they have not finished says the same once more, in the words of the index.
    let sql = "SELECT count(*) AS runs FROM executions
         WHERE server_id = $1 AND finished_at IS NULL AND status IN ('DISPATCHING', 'RUNNING')";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [id.0.into()]);
    match db.query_one_raw(statement).await? {
        Some(row) => Ok(row.try_get("", "runs")?),
        None => Ok(0),
    }
}
