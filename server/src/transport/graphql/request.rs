//! One GraphQL request as it came over any transport: read, measured and made ready to execute.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;

use async_graphql::parser::types::OperationType;
use async_graphql::{ErrorExtensionValues, Name, Request, Response, ServerError, Variables};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use serde_json::{Map, Value};

use crate::kernel::api::{ResponseCookies, to_graphql};
use crate::kernel::{Actor, Error, Op};

use super::Gateway;

/// The parameters of GraphQL over HTTP; the payload of a `subscribe` is the same.
#[derive(Debug, Default, Clone)]
pub struct Parameters {
    pub query: String,
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
        let query = match body.remove("query") {
            Some(Value::String(query)) if !query.trim().is_empty() => query,
            _ => return Err("`query` must be a string with a document.".into()),
        };
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
        object("extensions")?;
        Ok(Self {
            query,
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

/// Ready to execute.
#[derive(Debug)]
pub struct Prepared {
    pub request: Request,
    pub kind: OperationType,
}

/// An error of the request itself: nothing ran.
pub fn request_error(code: &str, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    with_code(&mut error, code);
    error
}

fn with_code(error: &mut ServerError, code: &str) {
    let mut values = ErrorExtensionValues::default();
    values.set("code", code);
    error.extensions = Some(values);
}

/// A service's refusal as a response that ran nothing.
pub fn refused(op: &Op, error: Error) -> ServerError {
    to_graphql(Some(op), error).into_server_error(async_graphql::Pos::default())
}

/// What a panic becomes for the client; what it said is for the log.
pub fn panicked(op: &Op, panic: &(dyn Any + Send)) -> ServerError {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("no text");
    refused(op, Error::internal(format!("a resolver panicked: {said}")))
}

/// The responses of one operation, coded. A panic in a resolver ends this operation and nothing else: it is
/// the last item.
pub fn guarded(
    responses: BoxStream<'static, Response>,
    op: Op,
) -> impl Stream<Item = Result<Response, ServerError>> {
    AssertUnwindSafe(responses)
        .catch_unwind()
        .map(move |response| match response {
            Ok(mut response) => {
                coded(&mut response, op.request_id);
                Ok(response)
            }
            Err(panic) => Err(panicked(&op, &*panic)),
        })
}

impl Gateway {
    /// Reads and measures the document. Nothing of it has run when this refuses.
    pub fn prepare(&self, parameters: Parameters, actor: &Actor) -> Result<Prepared, ServerError> {
        let refusal = |r: super::limits::Refusal| request_error(r.code, r.message);
        self.limits.text(&parameters.query).map_err(refusal)?;
        let document = async_graphql::parser::parse_query(&parameters.query).map_err(|e| {
            let mut error = ServerError::from(e);
            with_code(&mut error, "BAD_REQUEST");
            error
        })?;
        let variables = Variables::from_json(Value::Object(parameters.variables));
        let measured = self
            .limits
            .document(&self.shapes, &document, &variables)
            .map_err(refusal)?;
        if measured.introspects && *actor == Actor::Anonymous {
            return Err(request_error("UNAUTHENTICATED", "Sign in to read the schema."));
        }
        let wanted = parameters.operation_name.as_deref().map(Name::new);
        let mut operations = document.operations.iter();
        let operation = match &wanted {
            Some(wanted) => operations.find(|(name, _)| *name == Some(wanted)),
            None => operations
                .next()
                .filter(|_| document.operations.iter().count() == 1),
        };
        let Some((_, operation)) = operation else {
            let message = match wanted {
                Some(name) => format!("There is no operation `{name}` in the document."),
                None => "Say which operation to run: `operationName`.".to_owned(),
            };
            return Err(request_error("BAD_REQUEST", message));
        };
        let kind = operation.node.ty;
        let mut request = Request::new(parameters.query).variables(variables);
        request.operation_name = parameters.operation_name;
        request.set_parsed_query(document);
        Ok(Prepared { request, kind })
    }

    /// A new operation of this actor.
    pub fn op(&self, actor: Actor, client: Option<IpAddr>, bearer: bool) -> Op {
        Op {
            actor,
            request_id: self.kernel.id(),
            client,
            bearer,
            denials: self.kernel.denials.clone(),
            ..Op::default()
        }
    }

    pub fn cookies(&self) -> ResponseCookies {
        ResponseCookies::new(self.origins.secure)
    }
}

/// Whether the engine refused the request before running any of it.
pub fn ran_nothing(response: &Response) -> bool {
    response.data == async_graphql::Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Every error has a code: what the engine found itself is the client's mistake, but for our own wiring.
pub fn coded(response: &mut Response, op_id: uuid::Uuid) {
    for error in &mut response.errors {
        let has_code = error.extensions.as_ref().is_some_and(|e| e.get("code").is_some());
        if has_code {
            continue;
        }
        if error.message.starts_with("Data `") {
            tracing::error!(request_id = %op_id, error = %error.message, "a service is not in the schema");
            error.message = format!("Something went wrong on our side (request {op_id}).");
            with_code(error, "INTERNAL");
        } else {
            with_code(error, "BAD_REQUEST");
        }
    }
}
