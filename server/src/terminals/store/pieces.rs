//! What terminals showed, a page at a time: pieces of output and changes of size, in the order of their numbers.

use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::kernel::ids::TerminalId;
use crate::kernel::{Result, Timestamp};

use super::super::limits::{READ_STEP, RECORDED, RESUMED, STEP};
use super::super::sight::Sight;

/// A piece of the recording.
#[derive(Debug, Clone)]
pub struct Piece {
    pub seq: i64,
    pub at: Timestamp,
    /// A change of the size has no data: columns and rows.
    pub size: Option<(i32, i32)>,
    pub data: Vec<u8>,
}

/// What follows a number, and how the terminal was at that moment.
#[derive(Debug)]
pub struct Found {
    pub ended_at: Option<Timestamp>,
    /// Pieces that there are.
    pub last_seq: i64,
    pub pieces: Vec<Piece>,
}

#[derive(FromRow)]
struct Row {
    ended_at: Option<Timestamp>,
    last_seq: i64,
    seq: Option<i64>,
    at: Option<Timestamp>,
    width: Option<i32>,
    height: Option<i32>,
    data: Option<Vec<u8>>,
}

impl Row {
    fn piece(self) -> Option<Piece> {
        Some(Piece {
            seq: self.seq?,
            at: self.at?,
            size: self.width.zip(self.height),
            data: self.data?,
        })
    }
}

/// How much is read at a time.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    pub pieces: i64,
    pub bytes: i64,
}

/// Pieces of a terminal after a number, and how it is; None: there is none in sight. `kept`: only those of its
/// recording. The first piece comes however large it is.
pub async fn after(
    pool: &PgPool,
    sight: &Sight,
    id: TerminalId,
    seq: i64,
    most: Most,
    kept: bool,
) -> Result<Option<Found>> {
    let sql = "SELECT t.ended_at, t.last_seq, p.seq, p.at, p.width, p.height, p.data
        FROM terminals t LEFT JOIN LATERAL (
            SELECT * FROM (
                SELECT n.*, sum(octet_length(data)) OVER (ORDER BY seq) AS so_far FROM (
                    SELECT seq, at, width, height, data FROM terminal_output
                    WHERE terminal_id = t.id AND seq > $2 AND NOT ($5 AND loose) ORDER BY seq LIMIT $3
                ) n
            ) s WHERE so_far <= $4 OR so_far = octet_length(data)
        ) p ON true
        WHERE t.id = $1 AND (t.owner_id = $6 AND ($10::uuid IS NULL OR t.api_token_id = $10)
            OR t.server_id IS NOT NULL AND ($7 OR $8 AND EXISTS (
                SELECT FROM servers s WHERE s.id = t.server_id AND (s.owner_id = $6 OR s.shared)))
            OR t.execution_id IS NOT NULL AND $9)
        ORDER BY p.seq";
    let rows: Vec<Row> = sqlx::query_as(sql)
        .bind(id.0)
        .bind(seq)
        .bind(most.pieces)
        .bind(most.bytes)
        .bind(kept)
        .bind(sight.viewer())
        .bind(sight.all_servers())
        .bind(sight.own_and_shared_servers())
        .bind(sight.containers())
        .bind(sight.token())
        .fetch_all(pool)
        .await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(Found {
        ended_at: first.ended_at,
        last_seq: first.last_seq,
        pieces: rows.into_iter().filter_map(Row::piece).collect(),
    }))
}

/// The opener watches it.
pub async fn viewed(pool: &PgPool, id: TerminalId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE terminals SET viewed_at = greatest(viewed_at, $2) WHERE id = $1 AND status <> 'ENDED'";
    sqlx::query(sql).bind(id.0).bind(now).execute(pool).await?;
    Ok(())
}

/// What became of it that somebody says how far they have read.
#[derive(Debug, FromRow)]
pub struct Read {
    /// There is such a terminal, and they opened it.
    pub own: bool,
    /// Its place is another now.
    pub moved: bool,
}

/// Whoever opened a terminal has read it up to and with a piece, of those that there are. Written down in steps: what
/// somebody types and reads is less.
pub async fn read(pool: &PgPool, sight: &Sight, id: TerminalId, seq: i64) -> Result<Read> {
    let sql = "WITH own AS (
             SELECT id FROM terminals
             WHERE id = $1 AND owner_id = $2 AND ($5::uuid IS NULL OR api_token_id = $5)
         ), place AS (
             SELECT ends_at FROM terminal_output WHERE terminal_id = $1 AND seq <= $3 ORDER BY seq DESC LIMIT 1
         ), moved AS (
             UPDATE terminals t SET seen_bytes = p.ends_at FROM own o, place p
             WHERE t.id = o.id AND t.status <> 'ENDED' AND p.ends_at >= t.seen_bytes + $4
             RETURNING t.id
         ) SELECT EXISTS (SELECT FROM own) AS own, EXISTS (SELECT FROM moved) AS moved";
    Ok(sqlx::query_as(sql)
        .bind(id.0)
        .bind(sight.viewer())
        .bind(seq)
        .bind(READ_STEP)
        .bind(sight.token())
        .fetch_one(pool)
        .await?)
}

/// Removes output beyond what is recorded that nobody needs any more, where the terminal's has come from the first of
/// these places to the second: in steps, because most pieces are small.
pub async fn trim(pool: &PgPool, id: Uuid, begins_at: i64, ends_at: i64) -> Result<()> {
    if ends_at <= RECORDED || begins_at / STEP == ends_at / STEP {
        return Ok(());
    }
    let sql = "DELETE FROM terminal_output WHERE terminal_id = $1 AND loose AND ends_at < $2";
    sqlx::query(sql)
        .bind(id)
        .bind(ends_at - RESUMED)
        .execute(pool)
        .await?;
    Ok(())
}
