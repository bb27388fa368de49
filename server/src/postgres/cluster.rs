//! One private cluster: initialise, start, watch, stop.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio_util::sync::CancellationToken;

use crate::config::keys::kept;
use crate::kernel::{Error, Result};

use super::Programs;

/// Name of the superuser and of the database.
const NAME: &str = "cronium";
/// Longest path of a unix socket, less the file's own name (`sockaddr_un.sun_path` holds 108 bytes).
const SOCKET_DIRECTORY: usize = 85;

/// Where a cluster lies.
#[derive(Debug, Clone)]
pub struct Location {
    pub data: PathBuf,
    pub socket: PathBuf,
}

impl Location {
    /// In the data directory when Postgres' account can get there, otherwise under /var/lib.
    pub fn choose(data_dir: &Path, programs: &Programs) -> Self {
        let within = data_dir.join("postgres");
        let tag = within
            .to_string_lossy()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        let base = if programs.reaches(&within) {
            within
        } else {
            PathBuf::from(format!("/var/lib/cronium/{tag:016x}"))
        };
        let socket = base.join("socket");
        let short = socket.as_os_str().len() <= SOCKET_DIRECTORY;
        Self {
            data: base.join("data"),
            socket: if short {
                socket
            } else {
                PathBuf::from(format!("/tmp/cronium-{tag:016x}"))
            },
        }
    }
}

/// A running private cluster.
#[derive(Debug, Clone)]
pub struct Cluster {
    programs: Programs,
    location: Location,
    password: String,
    adopted: bool,
}

impl Cluster {
    /// Whether it ran already when it was asked for.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// Makes the cluster when there is none, and starts it when it does not run.
    pub async fn start(programs: Programs, data_dir: &Path) -> Result<Self> {
        let location = Location::choose(data_dir, &programs);
        let password = kept(&data_dir.join("postgres.key"))?;
        let mut cluster = Self {
            programs,
            location,
            password,
            adopted: false,
        };
        if !cluster.location.data.join("PG_VERSION").is_file() {
            cluster.initialise().await?;
        }
        cluster.adopted = cluster.running().await;
        if !cluster.adopted {
            cluster.launch().await?;
        }
        Ok(cluster)
    }

    async fn initialise(&self) -> Result<()> {
        let base = self.location.data.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(base).map_err(Error::internal)?;
        self.programs.own(base)?;
        let file = base.join("initial-password");
        fs::write(&file, &self.password).map_err(Error::internal)?;
        set_mode(&file, 0o600)?;
        self.programs.own(&file)?;
        let made = self
            .programs
            .command("initdb")
            .arg("--pgdata")
            .arg(&self.location.data)
            .arg("--pwfile")
            .arg(&file)
            .args([
                "--username",
                NAME,
                "--auth",
                "scram-sha-256",
                "--encoding",
                "UTF8",
                "--locale",
                "C.UTF-8",
            ])
            .arg("--no-instructions")
            .output()
            .await
            .map_err(Error::internal)?;
        fs::remove_file(&file).map_err(Error::internal)?;
        if made.status.success() {
            Ok(())
        } else {
            Err(Error::internal(format!(
                "initdb failed: {}",
                String::from_utf8_lossy(&made.stderr)
            )))
        }
    }

    /// Starts it and waits until it answers; one that runs already is adopted.
    async fn launch(&self) -> Result<()> {
        if self.running().await {
            return Ok(());
        }
        let socket = &self.location.socket;
        fs::create_dir_all(socket).map_err(Error::internal)?;
        set_mode(socket, 0o700)?;
        self.programs.own(socket)?;
        let log = self.location.data.with_file_name("postgres.log");
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories='{}' -c max_connections=100 -c shared_buffers=64MB \
             -c random_page_cost=1.1 -c log_min_messages=warning",
            socket.display()
        );
        let mut command = self.programs.command("pg_ctl");
        command
            .arg("--pgdata")
            .arg(&self.location.data)
            .arg("--log")
            .arg(&log)
            .arg("--options")
            .arg(&options);
        command.args(["--wait", "--timeout", "60", "--silent", "start"]);
        let status = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .map_err(Error::internal)?;
        if status.success() || self.running().await {
            return Ok(());
        }
        let tail = fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<&str> = tail.lines().rev().take(5).collect();
        Err(Error::internal(format!(
            "Postgres did not start; the end of {}: {tail:?}",
            log.display()
        )))
    }

    async fn running(&self) -> bool {
        let mut command = self.programs.command("pg_ctl");
        command.arg("--pgdata").arg(&self.location.data).arg("status");
        command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .await
            .is_ok_and(|status| status.success())
    }

    /// How to connect as the owner; the database is made when it is missing.
    pub async fn options(&self) -> Result<PgConnectOptions> {
        let options = PgConnectOptions::new()
            .socket(&self.location.socket)
            .username(NAME)
            .password(&self.password)
            .database("postgres");
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
            .bind(NAME)
            .fetch_one(&pool)
            .await?;
        if !exists {
            sqlx::query("CREATE DATABASE cronium").execute(&pool).await?;
        }
        pool.close().await;
        Ok(options.database(NAME))
    }

    /// A URL for another role, over the same socket.
    pub fn url(&self, user: &str, password: &str) -> String {
        format!(
            "postgres://{user}:{password}@localhost/{NAME}?host={}",
            self.location.socket.display()
        )
    }

    /// Starts Postgres again whenever it has died, until the token is cancelled.
    pub async fn watch(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            if self.alive() {
                continue;
            }
            tracing::warn!("Postgres is gone; starting it again");
            if let Err(problem) = self.launch().await {
                tracing::error!(?problem, "Postgres did not start again");
            }
        }
    }

    /// A cheap look: the process named in its pid file is a postmaster, and not one that waits to be buried.
    fn alive(&self) -> bool {
        let text = fs::read_to_string(self.location.data.join("postmaster.pid")).unwrap_or_default();
        let pid: Option<u32> = text.lines().next().and_then(|line| line.trim().parse().ok());
        let stat = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
        // "pid (name) state …", by proc_pid_stat(5).
        let state = stat
            .as_deref()
            .and_then(|stat| stat.rsplit_once(") "))
            .map(|(_, rest)| rest);
        state.is_some_and(|state| !state.starts_with(['Z', 'X']))
    }

    /// Stops it: fast, with a checkpoint.
    pub async fn stop(&self) {
        let mut command = self.programs.command("pg_ctl");
        command.arg("--pgdata").arg(&self.location.data).args([
            "--mode",
            "fast",
            "--wait",
            "--timeout",
            "30",
        ]);
        command.arg("stop").stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(problem) = command.status().await {
            tracing::error!(%problem, "pg_ctl stop did not run");
        }
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(Error::internal)
}
