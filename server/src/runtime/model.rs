//! The calls: their routes, what each is given, and how it fails. Pure.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_path_to_error::Segment;

use crate::kernel::Error;
use crate::kernel::error::{FieldError, UserErrorCode};

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Input,
    Event,
    Output,
    Condition,
    GetVariable,
    SetVariable,
    DeleteVariable,
    IncrementVariable,
    Log,
}

/// One route of the API.
#[derive(Debug)]
pub struct Route {
    pub method: &'static str,
    /// Below the prefix; `{key}` stands for one part.
    pub path: &'static str,
    pub kind: Kind,
    pub name: &'static str,
    pub summary: &'static str,
    /// Whether the runner answers it itself, so that it is only there at the local socket.
    pub local: bool,
}

const fn route(
    method: &'static str,
    path: &'static str,
    kind: Kind,
    name: &'static str,
    summary: &'static str,
) -> Route {
    let local = matches!(kind, Kind::Output | Kind::Log);
    Route {
        method,
        path,
        kind,
        name,
        summary,
        local,
    }
}

/// All routes. The document that describes them is made of this table.
pub const ROUTES: &[Route] = &[
    route(
        "GET",
        "/input",
        Kind::Input,
        "input",
        "The job's input; null when it has none.",
    ),
    route(
        "GET",
        "/event",
        Kind::Event,
        "event",
        "What runs: event, job, execution, attempt and trigger.",
    ),
    route(
        "PUT",
        "/output",
        Kind::Output,
        "output",
        "Sets the job's output. Of this and the file $CRONIUM_OUTPUT the last one counts.",
    ),
    route(
        "PUT",
        "/condition",
        Kind::Condition,
        "setCondition",
        "Sets what actions with the condition CONDITION look at.",
    ),
    route(
        "GET",
        "/variables/{key}",
        Kind::GetVariable,
        "getVariable",
        "The text of a variable.",
    ),
    route(
        "PUT",
        "/variables/{key}",
        Kind::SetVariable,
        "setVariable",
        "Sets a variable; one that is not there becomes an own one of the job's owner.",
    ),
    route(
        "DELETE",
        "/variables/{key}",
        Kind::DeleteVariable,
        "deleteVariable",
        "Removes a variable.",
    ),
    route(
        "POST",
        "/variables/{key}/increment",
        Kind::IncrementVariable,
        "incrementVariable",
        "Adds to a whole number in one step; one that is not there counts from 0.",
    ),
    route(
        "POST",
        "/log",
        Kind::Log,
        "log",
        "Writes a line into the job's log, in the same sequence as all others.",
    ),
];

/// The route of a call, and the key in its path.
pub fn find(method: &str, path: &str) -> Result<(&'static Route, String), Failure> {
    let parts: Vec<&str> = path.split('/').collect();
    for route in ROUTES.iter().filter(|route| route.method == method) {
        let wanted: Vec<&str> = route.path.split('/').collect();
        let fits = |(wanted, part): (&&str, &&str)| *wanted == "{key}" || wanted == part;
        if wanted.len() == parts.len() && wanted.iter().zip(&parts).all(fits) {
            let at = wanted.iter().position(|part| *part == "{key}");
            let key = at.map_or(Some(String::new()), |at| unescaped(parts[at]));
            return match key {
                Some(key) => Ok((route, key)),
                None => Err(Failure::invalid("key", "This is no percent-encoded UTF-8.")),
            };
        }
    }
    Err(Failure::NotFound(format!("There is no call {method} {path}.")))
}

fn unescaped(part: &str) -> Option<String> {
    let (mut out, mut bytes) = (Vec::with_capacity(part.len()), part.bytes());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digit = |b: Option<u8>| char::from(b?).to_digit(16);
            let (high, low) = (digit(bytes.next())?, digit(bytes.next())?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

/// Body of `setCondition`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionBody {
    pub value: bool,
}

/// Body of `setVariable`. Prints no value.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariableBody {
    pub value: String,
    pub secret: Option<bool>,
}

/// Body of `incrementVariable`; none: by one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IncrementBody {
    #[serde(default = "one")]
    pub by: i64,
}

fn one() -> i64 {
    1
}

/// Reads a body; an empty one is an object without fields.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let body = if body.is_empty() { b"{}" } else { body };
    // Nothing of the body itself is told: it may hold a secret.
    let not_json = || Failure::Invalid {
        message: "The body is not JSON.".into(),
        field: None,
    };
    let mut reader = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|wrong| {
        if !wrong.inner().is_data() {
            return not_json();
        }
        match wrong.path().iter().next() {
            Some(Segment::Map { key }) if !wrong.inner().to_string().starts_with("unknown field") => {
                Failure::invalid(key, "This is not of the type that the call takes here.")
            }
            _ => Failure::Invalid {
                message: "The body has not the fields that this call takes.".into(),
                field: None,
            },
        }
    })?;
    reader.end().map_err(|_| not_json())?;
    Ok(read)
}

/// Why a call was not done.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// The caller is none that runs.
    NotRunning,
    Invalid {
        message: String,
        field: Option<String>,
    },
    NotFound(String),
    Forbidden(String),
    TooLarge(String),
    RateLimited {
        retry_after_secs: u64,
    },
    Unavailable,
    Internal,
}

impl Failure {
    pub fn invalid(field: &str, message: &str) -> Self {
        Self::Invalid {
            message: message.into(),
            field: Some(field.into()),
        }
    }

    pub fn status(&self) -> u16 {
        match self {
            Self::NotRunning => 401,
            Self::Invalid { .. } => 400,
            Self::NotFound(_) => 404,
            Self::Forbidden(_) => 403,
            Self::TooLarge(_) => 413,
            Self::RateLimited { .. } => 429,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotRunning | Self::Forbidden(_) => "FORBIDDEN",
            Self::Invalid { .. } => "INVALID",
            Self::NotFound(_) => "NOT_FOUND",
            Self::TooLarge(_) => "TOO_LARGE",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    pub fn body(&self) -> Value {
        let message = match self {
            Self::NotRunning => "This execution does not run, or this is not its token.",
            Self::Invalid { message, .. } => message,
            Self::NotFound(message) | Self::Forbidden(message) | Self::TooLarge(message) => message,
            Self::RateLimited { .. } => "Too many calls: come again later.",
            Self::Unavailable => "The server can't answer now; try again.",
            Self::Internal => "Something went wrong in the server.",
        };
        let field = match self {
            Self::Invalid { field, .. } => field.as_deref(),
            _ => None,
        };
        let mut error = json!({ "code": self.code(), "message": message, "field": field });
        if let Self::RateLimited { retry_after_secs } = self {
            error["retryAfterSeconds"] = json!(retry_after_secs);
        }
        json!({ "error": error })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Unauthenticated | Error::Forbidden => {
                Self::Forbidden("The owner of this job may not do this.".into())
            }
            Error::NotFound(what) => Self::NotFound(format!("There is no such {what}.")),
            Error::Invalid(errors) => match errors.into_iter().next() {
                Some(first) => Self::from(first),
                None => Self::Internal,
            },
            Error::BadRequest(message) => Self::Invalid { message, field: None },
            Error::RateLimited { retry_after_secs } => Self::RateLimited { retry_after_secs },
            Error::Unavailable(_) => Self::Unavailable,
            Error::Internal(_) => Self::Internal,
        }
    }
}

impl From<FieldError> for Failure {
    fn from(error: FieldError) -> Self {
        let FieldError { code, message, field } = error;
        match code {
            UserErrorCode::NotFound => Self::NotFound(message),
            UserErrorCode::Forbidden => Self::Forbidden(message),
            UserErrorCode::TooLong if field == ["value"] => Self::TooLarge(message),
            _ => Self::Invalid {
                message,
                field: (!field.is_empty()).then(|| field.join(".")),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_call_or_none() {
        let found = |method, path| find(method, path).map(|(route, key)| (route.kind, key));
        assert_eq!(
            found("GET", "/variables/A_1"),
            Ok((Kind::GetVariable, "A_1".into()))
        );
        assert_eq!(
            found("GET", "/variables/%41%2f"),
            Ok((Kind::GetVariable, "A/".into()))
        );
        assert_eq!(
            found("POST", "/variables/A/increment"),
            Ok((Kind::IncrementVariable, "A".into()))
        );
        for (method, path) in [
            ("POST", "/input"),
            ("GET", "/input/"),
            ("GET", "/"),
            ("GET", ""),
            ("GET", "/variables"),
            ("GET", "/variables/A/B"),
        ] {
            assert!(
                matches!(found(method, path), Err(Failure::NotFound(_))),
                "{method} {path}"
            );
        }
        for path in ["/variables/%4", "/variables/%zz", "/variables/%ff"] {
            assert!(
                matches!(found("GET", path), Err(Failure::Invalid { .. })),
                "{path}"
            );
        }
    }

    #[test]
    fn a_body_that_can_t_be_read_is_not_shown_again() {
        for (body, field) in [
            (r#"{"value": 7, "secret": "hunter2"}"#, Some("value")),
            (r#"{"value": "hunter2", "secret": "hunter2"}"#, Some("secret")),
            (r#"{"hunter2": 1}"#, None),
            (r#"{"value": "hunter2"} hunter2"#, None),
            (r#"["hunter2", true, 3]"#, None),
            ("hunter2", None),
        ] {
            let Err(failure) = read::<VariableBody>(body.as_bytes()) else {
                panic!("{body} was read");
            };
            assert!(!failure.body().to_string().contains("hunter2"), "{body}");
            assert_eq!(failure.body()["error"]["field"].as_str(), field, "{body}");
            assert_eq!(failure.status(), 400);
        }
        assert_eq!(read::<IncrementBody>(b"").unwrap().by, 1);
    }

    #[test]
    fn a_limit_says_when_to_come_again() {
        let failure = Failure::RateLimited { retry_after_secs: 3 };
        assert_eq!(failure.status(), 429);
        assert_eq!(failure.body()["error"]["retryAfterSeconds"], 3);
        assert_eq!(failure.body()["error"]["code"], "RATE_LIMITED");
    }
}
