//! Nobody learns from an answer, nor from how long it takes, who has an account: distributions are compared.

use std::time::{Duration, Instant};

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use super::{accounts, email};
use crate::support::served::Served;
use crate::support::smtp::MailServer;

/// Of each kind, in a round.
const SAMPLES: usize = 60;
/// Where they seem to differ, more is asked, and all answers count: what a busy machine did for a moment weighs less then,
/// and what the code does stays.
const ROUNDS: usize = 4;

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

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// Asks until the answers for both take as long, and counts the rounds.
async fn assert_alike(served: &Served, document: &str) -> usize {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        ask(served, document, round - 1, &mut known, &mut unknown).await;
        let (with, without) = (median(&mut known), median(&mut unknown));
        eprintln!("medians with and without an account: {with:.2} and {without:.2} ms");
        if (0.7..1.43).contains(&(with / without)) {
            return round;
        }
    }
    panic!("with and without an account they differ");
}

/// Addresses with an account and without, asked in turns; the answers are the same.
async fn ask(
    served: &Served,
    document: &str,
    round: usize,
    known: &mut Vec<Duration>,
    unknown: &mut Vec<Duration>,
) {
    for n in round * SAMPLES..(round + 1) * SAMPLES {
        // None of them often enough to be throttled. In both orders, so that what one leaves behind to be done falls
        // upon both alike.
        let (account, nobody) = (email(n), format!("nobody{n}@example.test"));
        let (one, other) = if n % 2 == 0 {
            let one = timed(served, document, &account).await;
            (one, timed(served, document, &nobody).await)
        } else {
            let other = timed(served, document, &nobody).await;
            (timed(served, document, &account).await, other)
        };
        assert_eq!(one.1, other.1);
        assert_eq!(one.1["errors"], Value::Null, "{}", one.1);
        known.push(one.0);
        unknown.push(other.0);
    }
}

#[tokio::test]
async fn a_wrong_password_takes_as_long_as_an_unknown_address() {
    let served = Served::start().await;
    accounts(&served.test, ROUNDS * SAMPLES).await;
    let document = "mutation ($e: String!) { signIn(input: { email: $e, password: \"a wrong password\" }) {
        viewer { id } userErrors { code message field } } }";
    assert_alike(&served, document).await;
}

/// With a mail server, and accounts for everybody who asks.
async fn with_mail() -> (Served, MailServer) {
    let (served, mail) = (Served::start().await, MailServer::start().await);
    let admin = served.test.sign_in(UserRole::Admin).await;
    let smtp =
        json!({ "host": "127.0.0.1", "port": mail.port, "security": "NONE", "from": "cronium@example.test" });
    let set = "mutation ($i: UpdateSettingsInput!) { updateSettings(input: $i) { userErrors { message } } }";
    let input = json!({ "smtp": smtp, "registration": "OPEN" });
    let answer = served.test.graphql(&admin, set, json!({ "i": input })).await;
    assert_eq!(
        answer["data"]["updateSettings"]["userErrors"],
        json!([]),
        "{answer}"
    );
    accounts(&served.test, ROUNDS * SAMPLES).await;
    (served, mail)
}

async fn mails(served: &Served) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM mails")
        .fetch_one(&served.test.app.kernel.pool)
        .await
        .unwrap()
}

/// Waits until so many mails are written: the work that was left for later is real.
async fn written(served: &Served, count: usize) {
    let all = async {
        while mails(served).await < i64::try_from(count).unwrap() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all)
        .await
        .expect("the mails are written");
}

#[tokio::test]
async fn a_forgotten_password_takes_as_long_for_an_unknown_address() {
    let (served, _mail) = with_mail().await;
    let document = "mutation ($e: String!) { requestPasswordReset(input: { email: $e }) { accepted userErrors { code } } }";
    let rounds = assert_alike(&served, document).await;
    written(&served, rounds * SAMPLES).await;
}

#[tokio::test]
async fn signing_up_takes_as_long_for_a_taken_address() {
    let (served, _mail) = with_mail().await;
    let document = "mutation ($e: String!) { signUp(input: { email: $e, name: \"Me\" }) { status userErrors { code field } } }";
    let rounds = assert_alike(&served, document).await;
    written(&served, rounds * 2 * SAMPLES).await;
}
