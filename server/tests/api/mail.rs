//! What begins with a mail: a forgotten password, an invitation, signing up. The mails are read from a real mail
//! server's connection.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use crate::support::smtp::{Arrived, MailServer};
use crate::support::{PASSWORD, Person, TestApp};

const RESET: &str =
    "mutation ($t: String!, $p: String!) { resetPassword(input: { token: $t, newPassword: $p }) {
    changed userErrors { code field } } }";
const SIGN_UP: &str =
    "mutation ($i: SignUpInput!) { signUp(input: $i) { status userErrors { code field } } }";
const INVITE: &str = "mutation ($i: InviteUserInput!) { inviteUser(input: $i) {
    invitation { email url } userErrors { code field } } }";
const SETTINGS: &str = "mutation ($i: UpdateSettingsInput!) { updateSettings(input: $i) {
    settings { registration version smtp { host hasPassword } } userErrors { code field } } }";
const NEW: &str = "a new long password";

struct Post {
    test: TestApp,
    server: MailServer,
    admin: Person,
}

impl Post {
    async fn start() -> Self {
        let (test, server) = (TestApp::start().await, MailServer::start().await);
        let admin = test.person(UserRole::Admin).await;
        let smtp = json!({ "host": "127.0.0.1", "port": server.port, "security": "NONE", "from": "cronium@example.test" });
        let post = Self { test, server, admin };
        assert_eq!(post.set(json!({ "smtp": smtp })).await["userErrors"], json!([]));
        post
    }

    async fn set(&self, input: Value) -> Value {
        self.ask(&self.admin.token, SETTINGS, json!({ "i": input })).await
    }

    /// The first field of the answer.
    async fn ask(&self, token: &str, document: &str, variables: Value) -> Value {
        let answer = self.test.graphql(token, document, variables).await;
        let fields = answer["data"].as_object().unwrap_or_else(|| panic!("{answer}"));
        fields.values().next().unwrap().clone()
    }

    async fn request_reset(&self, email: &str) -> Value {
        let document = "mutation ($e: String!) { requestPasswordReset(input: { email: $e }) { accepted userErrors { code } } }";
        self.ask("", document, json!({ "e": email })).await
    }

    /// Waits until a mail is written, and sends it.
    async fn next(&self) -> Arrived {
        let before = self.server.arrived().len();
        let sent = async {
            while !self.test.app.mail.send_next().await.unwrap() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), sent)
            .await
            .expect("a mail was written");
        self.server
            .arrived()
            .get(before)
            .expect("the mail arrived")
            .clone()
    }

    async fn signs_in(&self, email: &str, password: &str) -> bool {
        let document = "mutation ($e: String!, $p: String!) { signIn(input: { email: $e, password: $p }) { viewer { id } } }";
        self.ask("", document, json!({ "e": email, "p": password })).await["viewer"] != Value::Null
    }
}

#[tokio::test]
async fn a_forgotten_password_is_set_with_the_link_once() {
    let post = Post::start().await;
    let me = post.test.person(UserRole::Editor).await;
    let (unknown, known) = (
        post.request_reset("nobody@example.test").await,
        post.request_reset(&me.email).await,
    );
    assert_eq!(unknown, known, "the answers are the same");
    let mail = post.next().await;
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        (me.email.as_str(), "Set a new Cronium password")
    );
    assert!(
        mail.text
            .contains("https://cronium.test/en/reset-password?token="),
        "{mail:?}"
    );
    let token = mail.token();
    let short = post.ask("", RESET, json!({ "t": token, "p": "short" })).await;
    assert_eq!(
        short["userErrors"],
        json!([{ "code": "INVALID", "field": ["newPassword"] }])
    );
    let set = json!({ "t": token, "p": NEW });
    let (one, two) =
        futures::future::join(post.ask("", RESET, set.clone()), post.ask("", RESET, set.clone())).await;
    assert_ne!(
        one["changed"], two["changed"],
        "one of two at the same time: {one} {two}"
    );
    let again = post.ask("", RESET, set).await;
    assert_eq!(
        again["userErrors"],
        json!([{ "code": "INVALID", "field": ["token"] }])
    );
    assert!(!post.test.works(&me.token).await, "sessions end");
    assert!(!post.signs_in(&me.email, PASSWORD).await && post.signs_in(&me.email, NEW).await);
    assert_eq!(post.server.arrived().len(), 1, "nobody got a mail");
}

#[tokio::test]
async fn a_reset_link_ends_with_its_time_its_account_or_a_changed_password() {
    let post = Post::start().await;
    let me = post.test.person(UserRole::Editor).await;
    let link = async || {
        post.request_reset(&me.email).await;
        post.next().await.token()
    };
    let is_over =
        async |token: String| post.ask("", RESET, json!({ "t": token, "p": NEW })).await["changed"] == false;
    let (first, second) = (link().await, link().await);
    let change = "mutation ($c: String!, $n: String!) { changePassword(input: { currentPassword: $c, newPassword: $n }) { userErrors { code } } }";
    post.ask(&me.token, change, json!({ "c": PASSWORD, "n": NEW }))
        .await;
    assert!(is_over(first).await && is_over(second).await);
    let third = link().await;
    post.test.clock.advance(TimeDelta::minutes(61));
    assert!(is_over(third).await);
    let fourth = link().await;
    let disable =
        "mutation ($id: ID!) { updateUser(input: { id: $id, status: DISABLED }) { userErrors { code } } }";
    post.ask(&post.admin.token, disable, json!({ "id": me.id })).await;
    assert!(is_over(fourth).await);
}

#[tokio::test]
async fn links_and_passwords_are_stored_in_no_readable_form() {
    let post = Post::start().await;
    let me = post.test.person(UserRole::Editor).await;
    let smtp = json!({ "host": "127.0.0.1", "port": post.server.port, "security": "NONE", "from": "cronium@example.test",
        "username": "cronium", "password": "smtp-secret" });
    let set = post.set(json!({ "smtp": smtp })).await;
    assert_eq!(
        set["settings"]["smtp"],
        json!({ "host": "127.0.0.1", "hasPassword": true })
    );
    let other = json!({ "host": "localhost", "port": post.server.port, "security": "NONE", "from": "cronium@example.test", "username": "cronium" });
    let refused = post.set(json!({ "smtp": other })).await;
    assert_eq!(
        refused["userErrors"],
        json!([{ "code": "REQUIRED", "field": ["smtp", "password"] }])
    );
    post.set(json!({ "smtp": { "host": "127.0.0.1", "port": post.server.port, "security": "NONE", "from": "cronium@example.test" } })).await;
    post.server.refuse(1);
    post.request_reset(&me.email).await;
    while !post.test.app.mail.send_next().await.unwrap() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let all = "SELECT (SELECT string_agg(encode(content, 'escape'), ' ') FROM mails)
        || (SELECT string_agg(to_jsonb(l)::text || encode(token_hash, 'escape'), ' ') FROM account_links l)
        || (SELECT string_agg(encode(value, 'escape'), ' ') FROM settings)
        || (SELECT string_agg(to_jsonb(a)::text, ' ') FROM audit_entries a)";
    let stored: String = sqlx::query_scalar(all)
        .fetch_one(&post.test.app.kernel.pool)
        .await
        .unwrap();
    // It was refused for now; it is sent when it is due again.
    assert!(!post.test.app.mail.send_next().await.unwrap() && post.server.arrived().is_empty());
    post.test.clock.advance(TimeDelta::minutes(1));
    let token = post.next().await.token();
    for secret in [token.as_str(), "smtp-secret", "reset-password"] {
        assert!(!stored.contains(secret), "{secret} can be read in the database");
    }
}

#[tokio::test]
async fn an_invitation_makes_one_account_with_the_role_that_was_given() {
    let post = Post::start().await;
    let input = json!({ "email": "new@example.test", "role": "EDITOR", "locale": "es" });
    let made = post.ask(&post.admin.token, INVITE, json!({ "i": input })).await;
    assert_eq!(made["invitation"]["email"], "new@example.test");
    let mail = post.next().await;
    assert!(
        mail.text.contains("Test te ha invitado")
            && mail.text.contains("https://cronium.test/es/sign-up?token="),
        "{mail:?}"
    );
    let url = made["invitation"]["url"].as_str().unwrap();
    assert!(
        url.ends_with(&mail.token()),
        "the link is given to the administrator too"
    );
    let sign_up = json!({ "i": { "token": mail.token(), "name": "Nuria", "password": NEW } });
    assert_eq!(post.ask("", SIGN_UP, sign_up.clone()).await["status"], "ACTIVE");
    let again = post.ask("", SIGN_UP, sign_up).await;
    assert_eq!(
        again["userErrors"],
        json!([{ "code": "INVALID", "field": ["token"] }])
    );
    assert!(post.signs_in("NEW@example.test", NEW).await);
    let find = "{ users(filter: { text: \"nuria\" }, first: 5) { nodes { role email locale } } }";
    let found = post.ask(&post.admin.token, find, json!({})).await;
    assert_eq!(
        found["nodes"],
        json!([{ "role": "EDITOR", "email": "new@example.test", "locale": "en" }])
    );
    let taken = json!({ "i": { "email": "new@example.test" } });
    let taken = post.ask(&post.admin.token, INVITE, taken).await;
    assert_eq!(
        taken["userErrors"],
        json!([{ "code": "TAKEN", "field": ["email"] }])
    );
}

#[tokio::test]
async fn an_invitation_is_worth_what_its_writer_may_give_when_it_is_used() {
    let post = Post::start().await;
    let second = post.test.person(UserRole::Admin).await;
    let input = json!({ "i": { "email": "new@example.test", "role": "ADMIN" } });
    post.ask(&second.token, INVITE, input).await;
    let token = post.next().await.token();
    let demote =
        "mutation ($id: ID!) { updateUser(input: { id: $id, role: EDITOR }) { userErrors { code } } }";
    post.ask(&post.admin.token, demote, json!({ "id": second.id }))
        .await;
    let refused = post
        .ask(
            "",
            SIGN_UP,
            json!({ "i": { "token": token, "name": "N", "password": NEW } }),
        )
        .await;
    assert_eq!(
        refused["userErrors"],
        json!([{ "code": "INVALID", "field": ["token"] }])
    );
    let own = post
        .ask(
            &second.token,
            INVITE,
            json!({ "i": { "email": "b@example.test" } }),
        )
        .await;
    assert_eq!(own["userErrors"][0]["code"], "FORBIDDEN");
}

#[tokio::test]
async fn invitations_are_listed_sent_again_and_taken_back() {
    const LIST: &str = "query ($f: InviteFilter) { invites(filter: $f, first: 10) { totalCount nodes {
        id email status role { name } invitedBy { id } } } }";
    const RESEND: &str = "mutation ($id: ID!) { resendInvite(input: { id: $id }) { invitation { email url } userErrors { code field } } }";
    const REVOKE: &str =
        "mutation ($id: ID!) { revokeInvite(input: { id: $id }) { deletedId userErrors { code field } } }";
    let post = Post::start().await;
    let admin = &post.admin;
    let list =
        async |filter: Value| post.ask(&admin.token, LIST, json!({ "f": filter })).await["nodes"].clone();
    let mut first = Vec::new();
    for email in ["a@example.test", "b_b@example.test", "c@example.test"] {
        post.ask(
            &admin.token,
            INVITE,
            json!({ "i": { "email": email, "role": "ADMIN" } }),
        )
        .await;
        first.push(post.next().await.token());
        post.test.clock.advance(TimeDelta::seconds(1));
    }
    let all = list(json!({})).await;
    let emails: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["email"].as_str().unwrap())
        .collect();
    assert_eq!(
        emails,
        ["c@example.test", "b_b@example.test", "a@example.test"],
        "newest first"
    );
    assert_eq!(
        (
            &all[0]["status"],
            &all[0]["role"]["name"],
            &all[0]["invitedBy"]["id"]
        ),
        (&json!("OPEN"), &json!("ADMIN"), &json!(admin.id))
    );
    assert_eq!(list(json!({ "text": "b_b@" })).await.as_array().unwrap().len(), 1);
    assert_eq!(
        list(json!({ "text": "_@" })).await,
        json!([]),
        "a pattern is only text"
    );
    // Again: the new link works, the old one no more. By somebody else, whose it is then.
    let second = post.test.person(UserRole::Admin).await;
    let again = post
        .ask(&second.token, RESEND, json!({ "id": all[2]["id"] }))
        .await;
    let mail = post.next().await;
    assert!(
        again["invitation"]["url"]
            .as_str()
            .unwrap()
            .ends_with(&mail.token())
    );
    assert_eq!(
        list(json!({ "text": "a@" })).await[0]["invitedBy"]["id"],
        second.id
    );
    let use_it = async |token: &str| {
        let input = json!({ "i": { "token": token, "name": "N", "password": NEW } });
        post.ask("", SIGN_UP, input).await["status"].clone()
    };
    assert_eq!(use_it(&first[0]).await, Value::Null);
    assert_eq!(use_it(&mail.token()).await, "ACTIVE");
    let used = json!([{ "code": "CONFLICT", "field": ["id"] }]);
    for document in [RESEND, REVOKE] {
        let refused = post
            .ask(&admin.token, document, json!({ "id": all[2]["id"] }))
            .await;
        assert_eq!(refused["userErrors"], used);
    }
    assert_eq!(
        list(json!({ "status": "USED" })).await[0]["email"],
        "a@example.test"
    );
    // Taken back.
    let gone = post
        .ask(&admin.token, REVOKE, json!({ "id": all[0]["id"] }))
        .await;
    assert_eq!(gone["deletedId"], all[0]["id"]);
    assert_eq!(use_it(&first[2]).await, Value::Null);
    let twice = post
        .ask(&admin.token, REVOKE, json!({ "id": all[0]["id"] }))
        .await;
    assert_eq!(twice["userErrors"][0]["code"], "NOT_FOUND");
    // Too old, and still there to be sent again; for thirty days.
    post.test.clock.advance(TimeDelta::days(8));
    post.test.app.identity.tidy().await.unwrap();
    assert_eq!(list(json!({ "status": "OPEN" })).await, json!([]));
    let old = list(json!({ "status": "EXPIRED" })).await;
    assert_eq!(old[0]["email"], "b_b@example.test");
    assert_eq!(use_it(&first[1]).await, Value::Null);
    post.test.clock.advance(TimeDelta::days(30));
    post.test.app.identity.tidy().await.unwrap();
    let later = post.test.person(UserRole::Admin).await;
    assert_eq!(post.ask(&later.token, LIST, json!({})).await["nodes"], json!([]));
}

#[tokio::test]
async fn who_manages_people_takes_back_and_sends_no_invitation_above_themselves() {
    let post = Post::start().await;
    let role =
        "mutation { saveRole(input: { name: \"Desk\", permissions: [MANAGE_USERS] }) { role { id } } }";
    let role = post.ask(&post.admin.token, role, json!({})).await["role"]["id"].clone();
    let desk = post.test.person(UserRole::Viewer).await;
    let give =
        "mutation ($u: ID!, $r: ID!) { updateUser(input: { id: $u, roleId: $r }) { userErrors { code } } }";
    post.ask(&post.admin.token, give, json!({ "u": desk.id, "r": role }))
        .await;
    post.ask(
        &post.admin.token,
        INVITE,
        json!({ "i": { "email": "a@example.test", "role": "ADMIN" } }),
    )
    .await;
    let token = post.next().await.token();
    let id = post
        .ask(&desk.token, "{ invites(first: 1) { nodes { id } } }", json!({}))
        .await["nodes"][0]["id"]
        .clone();
    for document in [
        "mutation ($id: ID!) { resendInvite(input: { id: $id }) { userErrors { code field } } }",
        "mutation ($id: ID!) { revokeInvite(input: { id: $id }) { userErrors { code field } } }",
    ] {
        let refused = post.ask(&desk.token, document, json!({ "id": id })).await;
        assert_eq!(
            refused["userErrors"],
            json!([{ "code": "FORBIDDEN", "field": ["id"] }])
        );
    }
    let input = json!({ "i": { "token": token, "name": "N", "password": NEW } });
    assert_eq!(
        post.ask("", SIGN_UP, input).await["status"],
        "ACTIVE",
        "it was left alone"
    );
}

#[tokio::test]
async fn signing_up_follows_the_mode() {
    let post = Post::start().await;
    let begin = async |email: &str| {
        let input = json!({ "i": { "email": email, "name": "New" } });
        post.ask("", SIGN_UP, input).await
    };
    let finish = async |token: String| {
        let input = json!({ "i": { "token": token, "password": NEW } });
        post.ask("", SIGN_UP, input).await["status"].clone()
    };
    for mode in ["CLOSED", "INVITE_ONLY"] {
        post.set(json!({ "registration": mode })).await;
        assert_eq!(
            begin("a@example.test").await["userErrors"][0]["code"],
            "UNSUPPORTED"
        );
    }
    post.set(json!({ "registration": "OPEN" })).await;
    assert_eq!(begin("a@example.test").await["status"], "MAIL_SENT");
    let token = post.next().await.token();
    assert_eq!(finish(token).await, "ACTIVE");
    assert!(post.signs_in("a@example.test", NEW).await);
    // An address that has an account gets another mail, and the one who asks the same answer.
    assert_eq!(begin("a@example.test").await["status"], "MAIL_SENT");
    let mail = post.next().await;
    assert!(
        mail.subject.contains("account already") && !mail.text.contains("token="),
        "{mail:?}"
    );
    post.set(json!({ "registration": "APPROVAL" })).await;
    begin("b@example.test").await;
    let token = post.next().await.token();
    assert_eq!(finish(token).await, "PENDING");
    assert!(!post.signs_in("b@example.test", NEW).await);
    let find = "{ users(filter: { status: PENDING }, first: 5) { nodes { id } } }";
    let id = post.ask(&post.admin.token, find, json!({})).await["nodes"][0]["id"].clone();
    let approve =
        "mutation ($id: ID!) { updateUser(input: { id: $id, status: ACTIVE }) { userErrors { code } } }";
    assert_eq!(
        post.ask(&post.admin.token, approve, json!({ "id": id })).await["userErrors"],
        json!([])
    );
    assert!(post.signs_in("b@example.test", NEW).await);
    // A link from before is worth nothing when signing up was closed.
    begin("c@example.test").await;
    let token = post.next().await.token();
    post.set(json!({ "registration": "CLOSED" })).await;
    assert_eq!(finish(token).await, Value::Null);
    let public = post.ask("", "{ serverInfo { registration } }", json!({})).await;
    assert_eq!(public["registration"], "CLOSED");
}

#[tokio::test]
async fn settings_are_checked_and_a_test_mail_tells_whether_they_are_right() {
    let post = Post::start().await;
    let test = "mutation { sendTestEmail(input: { to: \"ops@example.test\" }) { sent userErrors { code } } }";
    assert_eq!(post.ask(&post.admin.token, test, json!({})).await["sent"], true);
    assert_eq!(post.server.arrived()[0].to, "ops@example.test");
    let closed = {
        tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let smtp =
        json!({ "host": "127.0.0.1", "port": closed, "security": "NONE", "from": "cronium@example.test" });
    let version = post.set(json!({ "smtp": smtp })).await["settings"]["version"].clone();
    let refused = post.ask(&post.admin.token, test, json!({})).await;
    assert_eq!(
        refused,
        json!({ "sent": false, "userErrors": [{ "code": "UNREACHABLE" }] })
    );
    let stale = post
        .set(json!({ "expectedVersion": version.as_i64().unwrap() - 1 }))
        .await;
    assert_eq!(
        stale["userErrors"],
        json!([{ "code": "CONFLICT", "field": ["expectedVersion"] }])
    );
    let silent = post.set(json!({ "smtp": null, "registration": "OPEN" })).await;
    assert_eq!(
        silent["userErrors"],
        json!([{ "code": "REQUIRED", "field": ["smtp"] }])
    );
    let wrong = json!({ "smtp": { "host": "a b", "port": 0, "from": "x" } });
    let wrong = post.set(wrong).await;
    let fields: Vec<_> = wrong["userErrors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["field"][1].as_str().unwrap())
        .collect();
    assert_eq!(fields, ["host", "from", "port"]);
}
