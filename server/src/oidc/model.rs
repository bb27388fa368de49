//! What administrators say of the provider, and what of it is possible. Pure.

use openidconnect::url::{Host, Url};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::naming;
use crate::settings::Registration;

/// A provider. Prints no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Where its discovery document is found, and what its tokens say they come from.
    pub issuer: String,
    pub client_id: String,
    /// None: a public client, which proves itself by PKCE alone.
    pub client_secret: Option<String>,
    /// Asked for besides `openid`.
    pub scopes: Vec<String>,
    /// What the button of the sign-in page calls it.
    pub label: String,
    /// Only addresses of these get in; empty: of any.
    pub domains: Vec<String>,
    /// Who gets an account by coming from there.
    pub registration: Registration,
    /// The role of those who were not invited.
    pub role: Uuid,
    /// Whether a second factor of ours is not asked for: the provider asked for its own.
    pub trusts_factor: bool,
    /// Rises with every change.
    pub version: i32,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({} as {})", self.issuer, self.client_id)
    }
}

/// Whether secrets may go there: by TLS, or not further than this machine.
pub fn is_safe(url: &Url) -> bool {
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && here)
}

fn is_issuer(text: &str) -> bool {
    let plain = |url: &Url| url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    text.len() <= 500 && Url::parse(text).is_ok_and(|url| is_safe(&url) && plain(&url))
}

/// The characters of a scope: RFC 6749, section 3.3.
fn is_scope(text: &str) -> bool {
    let part = |b: u8| b == 0x21 || (0x23..=0x5b).contains(&b) || (0x5d..=0x7e).contains(&b);
    (1..=100).contains(&text.len()) && text.bytes().all(part)
}

fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-') && !label.starts_with('-')
    };
    text.len() <= 253 && text.contains('.') && text.split('.').all(label)
}

impl Provider {
    /// Takes the stored secret over when none is given: for the same client of the same provider only, so that it
    /// can't be sent to another one.
    pub fn keep_secret(&mut self, old: Option<&Self>) {
        if self.client_secret.is_none()
            && let Some(old) = old
            && (&old.issuer, &old.client_id) == (&self.issuer, &self.client_id)
        {
            self.client_secret.clone_from(&old.client_secret);
        }
    }

    /// Whether somebody gets the role who was not invited.
    pub fn gives_role(&self) -> bool {
        matches!(self.registration, Registration::Open | Registration::Approval)
    }

    pub fn check(&self, checks: &mut Checks) {
        let mut require = |holds, field: &str, message: &str| {
            checks.require(holds, UserErrorCode::Invalid, field, message);
        };
        let issuer =
            "Enter the provider's address, as https://id.example.com. Plain http is for this machine only.";
        require(is_issuer(&self.issuer), "issuer", issuer);
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        let client = plain(&self.client_id) && self.client_id.len() <= 200;
        require(
            client,
            "clientId",
            "Enter the client's id, as the provider shows it.",
        );
        let secret = self.client_secret.as_deref().unwrap_or("-");
        let secret = plain(secret) && secret.len() <= 1000;
        require(
            secret,
            "clientSecret",
            "This is not a client's secret: it holds spaces, or is too long.",
        );
        let label = (1..=40).contains(&self.label.chars().count()) && naming::is_plain(&self.label);
        require(
            label,
            "label",
            "Enter a name for the button, of at most 40 characters.",
        );
        require(self.scopes.len() <= 20, "scopes", "At most 20 scopes.");
        for (at, scope) in self.scopes.iter().enumerate() {
            require(
                is_scope(scope),
                &format!("scopes.{at}"),
                "This is not the name of a scope.",
            );
        }
        require(
            self.domains.len() <= 100,
            "allowedDomains",
            "At most 100 domains.",
        );
        for (at, domain) in self.domains.iter().enumerate() {
            let message = "This is not a domain: write it as example.com.";
            require(is_domain(domain), &format!("allowedDomains.{at}"), message);
        }
    }

    /// For the audit log.
    pub fn audited(&self) -> Value {
        json!({
            "issuer": self.issuer, "clientId": self.client_id, "hasClientSecret": self.client_secret.is_some(),
            "scopes": self.scopes, "label": self.label, "allowedDomains": self.domains,
            "registration": self.registration, "role": self.role, "trustsSecondFactor": self.trusts_factor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn provider(issuer: &str) -> Provider {
        Provider {
            issuer: issuer.into(),
            client_id: "cronium".into(),
            client_secret: Some("very-secret".into()),
            scopes: vec!["email".into(), "profile".into()],
            label: "Example".into(),
            domains: vec!["example.com".into()],
            registration: Registration::InviteOnly,
            role: Uuid::from_u128(4),
            trusts_factor: false,
            version: 1,
        }
    }

    fn fields(provider: &Provider) -> Vec<String> {
        let mut checks = Checks::default();
        provider.check(&mut checks);
        match checks.done() {
            Err(crate::kernel::Error::Invalid(errors)) => {
                errors.into_iter().map(|e| e.field.join(".")).collect()
            }
            _ => Vec::new(),
        }
    }

    #[test]
    fn secrets_go_by_tls_or_stay_here() {
        for issuer in [
            "https://id.example.com",
            "https://id.example.com/realms/a",
            "http://localhost:4000",
            "http://127.0.0.1:9",
            "http://[::1]:9",
        ] {
            assert_eq!(fields(&provider(issuer)), Vec::<String>::new(), "{issuer}");
        }
        for issuer in [
            "",
            "id.example.com",
            "http://id.example.com",
            "http://localhost.example.com",
            "https://id.example.com?a=b",
            "https://id.example.com#a",
            "https://me@id.example.com",
            "ftp://localhost",
            "file:///etc/passwd",
        ] {
            assert_eq!(fields(&provider(issuer)), ["issuer"], "{issuer}");
        }
    }

    #[test]
    fn each_problem_stands_at_its_field() {
        let wrong = Provider {
            client_id: "a b".into(),
            client_secret: Some(String::new()),
            scopes: vec!["email".into(), "a\"b".into()],
            label: String::new(),
            domains: vec!["example.com".into(), "@example.com".into(), "localhost".into()],
            ..provider("https://id.example.com")
        };
        let expected = [
            "clientId",
            "clientSecret",
            "label",
            "scopes.1",
            "allowedDomains.1",
            "allowedDomains.2",
        ];
        assert_eq!(fields(&wrong), expected);
    }

    #[test]
    fn a_stored_secret_goes_to_no_other_provider_and_into_no_log() {
        let old = provider("https://id.example.com");
        let kept = |issuer: &str, client: &str| {
            let mut new = Provider {
                client_secret: None,
                client_id: client.into(),
                ..provider(issuer)
            };
            new.keep_secret(Some(&old));
            new.client_secret.is_some()
        };
        assert!(kept("https://id.example.com", "cronium"));
        assert!(!kept("https://id.attacker.example", "cronium"));
        assert!(!kept("https://id.example.com", "another"));
        assert!(!format!("{old:?}{}", old.audited()).contains("very-secret"));
    }
}
