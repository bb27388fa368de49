//! Reaches servers over SSH, with the `ssh` of the machine: its code and its care, under a configuration that is ours
//! alone. It must not know the agent channel but for errands, nor what servers are to anybody.

mod askpass;
mod check;
mod config;
pub mod errands;
pub mod executor;
mod figures;
mod lead;
mod place;
mod probe;
mod process;
pub(crate) mod route;
pub(crate) mod trouble;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use cronium_protocol::host::{Errand, Report};
use tokio::process::Command;
use tokio::time::timeout;
use uuid::Uuid;

use crate::state::StateDir;
use config::{NotPlain, PlainPath};
use place::Places;

/// The first with `KnownHostsCommand`, which shows a host's keys.
const OLDEST: (u32, u32) = (8, 5);
const VERSION_LIMIT: Duration = Duration::from_secs(5);

/// Why servers can't be reached.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("ssh can't be started, install OpenSSH's client: {0}")]
    NoSsh(io::Error),
    #[error("ssh says {0:?} of itself, and OpenSSH 8.5 or newer is needed")]
    Old(String),
    #[error("the path of this program: {0}")]
    Program(io::Error),
    #[error(transparent)]
    Path(#[from] NotPlain),
    #[error("no directory for the files of connections: {0}")]
    Place(io::Error),
}

/// What is needed to reach servers.
#[derive(Debug)]
pub struct Ssh {
    places: Places,
    helper: PlainPath,
}

impl Ssh {
    /// Looks whether there is an `ssh` that will do, and removes what an earlier life left.
    pub async fn start(state: &StateDir) -> Result<Self, Unusable> {
        let program = std::env::current_exe().map_err(Unusable::Program)?;
        Self::open(state.path(), state.orchestrator_id(), &program).await
    }

    /// With another program as the helper of ssh, which begins with [`helper`].
    pub async fn open(state: &Path, owner: Uuid, program: &Path) -> Result<Self, Unusable> {
        let said = version().await.map_err(Unusable::NoSsh)?;
        if number(&said).is_none_or(|number| number < OLDEST) {
            return Err(Unusable::Old(said));
        }
        Ok(Self {
            places: Places::open(state, owner).map_err(Unusable::Place)?,
            helper: PlainPath::new(program)?,
        })
    }

    /// Where the files of connections are, for as long as there are any.
    pub fn files(&self) -> &Path {
        self.places.base()
    }

    /// Does an errand, in at most half a minute. Dropped, it leaves nothing behind.
    pub async fn report(&self, errand: &Errand) -> Report {
        let found = match errand {
            Errand::HostKeys { address, jump } => probe::host_keys(self, address, jump.as_deref())
                .await
                .map(|(keys, latency_us)| Report::HostKeys { keys, latency_us }),
            Errand::Check { host } => check::check(self, host).await.map(Report::Check),
        };
        found.unwrap_or_else(Report::Trouble)
    }
}

/// What `ssh` says of itself.
async fn version() -> io::Result<String> {
    let mut command = Command::new("ssh");
    command.arg("-V").stdin(Stdio::null()).kill_on_drop(true);
    let done = timeout(VERSION_LIMIT, command.output()).await;
    let done = done.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    Ok(String::from_utf8_lossy(&done.stderr).trim().to_owned())
}

/// `OpenSSH_9.2p1 Debian-2, OpenSSL …`; None: something else.
fn number(said: &str) -> Option<(u32, u32)> {
    let (major, rest) = said.strip_prefix("OpenSSH_")?.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((major.parse().ok()?, rest[..end].parse().ok()?))
}

/// What our program does where ssh has started it; None: it was started as itself. To be asked before anything else,
/// because ssh knows nothing of our command line.
pub fn helper() -> Option<ExitCode> {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    if let [word, dir] = arguments.as_slice()
        && word == config::LEAD
    {
        return Some(lead::run(Path::new(dir)));
    }
    let socket = std::env::var_os(askpass::SOCKET)?;
    let question = arguments.first()?.to_string_lossy();
    Some(askpass::ask(Path::new(&socket), &question))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_openssh_are_numbers() {
        for (said, meant) in [
            (
                "OpenSSH_9.2p1 Debian-2+deb12u6, OpenSSL 3.0.19 27 Jan 2026",
                Some((9, 2)),
            ),
            ("OpenSSH_10.0p2, LibreSSL 4.1.0", Some((10, 0))),
            ("OpenSSH_8.4p1 Debian-5, OpenSSL 1.1.1n", Some((8, 4))),
            ("OpenSSH_9.10", Some((9, 10))),
            ("Dropbear v2022.83", None),
            ("OpenSSH_x", None),
            ("", None),
        ] {
            assert_eq!(number(said), meant, "{said}");
        }
    }
}
