//! Who asks, and what there is to ask about.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_graphql::ID;
use cronium_entity::enums::UserRole;
use cronium_server::access::Action;
use cronium_server::kernel::ids::{OrchestratorId, ServerId, TerminalId};
use cronium_server::orchestrators::Hello;
use serde_json::{Value, json};

use crate::credentials::api_token;
use crate::jobs::{event, run};
use crate::support::served::Served;
use crate::support::{PASSWORD, Person, TestApp};

/// Who sends a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Nobody,
    /// Made the fixtures: an editor.
    Owner,
    /// Another editor.
    Stranger,
    Viewer,
    /// Somebody whose role allows nothing at all.
    Bare,
    Admin,
    /// The owner with a session that may end, and the stranger with one.
    OwnerOnce,
    StrangerOnce,
}

impl Who {
    pub fn role(self) -> UserRole {
        match self {
            Self::Admin => UserRole::Admin,
            Self::Owner | Self::Stranger | Self::OwnerOnce | Self::StrangerOnce => UserRole::Editor,
            Self::Nobody | Self::Viewer | Self::Bare => UserRole::Viewer,
        }
    }
}

pub struct World {
    served: Served,
    owner: Person,
    stranger: Person,
    viewer: Person,
    bare: Person,
    admin: Person,
    counter: AtomicUsize,
}

impl World {
    pub async fn new() -> Self {
        let served = Served::start().await;
        let test = &served.test;
        let world = Self {
            owner: test.person(UserRole::Editor).await,
            stranger: test.person(UserRole::Editor).await,
            viewer: test.person(UserRole::Viewer).await,
            bare: test.person(UserRole::Viewer).await,
            admin: test.person(UserRole::Admin).await,
            counter: AtomicUsize::new(0),
            served,
        };
        let role = world.role("Nothing").await;
        let give = "mutation ($u: ID!, $r: ID!) { updateUser(input: { id: $u, roleId: $r }) { userErrors { code } } }";
        let vars = json!({ "u": world.bare.id, "r": role });
        let given = world.ask("Mutation.updateUser", Who::Admin, give, &vars).await;
        assert_eq!(given["data"]["updateUser"]["userErrors"], json!([]));
        world
    }

    pub fn test(&self) -> &TestApp {
        &self.served.test
    }

    async fn role(&self, name: &str) -> Value {
        let save =
            "mutation ($n: String!) { saveRole(input: { name: $n, permissions: [] }) { role { id } } }";
        let made = self
            .test()
            .graphql(&self.admin.token, save, json!({ "n": name }))
            .await;
        made["data"]["saveRole"]["role"]["id"].clone()
    }

    /// To a role that allows nothing, so that whoever manages users may take it back.
    async fn invite(&self, email: &str, role: &Value) -> Value {
        let invite = "mutation ($e: String!, $r: ID!) { inviteUser(input: { email: $e, roleId: $r }) { userErrors { code } } }";
        let admin = &self.admin.token;
        self.test()
            .graphql(admin, invite, json!({ "e": email, "r": role }))
            .await;
        let find = "query ($e: String!) { invites(first: 1, filter: { text: $e }) { nodes { id } } }";
        let found = self.test().graphql(admin, find, json!({ "e": email })).await;
        found["data"]["invites"]["nodes"][0]["id"].clone()
    }

    async fn session(&self, email: &str) -> String {
        let op = self.test().op("").await;
        let signed_in = self
            .test()
            .app
            .identity
            .sign_in(&op, email, PASSWORD.into(), None)
            .await;
        signed_in.ok().unwrap().token
    }

    async fn secret(&self, who: Who) -> String {
        match who {
            Who::Nobody => String::new(),
            Who::Owner => self.owner.token.clone(),
            Who::Stranger => self.stranger.token.clone(),
            Who::Viewer => self.viewer.token.clone(),
            Who::Bare => self.bare.token.clone(),
            Who::Admin => self.admin.token.clone(),
            Who::OwnerOnce => self.session(&self.owner.email).await,
            Who::StrangerOnce => self.session(&self.stranger.email).await,
        }
    }

    pub async fn owner_is_signed_in(&self) -> bool {
        self.test().works(&self.owner.token).await
    }

    /// A session of the owner with this secret, unless it is there. Not by signing in, which is throttled.
    async fn insert_session(&self, secret: &str) {
        sqlx::query(
            "INSERT INTO sessions (id, user_id, token_hash, created_at, expires_at, last_seen_at)
             SELECT gen_random_uuid(), id, sha256($2::text::bytea), now(), now() + interval '9 years', now()
             FROM users WHERE email = $1 ON CONFLICT DO NOTHING",
        )
        .bind(&self.owner.email)
        .bind(secret)
        .execute(&self.test().app.kernel.pool)
        .await
        .unwrap();
    }

    /// An orchestrator that said hello once.
    async fn orchestrator(&self, n: usize) -> Value {
        let hello = Hello {
            id: OrchestratorId(self.test().app.kernel.id()),
            name: format!("Host {n}"),
            version: "0.1.0".into(),
            capacity: 1,
            labels: Vec::new(),
            started_at: None,
            ssh: false,
        };
        self.test().app.orchestrators.hello(&hello).await.ok().unwrap();
        json!(hello.id.global())
    }

    /// A link of the owner with a provider.
    async fn oidc_link(&self, subject: &str) -> Value {
        sqlx::query(
            "INSERT INTO oidc_links (id, user_id, issuer, subject, email, created_at, last_used_at)
             SELECT gen_random_uuid(), id, 'https://id.example.test', $2, email, now(), now() FROM users WHERE email = $1",
        )
        .bind(&self.owner.email)
        .bind(subject)
        .execute(&self.test().app.kernel.pool)
        .await
        .unwrap();
        let ask = "{ viewer { oidcLinks { id } } }";
        let found = self.test().graphql(&self.owner.token, ask, json!({})).await;
        let links = found["data"]["viewer"]["oidcLinks"].as_array().unwrap().clone();
        links.last().unwrap()["id"].clone()
    }

    /// A new password that was set by a token ended the owner's session too.
    pub async fn revive(&self) {
        self.insert_session(&self.owner.token).await;
    }

    /// An API token of somebody with these scopes.
    pub async fn token(&self, who: Who, scopes: &[Action]) -> String {
        let names: Vec<_> = scopes.iter().map(|scope| scope.name()).collect();
        let maker = self.secret(who).await;
        let (_, secret) = api_token(self.test(), &maker, json!({ "scopes": names })).await;
        // There may be a hundred at a time: the ones before are done with.
        let old = "UPDATE api_tokens SET revoked_at = created_at WHERE token_hash <> sha256($1::text::bytea) AND name = 'CI'";
        sqlx::query(old)
            .bind(&secret)
            .execute(&self.test().app.kernel.pool)
            .await
            .unwrap();
        secret
    }

    /// A variable of the owner.
    async fn variable(&self, key: &str) -> Value {
        let set =
            "mutation ($k: String!) { setVariable(input: { key: $k, value: \"x\" }) { variable { id } } }";
        let made = self
            .test()
            .graphql(&self.owner.token, set, json!({ "k": key }))
            .await;
        made["data"]["setVariable"]["variable"]["id"].clone()
    }

    /// A server of the owner, of which nothing is asked.
    async fn server(&self, name: &str) -> Value {
        let create = "mutation ($n: String!) { createServer(input: { name: $n, address: \"server.example.test\", username: \"deploy\",
             password: \"x\", allowUnreachable: true }) { server { id } } }";
        let made = self
            .test()
            .graphql(&self.owner.token, create, json!({ "n": name }))
            .await;
        made["data"]["createServer"]["server"]["id"].clone()
    }

    /// A terminal of the owner that is open, on this server, and has shown something; those of before have ended.
    async fn terminal(&self, server: &Value) -> Value {
        let kernel = &self.test().app.kernel;
        let id: TerminalId = kernel.id();
        let server = ServerId::parse(&ID(server.as_str().unwrap().to_owned()));
        let before = "UPDATE terminals SET status = 'ENDED', ended_at = now() WHERE status <> 'ENDED'";
        sqlx::query(before).execute(&kernel.pool).await.unwrap();
        sqlx::query(
            "WITH made AS (
                 INSERT INTO terminals (id, owner_id, session_id, server_id, title, status, width, height, created_at,
                     opened_at, typed_at, idle_secs, until, viewed_at, last_seq)
                 SELECT $1, id, gen_random_uuid(), $3, 'Terminal', 'OPEN', 80, 24, now(), now(), now(), 900,
                     now() + interval '1 hour', now(), 1
                 FROM users WHERE email = $2 RETURNING id
             ) INSERT INTO terminal_output (terminal_id, seq, at, ends_at, width, height, data)
             SELECT id, 1, now(), 0, 80, 24, ''::bytea FROM made",
        )
        .bind(id.0)
        .bind(&self.owner.email)
        .bind(server.ok().unwrap().0)
        .execute(&kernel.pool)
        .await
        .unwrap();
        json!(id.global())
    }

    /// New things of the owner, and some of the installation: values of variables.
    pub async fn fixtures(&self) -> Value {
        let test = self.test();
        let owner = &self.owner.token;
        let n = self.counter.fetch_add(1, Ordering::Relaxed);
        let id = event(test, owner, json!({ "name": format!("Event {n}") })).await;
        let job = run(test, owner, json!({ "eventId": id })).await["job"].clone();
        let done = run(test, owner, json!({ "eventId": id })).await["job"].clone();
        let cancel = "mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code } } }";
        test.graphql(owner, cancel, json!({ "id": done["id"] })).await;
        let seen = test
            .graphql(
                owner,
                "query ($id: ID!) { event(id: $id) { version { id } } }",
                json!({ "id": id }),
            )
            .await;
        let (token, _) = api_token(
            test,
            owner,
            json!({ "name": format!("Fixture {n}"), "scopes": [] }),
        )
        .await;
        test.app.identity.tidy().await.ok().unwrap();
        sqlx::query("UPDATE api_tokens SET expires_at = now() - interval '99 years' WHERE name LIKE 'Fixture%' AND name <> $1")
            .bind(format!("Fixture {n}"))
            .execute(&test.app.kernel.pool)
            .await
            .unwrap();
        self.insert_session(&format!("elsewhere {n}")).await;
        let sessions = "{ viewer { sessions(first: 100) { nodes { id current } } } }";
        let sessions =
            test.graphql(owner, sessions, json!({})).await["data"]["viewer"]["sessions"]["nodes"].clone();
        let session = sessions
            .as_array()
            .unwrap()
            .iter()
            .find(|session| session["current"] == false)
            .unwrap();
        // There may be only so many, and those of earlier fixtures were made use of.
        sqlx::query("DELETE FROM roles WHERE name LIKE 'Role %' AND NOT EXISTS (SELECT FROM users WHERE role_id = roles.id)")
            .execute(&test.app.kernel.pool)
            .await
            .unwrap();
        let role = self.role(&format!("Role {n}")).await;
        let server = self.server(&format!("Server {n}")).await;
        json!({
            "event": id,
            "version": seen["data"]["event"]["version"]["id"],
            "job": job["id"],
            "done": done["id"],
            "execution": done["executions"][0]["id"],
            "token": token,
            "session": session["id"],
            "role": role,
            "link": self.oidc_link(&format!("subject {n}")).await,
            "orchestrator": self.orchestrator(n).await,
            "variable": self.variable(&format!("FIXTURE_{n}")).await,
            "variableKey": format!("FIXTURE_{n}"),
            "terminal": self.terminal(&server).await,
            "server": server,
            "serverName": format!("Server {n}"),
            "invite": self.invite(&format!("guest{n}@example.test"), &role).await,
            "title": format!("Event {n}"),
            "unique": format!("Unique {n}"),
            "email": self.owner.email,
            "password": PASSWORD,
            "user": self.owner.id,
            "stranger": self.stranger.id,
            "viewer": self.viewer.id,
            "admin": self.admin.id,
            "bare": self.bare.id,
        })
    }

    pub async fn ask(&self, field: &str, who: Who, document: &str, vars: &Value) -> Value {
        self.ask_with(field, &self.secret(who).await, document, vars)
            .await
    }

    /// Sends a request over a real socket: subscriptions by server-sent events, whose first answer counts.
    pub async fn ask_with(&self, field: &str, secret: &str, document: &str, vars: &Value) -> Value {
        let live = field.starts_with("Subscription.");
        let url = self.served.url(if live { "/graphql/stream" } else { "/graphql" });
        let mut request = self.served.client.post(url);
        if !secret.is_empty() {
            request = request.bearer_auth(secret);
        }
        let body = json!({ "query": document, "variables": vars });
        let mut response = request.json(&body).send().await.unwrap();
        if !live {
            return response.json().await.unwrap();
        }
        let mut text = String::new();
        loop {
            // What listens for news hears nothing until there are some, and not of those before it listens.
            let chunk = match tokio::time::timeout(Duration::from_millis(300), response.chunk()).await {
                Ok(chunk) => chunk.unwrap(),
                Err(_) => {
                    self.new_jobs(secret, vars).await;
                    continue;
                }
            };
            let Some(chunk) = chunk else {
                panic!("{field} ended without an answer: {text}");
            };
            text += std::str::from_utf8(&chunk).unwrap();
            if let Some(data) = text
                .split("event: next\n")
                .nth(1)
                .and_then(|rest| rest.strip_prefix("data: "))
                && let Some((json, _)) = data.split_once("\n\n")
            {
                return serde_json::from_str(json).unwrap();
            }
        }
    }

    /// A job of the owner, and then one of whoever listens: the first that is heard is the first that may be.
    async fn new_jobs(&self, secret: &str, vars: &Value) {
        let test = self.test();
        run(test, &self.owner.token, json!({ "eventId": vars["event"] })).await;
        if secret == self.stranger.token {
            let document =
                "mutation { testEvent(input: { type: BASH, source: \"true\" }) { userErrors { code } } }";
            test.graphql(secret, document, json!({})).await;
        }
    }
}
