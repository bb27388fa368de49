//! The channel of a detached runner: whoever knows the token and connects last is spoken to. A connection that ends is no
//! end of the run. Knows frames and the hub, nothing of what is said.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cronium_protocol::frame::FrameReader;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::{TOKEN_BYTES, Token};
use crate::io_threads::{Input, READ, give_frames, spawn};

/// Who connects says the token at once.
const GREETING: Duration = Duration::from_secs(1);

/// The connection that is spoken to.
#[derive(Debug, Default)]
pub struct Line {
    present: Mutex<Option<Arc<UnixStream>>>,
    connected: Condvar,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<UnixStream>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Speaks to this one from now on. A write to the one before fails, so that it does not wait for ever.
    fn take(&self, stream: Arc<UnixStream>) {
        if let Some(old) = self.lock().replace(stream) {
            drop(old.shutdown(Shutdown::Both));
        }
        self.connected.notify_all();
    }

    fn end(&self, stream: &Arc<UnixStream>) {
        drop(stream.shutdown(Shutdown::Both));
        let mut present = self.lock();
        if present
            .as_ref()
            .is_some_and(|present| Arc::ptr_eq(present, stream))
        {
            *present = None;
        }
    }

    /// Waits for somebody to speak to. What can't be written is dropped: the next one resumes.
    pub fn write(&self, bytes: &[u8]) {
        let present = self
            .connected
            .wait_while(self.lock(), |present| present.is_none())
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(stream) = present
            && (&*stream).write_all(bytes).is_err()
        {
            self.end(&stream);
        }
    }

    /// Listens to whoever connects, one at a time.
    pub fn listen(
        self: Arc<Self>,
        listener: UnixListener,
        token: Token,
        to: SyncSender<Input>,
    ) -> io::Result<()> {
        spawn("frames-in", move || {
            let mut buffer = vec![0; READ];
            let mut present: Option<(Arc<UnixStream>, FrameReader)> = None;
            loop {
                match next(&listener, present.as_ref().map(|(stream, _)| stream.as_ref())) {
                    Next::Guest => {
                        if let Some(stream) = greeted(&listener, &token) {
                            self.take(Arc::clone(&stream));
                            present = Some((stream, FrameReader::default()));
                        }
                    }
                    Next::Words => {
                        let Some((stream, frames)) = &mut present else {
                            continue;
                        };
                        match (&**stream).read(&mut buffer) {
                            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                            Ok(0) | Err(_) => {
                                self.end(stream);
                                present = None;
                            }
                            Ok(n) => {
                                frames.push(&buffer[..n]);
                                if give_frames(frames, &to).is_err() {
                                    return;
                                }
                            }
                        }
                    }
                }
            }
        })
    }
}

enum Next {
    Guest,
    Words,
}

fn next(listener: &UnixListener, present: Option<&UnixStream>) -> Next {
    loop {
        let mut fds = vec![PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        fds.extend(present.map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, PollTimeout::NONE) {
            // First: a guest who knows no token must not keep a cancellation waiting.
            Ok(_) if fds.get(1).is_some_and(|fd| fd.any().unwrap_or(true)) => return Next::Words,
            Ok(_) => return Next::Guest,
            Err(Errno::EINTR) => {}
            // Out of memory for a moment, at worst.
            Err(_) => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// The connection, if it knows the token: other programs of our user can find the socket too.
fn greeted(listener: &UnixListener, token: &Token) -> Option<Arc<UnixStream>> {
    let Ok((mut stream, _)) = listener.accept() else {
        // Out of descriptors, for example: they come back when a connection ends.
        std::thread::sleep(Duration::from_millis(50));
        return None;
    };
    let until = Instant::now() + GREETING;
    let mut said = [0; TOKEN_BYTES];
    let mut known = 0;
    while known < TOKEN_BYTES {
        let left = until.saturating_duration_since(Instant::now());
        // No time at all is an error.
        stream.set_read_timeout(Some(left)).ok()?;
        match stream.read(&mut said[known..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return None,
            Ok(n) => known += n,
        }
    }
    let differences = said.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    if differences != 0 {
        return None;
    }
    stream.set_read_timeout(None).ok()?;
    Some(Arc::new(stream))
}
