//! Private directories, one a connection, for the files that ssh reads and the sockets that it uses. What is in them
//! is gone with the connection, and what a crash left is gone with the next start. It must not know what is in them.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use uuid::Uuid;

use super::config::PlainPath;
use crate::clock;

/// Longest path of the directory of all places. A Unix socket's may have some 100 bytes: there is the name of the place
/// yet to come, that of a server, and `way`, or a control socket, beside which ssh makes another with 17 bytes more.
const MAX_BASE: usize = 64;
/// A file system in memory, on machines that have one (Linux, shm_overview(7)).
const MEMORY: &str = "/dev/shm";
/// Digits of a place's name.
const NAME: usize = 12;
const TRIES: usize = 3;

/// Where places are made.
#[derive(Debug)]
pub struct Places {
    base: PlainPath,
}

/// A directory that is removed when it is dropped. Whoever uses it has to end before.
#[derive(Debug)]
pub struct Place {
    path: PlainPath,
}

impl Places {
    /// In memory where the machine has a file system for that, because private keys are among the files; else in the
    /// state directory, or beside other temporary files where that has too long a path for sockets. Only the process
    /// that has the state directory may call it: it ends and removes what is there.
    pub fn open(state: &Path, owner: Uuid) -> io::Result<Self> {
        let name = format!("cronium-{}", owner.simple());
        let memory = Path::new(MEMORY).is_dir().then(|| Path::new(MEMORY).join(&name));
        let others = [
            std::path::absolute(state)?.join("ssh"),
            std::env::temp_dir().join(&name),
        ];
        Self::in_first_of(memory.into_iter().chain(others))
    }

    fn in_first_of(candidates: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let mut problem = io::Error::other("all paths are too long, or can't be quoted");
        for path in candidates {
            let Ok(base) = PlainPath::new(&path) else { continue };
            if base.as_str().len() > MAX_BASE {
                continue;
            }
            match own(base.as_path()).and_then(|()| sweep(base.as_path())) {
                Ok(()) => return Ok(Self { base }),
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }

    pub fn base(&self) -> &Path {
        self.base.as_path()
    }

    pub fn make(&self) -> io::Result<Place> {
        let mut tries = TRIES;
        loop {
            // Its last digits are the random ones.
            let id = clock::new_id().simple().to_string();
            let path = self.base.join(&id[id.len() - NAME..]);
            match private_dir(path.as_path()) {
                Ok(()) => return Ok(Place { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries > 1 => tries -= 1,
                // Whoever tidies up such directories may have found it empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries > 1 => {
                    tries -= 1;
                    own(self.base.as_path())?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        // Not while a place is in it.
        let _ = fs::remove_dir(self.base.as_path());
    }
}

impl Place {
    pub fn path(&self) -> &PlainPath {
        &self.path
    }

    /// Makes a directory in it.
    pub fn dir(&self, name: &str) -> io::Result<PlainPath> {
        let path = self.path.join(name);
        private_dir(path.as_path())?;
        Ok(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut tries = TRIES;
        while let Err(error) = fs::remove_dir_all(self.path.as_path()) {
            tries -= 1;
            match error.kind() {
                io::ErrorKind::NotFound => return,
                // A process on its way out has still made a file.
                io::ErrorKind::DirectoryNotEmpty if tries > 0 => {}
                _ => {
                    tracing::warn!(%error, "the directory of a connection can't be removed before the next start");
                    return;
                }
            }
        }
    }
}

/// A file that nobody else could ever open.
pub fn write(path: &PlainPath, lines: impl IntoIterator<Item = impl AsRef<str>>) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path.as_path())?;
    for line in lines {
        file.write_all(line.as_ref().as_bytes())?;
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// Ends what an earlier life has left running, then removes what it has left lying. A server that answers nothing can
/// hold an ssh for ever whose orchestrator was killed.
fn sweep(base: &Path) -> io::Result<()> {
    for entry in fs::read_dir("/proc")?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let ours = words
            .split(|byte| *byte == 0)
            .any(|word| Path::new(OsStr::from_bytes(word)).starts_with(base));
        if let Some(pid) = pid.map(Pid::from_raw)
            && ours
            && pid != Pid::this()
        {
            // One that is gone is what was wanted.
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
    for entry in fs::read_dir(base)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn private_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a directory ours alone, or fails where somebody else's is in its place.
fn own(path: &Path) -> io::Result<()> {
    match private_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => return other,
    }
    let found = fs::symlink_metadata(path)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() {
        return Err(io::Error::other(format!(
            "{} belongs to somebody else",
            path.display()
        )));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn a_place_is_private_and_gone_when_it_is_dropped() {
        let state = tempfile::tempdir().unwrap();
        let all = state.path().join("ssh");
        let places = Places::in_first_of([all.clone()]).unwrap();
        let place = places.make().unwrap();
        let dir = place.dir("0").unwrap();
        let file = dir.join("key");
        write(&file, ["one", "two"]).unwrap();
        assert_eq!(fs::read_to_string(file.as_path()).unwrap(), "one\ntwo\n");
        for dir in [all.as_path(), place.path().as_path(), dir.as_path()] {
            assert_eq!(mode(dir), 0o700, "{}", dir.display());
        }
        assert_eq!(mode(file.as_path()), 0o600);
        assert!(
            write(&file, ["again"]).is_err(),
            "what is there is not written over"
        );
        let gone = place.path().clone();
        drop(place);
        assert!(!gone.as_path().exists());
    }

    #[test]
    fn a_directory_of_places_that_is_gone_is_made_again() {
        let state = tempfile::tempdir().unwrap();
        let all = state.path().join("ssh");
        let places = Places::in_first_of([all.clone()]).unwrap();
        fs::remove_dir(&all).unwrap();
        let place = places.make().unwrap();
        assert!(place.path().as_path().is_dir());
        assert_eq!(mode(&all), 0o700);
    }

    #[test]
    fn what_a_crash_left_is_swept_at_the_next_start() {
        let state = tempfile::tempdir().unwrap();
        let all = state.path().join("ssh");
        let place = Places::in_first_of([all.clone()]).unwrap().make().unwrap();
        let left = place.path().clone();
        write(&left.join("key"), ["secret"]).unwrap();
        std::mem::forget(place);
        fs::set_permissions(&all, fs::Permissions::from_mode(0o755)).unwrap();
        // As an ssh that waits for a server: its file is its argument.
        let mut waits = std::process::Command::new("tail")
            .arg("-f")
            .arg(left.join("key").as_path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let _places = Places::in_first_of([all.clone()]).unwrap();
        assert!(!left.as_path().exists());
        assert_eq!(mode(&all), 0o700);
        assert!(!waits.wait().unwrap().success());
    }

    #[test]
    fn a_long_or_odd_path_is_not_used_for_sockets() {
        let state = tempfile::tempdir().unwrap();
        let good = state.path().join("good");
        for name in ["a".repeat(80), "it's".to_owned()] {
            let odd = state.path().join(name);
            assert!(Places::in_first_of([odd.clone()]).is_err());
            let places = Places::in_first_of([odd, good.clone()]).unwrap();
            assert_eq!(places.base.as_path(), good);
        }
    }

    #[test]
    fn keys_are_kept_in_memory_where_that_can_be() {
        let state = tempfile::tempdir().unwrap();
        let places = Places::open(state.path(), clock::new_id()).unwrap();
        let base = places.base.as_path();
        assert!(base.starts_with(MEMORY) || !Path::new(MEMORY).is_dir());
        let base = base.to_owned();
        drop(places);
        assert!(!base.exists());
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let state = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("precious"), "").unwrap();
        std::os::unix::fs::symlink(other.path(), state.path().join("ssh")).unwrap();
        let good = state.path().join("good");
        assert!(Places::in_first_of([state.path().join("ssh")]).is_err());
        let places = Places::in_first_of([state.path().join("ssh"), good.clone()]).unwrap();
        assert_eq!(places.base.as_path(), good);
        assert!(other.path().join("precious").exists());
    }
}
