//! The second factor: what it asks for at sign-in, and that no code works twice.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_server::kernel::{Clock as _, Error, Op};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::support::{PASSWORD, Person, TestApp};

const CONFIRM: &str = "mutation ($c: String!, $p: String!) { confirmTotp(input: { code: $c, password: $p }) {
    recoveryCodes userErrors { code field } } }";
const SIGN_IN: &str =
    "mutation ($e: String!, $p: String!, $c: String) { signIn(input: { email: $e, password: $p, code: $c }) {
    viewer { id } userErrors { code field } } }";

/// An authenticator app.
struct App(Vec<u8>);

impl App {
    fn new(secret: &str) -> Self {
        let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
        for c in secret.chars() {
            let five = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).unwrap() as u32;
            buffer = buffer << 5 | five;
            bits += 5;
            if bits >= 8 {
                bits -= 8;
                bytes.push((buffer >> bits) as u8);
            }
        }
        Self(bytes)
    }

    fn code(&self, test: &TestApp) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).unwrap();
        mac.update(&(test.clock.now().timestamp() / 30).to_be_bytes());
        let hash = mac.finalize().into_bytes();
        let at = usize::from(hash[19] & 0xf);
        let number = u32::from_be_bytes(hash[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

async fn begin(test: &TestApp, me: &Person) -> App {
    let begun = test
        .graphql(&me.token, "mutation { beginTotp { secret url } }", json!({}))
        .await["data"]["beginTotp"]
        .clone();
    let secret = begun["secret"].as_str().unwrap_or_else(|| panic!("{begun}"));
    assert!(begun["url"].as_str().unwrap().contains(secret));
    App::new(secret)
}

async fn confirm(test: &TestApp, me: &Person, code: &str, password: &str) -> Value {
    let answer = test
        .graphql(&me.token, CONFIRM, json!({ "c": code, "p": password }))
        .await;
    answer["data"]["confirmTotp"].clone()
}

/// Somebody with a second factor: the app, and the recovery codes. The present code is used up.
async fn enabled(test: &TestApp) -> (Person, App, Vec<String>) {
    let me = test.person(UserRole::Editor).await;
    let app = begin(test, &me).await;
    let done = confirm(test, &me, &app.code(test), PASSWORD).await;
    let codes = done["recoveryCodes"]
        .as_array()
        .unwrap_or_else(|| panic!("{done}"));
    let codes = codes
        .iter()
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    (me, app, codes)
}

async fn sign_in(test: &TestApp, me: &Person, code: Option<&str>) -> Value {
    let answer = test
        .graphql("", SIGN_IN, json!({ "e": me.email, "p": PASSWORD, "c": code }))
        .await;
    let signed_in = answer["data"]["signIn"].clone();
    match &signed_in["viewer"]["id"] {
        Value::Null => signed_in["userErrors"][0].clone(),
        id => id.clone(),
    }
}

#[tokio::test]
async fn signing_in_needs_a_code_once_the_factor_is_confirmed() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let app = begin(&test, &me).await;
    assert_eq!(sign_in(&test, &me, None).await, me.id, "begun is not in force");
    let wrong = confirm(&test, &me, "000000", PASSWORD).await;
    assert_eq!(
        wrong["userErrors"],
        json!([{ "code": "INVALID", "field": ["code"] }])
    );
    let stranger = confirm(&test, &me, &app.code(&test), "not the password").await;
    assert_eq!(
        stranger["userErrors"],
        json!([{ "code": "INVALID", "field": ["password"] }])
    );
    let done = confirm(&test, &me, &app.code(&test), PASSWORD).await;
    assert_eq!(done["recoveryCodes"].as_array().unwrap().len(), 10);
    let missing = json!({ "code": "REQUIRED", "field": ["code"] });
    let invalid = json!({ "code": "INVALID", "field": ["code"] });
    assert_eq!(sign_in(&test, &me, None).await, missing);
    assert_eq!(sign_in(&test, &me, Some("123 456")).await, invalid);
    assert_eq!(
        sign_in(&test, &me, Some(&app.code(&test))).await,
        invalid,
        "the code that confirmed is used up"
    );
    test.clock.advance(TimeDelta::seconds(30));
    let code = app.code(&test);
    assert_eq!(sign_in(&test, &me, Some(&code)).await, me.id);
    assert_eq!(
        sign_in(&test, &me, Some(&code)).await,
        invalid,
        "a code works once"
    );
    let again = test
        .graphql(
            &me.token,
            "mutation { beginTotp { userErrors { code } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        again["data"]["beginTotp"]["userErrors"],
        json!([{ "code": "CONFLICT" }])
    );
    let seen = test
        .graphql(&me.token, "{ viewer { totpEnabled } }", json!({}))
        .await;
    assert_eq!(seen["data"]["viewer"]["totpEnabled"], true);
}

#[tokio::test]
async fn one_code_at_the_same_time_signs_in_once() {
    let test = TestApp::start().await;
    let (me, app, codes) = enabled(&test).await;
    test.clock.advance(TimeDelta::seconds(30));
    for code in [app.code(&test), codes[0].clone()] {
        let tries = (0..4).map(|_| sign_in(&test, &me, Some(&code)));
        let all = futures::future::join_all(tries).await;
        assert_eq!(
            all.iter().filter(|one| **one == json!(me.id)).count(),
            1,
            "{all:?}"
        );
    }
}

#[tokio::test]
async fn a_recovery_code_works_once_and_no_secret_is_stored_readably() {
    let test = TestApp::start().await;
    let (me, app, codes) = enabled(&test).await;
    let stored: String = sqlx::query_scalar(
        "SELECT (SELECT encode(secret, 'hex') FROM second_factors)
         || (SELECT string_agg(encode(code_hash, 'escape'), ' ') FROM recovery_codes)",
    )
    .fetch_one(&test.app.kernel.pool)
    .await
    .unwrap();
    let hex: String = app.0.iter().map(|b| format!("{b:02x}")).collect();
    assert!(
        !stored.contains(&hex) && !stored.contains(&codes[0]) && !stored.contains(&codes[0].replace('-', ""))
    );
    let by_hand = codes[3].to_lowercase().replace('-', " ");
    assert_eq!(sign_in(&test, &me, Some(&by_hand)).await, me.id);
    assert_eq!(sign_in(&test, &me, Some(&codes[3])).await["code"], "INVALID");
    let disable = "mutation ($c: String!, $p: String!) { disableTotp(input: { code: $c, password: $p }) {
        disabled userErrors { code field } } }";
    let used = test
        .graphql(&me.token, disable, json!({ "c": codes[3], "p": PASSWORD }))
        .await;
    assert_eq!(
        used["data"]["disableTotp"]["userErrors"],
        json!([{ "code": "INVALID", "field": ["code"] }])
    );
    let done = test
        .graphql(&me.token, disable, json!({ "c": codes[4], "p": PASSWORD }))
        .await;
    assert_eq!(done["data"]["disableTotp"]["disabled"], true);
    assert_eq!(sign_in(&test, &me, None).await, me.id);
}

#[tokio::test]
async fn codes_are_not_guessed_from_many_addresses() {
    let test = TestApp::start().await;
    let (me, app, _) = enabled(&test).await;
    test.clock.advance(TimeDelta::seconds(30));
    let attempt = async |n: u8, code: &str| {
        let client = Some([192, 0, 2, n].into());
        let op = Op {
            client,
            ..Op::default()
        };
        test.app
            .identity
            .sign_in(&op, &me.email, PASSWORD.into(), Some(code))
            .await
    };
    for n in 0..10 {
        assert!(matches!(attempt(n, "000000").await, Err(Error::Invalid(_))));
    }
    assert!(matches!(
        attempt(99, &app.code(&test)).await,
        Err(Error::RateLimited { .. })
    ));
}

#[tokio::test]
async fn an_administrator_removes_a_lost_factor_of_somebody_weaker_and_never_their_own() {
    const RESET: &str = "mutation ($id: ID!) { resetUserTotp(input: { id: $id }) { user { id totpEnabled } userErrors { code field } } }";
    let test = TestApp::start().await;
    let (me, _, _) = enabled(&test).await;
    let admin = test.person(UserRole::Admin).await;
    let reset = async |token: &str, id: &str| {
        test.graphql(token, RESET, json!({ "id": id })).await["data"]["resetUserTotp"].clone()
    };
    let refused = json!({ "user": null, "userErrors": [{ "code": "FORBIDDEN", "field": ["id"] }] });
    assert_eq!(reset(&admin.token, &admin.id).await, refused, "one's own");
    // Somebody who manages accounts and may do little else.
    let role =
        "mutation { saveRole(input: { name: \"Desk\", permissions: [MANAGE_USERS] }) { role { id } } }";
    let role = test.graphql(&admin.token, role, json!({})).await["data"]["saveRole"]["role"]["id"].clone();
    let desk = test.person(UserRole::Viewer).await;
    let give =
        "mutation ($u: ID!, $r: ID!) { updateUser(input: { id: $u, roleId: $r }) { userErrors { code } } }";
    test.graphql(&admin.token, give, json!({ "u": desk.id, "r": role }))
        .await;
    assert_eq!(
        reset(&desk.token, &me.id).await,
        refused,
        "somebody who may do more"
    );
    assert_eq!(sign_in(&test, &me, None).await["code"], "REQUIRED");
    for _ in 0..2 {
        let done = reset(&admin.token, &me.id).await;
        assert_eq!(
            done,
            json!({ "user": { "id": me.id, "totpEnabled": false }, "userErrors": [] })
        );
    }
    assert_eq!(sign_in(&test, &me, None).await, me.id);
    let log =
        "{ auditLog(first: 100, filter: { actions: [DISABLE_TOTP] }) { nodes { actorEmail targetName } } }";
    let log = test.graphql(&admin.token, log, json!({})).await["data"]["auditLog"]["nodes"].clone();
    assert_eq!(
        log,
        json!([{ "actorEmail": admin.email, "targetName": me.email }]),
        "once"
    );
}

#[tokio::test]
async fn the_operator_of_the_machine_lets_somebody_in_who_lost_everything() {
    let test = TestApp::start().await;
    let (me, _, _) = enabled(&test).await;
    test.app
        .identity
        .set_password(&me.email, PASSWORD.into())
        .await
        .ok()
        .unwrap();
    assert!(!test.works(&me.token).await);
    assert_eq!(sign_in(&test, &me, None).await, me.id);
}

#[tokio::test]
async fn a_wrong_code_after_the_right_password_names_the_account_in_the_log() {
    let test = TestApp::start().await;
    let (me, _, _) = enabled(&test).await;
    assert_eq!(sign_in(&test, &me, Some("000000")).await["code"], "INVALID");
    test.app.audit.flush_denials(true).await.ok().unwrap();
    let admin = test.sign_in(UserRole::Admin).await;
    let log =
        "{ auditLog(first: 100, filter: { outcome: DENIED }) { nodes { actorEmail targetName after } } }";
    let kept = test.graphql(&admin, log, json!({})).await;
    let kept = kept["data"]["auditLog"]["nodes"].as_array().unwrap().clone();
    let named = |entry: &&Value| entry["targetName"] == "signIn" && entry["actorEmail"] == me.email;
    assert_eq!(kept.iter().filter(named).count(), 1, "{kept:?}");
}
