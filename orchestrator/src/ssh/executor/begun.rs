//! A command that was begun on a server: what it says, and the frames of a runner that it leads to. It must not know
//! servers.

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::frame::{FrameError, FrameReader, FromRunner};
use cronium_protocol::host::TroubleKind;
use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session, Stdio};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::MAX_WORDS;
use super::master::{Held, Master};
use super::noise::Noise;
use crate::executor::{Attached, Tail};
use crate::problem::{ExecutorError, Problem, ServerProblem};
use crate::ssh::trouble::{plain, trouble};

/// Frames that wait for the run: with a full queue the runner itself has to wait.
const QUEUE: usize = 32;
const READ: usize = 64 << 10;
/// What was said in anger comes with the end, or not at all.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why a command was not begun.
#[derive(Debug)]
pub enum NotBegun {
    /// The server begins no more of them on this connection.
    Refused,
    /// The connection is of no use any more; the cause is for the log.
    Broken(String),
}

/// Why a command has not come to its answer.
#[derive(Debug)]
pub enum Unanswered {
    OutOfTime,
    Endless,
    /// Without a code, the connection may have ended.
    Ended {
        code: Option<i32>,
        words: Option<String>,
    },
}

/// A command that runs. Dropped, it has nobody to speak to.
#[derive(Debug)]
pub struct Begun {
    child: Child<Arc<Session>>,
    input: ChildStdin,
    output: ChildStdout,
    grumble: Tail,
    grumbling: AbortOnDropHandle<()>,
    held: Held,
}

/// What a command has said that has ended.
#[derive(Debug)]
pub struct Said {
    pub output: String,
    pub code: Option<i32>,
    pub grumble: Tail,
}

impl Said {
    /// What it said of its trouble.
    pub fn words(&self) -> Option<String> {
        words(&self.grumble, &self.output)
    }
}

/// What is said last in anger is the reason; else what a shell says that is none, which is the first.
fn words(grumble: &Tail, output: &str) -> Option<String> {
    let grumble = grumble.text();
    let last = grumble.lines().rev().find_map(|line| plain(line, MAX_WORDS));
    last.or_else(|| output.lines().find_map(|line| plain(line, MAX_WORDS)))
}

/// Begins a command. It passes the login shell of the server, and so must mean the same to all of them.
pub async fn begin(held: Held, command: &str, until: Instant) -> Result<Begun, NotBegun> {
    let mut words = held.session().arc_raw_command(command);
    words
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match timeout_at(until, words.spawn()).await {
        Ok(Ok(child)) => child,
        Ok(Err(error)) if is_refused(&error) => return Err(NotBegun::Refused),
        Ok(Err(error)) => return Err(NotBegun::Broken(error.to_string())),
        Err(_) => return Err(NotBegun::Broken("it begins no command".into())),
    };
    let pipes = (child.stdin().take(), child.stdout().take(), child.stderr().take());
    let (Some(input), Some(output), Some(errors)) = pipes else {
        return Err(NotBegun::Broken("the command has no pipes".into()));
    };
    let grumble = Tail::default();
    let grumbling = tokio::spawn(listen_to(errors, grumble.clone()));
    Ok(Begun {
        child,
        input,
        output,
        grumble,
        grumbling: AbortOnDropHandle::new(grumbling),
        held,
    })
}

/// What ssh itself answers, where the server has no place for another session. The error's own type has no name here.
fn is_refused(error: &openssh::Error) -> bool {
    let openssh::Error::SshMux(said) = error else {
        return false;
    };
    said.to_string().starts_with("Server refused the request:")
}

async fn listen_to(mut errors: ChildStderr, grumble: Tail) {
    let mut buffer = vec![0; 4096];
    while let Ok(n @ 1..) = errors.read(&mut buffer).await {
        grumble.push(&buffer[..n]);
    }
}

/// Reads to the end, and keeps the first bytes of it.
async fn keep_first(from: &mut (impl AsyncRead + Unpin), kept: &mut Vec<u8>, most: usize) {
    let mut buffer = vec![0; READ];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        let room = most.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..n.min(room)]);
    }
}

async fn code(child: Child<Arc<Session>>) -> Option<i32> {
    match child.wait().await {
        Ok(status) => status.code(),
        // That is how it says 127.
        Err(openssh::Error::Remote(_)) => Some(127),
        Err(_) => None,
    }
}

impl Begun {
    pub fn master(&self) -> &Arc<Master> {
        self.held.master()
    }

    /// It waits no longer.
    pub fn used(&mut self) {
        self.held.wait(false);
    }

    /// Gives it all of its input and listens to its end. Of what it says, the first bytes are kept.
    pub async fn said(self, input: &[u8], most: usize) -> Said {
        let Self {
            child,
            input: mut to,
            mut output,
            grumble,
            grumbling,
            held,
        } = self;
        let mut kept = Vec::new();
        let feeding = async move {
            // That nobody reads it shows in what it says.
            let _ = to.write_all(input).await;
        };
        tokio::join!(feeding, keep_first(&mut output, &mut kept, most));
        let code = code(child).await;
        let _ = timeout(LAST_WORDS, grumbling).await;
        drop(held);
        Said {
            output: String::from_utf8_lossy(&kept).into_owned(),
            code,
            grumble,
        }
    }

    /// Tells it what it waits for, and skips what comes before the mark; gives the bytes that came with it.
    pub async fn greeted(mut self, input: &[u8], until: Instant) -> Result<(Self, Vec<u8>), Unanswered> {
        let mut noise = Noise::default();
        let greeting = async {
            // That nobody reads it shows in what it says.
            let _ = self.input.write_all(input).await;
            let mut buffer = vec![0; READ];
            loop {
                let Ok(n @ 1..) = self.output.read(&mut buffer).await else {
                    return None;
                };
                if let Some(rest) = noise.push(&buffer[..n]) {
                    return Some(rest.to_vec());
                }
                if noise.is_endless() {
                    return None;
                }
            }
        };
        match timeout_at(until, greeting).await {
            Ok(Some(rest)) => Ok((self, rest)),
            Ok(None) if noise.is_endless() => Err(Unanswered::Endless),
            Ok(None) => Err(self.unanswered(&noise, until).await),
            Err(_) => Err(Unanswered::OutOfTime),
        }
    }

    async fn unanswered(self, noise: &Noise, until: Instant) -> Unanswered {
        let code = timeout_at(until, code(self.child)).await.ok().flatten();
        let _ = timeout(LAST_WORDS, self.grumbling).await;
        let words = words(&self.grumble, &noise.first());
        Unanswered::Ended { code, words }
    }

    /// The rest of an answer.
    pub async fn rest(mut self, mut first: Vec<u8>, most: usize) -> String {
        keep_first(&mut self.output, &mut first, most).await;
        String::from_utf8_lossy(&first).into_owned()
    }

    /// The frames of the runner that it leads to, from these bytes on; what is to be dropped when they end is given.
    pub fn into_channel(self, first: Vec<u8>, at_end: impl Send + 'static) -> Attached {
        let Self {
            child,
            input,
            output,
            grumble,
            grumbling,
            held,
        } = self;
        // That was the login shell.
        grumble.clear();
        let (frames_in, frames) = mpsc::channel(QUEUE);
        let (sender, inputs) = mpsc::unbounded_channel();
        let reader = tokio::spawn(async move {
            // Also where nobody listens any more: the place is free first.
            let _belongings = (child, held, at_end);
            read(first, output, frames_in).await;
        });
        let writer = tokio::spawn(write(input, inputs));
        Attached {
            frames,
            input: sender,
            stderr: grumble,
            pumps: vec![
                AbortOnDropHandle::new(reader),
                AbortOnDropHandle::new(writer),
                grumbling,
            ],
        }
    }
}

async fn read(first: Vec<u8>, mut output: ChildStdout, frames: mpsc::Sender<Result<FromRunner, FrameError>>) {
    let mut reader = FrameReader::default();
    reader.push(&first);
    let mut buffer = vec![0; READ];
    loop {
        while let Some(frame) = reader.next() {
            if frames.send(frame).await.is_err() {
                return;
            }
        }
        match output.read(&mut buffer).await {
            Ok(n @ 1..) => reader.push(&buffer[..n]),
            Ok(0) | Err(_) => return,
        }
    }
}

async fn write(mut input: ChildStdin, mut messages: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(message) = messages.recv().await {
        if input.write_all(&message).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

impl From<Unanswered> for ExecutorError {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::OutOfTime => ServerProblem::NoAnswer.into(),
            Unanswered::Endless => trouble(TroubleKind::NoShell, "It writes without end.").into(),
            Unanswered::Ended { code: None, words } => {
                let cause = words.unwrap_or_else(|| "a command ended without a code".into());
                Self::new(Problem::Server(ServerProblem::Cut), cause)
            }
            Unanswered::Ended {
                words: Some(words), ..
            } => ServerProblem::Runner(words).into(),
            Unanswered::Ended { words: None, .. } => ServerProblem::NoAnswer.into(),
        }
    }
}
