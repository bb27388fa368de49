//! Nobody learns from an answer, nor from how long it takes, who has an account: distributions are compared.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{accounts, email};
use crate::support::served::Served;

const SAMPLES: usize = 60;

async fn timed(served: &Served, document: &str, email: &str) -> (Duration, Value) {
    let body = json!({ "query": document, "variables": { "e": email } });
    let begun = Instant::now();
    let response = served
        .client
        .post(served.url("/graphql"))
        .json(&body)
        .send()
        .await
        .unwrap();
    let answer = response.json().await.unwrap();
    (begun.elapsed(), answer)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn assert_alike(known: f64, unknown: f64) {
    assert!(
        (0.7..1.43).contains(&(known / unknown)),
        "{known} and {unknown} ms"
    );
}

/// The medians for addresses with an account and without, asked in turns, in ms; the answers are the same.
async fn medians(served: &Served, document: &str) -> (f64, f64) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..SAMPLES {
        // None of them often enough to be throttled.
        let one = timed(served, document, &email(n)).await;
        let other = timed(served, document, &format!("nobody{n}@example.test")).await;
        assert_eq!(one.1, other.1);
        assert_eq!(one.1["errors"], Value::Null, "{}", one.1);
        known.push(one.0);
        unknown.push(other.0);
    }
    let found = (median(known), median(unknown));
    eprintln!(
        "medians with and without an account: {:.2} and {:.2} ms",
        found.0, found.1
    );
    found
}

#[tokio::test]
async fn a_wrong_password_takes_as_long_as_an_unknown_address() {
    let served = Served::start().await;
    accounts(&served.test, SAMPLES).await;
    let document = "mutation ($e: String!) { signIn(input: { email: $e, password: \"a wrong password\" }) {
        viewer { id } userErrors { code message field } } }";
    let (known, unknown) = medians(&served, document).await;
    assert_alike(known, unknown);
}
