//! Drives the real runner binary over its frames, as an orchestrator would, and builds payloads, good
//! and bad ones.

#![expect(dead_code, reason = "each test binary uses its part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test helper fails by panicking"
)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use cronium_protocol::frame::{self, ExitReport, FrameReader, FromRunner, ToRunner, UsageReport};
use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_protocol::manifest::{FileEntry, Language, Manifest, Refusal, Runtime, sha256, sign};
use cronium_protocol::runtime::{self, Reply, Request};
use ed25519_dalek::SigningKey;
use uuid::Uuid;

pub const TARGET: &str = "docker:test";
const PATIENCE: Duration = Duration::from_secs(30);

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Of [`key`], as the command line takes it.
pub fn verify_key() -> String {
    let bytes = key().verifying_key().to_bytes();
    bytes.map(|b| format!("{b:02x}")).concat()
}

pub struct Payload {
    pub manifest: Manifest,
    pub archive: Vec<u8>,
    pub key: SigningKey,
}

pub fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, content) in files {
        add(&mut builder, path, tar::EntryType::Regular, content);
    }
    builder.into_inner().unwrap()
}

/// Writes the name as it is: the library would refuse the bad ones.
pub fn add(builder: &mut tar::Builder<Vec<u8>>, path: &str, kind: tar::EntryType, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, content).unwrap();
}

pub fn entry(path: &str, content: &[u8]) -> FileEntry {
    FileEntry {
        path: path.into(),
        sha256: sha256(content),
        size: content.len() as u64,
        mode: 0o644,
    }
}

impl Payload {
    pub fn of(language: Language, script: &str) -> Self {
        Self::of_files(
            language,
            &[("main", script.as_bytes()), ("data/input.json", b"{\"n\": 20}")],
        )
    }

    /// With a runtime socket and the helpers that the server sends along.
    pub fn calling(language: Language, script: &str) -> Self {
        let helpers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/runtime/helpers");
        let read = |name: &str| std::fs::read(helpers.join(name)).unwrap();
        let node = |name: &str| {
            (
                format!("node_modules/cronium/{name}"),
                read(&format!("node/{name}")),
            )
        };
        let mut files = match language {
            Language::Bash => vec![("cronium.sh".to_owned(), read("cronium.sh"))],
            Language::Python => vec![("cronium.py".to_owned(), read("cronium.py"))],
            Language::NodeJs => ["package.json", "index.js", "index.mjs"].map(node).into(),
            Language::Http => Vec::new(),
        };
        files.push(("main".into(), script.into()));
        files.push(("data/input.json".into(), b"{}".into()));
        let files: Vec<(&str, &[u8])> = files.iter().map(|(p, c)| (p.as_str(), c.as_slice())).collect();
        Self::of_files(language, &files).with(|m| {
            m.runtime = Some(Runtime {
                bash_env: (language == Language::Bash).then(|| "cronium.sh".into()),
                secret_env: Vec::new(),
            });
        })
    }

    fn of_files(language: Language, files: &[(&str, &[u8])]) -> Self {
        Self {
            manifest: Manifest {
                version: cronium_protocol::PROTOCOL_VERSION,
                execution_id: Uuid::from_u128(1),
                job_id: Uuid::from_u128(2),
                attempt: 3,
                target: TARGET.into(),
                language,
                entry: "main".into(),
                input: Some("data/input.json".into()),
                env: [("GREETING".into(), "hello".into())].into(),
                timeout_ms: 60_000,
                grace_ms: 300,
                log_line_bytes: 64 << 10,
                log_total_bytes: 1 << 30,
                files: files.iter().map(|(path, content)| entry(path, content)).collect(),
                expires_at_ms: i64::MAX,
                nonce: Uuid::from_u128(4),
                runtime: None,
            },
            archive: tar_of(files),
            key: key(),
        }
    }

    pub fn bash(script: &str) -> Self {
        Self::of(Language::Bash, script)
    }

    pub fn with(mut self, change: impl FnOnce(&mut Manifest)) -> Self {
        change(&mut self.manifest);
        self
    }

    pub fn frame(&self) -> ToRunner {
        let manifest = self.manifest.encode().unwrap();
        let signature = sign(&manifest, &self.key);
        ToRunner::Payload {
            manifest,
            signature,
            archive: self.archive.clone(),
        }
    }
}

/// How a run ended, with all its lines.
pub struct Ended {
    pub lines: Vec<Line>,
    pub report: ExitReport,
    pub usage: UsageReport,
}

impl Ended {
    pub fn texts(&self, stream: Stream) -> Vec<&str> {
        self.lines
            .iter()
            .filter(|l| l.stream == stream)
            .map(|l| l.text.as_str())
            .collect()
    }
}

pub struct Runner {
    pub process: Child,
    stdin: Option<ChildStdin>,
    frames: Receiver<FromRunner>,
    work: tempfile::TempDir,
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Runner {
    pub fn start() -> Self {
        Self::start_with_path("/usr/local/bin:/usr/bin:/bin")
    }

    /// One that is not told yet what it serves.
    pub fn start_ahead() -> Self {
        Self::start_as("/usr/local/bin:/usr/bin:/bin", &["--ahead"])
    }

    pub fn start_with_path(path: &str) -> Self {
        Self::start_as(path, &["--target", TARGET])
    }

    fn start_as(path: &str, serves: &[&str]) -> Self {
        let work = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_cronium-runner"));
        command
            .args(["--verify-key", &verify_key()])
            .args(serves)
            .arg("--work")
            .arg(work.path())
            .env("PATH", path);
        let mut runner = Self::of(command, work);
        assert!(matches!(
            runner.next(),
            FromRunner::Hello {
                protocol: 1,
                started: false,
                last_seq: 0
            }
        ));
        runner
    }

    /// Whatever speaks frames, and a directory that lasts as long.
    pub fn of(mut command: Command, work: tempfile::TempDir) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        let mut stdout = process.stdout.take().unwrap();
        let (give, frames) = channel();
        std::thread::spawn(move || {
            let (mut reader, mut buffer) = (FrameReader::default(), vec![0; 64 << 10]);
            while let Ok(n @ 1..) = stdout.read(&mut buffer) {
                reader.push(&buffer[..n]);
                while let Some(frame) = reader.next::<FromRunner>() {
                    if give.send(frame.unwrap()).is_err() {
                        return;
                    }
                }
            }
        });
        Self {
            process,
            stdin,
            frames,
            work,
        }
    }

    pub fn work(&self) -> &Path {
        self.work.path()
    }

    pub fn send(&mut self, frame: ToRunner) {
        self.send_bytes(&frame::encode(&frame).unwrap());
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stdin.as_mut().unwrap().write_all(bytes).unwrap();
    }

    pub fn hang_up(&mut self) {
        self.stdin = None;
    }

    pub fn next(&mut self) -> FromRunner {
        self.frames
            .recv_timeout(PATIENCE)
            .expect("the runner says something")
    }

    /// Frames until one that is looked for.
    pub fn until<T>(&mut self, found: impl Fn(FromRunner) -> Option<T>) -> T {
        loop {
            if let Some(found) = found(self.next()) {
                return found;
            }
        }
    }

    pub fn refusal(&mut self, payload: ToRunner) -> Refusal {
        self.send(payload);
        match self.next() {
            FromRunner::Refused { refusal } => refusal,
            other => panic!("not a refusal: {other:?}"),
        }
    }

    pub fn is_work_empty(&self) -> bool {
        std::fs::read_dir(self.work()).unwrap().next().is_none()
    }

    /// Payload, request, grant.
    pub fn run(&mut self, payload: &Payload) {
        self.send(payload.frame());
        assert_eq!(self.next(), FromRunner::StartRequest);
        self.send(ToRunner::Start { granted: true });
    }

    /// Lines as they come, acknowledged, until one satisfies.
    pub fn line(&mut self, wanted: impl Fn(&Line) -> bool) -> Line {
        loop {
            if let FromRunner::Log { block } = self.next() {
                let block = LogBlock::decode(&block).unwrap();
                self.send(ToRunner::Ack {
                    seq: block.last_seq(),
                });
                if let Some(line) = block.lines.into_iter().find(|l| wanted(l)) {
                    return line;
                }
            }
        }
    }

    /// The next call and its id.
    pub fn call(&mut self) -> (Uuid, Request) {
        self.until(|frame| match frame {
            FromRunner::Call { id, request } => Some((id, runtime::decode(&request).unwrap())),
            _ => None,
        })
    }

    pub fn reply(&mut self, id: Uuid, reply: &Reply) {
        let reply = runtime::encode(reply).unwrap();
        self.send(ToRunner::Reply { id, reply });
    }

    /// Acknowledges everything, until the exit.
    pub fn finish(&mut self) -> Ended {
        self.serve(|request| panic!("nobody answers {request:?}"))
    }

    /// The same, and answers calls.
    pub fn serve(&mut self, mut answer: impl FnMut(Request) -> Reply) -> Ended {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                FromRunner::Call { id, request } => {
                    let reply = answer(runtime::decode(&request).unwrap());
                    self.reply(id, &reply);
                }
                FromRunner::Log { block } => {
                    let block = LogBlock::decode(&block).unwrap();
                    self.send(ToRunner::Ack {
                        seq: block.last_seq(),
                    });
                    lines.extend(block.lines);
                }
                FromRunner::Exit {
                    report,
                    usage,
                    last_seq,
                } => {
                    assert_eq!(lines.last().map_or(last_seq, |l| l.seq), last_seq);
                    return Ended { lines, report, usage };
                }
                _ => {}
            }
        }
    }

    pub fn leave(&mut self) {
        self.send(ToRunner::Bye);
        assert!(self.ended().success());
    }

    pub fn ended(&mut self) -> ExitStatus {
        wait_for("the runner's end", || self.process.try_wait().unwrap())
    }
}

/// Runs a payload to its end and sees the runner leave.
pub fn run(payload: &Payload) -> Ended {
    let mut runner = Runner::start();
    runner.run(payload);
    let ended = runner.finish();
    runner.leave();
    ended
}

pub fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        body: body.into(),
        secrets: Vec::new(),
    }
}

pub fn wait_for<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    let mut condition = condition;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::yield_now();
    }
}

pub fn is_alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
