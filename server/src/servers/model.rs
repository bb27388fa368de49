//! What a server is: the rules of its fields, what its troubles mean and where they are mended, and how its state follows
//! from a check. Pure.

use cronium_entity::enums::{ServerSignIn, ServerStatus, ServerTrouble};
use cronium_protocol::host::{
    Address, AddressProblem, HostFigures, HostKey, HostTrouble, Login, LoginProblem, TroubleKind,
    is_fingerprint,
};

use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::naming;

/// Servers that one person may have.
pub const MOST: u64 = 1_000;
/// Most servers on the way to another one.
pub const MAX_JUMPS: usize = 3;
/// Seconds between checks of which nothing else is said.
pub const DEFAULT_INTERVAL: i32 = 60;
/// Longest password or passphrase, in bytes.
pub const MAX_PASSWORD: usize = 1024;
/// Longest word of what a host said that is kept, in characters.
const MAX_TOLD: usize = 300;

pub const UNCONFIRMED: &str =
    "Nobody has confirmed its host key. Probe it, compare the fingerprint, and save the server with it.";

/// What a server is called and who sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub tags: Vec<String>,
    pub shared: bool,
}

impl Profile {
    /// Trims, and notes what is wrong.
    pub fn checked(mut self, checks: &mut Checks) -> Self {
        use UserErrorCode::{Invalid, Required, TooLong};
        self.name = self.name.trim().to_owned();
        checks.require(!self.name.is_empty(), Required, "name", "Give the server a name.");
        let short = self.name.chars().count() <= 100;
        checks.require(short, TooLong, "name", "At most 100 characters.");
        checks.require(naming::is_plain(&self.name), Invalid, "name", naming::UNREADABLE);
        checks.require(self.tags.len() <= 20, TooLong, "tags", "At most 20 tags.");
        for (index, tag) in self.tags.iter_mut().enumerate() {
            *tag = tag.trim().to_owned();
            let field = format!("tags.{index}");
            let fits = (1..=40).contains(&tag.chars().count());
            checks.require(fits, Invalid, &field, "A tag has 1 to 40 characters.");
            checks.require(naming::is_plain(tag), Invalid, &field, naming::UNREADABLE);
        }
        self.tags.sort();
        self.tags.dedup();
        self
    }
}

/// Where a server is; None: what is wrong was noted. `otherwise` is the port where neither text nor field names one.
pub fn place(text: &str, port: Option<i32>, otherwise: u16, checks: &mut Checks) -> Option<Address> {
    let given = port
        .and_then(|port| u16::try_from(port).ok())
        .filter(|port| *port > 0);
    let wrong = port.is_some() && given.is_none();
    if wrong {
        checks.add(UserErrorCode::Invalid, "port", AddressProblem::Port.to_string());
    }
    match Address::parse(text.trim(), Some(given.unwrap_or(otherwise))) {
        Ok(address) if given.is_some_and(|port| port != address.port()) => {
            let message = format!("The address names port {}: give one of both.", address.port());
            checks.add(UserErrorCode::Invalid, "port", message);
            None
        }
        Ok(address) => (!wrong).then_some(address),
        Err(problem) => {
            let code = match problem {
                AddressProblem::Empty => UserErrorCode::Required,
                AddressProblem::Long => UserErrorCode::TooLong,
                _ => UserErrorCode::Invalid,
            };
            checks.add(code, "address", problem.to_string());
            None
        }
    }
}

/// Who signs in; None: what is wrong was noted.
pub fn login(text: &str, checks: &mut Checks) -> Option<Login> {
    match text.trim().parse() {
        Ok(login) => Some(login),
        Err(problem) => {
            let code = match problem {
                LoginProblem::Empty => UserErrorCode::Required,
                LoginProblem::Long => UserErrorCode::TooLong,
                _ => UserErrorCode::Invalid,
            };
            checks.add(code, "username", problem.to_string());
            None
        }
    }
}

/// A fingerprint that somebody confirms; None: it is none, which was noted.
pub fn fingerprint(text: &str, checks: &mut Checks) -> Option<String> {
    let text = text.trim();
    let good = is_fingerprint(text);
    let message = "A fingerprint is SHA256: and 43 characters, as ssh-keygen -l shows it.";
    checks.require(good, UserErrorCode::Invalid, "hostKeyFingerprint", message);
    good.then(|| text.to_owned())
}

/// Notes what is wrong with the seconds between checks.
pub fn check_interval(seconds: i32, checks: &mut Checks) {
    let good = seconds == 0 || (15..=86_400).contains(&seconds);
    let message = "0 for no checks, or 15 to 86,400 seconds.";
    checks.require(good, UserErrorCode::Invalid, "checkIntervalSeconds", message);
}

/// Notes what is wrong with a password or a passphrase.
pub fn check_password(text: &str, field: &str, checks: &mut Checks) {
    let short = text.len() <= MAX_PASSWORD;
    checks.require(short, UserErrorCode::TooLong, field, "At most 1,024 bytes.");
    let line = !text.chars().any(char::is_control);
    let message = "This is one line without control characters.";
    checks.require(line, UserErrorCode::Invalid, field, message);
}

/// The version after this one.
pub fn next_version(version: i32) -> i32 {
    version.checked_add(1).unwrap_or(1)
}

/// That of the keys which has this fingerprint.
pub fn confirmed<'a>(keys: &'a [HostKey], fingerprint: &str) -> Option<&'a HostKey> {
    keys.iter().find(|key| key.fingerprint() == fingerprint)
}

/// Keys in words: each with its kind.
pub fn shown(keys: &[HostKey]) -> String {
    let each: Vec<_> = keys
        .iter()
        .map(|key| format!("{} ({})", key.fingerprint(), key.algorithm()))
        .collect();
    if each.is_empty() {
        "no key of a kind that can be pinned".to_owned()
    } else {
        each.join(", ")
    }
}

/// Why a server could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub kind: ServerTrouble,
    /// What was said, if anything.
    pub told: Option<String>,
}

/// What was found out, or why it was not.
pub type Found<T> = Result<T, Trouble>;

impl Trouble {
    pub fn of(kind: ServerTrouble) -> Self {
        Self { kind, told: None }
    }

    /// What a host said may hold anything: it becomes one short line.
    pub fn telling(kind: ServerTrouble, told: &str) -> Self {
        let told: String = naming::plain(told).trim().chars().take(MAX_TOLD).collect();
        let told = Some(told).filter(|told| !told.is_empty());
        Self { kind, told }
    }

    /// The host shows other keys than the one that is pinned.
    pub fn changed(keys: &[HostKey]) -> Self {
        Self::telling(ServerTrouble::KeyChanged, &format!("it shows {}", shown(keys)))
    }

    /// For people: what is wrong and what to do.
    pub fn message(&self) -> String {
        let advice = match self.kind {
            ServerTrouble::Unresolved => {
                "The name is unknown. Check how it is spelt, and whether orchestrators can resolve it."
            }
            ServerTrouble::Refused => {
                "Nobody answers there. Check the address, the port, and whether a firewall is in the way."
            }
            ServerTrouble::Silent => {
                "There was no answer in time. Check the address, and whether a firewall drops what is sent there."
            }
            ServerTrouble::NotSsh => "What answers there does not speak SSH. Check the port.",
            ServerTrouble::KeyChanged => {
                "It shows another host key than the confirmed one, so nothing was said to it. Find out why before you \
                 confirm the new one."
            }
            ServerTrouble::Denied => {
                "It does not let this user in. Check the user, and the key or the password."
            }
            ServerTrouble::BadKey => "The private key can't be used. Give it again, with its passphrase.",
            ServerTrouble::NoSession => {
                "It lets nobody begin another session. Check its limits, such as MaxSessions and MaxStartups."
            }
            ServerTrouble::NoShell => {
                "The sign-in works, but commands can't be run there. Give the user an ordinary shell."
            }
            ServerTrouble::Jump => "A server on the way has trouble of its own: look at its checks first.",
            ServerTrouble::NoOrchestrator => {
                "No orchestrator that reaches servers took this up. Start one, or look whether all of them are draining, \
                 busy, or older than this version."
            }
            ServerTrouble::Other => "It could not be used.",
        };
        match &self.told {
            Some(told) => format!("{advice} ({told})"),
            None => advice.to_owned(),
        }
    }

    /// Where somebody who saves the server mends it.
    pub fn fields(&self, sign_in: ServerSignIn) -> Vec<(UserErrorCode, &'static str)> {
        use UserErrorCode::{Conflict, Invalid, Unreachable};
        let secret = match sign_in {
            ServerSignIn::Key => "privateKey",
            ServerSignIn::Password => "password",
        };
        match self.kind {
            ServerTrouble::Denied => vec![(Invalid, "username"), (Invalid, secret)],
            ServerTrouble::BadKey => vec![(Invalid, "privateKey")],
            ServerTrouble::KeyChanged => vec![(Conflict, "hostKeyFingerprint")],
            ServerTrouble::Jump => vec![(Unreachable, "jumpServerId")],
            ServerTrouble::NoOrchestrator => vec![(Unreachable, "")],
            ServerTrouble::Unresolved
            | ServerTrouble::Refused
            | ServerTrouble::Silent
            | ServerTrouble::NotSsh
            | ServerTrouble::NoSession
            | ServerTrouble::NoShell
            | ServerTrouble::Other => vec![(Unreachable, "address")],
        }
    }
}

impl From<HostTrouble> for Trouble {
    fn from(trouble: HostTrouble) -> Self {
        let kind = match trouble.kind {
            TroubleKind::Unresolved => ServerTrouble::Unresolved,
            TroubleKind::Refused => ServerTrouble::Refused,
            TroubleKind::Silent => ServerTrouble::Silent,
            TroubleKind::NotSsh => ServerTrouble::NotSsh,
            TroubleKind::KeyChanged => ServerTrouble::KeyChanged,
            TroubleKind::Denied => ServerTrouble::Denied,
            TroubleKind::BadKey => ServerTrouble::BadKey,
            TroubleKind::NoSession => ServerTrouble::NoSession,
            TroubleKind::NoShell => ServerTrouble::NoShell,
            TroubleKind::Jump => ServerTrouble::Jump,
            TroubleKind::Other => ServerTrouble::Other,
        };
        Self::telling(kind, trouble.told.as_deref().unwrap_or_default())
    }
}

/// How a server is after a check.
pub fn status_after(found: &Found<HostFigures>) -> ServerStatus {
    match found.as_ref().map_err(|trouble| trouble.kind) {
        Ok(_) => ServerStatus::Online,
        Err(ServerTrouble::KeyChanged) => ServerStatus::KeyChanged,
        Err(ServerTrouble::Denied | ServerTrouble::BadKey) => ServerStatus::SignInRefused,
        Err(_) => ServerStatus::Unreachable,
    }
}

/// How a server is that was saved after trying it: when nobody could try, nothing is known.
pub fn status_when_saved(found: &Found<HostFigures>) -> ServerStatus {
    match found {
        Err(trouble) if trouble.kind == ServerTrouble::NoOrchestrator => ServerStatus::Unknown,
        _ => status_after(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Error;

    fn faults(check: impl FnOnce(&mut Checks)) -> Vec<(UserErrorCode, String)> {
        let mut checks = Checks::default();
        check(&mut checks);
        match checks.done() {
            Err(Error::Invalid(errors)) => errors.into_iter().map(|e| (e.code, e.field.join("."))).collect(),
            _ => Vec::new(),
        }
    }

    fn fault(code: UserErrorCode, field: &str) -> Vec<(UserErrorCode, String)> {
        vec![(code, field.to_owned())]
    }

    #[test]
    fn a_port_is_in_the_address_or_beside_it_but_not_two() {
        for (text, port, expected) in [
            ("db.example.org", None, "db.example.org:22"),
            (" db.example.org ", Some(2222), "db.example.org:2222"),
            ("db.example.org:2222", None, "db.example.org:2222"),
            ("db.example.org:2222", Some(2222), "db.example.org:2222"),
            ("::1", Some(2222), "[::1]:2222"),
        ] {
            let found = place(text, port, 22, &mut Checks::default());
            assert_eq!(
                found.map(|address| address.to_string()).as_deref(),
                Some(expected)
            );
        }
        for (text, port, code, field) in [
            ("db:2222", Some(22), UserErrorCode::Invalid, "port"),
            ("db", Some(0), UserErrorCode::Invalid, "port"),
            ("db", Some(65_536), UserErrorCode::Invalid, "port"),
            ("db", Some(-1), UserErrorCode::Invalid, "port"),
            ("db:0", None, UserErrorCode::Invalid, "address"),
            ("", None, UserErrorCode::Required, "address"),
            ("-oProxyCommand=x", None, UserErrorCode::Invalid, "address"),
        ] {
            let found = faults(|checks| assert_eq!(place(text, port, 22, checks), None));
            assert_eq!(found, fault(code, field), "{text} {port:?}");
        }
        let both = faults(|checks| assert_eq!(place("a b", Some(0), 22, checks), None));
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn names_tags_and_intervals_have_their_limits() {
        let profile = |name: &str, tags: &[&str]| Profile {
            name: name.to_owned(),
            tags: tags.iter().map(|&tag| tag.to_owned()).collect(),
            shared: false,
        };
        let kept = profile(" Web 1 ", &["b", " a ", "b"]).checked(&mut Checks::default());
        assert_eq!(kept, profile("Web 1", &["a", "b"]));
        let many: Vec<_> = (0..21).map(|n| n.to_string()).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        for (bad, code, field) in [
            (profile(" ", &[]), UserErrorCode::Required, "name"),
            (profile(&"x".repeat(101), &[]), UserErrorCode::TooLong, "name"),
            (profile("a\nb", &[]), UserErrorCode::Invalid, "name"),
            (profile("a", &["ok", ""]), UserErrorCode::Invalid, "tags.1"),
            (profile("a", &["a\u{202e}"]), UserErrorCode::Invalid, "tags.0"),
            (profile("a", &many), UserErrorCode::TooLong, "tags"),
        ] {
            let found = faults(|checks| drop(bad.clone().checked(checks)));
            assert_eq!(found, fault(code, field), "{bad:?}");
        }
        for (seconds, good) in [
            (0, true),
            (14, false),
            (15, true),
            (86_400, true),
            (86_401, false),
            (-1, false),
        ] {
            assert_eq!(
                faults(|checks| check_interval(seconds, checks)).is_empty(),
                good,
                "{seconds}"
            );
        }
    }

    #[test]
    fn the_state_is_what_the_last_check_found() {
        use ServerTrouble as Kind;
        assert_eq!(status_after(&Ok(HostFigures::default())), ServerStatus::Online);
        for (kind, status) in [
            (Kind::KeyChanged, ServerStatus::KeyChanged),
            (Kind::Denied, ServerStatus::SignInRefused),
            (Kind::BadKey, ServerStatus::SignInRefused),
            (Kind::Silent, ServerStatus::Unreachable),
            (Kind::NoShell, ServerStatus::Unreachable),
            (Kind::NoOrchestrator, ServerStatus::Unreachable),
        ] {
            assert_eq!(status_after(&Err(Trouble::of(kind))), status, "{kind:?}");
        }
        let unasked = Err(Trouble::of(Kind::NoOrchestrator));
        assert_eq!(status_when_saved(&unasked), ServerStatus::Unknown);
    }

    #[test]
    fn what_a_host_says_is_one_short_line() {
        let host = HostTrouble {
            kind: TroubleKind::Refused,
            told: Some(format!("\u{1b}[31mno\u{202e}\n{}", "x".repeat(900))),
        };
        let told = Trouble::from(host).told.unwrap();
        assert_eq!(told.chars().count(), MAX_TOLD);
        assert!(naming::is_plain(&told) && told.starts_with("[31mno"));
        let quiet = HostTrouble {
            kind: TroubleKind::Silent,
            told: None,
        };
        assert_eq!(Trouble::from(quiet), Trouble::of(ServerTrouble::Silent));
    }
}
