//! Responses as JSON, written in one pass from the engine's values: a log's thousand lines never become a
//! tree of JSON values in between. Knows nothing of transports.

use async_graphql::{Response, Value};

use super::request::ran_nothing;

/// The response's JSON: without `data` when nothing ran.
pub fn response(response: &Response) -> String {
    let mut out = Vec::with_capacity(256);
    body(&mut out, response);
    text(out)
}

/// The message of graphql-transport-ws that carries a response.
pub fn next(id: &str, response: &Response) -> String {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"id\":");
    serialize(&mut out, id);
    out.extend_from_slice(b",\"type\":\"next\",\"payload\":");
    body(&mut out, response);
    out.push(b'}');
    text(out)
}

fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn serialize<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Strings, numbers and error lists can't fail to be JSON, and memory can't fail to be written to.
    if serde_json::to_writer(&mut *out, value).is_err() {
        out.extend_from_slice(b"null");
    }
}

fn body(out: &mut Vec<u8>, response: &Response) {
    out.push(b'{');
    if !response.errors.is_empty() {
        out.extend_from_slice(b"\"errors\":");
        serialize(out, &response.errors);
    }
    if !ran_nothing(response) {
        if !response.errors.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(b"\"data\":");
        value(out, &response.data);
    }
    out.push(b'}');
}

fn value(out: &mut Vec<u8>, from: &Value) {
    match from {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Number(number) => serialize(out, number),
        Value::String(string) => serialize(out, string),
        Value::Boolean(flag) => serialize(out, flag),
        Value::Enum(name) => serialize(out, name.as_str()),
        // Ours alone: see `kernel::api::written`.
        Value::Binary(json) => out.extend_from_slice(json),
        Value::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                value(out, item);
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            out.push(b'{');
            for (at, (name, field)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                serialize(out, name.as_str());
                out.push(b':');
                value(out, field);
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{Name, ServerError, value};
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_kind_of_value_is_written_as_json() {
        let data =
            value!({ "a": [1, 2.5, null, true], "b": { "quote": "\" \\ \n \u{1} é" }, "c": [], "d": {} });
        let wanted = json!({ "data": serde_json::to_value(&data).unwrap() });
        assert_eq!(read(&response(&Response::new(data))), wanted);
        assert_eq!(
            read(&response(&Response::new(Value::Enum(Name::new("STDOUT"))))),
            json!({ "data": "STDOUT" })
        );
    }

    #[test]
    fn written_parts_are_taken_as_they_are() {
        let part = crate::kernel::api::written(bytes::Bytes::from_static(b"[{\"seq\":1}]"));
        let sent = next("a\"b", &Response::new(part));
        assert_eq!(
            read(&sent),
            json!({ "id": "a\"b", "type": "next", "payload": { "data": [{ "seq": 1 }] } })
        );
    }

    #[test]
    fn data_is_absent_only_where_nothing_ran() {
        let error = ServerError::new("no", None);
        let refused = read(&response(&Response::from_errors(vec![error.clone()])));
        assert_eq!(refused, json!({ "errors": [{ "message": "no" }] }));
        let mut partial = Response::new(value!({ "a": null }));
        partial.errors.push(error);
        let partial = read(&response(&partial));
        assert_eq!(
            partial,
            json!({ "errors": [{ "message": "no" }], "data": { "a": null } })
        );
    }
}
