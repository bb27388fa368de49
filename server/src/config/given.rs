//! A number as it was given. Reading never fails, so that what is wrong with it is told together with all
//! else that is wrong.

use std::convert::Infallible;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A whole number, or the text that should have been one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given(Result<u64, String>);

impl Given {
    pub const fn of(number: u64) -> Self {
        Self(Ok(number))
    }

    /// Zero when it is not a number; [`Self::check`] has said so then.
    pub fn number(&self) -> u64 {
        self.0.as_ref().copied().unwrap_or_default()
    }

    pub fn size(&self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }

    /// Adds a sentence to `found` when the number is none, or out of range.
    pub fn check(&self, name: &str, range: RangeInclusive<u64>, found: &mut Vec<String>) {
        if !self.0.as_ref().is_ok_and(|number| range.contains(number)) {
            let (from, to) = range.into_inner();
            found.push(format!(
                "{name} must be a whole number from {from} to {to}; it is `{self}`"
            ));
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(number) => number.fmt(f),
            Err(text) => text.fmt(f),
        }
    }
}

impl FromStr for Given {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().parse().map_err(|_| text.to_owned())))
    }
}
