//! From service errors to what a GraphQL client sees. `Error` has no `Display` on purpose: its private
//! source can't slip into a response.

use async_graphql::{Context, ErrorExtensions, SimpleObject, Value};

use super::Timestamp;
use super::error::{Error, FieldError, NUL, UserErrorCode};
use super::op::Op;

/// Result of a resolver.
pub type ApiResult<T> = async_graphql::Result<T>;

/// An error that the user can cause and mend.
#[derive(Debug, Clone, SimpleObject)]
pub struct UserError {
    /// For programs.
    pub code: UserErrorCode,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// Path inside `input`; null: the whole of it.
    pub field: Option<Vec<String>>,
}

impl From<FieldError> for UserError {
    fn from(e: FieldError) -> Self {
        Self {
            code: e.code,
            message: e.message,
            field: (!e.field.is_empty()).then_some(e.field),
        }
    }
}

/// A part of a response that is JSON already. The transports put it in as it is, so that one text serves
/// all who asked for it; only subscriptions give such parts.
pub fn written(json: bytes::Bytes) -> async_graphql::Value {
    async_graphql::Value::Binary(json)
}

/// The operation of this request. The transport puts it there for every request.
pub fn op<'a>(ctx: &Context<'a>) -> ApiResult<&'a Op> {
    ctx.data::<Op>()
}

/// Converts a service result for a resolver; logs what stays private.
pub fn api<T>(ctx: &Context<'_>, result: Result<T, Error>) -> ApiResult<T> {
    result.map_err(|e| to_graphql(ctx.data::<Op>().ok(), e))
}

/// Converts what a DataLoader gave; its text is for the log only.
pub fn loaded<T>(ctx: &Context<'_>, result: Result<T, String>) -> ApiResult<T> {
    api(ctx, result.map_err(Error::internal))
}

/// For a nullable node field: what can't be seen is null.
pub fn visible<T>(ctx: &Context<'_>, result: Result<T, Error>) -> ApiResult<Option<T>> {
    match result {
        Err(Error::NotFound(_)) => Ok(None),
        other => api(ctx, other.map(Some)),
    }
}

/// For a mutation's payload: the node, or the errors that the user can mend.
pub fn payload<T>(ctx: &Context<'_>, result: Result<T, Error>) -> ApiResult<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(node) => Ok((Some(node), Vec::new())),
        Err(Error::Invalid(errors)) => {
            // What is beyond somebody is refused at its field; the audit log keeps the attempt all the same.
            if errors.iter().any(|error| error.code == UserErrorCode::Forbidden)
                && let Ok(op) = ctx.data::<Op>()
            {
                op.denied(ctx.field().name().to_owned(), "FORBIDDEN");
            }
            Ok((None, errors.into_iter().map(UserError::from).collect()))
        }
        Err(Error::NotFound(what)) => {
            // Absent or somebody else's: the client can't tell, but the audit log keeps the attempt.
            if let Ok(op) = ctx.data::<Op>() {
                op.denied(ctx.field().name().to_owned(), "NOT_FOUND");
            }
            let message = format!("There is no such {what}.");
            Ok((
                None,
                vec![UserError {
                    code: UserErrorCode::NotFound,
                    message,
                    field: Some(vec!["id".into()]),
                }],
            ))
        }
        Err(Error::Forbidden) => {
            let message = "You may not do this.".to_owned();
            Ok((
                None,
                vec![UserError {
                    code: UserErrorCode::Forbidden,
                    message,
                    field: None,
                }],
            ))
        }
        Err(Error::BadRequest(message)) if message == NUL => {
            let errors = nul_fields(ctx);
            if errors.is_empty() {
                return Err(to_graphql(ctx.data::<Op>().ok(), Error::BadRequest(message)));
            }
            Ok((None, errors))
        }
        Err(other) => Err(to_graphql(ctx.data::<Op>().ok(), other)),
    }
}

/// Where a mutation's input holds NUL characters, which the database does not keep.
fn nul_fields(ctx: &Context<'_>) -> Vec<UserError> {
    fn look(value: &Value, path: &mut Vec<String>, found: &mut Vec<UserError>) {
        match value {
            Value::String(text) if text.contains('\0') => found.push(UserError {
                code: UserErrorCode::Invalid,
                message: "NUL characters can't be used here.".to_owned(),
                field: Some(path.clone()),
            }),
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    look(item, path, found);
                    path.pop();
                }
            }
            Value::Object(fields) => {
                for (name, value) in fields {
                    path.push(name.to_string());
                    look(value, path, found);
                    path.pop();
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (_, value) in ctx.field().arguments().unwrap_or_default() {
        look(&value, &mut Vec::new(), &mut found);
    }
    found
}

/// The top-level form of an error, with `extensions.code`.
pub fn to_graphql(op: Option<&Op>, error: Error) -> async_graphql::Error {
    let request_id = op.map(|op| op.request_id.to_string()).unwrap_or_default();
    let (code, message) = match error {
        Error::Unauthenticated => ("UNAUTHENTICATED", "Sign in first.".to_owned()),
        Error::Forbidden => ("FORBIDDEN", "You may not do this.".to_owned()),
        Error::NotFound(what) => ("NOT_FOUND", format!("There is no such {what}.")),
        Error::BadRequest(message) => ("BAD_REQUEST", message),
        Error::Invalid(errors) => {
            let all: Vec<_> = errors.into_iter().map(|e| e.message).collect();
            ("BAD_REQUEST", all.join(" "))
        }
        Error::RateLimited { retry_after_secs } => {
            let message = format!("Too many attempts. Try again in {retry_after_secs} s.");
            return async_graphql::Error::new(message).extend_with(|_, e| {
                e.set("code", "RATE_LIMITED");
                e.set("retryAfter", retry_after_secs);
            });
        }
        Error::Unavailable(source) => {
            tracing::warn!(%request_id, error = %source, "a part of the service does not answer");
            (
                "UNAVAILABLE",
                "The service is not available right now. Try again shortly.".to_owned(),
            )
        }
        Error::Internal(source) => {
            tracing::error!(%request_id, error = %source, "internal error");
            (
                "INTERNAL",
                format!("Something went wrong on our side (request {request_id})."),
            )
        }
    };
    async_graphql::Error::new(message).extend_with(|_, e| {
        e.set("code", code);
        if matches!(code, "INTERNAL" | "UNAVAILABLE") {
            e.set("requestId", request_id.clone());
        }
    })
}

/// Cookies that a resolver wants to set; the HTTP transport sends them, other transports ignore them.
#[derive(Debug, Default, Clone)]
pub struct ResponseCookies {
    secure: bool,
    headers: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

/// Name of the session cookie; `__Host-` binds it to the host and to https.
pub fn session_cookie(secure: bool) -> &'static str {
    if secure { "__Host-cronium" } else { "cronium" }
}

impl ResponseCookies {
    pub fn new(secure: bool) -> Self {
        Self {
            secure,
            headers: std::sync::Arc::default(),
        }
    }

    /// Sets the session cookie, or removes it.
    pub fn session(&self, token: Option<&str>, expires_at: Timestamp) {
        let name = session_cookie(self.secure);
        let secure = if self.secure { "; Secure" } else { "" };
        let expires = expires_at.format("%a, %d %b %Y %H:%M:%S GMT");
        let value = token.unwrap_or_default();
        let header = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Expires={expires}{secure}");
        self.headers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(header);
    }

    /// `Set-Cookie` values, once.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(
            &mut *self
                .headers
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner),
        )
    }
}
