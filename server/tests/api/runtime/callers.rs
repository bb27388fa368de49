//! Who may call, and what they are told of secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::Claim;
use cronium_server::jobs::queue::Signer;
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use cronium_server::runtime::{Caller, ROUTES, Tokens};
use cronium_server::transport::runtime as transport;
use futures::stream;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use super::{bearer, networked, read, request, script};
use crate::security::tokens::signed;
use crate::support::TestApp;

#[tokio::test]
async fn a_secret_is_marked_for_the_runner_and_refused_over_the_network() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, networked()).await;
    let answer = async |call: &str, body: Value| {
        let caller = Caller::Runner {
            orchestrator: script.orchestrator,
            claim: script.claim,
            id: Uuid::new_v4(),
        };
        test.app.runtime.answer(caller, &request(1, call, &body)).await
    };
    let set = answer("PUT /variables/S", json!({ "value": "hunter2", "secret": true })).await;
    assert_eq!(
        (set.status, set.secrets.as_slice()),
        (200, &["hunter2".to_owned()][..])
    );
    // It stays one.
    let set = answer("PUT /variables/S", json!({ "value": "hunter3" })).await;
    assert_eq!(set.secrets, ["hunter3"]);
    let got = answer("GET /variables/S", Value::Null).await;
    assert_eq!(
        (read(&got).1["value"].as_str(), got.secrets.as_slice()),
        (Some("hunter3"), &["hunter3".to_owned()][..])
    );
    answer("PUT /variables/P", json!({ "value": "plain" })).await;
    assert_eq!(
        answer("GET /variables/P", Value::Null).await.secrets,
        Vec::<String>::new()
    );
    let jwt = script.token();
    let (status, told) = bearer(&test.app.runtime, &jwt, "GET /variables/S", Value::Null).await;
    assert_eq!((status, &told["error"]["code"]), (403, &json!("FORBIDDEN")));
    assert!(!told.to_string().contains("hunter"));
    assert_eq!(
        bearer(&test.app.runtime, &jwt, "GET /variables/P", Value::Null)
            .await
            .0,
        200
    );
    for call in ["PUT /output", "POST /log"] {
        assert_eq!(
            bearer(&test.app.runtime, &jwt, call, json!({})).await.0,
            403,
            "{call}"
        );
    }
    let kept: Vec<Value> = sqlx::query_scalar("SELECT result FROM runtime_calls WHERE result IS NOT NULL")
        .fetch_all(&test.app.kernel.pool)
        .await
        .unwrap();
    assert!(
        kept.len() == 3 && !format!("{kept:?}").contains("hunter"),
        "{kept:?}"
    );
}

#[tokio::test]
async fn only_the_claim_that_runs_may_call() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let (a, b) = (
        script(&test, &token, json!({})).await,
        script(&test, &token, json!({})).await,
    );
    let by = async |orchestrator, claim| {
        let caller = Caller::Runner {
            orchestrator,
            claim,
            id: Uuid::new_v4(),
        };
        read(
            &test
                .app
                .runtime
                .answer(caller, &request(1, "GET /input", &Value::Null))
                .await,
        )
        .0
    };
    assert_eq!(by(a.orchestrator, a.claim).await, 200);
    assert_eq!(by(b.orchestrator, a.claim).await, 401, "another orchestrator");
    let stale = Claim {
        epoch: a.claim.epoch - 1,
        ..a.claim
    };
    assert_eq!(by(a.orchestrator, stale).await, 401, "another epoch");
    a.ends(&test).await;
    assert_eq!(by(a.orchestrator, a.claim).await, 401, "it is over");
    for (call, body) in [
        ("PUT /variables/A", json!({ "value": "x" })),
        ("POST /variables/A/increment", json!({})),
        ("PUT /condition", json!({ "value": true })),
    ] {
        assert_eq!(a.call(&test, call, body).await.0, 401, "{call}");
    }
    assert_eq!(by(b.orchestrator, b.claim).await, 200);
}

#[tokio::test]
async fn a_token_is_for_one_execution_while_it_runs() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let a = script(&test, &token, networked()).await;
    let b = script(&test, &token, networked()).await;
    let manifest = a.manifest();
    assert_eq!(manifest.env["CRONIUM_API_URL"], "https://cronium.test/runtime/v1");
    assert_eq!(manifest.runtime.unwrap().secret_env, ["CRONIUM_TOKEN"]);
    let runtime = &test.app.runtime;
    let asks = async |token: &str| bearer(runtime, token, "GET /event", Value::Null).await;
    let (status, context) = asks(&a.token()).await;
    assert_eq!((status, &context["jobId"]), (200, &a.job));
    assert_eq!(asks(&b.token()).await.1["jobId"], b.job);
    // An adoption changes nothing; another claim of the same execution has another token.
    let adopted = test.app.queue.adopt(a.orchestrator, vec![a.claim]).await.unwrap();
    assert_eq!(adopted[0].go_on.as_ref().unwrap().claim.epoch, a.claim.epoch + 1);
    assert_eq!(asks(&a.token()).await.0, 200);
    sqlx::query("UPDATE executions SET claim_epoch = claim_epoch + 1 WHERE id = $1")
        .bind(a.claim.execution_id)
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(asks(&a.token()).await.0, 401, "an earlier claim's");
    // A signature of A over the words of B, and other ways to be somebody else.
    let (ours, theirs) = (a.token(), b.token());
    let (words, _) = theirs.rsplit_once('.').unwrap();
    let (_, signature) = ours.rsplit_once('.').unwrap();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", theirs.split('.').nth(1).unwrap());
    for wrong in [format!("{words}.{signature}"), none, String::new(), token.clone()] {
        assert_eq!(asks(&wrong).await.0, 401, "{wrong}");
    }
    let foreign = Tokens::new(&[7; 32], "");
    let (entropy, now) = (test.app.kernel.entropy, test.app.kernel.now());
    let foreign = foreign
        .mint(entropy, now, (b.claim.execution_id, b.claim.epoch), 60_000)
        .unwrap();
    assert_eq!(asks(&foreign).await.0, 401, "another installation's");
    assert_eq!(asks(&theirs).await.0, 200);
    b.ends(&test).await;
    assert_eq!(asks(&theirs).await.0, 401, "it is over");
}

#[tokio::test]
async fn a_token_of_another_kind_is_nobodys_though_its_signature_is_ours() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, networked()).await;
    let ring = KeyRing::new(vec![MasterKey::new([7; 32])]);
    let signer = Signer::load(&test.app.kernel, &ring).await.unwrap();
    let key = signer.derived("runtime tokens");
    let good = script.token();
    let part = |at: usize| {
        let bytes = URL_SAFE_NO_PAD.decode(good.split('.').nth(at).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&bytes).unwrap()
    };
    let (header, claims) = (part(0), part(1));
    let asks = async |header: &Value, claims: &Value| {
        let token = signed(&key, header, claims);
        bearer(&test.app.runtime, &token, "GET /input", Value::Null)
            .await
            .0
    };
    assert_eq!(asks(&header, &claims).await, 200, "these are its words");
    for algorithm in ["none", "RS256", "HS384", "ES256"] {
        let mut header = header.clone();
        header["alg"] = json!(algorithm);
        assert_eq!(asks(&header, &claims).await, 401, "{algorithm}");
    }
    let mut access = header.clone();
    access["typ"] = json!("at+jwt");
    assert_eq!(asks(&access, &claims).await, 401, "another type");
    for (name, value) in [
        ("aud", json!("cronium-api")),
        ("exp", json!(claims["iat"])),
        ("exp", Value::Null),
    ] {
        let mut claims = claims.clone();
        claims[name] = value;
        assert_eq!(asks(&header, &claims).await, 401, "{name}");
    }
}

#[tokio::test]
async fn what_ends_while_a_call_is_under_way_is_not_changed() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, networked()).await;
    let pool = &test.app.kernel.pool;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("UPDATE executions SET status = 'SUCCEEDED', finished_at = now()")
        .execute(&mut *other)
        .await
        .unwrap();
    let (runtime, jwt) = (test.app.runtime.clone(), script.token());
    let call = async move {
        bearer(&runtime, &jwt, "PUT /condition", json!({ "value": true }))
            .await
            .0
    };
    let call = tokio::spawn(call);
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits)
        .fetch_one(pool)
        .await
        .unwrap()
    {
        tokio::task::yield_now().await;
    }
    other.commit().await.unwrap();
    assert_eq!(call.await.unwrap(), 401);
    let said: Vec<Option<bool>> = sqlx::query_scalar("SELECT condition FROM jobs")
        .fetch_all(pool)
        .await
        .unwrap();
    assert_eq!(said, [None]);
}

#[tokio::test]
async fn who_it_is_comes_before_how_much_is_read() {
    let test = TestApp::start().await;
    let router = transport::router(test.app.runtime.clone());
    // A body that never ends, and says when it is read.
    let read = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&read);
    let body = stream::repeat_with(move || {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, std::io::Error>("x".repeat(1 << 20))
    });
    let request = axum::http::Request::put("/runtime/v1/variables/A")
        .header("authorization", "Bearer nobodys")
        .body(Body::from_stream(body))
        .unwrap();
    let answer = router.oneshot(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), read.load(Ordering::SeqCst)), (401, 0));
}

#[tokio::test]
async fn a_token_that_expired_is_refused_and_a_job_without_a_network_has_none() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let online = script(&test, &token, networked()).await;
    let offline = script(&test, &token, json!({})).await.manifest();
    assert!(!offline.env.contains_key("CRONIUM_TOKEN") && !offline.env.contains_key("CRONIUM_API_URL"));
    assert!(offline.files.iter().any(|file| file.path == "cronium.sh"));
    assert_eq!(offline.runtime.unwrap().bash_env.as_deref(), Some("cronium.sh"));
    test.clock.advance(TimeDelta::minutes(39));
    assert_eq!(
        bearer(&test.app.runtime, &online.token(), "GET /input", Value::Null)
            .await
            .0,
        200
    );
    test.clock.advance(TimeDelta::minutes(2));
    assert_eq!(
        bearer(&test.app.runtime, &online.token(), "GET /input", Value::Null)
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn a_script_has_the_rights_that_its_owner_has_now() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let person = test.person(UserRole::Editor).await;
    let script = script(&test, &person.token, json!({})).await;
    let set = || script.call(&test, "PUT /variables/A", json!({ "value": "x" }));
    assert_eq!(set().await.0, 200);
    let change =
        "mutation ($id: ID!) { updateUser(input: { id: $id, role: VIEWER }) { userErrors { code } } }";
    test.graphql(&admin, change, json!({ "id": person.id })).await;
    let (status, told) = set().await;
    assert_eq!((status, &told["error"]["code"]), (403, &json!("FORBIDDEN")));
}

#[tokio::test]
async fn over_http_it_is_the_same_with_a_token() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let script = script(&test, &token, networked()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/runtime/v1", listener.local_addr().unwrap());
    let router = transport::router(test.app.runtime.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let client = reqwest::Client::new();
    let jwt = script.token();
    let put = client.put(format!("{base}/variables/A")).bearer_auth(&jwt);
    assert_eq!(
        put.json(&json!({ "value": "x" })).send().await.unwrap().status(),
        200
    );
    let got = client
        .get(format!("{base}/variables/A"))
        .bearer_auth(&jwt)
        .send()
        .await
        .unwrap();
    assert_eq!(got.headers()["cache-control"], "no-store");
    assert_eq!(got.json::<Value>().await.unwrap()["value"], "x");
    let none = client.get(format!("{base}/input")).send().await.unwrap();
    assert_eq!(none.status(), 401);
    assert_eq!(none.json::<Value>().await.unwrap()["error"]["code"], "FORBIDDEN");
    let large = client
        .put(format!("{base}/variables/A"))
        .bearer_auth(&jwt)
        .body(vec![b' '; (5 << 20) + 1]);
    assert_eq!(large.send().await.unwrap().status(), 413);
    let document: Value = client
        .get(format!("{base}/openapi.json"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    for route in ROUTES {
        let described = &document["paths"][route.path][route.method.to_lowercase()];
        assert_eq!(described["operationId"], route.name);
        // What is described is there: it is refused for its words, not for being unknown.
        let url = format!("{base}{}", route.path.replace("{key}", "a"));
        let method = reqwest::Method::from_bytes(route.method.as_bytes()).unwrap();
        let asked = client
            .request(method, url)
            .bearer_auth(&jwt)
            .body("[")
            .send()
            .await
            .unwrap();
        assert_ne!(asked.status(), 404, "{} {}", route.method, route.path);
    }
    server.abort();
}
