//! Starts user code: interpreter, clean environment, own process group, first in line when memory runs
//! out. Knows nothing of how it goes on.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use cronium_protocol::manifest::{Language, Manifest};
use nix::unistd::Pid;

use crate::archive::OUTPUT_FILE;
use crate::runtime;

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Running user code: the leader of its process group, and its output.
#[derive(Debug)]
pub struct Child {
    pub pid: Pid,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

/// Starts the manifest's entry. The caller reaps it.
pub fn spawn(manifest: &Manifest, work: &Path, runner: &Path) -> io::Result<Child> {
    let (program, flags): (&str, &[&str]) = match manifest.language {
        Language::Bash => ("bash", &[]),
        Language::Python => ("python3", &["-u"]),
        Language::NodeJs => ("node", &[]),
        Language::Http => return Err(io::Error::other("a request is not for a runner")),
    };
    let path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.into());
    let mut command = Command::new(program);
    command
        .args(flags)
        .arg(work.join(&manifest.entry))
        .current_dir(work)
        .env_clear()
        .env("PATH", path)
        .env("HOME", work)
        .env("LANG", "C.UTF-8");
    let calls = manifest.runtime.as_ref();
    if let Some(bash_env) = calls.and_then(|runtime| runtime.bash_env.as_ref()) {
        // Whoever sets it in the event means another file.
        command.env("BASH_ENV", work.join(bash_env));
    }
    command
        .envs(&manifest.env)
        .envs(calls.into_iter().flat_map(|_| runtime::environment(work, runner)))
        .env("CRONIUM_OUTPUT", work.join(OUTPUT_FILE))
        .env("CRONIUM_JOB_ID", manifest.job_id.to_string())
        .env("CRONIUM_EXECUTION_ID", manifest.execution_id.to_string())
        .env("CRONIUM_ATTEMPT", manifest.attempt.to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match &manifest.input {
        Some(input) => command.env("CRONIUM_INPUT", work.join(input)),
        None => command.env_remove("CRONIUM_INPUT"),
    };
    let mut child = command
        .spawn()
        .map_err(|e| io::Error::new(e.kind(), format!("{program}: {e}")))?;
    let pipes = child.stdout.take().zip(child.stderr.take());
    let (stdout, stderr) = pipes.ok_or_else(|| io::Error::other("the child has no pipes"))?;
    // Memory hogs should die rather than their keeper. Where this is not allowed, code runs all the same.
    drop(fs::write(format!("/proc/{}/oom_score_adj", child.id()), "1000"));
    Ok(Child {
        pid: Pid::from_raw(child.id().cast_signed()),
        stdout: stdout.into(),
        stderr: stderr.into(),
    })
}
