//! Another site makes the browser of somebody who is signed in send requests: the cookie goes with them.

use cronium_entity::enums::UserRole;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::served::Served;

const CHANGE: &str = "mutation { updateProfile(input: { name: \"Taken over\" }) { viewer { name } } }";

async fn name(served: &Served, token: &str) -> Value {
    served.test.graphql(token, "{ viewer { name } }", json!({})).await["data"]["viewer"]["name"].clone()
}

/// Sends what another site can make a browser send, each with the cookie: nothing changes.
async fn refused(requests: impl Fn(&Served) -> Vec<RequestBuilder>) {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Editor).await;
    let own = served.url("");
    for origin in [None, Some("https://evil.example"), Some("null")] {
        for request in requests(&served) {
            let request = request.header("cookie", format!("cronium={token}; __Host-cronium={token}"));
            let request = match origin {
                Some(origin) => request.header("origin", origin),
                None => request,
            };
            let response = request.send().await.unwrap();
            let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
            assert!(
                (400..500).contains(&status) || !text.contains("Taken over"),
                "{status} {text}"
            );
            assert_eq!(name(&served, &token).await, "Test", "with the origin {origin:?}");
        }
    }
    // Our own page may.
    let ours = served
        .client
        .post(served.url("/graphql"))
        .json(&json!({ "query": CHANGE }));
    let ours = ours.header("cookie", format!("cronium={token}; __Host-cronium={token}"));
    ours.header("origin", own.trim_end_matches('/'))
        .send()
        .await
        .unwrap();
    assert_eq!(
        name(&served, &token).await,
        "Taken over",
        "the attack would have worked with our origin"
    );
}

#[tokio::test]
async fn by_a_link_or_an_image() {
    refused(|served| {
        let url = reqwest::Url::parse_with_params(&served.url("/graphql"), [("query", CHANGE)]).unwrap();
        vec![served.client.get(url)]
    })
    .await;
}

#[tokio::test]
async fn by_a_form() {
    refused(|served| {
        let types = [
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ];
        let text = json!({ "query": CHANGE }).to_string();
        let post = |kind: &str| {
            served
                .client
                .post(served.url("/graphql"))
                .header("content-type", kind)
                .body(text.clone())
        };
        types.into_iter().map(post).collect()
    })
    .await;
}

#[tokio::test]
async fn by_text_that_needs_no_preflight() {
    refused(|served| {
        let text = json!({ "query": CHANGE }).to_string();
        let post = |kind: &str| {
            served
                .client
                .post(served.url("/graphql"))
                .header("content-type", kind)
                .body(text.clone())
        };
        ["text/plain", "text/plain;application/json", "application/jsonp"]
            .into_iter()
            .map(post)
            .collect()
    })
    .await;
}

#[tokio::test]
async fn by_json_from_another_origin_and_by_the_event_stream() {
    refused(|served| {
        let body = json!({ "query": CHANGE });
        ["/graphql", "/graphql/stream"]
            .into_iter()
            .map(|path| served.client.post(served.url(path)).json(&body))
            .collect()
    })
    .await;
}
