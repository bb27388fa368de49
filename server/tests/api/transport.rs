//! What each transport accepts and refuses, asked over a real socket.

use cronium_entity::enums::UserRole;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite;

use crate::jobs::event;
use crate::support::served::{PARTNER, Served};

fn media(response: &Response) -> String {
    response.headers()["content-type"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_answer_has_the_media_type_and_status_that_was_asked_for() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let ask = |accept: &'static str| {
        let request = served.client.post(served.url("/graphql")).bearer_auth(&token);
        request
            .header("accept", accept)
            .json(&json!({ "query": "{ nothing }" }))
            .send()
    };
    let old = ask("application/json").await.unwrap();
    assert_eq!(
        (old.status(), media(&old).as_str()),
        (StatusCode::OK, "application/json; charset=utf-8")
    );
    let new = ask("application/json;q=0.5, application/graphql-response+json")
        .await
        .unwrap();
    assert_eq!(new.status(), StatusCode::BAD_REQUEST);
    assert_eq!(media(&new), "application/graphql-response+json; charset=utf-8");
    assert!(new.headers().contains_key("x-request-id"));
    let body: Value = new.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert!(body.get("data").is_none(), "nothing ran: {body}");
    assert_eq!(
        ask("text/html").await.unwrap().status(),
        StatusCode::NOT_ACCEPTABLE
    );
}

#[tokio::test]
async fn get_reads_and_does_not_change() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let get = |query: &'static str| {
        let query = query.replace(' ', "%20").replace('{', "%7B").replace('}', "%7D");
        let url = served.url(&format!("/graphql?query={query}"));
        served.client.get(url).bearer_auth(&token).send()
    };
    let read: Value = get("{ viewer { role } }").await.unwrap().json().await.unwrap();
    assert_eq!(read["data"]["viewer"]["role"], "VIEWER");
    let change = get("mutation { signOut { signedOut } }").await.unwrap();
    assert_eq!(change.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert!(served.test.app.identity.authenticate(&token).await.is_ok());
}

#[tokio::test]
async fn malformed_requests_are_told_apart() {
    let served = Served::start().await;
    let post = |media: &'static str, body: String| {
        let request = served.client.post(served.url("/graphql"));
        request.header("content-type", media).body(body).send()
    };
    for (media, body, status) in [
        ("application/json", "{".to_owned(), 400),
        ("application/json", "{}".to_owned(), 400),
        (
            "application/json",
            r#"[{ "query": "{ __typename }" }]"#.to_owned(),
            400,
        ),
        (
            "application/json",
            r#"{ "query": "{ __typename }", "variables": 1 }"#.to_owned(),
            400,
        ),
        ("text/plain", r#"{ "query": "{ __typename }" }"#.to_owned(), 415),
        (
            "application/json",
            format!(r#"{{ "query": "{}" }}"#, "x".repeat(3 << 20)),
            413,
        ),
    ] {
        let start: String = body.chars().take(30).collect();
        let response = post(media, body).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{start}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{start}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_an_old_cookie_is_nobodys() {
    let served = Served::start().await;
    let wrong = served
        .post("no-such-token", "{ viewer { role } }")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let request = served.post("", "{ serverInfo { version } }");
    let old = request
        .header("cookie", "cronium=gone")
        .header("origin", served.url(""));
    let old: Value = old.send().await.unwrap().json().await.unwrap();
    assert!(old["data"]["serverInfo"]["version"].is_string());
}

#[tokio::test]
async fn only_our_own_pages_may_use_the_cookie() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let cookie = format!("other=1; cronium={token}");
    let ask = |name: &'static str, value: String| {
        let request = served.post("", "{ viewer { role } }");
        let request = request.header("cookie", &cookie).header(name, value);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(ask("origin", served.url("")).await, 200);
    assert_eq!(ask("sec-fetch-site", "same-origin".into()).await, 200);
    assert_eq!(ask("origin", "http://evil.example".into()).await, 403);
    assert_eq!(ask("origin", PARTNER.into()).await, 403);
    assert_eq!(ask("origin", "null".into()).await, 403);
    assert_eq!(ask("sec-fetch-site", "cross-site".into()).await, 403);
    assert_eq!(ask("x-nothing", "no origin at all".into()).await, 403);
    let bearer = served
        .post(&token, "{ viewer { role } }")
        .header("origin", "http://evil.example");
    assert_eq!(bearer.send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn only_listed_origins_may_read_answers() {
    let served = Served::start().await;
    for (origin, allowed) in [(PARTNER, true), ("http://evil.example", false)] {
        let request = served
            .client
            .request(reqwest::Method::OPTIONS, served.url("/graphql"));
        let request = request
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let response = request.send().await.unwrap();
        let header = response.headers().contains_key("access-control-allow-origin");
        assert_eq!(header, allowed, "{origin}");
        assert!(
            !response
                .headers()
                .contains_key("access-control-allow-credentials")
        );
    }
}

#[tokio::test]
async fn signing_in_sets_the_cookie_and_signing_out_removes_it() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let out = served.post("", "mutation { signOut { signedOut } }");
    let out = out
        .header("cookie", format!("cronium={token}"))
        .header("origin", served.url(""));
    let out = out.send().await.unwrap();
    let cookie = out.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.starts_with("cronium=;") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    assert!(served.test.app.identity.authenticate(&token).await.is_err());
}

#[tokio::test]
async fn the_schema_is_for_the_signed_in() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let query = "query { ...a } fragment a on Query { __schema { queryType { name } } }";
    assert_eq!(served.code("", query).await, (400, json!("UNAUTHENTICATED")));
    assert_eq!(served.code(&token, query).await, (200, Value::Null));
}

#[tokio::test]
async fn a_socket_runs_queries_and_goes_on_after_errors() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let mut socket = served.acknowledged(&token).await;
    let subscribe =
        |id: &str, query: &str| json!({ "id": id, "type": "subscribe", "payload": { "query": query } });
    socket.send(subscribe("1", "{ nothing }")).await;
    let error = socket.next().await;
    assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!("1")));
    assert_eq!(error["payload"][0]["extensions"]["code"], "BAD_REQUEST");
    for _ in 0..2 {
        socket.send(subscribe("1", "{ viewer { role } }")).await;
        assert_eq!(socket.next().await["payload"]["data"]["viewer"]["role"], "VIEWER");
        assert_eq!(socket.next().await, json!({ "id": "1", "type": "complete" }));
    }
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await["type"], "pong");
}

#[tokio::test]
async fn breaches_of_the_socket_protocol_close_with_their_codes() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let query = json!({ "query": "{ viewer { role } }" });
    for (message, code) in [
        (json!({ "type": "shout" }), 4400),
        (json!(["not an object"]), 4400),
        (json!({ "type": "subscribe", "payload": query }), 4400),
        (json!({ "type": "subscribe", "id": "1", "payload": {} }), 4400),
        (json!({ "type": "connection_init" }), 4429),
    ] {
        let mut socket = served.acknowledged(&token).await;
        socket.send(message.clone()).await;
        assert_eq!(socket.close_code().await, code, "{message}");
    }
    let mut early = served.socket(&[]).await.unwrap();
    early
        .send(json!({ "id": "1", "type": "subscribe", "payload": query }))
        .await;
    assert_eq!(early.close_code().await, 4401);
    let mut wrong = served.socket(&[]).await.unwrap();
    let payload = json!({ "authorization": "Bearer wrong" });
    wrong
        .send(json!({ "type": "connection_init", "payload": payload }))
        .await;
    assert_eq!(wrong.close_code().await, 4403);
    let mut silent = served.socket(&[]).await.unwrap();
    assert_eq!(silent.close_code().await, 4408);
}

#[tokio::test]
async fn a_socket_with_a_cookie_needs_our_own_origin() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let cookie = format!("cronium={token}");
    let own = served.url("");
    assert!(
        served
            .socket(&[("cookie", &cookie), ("origin", &own)])
            .await
            .is_ok()
    );
    for headers in [
        &[("cookie", cookie.as_str()), ("origin", "http://evil.example")][..],
        &[("cookie", cookie.as_str())][..],
    ] {
        let Err(tungstenite::Error::Http(refused)) = served.socket(headers).await else {
            panic!("a foreign page opened a socket with the session");
        };
        assert_eq!(refused.status().as_u16(), 403);
    }
    let other = served.socket(&[("sec-websocket-protocol", "graphql-ws")]).await;
    assert!(matches!(other, Err(tungstenite::Error::Http(r)) if r.status().as_u16() == 400));
}

#[tokio::test]
async fn an_ended_session_closes_its_sockets() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let mut socket = served.acknowledged(&token).await;
    served
        .test
        .graphql(&token, "mutation { signOut { signedOut } }", json!({}))
        .await;
    let closed = tokio::time::timeout(std::time::Duration::from_secs(5), socket.close_code()).await;
    assert_eq!(closed.expect("closed within five seconds"), 4403);
}

#[tokio::test]
async fn a_stream_sends_next_and_complete() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let request = served
        .client
        .post(served.url("/graphql/stream"))
        .bearer_auth(&token);
    let request = request.json(&json!({ "query": "{ viewer { role } }" }));
    let response = request.send().await.unwrap();
    assert_eq!(media(&response), "text/event-stream");
    let expected =
        "event: next\ndata: {\"data\":{\"viewer\":{\"role\":\"VIEWER\"}}}\n\nevent: complete\ndata: null";
    let text = response.text().await.unwrap();
    assert!(text.starts_with(expected), "{text}");
}

#[tokio::test]
async fn a_call_that_waits_for_a_run_is_not_cut_off_by_the_server() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Editor).await;
    let id = event(&served.test, &token, json!({})).await;
    let query = format!(
        "mutation {{ runEvent(input: {{ eventId: \"{id}\", waitSeconds: 31 }}) {{ job {{ status }} userErrors {{ code }} }} }}"
    );
    let begun = std::time::Instant::now();
    let answer = served.post(&token, &query).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["data"]["runEvent"],
        json!({ "job": { "status": "QUEUED" }, "userErrors": [] })
    );
    assert!(begun.elapsed().as_secs() >= 31, "{:?}", begun.elapsed());
}
