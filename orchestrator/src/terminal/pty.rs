//! A program with a terminal of this machine. What it shows and what is typed go through threads of their own, because
//! a terminal is read and written by waiting for it; a thread that has nowhere to put what it read reads no more. It
//! must not know what the program is.

use std::io::{self, Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cronium_protocol::terminal::Size;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::line::CHUNK;

/// A program that has shown everything ends at once, and so does one that was killed.
const EXIT_LIMIT: Duration = Duration::from_secs(2);
const KILL_LIMIT: Duration = Duration::from_secs(5);
const STACK: usize = 128 << 10;

/// The program has ended: it takes nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the program has ended")]
pub struct Gone;

/// What is typed.
#[derive(Debug)]
pub struct Keyboard {
    pieces: mpsc::Sender<Vec<u8>>,
    done: mpsc::Receiver<()>,
}

impl Keyboard {
    /// Types it; done when the terminal has all of it.
    pub async fn write(&mut self, data: Vec<u8>) -> Result<(), Gone> {
        self.pieces.send(data).await.map_err(|_| Gone)?;
        self.done.recv().await.ok_or(Gone)
    }
}

/// How the terminal is told how large it is, and what is known of it.
pub struct Screen(Mutex<Box<dyn MasterPty + Send>>);

impl Screen {
    /// The program hears of it by a signal.
    pub fn resize(&self, size: Size) {
        let screen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = screen.resize(pty_size(size)) {
            tracing::debug!(%error, "a terminal's size can't be changed");
        }
    }

    /// Whether the program takes what is typed as it comes, and not in lines that the terminal has shown.
    pub fn is_raw(&self) -> bool {
        let screen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let modes = screen.get_termios();
        modes.is_some_and(|modes| modes.local_flags.bits() & libc::ICANON == 0)
    }
}

/// A running program; dropped, it is killed with all that it began.
pub struct Pty {
    process: Arc<Process>,
    /// Closed at the end.
    pub output: mpsc::Receiver<Vec<u8>>,
    pub keyboard: Keyboard,
    pub screen: Screen,
    ended: oneshot::Receiver<Option<i32>>,
}

impl Pty {
    /// Starts it with its arguments, its directory, and no other environment than is set for it. It leads a session,
    /// and so a process group, of its own.
    pub fn start(command: &Command, size: Size) -> io::Result<Self> {
        let pair = native_pty_system()
            .openpty(pty_size(size))
            .map_err(io::Error::other)?;
        let reader = pair.master.try_clone_reader().map_err(io::Error::other)?;
        let writer = pair.master.take_writer().map_err(io::Error::other)?;
        let child = pair
            .slave
            .spawn_command(builder(command))
            .map_err(io::Error::other)?;
        // Its end shows only when nobody else has it open.
        drop(pair.slave);
        let process = Arc::new(Process::of(child.as_ref())?);
        let (output_in, output) = mpsc::channel(1);
        let (pieces, pieces_out) = mpsc::channel(1);
        let (done_in, done) = mpsc::channel(1);
        let (ended_in, ended) = oneshot::channel();
        // Made first: where a thread can't be, dropping it ends the program.
        let pty = Self {
            process: process.clone(),
            output,
            keyboard: Keyboard { pieces, done },
            screen: Screen(Mutex::new(pair.master)),
            ended,
        };
        spawn("terminal-out", move || {
            read(reader, &output_in);
            drop(output_in);
            // Whoever is interested may have gone.
            let _ = ended_in.send(process.wait(child));
        })?;
        spawn("terminal-in", move || write(writer, pieces_out, &done_in))?;
        Ok(pty)
    }

    /// Ends it with all that it began; its exit status, if it had ended by itself.
    pub async fn end(mut self) -> Option<i32> {
        let is_at_its_end = self.output.is_closed() && self.output.is_empty();
        self.output.close();
        if is_at_its_end && let Ok(ended) = timeout(EXIT_LIMIT, &mut self.ended).await {
            return ended.ok().flatten();
        }
        self.process.kill();
        match timeout(KILL_LIMIT, &mut self.ended).await {
            Ok(ended) => ended.ok().flatten(),
            Err(_) => None,
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Before anything else of it: a terminal whose keyboard goes is told that its input ends, and the program must
        // not take that for something that was typed.
        self.process.kill();
    }
}

fn pty_size(size: Size) -> PtySize {
    PtySize {
        rows: size.rows,
        cols: size.columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn builder(command: &Command) -> CommandBuilder {
    let program = std::iter::once(command.get_program());
    let all = program.chain(command.get_args());
    let mut builder = CommandBuilder::from_argv(all.map(ToOwned::to_owned).collect());
    builder.env_clear();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            builder.env(name, value);
        }
    }
    if let Some(dir) = command.get_current_dir() {
        builder.cwd(dir);
    }
    builder
}

/// A thread with a small stack.
fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder.stack_size(STACK).spawn(body).map(drop)
}

fn read(mut terminal: Box<dyn Read + Send>, to: &mpsc::Sender<Vec<u8>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match terminal.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) => {
                if to.blocking_send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn write(mut terminal: Box<dyn Write + Send>, mut from: mpsc::Receiver<Vec<u8>>, done: &mpsc::Sender<()>) {
    while let Some(piece) = from.blocking_recv() {
        let written = terminal.write_all(&piece).and_then(|()| terminal.flush());
        if written.is_err() || done.blocking_send(()).is_err() {
            return;
        }
    }
}

/// A process group by the number of its leader, which is its own until it has been waited for.
#[derive(Debug)]
struct Process {
    id: Pid,
    is_gone: Mutex<bool>,
}

impl Process {
    fn of(child: &(dyn Child + Send + Sync)) -> io::Result<Self> {
        let id = child.process_id().and_then(|id| i32::try_from(id).ok());
        let id = id.ok_or_else(|| io::Error::other("a process without a number"))?;
        Ok(Self {
            id: Pid::from_raw(id),
            is_gone: Mutex::new(false),
        })
    }

    fn kill(&self) {
        let is_gone = self.is_gone.lock().unwrap_or_else(PoisonError::into_inner);
        if !*is_gone {
            let _ = killpg(self.id, Signal::SIGKILL);
        }
    }

    /// Waits for its end, and ends what it leaves in its group. None: it was killed.
    fn wait(&self, mut child: Box<dyn Child + Send + Sync>) -> Option<i32> {
        // It keeps its number until it is waited for once more.
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(self.id), look) == Err(Errno::EINTR) {}
        let mut is_gone = self.is_gone.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = killpg(self.id, Signal::SIGKILL);
        let status = child.wait();
        *is_gone = true;
        let status = status.ok().filter(|status| status.signal().is_none())?;
        i32::try_from(status.exit_code()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env("PATH", "/usr/bin:/bin");
        command
    }

    const SIZE: Size = Size {
        columns: 101,
        rows: 31,
    };

    async fn until(pty: &mut Pty, text: &str) -> String {
        let mut shown = String::new();
        while !shown.contains(text) {
            let next = timeout(Duration::from_secs(20), pty.output.recv()).await;
            let chunk = next
                .expect("in time")
                .unwrap_or_else(|| panic!("no {text:?} in {shown:?}"));
            shown += &String::from_utf8_lossy(&chunk);
        }
        shown
    }

    #[tokio::test]
    async fn a_program_has_a_terminal_of_this_size_and_its_exit_status_is_kept() {
        let script = "stty size; tty; read -r line; echo got $line; exit 7";
        let mut pty = Pty::start(&shell(script), SIZE).unwrap();
        let shown = until(&mut pty, "/dev/pts/").await;
        assert!(shown.contains("31 101"), "{shown}");
        pty.keyboard.write(b"it\n".to_vec()).await.unwrap();
        until(&mut pty, "got it").await;
        while pty.output.recv().await.is_some() {}
        assert_eq!(pty.end().await, Some(7));
    }

    #[tokio::test]
    async fn it_hears_of_a_new_size() {
        let script = "trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done";
        let mut pty = Pty::start(&shell(script), SIZE).unwrap();
        until(&mut pty, "up").await;
        pty.screen.resize(Size {
            columns: 77,
            rows: 11,
        });
        until(&mut pty, "11 77").await;
    }

    #[tokio::test]
    async fn it_is_known_whether_a_program_takes_keys_or_lines() {
        let script = "echo up; read -r line; stty raw; echo down; sleep 600";
        let mut pty = Pty::start(&shell(script), SIZE).unwrap();
        until(&mut pty, "up").await;
        assert!(!pty.screen.is_raw());
        pty.keyboard.write(b"\n".to_vec()).await.unwrap();
        until(&mut pty, "down").await;
        assert!(pty.screen.is_raw());
    }

    #[tokio::test]
    async fn it_sees_nothing_of_our_environment() {
        let mut pty = Pty::start(&shell("env; echo done"), SIZE).unwrap();
        let shown = until(&mut pty, "done").await;
        assert!(
            shown.contains("PATH=/usr/bin:/bin") && !shown.contains("CARGO"),
            "{shown}"
        );
    }

    #[tokio::test]
    async fn one_that_is_ended_is_killed_with_what_it_began() {
        let script = "trap '' HUP TERM; sleep 600 & echo $! is up; read -r line";
        let mut pty = Pty::start(&shell(script), SIZE).unwrap();
        let shown = until(&mut pty, " is up").await;
        let child: i32 = shown.split(' ').next().unwrap().trim().parse().unwrap();
        let leader = pty.process.clone();
        assert_eq!(pty.end().await, None);
        assert!(*leader.is_gone.lock().unwrap());
        let gone = async {
            // Its new parent waits for it when it likes.
            let lives = |stat: String| !stat.contains(") Z ");
            while std::fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(lives) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_takes_is_not_read_and_what_it_does_not_take_is_not_typed() {
        let mut pty = Pty::start(&shell("stty raw -echo; echo up; yes; sleep 600"), SIZE).unwrap();
        until(&mut pty, "up").await;
        let piece = vec![b'x'; 1 << 20];
        let typed = timeout(Duration::from_millis(300), pty.keyboard.write(piece)).await;
        assert!(typed.is_err(), "nobody reads it");
        // Dropped, nothing of it is stuck: its end is soon seen by whoever waits for it.
        let leader = pty.process.clone();
        drop(pty);
        let gone = async {
            while !*leader.is_gone.lock().unwrap() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(20), gone).await.unwrap();
    }
}
