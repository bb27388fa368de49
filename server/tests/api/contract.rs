//! What integrators rely on beside the schema: persisted documents, rate limits, who may read the schema.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use cronium_entity::enums::UserRole;
use cronium_server::rate::{Quota, Rates};
use cronium_server::transport::graphql::Settings;
use cronium_server::transport::graphql::documents::{Documents, Room};
use cronium_server::transport::graphql::introspection::Introspection;
use cronium_server::transport::graphql::proxies::Proxies;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::TestApp;
use crate::support::served::Served;

const VERSION: &str = "{ serverInfo { version } }";

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn by_hash(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

async fn post(served: &Served, body: Value) -> Value {
    let request = served.client.post(served.url("/graphql")).json(&body);
    request.send().await.unwrap().json().await.unwrap()
}

fn code(answer: &Value) -> &Value {
    &answer["errors"][0]["extensions"]["code"]
}

#[tokio::test]
async fn a_registered_document_runs_by_its_hash_over_every_transport() {
    let served = Served::start().await;
    let extensions = by_hash(&hash(VERSION));
    let unknown = post(&served, json!({ "extensions": extensions })).await;
    // Clients of this protocol look for both.
    assert_eq!(unknown["errors"][0]["message"], "PersistedQueryNotFound");
    assert_eq!(code(&unknown), "PERSISTED_QUERY_NOT_FOUND");
    let taught = post(&served, json!({ "query": VERSION, "extensions": extensions })).await;
    assert!(taught["data"]["serverInfo"]["version"].is_string(), "{taught}");
    assert_eq!(post(&served, json!({ "extensions": extensions })).await, taught);

    let pairs = [("extensions", extensions.to_string())];
    let url = reqwest::Url::parse_with_params(&served.url("/graphql"), &pairs).unwrap();
    let got: Value = served.client.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(got, taught);

    let stream = served.client.post(served.url("/graphql/stream"));
    let stream = stream
        .header("accept", "text/event-stream")
        .json(&json!({ "extensions": extensions }));
    let text = stream.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("\"version\""), "{text}");

    let token = served.test.sign_in(UserRole::Viewer).await;
    let mut socket = served.acknowledged(&token).await;
    let payload = json!({ "extensions": extensions });
    socket
        .send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
        .await;
    let next = socket.next().await;
    assert_eq!(next["payload"]["data"], taught["data"], "{next}");
}

#[tokio::test]
async fn a_hash_that_is_not_the_documents_registers_nothing() {
    let served = Served::start().await;
    let other = hash("{ viewer { id } }");
    let wrong = post(
        &served,
        json!({ "query": VERSION, "extensions": by_hash(&other) }),
    )
    .await;
    assert_eq!(
        (code(&wrong), &wrong["data"]),
        (&json!("BAD_REQUEST"), &Value::Null)
    );
    let still = post(&served, json!({ "extensions": by_hash(&other) })).await;
    assert_eq!(code(&still), "PERSISTED_QUERY_NOT_FOUND");
    // A document that is refused is not kept either.
    let deep = format!("{{ viewer {{ id {} }} }}", "a: id ".repeat(100));
    let refused = post(
        &served,
        json!({ "query": deep, "extensions": by_hash(&hash(&deep)) }),
    )
    .await;
    assert!(code(&refused).is_string(), "{refused}");
    let still = post(&served, json!({ "extensions": by_hash(&hash(&deep)) })).await;
    assert_eq!(code(&still), "PERSISTED_QUERY_NOT_FOUND");
    for extensions in [
        json!({ "persistedQuery": { "version": 2, "sha256Hash": other } }),
        json!({ "persistedQuery": { "version": 1, "sha256Hash": 7 } }),
        json!({ "persistedQuery": "x" }),
        by_hash("short"),
    ] {
        let answer = post(&served, json!({ "extensions": extensions })).await;
        assert_eq!(code(&answer), "BAD_REQUEST", "{answer}");
    }
    let served = Served::with(Settings {
        documents: Documents::registered(Room {
            documents: 0,
            bytes: 1,
        }),
        ..Settings::default()
    })
    .await;
    let off = post(&served, json!({ "extensions": by_hash(&hash(VERSION)) })).await;
    assert_eq!(off["errors"][0]["message"], "PersistedQueryNotSupported");
}

#[tokio::test]
async fn with_an_allow_list_nothing_else_runs_over_any_transport() {
    let list = tempfile::tempdir().unwrap();
    fs::write(list.path().join("version.graphql"), format!("{VERSION}\n")).unwrap();
    fs::write(
        list.path().join("manifest.json"),
        r#"{ "who-am-i": "{ viewer { id } }" }"#,
    )
    .unwrap();
    let served = Served::with(Settings {
        documents: Documents::listed(list.path(), None).ok().unwrap(),
        ..Settings::default()
    })
    .await;
    let runs = post(&served, json!({ "query": VERSION })).await;
    assert!(runs["data"]["serverInfo"]["version"].is_string(), "{runs}");
    let by_id = post(&served, json!({ "extensions": by_hash("who-am-i") })).await;
    assert_eq!(by_id, json!({ "data": { "viewer": null } }));
    let other = "{ serverInfo { firstRun } }";
    let response = served.client.post(served.url("/graphql"));
    let response = response.json(&json!({ "query": other })).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(
        (code(&answer), answer.get("data")),
        (&json!("DOCUMENT_NOT_LISTED"), None)
    );
    let with_hash = post(
        &served,
        json!({ "query": other, "extensions": by_hash(&hash(other)) }),
    )
    .await;
    assert_eq!(code(&with_hash), "DOCUMENT_NOT_LISTED", "nothing is registered");

    let token = served.test.sign_in(UserRole::Viewer).await;
    let mut socket = served.acknowledged(&token).await;
    let payload = json!({ "query": "subscription { systemStatus { queuedJobs } }" });
    socket
        .send(json!({ "type": "subscribe", "id": "1", "payload": payload }))
        .await;
    let refused = socket.next().await;
    assert_eq!(refused["type"], "error");
    assert_eq!(refused["payload"][0]["extensions"]["code"], "DOCUMENT_NOT_LISTED");
    let stream = served.client.post(served.url("/graphql/stream"));
    let stream = stream
        .header("accept", "text/event-stream")
        .json(&json!({ "query": other }));
    let text = stream.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("DOCUMENT_NOT_LISTED"), "{text}");
    let explorer = served.client.get(served.url("/graphiql")).send().await.unwrap();
    assert_eq!(explorer.status(), 404, "the explorer sends whatever is typed");
}

#[tokio::test]
async fn the_schema_is_read_by_whom_the_operator_lets() {
    const SCHEMA: &str = "{ __schema { queryType { name } } }";
    const GUESS: &str = "{ serverInf { version } }";
    for (policy, anonymous, signed_in) in [
        (Introspection::Everyone, None, None),
        (Introspection::SignedIn, Some("UNAUTHENTICATED"), None),
        (Introspection::Nobody, Some("FORBIDDEN"), Some("FORBIDDEN")),
    ] {
        let served = Served::with(Settings {
            introspection: policy,
            ..Settings::default()
        })
        .await;
        let token = served.test.sign_in(UserRole::Admin).await;
        for (token, refused) in [("", anonymous), (&token, signed_in)] {
            let (_, code) = served.code(token, SCHEMA).await;
            assert_eq!(code.as_str(), refused, "{policy:?}");
            let (_, code) = served.code(token, "{ __type(name: \"User\") { name } }").await;
            assert_eq!(code.as_str(), refused, "{policy:?}");
            let explorer = served.client.get(served.url("/graphiql")).send().await.unwrap();
            assert_eq!(explorer.status(), 200, "{policy:?}");
            let (_, code) = served.code(token, "{ viewer { __typename } }").await;
            assert_eq!(code, Value::Null, "a type's own name is no secret");
            let guess = served.post(token, GUESS).send().await.unwrap();
            let guess: Value = guess.json().await.unwrap();
            let message = guess["errors"][0]["message"].as_str().unwrap();
            assert_eq!(
                message.contains("Did you mean"),
                refused.is_none(),
                "{policy:?}: {message}"
            );
        }
    }
}

/// Enough for some dozen of the cheapest operations a minute.
fn limited() -> Settings {
    Settings {
        rates: Rates {
            signed_in: Some(Quota(100)),
            anonymous: Some(Quota(40)),
        },
        ..Settings::default()
    }
}

#[tokio::test]
async fn a_person_with_a_bucket_of_their_own_has_that_one() {
    let test = TestApp::start().await;
    let settings = Settings {
        allowances: Some(Arc::new(test.app.quotas.clone())),
        ..limited()
    };
    let served = Served::of(test, settings).await;
    let (one, other) = (
        served.test.person(UserRole::Viewer).await,
        served.test.person(UserRole::Viewer).await,
    );
    let query = "{ rateLimit { cost } }";
    assert_eq!(asked(&served, &one.token, query).await.1[0], Some(100));
    let admin = served.test.person(UserRole::Admin).await;
    for (limit, expected) in [(json!(5_000), Some(5_000)), (Value::Null, None)] {
        let set = "mutation ($i: SetQuotaInput!) { setQuota(input: $i) { userErrors { message } } }";
        let limits = json!([{ "kind": "API_COST_PER_MINUTE", "limit": limit }]);
        let input = json!({ "subject": { "user": one.id }, "limits": limits });
        let answer = served
            .test
            .graphql(&admin.token, set, json!({ "i": input }))
            .await;
        assert_eq!(answer["data"]["setQuota"]["userErrors"], json!([]), "{answer}");
        assert_eq!(asked(&served, &one.token, query).await.1[0], expected, "at once");
    }
    assert_eq!(asked(&served, &other.token, query).await.1[0], Some(100));
}

/// What the answer's headers say: limit, remaining, seconds to wait.
async fn asked(served: &Served, token: &str, query: &str) -> (u16, Vec<Option<u64>>, Value) {
    let response = served.post(token, query).send().await.unwrap();
    let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse().ok();
    let headers = ["x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"].map(number);
    let status = response.status().as_u16();
    (status, headers.to_vec(), response.json().await.unwrap())
}

#[tokio::test]
async fn who_asked_for_too_much_is_told_when_to_come_back() {
    let served = Served::with(limited()).await;
    let (one, other) = (
        served.test.sign_in(UserRole::Viewer).await,
        served.test.sign_in(UserRole::Viewer).await,
    );
    let query = "{ rateLimit { cost limit remaining resetAt } }";
    let (status, headers, answer) = asked(&served, &one, query).await;
    let seen = &answer["data"]["rateLimit"];
    assert_eq!((status, headers[0]), (200, Some(100)));
    assert_eq!(
        headers[1],
        seen["remaining"].as_u64(),
        "the field and the header agree"
    );
    let cost = seen["cost"].as_u64().unwrap();
    assert_eq!(seen["remaining"], 100 - cost);
    let mut last = headers[1].unwrap();
    let (wait, refused) = loop {
        let (status, headers, answer) = asked(&served, &one, query).await;
        if status == 429 {
            break (headers[2].unwrap(), answer);
        }
        assert_eq!((status, headers[1]), (200, Some(last - cost)));
        last -= cost;
    };
    assert!(last < cost, "refused with {last} left for {cost}");
    assert_eq!(code(&refused), "RATE_LIMITED");
    assert_eq!(refused["errors"][0]["extensions"]["retryAfter"], wait);
    // Another person, and one who is not signed in, have their own.
    assert_eq!(asked(&served, &other, query).await.0, 200);
    assert_eq!(asked(&served, "", query).await.1[0], Some(40));
    // Refusals cost nothing, and time gives back.
    served
        .test
        .clock
        .advance(chrono::TimeDelta::seconds(i64::try_from(wait).unwrap()));
    assert_eq!(asked(&served, &one, query).await.0, 200);
}

#[tokio::test]
async fn what_is_broken_or_forged_costs_too_and_sockets_share_the_bucket() {
    let served = Served::with(limited()).await;
    for body in ["{", "[]", "{ nothing }"] {
        let before = asked(&served, "", VERSION).await.1[1].unwrap();
        let request = served.client.post(served.url("/graphql"));
        let request = request.header("content-type", "application/json").body(body);
        let after = request.send().await.unwrap();
        let after = after.headers()["x-ratelimit-remaining"].to_str().unwrap();
        assert!(after.parse::<u64>().unwrap() < before, "{body}");
    }
    let token = served.test.sign_in(UserRole::Viewer).await;
    let mut socket = served.acknowledged(&token).await;
    let mut refused = Value::Null;
    for id in 0..200 {
        let payload = json!({ "query": VERSION });
        socket
            .send(json!({ "type": "subscribe", "id": id.to_string(), "payload": payload }))
            .await;
        let answer = tokio::time::timeout(Duration::from_secs(5), async {
            loop {
                let answer = socket.next().await;
                if answer["type"] != "complete" {
                    return answer;
                }
            }
        });
        let answer = answer.await.unwrap();
        if answer["type"] == "error" {
            refused = answer;
            break;
        }
    }
    let said = &refused["payload"][0]["extensions"];
    assert_eq!(said["code"], "RATE_LIMITED", "{refused}");
    assert!(said["retryAfter"].as_u64() > Some(0), "{refused}");
    let (status, ..) = asked(&served, &token, VERSION).await;
    assert_eq!(status, 429, "HTTP and WebSocket are one bucket");
    let stream = served
        .client
        .post(served.url("/graphql/stream"))
        .bearer_auth(&token);
    let stream = stream
        .header("accept", "text/event-stream")
        .json(&json!({ "query": VERSION }));
    let stream = stream.send().await.unwrap();
    assert_eq!(stream.status(), 429, "and so are events");
    assert_eq!(stream.headers()["retry-after"], said["retryAfter"].to_string());
}

#[tokio::test]
async fn who_is_anonymous_is_known_by_an_address_that_only_a_trusted_proxy_may_tell() {
    for (trusted, each_his_own) in [(&[][..], false), (&["127.0.0.0/8"][..], true)] {
        let served = Served::with(Settings {
            proxies: Proxies::parse(trusted).unwrap(),
            ..limited()
        })
        .await;
        let mut statuses = Vec::new();
        for n in 0..60 {
            let request = served
                .post("", VERSION)
                .header("x-forwarded-for", format!("203.0.113.{n}"));
            statuses.push(request.send().await.unwrap().status().as_u16());
        }
        assert_eq!(statuses.contains(&429), !each_his_own, "{trusted:?}");
    }
}

#[tokio::test]
async fn a_registered_mutation_does_not_run_by_get() {
    const SIGN_OUT: &str = "mutation { signOut { userErrors { message } } }";
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let extensions = by_hash(&hash(SIGN_OUT));
    let other = served.test.sign_in(UserRole::Viewer).await;
    let taught = served.client.post(served.url("/graphql")).bearer_auth(&other);
    let taught = taught
        .json(&json!({ "query": SIGN_OUT, "extensions": extensions }))
        .send();
    assert_eq!(taught.await.unwrap().status(), 200);
    assert!(
        !served.test.works(&other).await,
        "it is registered, and runs by POST"
    );

    let pairs = [("extensions", extensions.to_string())];
    let url = reqwest::Url::parse_with_params(&served.url("/graphql"), &pairs).unwrap();
    let got = served.client.get(url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(got.status(), 405);
    assert!(served.test.works(&token).await, "still signed in");
}

#[tokio::test]
async fn five_hundred_at_once_get_exactly_what_the_bucket_holds() {
    let served = Served::with(limited()).await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let cost = 100 - asked(&served, &token, VERSION).await.1[1].unwrap();
    served.test.clock.advance(chrono::TimeDelta::seconds(60));
    let all = (0..500).map(|_| asked(&served, &token, VERSION));
    let all = futures::future::join_all(all).await;
    let admitted = all.iter().filter(|(status, ..)| *status == 200).count() as u64;
    assert!(all.iter().all(|(status, ..)| [200, 429].contains(status)));
    assert_eq!(admitted, 100 / cost);
}
