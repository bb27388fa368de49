//! What is told at the end: the script's result, what it used, whether memory ran out. Reads the work
//! directory and the container's own cgroup; knows nothing of the run itself.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use cronium_protocol::frame::UsageReport;
use cronium_protocol::runtime::MAX_BODY;
use nix::fcntl::OFlag;
use nix::libc::SIGKILL;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::archive::OUTPUT_FILE;
use crate::processes::Ended;

/// The JSON that the script left, `None` when it left nothing.
pub fn output(work: &Path) -> Result<Option<String>, String> {
    // The file belongs to user code: it may be a link, a pipe or endless.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(work.join(OUTPUT_FILE));
    let file = match opened {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("the output file can't be read: {e}")),
    };
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        return Err("the output is not a regular file".into());
    }
    let mut bytes = Vec::new();
    if let Err(e) = file.take(MAX_BODY as u64 + 1).read_to_end(&mut bytes) {
        return Err(format!("the output file can't be read: {e}"));
    }
    if bytes.len() > MAX_BODY {
        return Err(format!("the output is larger than {MAX_BODY} bytes"));
    }
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|_| "the output is not UTF-8".to_owned())?;
    // Parsed without building a value: a megabyte of brackets would cost many times that.
    serde_json::from_str::<serde::de::IgnoredAny>(&text)
        .map_err(|e| format!("the output is not JSON: {e}"))?;
    Ok(Some(text))
}

/// The figures of the container that the runner is the first process of: memory and processes.
#[derive(Debug)]
pub struct Memory {
    cgroup: Option<PathBuf>,
    kills_before: u64,
    refusals_before: u64,
}

impl Memory {
    /// Outside a container of its own the cgroup counts strangers too, so it is not asked.
    pub fn watch() -> Self {
        Self::watch_at((std::process::id() == 1).then(|| "/sys/fs/cgroup".into()))
    }

    fn watch_at(cgroup: Option<PathBuf>) -> Self {
        let mut memory = Self {
            cgroup,
            kills_before: 0,
            refusals_before: 0,
        };
        memory.kills_before = memory.kills();
        memory.refusals_before = memory.refusals();
        memory
    }

    fn first_of(&self, names: [&str; 2]) -> Option<String> {
        let cgroup = self.cgroup.as_ref()?;
        names
            .iter()
            .find_map(|name| fs::read_to_string(cgroup.join(name)).ok())
    }

    /// What the container may use, if it is limited.
    pub fn limit(&self) -> Option<u64> {
        let limit = self.first_of(["memory.max", "memory/memory.limit_in_bytes"])?;
        limit.trim().parse().ok()
    }

    fn count(&self, names: [&str; 2], key: &str) -> u64 {
        let text = self.first_of(names).unwrap_or_default();
        let value = text.lines().find_map(|line| line.strip_prefix(key));
        value.and_then(|v| v.trim().parse().ok()).unwrap_or(0)
    }

    fn kills(&self) -> u64 {
        self.count(["memory.events", "memory/memory.oom_control"], "oom_kill ")
    }

    fn refusals(&self) -> u64 {
        self.count(["pids.events", "pids/pids.events"], "max ")
    }

    /// New processes and threads that the limit has refused.
    pub fn refused(&self) -> u64 {
        self.refusals().saturating_sub(self.refusals_before)
    }

    /// Limits that user code ran into. It may have gone on, and then nothing else tells of them.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let refused = self.refused();
        if refused > 0 {
            notes.push(format!(
                "the process limit was reached: {refused} new processes or threads were refused"
            ));
        }
        let killed = self.kills().saturating_sub(self.kills_before);
        if killed > 0 {
            notes.push(format!("memory ran out: {killed} processes were killed"));
        }
        notes
    }

    /// KILL that was not ours, in a container where memory ran out meanwhile.
    pub fn ran_out(&self, ended: Option<Ended>, killed_by_us: bool) -> bool {
        let killed = matches!(ended, Some(Ended::Signal(SIGKILL) | Ended::Code(137)));
        killed && !killed_by_us && self.kills() > self.kills_before
    }

    /// CPU time of all that was reaped, and the highest use of memory.
    pub fn usage(&self) -> UsageReport {
        let micros = |time: TimeVal| {
            u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000 + u64::try_from(time.tv_usec()).unwrap_or(0)
        };
        let children = getrusage(UsageWho::RUSAGE_CHILDREN).ok();
        let peak = self.first_of(["memory.peak", "memory/memory.max_usage_in_bytes"]);
        let peak = peak.and_then(|text| text.trim().parse().ok());
        UsageReport {
            cpu_us: children.map_or(0, |c| micros(c.user_time()) + micros(c.system_time())),
            peak_memory_bytes: peak
                .or_else(|| {
                    children
                        .and_then(|c| u64::try_from(c.max_rss()).ok())
                        .map(|kib| kib * 1024)
                })
                .unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_runs_out_in(file: &str, before: &str, after: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, before).unwrap();
        let memory = Memory::watch_at(Some(dir.path().into()));
        assert!(!memory.ran_out(Some(Ended::Signal(SIGKILL)), false));
        fs::write(&path, after).unwrap();
        assert!(memory.ran_out(Some(Ended::Signal(SIGKILL)), false));
        assert!(memory.ran_out(Some(Ended::Code(137)), false));
        assert!(!memory.ran_out(Some(Ended::Signal(SIGKILL)), true));
        assert!(!memory.ran_out(Some(Ended::Code(1)), false));
        assert_eq!(memory.limit(), None);
        fs::write(dir.path().join("memory.max"), "1048576\n").unwrap();
        assert_eq!(memory.limit(), Some(1 << 20));
        fs::write(dir.path().join("memory.max"), "max\n").unwrap();
        assert_eq!(memory.limit(), None);
    }

    #[test]
    fn either_cgroup_version_tells_that_memory_ran_out() {
        memory_runs_out_in(
            "memory.events",
            "low 0\noom 4\noom_kill 1\n",
            "low 0\noom 5\noom_kill 2\n",
        );
        memory_runs_out_in(
            "memory/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        );
    }

    #[test]
    fn limits_that_were_met_are_noted() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("pids")).unwrap();
        fs::write(dir.path().join("pids/pids.events"), "max 3\n").unwrap();
        fs::write(dir.path().join("memory.events"), "oom 1\noom_kill 1\n").unwrap();
        let memory = Memory::watch_at(Some(dir.path().into()));
        assert_eq!(memory.notes(), Vec::<String>::new());
        fs::write(dir.path().join("pids/pids.events"), "max 8\n").unwrap();
        fs::write(dir.path().join("memory.events"), "oom 3\noom_kill 3\n").unwrap();
        assert_eq!(
            memory.notes(),
            [
                "the process limit was reached: 5 new processes or threads were refused",
                "memory ran out: 2 processes were killed"
            ]
        );
    }

    #[test]
    fn only_a_small_regular_json_file_is_an_output() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(OUTPUT_FILE);
        assert_eq!(output(dir.path()), Ok(None));
        fs::write(&path, "").unwrap();
        assert_eq!(output(dir.path()), Ok(None));
        fs::write(&path, "{\"a\": [1, 2]}\n").unwrap();
        assert_eq!(output(dir.path()), Ok(Some("{\"a\": [1, 2]}\n".into())));
        fs::write(&path, vec![b' '; MAX_BODY + 1]).unwrap();
        assert!(output(dir.path()).unwrap_err().contains("larger"));
        fs::remove_file(&path).unwrap();
        fs::write(dir.path().join("secret"), "1").unwrap();
        std::os::unix::fs::symlink(dir.path().join("secret"), &path).unwrap();
        assert!(output(dir.path()).unwrap_err().contains("can't be read"));
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(output(dir.path()).unwrap_err().contains("regular"));
    }
}
