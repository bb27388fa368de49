//! What a runner on a server answers to one question. Pure.

use super::MAX_WORDS;
use crate::problem::{ExecutorError, ServerProblem};
use crate::ssh::trouble::plain;

/// What a runner says of one that serves, or served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Running,
    Gone,
}

impl Answer {
    /// Nothing else counts: not knowing is not the same as gone.
    pub fn read(said: &str) -> Result<Self, ExecutorError> {
        match said.trim_end() {
            "gone" => Ok(Self::Gone),
            said if said.starts_with("running ") => Ok(Self::Running),
            said => Err(match plain(said, MAX_WORDS) {
                Some(words) => ServerProblem::Runner(words).into(),
                None => ServerProblem::NoAnswer.into(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gone_is_gone() {
        assert_eq!(Answer::read("gone\n"), Ok(Answer::Gone));
        assert_eq!(Answer::read("running 12\n"), Ok(Answer::Running));
        for other in ["", "gon", "gone away", "bash: gone: command not found"] {
            assert!(Answer::read(other).is_err(), "{other:?}");
        }
    }
}
