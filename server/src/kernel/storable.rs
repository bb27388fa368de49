//! What Postgres can't keep: NUL characters, in text and in JSON, and numbers of more than 63 bits. What people enter is
//! refused with its field; what scripts print and runners report is replaced, because refusing the row would lose the end
//! of a job.

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

/// Larger ones become the largest that Postgres has: refusing one would lose every end in the same statement.
pub fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Whether Postgres can keep the value as it is.
pub fn is_storable(value: &Value) -> bool {
    match value {
        Value::String(inner) => !inner.contains('\0'),
        Value::Array(items) => items.iter().all(is_storable),
        Value::Object(fields) => fields.iter().all(|(k, v)| !k.contains('\0') && is_storable(v)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn no_nul_is_left_at_any_depth() {
        let value = json!({ "a\0": ["\0b", { "c": "d\0" }], "e": 1 });
        assert!(!super::is_storable(&value));
        let kept = super::json(value);
        assert!(super::is_storable(&kept));
        assert_eq!(
            kept,
            json!({ "a\u{fffd}": ["\u{fffd}b", { "c": "d\u{fffd}" }], "e": 1 })
        );
    }
}
