//! A client in Rust: the example of docs/api.md, which a test compares with this file and runs.

use serde_json::{Value, json};

const RUN: &str = "mutation ($input: RunEventInput!) {
    runEvent(input: $input) { job { status executions { log { lines { text } } } } userErrors { message } } }";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (url, token) = (std::env::var("CRONIUM_URL")?, std::env::var("CRONIUM_TOKEN")?);
    let input = json!({ "eventId": std::env::var("EVENT_ID")?, "waitSeconds": 60 });
    let answer: Value = reqwest::Client::new()
        .post(format!("{url}/graphql"))
        .bearer_auth(token)
        .json(&json!({ "query": RUN, "variables": { "input": input } }))
        .send()
        .await?
        .json()
        .await?;
    let job = &answer["data"]["runEvent"]["job"];
    let line = &job["executions"][0]["log"]["lines"][0]["text"];
    println!(
        "{} {}",
        job["status"].as_str().unwrap_or("?"),
        line.as_str().unwrap_or("?")
    );
    Ok(())
}
