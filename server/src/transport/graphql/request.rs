//! One GraphQL request as it came over any transport: measured, charged and made ready to execute; and what
//! its responses become.

use std::any::Any;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{ErrorExtensionValues, Name, Request, Response, ServerError, Variables};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use serde_json::Value;

use crate::kernel::api::{ResponseCookies, to_graphql};
use crate::kernel::{Actor, Error, Op};

use super::Gateway;
use super::completion::{Asked, complete};
use super::introspection::without_suggestions;
use super::limits::Refusal;
use super::parameters::Parameters;
use crate::rate::{Balance, Principal};

/// Ready to execute.
#[derive(Debug)]
pub struct Prepared {
    pub request: Request,
    pub kind: OperationType,
    pub cost: u64,
    pub asked: Asked,
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

/// Whether an error has this code.
pub fn has_code(error: &ServerError, code: &str) -> bool {
    let extensions = error.extensions.as_ref();
    let is = extensions.and_then(|values| values.get("code"));
    is.is_some_and(|is| *is == async_graphql::Value::from(code))
}

/// Gives the field `rateLimit` something to say.
pub fn with_balance(request: Request, balance: Option<Balance>) -> Request {
    match balance {
        Some(balance) => request.data(balance),
        None => request,
    }
}

/// A service's refusal as a response that ran nothing.
pub fn refused(op: &Op, error: Error) -> ServerError {
    to_graphql(Some(op), error).into_server_error(async_graphql::Pos::default())
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        request_error(refusal.code, refusal.message)
    }
}

/// The refusal of an operation whose bucket does not hold its cost.
pub fn limited(balance: &Balance) -> ServerError {
    let seconds = balance.retry_after().unwrap_or_default();
    let message = format!(
        "This costs {}, and {} of {} are left. Try again in {seconds} s.",
        balance.cost, balance.remaining, balance.limit
    );
    let mut error = request_error("RATE_LIMITED", message);
    if let Some(values) = &mut error.extensions {
        values.set("retryAfter", seconds);
    }
    error
}

/// What a panic becomes for the client; what it said is for the log.
pub fn panicked(op: &Op, panic: &(dyn Any + Send)) -> ServerError {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let said = said.unwrap_or("no text");
    refused(op, Error::internal(format!("a resolver panicked: {said}")))
}

/// The responses of one operation, finished. A panic in a resolver ends this operation and nothing else: it
/// is the last item.
pub fn guarded(
    gateway: Gateway,
    responses: BoxStream<'static, Response>,
    op: Op,
    asked: Asked,
) -> impl Stream<Item = Result<Response, ServerError>> {
    AssertUnwindSafe(responses)
        .catch_unwind()
        .map(move |response| match response {
            Ok(mut response) => {
                gateway.finish(&mut response, &op, &asked);
                Ok(response)
            }
            Err(panic) => Err(panicked(&op, &*panic)),
        })
}

impl Gateway {
    /// Reads and measures the document. Nothing of it has run when this refuses.
    pub fn prepare(&self, parameters: Parameters, actor: &Actor) -> Result<Prepared, ServerError> {
        let found = self
            .documents
            .find(parameters.query, parameters.document_id.as_deref())?;
        let document = self.parsed.document(&found.text, || {
            self.limits.text(&found.text)?;
            async_graphql::parser::parse_query(&*found.text).map_err(|e| {
                let mut error = ServerError::from(e);
                with_code(&mut error, "BAD_REQUEST");
                error
            })
        })?;
        let variables = Variables::from_json(Value::Object(parameters.variables));
        let measured = self.limits.document(&self.shapes, &document, &variables)?;
        if measured.introspects {
            self.introspection.check(actor)?;
        }
        self.documents.register(&found);
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
        let mut request = Request::new(found.text.as_ref()).variables(variables);
        let asked = Asked {
            text: Arc::clone(&found.text),
            operation: parameters.operation_name.clone(),
        };
        request.operation_name = parameters.operation_name;
        request.set_parsed_query(ExecutableDocument::clone(&document));
        Ok(Prepared {
            request,
            kind,
            cost: measured.cost,
            asked,
        })
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

    /// Takes a cost from the caller's bucket; None where there is no limit.
    pub async fn charge(&self, op: &Op, cost: u64) -> Option<Balance> {
        let own = match (&self.allowances, op.user()) {
            (Some(allowances), Some(user)) => allowances.of(user).await,
            _ => None,
        };
        let quota = own.unwrap_or_else(|| self.rates.of(op))?;
        Some(self.buckets.take(Principal::of(op), quota, cost).await)
    }

    /// What every response goes through before it is sent.
    pub fn finish(&self, response: &mut Response, op: &Op, asked: &Asked) {
        complete(response, &self.shapes, asked);
        coded(response, op.request_id);
        if self.introspection.check(&op.actor).is_err() {
            without_suggestions(response);
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
fn coded(response: &mut Response, op_id: uuid::Uuid) {
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
