//! The directory of a detached runner: made for it alone, found again by others, removed with all that is in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::unistd::{Pid, geteuid};

const SOCKET: &str = "socket";
const LOCK: &str = "lock";
const WORK: &str = "work";

/// Where one detached runner is.
#[derive(Debug)]
pub struct Place(PathBuf);

impl Place {
    pub fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// Of user code.
    pub fn work(&self) -> PathBuf {
        self.0.join(WORK)
    }

    /// Makes the directory, which must not be there, a lock that this process holds as long as it lives, and the
    /// socket. Directories above it are made where they are missing, and the two nearest must be ours alone: in `/tmp`
    /// anybody could have put one there, and would change what is in it.
    pub fn make(&self) -> io::Result<(File, UnixListener)> {
        let above = self.0.parent().ok_or(io::ErrorKind::InvalidInput)?;
        private().recursive(true).create(above)?;
        for dir in above.ancestors().take(2) {
            is_ours_alone(dir)?;
        }
        private().create(&self.0)?;
        let made = self.fill();
        if made.is_err() {
            self.clear();
        }
        made
    }

    fn fill(&self) -> io::Result<(File, UnixListener)> {
        let work = self.work();
        private().create(&work)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.0.join(LOCK))?;
        fcntl(&file, FcntlArg::F_SETLK(&lock()))?;
        Ok((file, UnixListener::bind(self.0.join(SOCKET))?))
    }

    pub fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.0.join(SOCKET))
    }

    /// The process that serves here, as the kernel knows it by its lock; None: there is none (any more).
    pub fn process(&self) -> io::Result<Option<Pid>> {
        let file = match OpenOptions::new().read(true).write(true).open(self.0.join(LOCK)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut lock = lock();
        fcntl(&file, FcntlArg::F_GETLK(&mut lock))?;
        let held = i32::from(lock.l_type) != libc::F_UNLCK;
        Ok(held.then(|| Pid::from_raw(lock.l_pid)))
    }

    /// Removes everything, also what user code has closed to itself. What can't be removed stays.
    pub fn clear(&self) {
        if fs::remove_dir_all(&self.0).is_err() {
            open_up(&self.0);
            drop(fs::remove_dir_all(&self.0));
        }
    }

    pub fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.0).is_ok()
    }
}

/// Of the whole file, for writing.
fn lock() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

fn private() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

fn is_ours_alone(dir: &Path) -> io::Result<()> {
    let seen = fs::symlink_metadata(dir)?;
    if seen.is_dir() && seen.uid() == geteuid().as_raw() && seen.mode() & 0o777 == 0o700 {
        return Ok(());
    }
    let problem = format!("{} is not a directory of this user alone", dir.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, problem))
}

/// Makes all directories below passable for their owner; follows no links.
fn open_up(dir: &Path) {
    drop(fs::set_permissions(dir, fs::Permissions::from_mode(0o700)));
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}
