//! Why nothing can be run on a server, in words for whoever may see the job: they name no address and no user, which
//! not all of them may know. It must not know how servers are reached.

use cronium_protocol::host::{HostTrouble, TroubleKind};

use super::{ExecutorError, Problem};

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerProblem {
    #[error("{}", words(.0))]
    Trouble(HostTrouble),
    #[error("the connection to it broke")]
    Cut,
    #[error("it has not answered yet")]
    Slow,
    #[error("it has as many connections of this orchestrator as there may be: run less there at a time")]
    Full,
    #[error("its system is {0}, and runs need Linux")]
    System(String),
    #[error(
        "there is no runner for its processor ({0}): put one beside the orchestrator's own, \
         named cronium-runner-{0}, and start the orchestrator again"
    )]
    NoRunner(String),
    #[error(
        "it has no directory for runs: the user needs a home, or /tmp, from which programs may be started ({0})"
    )]
    NoDirectory(String),
    #[error("the runner could not be put there: check its disk ({0})")]
    NotShipped(String),
    #[error("the runner there says: {0}")]
    Runner(String),
    #[error("the runner there did not start")]
    NoAnswer,
    #[error(
        "how to reach it is not known any more: it was removed, is not shared any more, \
         or its host key is to be confirmed"
    )]
    Unknown,
    #[error("this orchestrator reaches none: install OpenSSH's client on its machine, 8.5 or newer")]
    NoSsh,
}

impl ServerProblem {
    /// Whether the text sends its reader to the log.
    pub fn is_in_log(&self) -> bool {
        matches!(self, Self::Trouble(trouble) if trouble.kind == TroubleKind::Other)
    }
}

impl From<ServerProblem> for ExecutorError {
    fn from(problem: ServerProblem) -> Self {
        Problem::Server(problem).into()
    }
}

impl From<HostTrouble> for ExecutorError {
    fn from(trouble: HostTrouble) -> Self {
        let cause = trouble.told.clone();
        let problem = Problem::Server(ServerProblem::Trouble(trouble));
        match cause {
            Some(cause) => Self::new(problem, cause),
            None => problem.into(),
        }
    }
}

fn words(trouble: &HostTrouble) -> String {
    let (words, says_more) = match trouble.kind {
        TroubleKind::Unresolved => (
            "its name is unknown: check how it is spelt, and whether the orchestrator can resolve it",
            false,
        ),
        TroubleKind::Refused => (
            "nobody answers at its address: check whether it runs, its port, and whether a firewall is in the way",
            true,
        ),
        TroubleKind::Silent => (
            "it does not answer in time: check whether it runs, and whether a firewall drops what is sent there",
            false,
        ),
        TroubleKind::NotSsh => ("what answers at its address does not speak SSH", false),
        TroubleKind::KeyChanged => (
            "it shows another host key than the confirmed one, so nothing was said to it: \
             find out why before you confirm the new one",
            true,
        ),
        TroubleKind::Denied => (
            "it does not let its user in: check the user, and the key or the password",
            true,
        ),
        TroubleKind::BadKey => (
            "its private key can't be used: give it again, with its passphrase",
            false,
        ),
        TroubleKind::NoSession => (
            "it lets nobody begin another session: check its limits, such as MaxSessions and MaxStartups",
            false,
        ),
        TroubleKind::NoShell => (
            "the sign-in works, but commands can't be run there: give its user an ordinary shell",
            true,
        ),
        TroubleKind::Jump => (
            "a server on the way has trouble of its own: look at its checks first",
            false,
        ),
        TroubleKind::Other => ("the orchestrator's log says why", false),
    };
    // What comes before the reason itself is about whom ssh has spoken to.
    let told = trouble.told.as_deref().filter(|_| says_more);
    match told.map(|told| told.rsplit_once(": ").map_or(told, |(_, reason)| reason)) {
        Some(reason) => format!("{words} ({reason})"),
        None => words.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: TroubleKind, told: &str) -> ExecutorError {
        let told = Some(told.to_owned());
        HostTrouble { kind, told }.into()
    }

    #[test]
    fn the_reason_is_told_and_nobody_is_named() {
        for (kind, said, meant) in [
            (
                TroubleKind::Refused,
                "ssh: connect to host 192.0.2.1 port 22: Connection refused",
                Some("(Connection refused)"),
            ),
            (
                TroubleKind::Denied,
                "deploy@192.0.2.1: Permission denied (publickey).",
                Some("(Permission denied (publickey).)"),
            ),
            (
                TroubleKind::KeyChanged,
                "It shows the key SHA256:Dr/75dIORSA87Ps1bbkZYfvnQx2Ung7ijID4uwJq68g",
                Some("SHA256:Dr/75dIORSA87Ps1bbkZYfvnQx2Ung7ijID4uwJq68g"),
            ),
            (
                TroubleKind::NotSsh,
                "Connection closed by 192.0.2.1 port 22",
                None,
            ),
            (
                TroubleKind::Jump,
                "deploy@192.0.2.1: Permission denied (publickey).",
                None,
            ),
        ] {
            let error = told(kind, said);
            let text = error.to_string();
            assert!(text.starts_with("the server can't be used: "), "{text}");
            assert!(!text.contains("192.0.2.1") && !text.contains("deploy"), "{text}");
            assert!(meant.is_none_or(|meant| text.contains(meant)), "{text}");
            assert_eq!(error.cause(), Some(said), "the log has all of it");
        }
    }
}
