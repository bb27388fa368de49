//! What is typed into terminals and has not arrived, and their sizes.

use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use crate::kernel::ids::TerminalId;
use crate::kernel::{Result, Timestamp};

use super::super::limits::{PIECE_COST, RECORDED, UNTYPED};
use super::super::sight::Sight;

/// A piece of input, sealed.
pub struct Input<'a> {
    pub id: Uuid,
    pub terminal: TerminalId,
    pub number: i64,
    pub sealed: &'a [u8],
}

/// A terminal that has the size that it was given, and how far its output went before and goes now.
#[derive(Debug, FromRow)]
pub struct Resized {
    pub begins_at: i64,
    pub ends_at: i64,
}

/// Takes a piece if its terminal is open, the viewer's own, and waits for this number. One statement, because it is
/// asked for each key.
pub async fn take(pool: &PgPool, sight: &Sight, input: Input<'_>, now: Timestamp) -> Result<bool> {
    let sql = "WITH typed AS (
             UPDATE terminals SET last_input = $4, typed_at = greatest(typed_at, $6)
             WHERE id = $2 AND owner_id = $3 AND ($8::uuid IS NULL OR api_token_id = $8) AND status = 'OPEN'
               AND last_input = $4 - 1 AND last_input - last_typed < $7
             RETURNING id
         ) INSERT INTO terminal_input (id, terminal_id, number, sealed) SELECT $1, id, $4, $5 FROM typed";
    let taken = sqlx::query(sql)
        .bind(input.id)
        .bind(input.terminal.0)
        .bind(sight.viewer())
        .bind(input.number)
        .bind(input.sealed)
        .bind(now)
        .bind(UNTYPED)
        .bind(sight.token())
        .execute(pool)
        .await?;
    Ok(taken.rows_affected() > 0)
}

/// Gives a terminal another size if it is the viewer's own and has not ended; once its shell is there, the recording
/// has it, and it counts like any piece of output. None: neither.
pub async fn resize(
    pool: &PgPool,
    sight: &Sight,
    id: TerminalId,
    size: (i32, i32),
    now: Timestamp,
) -> Result<Option<Resized>> {
    let sql = "WITH held AS (
             SELECT id, output_bytes, status = 'OPEN' AND (width <> $3 OR height <> $4) AS told FROM terminals
             WHERE id = $1 AND owner_id = $2 AND ($8::uuid IS NULL OR api_token_id = $8) AND status <> 'ENDED'
             FOR UPDATE
         ), sized AS (
             UPDATE terminals t SET width = $3, height = $4,
                 last_seq = CASE WHEN told THEN terminal_last_seq(t.last_seq, t.contact_at) + 1 ELSE t.last_seq END,
                 output_bytes = t.output_bytes + CASE WHEN told THEN $6 ELSE 0 END,
                 recording_cut = t.recording_cut OR told AND t.output_bytes + $6 > $7
             FROM held WHERE t.id = held.id
             RETURNING t.id, t.last_seq, held.output_bytes AS begins_at, t.output_bytes AS ends_at, told
         ), kept AS (
             INSERT INTO terminal_output (terminal_id, seq, at, ends_at, width, height, data, loose)
             SELECT id, last_seq, $5, ends_at, $3, $4, ''::bytea, ends_at > $7 FROM sized WHERE told
         ) SELECT begins_at, ends_at FROM sized";
    Ok(sqlx::query_as(sql)
        .bind(id.0)
        .bind(sight.viewer())
        .bind(size.0)
        .bind(size.1)
        .bind(now)
        .bind(PIECE_COST)
        .bind(RECORDED)
        .bind(sight.token())
        .fetch_optional(pool)
        .await?)
}
