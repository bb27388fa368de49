//! What a request says, by GraphQL over HTTP, before anybody looks at its document.

use serde_json::{Map, Value};

/// The parameters of GraphQL over HTTP; the payload of a `subscribe` is the same.
#[derive(Debug, Default, Clone)]
pub struct Parameters {
    /// Absent where the document's hash stands for it.
    pub query: Option<String>,
    /// Of a persisted query: the hash of its text, or an id from a list.
    pub document_id: Option<String>,
    pub operation_name: Option<String>,
    pub variables: Map<String, Value>,
}

impl Parameters {
    /// From a JSON body; the error says what is wrong with it.
    pub fn from_json(body: Value) -> Result<Self, String> {
        let mut body = match body {
            Value::Object(body) => body,
            Value::Array(_) => return Err("Send one request at a time: batching is off.".into()),
            _ => return Err("The body must be a JSON object with `query`.".into()),
        };
        let query = body.remove("query");
        let operation_name = match body.remove("operationName") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err("`operationName` must be a string.".into()),
        };
        let mut object = |name: &str| match body.remove(name) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(_) => Err(format!("`{name}` must be an object.")),
        };
        let variables = object("variables")?;
        let document_id = persisted(object("extensions")?)?;
        let query = match query {
            Some(Value::String(query)) if !query.trim().is_empty() => Some(query),
            None | Some(Value::Null) if document_id.is_some() => None,
            _ => return Err("`query` must be a string with a document.".into()),
        };
        Ok(Self {
            query,
            document_id,
            operation_name,
            variables,
        })
    }

    /// From a query string's pairs.
    pub fn from_pairs(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut body = Map::new();
        for (name, value) in pairs {
            let value = match name.as_str() {
                "query" | "operationName" => Value::String(value),
                "variables" | "extensions" if value.is_empty() => Value::Null,
                "variables" | "extensions" => {
                    serde_json::from_str(&value).map_err(|_| format!("`{name}` must be JSON."))?
                }
                _ => continue,
            };
            if body.insert(name.clone(), value).is_some() {
                return Err(format!("`{name}` is given twice."));
            }
        }
        Self::from_json(Value::Object(body))
    }
}

/// The document's id from `extensions.persistedQuery`, which is `{ version: 1, sha256Hash }`.
fn persisted(mut extensions: Map<String, Value>) -> Result<Option<String>, String> {
    let persisted = match extensions.remove("persistedQuery") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Object(persisted)) => persisted,
        Some(_) => return Err("`extensions.persistedQuery` must be an object.".into()),
    };
    if persisted.get("version") != Some(&Value::from(1)) {
        return Err("`extensions.persistedQuery.version` must be 1.".into());
    }
    match persisted.get("sha256Hash") {
        Some(Value::String(hash)) if !hash.is_empty() => Ok(Some(hash.clone())),
        _ => Err("`extensions.persistedQuery.sha256Hash` must be a string.".into()),
    }
}
