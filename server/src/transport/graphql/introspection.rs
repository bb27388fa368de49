//! Who may read the schema, and what the others may not learn from errors either.

use async_graphql::Response;

use crate::kernel::Actor;

use super::limits::Refusal;

/// Who may read the schema through the API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Introspection {
    Nobody,
    #[default]
    SignedIn,
    Everyone,
}

impl Introspection {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim() {
            "nobody" => Self::Nobody,
            "signed-in" => Self::SignedIn,
            "everyone" => Self::Everyone,
            _ => return None,
        })
    }

    pub fn check(self, actor: &Actor) -> Result<(), Refusal> {
        let (code, message) = match (self, actor) {
            (Self::Everyone, _) | (Self::SignedIn, Actor::User { .. }) => return Ok(()),
            (Self::SignedIn, Actor::Anonymous) => ("UNAUTHENTICATED", "Sign in to read the schema."),
            (Self::Nobody, _) => ("FORBIDDEN", "This server does not show its schema."),
        };
        Err(Refusal {
            code,
            message: message.into(),
        })
    }
}

/// Removes what the engine suggests for a name that does not exist: a guess must not tell its neighbours.
pub fn without_suggestions(response: &mut Response) {
    for error in &mut response.errors {
        if let Some(at) = error.message.find(" Did you mean") {
            error.message.truncate(at);
        }
    }
}
