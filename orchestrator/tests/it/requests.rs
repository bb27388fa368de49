//! Requests over HTTP as executions, to servers of the test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{any, get};
use cronium_protocol::agent::{Outcome, OutcomeKind, ServerToAgent};
use cronium_protocol::http::{Header, HttpRequest, StatusRange};
use cronium_protocol::manifest::Language;
use futures::stream;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Script, World, script};

/// What it was asked, by any name and address of this machine.
struct Site {
    address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

#[derive(serde::Deserialize)]
struct To {
    to: String,
    status: Option<u16>,
}

async fn echo(State(hits): State<Arc<AtomicUsize>>, request: Request) -> Response {
    hits.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let headers: Value = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let body = String::from_utf8(body.to_vec()).unwrap();
    axum::Json(json!({ "method": parts.method.as_str(), "headers": headers, "body": body })).into_response()
}

async fn again(State(hits): State<Arc<AtomicUsize>>) -> Response {
    hits.fetch_add(1, Ordering::SeqCst);
    (StatusCode::FOUND, [(header::LOCATION, "/again")]).into_response()
}

async fn redirect(Query(To { to, status }): Query<To>) -> Response {
    let status = StatusCode::from_u16(status.unwrap_or(302)).unwrap();
    (status, [(header::LOCATION, to)]).into_response()
}

impl Site {
    async fn start() -> Self {
        let hits = Arc::new(AtomicUsize::new(0));
        let endless = || {
            Body::from_stream(stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(50)).await;
                Some((Ok::<_, std::io::Error>("drip"), ()))
            }))
        };
        let router = Router::new()
            .route("/echo", any(echo))
            .route("/to", any(redirect))
            .route("/again", get(again))
            .route(
                "/busy",
                get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "come back later") }),
            )
            .route("/big", get(|| async { "é".repeat(2 << 20) }))
            .route("/bytes", get(|| async { vec![0u8, 159, 146, 150] }))
            .route("/endless", get(move || async move { endless() }))
            .with_state(hits.clone());
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, hits }
    }

    fn at(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.address.port())
    }

    fn url(&self, path: &str) -> String {
        self.at("127.0.0.1", path)
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

fn to(url: &str) -> HttpRequest {
    HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: Vec::new(),
        body: None,
        expected: vec![StatusRange {
            first: 200,
            last: 299,
        }],
        verify_tls: true,
        max_redirects: 3,
        secrets: Vec::new(),
        problem: None,
    }
}

fn header(name: &str, value: &str) -> Header {
    Header {
        name: name.into(),
        value: value.into(),
    }
}

fn request(request: &HttpRequest) -> Script {
    script(Language::Http, &serde_json::to_string(request).unwrap())
}

/// May reach two addresses of this machine.
async fn world() -> World {
    World::with(|config| config.network_allow = "127.0.0.1,127.0.0.2".parse().unwrap()).await
}

async fn ask(world: &World, asked: &HttpRequest) -> (Uuid, Outcome) {
    let id = world.assign(request(asked));
    (id, world.agent.outcome(id).await)
}

fn output(outcome: &Outcome) -> Value {
    let exit = outcome.exit.as_ref().unwrap();
    serde_json::from_str(exit.output.as_ref().unwrap()).unwrap()
}

/// The end of a request that was not answered.
async fn refused(world: &World, asked: &HttpRequest) -> String {
    let (_, outcome) = ask(world, asked).await;
    assert_eq!(outcome.kind, OutcomeKind::Failed, "{outcome:?}");
    assert_eq!(outcome.exit.as_ref().unwrap().code, Some(1));
    outcome.reason.unwrap()
}

#[tokio::test]
async fn an_answer_is_the_output_and_no_container_is_made() {
    let (world, site) = (world().await, Site::start().await);
    let asked = HttpRequest {
        method: "POST".into(),
        headers: vec![
            header("Authorization", "Bearer x"),
            header("X-Two", "1"),
            header("Content-Type", "text/plain"),
        ],
        body: Some("hello".into()),
        ..to(&site.url("/echo?key=secret"))
    };
    let (id, outcome) = ask(&world, &asked).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    let answer = output(&outcome);
    assert_eq!(answer["status"], 200);
    assert_eq!(answer["headers"]["content-type"], "application/json");
    assert_eq!(answer["json"]["body"], "hello");
    assert_eq!(answer["json"]["method"], "POST");
    assert_eq!(answer["json"]["headers"]["authorization"], "Bearer x");
    assert_eq!(answer["json"]["headers"]["content-length"], "5");
    assert_eq!(
        serde_json::from_str::<Value>(answer["body"].as_str().unwrap()).unwrap(),
        answer["json"]
    );
    let text = world.agent.text(id);
    assert!(
        text.starts_with(&format!("POST {}\n200 OK, ", site.url("/echo?…"))),
        "{text}"
    );
    assert_eq!(world.left_behind().await, Vec::<String>::new());
}

#[tokio::test]
async fn another_status_than_expected_fails_with_its_number_and_still_gives_the_answer() {
    let (world, site) = (world().await, Site::start().await);
    let (_, outcome) = ask(&world, &to(&site.url("/busy"))).await;
    assert_eq!(outcome.kind, OutcomeKind::Failed);
    assert_eq!(outcome.exit.as_ref().unwrap().code, Some(503));
    assert_eq!(
        outcome.reason.as_deref(),
        Some("the answer's status is 503, which was not expected")
    );
    assert_eq!(output(&outcome)["body"], "come back later");
    let expected = vec![StatusRange {
        first: 503,
        last: 503,
    }];
    let (_, outcome) = ask(
        &world,
        &HttpRequest {
            expected,
            ..to(&site.url("/busy"))
        },
    )
    .await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
}

#[tokio::test]
async fn nothing_is_sent_to_what_is_not_public_by_name_by_number_or_by_redirect() {
    let (world, site) = (world().await, Site::start().await);
    let there = site.at("127.0.0.3", "/echo");
    let port = site.address.port();
    let closed = [
        there.clone(),
        site.at("2130706435", "/echo"),
        site.at("[::ffff:127.0.0.3]", "/echo"),
        site.at("[::1]", "/echo"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        site.url(&format!("/to?to=http://127.0.0.3:{port}/echo")),
        site.url("/to?to=http://169.254.169.254/"),
    ];
    for url in &closed {
        let reason = refused(&world, &to(url)).await;
        assert!(reason.contains("which is not public"), "{url}: {reason}");
    }
    // A name that leads to a closed address; with none open it is refused as such.
    let nothing_open = World::new().await;
    let reason = refused(&nothing_open, &to(&site.at("localhost", "/echo"))).await;
    assert!(reason.starts_with("localhost is "), "{reason}");
    assert_eq!(site.hits(), 0);
    let (_, outcome) = ask(&world, &to(&site.at("127.0.0.2", "/echo"))).await;
    assert_eq!(outcome.kind, OutcomeKind::Succeeded, "{outcome:?}");
    assert_eq!(site.hits(), 1);
}

#[tokio::test]
async fn credentials_and_bodies_stay_with_the_first_host() {
    let (world, site) = (world().await, Site::start().await);
    let secret = vec![
        header("Authorization", "Bearer x"),
        header("X-Api-Key", "y"),
        header("Accept", "a/b"),
    ];
    let elsewhere = format!("/to?to={}", site.at("127.0.0.2", "/echo"));
    let asked = HttpRequest {
        headers: secret.clone(),
        ..to(&site.url(&elsewhere))
    };
    let (_, outcome) = ask(&world, &asked).await;
    let seen = &output(&outcome)["json"]["headers"];
    assert_eq!(seen["accept"], "a/b", "{outcome:?}");
    assert!(
        seen.get("authorization").is_none() && seen.get("x-api-key").is_none(),
        "{seen}"
    );
    let here = HttpRequest {
        headers: secret,
        ..to(&site.url("/to?to=/echo"))
    };
    let (_, outcome) = ask(&world, &here).await;
    assert_eq!(output(&outcome)["json"]["headers"]["x-api-key"], "y");
    let before = site.hits();
    let asked = HttpRequest {
        method: "POST".into(),
        body: Some("b".into()),
        ..to(&site.url(&format!("{elsewhere}&status=307")))
    };
    let reason = refused(&world, &asked).await;
    assert!(reason.contains("another host"), "{reason}");
    assert_eq!(site.hits(), before);
}

#[tokio::test]
async fn redirects_sizes_and_times_have_limits() {
    let (world, site) = (world().await, Site::start().await);
    let reason = refused(&world, &to(&site.url("/again"))).await;
    assert_eq!(reason, "it was redirected more than 3 times");
    assert_eq!(site.hits(), 4, "asked once, and followed three times");
    let none = HttpRequest {
        max_redirects: 0,
        expected: vec![StatusRange {
            first: 302,
            last: 302,
        }],
        ..to(&site.url("/again"))
    };
    let (_, outcome) = ask(&world, &none).await;
    assert_eq!(output(&outcome)["headers"]["location"], "/again");
    let (_, outcome) = ask(&world, &to(&site.url("/big"))).await;
    let answer = output(&outcome);
    assert_eq!(answer["truncated"], true);
    assert_eq!(answer["body"].as_str().unwrap().len(), 1 << 20);
    let (_, outcome) = ask(&world, &to(&site.url("/bytes"))).await;
    assert_eq!(output(&outcome)["bodyBase64"], "AJ+Slg==");
    let mut slow = request(&to(&site.url("/endless")));
    slow.timeout_ms = 700;
    let begun = Instant::now();
    let outcome = world.agent.outcome(world.assign(slow)).await;
    assert_eq!(outcome.kind, OutcomeKind::TimedOut, "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_cancel_ends_it_and_a_start_that_is_denied_sends_nothing() {
    let (world, site) = (world().await, Site::start().await);
    let assignment = world.assignment(request(&to(&site.url("/endless"))));
    let claim = assignment.claim;
    world.agent.assign(assignment);
    world
        .agent
        .line(claim.execution_id, &format!("GET {}", site.url("/endless")))
        .await;
    world.agent.tell(ServerToAgent::Cancel { claim });
    let outcome = world.agent.outcome(claim.execution_id).await;
    assert_eq!(outcome.kind, OutcomeKind::Cancelled, "{outcome:?}");
    world.agent.kept().deny = true;
    let (_, outcome) = ask(&world, &to(&site.url("/echo"))).await;
    assert_ne!(outcome.kind, OutcomeKind::Succeeded);
    assert_eq!(site.hits(), 0);
}

#[tokio::test]
async fn a_request_that_was_not_signed_is_not_made() {
    let (world, site) = (world().await, Site::start().await);
    let asked = || world.assignment(request(&to(&site.url("/echo"))));
    let mut other_file = asked();
    other_file.archive = world.assignment(request(&to(&site.url("/big")))).archive;
    let mut other_signature = asked();
    other_signature.signature = asked().signature;
    let mut other_target = asked();
    world.change(&mut other_target, |manifest| {
        manifest.target = format!("docker:{}", Uuid::nil());
    });
    let mut over = asked();
    world.change(&mut over, |manifest| manifest.expires_at_ms = 1);
    for (what, assignment) in [
        ("a file", other_file),
        ("a signature", other_signature),
        ("a target", other_target),
        ("a time", over),
    ] {
        let id = assignment.claim.execution_id;
        world.agent.assign(assignment);
        let outcome = world.agent.outcome(id).await;
        assert_eq!(outcome.kind, OutcomeKind::NotStarted, "{what}: {outcome:?}");
        assert!(outcome.reason.unwrap().contains("refused the payload"), "{what}");
    }
    assert_eq!(site.hits(), 0);
}
