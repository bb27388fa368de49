//! What a server has for runs: a directory that is its user's alone, and in it the runner, which is sent there once.
//! All that is done is in scripts that never change; what they are told are names of our own.

use std::sync::Arc;
use std::time::Duration;

use cronium_protocol::agent::Claim;
use cronium_protocol::host::TroubleKind;
use tokio::time::{Instant, timeout_at};

use super::begun::{NotBegun, Said, begin};
use super::master::{Held, Master};
use super::runners::{Runner, Runners};
use super::{MAX_WORDS, names};
use crate::clock;
use crate::on_server::ServerPath;
use crate::problem::{ExecutorError, Problem, ServerProblem};
use crate::ssh::check::SHELL;
use crate::ssh::trouble::{plain, trouble};

const SCRIPT_LIMIT: Duration = Duration::from_secs(20);
/// For a runner over a slow line.
const SEND_LIMIT: Duration = Duration::from_mins(2);
const MAX_SAID: usize = 64 << 10;
/// Commands on a connection that is not given to anybody yet.
const ALONE: usize = 1;
const FIND: &str = include_str!("ground.sh");
const KEEP: &str = include_str!("keep.sh");

/// Where runs are on a server, and what runs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Of the runs of this orchestrator.
    runs: ServerPath,
    runner: ServerPath,
}

impl Ground {
    /// Directory of a run that is to begin.
    pub fn run(&self, claim: Claim) -> ServerPath {
        self.runs.join(&names::run(claim))
    }

    /// Directory of a run that was found there.
    pub fn left(&self, name: &str) -> ServerPath {
        self.runs.join(name)
    }

    /// Whether it is the same behind another connection, where nobody has changed the server. In a directory of all
    /// users it may be somebody else's after the next start of the machine.
    pub fn stays(&self) -> bool {
        !self.runs.as_str().starts_with("/tmp/cronium-")
    }

    /// A command that starts the runner with these words, and with nothing of the login's environment.
    pub fn command(&self, words: &str) -> String {
        format!("exec /usr/bin/env -i {} {words}", self.runner)
    }
}

/// Looks at a server, and sends the runner where it is not there; with names of what is in the directory of runs.
pub async fn find(
    master: &Arc<Master>,
    runners: &Runners,
    owner: &str,
) -> Result<(Ground, Vec<String>), ExecutorError> {
    let longest = names::MAX_BASE;
    let given = format!("owner={owner} longest={longest}\n{}", runners.shell_function());
    let survey = Survey::read(&script(master, &format!("{given}{FIND}")).await?);
    let base = survey.base()?;
    let Some(runner) = runners.of(&survey.machine) else {
        return Err(ServerProblem::NoRunner(survey.machine).into());
    };
    let bin = base.join("bin");
    let place = bin.join(&runner.hash);
    if survey.runner.as_ref() != Some(&runner.hash) {
        send(master, runner, &bin, &place).await?;
    }
    let runs = base.join("runs").join(owner);
    Ok((Ground { runs, runner: place }, survey.left))
}

/// What a server says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
struct Survey {
    system: String,
    machine: String,
    base: Option<String>,
    /// Hash of the runner that is there.
    runner: Option<String>,
    refused: Vec<String>,
    left: Vec<String>,
}

impl Survey {
    /// Of a name that comes twice, the first counts.
    fn read(said: &str) -> Self {
        let mut survey = Self::default();
        for (name, value) in said.lines().filter_map(|line| line.split_once('=')) {
            let shown = || plain(value, MAX_WORDS).unwrap_or_default();
            match name {
                "system" if survey.system.is_empty() => survey.system = shown(),
                "machine" if survey.machine.is_empty() => survey.machine = shown(),
                "base" if survey.base.is_none() => survey.base = Some(value.to_owned()),
                "runner" => survey.runner = Some(value.to_owned()),
                "refused" => survey.refused.push(shown()),
                "left" if names::is_run(value) => survey.left.push(value.to_owned()),
                _ => {}
            }
        }
        survey
    }

    fn base(&self) -> Result<ServerPath, ExecutorError> {
        if self.system != "Linux" {
            return Err(ServerProblem::System(self.system.clone()).into());
        }
        let base = self.base.clone().and_then(|base| base.try_into().ok());
        base.ok_or_else(|| ServerProblem::NoDirectory(self.refused.join("; ")).into())
    }
}

/// It becomes the runner only when it says that it is whole: two that are sent at a time do each other no harm.
async fn send(
    master: &Arc<Master>,
    runner: &Runner,
    bin: &ServerPath,
    place: &ServerPath,
) -> Result<(), ExecutorError> {
    let new = bin.join(&format!(".new-{}", names::short(clock::new_id())));
    let store = format!("exec /bin/sh -c 'umask 077; cat >\"$0\"' {new}");
    let said = told(master, &store, &runner.bytes, SEND_LIMIT).await?;
    if said.code.is_none() {
        return Err(ServerProblem::Cut.into());
    }
    if said.code != Some(0) {
        let why = said.words().unwrap_or_else(|| "it was not written".into());
        return Err(ServerProblem::NotShipped(why).into());
    }
    let given = format!("new={new} place={place} hash={}\n", runner.hash);
    let said = script(master, &format!("{given}{KEEP}")).await?;
    if said.lines().any(|line| line == format!("kept={}", runner.hash)) {
        metrics::counter!("cronium_orchestrator_ssh_runners_sent_total").increment(1);
        return Ok(());
    }
    let said = said.lines().find_map(|line| line.strip_prefix("said="));
    let is_hash = |said: &str| said.len() == runner.hash.len() && said.bytes().all(|b| b.is_ascii_hexdigit());
    let why = match said.and_then(|said| plain(said, MAX_WORDS)) {
        Some(said) if !is_hash(&said) => said,
        _ => "what has come is not what was sent".into(),
    };
    Err(ServerProblem::NotShipped(why).into())
}

/// Runs a script there; gives what it has said, without what the login shell has said before.
async fn script(master: &Arc<Master>, text: &str) -> Result<String, ExecutorError> {
    // What nobody can have put into a greeting.
    let mark = format!("cronium-{}", clock::new_id().simple());
    let input = format!("echo; echo {mark}-1\n{text}\necho; echo {mark}-2\n");
    let said = told(master, SHELL, input.as_bytes(), SCRIPT_LIMIT).await?;
    let between = said
        .output
        .split_once(&format!("\n{mark}-1\n"))
        .and_then(|(_, rest)| rest.split_once(&format!("\n{mark}-2\n")));
    match between {
        Some((answer, _)) => Ok(answer.to_owned()),
        None if master.is_over() => Err(ServerProblem::Cut.into()),
        None => Err(trouble(TroubleKind::NoShell, said.words().unwrap_or_default()).into()),
    }
}

async fn told(
    master: &Arc<Master>,
    command: &str,
    input: &[u8],
    limit: Duration,
) -> Result<Said, ExecutorError> {
    let until = Instant::now() + limit;
    let begun = match begin(place(master)?, command, until).await {
        Ok(begun) => begun,
        Err(NotBegun::Refused) => return Err(trouble(TroubleKind::NoSession, "").into()),
        Err(NotBegun::Broken(cause)) => {
            return Err(ExecutorError::new(Problem::Server(ServerProblem::Cut), cause));
        }
    };
    let said = timeout_at(until, begun.said(input, MAX_SAID)).await;
    said.map_err(|_| trouble(TroubleKind::NoShell, "Its shell does not answer.").into())
}

fn place(master: &Arc<Master>) -> Result<Held, ExecutorError> {
    master.hold(ALONE).ok_or_else(|| ServerProblem::Full.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_of_itself_is_read_with_suspicion() {
        let said = "system=Linux\nmachine=x86_64\nsystem=Evil\nrefused=home: no\nbase=/tmp/cronium-1\nbase=/etc\n\
                    runner=12ab\nleft=0123456789ab-1\nleft=../../etc\nleft=\nnoise\n";
        let survey = Survey::read(said);
        assert_eq!(survey.base().unwrap().as_str(), "/tmp/cronium-1");
        assert_eq!(
            (survey.system.as_str(), survey.machine.as_str()),
            ("Linux", "x86_64")
        );
        assert_eq!(survey.runner.as_deref(), Some("12ab"));
        assert_eq!(survey.left, ["0123456789ab-1"]);
    }

    #[test]
    fn a_server_without_a_place_says_why() {
        let none = Survey::read("system=Linux\nrefused=home: no\nrefused=/tmp: no\n");
        let problem = none.base().unwrap_err().to_string();
        assert!(problem.contains("(home: no; /tmp: no)"), "{problem}");
        let odd = Survey::read("system=Linux\nbase=/a b\n").base();
        assert!(odd.is_err(), "{odd:?}");
        let other = Survey::read("system=FreeBSD\nbase=/tmp/cronium-1\n")
            .base()
            .unwrap_err();
        assert!(other.to_string().contains("FreeBSD"), "{other}");
    }

    #[test]
    fn a_command_is_made_of_names_that_mean_themselves() {
        let path = |text: &str| ServerPath::try_from(text.to_owned()).unwrap();
        let ground = Ground {
            runs: path("/b/runs/0123456789ab"),
            runner: path("/b/bin/12ab"),
        };
        let claim = Claim {
            execution_id: uuid::Uuid::from_u128(0xAB),
            epoch: 2,
        };
        assert_eq!(ground.run(claim).as_str(), "/b/runs/0123456789ab/0000000000ab-2");
        let command = ground.command("look --dir /b/runs/1");
        assert_eq!(command, "exec /usr/bin/env -i /b/bin/12ab look --dir /b/runs/1");
    }
}
