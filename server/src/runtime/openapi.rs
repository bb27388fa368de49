//! The document that describes the calls, made of the table of routes. Pure.

use cronium_protocol::runtime::PREFIX;
use serde_json::{Map, Value, json};

use super::model::{Kind, ROUTES, Route};

/// OpenAPI 3.1.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cronium runtime API",
            "version": "1",
            "description": "What a script may call while it runs: as HTTP/1.1 over the socket $CRONIUM_SOCKET without \
                a token, or at $CRONIUM_API_URL with $CRONIUM_TOKEN.",
        },
        "servers": [{ "url": PREFIX }],
        "security": [{ "execution": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "execution": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } },
            "schemas": { "Error": error() },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut description = route.summary.to_owned();
    if route.local {
        description.push_str(" At the local socket only.");
    }
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "description": description,
        "responses": {
            "default": {
                "description": "It was not done.",
                "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } },
            },
        },
    });
    match answer(route.kind) {
        Some(schema) => {
            operation["responses"]["200"] = json!({
                "description": "Done.",
                "content": { "application/json": { "schema": schema } },
            });
        }
        None => operation["responses"]["204"] = json!({ "description": "Done." }),
    }
    if let Some(schema) = body(route.kind) {
        let needed = route.kind != Kind::IncrementVariable;
        operation["requestBody"] =
            json!({ "required": needed, "content": { "application/json": { "schema": schema } } });
    }
    if route.path.contains("{key}") {
        operation["parameters"] = json!([{
            "name": "key",
            "in": "path",
            "required": true,
            "schema": { "type": "string", "pattern": "^[A-Z_][A-Z0-9_]*$", "maxLength": 128 },
        }]);
    }
    operation
}

fn object(fields: Value, required: &[&str]) -> Value {
    json!({ "type": "object", "properties": fields, "required": required, "additionalProperties": false })
}

fn body(kind: Kind) -> Option<Value> {
    let text = json!({ "type": "string" });
    match kind {
        Kind::Output => Some(json!({ "description": "Any JSON value of at most 5 MiB." })),
        Kind::Condition => Some(object(json!({ "value": { "type": "boolean" } }), &["value"])),
        Kind::SetVariable => {
            let secret =
                json!({ "type": ["boolean", "null"], "description": "Null: a secret stays a secret." });
            let value = json!({ "type": "string", "description": "At most 64 KiB." });
            Some(object(json!({ "value": value, "secret": secret }), &["value"]))
        }
        Kind::IncrementVariable => Some(object(
            json!({ "by": { "type": "integer", "format": "int64", "default": 1 } }),
            &[],
        )),
        Kind::Log => Some(object(
            json!({
                "level": { "enum": ["debug", "info", "warn", "error"], "default": "info" },
                "message": text,
                "fields": { "type": "object" },
            }),
            &["message"],
        )),
        Kind::Input | Kind::Event | Kind::GetVariable | Kind::DeleteVariable => None,
    }
}

fn answer(kind: Kind) -> Option<Value> {
    let text = json!({ "type": "string" });
    let number = json!({ "type": "integer", "format": "int64" });
    match kind {
        Kind::Input => Some(json!({ "description": "Any JSON value." })),
        Kind::Event => Some(object(
            json!({
                "eventId": { "type": ["string", "null"] },
                "eventName": text,
                "jobId": text,
                "jobNumber": number,
                "executionId": text,
                "attempt": number,
                "trigger": text,
                "createdAt": { "type": "string", "format": "date-time" },
            }),
            &[
                "eventId",
                "eventName",
                "jobId",
                "jobNumber",
                "executionId",
                "attempt",
                "trigger",
                "createdAt",
            ],
        )),
        Kind::GetVariable => Some(object(
            json!({ "key": text, "value": text, "secret": { "type": "boolean" } }),
            &["key", "value", "secret"],
        )),
        Kind::SetVariable => Some(object(
            json!({ "key": text, "created": { "type": "boolean" }, "secret": { "type": "boolean" } }),
            &["key", "created", "secret"],
        )),
        Kind::IncrementVariable => Some(object(json!({ "key": text, "value": number }), &["key", "value"])),
        Kind::Output | Kind::Condition | Kind::DeleteVariable | Kind::Log => None,
    }
}

fn error() -> Value {
    let codes = [
        "INVALID",
        "NOT_FOUND",
        "FORBIDDEN",
        "TOO_LARGE",
        "RATE_LIMITED",
        "UNAVAILABLE",
        "INTERNAL",
    ];
    let error = object(
        json!({
            "code": { "enum": codes },
            "message": { "type": "string" },
            "field": { "type": ["string", "null"] },
            "retryAfterSeconds": { "type": "integer", "description": "With RATE_LIMITED: when to come again." },
        }),
        &["code", "message", "field"],
    );
    object(json!({ "error": error }), &["error"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = document();
        let mut described: Vec<String> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                let methods = methods.as_object().unwrap().keys();
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let mut routes: Vec<String> = ROUTES
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        described.sort();
        routes.sort();
        assert_eq!(described, routes);
        assert!(document["paths"]["/variables/{key}"]["put"]["parameters"][0]["required"] == true);
    }
}
