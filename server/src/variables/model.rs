//! What a variable is, which one a script means by a key, and how counters count. Pure.

use cronium_entity::enums::VariableScope;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::naming;

/// Longest key, in bytes.
pub const MAX_KEY: usize = 128;
/// Largest value, in bytes.
pub const MAX_VALUE: usize = 64 << 10;
/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 500;
/// Variables of one scope that one person, or the installation, may have.
pub const MOST: i64 = 2_000;
/// What belongs to the program itself.
pub const RESERVED: &str = "CRONIUM_";

/// What a script reads. Prints no text.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    pub text: Zeroizing<String>,
    /// Whether it must not be shown: to be masked wherever a script writes it.
    pub secret: bool,
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.secret {
            "Value(secret)"
        } else {
            "Value(plain)"
        })
    }
}

/// Why a text is no key; None when it is one.
pub fn key_problem(key: &str) -> Option<(UserErrorCode, &'static str)> {
    let mut letters = key.bytes();
    let first = letters.next();
    if first.is_none() {
        return Some((UserErrorCode::Required, "Give the variable a key."));
    }
    if key.len() > MAX_KEY {
        return Some((UserErrorCode::TooLong, "A key has at most 128 characters."));
    }
    let good = first.is_some_and(|c| c.is_ascii_uppercase() || c == b'_')
        && letters.all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_');
    if !good {
        let message = "Use capital letters A to Z, digits and underscores, not beginning with a digit.";
        return Some((UserErrorCode::Invalid, message));
    }
    let reserved = key.starts_with(RESERVED);
    reserved.then_some((
        UserErrorCode::Invalid,
        "Keys beginning with CRONIUM_ are reserved.",
    ))
}

/// Why a text is no value; None when it is one.
pub fn value_problem(text: &str) -> Option<(UserErrorCode, &'static str)> {
    if text.len() > MAX_VALUE {
        return Some((UserErrorCode::TooLong, "A value has at most 64 KiB."));
    }
    let nul = text.contains('\0');
    nul.then_some((UserErrorCode::Invalid, "A value has no NUL characters."))
}

/// Why a text is no description; None when it is one.
pub fn description_problem(text: &str) -> Option<(UserErrorCode, &'static str)> {
    if text.chars().count() > MAX_DESCRIPTION {
        return Some((UserErrorCode::TooLong, "At most 500 characters."));
    }
    let odd = !naming::is_readable(text);
    odd.then_some((UserErrorCode::Invalid, naming::UNREADABLE))
}

/// Notes what is wrong at a field, if anything.
pub fn note(problem: Option<(UserErrorCode, &'static str)>, field: &str, checks: &mut Checks) {
    if let Some((code, message)) = problem {
        checks.add(code, field, message);
    }
}

/// The version after this one: counters of scripts may change a variable for years.
pub fn next_version(version: i32) -> i32 {
    version.checked_add(1).unwrap_or(1)
}

/// A counter's text after adding to it; None when it is no whole number, or would become one beyond 64 bits.
pub fn added(text: &str, by: i64) -> Result<i64, &'static str> {
    let present: i64 = text
        .trim()
        .parse()
        .map_err(|_| "Only a variable whose value is a whole number of 64 bits can be counted up.")?;
    present
        .checked_add(by)
        .ok_or("The result is beyond the whole numbers of 64 bits.")
}

/// Whether a change by a script goes into the audit log: who else may depend on it, or must not see it.
pub fn is_privileged(scope: VariableScope, secret: bool) -> bool {
    secret || scope != VariableScope::Own
}

/// The nearer one counts: own before shared before global.
pub fn distance(scope: VariableScope) -> u8 {
    match scope {
        VariableScope::Own => 0,
        VariableScope::Shared => 1,
        VariableScope::Global => 2,
    }
}

/// A variable as far as it matters for who means it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub id: Uuid,
    pub scope: VariableScope,
    pub owner: Option<Uuid>,
}

/// Which of the variables with one key the scripts of a person mean.
pub fn meant_by(person: Uuid, candidates: &[Candidate]) -> Option<Uuid> {
    candidates
        .iter()
        .filter(|one| one.scope != VariableScope::Own || one.owner == Some(person))
        .min_by_key(|one| distance(one.scope))
        .map(|one| one.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_capital_and_none_is_the_programs_own() {
        let long = "A".repeat(128);
        for good in [
            "A",
            "_",
            "API_URL",
            "_X1",
            "CRONIUM",
            "MY_CRONIUM_X",
            long.as_str(),
        ] {
            assert_eq!(key_problem(good), None, "{good}");
        }
        let longer = "A".repeat(129);
        for (bad, code) in [
            ("", UserErrorCode::Required),
            ("1A", UserErrorCode::Invalid),
            ("a", UserErrorCode::Invalid),
            ("A-B", UserErrorCode::Invalid),
            ("A B", UserErrorCode::Invalid),
            ("A\n", UserErrorCode::Invalid),
            ("Ä", UserErrorCode::Invalid),
            ("CRONIUM_TOKEN", UserErrorCode::Invalid),
            (longer.as_str(), UserErrorCode::TooLong),
        ] {
            assert_eq!(key_problem(bad).map(|(code, _)| code), Some(code), "{bad:?}");
        }
    }

    #[test]
    fn values_and_descriptions_have_their_limits() {
        assert_eq!(value_problem(&"x".repeat(MAX_VALUE)), None);
        assert!(value_problem(&"x".repeat(MAX_VALUE + 1)).is_some() && value_problem("a\0b").is_some());
        assert_eq!(description_problem(&"ä".repeat(500)), None);
        assert!(
            description_problem(&"ä".repeat(501)).is_some() && description_problem("a\u{202e}b").is_some()
        );
    }

    #[test]
    fn counters_count_whole_numbers_and_stop_at_the_end_of_them() {
        assert_eq!(added(" 41\n", 1), Ok(42));
        assert_eq!(added("-1", 1), Ok(0));
        for bad in ["", "1.5", "one", "9223372036854775808", "0x1", "1 2"] {
            assert!(added(bad, 1).is_err(), "{bad:?}");
        }
        assert!(added("9223372036854775807", 1).is_err() && added("-9223372036854775808", -1).is_err());
        assert_eq!((next_version(1), next_version(i32::MAX)), (2, 1));
    }

    #[test]
    fn the_nearest_variable_is_meant() {
        use VariableScope::{Global, Own, Shared};
        let (me, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let one = |id, scope, owner| Candidate {
            id: Uuid::from_u128(id),
            scope,
            owner,
        };
        let all = [
            one(30, Global, None),
            one(20, Shared, Some(other)),
            one(11, Own, Some(me)),
            one(12, Own, Some(other)),
        ];
        let meant = |person, candidates: &[Candidate]| meant_by(person, candidates).map(|id| id.as_u128());
        assert_eq!(meant(me, &all), Some(11));
        assert_eq!(meant(other, &all), Some(12));
        assert_eq!(meant(me, &all[..2]), Some(20));
        assert_eq!(meant(me, &all[..1]), Some(30));
        assert_eq!(meant(me, &all[3..]), None);
    }

    #[test]
    fn a_value_prints_nothing_of_itself() {
        let text = Zeroizing::new("hunter2".to_owned());
        let value = Value { text, secret: true };
        assert_eq!(format!("{value:?}"), "Value(secret)");
    }
}
