//! What was measured on what: the facts that a figure means nothing without.

use std::fs;
use std::process::Command;

use bollard::Docker;

use crate::{Outcome, Setting};

/// Today, UTC.
#[expect(clippy::disallowed_methods, reason = "a report has the true date on it")]
pub fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}

/// The commit that was measured; says so when files differ from it.
pub fn commit(setting: &Setting) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(&setting.root)
            .args(arguments)
            .output();
        output
            .ok()
            .filter(|o| o.status.success())
            .map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
    };
    let Some(head) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown".into();
    };
    // The report itself changes with every run.
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs/benchmarks.md"]);
    let changed = changed.is_some_and(|files| !files.is_empty());
    format!("{head}{}", if changed { " and uncommitted changes" } else { "" })
}

/// Rows of the table "machine".
pub async fn facts(setting: &Setting) -> Outcome<Vec<(String, String)>> {
    let info = fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&info, "model name").unwrap_or("unknown");
    let cores = std::thread::available_parallelism()?.get();
    let memory = fs::read_to_string("/proc/meminfo")?;
    let memory: f64 = field(&memory, "MemTotal")
        .and_then(|m| m.split_whitespace().next())
        .and_then(|kb| kb.parse().ok())
        .unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let docker = Docker::connect_with_defaults()?
        .negotiate_version()
        .await?
        .version()
        .await?;
    let database = sqlx::PgPool::connect(&setting.database_url).await?;
    let show = async |name: &str| {
        sqlx::query_scalar::<_, String>("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&database)
            .await
    };
    let durability = format!(
        "fsync {}, synchronous_commit {}, full_page_writes {}, wal_sync_method {}",
        show("fsync").await?,
        show("synchronous_commit").await?,
        show("full_page_writes").await?,
        show("wal_sync_method").await?
    );
    let postgres = show("server_version").await?;
    database.close().await;
    Ok([
        ("Processor", format!("{model}, {cores} cores")),
        ("Memory", format!("{:.1} GiB", memory / 1024.0 / 1024.0)),
        ("Kernel", kernel.trim().to_owned()),
        ("PostgreSQL", postgres),
        ("Durability", durability),
        ("Docker", docker.version.unwrap_or_default()),
        ("Build", "release".to_owned()),
    ]
    .map(|(what, value)| (what.to_owned(), value))
    .to_vec())
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
