//! One case for each root field. A field that is new has none, and the test says so.

mod mutations;
mod queries;
mod subscriptions;

use super::world::Who;

/// What an answer must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// A top-level error with this code, and no data.
    Refused(&'static str),
    /// The payload's first user error has this code.
    UserError(&'static str),
    /// The field is null.
    Null,
    /// The field is a list of nulls.
    Nulls,
    /// It was done.
    Done,
    /// It was done, and the value of this variable is somewhere in the answer; or is not.
    With(&'static str),
    Without(&'static str),
}

pub struct Case {
    /// `Query.event` and so on.
    pub field: &'static str,
    pub document: &'static str,
    pub anonymous: Expect,
    pub foreign: (Who, Expect),
    /// What the foreign one asks, where it is not the same.
    pub foreign_document: Option<&'static str>,
    pub permitted: (Who, Expect),
}

const UNKNOWN: Expect = Expect::Refused("UNAUTHENTICATED");

const fn case(
    field: &'static str,
    document: &'static str,
    anonymous: Expect,
    foreign: (Who, Expect),
    permitted: (Who, Expect),
) -> Case {
    Case {
        field,
        document,
        anonymous,
        foreign,
        foreign_document: None,
        permitted,
    }
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Case> {
    [queries::CASES, mutations::CASES, subscriptions::CASES]
        .into_iter()
        .flatten()
}
