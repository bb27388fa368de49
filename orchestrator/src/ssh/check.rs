//! Signs in on a server and looks around: a shell is started by a command that never changes, and gets what it is to
//! do over its input. It must not know how connections are laid out.

use std::process::Stdio;
use std::time::Duration;

use cronium_protocol::host::{HostFigures, HostSpec, HostTrouble, TroubleKind};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Take};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::{Instant, timeout, timeout_at};

use super::Ssh;
use super::figures;
use super::process::Group;
use super::route::{Route, ours};
use super::trouble::{Ending, trouble};
use crate::clock;

/// For all of it.
const LIMIT: Duration = Duration::from_secs(20);
/// For the figures: one that is stuck, as that of a file system may be, keeps the others from nobody.
const FIGURES_LIMIT: Duration = Duration::from_secs(5);
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
const MAX_SAID: u64 = 64 << 10;

/// Whatever the login shell is, it gives way to the one that the script is for.
pub const SHELL: &str = "exec /bin/sh -s";

/// What the server says of itself.
pub async fn check(ssh: &Ssh, host: &HostSpec) -> Result<HostFigures, HostTrouble> {
    let until = Instant::now() + LIMIT;
    let mut route = Route::to(ssh, host)?;
    route.try_keys(until).await?;
    let mut shell = Shell::open(&mut route)?;
    let greeted = timeout_at(until, shell.greet()).await;
    let Ok(Some(latency)) = greeted else {
        let ending = if greeted.is_err() {
            Ending::OutOfTime
        } else {
            Ending::Itself
        };
        let said = shell.last_words();
        shell.group.end().await;
        let found = route.trouble(ending);
        return Err(match (found.kind, said) {
            (TroubleKind::NoShell, Some(said)) => trouble(TroubleKind::NoShell, said),
            _ => found,
        });
    };
    let mut said = Vec::new();
    let figures_until = until.min(Instant::now() + FIGURES_LIMIT);
    // What was said in time counts.
    let _ = timeout_at(figures_until, shell.figures(&mut said)).await;
    shell.close().await;
    let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    Ok(figures::read(said.iter().map(String::as_str), latency_us))
}

/// A shell on a server.
struct Shell {
    input: ChildStdin,
    output: BufReader<Take<ChildStdout>>,
    /// What nobody can have put into a greeting.
    marker: String,
    /// The first that was said before the marker.
    greeting: Option<String>,
    group: Group,
}

impl Shell {
    fn open(route: &mut Route<'_>) -> Result<Self, HostTrouble> {
        let mut command = route.ssh(&[]);
        command.arg(SHELL).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut group = route.start(&mut command)?;
        let (Some(input), Some(output)) = (group.stdin(), group.stdout()) else {
            return Err(ours(std::io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Self {
            input,
            output: BufReader::new(output.take(MAX_SAID)),
            marker: format!("cronium-{}", clock::new_id().simple()),
            greeting: None,
            group,
        })
    }

    /// The time from asking to the answer of a shell that is there; None: there is none. What files of the login shell
    /// print comes before the first answer, and ends in the middle of a line for all we know.
    async fn greet(&mut self) -> Option<Duration> {
        self.echo(1).await;
        self.until(1, &mut None).await?;
        let asked = Instant::now();
        self.echo(2).await;
        self.until(2, &mut None).await?;
        Some(asked.elapsed())
    }

    async fn figures(&mut self, said: &mut Vec<String>) {
        self.write(figures::SCRIPT).await;
        self.echo(3).await;
        self.until(3, &mut Some(said)).await;
    }

    async fn echo(&mut self, number: u32) {
        let ask = format!("echo; echo {}-{number}\n", self.marker);
        self.write(&ask).await;
    }

    /// That nobody reads it shows when nothing comes back.
    async fn write(&mut self, text: &str) {
        let _ = self.input.write_all(text.as_bytes()).await;
        let _ = self.input.flush().await;
    }

    /// Reads up to the answer with this number; None: the output has ended before, or had no end.
    async fn until(&mut self, number: u32, said: &mut Option<&mut Vec<String>>) -> Option<()> {
        let wanted = format!("{}-{number}", self.marker);
        loop {
            let line = self.line().await?;
            if line == wanted {
                return Some(());
            }
            if let Some(said) = said {
                said.push(line);
            } else if self.greeting.is_none() && !line.trim().is_empty() {
                self.greeting = Some(line);
            }
        }
    }

    async fn line(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        let n = self.output.read_until(b'\n', &mut bytes).await.ok()?;
        (n > 0).then(|| {
            String::from_utf8_lossy(&bytes)
                .trim_end_matches(['\r', '\n'])
                .to_owned()
        })
    }

    /// What is there to say of a shell that did not answer.
    fn last_words(&mut self) -> Option<String> {
        if self.output.get_ref().limit() == 0 {
            return Some("It writes without end.".to_owned());
        }
        self.greeting.take()
    }

    /// Lets it end by itself, so that the server sees a connection that is over, not one that broke.
    async fn close(self) {
        let Self {
            input,
            mut output,
            group,
            ..
        } = self;
        drop(input);
        let mut nowhere = tokio::io::sink();
        let _ = timeout(CLOSE_LIMIT, tokio::io::copy(&mut output, &mut nowhere)).await;
        group.end().await;
    }
}
