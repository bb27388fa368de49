//! Terminals as orchestrators have them: who takes which, what they say, and what they are to be told. Who has one,
//! and when it was last heard of, is said by the database's clock. Statements about several of them run beside each
//! other: all of these lock their rows in the order of their ids, so that none waits for one that waits for it.

use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::kernel::{Result, Timestamp};

use super::super::limits::{LAG, PIECE_COST, RECORDED};
use super::super::model::CANCEL;

/// A terminal that somebody has just taken.
#[derive(FromRow)]
pub struct Taken {
    pub id: Uuid,
    pub owner_id: Uuid,
    pub server_id: Option<Uuid>,
    pub execution_id: Option<Uuid>,
    pub width: i32,
    pub height: i32,
    /// Under which epoch this orchestrator runs the execution; None: it does not.
    pub epoch: Option<i32>,
}

/// A terminal that an orchestrator says it has, and how it goes on.
#[derive(FromRow)]
pub struct Met {
    pub id: Uuid,
    pub last_output: i64,
    pub last_typed: i64,
}

/// A piece of output as an orchestrator sends it.
#[derive(Debug)]
pub struct Output {
    pub terminal: Uuid,
    pub number: i64,
    pub at: Timestamp,
    pub data: Vec<u8>,
}

/// What was kept: a piece of a terminal, or nothing of it; how far its opener has read, and the last piece of all, with
/// the output up to its end.
#[derive(FromRow)]
pub struct Kept {
    pub id: Uuid,
    pub seen_bytes: i64,
    pub last_output: i64,
    pub output_bytes: i64,
    pub number: Option<i64>,
    /// The output before it, and up to its end.
    pub begins_at: Option<i64>,
    pub ends_at: Option<i64>,
}

/// What an orchestrator is to be told about a terminal: once for each piece of input, or once.
#[derive(FromRow)]
pub struct Row {
    pub id: Uuid,
    pub ended: bool,
    pub width: i32,
    pub height: i32,
    pub seen_bytes: i64,
    pub input_id: Option<Uuid>,
    pub number: Option<i64>,
    pub sealed: Option<Vec<u8>>,
}

/// Gives out terminals, the oldest first: those in containers that it runs, and where it takes `servers` those as well;
/// and what it was given before that is not among the `known` ones: that word was lost on its way.
pub async fn take(
    pool: &PgPool,
    orchestrator: Uuid,
    servers: bool,
    room: i64,
    known: &[Uuid],
) -> Result<Vec<Taken>> {
    let sql = "WITH wanted AS (
             SELECT id FROM terminals
             WHERE status = 'OPENING' AND CASE WHEN taken_at IS NULL
                 THEN execution_id IS NOT NULL AND orchestrator_id = $1 OR server_id IS NOT NULL AND $2
                 ELSE orchestrator_id = $1 AND NOT id = ANY($4) END
             ORDER BY created_at, id LIMIT $3 FOR UPDATE SKIP LOCKED
         )
         UPDATE terminals t SET orchestrator_id = $1, taken_at = coalesce(t.taken_at, now()), contact_at = now()
         FROM wanted WHERE t.id = wanted.id
         RETURNING t.id, t.owner_id, t.server_id, t.execution_id, t.width, t.height, (
             SELECT e.epoch FROM executions e
             WHERE e.id = t.execution_id AND e.orchestrator_id = $1 AND e.status = 'RUNNING'
         ) AS epoch";
    Ok(sqlx::query_as(sql)
        .bind(orchestrator)
        .bind(servers)
        .bind(room)
        .bind(known)
        .fetch_all(pool)
        .await?)
}

/// Those of these that this orchestrator has and that have not ended.
pub async fn meet(pool: &PgPool, orchestrator: Uuid, ids: &[Uuid]) -> Result<Vec<Met>> {
    let sql = "WITH held AS (
             SELECT id FROM terminals WHERE id = ANY($2) AND orchestrator_id = $1 AND status <> 'ENDED'
             ORDER BY id FOR UPDATE
         ) UPDATE terminals t SET contact_at = now(), last_seq = terminal_last_seq(t.last_seq, t.contact_at)
         FROM held WHERE t.id = held.id RETURNING t.id, t.last_output, t.last_typed";
    Ok(sqlx::query_as(sql)
        .bind(orchestrator)
        .bind(ids)
        .fetch_all(pool)
        .await?)
}

/// Output that is kept and that the opener has not read far enough for: terminal, number and end of each piece, in
/// order.
pub async fn unseen(pool: &PgPool, ids: &[Uuid]) -> Result<Vec<(Uuid, i64, i64)>> {
    let sql =
        "SELECT t.id, o.number, o.ends_at FROM terminals t JOIN terminal_output o ON o.terminal_id = t.id
        WHERE t.id = ANY($1) AND o.number IS NOT NULL AND o.ends_at > t.seen_bytes + $2 ORDER BY t.id, o.seq";
    Ok(sqlx::query_as(sql).bind(ids).bind(LAG).fetch_all(pool).await?)
}

/// The shells of these are there; the recordings begin with their size. Gives those of which that is news.
pub async fn opened(pool: &PgPool, orchestrator: Uuid, ids: &[Uuid], now: Timestamp) -> Result<Vec<Uuid>> {
    let sql = "WITH held AS (
             SELECT id FROM terminals WHERE id = ANY($2) AND orchestrator_id = $1 AND status = 'OPENING'
             ORDER BY id FOR UPDATE
         ), opened AS (
             UPDATE terminals t SET status = 'OPEN', opened_at = $3, typed_at = greatest(t.typed_at, $3),
                 contact_at = now(), last_seq = terminal_last_seq(t.last_seq, t.contact_at) + 1,
                 output_bytes = t.output_bytes + $4
             FROM held WHERE t.id = held.id
             RETURNING t.id, t.last_seq, t.output_bytes, t.width, t.height
         ) INSERT INTO terminal_output (terminal_id, seq, at, ends_at, width, height, data)
         SELECT id, last_seq, $3, output_bytes, width, height, ''::bytea FROM opened RETURNING terminal_id";
    Ok(sqlx::query_scalar(sql)
        .bind(orchestrator)
        .bind(ids)
        .bind(now)
        .bind(PIECE_COST)
        .fetch_all(pool)
        .await?)
}

/// Keeps output, whichever terminals of this orchestrator it is of, and forgets input that was typed: terminals with
/// the last piece of each. One statement, because floods come in hundreds of pieces and keys one by one. What was kept
/// before is passed over; terminals that are not this orchestrator's or have ended are not among what is given. Where
/// the database has lost what came before a piece, the piece begins by ending whatever was begun there.
pub async fn keep(
    pool: &PgPool,
    orchestrator: Uuid,
    output: &[Output],
    typed: &[(Uuid, i64)],
    now: Timestamp,
) -> Result<Vec<Kept>> {
    let sql = "WITH said AS (
             SELECT DISTINCT ON (id, number) *
             FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::bytea[]) AS s(id, number, at, data)
             ORDER BY id, number
         ), typed AS (
             SELECT * FROM unnest($6::uuid[], $7::bigint[]) AS y(id, number)
         ), live AS (
             SELECT id, terminal_last_seq(last_seq, contact_at) AS last_seq, last_output, output_bytes FROM terminals
             WHERE id = ANY($2::uuid[] || $6::uuid[]) AND orchestrator_id = $1 AND status <> 'ENDED'
             ORDER BY id FOR UPDATE
         ), whole AS (
             SELECT s.id, s.number, s.at, l.last_seq, l.output_bytes,
                 CASE WHEN s.number = coalesce(lag(s.number) OVER pieces, l.last_output) + 1 THEN s.data
                      ELSE $11 || s.data END AS data
             FROM said s JOIN live l ON l.id = s.id WHERE s.number > l.last_output
             WINDOW pieces AS (PARTITION BY s.id ORDER BY s.number)
         ), fresh AS (
             SELECT id, number, at, data, last_seq + row_number() OVER pieces AS seq,
                 output_bytes + sum(octet_length(data) + $10) OVER pieces AS ends_at
             FROM whole WINDOW pieces AS (PARTITION BY id ORDER BY number ROWS UNBOUNDED PRECEDING)
         ), kept AS (
             INSERT INTO terminal_output (terminal_id, seq, number, at, ends_at, data, loose)
             SELECT id, seq, number, at, ends_at, data, ends_at > $8 FROM fresh
         ), gone AS (
             DELETE FROM terminal_input i USING typed y JOIN live l ON l.id = y.id
             WHERE i.terminal_id = y.id AND i.number <= y.number
         ), sums AS (
             SELECT id, max(seq) AS seq, max(number) AS number, max(ends_at) AS bytes, max(ends_at) > $8 AS cut,
                 coalesce(sum(octet_length(data)) FILTER (WHERE ends_at <= $8), 0) AS recorded
             FROM fresh GROUP BY id
         ), moved AS (
             UPDATE terminals t SET contact_at = now(),
                 status = CASE WHEN s.id IS NULL THEN t.status ELSE 'OPEN' END,
                 opened_at = coalesce(t.opened_at, CASE WHEN s.id IS NULL THEN NULL ELSE $9 END),
                 last_seq = coalesce(s.seq, l.last_seq), last_output = coalesce(s.number, t.last_output),
                 output_bytes = coalesce(s.bytes, t.output_bytes),
                 recorded_bytes = t.recorded_bytes + coalesce(s.recorded, 0),
                 recording_cut = t.recording_cut OR coalesce(s.cut, false),
                 -- What was typed was taken, also where the database has lost that.
                 last_typed = greatest(t.last_typed, y.number), last_input = greatest(t.last_input, y.number)
             FROM live l LEFT JOIN sums s ON s.id = l.id LEFT JOIN typed y ON y.id = l.id
             WHERE t.id = l.id RETURNING t.id, t.seen_bytes, t.last_output, t.output_bytes
         ) SELECT m.*, f.number, f.ends_at - octet_length(f.data) - $10 AS begins_at, f.ends_at
         FROM moved m LEFT JOIN fresh f ON f.id = m.id
         ORDER BY m.id, f.number";
    let ids: Vec<Uuid> = output.iter().map(|piece| piece.terminal).collect();
    let numbers: Vec<i64> = output.iter().map(|piece| piece.number).collect();
    let times: Vec<Timestamp> = output.iter().map(|piece| piece.at).collect();
    let data: Vec<&[u8]> = output.iter().map(|piece| piece.data.as_slice()).collect();
    let (typed_ids, typed_numbers): (Vec<Uuid>, Vec<i64>) = typed.iter().copied().unzip();
    Ok(sqlx::query_as(sql)
        .bind(orchestrator)
        .bind(ids)
        .bind(numbers)
        .bind(times)
        .bind(data)
        .bind(typed_ids)
        .bind(typed_numbers)
        .bind(RECORDED)
        .bind(now)
        .bind(PIECE_COST)
        .bind(&[CANCEL][..])
        .fetch_all(pool)
        .await?)
}

/// How terminals of an orchestrator are, each with input after the piece that it was told last. Those that are not its
/// own are not among them.
pub async fn news(pool: &PgPool, orchestrator: Uuid, told: &[(Uuid, i64)]) -> Result<Vec<Row>> {
    let sql = "SELECT t.id, t.status = 'ENDED' AS ended, t.width, t.height, t.seen_bytes,
             i.id AS input_id, i.number, i.sealed
         FROM unnest($2::uuid[], $3::bigint[]) AS w(id, told)
             JOIN terminals t ON t.id = w.id AND t.orchestrator_id = $1
             LEFT JOIN terminal_input i ON i.terminal_id = t.id AND i.number > w.told
         ORDER BY t.id, i.number";
    let (ids, numbers): (Vec<Uuid>, Vec<i64>) = told.iter().copied().unzip();
    Ok(sqlx::query_as(sql)
        .bind(orchestrator)
        .bind(ids)
        .bind(numbers)
        .fetch_all(pool)
        .await?)
}

/// The orchestrator still has these.
pub async fn renew(pool: &PgPool, orchestrator: Uuid, ids: &[Uuid]) -> Result<()> {
    let sql = "WITH held AS (
             SELECT id FROM terminals WHERE id = ANY($2) AND orchestrator_id = $1 AND status <> 'ENDED'
             ORDER BY id FOR UPDATE
         ) UPDATE terminals t SET contact_at = now(), last_seq = terminal_last_seq(t.last_seq, t.contact_at)
         FROM held WHERE t.id = held.id";
    sqlx::query(sql)
        .bind(orchestrator)
        .bind(ids)
        .execute(pool)
        .await?;
    Ok(())
}
