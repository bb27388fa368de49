//! Runs an orchestrator as a child when none is given elsewhere, and starts it again when it dies.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;

use crate::kernel::{Error, Result};

/// What the child is started with.
#[derive(Debug, Clone)]
pub struct Orchestrator {
    pub program: PathBuf,
    pub runner: PathBuf,
    pub image: String,
    pub agent_url: String,
    pub internal_key: String,
    /// A role that sees only Apalis' schema; None: wake-ups come by the agent channel alone.
    pub apalis_url: Option<String>,
    pub state_dir: PathBuf,
    pub capacity: u32,
}

/// How long a child may take to hand over its work.
const GRACE: Duration = Duration::from_secs(20);
/// The exit code of a program that does not understand its settings.
const SETTINGS_REFUSED: i32 = 2;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl Orchestrator {
    /// The program beside this one, unless configured; likewise the runner.
    pub fn locate(configured: Option<PathBuf>, name: &str) -> Result<PathBuf> {
        if let Some(path) = configured {
            return if path.is_file() {
                Ok(path)
            } else {
                Err(Error::internal(format!(
                    "{} is not a file (needed: {name})",
                    path.display()
                )))
            };
        }
        let beside = std::env::current_exe()
            .map_err(Error::internal)?
            .with_file_name(name);
        if beside.is_file() {
            Ok(beside)
        } else {
            Err(Error::internal(format!(
                "{} was not found: build it, or set its path",
                beside.display()
            )))
        }
    }

    fn spawn(&self) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command
            .arg("--exit-with-parent")
            .env("CRONIUM_AGENT_URL", &self.agent_url)
            .env("INTERNAL_API_KEY", &self.internal_key)
            .env("CRONIUM_STATE_DIR", &self.state_dir)
            .env("CRONIUM_RUNNER", &self.runner)
            .env("CRONIUM_EXEC_IMAGE", &self.image)
            .env("CRONIUM_CAPACITY", self.capacity.to_string())
            .env_remove("DATABASE_URL")
            .env_remove("CRONIUM_MASTER_KEY")
            .stdin(Stdio::piped())
            .process_group(0);
        match &self.apalis_url {
            Some(url) => command.env("CRONIUM_APALIS_URL", url),
            None => command.env_remove("CRONIUM_APALIS_URL"),
        };
        command.spawn().map_err(Error::internal)
    }

    /// Keeps one child alive until the token is cancelled, then lets it drain. Fails when the child refuses its
    /// settings, which starting it again would not change.
    pub async fn run(self, stop: CancellationToken) -> Result<()> {
        let mut wait = FIRST_WAIT;
        loop {
            let begun = tokio::time::Instant::now();
            match self.spawn() {
                Ok(mut child) => {
                    // Waiting would close it, and its end tells the child to leave.
                    let stdin = child.stdin.take();
                    tokio::select! {
                        status = child.wait() => {
                            if status.as_ref().is_ok_and(|status| status.code() == Some(SETTINGS_REFUSED)) {
                                return Err(Error::internal("the orchestrator refuses its settings; it says why above"));
                            }
                            tracing::warn!(?status, "the orchestrator ended; starting it again");
                        }
                        () = stop.cancelled() => {
                            end(&mut child, stdin).await;
                            return Ok(());
                        }
                    }
                }
                Err(problem) => {
                    tracing::error!(problem = problem.private_text(), "the orchestrator did not start");
                }
            }
            // A child that ran for a while is started again at once; one that keeps falling waits longer.
            wait = if begun.elapsed() > GRACE {
                FIRST_WAIT
            } else {
                (wait * 2).min(LONGEST_WAIT)
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}

/// TERM asks the child to drain and leave; after the grace it is killed, and its containers are adopted by
/// the next one. Its stdin stays open meanwhile: closed, it would tell of a parent that is gone.
async fn end(child: &mut Child, stdin: Option<ChildStdin>) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // One that has ended already is waited for below all the same.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        tracing::warn!("the orchestrator did not leave in time");
        drop(child.kill().await);
    }
    drop(stdin);
}
