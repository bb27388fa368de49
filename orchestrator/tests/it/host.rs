//! A server that runs are on: a real sshd, and a home of its own for whoever signs in.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use cronium_orchestrator::clock;
use cronium_protocol::agent::HostOrder;
use cronium_protocol::host::HostSpec;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;

use crate::reach::until;
use crate::sshd::Sshd;
use crate::world::World;

/// What a script prints in a second or four.
pub const COUNT: &str = "for i in $(seq 1 40); do echo line $i; sleep 0.1; done";

pub fn counted() -> String {
    let lines: Vec<_> = (1..=40).map(|i| format!("line {i}")).collect();
    lines.join("\n")
}

pub struct Host {
    pub sshd: Sshd,
    pub id: Uuid,
    home: tempfile::TempDir,
}

impl Host {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With these lines of configuration.
    pub fn with(options: &str) -> Self {
        // Not wherever temporary files are: sockets need a short path.
        let home = tempfile::Builder::new().prefix("h").tempdir_in("/tmp").unwrap();
        let set = format!("SetEnv HOME={}", home.path().display());
        Self {
            sshd: Sshd::start(&format!("{set}\n{options}")),
            id: clock::new_id(),
            home,
        }
    }

    pub fn order(&self) -> HostOrder {
        self.as_told(self.sshd.host())
    }

    pub fn as_told(&self, host: HostSpec) -> HostOrder {
        HostOrder {
            server_id: self.id,
            host: Box::new(host),
        }
    }

    pub fn base(&self) -> PathBuf {
        self.home.path().join(".cache/cronium")
    }

    /// Directories of runs.
    pub fn runs(&self) -> Vec<PathBuf> {
        let within = |dir: PathBuf| {
            fs::read_dir(dir)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
        };
        within(self.base().join("runs")).flat_map(within).collect()
    }

    pub async fn until_clean(&self, world: &World) {
        until("the end of all directories", || self.runs().is_empty()).await;
        world.until_forgotten().await;
    }

    /// Lets scripts go on that wait for it.
    pub fn go(&self) {
        fs::write(self.home.path().join("go"), "").unwrap();
    }

    /// Of a script: waits for that.
    pub fn wait(&self) -> String {
        let go = self.home.path().join("go");
        format!("until [ -e {} ]; do sleep 0.05; done", go.display())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // What a test that failed has left running: all of it knows the home.
        let home = self.home.path().to_str().unwrap();
        for pid in processes(&[home]) {
            end(pid);
        }
    }
}

/// Processes whose command line and environment, as far as that can be seen, have all of these.
pub fn processes(words: &[&str]) -> Vec<i32> {
    let read = |path: PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let said = read(entry.path().join("cmdline")) + &read(entry.path().join("environ"));
        if words.iter().all(|word| said.contains(word)) && !is_me(pid) {
            found.push(pid);
        }
    }
    found
}

fn is_me(pid: i32) -> bool {
    Pid::from_raw(pid) == Pid::this()
}

/// Connections of this orchestrator that stand.
pub fn masters(world: &World) -> Vec<i32> {
    processes(&[world.connections().to_str().unwrap(), "\0-M\0"])
}

pub fn end(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Who runs the tests, as the system counts users.
pub fn uid() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

/// The number that a script has printed.
pub fn printed(world: &World, id: Uuid) -> i32 {
    let text = world.agent.text(id);
    text.lines().next().unwrap().parse().unwrap()
}
