//! A resolver that panics, in a schema made for it: its operation ends with an error, and nothing else does.

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, Object, Schema, Subscription};
use cronium_entity::enums::UserRole;
use cronium_server::transport::graphql::Settings;
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};

use crate::support::served::Served;

fn explode(what: &str) -> u32 {
    panic!("SECRET of the {what}")
}

struct Careless;

impl Loader<u32> for Careless {
    type Value = u32;
    type Error = String;

    async fn load(&self, _: &[u32]) -> Result<std::collections::HashMap<u32, u32>, String> {
        explode("loader");
        Ok(std::collections::HashMap::new())
    }
}

struct Query;

#[Object]
impl Query {
    async fn fine(&self) -> u32 {
        7
    }

    async fn boom(&self) -> u32 {
        explode("resolver")
    }

    async fn loaded(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<u32>> {
        let loader = ctx.data::<DataLoader<Careless>>()?;
        loader.load_one(1).await.map_err(async_graphql::Error::new)
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn boom(&self) -> u32 {
        explode("mutation")
    }
}

struct Ticks;

#[Subscription]
impl Ticks {
    async fn ticks(&self) -> impl Stream<Item = u32> {
        futures::stream::iter(1..).map(|n| if n < 3 { n } else { explode("stream") })
    }

    async fn early(&self, fail: bool) -> impl Stream<Item = u32> {
        assert!(!fail, "SECRET of the source");
        futures::stream::pending()
    }
}

async fn served() -> Served {
    let schema = Schema::build(Query, Mutation, Ticks)
        .data(DataLoader::new(Careless, tokio::spawn))
        .finish();
    Served::with_engine(schema, Settings::default()).await
}

/// An INTERNAL error with its request id and nothing of what went wrong.
fn internal(error: &Value) -> String {
    assert_eq!(error["extensions"]["code"], "INTERNAL", "{error}");
    assert!(!error.to_string().contains("SECRET"), "{error}");
    let id = error["extensions"]["requestId"].as_str().expect("a request id");
    assert!(error["message"].as_str().unwrap().contains(id), "{error}");
    id.to_owned()
}

fn subscribe(id: &str, query: &str) -> Value {
    json!({ "id": id, "type": "subscribe", "payload": { "query": query } })
}

#[tokio::test]
async fn over_http() {
    let served = served().await;
    for query in ["{ boom }", "mutation { boom }", "{ fine loaded }"] {
        let response = served.post("", query).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 500, "{query}");
        let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        assert_eq!(internal(&body["errors"][0]), header);
        assert!(body.get("data").is_none(), "{body}");
    }
    let fine = served.post("", "{ fine }").send().await.unwrap();
    assert_eq!(
        fine.json::<Value>().await.unwrap(),
        json!({ "data": { "fine": 7 } })
    );
}

#[tokio::test]
async fn over_a_socket_that_goes_on() {
    let served = served().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let mut socket = served.acknowledged(&token).await;
    // A neighbour that must not notice.
    socket
        .send(subscribe("beside", "subscription { early(fail: false) }"))
        .await;
    for (query, before) in [
        ("{ boom }", 0),
        ("mutation { boom }", 0),
        ("{ loaded }", 0),
        ("subscription { early(fail: true) }", 0),
        ("subscription { ticks }", 2),
    ] {
        // The id is free again each time.
        socket.send(subscribe("it", query)).await;
        for n in 1..=before {
            let next = socket.next().await;
            assert_eq!(next["payload"]["data"]["ticks"], n, "{next}");
        }
        let error = socket.next().await;
        assert_eq!(
            (&error["type"], &error["id"]),
            (&json!("error"), &json!("it")),
            "{query}: {error}"
        );
        internal(&error["payload"][0]);
    }
    socket.send(subscribe("it", "{ fine }")).await;
    assert_eq!(socket.next().await["payload"]["data"]["fine"], 7);
    assert_eq!(socket.next().await["type"], "complete");
    // It runs still: a second one of its id is refused.
    socket.send(subscribe("beside", "{ fine }")).await;
    assert_eq!(socket.close_code().await, 4409);
}

#[tokio::test]
async fn over_server_sent_events() {
    let served = served().await;
    for (query, before) in [
        ("{ boom }", 0),
        ("subscription { early(fail: true) }", 0),
        ("subscription { ticks }", 2),
    ] {
        let request = served.client.post(served.url("/graphql/stream"));
        let response = request.json(&json!({ "query": query })).send().await.unwrap();
        let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let text = response.text().await.expect("the answer ends as it should");
        let events: Vec<_> = text
            .split("\n\n")
            .filter(|event| !event.trim().is_empty())
            .collect();
        assert_eq!(events.len(), before + 2, "{text}");
        let data = events[before].strip_prefix("event: next\ndata: ").expect(&text);
        let body: Value = serde_json::from_str(data).unwrap();
        assert_eq!(internal(&body["errors"][0]), header);
        assert!(events[before + 1].starts_with("event: complete"), "{text}");
    }
}
