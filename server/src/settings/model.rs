//! The settings themselves, and which of them are possible. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::kernel::email;
use crate::kernel::error::{Checks, UserErrorCode};

/// Who may make an account for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Registration {
    Closed,
    #[default]
    InviteOnly,
    Approval,
    Open,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Security {
    None,
    StartTls,
    Tls,
}

/// The mail server. Prints no password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smtp {
    pub host: String,
    pub port: u16,
    pub security: Security,
    pub username: Option<String>,
    pub password: Option<String>,
    /// Address that mail comes from.
    pub from: String,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Smtp({}:{})", self.host, self.port)
    }
}

/// How long terminals stay open, and recordings are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalRules {
    /// Without anything typed.
    pub idle_minutes: i32,
    /// In any case.
    pub max_minutes: i32,
    pub recording_days: i32,
}

impl Default for TerminalRules {
    fn default() -> Self {
        Self {
            idle_minutes: 15,
            max_minutes: 8 * 60,
            recording_days: 30,
        }
    }
}

impl TerminalRules {
    fn check(self, checks: &mut Checks) {
        for (field, value, most, message) in [
            (
                "terminals.idleMinutes",
                self.idle_minutes,
                1_440,
                "1 to 1,440 minutes.",
            ),
            (
                "terminals.maxMinutes",
                self.max_minutes,
                10_080,
                "1 to 10,080 minutes.",
            ),
            (
                "terminals.recordingDays",
                self.recording_days,
                3_650,
                "1 to 3,650 days.",
            ),
        ] {
            checks.require(
                (1..=most).contains(&value),
                UserErrorCode::Invalid,
                field,
                message,
            );
        }
    }
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub registration: Registration,
    pub smtp: Option<Smtp>,
    pub terminals: TerminalRules,
    /// Rises with every change.
    pub version: i32,
}

impl Smtp {
    /// Takes the stored password over when none is given: for the same account on the same server only, so
    /// that it can't be sent to another one.
    pub fn keep_password(&mut self, old: Option<&Self>) {
        if self.password.is_none()
            && let Some(old) = old
            && (&old.host, old.port, &old.username) == (&self.host, self.port, &self.username)
            && (old.security == self.security || self.security != Security::None)
        {
            self.password.clone_from(&old.password);
        }
    }
}

/// An address of this machine's network, or a name of letters, digits, `-` and `_` between dots.
fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let name = text.strip_suffix('.').unwrap_or(text);
    text.parse::<std::net::IpAddr>().is_ok() || (name.len() <= 253 && name.split('.').all(label))
}

impl Settings {
    pub fn check(&self, checks: &mut Checks) {
        let by_mail = matches!(self.registration, Registration::Approval | Registration::Open);
        checks.require(
            !by_mail || self.smtp.is_some(),
            UserErrorCode::Required,
            "smtp",
            "Signing up needs mail, to prove the address: set a mail server.",
        );
        self.terminals.check(checks);
        let Some(smtp) = &self.smtp else { return };
        checks.require(
            is_host(&smtp.host),
            UserErrorCode::Invalid,
            "smtp.host",
            "This is not the name of a server.",
        );
        checks.require(
            email::is_sender(&smtp.from),
            UserErrorCode::Invalid,
            "smtp.from",
            "This is not an e-mail address.",
        );
        for (field, value) in [
            ("smtp.username", &smtp.username),
            ("smtp.password", &smtp.password),
        ] {
            let value = value.as_deref().unwrap_or_default();
            checks.require(
                value.chars().count() <= 1000,
                UserErrorCode::TooLong,
                field,
                "At most 1000 characters.",
            );
            checks.require(
                !value.chars().any(char::is_control),
                UserErrorCode::Invalid,
                field,
                "Control characters can't be used here.",
            );
        }
        checks.require(
            smtp.port > 0,
            UserErrorCode::Invalid,
            "smtp.port",
            "A port is 1 to 65535.",
        );
        checks.require(
            smtp.username.is_none() || smtp.password.is_some(),
            UserErrorCode::Required,
            "smtp.password",
            "Enter the password again: the server or the account changed.",
        );
    }

    /// For the audit log.
    pub fn audited(&self) -> Value {
        let smtp = self.smtp.as_ref().map(|smtp| {
            json!({ "host": smtp.host, "port": smtp.port, "security": smtp.security, "username": smtp.username,
                "from": smtp.from, "hasPassword": smtp.password.is_some() })
        });
        json!({ "registration": self.registration, "smtp": smtp, "terminals": self.terminals })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(host: &str, password: Option<&str>) -> Smtp {
        Smtp {
            host: host.into(),
            port: 587,
            security: Security::StartTls,
            username: Some("cronium".into()),
            password: password.map(Into::into),
            from: "cronium@example.test".into(),
        }
    }

    #[test]
    fn a_stored_password_goes_to_no_other_server_and_over_no_weaker_line() {
        let old = smtp("mail.example.test", Some("secret"));
        let kept = |mut new: Smtp| {
            new.keep_password(Some(&old));
            new.password.is_some()
        };
        assert!(kept(smtp("mail.example.test", None)));
        assert!(!kept(smtp("mail.attacker.test", None)));
        let plain = Smtp {
            security: Security::None,
            ..smtp("mail.example.test", None)
        };
        assert!(!kept(plain));
        assert!(
            !format!(
                "{old:?} {}",
                Settings {
                    smtp: Some(old.clone()),
                    ..Settings::default()
                }
                .audited()
            )
            .contains("secret")
        );
    }
}
