//! All that ssh needs for one connection, laid out in a private place: a directory for the server, and one for each
//! server on the way there. It must not know what is done over the connection.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::process::Stdio;

use cronium_protocol::host::{Address, HostSpec, HostTrouble, SignIn, TroubleKind};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use super::Ssh;
use super::askpass::{Answering, Kind, answer_once};
use super::config::{self, ASK, CONFIG, CONTROL, KEY, KNOWN_HOSTS, LOG, PlainPath, Through};
use super::place::{Place, write};
use super::process::{self, Group};
use super::trouble::{Ending, tell, trouble};

/// Most servers on the way.
const MAX_WAYS: usize = 4;
/// So much is read of what a program says.
const MAX_LOG: u64 = 16 << 10;

/// A connection before it is made. Dropped, its files are gone; a process that uses them has to end before.
#[derive(Debug)]
pub struct Route<'a> {
    answering: Vec<Answering>,
    helper: &'a PlainPath,
    target: PlainPath,
    /// The nearest to the server first.
    ways: Vec<PlainPath>,
    /// Where one signs in, with the directory of each.
    sign_ins: Vec<(PlainPath, &'a HostSpec)>,
    place: Place,
}

impl<'a> Route<'a> {
    /// To sign in on a server.
    pub fn to(ssh: &'a Ssh, host: &'a HostSpec) -> Result<Self, HostTrouble> {
        let ways = ways(host.jump.as_deref())?;
        let lay = || -> io::Result<Self> {
            let mut route = Self::through(ssh, ways, &host.address)?;
            let text = config::sign_in(host, &route.target, route.way(), None);
            files(&route.target, host, &text)?;
            route.sign_ins.push((route.target.clone(), host));
            Ok(route)
        };
        lay().map_err(ours)
    }

    /// Only to look at the key that a server shows for these algorithms.
    pub fn look(
        ssh: &'a Ssh,
        address: &Address,
        jump: Option<&'a HostSpec>,
        algorithms: &str,
    ) -> Result<Self, HostTrouble> {
        let ways = ways(jump)?;
        let lay = || -> io::Result<Self> {
            let route = Self::through(ssh, ways, address)?;
            let text = config::look(address, algorithms, &route.target, route.way());
            write(&route.target.join(CONFIG), text.lines())?;
            // No key is known.
            write(&route.target.join(KNOWN_HOSTS), [""; 0])?;
            Ok(route)
        };
        lay().map_err(ours)
    }

    /// The ways, and an empty directory for the server that they lead to.
    fn through(ssh: &'a Ssh, hosts: Vec<&'a HostSpec>, address: &Address) -> io::Result<Self> {
        let place = ssh.places.make()?;
        let target = place.dir("0")?;
        let names = 1..=hosts.len();
        let ways = names
            .map(|n| place.dir(&n.to_string()))
            .collect::<io::Result<Vec<_>>>()?;
        for (n, host) in hosts.iter().enumerate() {
            let onward = if n == 0 { address } else { &hosts[n - 1].address };
            let through = ways.get(n + 1).map(|hop| Through {
                helper: &ssh.helper,
                hop,
            });
            let text = config::sign_in(host, &ways[n], through, Some(onward));
            files(&ways[n], host, &text)?;
        }
        Ok(Self {
            answering: Vec::new(),
            helper: &ssh.helper,
            target,
            sign_ins: ways.iter().cloned().zip(hosts).collect(),
            ways,
            place,
        })
    }

    fn way(&self) -> Option<Through<'_>> {
        self.ways.first().map(|hop| Through {
            helper: self.helper,
            hop,
        })
    }

    /// Whether the private keys can be used. ssh itself says of one that it can't open only that the server did not
    /// accept it, and goes there for that.
    pub async fn try_keys(&self, until: Instant) -> Result<(), HostTrouble> {
        for (dir, host) in &self.sign_ins {
            let SignIn::Key { passphrase, .. } = &host.sign_in else {
                continue;
            };
            let _answering = passphrase
                .as_ref()
                .map(|secret| answer_once(&dir.join(ASK), Kind::Passphrase, secret.clone()))
                .transpose()
                .map_err(ours)?;
            let found = match timeout_at(until, key_problem(self.helper, dir)).await {
                Ok(found) => found.map_err(ours)?,
                Err(_) => Some("It takes too long to open the key.".to_owned()),
            };
            if let Some(problem) = found {
                let kind = if *dir == self.target {
                    TroubleKind::BadKey
                } else {
                    TroubleKind::Jump
                };
                return Err(trouble(kind, problem));
            }
        }
        Ok(())
    }

    /// `ssh` on this route; a command for the server may follow.
    pub fn ssh(&self, options: &[&str]) -> Command {
        process::ssh(self.helper, &self.target, options)
    }

    /// `ssh` on this route that asks for a terminal.
    pub fn terminal(&self) -> Command {
        process::terminal(self.helper, &self.target)
    }

    /// Where commands are started, once it stands, when [`Self::master`] is what signs in.
    pub fn control(&self) -> PlainPath {
        self.target.join(CONTROL)
    }

    /// `ssh` that signs in and runs nothing itself.
    pub fn master(&self) -> Command {
        self.ssh(&["-M", "-S", self.control().as_str(), "-N"])
    }

    /// It stands: what it took to sign in is not needed any more.
    pub fn stands(&mut self) {
        self.answering.clear();
        for (dir, _) in &self.sign_ins {
            // Where there is a password, there is no key.
            let _ = fs::remove_file(dir.join(KEY).as_path());
        }
    }

    /// Starts it, with somebody there who answers its questions.
    pub fn start(&mut self, command: &mut Command) -> Result<Group, HostTrouble> {
        self.answer()?;
        Group::spawn(command).map_err(ours)
    }

    /// Answers the questions of the next that is started. Each is asked once by every connection; who answered before
    /// is gone.
    pub fn answer(&mut self) -> Result<(), HostTrouble> {
        self.answering.clear();
        for (dir, host) in &self.sign_ins {
            let (kind, secret) = match &host.sign_in {
                SignIn::Key { passphrase: None, .. } => continue,
                SignIn::Key {
                    passphrase: Some(secret),
                    ..
                } => (Kind::Passphrase, secret),
                SignIn::Password(secret) => (Kind::Password, secret),
            };
            let answering = answer_once(&dir.join(ASK), kind, secret.clone()).map_err(ours)?;
            self.answering.push(answering);
        }
        Ok(())
    }

    /// What ssh itself has said so far.
    pub fn log(&self) -> String {
        log(&self.target)
    }

    /// Why it did not come to what it was for. Its processes have ended.
    pub fn trouble(&self, ending: Ending) -> HostTrouble {
        let ways: Vec<_> = self.ways.iter().map(log).collect();
        tell(ending, &log(&self.target), &ways, self.place.path().as_str())
    }
}

/// Servers on the way, the nearest to the end first.
fn ways(jump: Option<&HostSpec>) -> Result<Vec<&HostSpec>, HostTrouble> {
    let all = std::iter::successors(jump, |host| host.jump.as_deref());
    let ways: Vec<_> = all.take(MAX_WAYS + 1).collect();
    if ways.len() > MAX_WAYS {
        let told = format!("More than {MAX_WAYS} servers are on the way.");
        return Err(trouble(TroubleKind::Jump, told));
    }
    Ok(ways)
}

/// What it takes to sign in on a server, with this configuration.
fn files(dir: &PlainPath, host: &HostSpec, text: &str) -> io::Result<()> {
    write(&dir.join(CONFIG), text.lines())?;
    write(
        &dir.join(KNOWN_HOSTS),
        config::known_hosts(&host.host_key).lines(),
    )?;
    if let SignIn::Key { private, .. } = &host.sign_in {
        // Without the carriage returns and with the last line's end that a form may have made of it.
        write(&dir.join(KEY), private.reveal().trim().lines())?;
    }
    Ok(())
}

/// What is wrong with a private key: damaged, or not to be opened with this passphrase.
async fn key_problem(helper: &PlainPath, dir: &PlainPath) -> io::Result<Option<String>> {
    let mut command = process::program("ssh-keygen", helper, dir);
    command.args(["-y", "-f"]).arg(dir.join(KEY).as_path());
    let mut group = Group::spawn(command.stderr(Stdio::piped()))?;
    let mut said = Vec::new();
    if let Some(stderr) = group.stderr() {
        stderr.take(MAX_LOG).read_to_end(&mut said).await?;
    }
    if group.end().await == Some(0) {
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&said);
    let reason = said.lines().find_map(|line| Some(line.rsplit_once("\": ")?.1));
    Ok(Some(reason.unwrap_or("The key can't be read.").to_owned()))
}

fn log(dir: &PlainPath) -> String {
    let mut said = Vec::new();
    // Not there: it was not started, or has said nothing.
    if let Ok(file) = File::open(dir.join(LOG).as_path()) {
        let _ = file.take(MAX_LOG).read_to_end(&mut said);
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// Nothing that the server could be blamed for.
pub fn ours(error: io::Error) -> HostTrouble {
    tracing::warn!(%error, "a connection over SSH can't be prepared");
    trouble(
        TroubleKind::Other,
        "The orchestrator could not start ssh; its log says why.",
    )
}
