//! The runners that are sent to servers: one for each kind of processor. It must not know servers.

use std::collections::HashMap;
use std::env::consts::ARCH;
use std::io;
use std::path::Path;

use cronium_protocol::manifest::sha256;

use crate::hex::hex;

/// What the names of runners for other processors begin with.
const PREFIX: &str = "cronium-runner-";
/// Longest name of a kind of processor.
const MAX_MACHINE: usize = 16;

/// A runner as it is sent.
#[derive(Debug)]
pub struct Runner {
    pub hash: String,
    pub bytes: Vec<u8>,
}

/// All there are, by the names that `uname -m` has for processors.
#[derive(Debug)]
pub struct Runners(HashMap<String, Runner>);

impl Runners {
    /// This one, for processors as the orchestrator's own, and those beside it, such as `cronium-runner-aarch64`.
    pub async fn load(own: &Path) -> io::Result<Self> {
        let mut all = match own.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            Some(dir) => beside(dir).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "runners for other processors can't be read");
                HashMap::new()
            }),
            None => HashMap::new(),
        };
        all.insert(ARCH.to_owned(), read(own).await?);
        Ok(Self(all))
    }

    pub fn of(&self, machine: &str) -> Option<&Runner> {
        self.0.get(machine)
    }

    /// For a shell: `runner_for <machine>` prints the hash of the one for it.
    pub fn shell_function(&self) -> String {
        let case = |(machine, runner): (&String, &Runner)| format!("{machine}) echo {} ;;", runner.hash);
        let cases: Vec<_> = self.0.iter().map(case).collect();
        format!("runner_for() {{ case \"$1\" in {} esac; }}\n", cases.join(" "))
    }
}

async fn beside(dir: &Path) -> io::Result<HashMap<String, Runner>> {
    let mut all = HashMap::new();
    let mut entries = tokio::fs::read_dir(dir).await?;
    while let Some(entry) = entries.next_entry().await? {
        let name = entry.file_name();
        let machine = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if let Some(machine) = machine.filter(|machine| is_machine(machine)) {
            all.insert(machine.to_owned(), read(&entry.path()).await?);
        }
    }
    Ok(all)
}

fn is_machine(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=MAX_MACHINE).contains(&name.len()) && name.bytes().all(plain)
}

async fn read(path: &Path) -> io::Result<Runner> {
    let bytes = tokio::fs::read(path).await?;
    Ok(Runner {
        hash: hex(&sha256(&bytes)),
        bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_beside_it_are_for_other_processors() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("cronium-runner");
        for (name, content) in [
            ("cronium-runner", "own"),
            ("cronium-runner-riscv64", "other"),
            ("cronium-runner-it's", "odd"),
            ("cronium-runner-", "none"),
        ] {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let runners = Runners::load(&own).await.unwrap();
        assert_eq!(runners.of(ARCH).unwrap().bytes, b"own");
        assert_eq!(runners.of("riscv64").unwrap().bytes, b"other");
        assert_eq!(runners.0.len(), 2);
        let function = runners.shell_function();
        let ask = format!("{function}runner_for riscv64; runner_for sparc; runner_for {ARCH}");
        let done = std::process::Command::new("/bin/sh")
            .args(["-c", &ask])
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        let hashes = ["other", "own"].map(|content| hex(&sha256(content.as_bytes())));
        assert_eq!(said.lines().collect::<Vec<_>>(), hashes);
        assert!(Runners::load(&dir.path().join("none")).await.is_err());
    }
}
