//! The threads that wait on files: frames in, frames out, signals, and one for each pipe of user code.
//! All are made before user code starts, so that its process limit can't starve them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;

use cronium_protocol::frame::{self, FrameReader, FromRunner, ToRunner};
use cronium_protocol::log::Stream;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::clock;
use crate::hub::Hub;
use crate::lines::LineCutter;
use cronium_protocol::masks::Masks;

/// So much is read at once.
pub const READ: usize = 64 << 10;
/// How soon a reader notices that it should stop though its pipe is held open.
const STOP_CHECK_MS: u16 = 50;

/// What wakes the main loop.
#[derive(Debug)]
pub enum Input {
    Frame(ToRunner),
    /// The orchestrator closed our stdin for good.
    Eof,
    Terminate,
    ChildChanged,
    PipeEnded,
}

/// A pipe of user code and the longest line that is kept of it.
#[derive(Debug)]
pub struct Pipe {
    pub fd: OwnedFd,
    pub line_bytes: usize,
}

/// A thread with a small stack.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name(name.into())
        .stack_size(256 << 10)
        .spawn(body)
        .map(drop)
}

/// Nobody takes inputs any more.
#[derive(Debug)]
pub struct Over;

/// Passes on what is whole; damaged frames are skipped.
pub fn give_frames(frames: &mut FrameReader, to: &SyncSender<Input>) -> Result<(), Over> {
    while let Some(frame) = frames.next::<ToRunner>() {
        if frame.is_ok_and(|frame| to.send(Input::Frame(frame)).is_err()) {
            return Err(Over);
        }
    }
    Ok(())
}

/// Reads frames from standard input.
pub fn read_frames(to: SyncSender<Input>) -> io::Result<()> {
    let mut stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    spawn("frames-in", move || {
        let mut frames = FrameReader::default();
        let mut buffer = vec![0; READ];
        loop {
            match stdin.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => frames.push(&buffer[..n]),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            if give_frames(&mut frames, &to).is_err() {
                return;
            }
        }
        drop(to.send(Input::Eof));
    })
}

/// Writes to standard output. A reader that is gone shows as an error; the next one resumes.
pub fn to_stdout() -> io::Result<impl FnMut(&[u8]) + Send + 'static> {
    let mut stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    Ok(move |bytes: &[u8]| drop(stdout.write_all(bytes)))
}

/// Writes what the hub has to say.
pub fn write_frames(hub: Arc<Hub>, mut write: impl FnMut(&[u8]) + Send + 'static) -> io::Result<()> {
    spawn("frames-out", move || {
        loop {
            let message = hub.next();
            let Ok(mut bytes) = frame::encode(&message) else {
                continue;
            };
            if matches!(message, FromRunner::Hello { .. }) {
                // Ends whatever half frame an earlier reader left in the stream.
                bytes.insert(0, 0);
            }
            write(&bytes);
        }
    })
}

/// Turns signals into inputs. Handlers, not a mask: a mask would be inherited by user code.
pub fn watch_signals(to: SyncSender<Input>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGCHLD])?;
    spawn("signals", move || {
        for signal in signals.forever() {
            let input = if signal == SIGCHLD {
                Input::ChildChanged
            } else {
                Input::Terminate
            };
            if to.send(input).is_err() {
                return;
            }
        }
    })
}

/// A thread that waits for its pipe, then reads it to its end or until `stop`.
pub fn read_pipe(
    stream: Stream,
    hub: Arc<Hub>,
    masks: Arc<Masks>,
    stop: Arc<AtomicBool>,
    to: SyncSender<Input>,
) -> io::Result<Sender<Pipe>> {
    let (give, take): (Sender<Pipe>, Receiver<Pipe>) = channel();
    spawn("pipe", move || {
        let Ok(pipe) = take.recv() else { return };
        let mut cutter = LineCutter::new(pipe.line_bytes);
        let mut file = File::from(pipe.fd);
        let mut buffer = vec![0; READ];
        let mut masked = 0;
        while let Some(n) = read_or_stop(&mut file, &mut buffer, &stop) {
            let at = clock::wall_us();
            // After the read: a secret that is in these bytes was learnt before they were written.
            let version = masks.version();
            if version != masked {
                masked = version;
                cutter.mask(masks.masker());
            }
            cutter.feed(&buffer[..n], |cut| hub.line(stream, at, cut));
        }
        if let Some(cut) = cutter.finish() {
            hub.line(stream, clock::wall_us(), cut);
        }
        drop(to.send(Input::PipeEnded));
    })?;
    Ok(give)
}

fn read_or_stop(file: &mut File, buffer: &mut [u8], stop: &AtomicBool) -> Option<usize> {
    while !stop.load(Ordering::Acquire) {
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(STOP_CHECK_MS)) {
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => match file.read(buffer) {
                Ok(0) => return None,
                Ok(n) => return Some(n),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return None,
            },
            Err(_) => return None,
        }
    }
    None
}
