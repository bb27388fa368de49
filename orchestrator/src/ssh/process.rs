//! Runs programs of OpenSSH: with nothing of our environment but what they need, in a process group that ends as a
//! whole. It must not know what they are run for.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::askpass;
use super::config::{ASK, CONFIG, LOG, PlainPath, TARGET};

const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
/// A process that was killed is gone at once, unless the kernel itself is stuck.
const END_LIMIT: Duration = Duration::from_secs(5);

/// A program whose questions are answered by the socket in this directory, or by nobody. With
/// `SSH_ASKPASS_REQUIRE=force` it asks no terminal, so it needs no session of its own.
pub fn program(name: &str, helper: &PlainPath, dir: &PlainPath) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    command
        .env_clear()
        .env("PATH", path)
        .env("HOME", dir.as_path())
        .env("LANG", "C.UTF-8")
        .env("SSH_ASKPASS", helper.as_path())
        .env("SSH_ASKPASS_REQUIRE", "force")
        .env(askpass::SOCKET, dir.join(ASK).as_path())
        .current_dir(dir.as_path())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// `ssh` to the server of this directory. A server can make it write into its log as long as it pleases, for example
/// about messages of no known kind; the kernel ends it, and an ssh on the way, at one or two megabytes of a file.
pub fn ssh(helper: &PlainPath, dir: &PlainPath, options: &[&str]) -> Command {
    let mut command = program("/bin/sh", helper, dir);
    command.args(["-c", "ulimit -f 2048 2>/dev/null; exec ssh \"$@\"", "ssh"]);
    connect(&mut command, dir, options);
    command
}

/// `ssh` to the server of this directory that asks for a terminal there, to be started with one here. The one there gets
/// the modes of this one as ssh finds it (RFC 4254, section 8), so they are those of a plain terminal: ssh makes this one
/// raw as soon as it has signed in.
pub fn terminal(helper: &PlainPath, dir: &PlainPath) -> Command {
    let mut command = program("/bin/sh", helper, dir);
    // ssh starts the way through other servers with it, by words that are for this one.
    command.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
    let limited = "stty iutf8 2>/dev/null; ulimit -f 2048 2>/dev/null; exec ssh \"$@\"";
    command.args(["-c", limited, "ssh"]);
    files(&mut command, dir);
    command.args(["-tt", TARGET]);
    command
}

/// Adds the arguments of every `ssh` of ours without a terminal. What follows is a command for the server.
pub fn connect(command: &mut Command, dir: &PlainPath, options: &[&str]) {
    command.args(options);
    files(command, dir);
    command.args(["-T", TARGET]);
}

fn files(command: &mut Command, dir: &PlainPath) {
    command.arg("-F").arg(dir.join(CONFIG).as_path());
    command.arg("-E").arg(dir.join(LOG).as_path());
}

/// A process with all that it began; dropped, they are killed.
#[derive(Debug)]
pub struct Group {
    child: Child,
    leash: Leash,
}

/// A way to end a group for who does not have it.
#[derive(Debug, Clone)]
pub struct Leash(Arc<Mutex<Option<Pid>>>);

impl Leash {
    /// Kills all of it, unless that was done.
    pub fn kill(&self) {
        self.pull(false);
    }

    fn pull(&self, and_let_go: bool) {
        let mut group = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = *group {
            let _ = killpg(id, Signal::SIGKILL);
        }
        if and_let_go {
            // Once it is waited for, its number may be another's.
            *group = None;
        }
    }
}

impl Group {
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let id = Pid::from_raw(id.ok_or_else(|| io::Error::other("a process without a number"))?);
        let leash = Leash(Arc::new(Mutex::new(Some(id))));
        Ok(Self { child, leash })
    }

    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    pub fn stderr(&mut self) -> Option<ChildStderr> {
        self.child.stderr.take()
    }

    pub fn leash(&self) -> Leash {
        self.leash.clone()
    }

    /// Ends all of it; its exit code, if it had ended by itself. That it had is known when its output is at its end: a
    /// process that is on its way out keeps its code.
    pub async fn end(mut self) -> Option<i32> {
        self.leash.pull(true);
        match timeout(END_LIMIT, self.child.wait()).await {
            Ok(Ok(status)) => status.code(),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.leash.pull(true);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    fn shell(script: &str, dir: &Path) -> Command {
        let dir = PlainPath::new(dir).unwrap();
        let helper = PlainPath::new(Path::new("/bin/false")).unwrap();
        let mut command = program("/bin/sh", &helper, &dir);
        command.args(["-c", script]).stdout(Stdio::piped());
        command
    }

    #[tokio::test]
    async fn what_it_began_ends_with_it_and_its_code_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut group = Group::spawn(&mut shell("echo up; exit 7", dir.path())).unwrap();
        let mut said = String::new();
        group.stdout().unwrap().read_to_string(&mut said).await.unwrap();
        assert_eq!((said.as_str(), group.end().await), ("up\n", Some(7)));

        let mut group = Group::spawn(&mut shell("sleep 600 & echo up; wait", dir.path())).unwrap();
        let mut output = group.stdout().unwrap();
        let mut up = [0; 3];
        output.read_exact(&mut up).await.unwrap();
        assert_eq!(group.end().await, None);
        // Both had it open: its end is theirs.
        let ended = timeout(Duration::from_secs(10), output.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "the child of the child goes on");
    }

    #[tokio::test]
    async fn a_leash_ends_it_from_outside_and_nothing_once_it_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let mut group = Group::spawn(&mut shell("echo up; sleep 600", dir.path())).unwrap();
        let (leash, mut output) = (group.leash(), group.stdout().unwrap());
        let mut up = [0; 3];
        output.read_exact(&mut up).await.unwrap();
        leash.kill();
        let ended = timeout(Duration::from_secs(10), output.read_to_end(&mut Vec::new())).await;
        assert!(ended.is_ok(), "it goes on");
        group.end().await;
        assert_eq!(*leash.0.lock().unwrap(), None);
        leash.kill();
    }

    #[tokio::test]
    async fn it_sees_nothing_of_our_environment() {
        let dir = tempfile::tempdir().unwrap();
        let mut group = Group::spawn(&mut shell("env", dir.path())).unwrap();
        let mut said = String::new();
        group.stdout().unwrap().read_to_string(&mut said).await.unwrap();
        let names = said
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, _)| name);
        // The shell adds some of its own.
        let mut names: Vec<_> = names
            .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
            .collect();
        names.sort_unstable();
        let wanted = [
            "CRONIUM_SSH_ASK",
            "HOME",
            "LANG",
            "PATH",
            "SSH_ASKPASS",
            "SSH_ASKPASS_REQUIRE",
        ];
        assert_eq!(names, wanted);
    }
}
