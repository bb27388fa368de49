//! How much of terminals there may be, and for how long. What administrators set is among the settings.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_protocol::terminal::WINDOW;

/// Terminals of one person, and of everybody, that are open at a time.
pub const MOST_OF_ONE: i64 = 5;
pub const MOST: i64 = 50;

/// Input that has not arrived, in pieces: together as much as orchestrators take for a program that reads nothing.
pub const UNTYPED: i64 = 32;

/// Output is counted in bytes, and each of its pieces, and each change of the size, as so many more: rows have their
/// price too.
pub const PIECE_COST: i32 = cronium_protocol::terminal::PIECE_COST as i32;
/// The opener may have read so much less than the orchestrator is let to send.
pub const LAG: i64 = 512 << 10;
/// Output that a recording keeps.
pub const RECORDED: i64 = 16 << 20;
/// Beyond that, so much is kept for who resumes: all that its opener may not have read, and a little more.
pub const RESUMED: i64 = LAG + WINDOW as i64 + STEP;
/// Output beyond what is recorded is removed in steps of so much.
pub const STEP: i64 = 256 << 10;
/// What is kept for who resumes goes so long after the end.
pub const LOOSE: TimeDelta = TimeDelta::minutes(2);

/// Pieces that are read at a time, and their bytes.
pub const PAGE: i64 = 512;
pub const PAGE_BYTES: i64 = 256 << 10;

/// How far the opener has read is written down in steps of so much: with what clients keep back themselves far less
/// than the lag, so that no terminal waits for what was read.
pub const READ_STEP: i64 = 64 << 10;
/// That the opener watches is written down so often.
pub const BEAT: Duration = Duration::from_secs(5);
/// Without its opener watching a terminal is closed after so long: the last beat may be one beat old when they leave.
pub const UNWATCHED: TimeDelta = TimeDelta::seconds(30 + BEAT.as_secs() as i64);

/// An orchestrator may be away for so long, by the database's clock, in seconds.
pub const AWAY: f64 = 30.0;
/// So long a terminal waits for an orchestrator that takes it, and then for its shell.
pub const UNTAKEN: f64 = 15.0;
pub const UNOPENED: f64 = 60.0;

/// Who goes on watching a terminal of somebody else's is written down so often.
pub const NOTED: TimeDelta = TimeDelta::hours(1);

/// How often it is looked which terminals may not go on.
pub const LOOK: Duration = Duration::from_secs(5);
