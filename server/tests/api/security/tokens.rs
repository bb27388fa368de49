//! Tokens that are not what they say: another algorithm, type, audience or end, or of another kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_server::kernel::Clock as _;
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::PASSWORD;
use crate::support::served::Served;

pub fn signed(key: &[u8], header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    format!(
        "{message}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    )
}

#[tokio::test]
async fn confused_tokens_are_nobodys() {
    let served = Served::start().await;
    let test = &served.test;
    let me = test.person(UserRole::Admin).await;
    let document = "mutation ($e: String!, $p: String!) { signIn(input: { email: $e, password: $p, refreshable: true }) {
        accessToken refreshToken } }";
    let pair = test
        .graphql("", document, json!({ "e": me.email, "p": PASSWORD }))
        .await["data"]["signIn"]
        .clone();
    let (access, refresh) = (
        pair["accessToken"].as_str().unwrap(),
        pair["refreshToken"].as_str().unwrap(),
    );
    let claims = URL_SAFE_NO_PAD.decode(access.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    // With the true key: what is refused is refused for what it says.
    let sealed: Vec<u8> = sqlx::query_scalar("SELECT value FROM settings WHERE key = 'access-token-key'")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    let key = KeyRing::new(vec![MasterKey::new([7; 32])])
        .open("settings/access-token-key", &sealed)
        .unwrap();
    let header = json!({ "alg": "HS256", "typ": "at+jwt" });
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(&key, &header, &claims)
    };
    let message = access.rsplit_once('.').unwrap().0;
    let public = test.app.queue.verify_key();
    let public: Vec<String> = vec![
        URL_SAFE_NO_PAD.encode(public),
        public.iter().map(|byte| format!("{byte:02x}")).collect(),
    ];
    let other = test.person(UserRole::Viewer).await;
    let mut tokens = vec![
        ("no signature", format!("{message}.")),
        (
            "alg none",
            signed(b"", &json!({ "alg": "none", "typ": "at+jwt" }), &claims),
        ),
        (
            "alg HS512",
            signed(&key, &json!({ "alg": "HS512", "typ": "at+jwt" }), &claims),
        ),
        (
            "alg EdDSA",
            signed(&key, &json!({ "alg": "EdDSA", "typ": "at+jwt" }), &claims),
        ),
        (
            "another type",
            signed(&key, &json!({ "alg": "HS256", "typ": "runtime+jwt" }), &claims),
        ),
        ("no type", signed(&key, &json!({ "alg": "HS256" }), &claims)),
        ("another audience", with("aud", json!("cronium-runtime"))),
        ("no audience", with("aud", Value::Null)),
        ("over", with("exp", json!(test.clock.now().timestamp()))),
        ("no end", with("exp", Value::Null)),
        (
            "another session",
            with("sid", json!("00000000-0000-0000-0000-000000000000")),
        ),
        (
            "another person's",
            with("sub", json!("00000000-0000-0000-0000-000000000000")),
        ),
        ("an empty key", signed(b"", &header, &claims)),
        ("a refresh token", refresh.to_owned()),
        ("the hash of a session", hex_of_hash(&other.token)),
        ("a prefix", "crn_".to_owned()),
    ];
    tokens.extend(
        public
            .iter()
            .map(|text| ("the public key's text", signed(text.as_bytes(), &header, &claims))),
    );
    assert_eq!(
        served
            .code(&signed(&key, &header, &claims), "{ viewer { id } }")
            .await,
        (200, Value::Null)
    );
    for (what, token) in tokens {
        let request = served
            .client
            .post(served.url("/graphql"))
            .header("authorization", format!("Bearer {token}"));
        let request = request.header("accept", "application/graphql-response+json");
        let response = request
            .json(&json!({ "query": "{ viewer { id } }" }))
            .send()
            .await
            .unwrap();
        let (status, answer): (_, Value) = (response.status().as_u16(), response.json().await.unwrap());
        assert!(answer["data"]["viewer"]["id"].is_null(), "{what}: {answer}");
        assert_eq!(status, 401, "{what}: {answer}");
    }
    // A right one is over after ten minutes.
    test.clock.advance(TimeDelta::minutes(10));
    assert_eq!(served.code(access, "{ viewer { id } }").await.0, 401);
}

fn hex_of_hash(token: &str) -> String {
    use sha2::Digest as _;
    Sha256::digest(token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[tokio::test]
async fn signing_in_takes_no_session_that_was_there_before() {
    let served = Served::start().await;
    let me = served.test.person(UserRole::Editor).await;
    let planted = "planted-by-somebody-else";
    let document = "mutation ($e: String!, $p: String!) { signIn(input: { email: $e, password: $p }) { viewer { id } } }";
    let sign_in = async |cookie: &str| {
        let body = json!({ "query": document, "variables": { "e": me.email, "p": PASSWORD } });
        let request = served.client.post(served.url("/graphql")).json(&body);
        let own = served.url("");
        let request = request
            .header("cookie", cookie)
            .header("origin", own.trim_end_matches('/'));
        let response = request.send().await.unwrap();
        let set: Vec<_> = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(|v| v.to_str().unwrap().to_owned())
            .collect();
        set.join(" ")
    };
    let first = sign_in(&format!("cronium={planted}; __Host-cronium={planted}")).await;
    let second = sign_in(&format!("cronium={}; __Host-cronium={}", me.token, me.token)).await;
    let value = |set: &str| set.split(['=', ';']).nth(1).unwrap().to_owned();
    assert!(value(&first).len() >= 43, "{first}");
    assert!(
        !first.contains(planted) && !second.contains(&me.token),
        "{first} {second}"
    );
    assert_ne!(value(&first), value(&second));
    assert!(!served.test.works(planted).await);
    assert!(served.test.works(&value(&second)).await);
}
