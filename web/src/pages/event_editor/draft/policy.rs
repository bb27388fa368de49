//! How runs are repeated and stand beside each other, as it is being typed. Pure.

use serde::{Deserialize, Serialize};

use super::{Fault, Problem, span};

/// What becomes of a run when others have not ended, in the order of the page.
pub const OVERLAPS: [&str; 4] = ["ALLOW", "QUEUE_ONE", "SKIP", "REPLACE"];

/// The policies as typed; the defaults are those of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Policy {
    pub attempts: String,
    pub initial_delay: String,
    pub max_delay: String,
    pub factor: String,
    pub jitter: bool,
    pub on_infrastructure: bool,
    pub on_timeout: bool,
    pub on_exit_code: bool,
    /// Separated by commas or spaces; none: every one but 0.
    pub exit_codes: String,
    /// One of [`OVERLAPS`].
    pub overlap: String,
    /// Empty: no limit, or one where runs don't stand beside each other.
    pub max_concurrent: String,
    pub idempotent: bool,
    /// Empty or 0: no limit.
    pub max_executions: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: "1".to_owned(),
            initial_delay: "10s".to_owned(),
            max_delay: "10m".to_owned(),
            factor: "2".to_owned(),
            jitter: true,
            on_infrastructure: true,
            on_timeout: true,
            on_exit_code: true,
            exit_codes: String::new(),
            overlap: "ALLOW".to_owned(),
            max_concurrent: String::new(),
            idempotent: false,
            max_executions: String::new(),
        }
    }
}

/// The policies, read. Times are milliseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedPolicy {
    pub attempts: i32,
    pub initial_delay: u64,
    pub max_delay: u64,
    pub factor: f64,
    pub jitter: bool,
    pub on_infrastructure: bool,
    pub on_timeout: bool,
    pub on_exit_code: bool,
    pub exit_codes: Vec<i32>,
    pub overlap: String,
    pub max_concurrent: Option<i32>,
    pub idempotent: bool,
    pub max_executions: i32,
}

impl Policy {
    /// Whether a run may be tried again at all; the rest of the retry policy says nothing otherwise.
    pub fn retries(&self) -> bool {
        self.attempts.trim() != "1"
    }

    /// The longest wait before each further attempt, in milliseconds; none while something can't be read.
    pub fn waits(&self) -> Option<Vec<u64>> {
        let mut problems = Vec::new();
        let checked = self.check(&mut problems);
        let attempts = usize::try_from(checked.attempts)
            .ok()
            .filter(|n| (2..=10).contains(n))?;
        if problems.iter().any(|(path, _)| path.starts_with("retry.")) {
            return None;
        }
        let mut wait = checked.initial_delay as f64;
        let longest = checked.max_delay as f64;
        let mut waits = Vec::new();
        for _ in 1..attempts {
            waits.push(wait.clamp(0.0, longest) as u64);
            wait *= checked.factor;
        }
        Some(waits)
    }

    /// Runs at a time, as it works out: no limit is none.
    pub fn places(&self) -> Option<String> {
        match self.max_concurrent.trim() {
            "" if self.overlap == "ALLOW" => None,
            "" => Some("1".to_owned()),
            most => Some(most.to_owned()),
        }
    }

    /// Reads them; what is wrong is noted at the path of its field.
    pub fn check(&self, problems: &mut Vec<Problem>) -> CheckedPolicy {
        // What is not shown can't be mended, and does nothing.
        let hidden = Self {
            attempts: self.attempts.clone(),
            ..Self::default()
        };
        let retry = if self.retries() { self } else { &hidden };
        let mut wrong = |path: &str, fault| problems.push((path.to_owned(), fault));
        let mut whole = |path: &str, text: &str| {
            let read = text.trim().parse::<i32>();
            read.map_err(|_| wrong(path, Fault::NotWhole)).ok()
        };
        let attempts = whole("retry.attempts", &retry.attempts);
        let max_concurrent = match self.max_concurrent.trim() {
            "" => None,
            text => whole("maxConcurrent", text),
        };
        let max_executions = match self.max_executions.trim() {
            "" => Some(0),
            text => whole("maxExecutions", text),
        };
        let codes = retry.exit_codes.split([',', ' ', ';']);
        let codes = codes.map(str::trim).filter(|code| !code.is_empty());
        let codes: Vec<i32> = if retry.on_exit_code {
            codes.filter_map(|code| whole("retry.exitCodes", code)).collect()
        } else {
            Vec::new()
        };
        let mut time = |path: &str, text: &str| {
            let read = span::read(text);
            if read.is_none() {
                wrong(path, Fault::NotATime);
            }
            read.unwrap_or_default()
        };
        let initial_delay = time("retry.initialDelay", &retry.initial_delay);
        let max_delay = time("retry.maxDelay", &retry.max_delay);
        let factor = retry.factor.trim().replace(',', ".").parse::<f64>();
        let factor = factor.ok().filter(|factor| factor.is_finite());
        if factor.is_none() {
            wrong("retry.factor", Fault::NotANumber);
        }
        CheckedPolicy {
            attempts: attempts.unwrap_or_default(),
            initial_delay,
            max_delay,
            factor: factor.unwrap_or_default(),
            jitter: retry.jitter,
            on_infrastructure: retry.on_infrastructure,
            on_timeout: retry.on_timeout,
            on_exit_code: retry.on_exit_code,
            exit_codes: codes,
            overlap: self.overlap.clone(),
            max_concurrent,
            idempotent: self.idempotent,
            max_executions: max_executions.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(policy: &Policy) -> Vec<(String, Fault)> {
        let mut problems = Vec::new();
        policy.check(&mut problems);
        problems
    }

    #[test]
    fn the_defaults_are_those_of_the_api() {
        let mut problems = Vec::new();
        let checked = Policy::default().check(&mut problems);
        assert_eq!(problems, []);
        assert_eq!(
            (checked.attempts, checked.initial_delay, checked.max_delay),
            (1, 10_000, 600_000)
        );
        assert_eq!((checked.max_concurrent, checked.max_executions), (None, 0));
        assert_eq!(Policy::default().places(), None);
    }

    #[test]
    fn every_wrong_field_is_named() {
        let policy = Policy {
            attempts: "many".into(),
            initial_delay: "soon".into(),
            max_delay: String::new(),
            factor: "NaN".into(),
            exit_codes: "1, x 3".into(),
            max_concurrent: "2.5".into(),
            max_executions: "99999999999".into(),
            ..Policy::default()
        };
        let wanted = [
            ("retry.attempts", Fault::NotWhole),
            ("maxConcurrent", Fault::NotWhole),
            ("maxExecutions", Fault::NotWhole),
            ("retry.exitCodes", Fault::NotWhole),
            ("retry.initialDelay", Fault::NotATime),
            ("retry.maxDelay", Fault::NotATime),
            ("retry.factor", Fault::NotANumber),
        ];
        assert_eq!(
            paths(&policy),
            wanted.map(|(path, fault)| (path.to_owned(), fault))
        );
    }

    #[test]
    fn what_is_never_tried_again_hides_no_fault() {
        let policy = Policy {
            initial_delay: "soon".into(),
            exit_codes: "x".into(),
            ..Policy::default()
        };
        assert_eq!(paths(&policy), []);
        let again = Policy {
            attempts: "2".into(),
            on_exit_code: false,
            ..policy
        };
        assert_eq!(
            paths(&again),
            [("retry.initialDelay".to_owned(), Fault::NotATime)]
        );
    }

    #[test]
    fn codes_are_a_list_and_only_where_they_count() {
        let policy = Policy {
            attempts: "3".into(),
            exit_codes: "75, 503 ;1".into(),
            ..Policy::default()
        };
        let mut problems = Vec::new();
        assert_eq!(policy.check(&mut problems).exit_codes, [75, 503, 1]);
        let other = Policy {
            on_exit_code: false,
            ..policy
        };
        assert!(other.check(&mut problems).exit_codes.is_empty());
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        let policy = Policy {
            attempts: "5".into(),
            max_delay: "50s".into(),
            ..Policy::default()
        };
        assert_eq!(policy.waits(), Some(vec![10_000, 20_000, 40_000, 50_000]));
        let of = |change: fn(&mut Policy)| {
            let mut policy = policy.clone();
            change(&mut policy);
            policy.waits()
        };
        assert_eq!(of(|p| p.attempts = "1".into()), None);
        assert_eq!(of(|p| p.attempts = "99".into()), None);
        assert_eq!(of(|p| p.factor = "x".into()), None);
        // Another field's fault hides nothing here.
        assert!(of(|p| p.max_concurrent = "x".into()).is_some());
    }

    #[test]
    fn one_at_a_time_is_what_other_policies_mean() {
        let of = |overlap: &str, most: &str| Policy {
            overlap: overlap.into(),
            max_concurrent: most.into(),
            ..Policy::default()
        };
        assert_eq!(of("SKIP", "").places().as_deref(), Some("1"));
        assert_eq!(of("SKIP", "4").places().as_deref(), Some("4"));
        assert_eq!(of("ALLOW", " 4 ").places().as_deref(), Some("4"));
    }
}
