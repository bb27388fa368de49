//! The floor for servers: `ssh` itself, to a real sshd of this machine. Ours signs in there with the same key. It must
//! not know what is measured with it.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Outcome;
use crate::product::{Product, until};
use crate::sshd::{Sshd, user};

/// What `ssh` calls it: how it is reached stands in the configuration alone.
const NAME: &str = "host";
const KIND: &str = "ed25519";

pub struct Host {
    sshd: Sshd,
}

impl Host {
    /// Whoever signs in has its directory as the home, so that nothing is left in the true one.
    pub fn start() -> Outcome<Self> {
        let sshd = Sshd::with_keys("SetEnv HOME=DIR\nLogLevel INFO", &[KIND]);
        let at = |name: &str| sshd.file(name).display().to_string();
        fs::write(at("known"), format!("{NAME} {}\n", sshd.host_key(KIND)))?;
        let config = format!(
            "Host {NAME}\nHostName 127.0.0.1\nPort {}\nUser {}\nHostKeyAlias {NAME}\nHostKeyAlgorithms ssh-{KIND}\n\
             UserKnownHostsFile \"{}\"\nGlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nUpdateHostKeys no\n\
             IdentityFile \"{}\"\nIdentitiesOnly yes\nIdentityAgent none\nPreferredAuthentications publickey\n\
             BatchMode yes\nConnectTimeout 10\nLogLevel ERROR\n",
            sshd.port,
            user().as_str(),
            at("known"),
            at("client")
        );
        fs::write(at("ssh"), config)?;
        Ok(Self { sshd })
    }

    /// Makes it a server of the product that is never checked; gives its id there.
    pub async fn register(&self, product: &Product) -> Outcome<String> {
        let input = json!({
            "name": NAME,
            "address": "127.0.0.1",
            "port": self.sshd.port,
            "username": user().as_str(),
            "privateKey": fs::read_to_string(self.sshd.file("client"))?,
            "hostKeyFingerprint": self.sshd.host_key(KIND).fingerprint(),
            "checkIntervalSeconds": 0,
        });
        product.create_server(input).await
    }

    /// So many have signed in.
    pub fn sign_ins(&self) -> usize {
        self.sshd.sign_ins()
    }

    /// Waits until nothing of the product's runs is left there.
    pub async fn clean(&self) -> Outcome<()> {
        let runs = self.sshd.file(".cache/cronium/runs");
        until("no run is left on the server", async || {
            // It is there since the first run, unless the home's path is too long.
            let owners = fs::read_dir(&runs).map_err(|error| format!("{}: {error}", runs.display()))?;
            for owner in owners {
                if fs::read_dir(owner?.path())?.next().is_some() {
                    return Ok(false);
                }
            }
            Ok(true)
        })
        .await
    }

    /// A command for the server may follow.
    fn ssh(&self, options: &[&str]) -> Command {
        let mut command = Command::new("ssh");
        command
            .arg("-F")
            .arg(self.sshd.file("ssh"))
            .arg("-T")
            .args(options)
            .arg(NAME)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true);
        command
    }

    /// From starting an `ssh` that signs in to the first line of a script.
    pub async fn first_line(&self, script: &str) -> Outcome<Duration> {
        self.first_line_by(&["-S", "none"], script).await
    }

    async fn first_line_by(&self, options: &[&str], script: &str) -> Outcome<Duration> {
        let begun = Instant::now();
        let mut child = self
            .ssh(options)
            .arg(format!("exec bash -c '{script}'"))
            .spawn()?;
        let mut lines = lines(&mut child)?;
        lines.next_line().await?.ok_or("the server said nothing")?;
        let took = begun.elapsed();
        child.wait().await?;
        Ok(took)
    }

    /// Signs in for whatever follows.
    pub async fn stand(&self) -> Outcome<Standing<'_>> {
        let socket = self.sshd.file("ctl").display().to_string();
        let master = self.ssh(&["-M", "-N", "-S", &socket]).spawn()?;
        until("the floor's connection stands", async || {
            let mut look = self.ssh(&["-S", &socket, "-O", "check"]);
            let seen = look.stdout(Stdio::null()).stderr(Stdio::null()).status();
            Ok(seen.await?.success())
        })
        .await?;
        let mut waiting = self
            .ssh(&["-S", &socket])
            .arg("exec bash -c 'while read -r _; do echo first; done'")
            .stdin(Stdio::piped())
            .spawn()?;
        Ok(Standing {
            host: self,
            socket,
            input: waiting.stdin.take().ok_or("no input")?,
            output: lines(&mut waiting)?,
            _processes: [master, waiting],
        })
    }
}

fn lines(child: &mut Child) -> Outcome<Lines<BufReader<ChildStdout>>> {
    Ok(BufReader::new(child.stdout.take().ok_or("no output")?).lines())
}

/// A connection of the floor, and over it a shell that waits for a line.
pub struct Standing<'a> {
    host: &'a Host,
    socket: String,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    /// They end with this.
    _processes: [Child; 2],
}

impl Standing<'_> {
    /// From starting an `ssh` that uses it to the first line of a script.
    pub async fn first_line(&self, script: &str) -> Outcome<Duration> {
        self.host.first_line_by(&["-S", &self.socket], script).await
    }

    /// From a line to the shell that waits to its answer.
    pub async fn wake(&mut self) -> Outcome<Duration> {
        let begun = Instant::now();
        self.input.write_all(b"go\n").await?;
        self.input.flush().await?;
        let answer = self.output.next_line().await?;
        answer.ok_or("the process that waits has ended")?;
        Ok(begun.elapsed())
    }
}
