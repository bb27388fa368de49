//! Signals to user code and the one loop that reaps: as PID 1, or as the subreaper elsewhere, every
//! process that user code leaves behind becomes our child, so none can hide.

use std::collections::HashMap;
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// How the main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Code(i32),
    Signal(i32),
}

/// User code's processes: the main one and whatever comes from it.
#[derive(Debug)]
pub struct Processes {
    main: Pid,
    is_init: bool,
    ended: Option<Ended>,
    none_left: bool,
}

impl Processes {
    pub fn new(main: Pid) -> Self {
        Self {
            main,
            is_init: std::process::id() == 1,
            ended: None,
            none_left: false,
        }
    }

    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Whether no child is left, not even an adopted one.
    pub fn none_left(&self) -> bool {
        self.none_left
    }

    /// Takes every status that is there. The only place that waits for children.
    pub fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => self.note(pid, Ended::Code(code)),
                Ok(WaitStatus::Signaled(pid, signal, _)) => self.note(pid, Ended::Signal(signal as i32)),
                Err(Errno::ECHILD) => {
                    self.none_left = true;
                    return;
                }
                Ok(WaitStatus::StillAlive) => return,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    fn note(&mut self, pid: Pid, ended: Ended) {
        if pid == self.main {
            self.ended = Some(ended);
        }
    }

    /// TERM to the process group; CONT so that a stopped process can hear it.
    pub fn term(&self) {
        let _ = killpg(self.main, Signal::SIGTERM);
        let _ = killpg(self.main, Signal::SIGCONT);
    }

    /// KILL to everything that user code is or has left.
    pub fn kill(&self) {
        if self.is_init {
            // Everything in the container but ourselves.
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
            return;
        }
        if self.ended.is_none() {
            let _ = killpg(self.main, Signal::SIGKILL);
        }
        for pid in descendants(Pid::this()) {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// All that come from a process, as far as `/proc` tells.
pub fn descendants(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent_of(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root.as_raw()];
    while let Some(pid) = open.pop() {
        let below = children.remove(&pid).unwrap_or_default();
        found.extend(below.iter().map(|pid| Pid::from_raw(*pid)));
        open.extend(below);
    }
    found
}

/// The parent in a line of `/proc/<pid>/stat`; the name before it may hold anything.
fn parent_of(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_hide_the_parent() {
        assert_eq!(parent_of("12 (a) S 99 (b) R 7 12 12"), Some(7));
        assert_eq!(parent_of("junk"), None);
    }
}
