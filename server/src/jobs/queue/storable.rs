//! What Postgres can't keep: NUL characters, in text and in JSON. They come from scripts, so they are
//! replaced here; refusing the row would lose the end of a job.

use serde_json::Value;

const INSTEAD: &str = "\u{fffd}";

/// The text with every NUL replaced.
pub fn text(text: &str) -> String {
    text.replace('\0', INSTEAD)
}

/// The value with every NUL replaced, in keys and strings.
pub fn json(value: Value) -> Value {
    match value {
        Value::String(inner) if inner.contains('\0') => Value::String(text(&inner)),
        Value::Array(items) => items.into_iter().map(json).collect(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (text(&k), json(v))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn no_nul_is_left_at_any_depth() {
        let value = json!({ "a\0": ["\0b", { "c": "d\0" }], "e": 1 });
        let kept = super::json(value);
        assert_eq!(
            kept,
            json!({ "a\u{fffd}": ["\u{fffd}b", { "c": "d\u{fffd}" }], "e": 1 })
        );
    }
}
