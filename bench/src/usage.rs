//! What a stretch of work cost: processor time of this process and of Postgres, and bytes of WAL.

use std::fs;

use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::{SysconfVar, sysconf};
use sqlx::PgPool;

use crate::Outcome;

/// Taken before and after.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Seconds of this process: services, orchestrator, clients.
    pub own: f64,
    /// Seconds of all of Postgres' processes.
    pub postgres: f64,
    pub wal_bytes: f64,
}

impl Usage {
    pub async fn now(pool: &PgPool) -> Outcome<Self> {
        let (wal_bytes, backend): (f64, i32) = sqlx::query_as(
            "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8, pg_backend_pid()",
        )
        .fetch_one(pool)
        .await?;
        let own = getrusage(UsageWho::RUSAGE_SELF)?;
        let seconds = |t: nix::sys::time::TimeVal| t.tv_sec() as f64 + t.tv_usec() as f64 / 1e6;
        Ok(Self {
            own: seconds(own.user_time()) + seconds(own.system_time()),
            postgres: postgres_seconds(backend)?,
            wal_bytes,
        })
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            own: self.own - before.own,
            postgres: self.postgres - before.postgres,
            wal_bytes: self.wal_bytes - before.wal_bytes,
        }
    }
}

/// "0.0012 + 0.0034 CPU-seconds, 1,234 bytes of WAL" for each of `jobs`.
pub fn a_job(rounds: &[Usage], jobs: usize) -> String {
    let per = |f: fn(&Usage) -> f64| rounds.iter().map(f).sum::<f64>() / (rounds.len() * jobs) as f64;
    format!(
        "{:.0} µs here + {:.0} µs in Postgres of CPU; {} bytes of WAL",
        per(|u| u.own) * 1e6,
        per(|u| u.postgres) * 1e6,
        crate::result::number(per(|u| u.wal_bytes))
    )
}

/// The postmaster, what it has waited for, and its living children.
fn postgres_seconds(backend: i32) -> Outcome<f64> {
    let (postmaster, _) = stat(backend).ok_or("Postgres runs on another machine")?;
    let mut ticks = stat(postmaster).map_or(0, |(_, ticks)| ticks);
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((parent, spent)) = pid.and_then(stat)
            && parent == postmaster
        {
            ticks += spent;
        }
    }
    let a_second = sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100);
    Ok(ticks as f64 / a_second as f64)
}

/// Seconds of processor time that a process has used.
pub fn seconds(pid: u32) -> Outcome<f64> {
    let (_, ticks) = stat(pid as i32).ok_or_else(|| format!("there is no process {pid}"))?;
    Ok(ticks as f64 / sysconf(SysconfVar::CLK_TCK)?.unwrap_or(100) as f64)
}

/// PSS in MB: its own pages, and its share of those that it shares.
pub fn memory(pid: u32) -> Outcome<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find(|l| l.starts_with("Pss:")).ok_or("no PSS")?;
    let kib: f64 = line.split_whitespace().nth(1).ok_or("no PSS")?.parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// Parent and ticks of a process, those of its ended children included (proc(5), fields 4 and 14 to 17).
fn stat(pid: i32) -> Option<(i32, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields
        .get(11..15)?
        .iter()
        .filter_map(|f| f.parse::<u64>().ok())
        .sum();
    Some((fields.get(1)?.parse().ok()?, ticks))
}
