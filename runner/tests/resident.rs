//! Runners that are detached from whoever started them: they outlive a connection, and end with all that they started.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cronium_protocol::frame::{FromRunner, ToRunner};
use cronium_protocol::log::Stream;
use cronium_protocol::manifest::sha256;
use cronium_protocol::resident::MARK;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::{Payload, Runner, TARGET, is_alive, verify_key, wait_for};

const TOKEN: [u8; 32] = [5; 32];
const BINARY: &str = env!("CARGO_BIN_EXE_cronium-runner");

/// What a runner on a server has around it.
struct Server(tempfile::TempDir);

impl Server {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn dir(&self) -> PathBuf {
        self.0.path().join("base/runs/one")
    }

    fn command(&self, word: &str) -> Command {
        let mut command = Command::new(BINARY);
        command.arg(word).arg("--dir").arg(self.dir());
        command
    }

    fn connected(&self, word: &str, args: &[&str], token: &[u8]) -> Runner {
        let mut command = self.command(word);
        command.args(args);
        let mut runner = Runner::of(command, tempfile::tempdir().unwrap());
        runner.send_bytes(token);
        runner
    }

    fn open(&self) -> Runner {
        let mut runner = self.connected(
            "open",
            &["--verify-key", &verify_key(), "--target", TARGET],
            &TOKEN,
        );
        assert!(matches!(runner.next(), FromRunner::Hello { .. }));
        runner
    }

    /// Connects anew, and resumes after a line.
    fn attach(&self, after_seq: u64) -> Runner {
        let mut runner = self.connected("attach", &[], &TOKEN);
        runner.send_bytes(&[0]);
        runner.send(ToRunner::Resume {
            after_seq,
            calls: true,
        });
        // What was on its way before is said again after it.
        runner.until(|frame| matches!(frame, FromRunner::Hello { .. }).then_some(()));
        runner
    }

    fn said(&self, word: &str) -> Output {
        self.command(word).output().unwrap()
    }

    /// The process that serves; None: it is gone.
    fn look(&self) -> Option<i32> {
        let said = self.said("look").stdout;
        let said = String::from_utf8(said.strip_prefix(&MARK).unwrap().to_vec()).unwrap();
        match said.trim_end().split_once(' ') {
            Some(("running", pid)) => Some(pid.parse().unwrap()),
            _ => {
                assert_eq!(said, "gone\n");
                None
            }
        }
    }

    fn until_gone(&self) {
        wait_for("the directory's end", || (!self.dir().exists()).then_some(()));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        drop(self.said("kill"));
    }
}

#[test]
fn what_it_says_comes_after_a_mark() {
    let server = Server::new();
    let args = ["--verify-key", &verify_key(), "--target", TARGET];
    let mut open = server.command("open");
    let mut opened = open
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    opened.stdin.as_mut().unwrap().write_all(&TOKEN).unwrap();
    let mut first = [1; MARK.len()];
    opened.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first, MARK);
    assert!(server.said("kill").stdout.starts_with(&MARK));
    assert!(opened.wait().unwrap().success());
}

#[test]
fn it_knows_its_own_hash() {
    let digest = sha256(&std::fs::read(BINARY).unwrap());
    let said = Command::new(BINARY).arg("hash").output().unwrap();
    let digits = digest.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(String::from_utf8(said.stdout).unwrap().trim_end(), digits);
    let refused = Command::new(BINARY).args(["hash", "--more"]).output().unwrap();
    assert!(!refused.status.success());
}

/// One that waits to be told what to open.
fn waiting() -> Runner {
    let mut command = Command::new(BINARY);
    command.arg("ahead");
    Runner::of(command, tempfile::tempdir().unwrap())
}

#[test]
fn one_that_waits_opens_what_it_is_told_to() {
    let server = Server::new();
    let mut runner = waiting();
    let dir = server.dir().display().to_string();
    let words = format!(
        "open --dir {dir} --verify-key {} --target {TARGET}\n",
        verify_key()
    );
    // In one piece: what follows the line is for what it opens.
    runner.send_bytes(&[words.as_bytes(), &TOKEN].concat());
    assert!(matches!(runner.next(), FromRunner::Hello { .. }));
    runner.run(&Payload::bash("echo hello"));
    let ended = runner.finish();
    assert_eq!(ended.texts(Stream::Stdout), ["hello"]);
    runner.leave();
    server.until_gone();
}

#[test]
fn one_that_waits_ends_with_its_input_and_opens_nothing_else() {
    let mut unneeded = waiting();
    unneeded.hang_up();
    assert!(unneeded.ended().success());
    let server = Server::new();
    let dir = server.dir().display().to_string();
    for words in [
        format!("kill --dir {dir}\n"),
        "open\n".to_owned(),
        "open --dir relative\n".to_owned(),
        format!("open --dir {dir}"),
        "o".repeat(5000),
    ] {
        let mut runner = waiting();
        runner.send_bytes(words.as_bytes());
        runner.hang_up();
        assert!(!runner.ended().success(), "{words}");
    }
    assert!(!server.dir().exists());
}

fn pid_in(dir: &Path, name: &str) -> i32 {
    wait_for("a process's number", || {
        std::fs::read_to_string(dir.join(name)).ok()?.trim().parse().ok()
    })
}

#[test]
fn it_goes_on_without_its_connection_and_the_next_gets_every_line_once() {
    let server = Server::new();
    let mut first = server.open();
    first.run(&Payload::bash(
        "echo one; until [ -e go ]; do sleep 0.01; done; echo two; echo three >&2",
    ));
    let seen = first.line(|line| line.text == "one").seq;
    // As when the connection's process is killed on the server.
    kill(Pid::from_raw(first.process.id().cast_signed()), Signal::SIGKILL).unwrap();
    first.ended();
    assert!(server.look().is_some_and(is_alive));
    std::fs::write(server.dir().join("work/go"), "").unwrap();
    let mut second = server.attach(seen);
    let ended = second.finish();
    assert_eq!(ended.texts(Stream::Stdout), ["two"]);
    assert_eq!(ended.texts(Stream::Stderr), ["three"]);
    assert_eq!(
        ended.lines.iter().map(|line| line.seq).collect::<Vec<_>>(),
        [2, 3]
    );
    assert_eq!(ended.report.code, Some(0));
    second.leave();
    server.until_gone();
    assert_eq!(server.look(), None);
}

#[test]
fn an_end_that_nobody_hears_waits_to_be_told() {
    let server = Server::new();
    let mut first = server.open();
    first.run(&Payload::bash(
        "until [ -e go ]; do sleep 0.01; done; echo done; touch over",
    ));
    first.until(|frame| matches!(frame, FromRunner::Started { .. }).then_some(()));
    first.hang_up();
    assert!(first.ended().success(), "a connection that ends is no failure");
    std::fs::write(server.dir().join("work/go"), "").unwrap();
    wait_for("the script's end", || {
        server.dir().join("work/over").exists().then_some(())
    });
    let mut second = server.attach(0);
    assert_eq!(second.finish().texts(Stream::Stdout), ["done"]);
    second.leave();
    server.until_gone();
}

#[test]
fn the_newest_connection_is_spoken_to_and_the_one_before_ends() {
    let server = Server::new();
    let mut first = server.open();
    first.run(&Payload::bash("until [ -e go ]; do sleep 0.01; done; echo said"));
    first.until(|frame| matches!(frame, FromRunner::Started { .. }).then_some(()));
    let mut second = server.attach(0);
    second.until(|frame| matches!(frame, FromRunner::Started { .. }).then_some(()));
    assert!(first.ended().success());
    std::fs::write(server.dir().join("work/go"), "").unwrap();
    assert_eq!(second.finish().texts(Stream::Stdout), ["said"]);
    second.leave();
}

#[test]
fn who_does_not_know_the_token_is_not_heard_and_disturbs_nobody() {
    let server = Server::new();
    let mut first = server.open();
    let mut stranger = server.connected("attach", &[], &[6; 32]);
    assert!(stranger.ended().success());
    let mut silent = std::os::unix::net::UnixStream::connect(server.dir().join("socket")).unwrap();
    first.run(&Payload::bash("echo heard"));
    assert_eq!(first.finish().texts(Stream::Stdout), ["heard"]);
    let mut nothing = Vec::new();
    silent.read_to_end(&mut nothing).unwrap();
    assert_eq!(nothing, b"");
    first.leave();
}

#[test]
fn the_token_is_nowhere_to_be_read() {
    let server = Server::new();
    let mut first = server.open();
    first.run(&Payload::bash("until [ -e go ]; do sleep 0.01; done"));
    first.until(|frame| matches!(frame, FromRunner::Started { .. }).then_some(()));
    let hex = TOKEN.map(|byte| format!("{byte:02x}")).concat();
    for pid in [server.look().unwrap(), first.process.id().cast_signed()] {
        for file in ["cmdline", "environ"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}"));
            // Nobody but root may look into a process that holds it.
            assert!(bytes.is_ok() || (file == "environ" && !nix::unistd::geteuid().is_root()));
            let bytes = bytes.unwrap_or_default();
            assert!(!bytes.windows(8).any(|some| some == &TOKEN[..8]), "{file}");
            assert!(!String::from_utf8_lossy(&bytes).contains(&hex[..16]), "{file}");
        }
    }
    let mode = |name: &str| {
        let seen = std::fs::metadata(server.dir().join(name)).unwrap();
        seen.permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("work"), mode("lock")), (0o700, 0o700, 0o600));
    std::fs::write(server.dir().join("work/go"), "").unwrap();
    first.finish();
    first.leave();
}

#[test]
fn killing_leaves_no_process_and_no_file() {
    let server = Server::new();
    let mut first = server.open();
    // Ignores TERM, has a child in a session of its own, and closes a directory to itself.
    let script = "trap '' TERM; mkdir -p a/b; touch a/b/c; echo $$ > ../main
                  setsid bash -c 'trap \"\" TERM HUP; echo $$ > ../other; while :; do sleep 1; done' &
                  until [ -e ../other ]; do sleep 0.01; done; chmod 000 a; while :; do sleep 1; done";
    first.run(&Payload::bash(script));
    let dir = server.dir();
    let pids = [pid_in(&dir, "main"), pid_in(&dir, "other")];
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    let done = server.said("kill");
    assert!(done.status.success(), "{done:?}");
    assert!(!pids.iter().any(|pid| is_alive(*pid)));
    assert!(!dir.exists());
    assert_eq!(server.look(), None);
    assert!(server.said("kill").status.success(), "done already is done");
}

#[test]
fn what_a_killed_runner_leaves_is_ended_too() {
    let server = Server::new();
    let mut first = server.open();
    first.run(&Payload::bash(
        "trap '' TERM HUP; echo $$ > ../main; while :; do sleep 1; done",
    ));
    let main = pid_in(&server.dir(), "main");
    kill(Pid::from_raw(server.look().unwrap()), Signal::SIGKILL).unwrap();
    wait_for("the runner's end", || server.look().is_none().then_some(()));
    assert!(is_alive(main));
    assert!(server.said("kill").status.success());
    assert!(!is_alive(main) && !server.dir().exists());
}

#[test]
fn a_place_that_is_there_or_is_not_ours_alone_is_refused() {
    let server = Server::new();
    let mut first = server.open();
    let args = ["--verify-key", &verify_key(), "--target", TARGET];
    let mut again = server.connected("open", &args, &TOKEN);
    assert!(!again.ended().success());
    first.run(&Payload::bash("echo undisturbed"));
    assert_eq!(first.finish().texts(Stream::Stdout), ["undisturbed"]);
    first.leave();
    server.until_gone();
    for open in ["base", "base/runs"] {
        let path = server.0.path().join(open);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        let mut refused = server.connected("open", &args, &TOKEN);
        assert!(!refused.ended().success(), "{open}");
        assert!(!server.dir().exists());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_cancelled_run_is_ended_by_its_group_and_says_so() {
    let server = Server::new();
    let mut first = server.open();
    first.run(&Payload::bash("sleep 600 & echo $! > ../child; echo begun; wait"));
    first.line(|line| line.text == "begun");
    let child = pid_in(&server.dir(), "child");
    let mut second = server.attach(1);
    second.send(ToRunner::Cancel);
    let ended = second.finish();
    assert!(ended.report.cancelled && !is_alive(child));
    second.leave();
    server.until_gone();
}
