//! A shell in a container: a process beside what runs there, with the same rights. With it goes another that ends it
//! and all that it began, as soon as it hears nothing from here any more: the engine itself ends nothing that it was
//! asked to run (moby/moby#9098). It must not know executions.

use std::pin::Pin;
use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use cronium_protocol::terminal::{End, Size};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::line::{Back, CHUNK, HANG_UP_LIMIT, Over};
use super::{failed, no_container};
use crate::clock;
use crate::problem::ExecutorError;

/// For the way to the shell.
const LIMIT: Duration = Duration::from_secs(20);
/// For all that the shell began to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);
// Whoever gave up sooner would leave behind a shell that the engine begins after that.
const _: () = assert!(HANG_UP_LIMIT.as_secs() > LIMIT.as_secs() + CLOSE_LIMIT.as_secs());
/// The engine learns of an end a moment after the output has ended, and tells nobody: so it is asked, so often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
const LOOKS: u32 = 20;
/// For a container that is about to end.
const LAST_LOOKS: u32 = 60;
/// Exit status of what was killed: when a run ends, whatever else is in its container is killed first.
const KILLED: i32 = 128 + 9;
/// Most that is said before what is waited for.
const MAX_SAID: usize = 4096;

const SHELL: &str = include_str!("container/shell.sh");
const KEEP: &str = include_str!("container/keep.sh");
/// In the environment of all processes of a terminal.
const MARK: &str = "CRONIUM_TERMINAL";

/// Runs until the shell ends or nobody is on the other side any more. Dropped, it ends soon after.
pub async fn run(docker: &Docker, container: &str, mut back: Back) -> End {
    let size = *back.size.borrow_and_update();
    // To its end: a shell that is about to begin could not be ended.
    let opened = timeout(LIMIT, Shell::open(docker, container, size)).await;
    let mut shell = match opened {
        Ok(Ok(shell)) => shell,
        Ok(Err(end)) => return end,
        Err(_) => return failed("The shell did not begin in time."),
    };
    back.opened();
    let over = shell.carry(docker, &mut back).await;
    shell.keeper.close().await;
    match over {
        Over::HungUp => End::Closed,
        Over::Ended => ended(docker, container, &shell.exec.id).await,
    }
}

struct Shell {
    exec: Exec,
    keeper: Exec,
}

impl Shell {
    async fn open(docker: &Docker, container: &str, size: Size) -> Result<Self, End> {
        let word = format!("cronium-{}", clock::new_id().simple());
        let mark = format!("{MARK}={word}");
        // First: nothing of the shell is there without somebody to end it.
        let mut keeper = Exec::start(docker, container, &[KEEP, "sh", &mark], None).await?;
        if keeper.line("here").await.is_none() {
            return Err(no_shell(&keeper.said));
        }
        let environment = [mark.as_str(), "TERM=xterm-256color", "LANG=C.UTF-8"];
        let mut exec = Exec::start(docker, container, &[SHELL, "sh", &word], Some(&environment)).await?;
        let Some(process) = exec.line(&word).await else {
            return Err(no_shell(&exec.said));
        };
        keeper.write(format!("{}\n", process.trim()).as_bytes()).await?;
        // A terminal has a size only once it is there.
        exec.resize(docker, size).await?;
        exec.write(b"go\n").await?;
        match exec.line(&word).await {
            Some(_) => Ok(Self { exec, keeper }),
            None => Err(no_shell(&exec.said)),
        }
    }

    /// Both ways, until either side ends.
    async fn carry(&mut self, docker: &Docker, back: &mut Back) -> Over {
        let Exec {
            id,
            said,
            output,
            input: keyboard,
        } = &mut self.exec;
        let Back {
            output: shown,
            input,
            typed,
            size,
            ..
        } = back;
        let show = async {
            let mut next = Some(std::mem::take(said));
            loop {
                let Some(bytes) = (match next.take() {
                    Some(first) => Some(first),
                    None => chunk(output).await,
                }) else {
                    return Over::Ended;
                };
                for chunk in bytes.chunks(CHUNK) {
                    if shown.send(chunk.to_vec()).await.is_err() {
                        return Over::HungUp;
                    }
                }
            }
        };
        let take = async {
            while let Some((number, data)) = input.recv().await {
                if write(keyboard, &data).await.is_err() {
                    // It has ended, which its output tells.
                    std::future::pending::<()>().await;
                }
                typed.send_replace(number);
            }
            Over::HungUp
        };
        let resize = async {
            while size.changed().await.is_ok() {
                let size = *size.borrow_and_update();
                if let Err(error) = docker.resize_exec(id, resized(size)).await {
                    tracing::debug!(%error, "a terminal's size can't be changed");
                }
            }
            Over::HungUp
        };
        tokio::select! {
            biased;
            over = take => over,
            over = resize => over,
            over = show => over,
        }
    }
}

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, DockerError>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// A process of ours in a container. Dropped, its input ends.
struct Exec {
    id: String,
    /// What it has said and nobody has read.
    said: Vec<u8>,
    output: Output,
    input: Input,
}

impl Exec {
    /// `sh` with a script and its arguments; with an environment of its own it has a terminal.
    async fn start(
        docker: &Docker,
        container: &str,
        script: &[&str],
        environment: Option<&[&str]>,
    ) -> Result<Self, End> {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(environment.is_some()),
            env: environment.map(words),
            cmd: Some(words(&[["/bin/sh", "-c"].as_slice(), script].concat())),
            ..Default::default()
        };
        let made = docker.create_exec(container, options).await.map_err(refused)?;
        // Not the terminal's plain bytes, which begin with anything: in frames, so that they can't be taken for frames.
        let options = StartExecOptions {
            detach: false,
            tty: false,
            output_capacity: None,
        };
        let started = docker.start_exec(&made.id, Some(options)).await;
        match started.map_err(refused)? {
            StartExecResults::Attached { output, input } => Ok(Self {
                id: made.id,
                said: Vec::new(),
                output,
                input,
            }),
            StartExecResults::Detached => Err(failed("The container engine runs the shell without us.")),
        }
    }

    /// Reads to the end of the line that begins with this word, and gives what follows the word; None: there is none.
    async fn line(&mut self, word: &str) -> Option<String> {
        loop {
            if let Some((rest, line)) = found(&self.said, word) {
                self.said.drain(..rest);
                return Some(line);
            }
            if self.said.len() > MAX_SAID {
                return None;
            }
            self.said.extend(chunk(&mut self.output).await?);
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        let written = write(&mut self.input, bytes).await;
        written.map_err(|error| {
            tracing::warn!(%error, "a shell in a container takes nothing");
            failed("The container engine ended the shell; the orchestrator's log says why.")
        })
    }

    async fn resize(&mut self, docker: &Docker, size: Size) -> Result<(), End> {
        docker.resize_exec(&self.id, resized(size)).await.map_err(refused)
    }

    /// Ends its input, and waits until it has ended.
    async fn close(&mut self) {
        let closed = async {
            let _ = self.input.shutdown().await;
            while chunk(&mut self.output).await.is_some() {}
        };
        if timeout(CLOSE_LIMIT, closed).await.is_err() {
            tracing::warn!("the processes of a terminal in a container did not end in time");
        }
    }
}

async fn chunk(output: &mut Output) -> Option<Vec<u8>> {
    match output.next().await? {
        Ok(more) => Some(more.into_bytes().to_vec()),
        Err(error) => {
            tracing::debug!(%error, "the output of a process in a container has ended");
            None
        }
    }
}

async fn write(input: &mut Input, bytes: &[u8]) -> std::io::Result<()> {
    input.write_all(bytes).await?;
    input.flush().await
}

fn resized(size: Size) -> ResizeExecOptions {
    ResizeExecOptions {
        height: size.rows,
        width: size.columns,
    }
}

/// What follows the word in the line that begins with it, and where that line ends.
fn found(said: &[u8], word: &str) -> Option<(usize, String)> {
    let mut end = 0;
    for line in said.split_inclusive(|byte| *byte == b'\n') {
        end += line.len();
        if let Some(rest) = line.strip_prefix(word.as_bytes())
            && line.ends_with(b"\n")
        {
            return Some((end, String::from_utf8_lossy(rest).trim().to_owned()));
        }
    }
    None
}

/// How the shell ended, or its container.
async fn ended(docker: &Docker, container: &str, exec: &str) -> End {
    let code = exit_status(docker, exec).await;
    let looks = if code == Some(KILLED) { LAST_LOOKS } else { 1 };
    for n in 0..looks {
        if n > 0 {
            sleep(LOOK_EVERY).await;
        }
        let found = docker.inspect_container(container, None).await;
        let state = found.ok().and_then(|found| found.state);
        if state.is_none_or(|state| state.running != Some(true)) {
            return no_container("The run has ended, and its container with it.");
        }
    }
    End::Exited { code }
}

async fn exit_status(docker: &Docker, exec: &str) -> Option<i32> {
    for _ in 0..LOOKS {
        let found = docker.inspect_exec(exec).await.ok()?;
        if found.running != Some(true) {
            return found.exit_code.and_then(|code| i32::try_from(code).ok());
        }
        sleep(LOOK_EVERY).await;
    }
    None
}

fn refused(error: DockerError) -> End {
    match error {
        DockerError::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        } => no_container("The run's container is not there yet, or not any more."),
        error => {
            let error = ExecutorError::from(error);
            tracing::warn!(%error, cause = error.cause(), "a shell in a container can't be started");
            failed(&error.to_string())
        }
    }
}

/// Why there is none, by what was said in its place.
fn no_shell(said: &[u8]) -> End {
    let said = String::from_utf8_lossy(said).trim().to_owned();
    if said.contains("no such file or directory") || said.contains("executable file not found") {
        return no_container("The image of this run has no shell: /bin/sh is not there.");
    }
    tracing::warn!(said, "a shell in a container did not begin");
    no_container(
        "The shell did not begin: the container may have ended, or have no room for another process.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_by_its_word_and_what_follows_stays() {
        let said = b"noise\r\nnot word 7\r\nword 12\r\n$ prompt";
        let (end, rest) = found(said, "word").unwrap();
        assert_eq!(rest, "12");
        assert_eq!(&said[end..], b"$ prompt");
        assert_eq!(found(b"word 12", "word"), None, "it may go on");
        assert_eq!(found(b"a word 12\n", "word"), None);
        assert_eq!(found(b"", "word"), None);
    }

    #[test]
    fn an_image_without_a_shell_is_called_so() {
        let engine =
            b"OCI runtime exec failed: exec failed: unable to start container process: exec: \"/bin/sh\": \
                       stat /bin/sh: no such file or directory: unknown\r\n";
        for (said, word) in [
            (engine.as_slice(), "/bin/sh is not there"),
            (b"".as_slice(), "did not begin"),
        ] {
            match no_shell(said) {
                End::NoContainer { told } => assert!(told.contains(word), "{told}"),
                other => panic!("{other:?}"),
            }
        }
    }
}
