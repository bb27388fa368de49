//! Ends a detached runner and all that it has started, for good.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::place::Place;
use crate::processes::descendants;

const LIMIT: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// No process of the run is left when this succeeds, as far as they can be told, and no file. Done already is done.
pub fn end(place: &Place) -> io::Result<()> {
    let until = Instant::now() + LIMIT;
    if let Some(runner) = place.process()? {
        // Stopped first: it would report, and it must be there to inherit what its children leave behind.
        signal(runner, Signal::SIGSTOP);
        let ended = stopped(runner, until).and_then(|()| all_gone(until, || descendants(runner)));
        if ended.is_err() {
            // What is left has somebody who looks after it.
            signal(runner, Signal::SIGCONT);
        }
        ended?;
        signal(runner, Signal::SIGKILL);
        wait(until, "the runner", || matches!(place.process(), Ok(None)))?;
    }
    // A runner that was killed before left its children to others.
    let work = place.work();
    all_gone(until, || at_home_in(&work))?;
    place.clear();
    if place.is_there() {
        return Err(io::Error::other("the directory can't be removed"));
    }
    Ok(())
}

fn signal(pid: Pid, signal: Signal) {
    // One that is gone is what was wanted.
    let _ = kill(pid, signal);
}

/// A signal takes a moment. Where `/proc` shows only what can be traced, there is nothing to wait for.
fn stopped(pid: Pid, until: Instant) -> io::Result<()> {
    wait(
        until,
        "the runner",
        || !matches!(state(pid), Some(state) if state != 'T'),
    )
}

/// Kills until two looks in a row find nothing: one alone may fall between a fork and its child.
fn all_gone(until: Instant, find: impl Fn() -> Vec<Pid>) -> io::Result<()> {
    let mut empty = 0;
    wait(until, "its processes", || {
        let mut left = find();
        left.retain(|pid| !matches!(state(*pid), None | Some('Z' | 'X')));
        for pid in &left {
            signal(*pid, Signal::SIGKILL);
        }
        empty = if left.is_empty() { empty + 1 } else { 0 };
        empty == 2
    })
}

/// As `/proc/<pid>/stat` says it; the name before it may hold anything.
fn state(pid: Pid) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Processes that were started with this home, which user code is, and what it starts unless it hides.
fn at_home_in(work: &Path) -> Vec<Pid> {
    let home = [b"HOME=", work.as_os_str().as_bytes()].concat();
    let of = |entry: fs::DirEntry| -> Option<Pid> {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let environment = fs::read(entry.path().join("environ")).ok()?;
        let is_home = environment.split(|byte| *byte == 0).any(|one| one == home);
        is_home.then(|| Pid::from_raw(pid))
    };
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    all.filter_map(of).collect()
}

fn wait(until: Instant, what: &str, mut done: impl FnMut() -> bool) -> io::Result<()> {
    while !done() {
        if Instant::now() >= until {
            let problem = format!("{what} could not be ended");
            return Err(io::Error::new(io::ErrorKind::TimedOut, problem));
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
