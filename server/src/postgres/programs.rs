//! Finds Postgres' programs and runs them as somebody other than root.

use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User};
use tokio::process::Command;

use crate::kernel::{Error, Result};

/// Where Postgres' programs are, and who runs them.
#[derive(Debug, Clone)]
pub struct Programs {
    pub directory: PathBuf,
    /// The account to switch to: Postgres refuses to run as root.
    pub account: Option<User>,
}

impl Programs {
    /// Looks in the given directory, in PATH and where distributions put them; the newest wins.
    pub fn find(given: Option<&Path>) -> Result<Self> {
        let mut candidates: Vec<PathBuf> = given.map(Path::to_path_buf).into_iter().collect();
        if given.is_none() {
            candidates.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
            let mut versions: Vec<(u32, PathBuf)> = Vec::new();
            for root in ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt"] {
                for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
                    let name = entry.file_name().to_string_lossy().into_owned();
                    let number = name.trim_start_matches("postgresql@").parse().unwrap_or(0);
                    versions.push((number, entry.path().join("bin")));
                }
            }
            versions.sort();
            candidates.extend(versions.into_iter().rev().map(|(_, path)| path));
        }
        let all = |dir: &PathBuf| {
            ["initdb", "postgres", "pg_ctl"]
                .iter()
                .all(|name| dir.join(name).is_file())
        };
        let directory = candidates.into_iter().find(all).ok_or_else(|| {
            Error::internal(
                "Postgres' programs (initdb, postgres, pg_ctl) were not found: install the package `postgresql`, \
                 or set DATABASE_URL, or CRONIUM_POSTGRES_BIN",
            )
        })?;
        let account =
            if Uid::effective().is_root() {
                let postgres = User::from_name("postgres").map_err(Error::internal)?;
                Some(postgres.ok_or_else(|| {
                    Error::internal("root can't run Postgres and there is no user `postgres`")
                })?)
            } else {
                None
            };
        Ok(Self { directory, account })
    }

    /// A program, set to run as the account, in a process group of its own so that the terminal's Ctrl-C
    /// does not reach it before the server has let go of it.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.directory.join(name));
        command.current_dir("/").process_group(0).env_remove("PGDATA");
        if let Some(account) = &self.account {
            command
                .uid(account.uid.as_raw())
                .gid(account.gid.as_raw())
                .env("HOME", &account.dir);
        }
        command
    }

    /// Hands a path to the account.
    pub fn own(&self, path: &Path) -> Result<()> {
        if let Some(account) = &self.account {
            nix::unistd::chown(path, Some(account.uid), Some(account.gid)).map_err(Error::internal)?;
        }
        Ok(())
    }

    /// Whether the account can get to this path: every directory above it must let others through.
    pub fn reaches(&self, path: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        self.account.is_none()
            || path.ancestors().skip(1).all(|above| {
                std::fs::metadata(above).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0)
            })
    }
}
