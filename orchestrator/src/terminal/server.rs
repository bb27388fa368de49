//! A shell on a server: `ssh` that asks for a terminal there, with one of this machine. Secrets are asked for and given
//! beside it, never in it. It must not know who looks.

use std::time::Duration;

use cronium_protocol::host::{HostSpec, HostTrouble, TroubleKind};
use cronium_protocol::terminal::End;
use tokio::time::{Instant, interval, sleep_until};

use super::line::{Back, CHUNK, Over};
use super::pty::Pty;
use crate::ssh::Ssh;
use crate::ssh::route::{Route, ours};
use crate::ssh::trouble::{Ending, is_up, trouble};

/// For the way to the shell.
const LIMIT: Duration = Duration::from_secs(20);
/// How often ssh's log is read for the line that says it has signed in: nothing else tells.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// A server that has let us in and lets no shell begin says so sooner; a shell may begin without a word.
const QUIET: Duration = Duration::from_millis(300);
/// After a word that may be ssh's last one, and not the shell's first.
const SOON: Duration = Duration::from_millis(50);
/// So much is shown of what comes before the shell, such as a server's greeting.
const MAX_GREETING: usize = CHUNK;
/// Where ssh says in the terminal why it ended.
const TAIL: usize = 256;
/// The exit status of `ssh` itself, where it is not the shell's (ssh(1), "EXIT STATUS").
const OWN_STATUS: i32 = 255;

/// Runs until the shell ends or nobody is on the other side any more. Dropped, it leaves nothing behind.
pub async fn run(ssh: &Ssh, host: &HostSpec, back: Back) -> End {
    through(ssh, host, back).await.unwrap_or_else(End::Trouble)
}

async fn through(ssh: &Ssh, host: &HostSpec, mut back: Back) -> Result<End, HostTrouble> {
    let until = Instant::now() + LIMIT;
    let mut route = Route::to(ssh, host)?;
    tokio::select! {
        tried = route.try_keys(until) => tried?,
        () = back.hung_up() => return Ok(End::Closed),
    }
    route.answer()?;
    let size = *back.size.borrow_and_update();
    // After the route, and so dropped before it: ssh has ended when its files go.
    let mut pty = Pty::start(route.terminal().as_std(), size).map_err(ours)?;
    let reached = tokio::select! {
        greeting = reach(&mut pty, &route) => Ok(greeting),
        () = sleep_until(until) => Err(Some(Ending::OutOfTime)),
        () = back.hung_up() => Err(None),
    };
    let greeting = match reached {
        Ok(Some(greeting)) if has_terminal(&route.log()) => greeting,
        Err(None) => {
            pty.end().await;
            return Ok(End::Closed);
        }
        Ok(_) => {
            pty.end().await;
            return Err(route.trouble(Ending::Itself));
        }
        Err(Some(ending)) => {
            pty.end().await;
            return Err(route.trouble(ending));
        }
    };
    route.stands();
    back.opened();
    let (over, tail) = carry(&mut pty, &mut back, greeting).await;
    let code = pty.end().await;
    match over {
        Over::HungUp => Ok(End::Closed),
        Over::Ended if code == Some(OWN_STATUS) => match broken(&route.log(), &tail) {
            Some(trouble) => Err(trouble),
            None => Ok(End::Exited { code }),
        },
        Over::Ended => Ok(End::Exited { code }),
    }
}

/// Waits until the shell is there, and gives what was shown before; None: ssh has ended.
async fn reach(pty: &mut Pty, route: &Route<'_>) -> Option<Vec<u8>> {
    let mut greeting = Vec::new();
    let mut looks = interval(LOOK_EVERY);
    // When it is there, unless ssh ends before.
    let mut there_at: Option<Instant> = None;
    loop {
        let is_shown = tokio::select! {
            shown = pty.output.recv() => {
                let shown = shown?;
                let room = MAX_GREETING.saturating_sub(greeting.len());
                greeting.extend_from_slice(&shown[..shown.len().min(room)]);
                true
            }
            _ = looks.tick() => false,
        };
        let now = Instant::now();
        let log = route.log();
        // Until ssh has taken the terminal here over, that would show what is typed, beside the one there. Where the
        // server gives none, ssh lets go of this one.
        let is_taken_over = pty.screen.is_raw() || !has_terminal(&log);
        match there_at {
            // What is shown may still be of before.
            None if is_up(&log) && is_taken_over => there_at = Some(now + QUIET),
            Some(at) if at <= now => return Some(greeting),
            Some(at) if is_shown => there_at = Some(at.min(now + SOON)),
            Some(_) | None => {}
        }
    }
}

/// Both ways, until either side ends; and the last that was shown.
async fn carry(pty: &mut Pty, back: &mut Back, greeting: Vec<u8>) -> (Over, Vec<u8>) {
    let mut tail = Vec::new();
    let Pty {
        output: shown,
        keyboard,
        screen,
        ..
    } = pty;
    let Back {
        output,
        input,
        typed,
        size,
        ..
    } = back;
    let show = async {
        let mut next = Some(greeting).filter(|greeting| !greeting.is_empty());
        loop {
            let Some(chunk) = (match next.take() {
                Some(greeting) => Some(greeting),
                None => shown.recv().await,
            }) else {
                return Over::Ended;
            };
            keep_tail(&mut tail, &chunk);
            if output.send(chunk).await.is_err() {
                return Over::HungUp;
            }
        }
    };
    let take = async {
        while let Some((number, data)) = input.recv().await {
            if keyboard.write(data).await.is_err() {
                // It has ended, which its output tells.
                std::future::pending::<()>().await;
            }
            typed.send_replace(number);
        }
        Over::HungUp
    };
    let resize = async {
        while size.changed().await.is_ok() {
            let size = *size.borrow_and_update();
            screen.resize(size);
        }
        Over::HungUp
    };
    let over = tokio::select! {
        biased;
        over = take => over,
        over = resize => over,
        over = show => over,
    };
    (over, tail)
}

fn keep_tail(tail: &mut Vec<u8>, chunk: &[u8]) {
    tail.extend_from_slice(&chunk[chunk.len().saturating_sub(TAIL)..]);
    tail.drain(..tail.len().saturating_sub(TAIL));
}

/// False: the server lets a shell begin, but gives it no terminal.
fn has_terminal(log: &str) -> bool {
    !log.contains("PTY allocation request failed")
}

/// Why a connection broke that had come to a shell, from what ssh wrote into its log and said at last in the terminal;
/// None: it did not, and the shell ended with this status.
fn broken(log: &str, tail: &[u8]) -> Option<HostTrouble> {
    let is_silence = |line: &&str| line.ends_with("not responding.") || line.ends_with("timed out");
    let is_break = |line: &&str| {
        [
            "reset by",
            "Broken pipe",
            "closed by remote host",
            "Corrupted MAC",
            "Bad packet",
        ]
        .iter()
        .any(|word| line.contains(word))
    };
    let shown = String::from_utf8_lossy(tail);
    let said = || log.lines().chain(shown.lines()).map(str::trim_end);
    let silent = said()
        .find(is_silence)
        .map(|line| trouble(TroubleKind::Silent, line));
    silent.or_else(|| {
        let line = said().find(is_break)?;
        // It may stand after what the shell said last.
        let begins = line.rfind("Connection to ").unwrap_or_default();
        Some(trouble(TroubleKind::Other, &line[begins..]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_told_from_a_shell_that_failed() {
        let log = "Authenticated to db ([192.0.2.1]:22) using \"publickey\".\n";
        let kind =
            |more: &str, tail: &str| broken(&format!("{log}{more}"), tail.as_bytes()).map(|found| found.kind);
        assert_eq!(
            kind(
                "Transferred: sent 1, received 2 bytes, in 3 seconds\n",
                "logout\r\n"
            ),
            None
        );
        for (more, tail, meant) in [
            ("Timeout, server db not responding.\n", "", TroubleKind::Silent),
            (
                "client_loop: send disconnect: Broken pipe\n",
                "",
                TroubleKind::Other,
            ),
            ("Connection reset by 192.0.2.1 port 22\n", "", TroubleKind::Other),
            (
                "",
                "$ Connection to db closed by remote host.\r\r\nConnection to db closed.\r\r\n",
                TroubleKind::Other,
            ),
        ] {
            assert_eq!(kind(more, tail), Some(meant), "{more}{tail}");
        }
    }

    #[test]
    fn the_last_that_was_shown_is_kept() {
        let mut tail = Vec::new();
        keep_tail(&mut tail, &[b'a'; 1000]);
        keep_tail(&mut tail, b"end");
        assert_eq!(tail.len(), TAIL);
        assert!(tail.ends_with(b"aend"));
    }
}
