//! Writes a run of an event as text for other clients: a GraphQL document, or a command for curl.
//! Knows nothing of the page.

use serde_json::{Value, json};

/// The document, with its values as variables.
const DOCUMENT: &str = "mutation RunEvent($input: RunEventInput!) {\n  runEvent(input: $input) {\n    job { id number status }\n    userErrors { code message field }\n  }\n}";

fn variables(event_id: &str, input: Option<&Value>) -> Value {
    match input {
        Some(input) => json!({ "input": { "eventId": event_id, "input": input } }),
        None => json!({ "input": { "eventId": event_id } }),
    }
}

/// The document followed by its variables.
pub fn graphql(event_id: &str, input: Option<&Value>) -> String {
    let variables = serde_json::to_string_pretty(&variables(event_id, input)).unwrap_or_default();
    format!("{DOCUMENT}\n\n# variables\n{variables}\n")
}

/// A command that runs the event with a token from the environment.
pub fn curl(origin: &str, event_id: &str, input: Option<&Value>) -> String {
    let body = json!({ "query": DOCUMENT, "variables": variables(event_id, input) }).to_string();
    let url = quote(&format!("{origin}/graphql"));
    format!(
        "curl -sS {url} \\\n  -H 'content-type: application/json' \\\n  -H \"authorization: Bearer $CRONIUM_TOKEN\" \\\n  --data-raw {}\n",
        quote(&body)
    )
}

/// Quotes for a POSIX shell.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_a_variable() {
        let text = graphql("abc", Some(&json!({"day": "x"})));
        assert!(text.starts_with("mutation RunEvent($input: RunEventInput!)"));
        assert!(text.contains("\"eventId\": \"abc\"") && text.contains("\"day\": \"x\""));
        assert!(!graphql("abc", None).contains("\"input\": null"));
    }

    #[test]
    fn quotes_cannot_leave_the_argument() {
        let text = curl("https://host", "abc", Some(&json!({"name": "it's; rm -rf /"})));
        assert!(text.contains("curl -sS 'https://host/graphql'"));
        assert!(text.contains(r"it'\''s; rm -rf /"));
    }
}
