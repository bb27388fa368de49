//! A runner on a server: detached from whoever started it, reached over a socket in its own directory. Starts it,
//! connects a channel to it, looks at it and ends it. Knows no SSH: standard input and output are the channel.

mod end;
mod line;
mod place;

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread;

use cronium_protocol::manifest::sha256;
use cronium_protocol::resident::{MARK, TOKEN_BYTES};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout, setsid};

use crate::args::Args;
use crate::io_threads::READ;
use crate::run::{self, Channel};
pub use line::Line;
use place::Place;

/// What whoever connects has to know.
pub type Token = [u8; TOKEN_BYTES];
/// What the detached process says when it can be connected to.
const READY: &[u8] = b"ready\n";
/// Most of what one that waits is told to do.
const MAX_WORDS: usize = 4096;
const USAGE: &str =
    "usage: cronium-runner open|attach|look|kill --dir <directory> …, or cronium-runner ahead|hash|version";

/// `open`, `attach`, `look` and `kill`, `serve`, which `open` starts, `ahead`, `hash` and `version`; None: the first word
/// is none of them.
pub fn main(word: &str, args: impl Iterator<Item = String>) -> Option<ExitCode> {
    let act: fn(Place, Vec<String>) -> io::Result<()> = match word {
        "open" => open,
        "serve" => serve,
        "attach" => attach,
        "look" => look,
        "kill" => end,
        "ahead" => return Some(code(ahead(args.collect()))),
        "hash" => return Some(code(hash(args.collect()))),
        "version" => return Some(code(version(args.collect()))),
        _ => return None,
    };
    let done = given(args).and_then(|(dir, rest)| act(Place::new(dir), rest));
    Some(code(done))
}

fn code(done: io::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cronium-runner: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The directory, and what else was given.
fn given(mut args: impl Iterator<Item = String>) -> io::Result<(PathBuf, Vec<String>)> {
    let usage = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
    args.next().filter(|name| name == "--dir").ok_or_else(usage)?;
    let dir = args.next().map(PathBuf::from).filter(|dir| dir.is_absolute());
    Ok((dir.ok_or_else(usage)?, args.collect()))
}

fn nothing_more(rest: &[String]) -> io::Result<()> {
    match rest.first() {
        None => Ok(()),
        Some(more) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("unknown argument {more:?}"),
        )),
    }
}

/// Starts a detached runner in a directory that is not there yet, and connects to it. The token comes first on
/// standard input: no argument, no environment and no file has it.
fn open(place: Place, rest: Vec<String>) -> io::Result<()> {
    let token = token()?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg("--dir")
        .arg(place.dir())
        .args(&rest)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let (mut to, from) = child
        .stdin
        .take()
        .zip(child.stdout.take())
        .ok_or_else(|| io::Error::other("the child has no pipes"))?;
    to.write_all(&token)?;
    drop(to);
    let mut said = Vec::new();
    from.take(READY.len() as u64).read_to_end(&mut said)?;
    if said != READY {
        // What went wrong stands in standard error, which is ours.
        return Err(io::Error::other("the runner could not be started"));
    }
    bridge(place.connect()?, &token)
}

/// Waits until it is told in a line what to open, so that a run need not wait for a session and a program; whoever
/// wants none ends the input. What follows the line is for what it opens.
fn ahead(rest: Vec<String>) -> io::Result<()> {
    nothing_more(&rest)?;
    keep_memory()?;
    let (mut from, mut line, mut byte) = (stdin()?, Vec::new(), [0]);
    // Byte by byte: what follows is not for us.
    while line.len() < MAX_WORDS && from.read(&mut byte)? > 0 {
        match byte {
            [b'\n'] => return told(&line),
            [byte] => line.push(byte),
        }
    }
    if line.is_empty() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE))
}

/// Names and numbers of the orchestrator's own: none of them has a space.
fn told(line: &[u8]) -> io::Result<()> {
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ').map(str::to_owned);
    if words.next().as_deref() != Some("open") {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, USAGE));
    }
    given(words).and_then(|(dir, rest)| open(Place::new(dir), rest))
}

fn attach(place: Place, rest: Vec<String>) -> io::Result<()> {
    nothing_more(&rest)?;
    let token = token()?;
    bridge(place.connect()?, &token)
}

fn look(place: Place, rest: Vec<String>) -> io::Result<()> {
    nothing_more(&rest)?;
    match place.process()? {
        Some(pid) => answer(&format!("running {pid}")),
        None => answer("gone"),
    }
}

fn end(place: Place, rest: Vec<String>) -> io::Result<()> {
    nothing_more(&rest)?;
    end::end(&place)?;
    answer("gone")
}

fn answer(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(&MARK)?;
    writeln!(stdout, "{text}")
}

/// Says what this program is, as the kernel has it: whoever sent it here sees whether it has come whole.
fn hash(rest: Vec<String>) -> io::Result<()> {
    nothing_more(&rest)?;
    let digest = sha256(&std::fs::read("/proc/self/exe")?);
    let digits: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    writeln!(io::stdout(), "{}", digits.concat())
}

fn version(rest: Vec<String>) -> io::Result<()> {
    nothing_more(&rest)?;
    writeln!(io::stdout(), env!("CARGO_PKG_VERSION"))
}

/// The detached process itself.
fn serve(place: Place, rest: Vec<String>) -> io::Result<()> {
    setsid()?;
    let token = token()?;
    let work = place.work();
    let with_work = rest
        .into_iter()
        .chain(["--work".into(), work.to_string_lossy().into_owned()]);
    let args = Args::parse(with_work).map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    // Held until this process ends.
    let (_lock, listener) = place.make()?;
    let served = leave_channel().and_then(|()| run::run(args, Channel::Socket { listener, token }));
    place.clear();
    served
}

/// Says that it can be connected to, and lets go of the pipes of whoever started it.
fn leave_channel() -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(READY)?;
    stdout.flush()?;
    let null = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    dup2_stdin(null.as_fd())?;
    dup2_stdout(null.as_fd())?;
    dup2_stderr(null.as_fd())?;
    Ok(())
}

fn token() -> io::Result<Token> {
    keep_memory()?;
    let mut token = [0; TOKEN_BYTES];
    stdin()?.read_exact(&mut token)?;
    Ok(token)
}

/// Before anything is read: user code has our user, and could look into our memory.
fn keep_memory() -> io::Result<()> {
    Ok(nix::sys::prctl::set_dumpable(false)?)
}

/// Without a buffer: what is not read is for somebody else.
fn stdin() -> io::Result<std::fs::File> {
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

/// Carries bytes both ways until either side ends.
fn bridge(stream: UnixStream, token: &Token) -> io::Result<()> {
    let (mut inward, mut outward) = (stream.try_clone()?, stream);
    inward.write_all(token)?;
    let mut stdin = stdin()?;
    thread::Builder::new().name("inward".into()).spawn(move || {
        carry(&mut stdin, &mut inward);
        drop(inward.shutdown(std::net::Shutdown::Both));
    })?;
    let mut stdout = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
    stdout.write_all(&MARK)?;
    carry(&mut outward, &mut stdout);
    Ok(())
}

/// Until either side ends, which needs no reason. By hand: `io::copy` lets the kernel do it (splice), which was seen to
/// keep what a pipe has for a socket.
fn carry(from: &mut impl io::Read, to: &mut impl io::Write) {
    let mut buffer = vec![0; READ];
    loop {
        match from.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(n) => {
                if to.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
        }
    }
}
