//! Five hundred at once: exactly as many are let in as may be, and memory stays bounded. The figures are printed with
//! `--no-capture`.

use std::time::{Duration, Instant};

use cronium_entity::enums::UserRole;
use futures::future::join_all;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{accounts, email};
use crate::jobs::event;
use crate::support::PASSWORD;
use crate::support::served::Served;

const CLIENTS: usize = 500;

/// Sends all at once: how long each took, and what came.
async fn at_once(what: &str, requests: impl Iterator<Item = RequestBuilder>) -> Vec<(u16, Value)> {
    let timed = timed_at_once(what, requests).await;
    timed.into_iter().map(|(_, answer)| answer).collect()
}

async fn timed_at_once(
    what: &str,
    requests: impl Iterator<Item = RequestBuilder>,
) -> Vec<(Duration, (u16, Value))> {
    let one = async |request: RequestBuilder| {
        let begun = Instant::now();
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (begun.elapsed(), (status, response.json().await.unwrap()))
    };
    let answers = join_all(requests.map(one)).await;
    let mut times: Vec<_> = answers.iter().map(|(time, _)| *time).collect();
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share).div_ceil(100) - 1].as_millis();
    eprintln!(
        "{what}: {} at once, p50 {} ms, p99 {} ms",
        times.len(),
        at(50),
        at(99)
    );
    answers
}

fn sign_in(served: &Served, email: &str, password: &str) -> RequestBuilder {
    let document = "mutation ($e: String!, $p: String!) {
        signIn(input: { email: $e, password: $p }) { viewer { email } userErrors { code } } }";
    let body = json!({ "query": document, "variables": { "e": email, "p": password } });
    served.client.post(served.url("/graphql")).json(&body)
}

fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"]
        .as_str()
        .unwrap_or_default()
}

/// The most memory that this process ever had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

async fn count(served: &Served, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(&served.test.app.kernel.pool)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_people_sign_in_at_once_and_memory_stays_small() {
    let served = Served::start().await;
    accounts(&served.test, 50).await;
    let before = peak();
    let requests = (0..CLIENTS).map(|n| sign_in(&served, &email(n % 50), PASSWORD));
    let answers = timed_at_once("sign-ins", requests).await;
    let mut let_in = 0;
    for (n, (time, (_, answer))) in answers.iter().enumerate() {
        // On a machine that has much else to do, who has waited so long is told to come again.
        if code(answer) == "RATE_LIMITED" && *time >= Duration::from_secs(15) {
            assert!(
                answer["errors"][0]["extensions"]["retryAfter"].as_u64() > Some(0),
                "{answer}"
            );
            continue;
        }
        let viewer = &answer["data"]["signIn"]["viewer"];
        assert_eq!(viewer["email"], email(n % 50), "{answer}");
        let_in += 1;
    }
    eprintln!("sign-ins: {let_in} let in");
    assert!(let_in >= 100, "{let_in}");
    assert_eq!(count(&served, "SELECT count(*) FROM sessions").await, let_in);
    let grown = peak() - before;
    eprintln!("sign-ins: {grown} MiB more");
    // Each hash takes 19 MiB: all at once would take 9,500 beside what the requests themselves need.
    assert!(grown < 1_000, "{grown} MiB more");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_hundred_guesses_at_once_ten_are_looked_at() {
    let served = Served::start().await;
    accounts(&served.test, 2).await;
    let requests = (0..CLIENTS).map(|_| sign_in(&served, &email(0), "a wrong password"));
    let answers = at_once("guesses", requests).await;
    let looked_at = answers
        .iter()
        .filter(|(_, answer)| answer["data"]["signIn"]["userErrors"][0]["code"] == "INVALID")
        .count();
    let refused = answers
        .iter()
        .filter(|(_, answer)| code(answer) == "RATE_LIMITED")
        .count();
    assert_eq!((looked_at, refused), (10, 490));
    // Nobody else is held up, and not even the right password is looked at.
    let (_, other) = &at_once(
        "another account",
        std::iter::once(sign_in(&served, &email(1), PASSWORD)),
    )
    .await[0];
    assert_eq!(other["data"]["signIn"]["viewer"]["email"], email(1));
    let (_, right) = &at_once(
        "the right one",
        std::iter::once(sign_in(&served, &email(0), PASSWORD)),
    )
    .await[0];
    assert_eq!(code(right), "RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_token_checks_at_once_know_the_living_from_the_dead() {
    let served = Served::start().await;
    let test = &served.test;
    let (alive, dead) = (
        test.person(UserRole::Viewer).await,
        test.person(UserRole::Viewer).await,
    );
    test.graphql(&dead.token, "mutation { signOut { signedOut } }", json!({}))
        .await;
    let requests = (0..CLIENTS).map(|n| {
        let token = if n % 2 == 0 { &alive.token } else { &dead.token };
        served.post(token, "{ viewer { email } }")
    });
    let answers = at_once("token checks", requests).await;
    for (n, (status, answer)) in answers.iter().enumerate() {
        let expected = if n % 2 == 0 { 200 } else { 401 };
        assert_eq!(*status, expected, "{answer}");
        assert_eq!(
            answer["data"]["viewer"]["email"] == alive.email.as_str(),
            n % 2 == 0
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_runs_at_once_over_http_are_admitted_to_exactly_the_quota() {
    let served = Served::start().await;
    let test = &served.test;
    let (me, admin) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Admin).await,
    );
    let id = event(test, &me.token, json!({})).await;
    let set = "mutation ($u: ID!) { setQuota(input: { subject: { user: $u }, limits: [{ kind: JOBS_PER_MONTH, limit: 41 }] }) {
        userErrors { code } } }";
    test.graphql(&admin.token, set, json!({ "u": me.id })).await;
    let run = "mutation ($id: ID!) { runEvent(input: { eventId: $id }) { job { id } userErrors { code } } }";
    let body = json!({ "query": run, "variables": { "id": id } });
    let requests = (0..CLIENTS).map(|_| {
        served
            .client
            .post(served.url("/graphql"))
            .bearer_auth(&me.token)
            .json(&body)
    });
    let answers = at_once("runs within a quota", requests).await;
    let admitted = answers
        .iter()
        .filter(|(_, answer)| answer["data"]["runEvent"]["job"]["id"].is_string())
        .count();
    let refused = answers
        .iter()
        .filter(|(_, answer)| answer["data"]["runEvent"]["userErrors"][0]["code"] == "LIMIT_REACHED")
        .count();
    assert_eq!((admitted, refused), (41, 459));
    assert_eq!(count(&served, "SELECT count(*) FROM jobs").await, 41);
}
