//! How terminals stand that have not ended, and what is old.

use cronium_entity::enums::TerminalStatus;
use sea_orm::ActiveEnum as _;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::kernel::{Result, Timestamp};

use super::super::model::{Standing, Where};

/// A terminal that has not ended.
#[derive(Debug)]
pub struct Open {
    pub id: Uuid,
    /// What it was opened with: a session or an API token.
    pub credential: Uuid,
    pub standing: Standing,
}

#[derive(FromRow)]
struct Row {
    id: Uuid,
    credential: Uuid,
    status: String,
    inside: bool,
    usable: bool,
    own: bool,
    taken: bool,
    taken_secs: f64,
    silent_secs: f64,
    idle_at: Timestamp,
    until: Timestamp,
    viewed_at: Timestamp,
}

impl Row {
    fn read(self) -> Result<Open> {
        let place = if self.inside {
            Where::Container {
                runs: self.usable,
                own: self.own,
            }
        } else {
            Where::Server { usable: self.usable }
        };
        Ok(Open {
            id: self.id,
            credential: self.credential,
            standing: Standing {
                status: TerminalStatus::try_from_value(&self.status)?,
                place,
                taken: self.taken,
                taken_secs: self.taken_secs,
                silent_secs: self.silent_secs,
                idle_at: self.idle_at,
                until: self.until,
                viewed_at: self.viewed_at,
            },
        })
    }
}

/// All that have not ended: they are few.
pub async fn open(pool: &PgPool) -> Result<Vec<Open>> {
    let sql = "SELECT t.id, coalesce(t.session_id, t.api_token_id) AS credential, t.status,
             t.execution_id IS NOT NULL AS inside,
             CASE WHEN t.execution_id IS NULL THEN coalesce(s.shared OR s.owner_id = t.owner_id, false)
                  ELSE e.id IS NOT NULL AND e.finished_at IS NULL END AS usable,
             coalesce(j.owner_id = t.owner_id, false) AS own,
             t.taken_at IS NOT NULL AS taken,
             coalesce(extract(epoch FROM now() - t.taken_at), 0)::float8 AS taken_secs,
             extract(epoch FROM now() - t.contact_at)::float8 AS silent_secs,
             t.typed_at + make_interval(secs => t.idle_secs) AS idle_at, t.until, t.viewed_at
         FROM terminals t LEFT JOIN servers s ON s.id = t.server_id
             LEFT JOIN executions e ON e.id = t.execution_id LEFT JOIN jobs j ON j.id = e.job_id
         WHERE t.status <> 'ENDED'";
    let rows: Vec<Row> = sqlx::query_as(sql).fetch_all(pool).await?;
    rows.into_iter().map(Row::read).collect()
}

/// Removes terminals that ended before a moment, with their recordings; so many at most.
pub async fn drop_old(pool: &PgPool, before: Timestamp, most: i64) -> Result<u64> {
    let sql = "DELETE FROM terminals WHERE id IN (
        SELECT id FROM terminals WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)";
    let done = sqlx::query(sql).bind(before).bind(most).execute(pool).await?;
    Ok(done.rows_affected())
}

/// Removes what was kept for who resumes, of terminals that ended before a moment.
pub async fn drop_loose(pool: &PgPool, before: Timestamp) -> Result<u64> {
    let sql = "DELETE FROM terminal_output o USING terminals t
        WHERE t.id = o.terminal_id AND o.loose AND t.recording_cut AND t.ended_at < $1";
    Ok(sqlx::query(sql).bind(before).execute(pool).await?.rows_affected())
}
