//! Limits as they are set, and what people have. Counts the rows themselves: nothing can drift from them.

use sqlx::FromRow;
use uuid::Uuid;

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, FromQueryResult, Statement};

use crate::access::{Permissions, roles};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::{Kernel, Result, Timestamp};

use super::model::{INSTALLATION, Kind, Level, Setting, Usage};

#[derive(FromRow)]
struct Found {
    person: Uuid,
    subject: Uuid,
    kind: String,
    limit: Option<i64>,
}

/// All settings that matter to these people, of every level.
pub async fn settings(kernel: &Kernel, people: &[Uuid]) -> Result<Vec<(UserId, Setting)>> {
    let (names, ids): (Vec<_>, Vec<_>) = roles::BUILT_IN
        .into_iter()
        .map(|role| (roles::name_of(role), roles::id_of(role).0))
        .unzip();
    let rows: Vec<Found> = sqlx::query_as(
        r#"SELECT u.id AS person, q.subject, q.kind, q."limit"
           FROM users u
           JOIN unnest($2::text[], $3::uuid[]) AS b(name, id) ON b.name = u.role
           JOIN quotas q ON q.subject IN (u.id, COALESCE(u.role_id, b.id), $4)
           WHERE u.id = ANY($1)"#,
    )
    .bind(people)
    .bind(names)
    .bind(ids)
    .bind(INSTALLATION)
    .fetch_all(&kernel.pool)
    .await?;
    // A kind that another version wrote is not ours to judge.
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            let level = match row.subject {
                INSTALLATION => Level::Installation,
                subject if subject == row.person => Level::User,
                _ => Level::Role,
            };
            let (kind, limit) = (Kind::named(&row.kind)?, row.limit);
            Some((UserId(row.person), Setting { kind, level, limit }))
        })
        .collect())
}

#[derive(FromRow, FromQueryResult)]
struct Own {
    kind: String,
    limit: Option<i64>,
}

impl Own {
    fn known(self) -> Option<(Kind, Option<i64>)> {
        Some((Kind::named(&self.kind)?, self.limit))
    }
}

/// What is set for one subject itself.
pub async fn own(kernel: &Kernel, subject: Uuid) -> Result<Vec<(Kind, Option<i64>)>> {
    let rows: Vec<Own> =
        sqlx::query_as(r#"SELECT kind, "limit" FROM quotas WHERE subject = $1 ORDER BY kind"#)
            .bind(subject)
            .fetch_all(&kernel.pool)
            .await?;
    Ok(rows.into_iter().filter_map(Own::known).collect())
}

/// Replaces what is set for a subject; gives what was.
pub async fn replace(
    tx: &DatabaseTransaction,
    subject: Uuid,
    limits: &[(Kind, Option<i64>)],
) -> Result<Vec<(Kind, Option<i64>)>> {
    let sql = r#"DELETE FROM quotas WHERE subject = $1 RETURNING kind, "limit""#;
    let delete = Statement::from_sql_and_values(DbBackend::Postgres, sql, [subject.into()]);
    let mut old: Vec<_> = Own::find_by_statement(delete)
        .all(tx)
        .await?
        .into_iter()
        .filter_map(Own::known)
        .collect();
    old.sort_by_key(|(kind, _)| kind.name());
    for (kind, limit) in limits {
        let values = [subject.into(), kind.name().into(), (*limit).into()];
        let sql = r#"INSERT INTO quotas (subject, kind, "limit") VALUES ($1, $2, $3)"#;
        tx.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
            .await?;
    }
    Ok(old)
}

/// Holds off others who count for the same person until the transaction ends; None when there is no such
/// person. Foreign keys to the person are not held off.
pub async fn lock_person(tx: &DatabaseTransaction, person: UserId) -> Result<Option<String>> {
    name_of(
        tx,
        "SELECT name FROM users WHERE id = $1 FOR NO KEY UPDATE",
        person.0,
    )
    .await
}

/// What a person or a role may do; None for neither.
pub async fn permissions_of(tx: &DatabaseTransaction, subject: Uuid) -> Result<Option<Permissions>> {
    if let Some(role) = roles::built_in(RoleId(subject)) {
        return Ok(Some(roles::permissions(role)));
    }
    let sql =
        "SELECT u.role, r.permissions FROM users u LEFT JOIN roles r ON r.id = u.role_id WHERE u.id = $1
               UNION ALL SELECT NULL, permissions FROM roles WHERE id = $1";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [subject.into()]);
    let Some(row) = tx.query_one_raw(statement).await? else {
        return Ok(None);
    };
    if let Some(names) = row.try_get::<Option<Vec<String>>>("", "permissions")? {
        return Ok(Some(Permissions::named(&names)));
    }
    let name: Option<String> = row.try_get("", "role")?;
    let role = roles::BUILT_IN
        .into_iter()
        .find(|role| Some(roles::name_of(*role)) == name.as_deref());
    Ok(role.map(roles::permissions))
}

/// The name of a custom role, which stays until the transaction ends.
pub async fn keep_role(tx: &DatabaseTransaction, role: Uuid) -> Result<Option<String>> {
    name_of(tx, "SELECT name FROM roles WHERE id = $1 FOR NO KEY UPDATE", role).await
}

async fn name_of(tx: &DatabaseTransaction, sql: &str, id: Uuid) -> Result<Option<String>> {
    let row = tx
        .query_one_raw(Statement::from_sql_and_values(
            DbBackend::Postgres,
            sql,
            [id.into()],
        ))
        .await?;
    Ok(row.map(|row| row.try_get("", "name")).transpose()?)
}

/// How many there are, counted to at most the limit.
pub async fn count(
    tx: &DatabaseTransaction,
    person: UserId,
    kind: Kind,
    since: Timestamp,
    limit: i64,
) -> Result<i64> {
    let mut values = vec![person.0.into(), limit.into()];
    let rows = match kind {
        Kind::Events => "events WHERE owner_id = $1",
        Kind::ConcurrentJobs => "jobs WHERE owner_id = $1 AND finished_at IS NULL",
        Kind::JobsPerMonth => {
            values.push(since.into());
            "jobs WHERE owner_id = $1 AND created_at >= $3"
        }
        Kind::LogRetentionDays | Kind::ApiCostPerMinute => return Ok(0),
    };
    let sql = format!("SELECT count(*) AS n FROM (SELECT FROM {rows} LIMIT $2) AS found");
    let row = tx
        .query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .await?;
    Ok(row
        .map(|row| row.try_get("", "n"))
        .transpose()?
        .unwrap_or_default())
}

/// What these people have.
pub async fn usage(kernel: &Kernel, people: &[Uuid], month: Timestamp) -> Result<Vec<(UserId, Usage)>> {
    let rows: Vec<(Uuid, i64, i64, i64)> = sqlx::query_as(
        "SELECT p.id, (SELECT count(*) FROM events WHERE owner_id = p.id),
                (SELECT count(*) FROM jobs WHERE owner_id = p.id AND created_at >= $2),
                (SELECT count(*) FROM jobs WHERE owner_id = p.id AND finished_at IS NULL)
         FROM unnest($1::uuid[]) AS p(id)",
    )
    .bind(people)
    .bind(month)
    .fetch_all(&kernel.pool)
    .await?;
    let usage = |(id, events, jobs_this_month, active_jobs)| {
        (
            UserId(id),
            Usage {
                events,
                jobs_this_month,
                active_jobs,
            },
        )
    };
    Ok(rows.into_iter().map(usage).collect())
}

/// Everybody's id, in order, after one.
pub async fn people(kernel: &Kernel, after: Uuid, first: i64) -> Result<Vec<UserId>> {
    let sql = "SELECT id FROM users WHERE id > $1 ORDER BY id LIMIT $2";
    let ids: Vec<Uuid> = sqlx::query_scalar(sql)
        .bind(after)
        .bind(first)
        .fetch_all(&kernel.pool)
        .await?;
    Ok(ids.into_iter().map(UserId).collect())
}

/// Whether anybody has a limit of this kind.
pub async fn any(kernel: &Kernel, kind: Kind) -> Result<bool> {
    let sql = r#"SELECT EXISTS (SELECT FROM quotas WHERE kind = $1 AND "limit" IS NOT NULL)"#;
    Ok(sqlx::query_scalar(sql)
        .bind(kind.name())
        .fetch_one(&kernel.pool)
        .await?)
}

/// Forgets the limits of people and roles that are no more.
pub async fn forget_absent(kernel: &Kernel) -> Result<u64> {
    let kept: Vec<Uuid> = roles::BUILT_IN
        .into_iter()
        .map(|role| roles::id_of(role).0)
        .chain([INSTALLATION])
        .collect();
    let gone = sqlx::query(
        "DELETE FROM quotas q WHERE NOT subject = ANY($1)
         AND NOT EXISTS (SELECT FROM users WHERE id = q.subject) AND NOT EXISTS (SELECT FROM roles WHERE id = q.subject)",
    )
    .bind(kept)
    .execute(&kernel.pool)
    .await?;
    Ok(gone.rows_affected())
}
