//! One error type for all services: a kind with a public text, and a private source for the log.

/// Result of a service or store call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong, as the caller may know it.
#[derive(Debug)]
pub enum Error {
    /// Nobody is signed in.
    Unauthenticated,
    /// Signed in, but this kind of thing is not theirs to do.
    Forbidden,
    /// Does not exist, or may not be seen.
    NotFound(&'static str),
    /// Input that the caller can mend, each with its field.
    Invalid(Vec<FieldError>),
    /// Malformed request outside of any mutation's input.
    BadRequest(String),
    /// Too many attempts; try again after so many seconds.
    RateLimited { retry_after_secs: u64 },
    /// The database or another part does not answer.
    Unavailable(Source),
    /// A bug or broken data.
    Internal(Source),
}

/// Codes of `userErrors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "UserErrorCode")]
pub enum UserErrorCode {
    /// The value breaks a rule.
    Invalid,
    /// A value is missing.
    Required,
    /// The value is longer than allowed.
    TooLong,
    /// Another node has this value already.
    Taken,
    /// What the value names does not exist.
    NotFound,
    /// The viewer may not do this to this node.
    Forbidden,
    /// The node changed meanwhile, or its state does not allow this.
    Conflict,
    /// The node is used by others.
    InUse,
    /// A limit or quota is reached.
    LimitReached,
    /// A remote party does not answer.
    Unreachable,
    /// This installation can't do that.
    Unsupported,
}

/// An error that the caller can mend, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    pub code: UserErrorCode,
    pub message: String,
    /// Path inside the mutation's input, e.g. `["environment", "0", "name"]`; empty: the whole input.
    pub field: Vec<String>,
}

impl Error {
    pub fn field(code: UserErrorCode, field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(code, field, message)])
    }

    /// The same, where the caller gave a value under another name.
    pub fn at_instead(mut self, from: &str, to: &str) -> Self {
        if let Self::Invalid(errors) = &mut self {
            for error in errors.iter_mut().filter(|error| error.field == [from]) {
                error.field = vec![to.to_owned()];
            }
        }
        self
    }

    /// For logs and the terminal of the operator, never for clients.
    pub fn private_text(&self) -> String {
        match self {
            Self::Unavailable(source) | Self::Internal(source) => {
                let mut text = source.to_string();
                let mut cause = source.source();
                while let Some(inner) = cause {
                    text = format!("{text}: {inner}");
                    cause = inner.source();
                }
                text
            }
            Self::BadRequest(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }

    pub fn internal(source: impl Into<Source>) -> Self {
        Self::Internal(source.into())
    }
}

impl FieldError {
    /// `field` is a dotted path in the API's spelling: `environment.0.name`.
    pub fn new(code: UserErrorCode, field: &str, message: impl Into<String>) -> Self {
        let field = field
            .split('.')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        Self {
            code,
            message: message.into(),
            field,
        }
    }
}

/// Gathers all field errors before refusing, so that a person sees them at once.
#[derive(Debug, Default)]
pub struct Checks(Vec<FieldError>);

impl Checks {
    pub fn add(&mut self, code: UserErrorCode, field: &str, message: impl Into<String>) {
        self.0.push(FieldError::new(code, field, message));
    }

    /// The same at a path whose steps may hold any character.
    pub fn add_at(&mut self, code: UserErrorCode, field: Vec<String>, message: impl Into<String>) {
        let message = message.into();
        self.0.push(FieldError { code, message, field });
    }

    pub fn require(&mut self, holds: bool, code: UserErrorCode, field: &str, message: &str) {
        if !holds {
            self.add(code, field, message);
        }
    }

    /// Takes over what was noted about a part, which is at this path.
    pub fn within(&mut self, path: &str, part: Self) {
        for mut error in part.0 {
            let mut field: Vec<_> = path.split('.').map(str::to_owned).collect();
            field.append(&mut error.field);
            self.0.push(FieldError { field, ..error });
        }
    }

    pub fn done(self) -> Result<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(self.0))
        }
    }
}

impl From<sea_orm::DbErr> for Error {
    fn from(e: sea_orm::DbErr) -> Self {
        use sea_orm::{DbErr, RuntimeErr};
        match e {
            DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => Self::Unavailable(e.into()),
            DbErr::Exec(RuntimeErr::SqlxError(ref cause))
            | DbErr::Query(RuntimeErr::SqlxError(ref cause))
                if is_away(cause) =>
            {
                Self::Unavailable(e.into())
            }
            DbErr::Exec(RuntimeErr::SqlxError(ref cause))
            | DbErr::Query(RuntimeErr::SqlxError(ref cause))
                if holds_nul(cause) =>
            {
                Self::BadRequest(NUL.into())
            }
            other => Self::Internal(other.into()),
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(e: sqlx::Error) -> Self {
        if is_away(&e) {
            Self::Unavailable(e.into())
        } else if holds_nul(&e) {
            Self::BadRequest(NUL.into())
        } else {
            Self::Internal(e.into())
        }
    }
}

/// What the database could not keep.
pub const NUL: &str = "a text holds a NUL character, or a time is out of range: it can't be kept";

/// Whether a text, a JSON value or a time is one that Postgres refuses: SQLSTATE 22021, 22P05 and 22008.
fn holds_nul(e: &sqlx::Error) -> bool {
    let code = e.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| matches!(code.as_ref(), "22021" | "22P05" | "22008"))
}

/// Whether the database can't be reached, or is starting or stopping: SQLSTATE classes 08, 53 and 57P.
pub fn is_away(e: &sqlx::Error) -> bool {
    match e {
        // It went away in the middle of a word; too many values for a statement are our own fault.
        sqlx::Error::Protocol(what) => !what.starts_with("too many"),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(cause) => cause
            .code()
            .is_some_and(|code| ["08", "53", "57P"].iter().any(|class| code.starts_with(class))),
        _ => false,
    }
}

/// Whether another statement was in the way of one, or cut it short: it may be said again. SQLSTATE 40001, 40P01, 55P03
/// and 57014.
pub fn is_passing(source: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    use sea_orm::{DbErr, RuntimeErr};

    let orm = source.downcast_ref::<DbErr>().and_then(|problem| match problem {
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            Some(cause.as_ref())
        }
        _ => None,
    });
    let code = orm
        .or_else(|| source.downcast_ref::<sqlx::Error>())
        .and_then(sqlx::Error::as_database_error)
        .and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| ["40001", "40P01", "55P03", "57014"].contains(&code.as_ref()))
}
