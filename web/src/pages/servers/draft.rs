//! What a person is typing about a server: text as typed, checked only when it is sent. Knows nothing of the page or the
//! network; paths of fields are those of the API's inputs.

use super::changes::{CreateServerInput, ProbeServerInput, UpdateServerInput};
use super::data::{Detail, Hop, ServerSignIn};

/// Seconds between checks that are offered; 0: none by itself.
pub const INTERVALS: [i32; 8] = [15, 30, 60, 300, 900, 3_600, 86_400, 0];
const DEFAULT_INTERVAL: i32 = 60;
const DEFAULT_PORT: &str = "22";

/// The form as typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub name: String,
    /// Whether the name is the person's own; else it follows the address.
    pub named: bool,
    pub address: String,
    pub port: String,
    pub username: String,
    pub by_password: bool,
    pub private_key: String,
    pub passphrase: String,
    pub password: String,
    /// What is typed about the server on the way, and the one that is meant.
    pub hop_text: String,
    pub hop: Option<Hop>,
    /// Separated by commas or spaces.
    pub tags: String,
    pub shared: bool,
    pub interval: i32,
}

/// What is wrong with a field, before anybody is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Required,
    NotAPort,
    /// No server of this name was chosen.
    NotChosen,
}

/// The host that is asked, and the way to it: what was found out about one says nothing about another.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    address: String,
    port: String,
    hop: Option<cynic::Id>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            name: String::new(),
            named: false,
            address: String::new(),
            port: DEFAULT_PORT.to_owned(),
            username: String::new(),
            by_password: false,
            private_key: String::new(),
            passphrase: String::new(),
            password: String::new(),
            hop_text: String::new(),
            hop: None,
            tags: String::new(),
            shared: false,
            interval: DEFAULT_INTERVAL,
        }
    }
}

impl From<&Detail> for Draft {
    fn from(server: &Detail) -> Self {
        Self {
            name: server.name.clone(),
            named: true,
            address: server.address.clone(),
            port: server.port.to_string(),
            username: server.username.clone(),
            by_password: server.sign_in == ServerSignIn::Password,
            hop_text: server.hop().map(|hop| hop.name).unwrap_or_default(),
            hop: server.hop(),
            tags: server.tags.join(", "),
            shared: server.shared,
            interval: server.check_interval_seconds,
            ..Self::default()
        }
    }
}

/// Some text, unless it is empty.
fn given(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl Draft {
    /// Takes an address apart that came with a user or a port, as in `deploy@db.example.org:2222`.
    pub fn tidy(&mut self) {
        let text = self.address.trim().to_owned();
        let (user, rest) = match text.split_once('@') {
            Some((user, rest)) if !user.is_empty() => (Some(user), rest),
            _ => (None, text.as_str()),
        };
        let (host, port) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, after)) => (host, after.strip_prefix(':')),
            // More than one colon, and no brackets: an address of IPv6.
            None => match rest.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (rest, None),
            },
        };
        if host.is_empty() || port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return;
        }
        if let Some(user) = user {
            user.clone_into(&mut self.username);
        }
        if let Some(port) = port {
            port.clone_into(&mut self.port);
        }
        host.clone_into(&mut self.address);
        self.suggest();
    }

    /// Names the server after its host, for as long as nobody did.
    pub fn suggest(&mut self) {
        if self.named {
            return;
        }
        let host = self.address.trim();
        let is_name = host.chars().any(|c| c.is_ascii_alphabetic()) && !host.contains(':');
        let name = if is_name {
            host.split('.').next().unwrap_or_default()
        } else {
            host
        };
        name.clone_into(&mut self.name);
    }

    pub fn target(&self) -> Target {
        Target {
            address: self.address.trim().to_owned(),
            port: self.port.trim().to_owned(),
            hop: self.hop.as_ref().map(|hop| hop.id.clone()),
        }
    }

    /// Tags as a list, each once.
    fn tag_list(&self) -> Vec<String> {
        let mut tags: Vec<String> = Vec::new();
        for tag in self.tags.split([',', ' ']).filter(|tag| !tag.is_empty()) {
            if !tags.iter().any(|one| one == tag) {
                tags.push(tag.to_owned());
            }
        }
        tags
    }

    fn port(&self) -> Option<i32> {
        let port: u16 = self.port.trim().parse().ok()?;
        (port > 0).then(|| i32::from(port))
    }

    /// What is wrong, by the path of the field. `saved` is the server that is changed.
    pub fn check(&self, saved: Option<&Detail>) -> Vec<(&'static str, Fault)> {
        let mut wrong = Vec::new();
        let mut need = |path, text: &str| {
            if text.trim().is_empty() {
                wrong.push((path, Fault::Required));
            }
        };
        need("address", &self.address);
        need("username", &self.username);
        // What is kept need not be given again.
        let kept = saved.is_some_and(|server| self.by_password == (server.sign_in == ServerSignIn::Password));
        if !kept && self.by_password {
            need("password", &self.password);
        } else if !kept {
            need("privateKey", &self.private_key);
        }
        need("name", &self.name);
        if self.port().is_none() {
            wrong.push(("port", Fault::NotAPort));
        }
        if self.hop.is_none() && !self.hop_text.trim().is_empty() {
            wrong.push(("jumpServerId", Fault::NotChosen));
        }
        wrong
    }

    /// Whether the host, the way to it and the sign-in are those that are saved: then nobody is asked.
    pub fn reaches_like(&self, saved: &Self) -> bool {
        self.target() == saved.target()
            && self.username.trim() == saved.username
            && self.secrets() == (None, None, None)
    }

    /// What asks the host for its keys.
    pub fn probe(&self) -> ProbeServerInput {
        ProbeServerInput {
            address: self.address.trim().to_owned(),
            port: self.port().unwrap_or_default(),
            jump_server_id: self.hop.as_ref().map(|hop| hop.id.clone()),
        }
    }

    /// What makes the server. A key that nobody confirmed is none; `anyway` keeps it though the host does not answer.
    pub fn create(&self, fingerprint: Option<String>, anyway: bool) -> CreateServerInput {
        let (private_key, passphrase, password) = self.secrets();
        CreateServerInput {
            name: self.name.trim().to_owned(),
            address: self.address.trim().to_owned(),
            port: self.port().unwrap_or_default(),
            username: self.username.trim().to_owned(),
            private_key,
            passphrase,
            password,
            host_key_fingerprint: fingerprint,
            jump_server_id: self.hop.as_ref().map(|hop| hop.id.clone()),
            tags: self.tag_list(),
            shared: self.shared,
            check_interval_seconds: self.interval,
            allow_unreachable: anyway,
        }
    }

    /// What changes the server.
    pub fn update(&self, server: &Detail, fingerprint: Option<String>, anyway: bool) -> UpdateServerInput {
        let (private_key, passphrase, password) = self.secrets();
        UpdateServerInput {
            id: server.id.clone(),
            expected_version: server.version,
            name: self.name.trim().to_owned(),
            address: self.address.trim().to_owned(),
            port: self.port().unwrap_or_default(),
            username: self.username.trim().to_owned(),
            private_key,
            passphrase,
            password,
            host_key_fingerprint: fingerprint,
            jump_server_id: self.hop.as_ref().map(|hop| hop.id.clone()),
            tags: self.tag_list(),
            shared: self.shared,
            check_interval_seconds: self.interval,
            allow_unreachable: anyway,
        }
    }

    /// Private key, its passphrase and the password, as far as they belong to the way that is chosen.
    fn secrets(&self) -> (Option<String>, Option<String>, Option<String>) {
        if self.by_password {
            (None, None, given(&self.password))
        } else {
            (given(&self.private_key), given(&self.passphrase), None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(address: &str) -> Draft {
        let mut draft = Draft {
            address: address.to_owned(),
            ..Draft::default()
        };
        draft.tidy();
        draft
    }

    #[test]
    fn an_address_is_taken_apart_where_it_can_be() {
        for (text, address, port, username) in [
            ("db.example.org", "db.example.org", "22", ""),
            ("deploy@db.example.org:2222", "db.example.org", "2222", "deploy"),
            (" root@192.0.2.10 ", "192.0.2.10", "22", "root"),
            ("[2001:db8::1]:2200", "2001:db8::1", "2200", ""),
            ("2001:db8::1", "2001:db8::1", "22", ""),
            ("db.example.org:ssh", "db.example.org:ssh", "22", ""),
            ("@db", "@db", "22", ""),
        ] {
            let draft = typed(text);
            let found = (
                draft.address.as_str(),
                draft.port.as_str(),
                draft.username.as_str(),
            );
            assert_eq!(found, (address, port, username), "{text:?}");
        }
    }

    #[test]
    fn a_server_is_named_after_its_host_until_somebody_names_it() {
        assert_eq!(typed("fra-db-1.example.org").name, "fra-db-1");
        assert_eq!(typed("192.0.2.10").name, "192.0.2.10");
        assert_eq!(typed("2001:db8::1").name, "2001:db8::1");
        let mut draft = typed("fra-db-1.example.org");
        (draft.name, draft.named) = ("Mine".to_owned(), true);
        "other".clone_into(&mut draft.address);
        draft.suggest();
        assert_eq!(draft.name, "Mine");
    }

    #[test]
    fn what_is_missing_is_named_before_anybody_is_asked() {
        let mut draft = Draft {
            port: "70000".to_owned(),
            hop_text: "bastion".to_owned(),
            ..Draft::default()
        };
        let paths =
            |draft: &Draft| -> Vec<&str> { draft.check(None).into_iter().map(|(path, _)| path).collect() };
        assert_eq!(
            paths(&draft),
            [
                "address",
                "username",
                "privateKey",
                "name",
                "port",
                "jumpServerId"
            ]
        );
        draft.by_password = true;
        assert!(paths(&draft).contains(&"password"));
        draft = typed("root@db.example.org");
        draft.private_key = "-----BEGIN".to_owned();
        assert!(paths(&draft).is_empty());
    }

    #[test]
    fn a_new_name_asks_nobody_and_a_new_user_does() {
        let saved = typed("root@db.example.org");
        let mut draft = saved.clone();
        (draft.name, draft.tags) = ("Other".to_owned(), "prod".to_owned());
        assert!(draft.reaches_like(&saved));
        draft.private_key = "key".to_owned();
        assert!(!draft.reaches_like(&saved));
        let other = Draft {
            username: "deploy".to_owned(),
            ..saved.clone()
        };
        assert!(!other.reaches_like(&saved));
    }

    #[test]
    fn secrets_of_the_other_way_are_not_sent() {
        let mut draft = typed("root@db.example.org");
        draft.private_key = "key".to_owned();
        draft.password = "left over".to_owned();
        draft.tags = "web, prod web".to_owned();
        let input = draft.create(None, false);
        assert_eq!(
            (input.private_key.as_deref(), input.password),
            (Some("key"), None)
        );
        assert_eq!(
            (input.passphrase, input.tags),
            (None, vec!["web".to_owned(), "prod".to_owned()])
        );
        draft.by_password = true;
        let input = draft.create(None, false);
        assert_eq!(
            (input.private_key, input.password.as_deref()),
            (None, Some("left over"))
        );
    }
}
