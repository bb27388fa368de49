//! Tells from what ssh wrote into its log why a connection did not come about or broke. A server can put words of its
//! own there, so all that depends on them is how its own trouble is called. It must not know how ssh is run.

use cronium_protocol::host::{HostTrouble, TroubleKind, is_fingerprint};

/// Longest text about a trouble, in characters.
const MAX_TOLD: usize = 300;

/// How a connection ended that did not come to what it was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// ssh ended.
    Itself,
    /// Its time was over.
    OutOfTime,
}

/// Whether a connection came so far that it was signed in.
pub fn is_up(log: &str) -> bool {
    log.lines().any(|line| line.starts_with(SIGNED_IN))
}

const SIGNED_IN: &str = "Authenticated to ";

pub fn trouble(kind: TroubleKind, told: impl Into<String>) -> HostTrouble {
    let told = plain(&told.into(), MAX_TOLD);
    HostTrouble { kind, told }
}

/// What the logs of a connection tell: that of the ssh to the server itself, and those of the ways, the nearest to it
/// first. Texts that begin with `hide`, where our files are, are not passed on.
pub fn tell(ending: Ending, log: &str, ways: &[String], hide: &str) -> HostTrouble {
    let found = if is_up(log) {
        signed_in(ending, log)
    } else {
        // The first that was asked is the last of them: what is behind it waits for it.
        let on_the_way = ways
            .iter()
            .enumerate()
            .rev()
            .find_map(|(n, way)| a_way(ending, way, n == 0));
        on_the_way.unwrap_or_else(|| connecting(ending, log))
    };
    HostTrouble {
        told: found.told.and_then(|told| plain(&without(&told, hide), MAX_TOLD)),
        ..found
    }
}

/// The kinds of what ssh says before it has signed in. The first line that has one of the words tells.
const WORDS: [(&str, TroubleKind); 21] = [
    ("Could not resolve hostname", TroubleKind::Unresolved),
    ("Connection timed out during banner exchange", TroubleKind::Silent),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", TroubleKind::KeyChanged),
    ("host key is known for", TroubleKind::KeyChanged),
    ("Host key verification failed", TroubleKind::KeyChanged),
    // It has no key of the pinned one's kind any more.
    ("no matching host key type found", TroubleKind::KeyChanged),
    ("Load key ", TroubleKind::BadKey),
    ("Too many authentication failures", TroubleKind::Denied),
    ("No supported authentication methods", TroubleKind::Denied),
    ("Permission denied (", TroubleKind::Denied),
    ("Unable to negotiate", TroubleKind::NotSsh),
    ("kex_exchange_identification", TroubleKind::NotSsh),
    ("banner exchange", TroubleKind::NotSsh),
    ("Protocol major versions differ", TroubleKind::NotSsh),
    ("Bad packet length", TroubleKind::NotSsh),
    ("Corrupted MAC", TroubleKind::NotSsh),
    ("ssh_dispatch_run_fatal", TroubleKind::NotSsh),
    ("Received disconnect from", TroubleKind::NotSsh),
    ("Disconnected from", TroubleKind::NotSsh),
    ("Connection closed by", TroubleKind::NotSsh),
    ("Connection reset by", TroubleKind::NotSsh),
];

fn kind_of(line: &str) -> Option<TroubleKind> {
    if line.contains("connect to host ") {
        let in_time = !line.ends_with("timed out");
        return Some(if in_time {
            TroubleKind::Refused
        } else {
            TroubleKind::Silent
        });
    }
    // A server that stops answering once it is connected.
    if line.ends_with("not responding.") || line.ends_with("timed out") {
        return Some(TroubleKind::Silent);
    }
    WORDS
        .iter()
        .find(|(word, _)| line.contains(word))
        .map(|(_, kind)| *kind)
}

fn connecting(ending: Ending, log: &str) -> HostTrouble {
    let known = log.lines().find_map(|line| Some((kind_of(line)?, line)));
    let (kind, told) = match known {
        Some((TroubleKind::KeyChanged, line)) => (TroubleKind::KeyChanged, shown_key(log, line)),
        // What comes after the file's name.
        Some((TroubleKind::BadKey, line)) => {
            let reason = line.rsplit_once("\": ").map_or(line, |(_, reason)| reason);
            (TroubleKind::BadKey, reason.to_owned())
        }
        Some((kind, line)) => (kind, line.to_owned()),
        None if ending == Ending::OutOfTime => {
            return HostTrouble {
                kind: TroubleKind::Silent,
                told: None,
            };
        }
        None => (TroubleKind::Other, last_line(log).to_owned()),
    };
    HostTrouble {
        kind,
        told: (!told.is_empty()).then_some(told),
    }
}

/// The fingerprint of the key that was shown where ssh says it, else its own words.
fn shown_key(log: &str, line: &str) -> String {
    let mut words = log.split_whitespace().map(|word| word.trim_end_matches('.'));
    match words.find(|word| is_fingerprint(word)) {
        Some(fingerprint) => format!("It shows the key {fingerprint}"),
        None => line.to_owned(),
    }
}

fn last_line(log: &str) -> &str {
    log.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
}

/// Signed in, and yet there is no shell.
fn signed_in(ending: Ending, log: &str) -> HostTrouble {
    let mut after = log
        .lines()
        .skip_while(|line| !line.starts_with(SIGNED_IN))
        .skip(1);
    let telling = after.find_map(|line| {
        if line.contains("open failed") {
            Some((TroubleKind::NoSession, line))
        } else if line.ends_with("not responding.") || line.ends_with("timed out") {
            Some((TroubleKind::Silent, line))
        } else if line.contains("request failed on channel") {
            Some((TroubleKind::NoShell, line))
        } else {
            None
        }
    });
    match telling {
        Some((kind, line)) => HostTrouble {
            kind,
            told: Some(line.to_owned()),
        },
        None => HostTrouble {
            kind: TroubleKind::NoShell,
            told: (ending == Ending::OutOfTime).then(|| "Its shell does not answer.".to_owned()),
        },
    }
}

/// What is wrong with a way, if anything is; `is_nearest`: it leads to the server itself.
fn a_way(ending: Ending, log: &str, is_nearest: bool) -> Option<HostTrouble> {
    if !is_up(log) {
        let own = connecting(ending, log);
        let told = own
            .told
            .or_else(|| Some("The server on the way does not answer.".to_owned()));
        return Some(HostTrouble {
            kind: TroubleKind::Jump,
            told,
        });
    }
    let failed = log.lines().find(|line| line.contains("open failed: "))?;
    let kind = match failed.split_once("connect failed") {
        Some((_, reason)) if is_nearest => connect_failed(reason),
        // It carries nothing on, or has no way to the next of the ways.
        _ => TroubleKind::Jump,
    };
    Some(HostTrouble {
        kind,
        told: Some(failed.to_owned()),
    })
}

/// A server on the way tried to reach the next one. Its system's words, in the usual language of programs.
fn connect_failed(reason: &str) -> TroubleKind {
    const UNRESOLVED: [&str; 6] = [
        "not known",
        "name resolution",
        "No address associated",
        "nor servname",
        "unknown host",
        "Unknown host",
    ];
    if UNRESOLVED.iter().any(|word| reason.contains(word)) {
        TroubleKind::Unresolved
    } else if reason.contains("timed out") {
        TroubleKind::Silent
    } else {
        TroubleKind::Refused
    }
}

/// Leaves out names of our files.
fn without(text: &str, hide: &str) -> String {
    let mut parts = text.split(hide);
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "\"':".contains(c));
        rest.push('…');
        rest += &part[end.unwrap_or(part.len())..];
    }
    rest
}

/// One line that shows as what it is, without control characters and whatever else turns or hides text; None: nothing
/// is left of it.
pub fn plain(text: &str, longest: usize) -> Option<String> {
    let shown = |c: char| c.is_ascii_graphic() || c == '…' || (!c.is_ascii() && c.is_alphanumeric());
    let spaced: String = text.chars().map(|c| if shown(c) { c } else { ' ' }).collect();
    let words: Vec<_> = spaced.split_whitespace().collect();
    let line: String = words.join(" ").chars().take(longest).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDE: &str = "/run/cronium/0a1b2c";
    const UP: &str = "Authenticated to 192.0.2.1 ([192.0.2.1]:22) using \"publickey\".\n";
    const UP_BY_WAY: &str = "Authenticated to 192.0.2.1 (via proxy) using \"publickey\".\n";
    const CLOSED: &str = "kex_exchange_identification: Connection closed by remote host\nConnection closed by UNKNOWN port 65535\n";
    // All of these are what OpenSSH's own client wrote.
    const CHANGED: &str = "\
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!
The fingerprint for the ED25519 key sent by the remote host is
SHA256:Dr/75dIORSA87Ps1bbkZYfvnQx2Ung7ijID4uwJq68g.
Add correct host key in /run/cronium/0a1b2c/0/hosts to get rid of this message.
Host key for target has changed and you have requested strict checking.
Host key verification failed.
";

    fn direct(log: &str) -> (TroubleKind, Option<String>) {
        let found = tell(Ending::Itself, log, &[], HIDE);
        (found.kind, found.told)
    }

    fn by_way(log: &str, ways: &[&str]) -> (TroubleKind, Option<String>) {
        let ways: Vec<_> = ways.iter().map(|way| (*way).to_owned()).collect();
        let found = tell(Ending::Itself, log, &ways, HIDE);
        (found.kind, found.told)
    }

    #[test]
    fn what_ssh_says_before_it_has_signed_in() {
        for (log, kind) in [
            (
                "ssh: connect to host 192.0.2.1 port 22: Connection refused",
                TroubleKind::Refused,
            ),
            (
                "ssh: connect to host db port 22: No route to host",
                TroubleKind::Refused,
            ),
            (
                "ssh: connect to host db port 22: Permission denied",
                TroubleKind::Refused,
            ),
            (
                "ssh: connect to host db port 22: Connection timed out",
                TroubleKind::Silent,
            ),
            (
                "ssh: Could not resolve hostname nosuch.invalid: Name or service not known",
                TroubleKind::Unresolved,
            ),
            (
                "Connection timed out during banner exchange\nConnection to 192.0.2.1 port 22 timed out",
                TroubleKind::Silent,
            ),
            ("Timeout, server db not responding.", TroubleKind::Silent),
            (
                "kex_exchange_identification: banner line contains invalid characters\n\
                 banner exchange: Connection to 192.0.2.1 port 22: invalid format",
                TroubleKind::NotSsh,
            ),
            (
                "kex_exchange_identification: No SSH version received in first 1024 lines from server\n\
                 banner exchange: Connection to 192.0.2.1 port 22: invalid format",
                TroubleKind::NotSsh,
            ),
            (
                "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.1 port 22",
                TroubleKind::NotSsh,
            ),
            (
                "Protocol major versions differ: 2 vs. 1\n\
                 banner exchange: Connection to 192.0.2.1 port 22: could not read protocol version",
                TroubleKind::NotSsh,
            ),
            (
                "Bad packet length 4294967295.\n\
                 ssh_dispatch_run_fatal: Connection to 192.0.2.1 port 22: message authentication code incorrect",
                TroubleKind::NotSsh,
            ),
            ("Connection closed by 192.0.2.1 port 22", TroubleKind::NotSsh),
            (
                "Unable to negotiate with 192.0.2.1 port 22: no matching key exchange method found. Their offer: x",
                TroubleKind::NotSsh,
            ),
            (
                "Unable to negotiate with 192.0.2.1 port 22: no matching host key type found. Their offer: ssh-rsa",
                TroubleKind::KeyChanged,
            ),
            (
                "deploy@192.0.2.1: Permission denied (publickey,password).",
                TroubleKind::Denied,
            ),
            (
                "Received disconnect from 192.0.2.1 port 22:2: Too many authentication failures\n\
                 Disconnected from 192.0.2.1 port 22",
                TroubleKind::Denied,
            ),
            ("No user exists for uid 12345", TroubleKind::Other),
        ] {
            let (found, told) = direct(log);
            assert_eq!((found, told.as_deref()), (kind, log.lines().next()), "{log}");
        }
        assert_eq!(direct(""), (TroubleKind::Other, None));
    }

    #[test]
    fn a_changed_key_tells_which_key_is_shown() {
        let told = "It shows the key SHA256:Dr/75dIORSA87Ps1bbkZYfvnQx2Ung7ijID4uwJq68g";
        assert_eq!(direct(CHANGED), (TroubleKind::KeyChanged, Some(told.to_owned())));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_not_a_key_that_is_not_accepted() {
        let log =
            format!("Load key \"{HIDE}/0/key\": error in libcrypto\nx@y: Permission denied (publickey).\n");
        assert_eq!(
            direct(&log),
            (TroubleKind::BadKey, Some("error in libcrypto".to_owned()))
        );
    }

    #[test]
    fn signed_in_and_yet_no_shell() {
        let refused = "channel 0: open failed: administratively prohibited: open failed";
        let told = Some(refused.to_owned());
        assert_eq!(
            direct(&format!("{UP}{refused}\n")),
            (TroubleKind::NoSession, told)
        );
        let log = format!("{UP}exec request failed on channel 0\n");
        assert_eq!(direct(&log).0, TroubleKind::NoShell);
        let log = format!("{UP}Transferred: sent 1772, received 2936 bytes, in 0.0 seconds\n");
        assert_eq!(direct(&log), (TroubleKind::NoShell, None));
        let log = format!("{UP}Timeout, server 192.0.2.1 not responding.\n");
        assert_eq!(direct(&log).0, TroubleKind::Silent);
        let late = tell(Ending::OutOfTime, UP, &[], HIDE);
        assert_eq!(late.kind, TroubleKind::NoShell);
    }

    #[test]
    fn a_time_that_is_over_without_a_word_is_silence() {
        let late = tell(Ending::OutOfTime, "", &[], HIDE);
        assert_eq!((late.kind, late.told), (TroubleKind::Silent, None));
        let late = tell(Ending::OutOfTime, "", &[String::new()], HIDE);
        assert_eq!(late.kind, TroubleKind::Jump);
        assert!(late.told.is_some_and(|told| told.contains("on the way")));
    }

    #[test]
    fn trouble_of_a_way_is_told_from_that_of_the_server() {
        let (kind, told) = by_way(CLOSED, &["deploy@192.0.2.9: Permission denied (publickey).\n"]);
        assert_eq!(kind, TroubleKind::Jump);
        assert_eq!(
            told.as_deref(),
            Some("deploy@192.0.2.9: Permission denied (publickey).")
        );
        assert_eq!(by_way(CLOSED, &[CHANGED]).0, TroubleKind::Jump);
        for (reason, kind) in [
            ("connect failed: Connection refused", TroubleKind::Refused),
            ("connect failed: No route to host", TroubleKind::Refused),
            ("connect failed: Connection timed out", TroubleKind::Silent),
            (
                "connect failed: Name or service not known",
                TroubleKind::Unresolved,
            ),
            (
                "connect failed: Temporary failure in name resolution",
                TroubleKind::Unresolved,
            ),
            ("administratively prohibited: open failed", TroubleKind::Jump),
        ] {
            let way = format!("{UP}channel 1: open failed: {reason}\n");
            assert_eq!(by_way(CLOSED, &[&way]).0, kind, "{reason}");
            // Between two ways it is their trouble.
            assert_eq!(by_way(CLOSED, &["", &way]).0, TroubleKind::Jump, "{reason}");
        }
        // The way stands: it is the server that hangs up, is silent or another.
        assert_eq!(by_way(CLOSED, &[UP, UP_BY_WAY]).0, TroubleKind::NotSsh);
        assert_eq!(by_way(CHANGED, &[UP]).0, TroubleKind::KeyChanged);
        let silent =
            "Connection timed out during banner exchange\nConnection to UNKNOWN port 65535 timed out";
        assert_eq!(by_way(silent, &[UP]).0, TroubleKind::Silent);
        // And one that signed in has a way.
        assert_eq!(by_way(UP_BY_WAY, &[""]).0, TroubleKind::NoShell);
    }

    #[test]
    fn what_is_told_is_one_clean_line_without_our_files() {
        let text = format!("Bad owner on \"{HIDE}/0/config\": see {HIDE}/0/hosts:1");
        assert_eq!(without(&text, HIDE), "Bad owner on \"…\": see …:1");
        let odd = "a\tb\u{1b}[31mc\u{202e}d\u{200b}e\nf  é\0";
        assert_eq!(plain(odd, MAX_TOLD).as_deref(), Some("a b [31mc d e f é"));
        assert_eq!(plain(" \u{202e} ", MAX_TOLD), None);
        let long = "é".repeat(MAX_TOLD + 1);
        assert_eq!(plain(&long, MAX_TOLD).unwrap().chars().count(), MAX_TOLD);
    }
}
