//! The runtime socket: what a script calls while it runs. Lines and output are the runner's own business, because it
//! numbers the lines and masks both; everything else is carried to the server. Knows no variable and no event.

mod http;
mod local;

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cronium_protocol::runtime::{MAX_BODY, PREFIX, Reply};

use crate::hub::Hub;
use cronium_protocol::masks::Masks;
use http::{Answer, Connection, Head, Problem};

/// Name of the socket in the work directory; no payload may bring it along.
pub const SOCKET_FILE: &str = ".cronium.sock";
/// Connections that are served at a time; others wait. Made before user code, so that its process limit can't starve
/// them.
const WORKERS: usize = 8;
/// Bytes of bodies that are held at a time.
const MEMORY: usize = MAX_BODY + (1 << 20);
/// A client that says or takes nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(30);

/// What calls are served with.
#[derive(Debug)]
pub struct Desk {
    pub hub: Arc<Hub>,
    pub masks: Arc<Masks>,
    pub work: PathBuf,
    pub line_bytes: usize,
}

/// The threads that serve calls: they wait for a desk.
#[derive(Debug)]
pub struct Workers(Vec<Sender<Place>>);

/// Where a thread serves, for whom, and what all of them hold together.
type Place = (UnixListener, Arc<Desk>, Arc<Room>);

impl Workers {
    /// Made before there is a payload, whose start would wait for them.
    pub fn hire() -> io::Result<Self> {
        let hire = |_| {
            let (give, take) = channel::<Place>();
            let worker = thread::Builder::new().name("calls".into()).stack_size(256 << 10);
            worker.spawn(move || {
                let Ok((listener, desk, room)) = take.recv() else {
                    return;
                };
                loop {
                    match listener.accept() {
                        Ok((stream, _)) => desk.serve(stream, &room),
                        // Out of descriptors, for example: user code may close some.
                        Err(_) => thread::sleep(Duration::from_millis(50)),
                    }
                }
            })?;
            Ok(give)
        };
        (0..WORKERS).map(hire).collect::<io::Result<_>>().map(Self)
    }

    /// Serves calls at the socket in the work directory.
    pub fn open(&self, desk: Desk) -> io::Result<()> {
        let path = desk.work.join(SOCKET_FILE);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let (desk, room) = (Arc::new(desk), Arc::new(Room::new(MEMORY)));
        for worker in &self.0 {
            let place = (listener.try_clone()?, Arc::clone(&desk), Arc::clone(&room));
            worker
                .send(place)
                .map_err(|_| io::Error::other("a worker is gone"))?;
        }
        Ok(())
    }
}

impl Desk {
    fn serve(&self, stream: UnixStream, room: &Room) {
        // A client without patience ends its call, not the run.
        let silence = Some(SILENCE);
        if stream.set_read_timeout(silence).is_err() || stream.set_write_timeout(silence).is_err() {
            return;
        }
        let mut connection = Connection::new(stream);
        let head = connection.head();
        let _held = head.as_ref().map(|head| room.take(head.length));
        let answer = head.and_then(|head| {
            let body = connection.body(&head)?;
            Ok(self.answer(head, body))
        });
        match answer {
            Ok(answer) => drop(connection.answer(&answer)),
            Err(Problem::Refused(answer)) => {
                if connection.answer(&answer).is_ok() {
                    connection.throw_away();
                }
            }
            Err(Problem::Gone) => {}
        }
    }

    fn answer(&self, head: Head, body: Vec<u8>) -> Answer {
        let Some(call) = head.path.strip_prefix(PREFIX) else {
            return Answer::error(404, "NOT_FOUND", "paths begin with /runtime/v1");
        };
        match (head.method.as_str(), call) {
            ("PUT", "/output") => local::output(&self.work, body),
            ("POST", "/log") => local::log(self, &body),
            _ => self.carry(head, body),
        }
    }

    fn carry(&self, head: Head, body: Vec<u8>) -> Answer {
        let Ok(reply) = self.hub.call(head.method, head.path, body) else {
            let message = "calls are not carried now, or the run is ending";
            return Answer::error(503, "UNAVAILABLE", message);
        };
        let Reply {
            status,
            body,
            secrets,
        } = reply;
        // Before the script hears of them.
        if let Err(problem) = self.masks.learn(secrets.iter().map(String::as_str)) {
            return Answer::error(403, "FORBIDDEN", &problem.to_string());
        }
        Answer { status, body }
    }
}

/// Bytes that may be held at a time: who finds no room waits.
#[derive(Debug)]
struct Room {
    free: Mutex<usize>,
    freed: Condvar,
}

struct Held<'a> {
    room: &'a Room,
    bytes: usize,
}

impl Room {
    fn new(bytes: usize) -> Self {
        Self {
            free: Mutex::new(bytes),
            freed: Condvar::new(),
        }
    }

    /// `bytes` is at most what there is in all.
    fn take(&self, bytes: usize) -> Held<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_while(free, |free| *free < bytes);
        *waited.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Held { room: self, bytes }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.room.free.lock().unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.room.freed.notify_all();
    }
}

/// The variables by which a script finds the socket, and a client for it.
pub fn environment(work: &Path, runner: &Path) -> [(&'static str, PathBuf); 2] {
    [
        ("CRONIUM_SOCKET", work.join(SOCKET_FILE)),
        ("CRONIUM_CLIENT", runner.to_owned()),
    ]
}
