//! The way through another server, as our own program is started by ssh (`ProxyCommand`): it signs in there, and
//! carries bytes between ssh and the socket that leads on. Everything about it stands in the files of a directory.
//! It ends with the ssh that started it, and what it started ends with it.

use std::io;
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use tokio::io::{AsyncWriteExt as _, copy, stdin, stdout};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::config::{ASK, PlainPath, WAY};
use super::{askpass, process};

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Leads through the server of this directory until either side ends.
pub fn run(dir: &Path) -> ExitCode {
    let Ok(dir) = PlainPath::new(dir) else {
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    let led = runtime.block_on(lead(&dir));
    // Not waited for: a read of stdin ends only with the other side.
    runtime.shutdown_background();
    match led {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn lead(dir: &PlainPath) -> io::Result<()> {
    // ssh says so when it ends; dying of it would leave our own ssh behind.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // In the group of its parent, with the environment of its parent: it ends with the connection as a whole. No
    // session is asked for, because a server on the way may allow none.
    let mut command = Command::new("ssh");
    process::connect(&mut command, dir, &["-N"]);
    command
        .env(askpass::SOCKET, dir.join(ASK).as_path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut ssh = command.spawn()?;
    let way = dir.join(WAY);
    let led = tokio::select! {
        carried = carry(way.as_path()) => carried,
        ended = ssh.wait() => ended.map(drop),
        _ = hangup.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    };
    // It may have ended by itself.
    let _ = ssh.kill().await;
    led
}

async fn carry(way: &Path) -> io::Result<()> {
    let (mut from, mut to) = reach(way).await.into_split();
    let (mut input, mut output) = (stdin(), stdout());
    tokio::select! {
        // Nobody is there any more who would read an answer.
        sent = copy(&mut input, &mut to) => sent.map(drop),
        received = copy(&mut from, &mut output) => {
            received?;
            output.flush().await
        }
    }
}

/// The socket is there once ssh has signed in. If it does not, ssh ends, and so does the wait.
async fn reach(way: &Path) -> UnixStream {
    loop {
        match UnixStream::connect(way).await {
            Ok(stream) => return stream,
            Err(_) => sleep(LOOK_EVERY).await,
        }
    }
}
