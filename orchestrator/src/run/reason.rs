//! Says how an execution ended in words that a person can act on. Pure; it must not know who reads them.

use std::fmt::Write as _;
use std::time::Duration;

use cronium_protocol::agent::OutcomeKind;
use cronium_protocol::frame::ExitReport;
use uuid::Uuid;

use crate::problem::ExecutorError;

/// The limits that reasons mention.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub timeout: Duration,
    pub memory_bytes: u64,
}

/// Why nothing was started; who is to look into the log is told what to look for.
pub fn unprepared(error: &ExecutorError, execution: Uuid) -> String {
    if error.problem().is_in_log() {
        format!("{error} (execution {execution})")
    } else {
        error.to_string()
    }
}

/// The kind of end that a report tells, with its reason unless it is a success.
pub fn of_exit(report: &ExitReport, limits: Limits) -> (OutcomeKind, Option<String>) {
    if report.cancelled {
        let how = if report.escalated {
            "cancelled; it did not end by TERM and was killed"
        } else {
            "cancelled"
        };
        return (OutcomeKind::Cancelled, Some(how.into()));
    }
    if report.timed_out {
        let mut reason = timed_out(limits.timeout);
        if report.processes_refused > 0 {
            reason.push_str("; its process limit was reached");
        }
        return (OutcomeKind::TimedOut, Some(reason));
    }
    if let Some(error) = &report.spawn_error {
        let reason = format!("the script could not be started: {error}");
        return (OutcomeKind::Failed, Some(reason));
    }
    if report.code == Some(0) {
        return (OutcomeKind::Succeeded, None);
    }
    let reason = if let Some(failure) = &report.failure {
        failure.clone()
    } else if report.out_of_memory {
        out_of_memory(limits.memory_bytes)
    } else {
        match (report.code, report.signal) {
            (Some(code), _) => format!("exit code {code}"),
            (None, Some(number)) => signal(number),
            (None, None) => "ended without an exit code".into(),
        }
    };
    let reason = match report.processes_refused {
        0 => reason,
        refused => format!("{reason}; its process limit was reached, {refused} new processes were refused"),
    };
    (OutcomeKind::Failed, Some(reason))
}

pub fn timed_out(timeout: Duration) -> String {
    format!("timed out after {}", spoken(timeout))
}

pub fn out_of_memory(limit: u64) -> String {
    format!("killed: out of memory (limit {})", bytes(limit))
}

/// What a runner left that ended without a word.
pub fn remains(exit_code: Option<i64>, stderr: &str) -> String {
    let mut text = match exit_code {
        Some(code) => format!("exit code {code}"),
        None => "no exit code".into(),
    };
    if !stderr.is_empty() {
        // Writing to a String can't fail.
        let _ = write!(text, ": {stderr}");
    }
    text
}

fn signal(number: i32) -> String {
    let name = match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        31 => "SYS",
        _ => return format!("killed by signal {number}"),
    };
    format!("killed by signal {number} ({name})")
}

/// A length of time as people say it: `2 s`, `1 min 30 s`, `2 h`.
fn spoken(duration: Duration) -> String {
    let (total, millis) = (duration.as_secs(), duration.subsec_millis());
    let mut parts = Vec::new();
    for (amount, unit) in [
        (total / 3600, "h"),
        (total / 60 % 60, "min"),
        (total % 60, "s"),
        (millis.into(), "ms"),
    ] {
        if amount > 0 {
            parts.push(format!("{amount} {unit}"));
        }
    }
    if parts.is_empty() {
        "0 s".into()
    } else {
        parts.join(" ")
    }
}

fn bytes(n: u64) -> String {
    const UNITS: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    for (size, unit) in UNITS {
        if n >= size && n.is_multiple_of(size) {
            return format!("{} {unit}", n / size);
        }
    }
    if n >= 1 << 20 {
        return format!("{:.1} MiB", n as f64 / f64::from(1 << 20));
    }
    format!("{n} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        timeout: Duration::from_secs(30),
        memory_bytes: 128 << 20,
    };

    fn report() -> ExitReport {
        ExitReport {
            started_at_us: 0,
            ended_at_us: 1,
            code: None,
            signal: None,
            timed_out: false,
            cancelled: false,
            escalated: false,
            out_of_memory: false,
            processes_refused: 0,
            spawn_error: None,
            failure: None,
            output: None,
            output_error: None,
            log_truncated: false,
        }
    }

    fn told(change: impl FnOnce(&mut ExitReport)) -> (OutcomeKind, String) {
        let mut report = report();
        change(&mut report);
        let (kind, reason) = of_exit(&report, LIMITS);
        (kind, reason.unwrap_or_default())
    }

    #[test]
    fn a_success_needs_no_reason() {
        assert_eq!(
            told(|r| r.code = Some(0)),
            (OutcomeKind::Succeeded, String::new())
        );
    }

    #[test]
    fn failures_say_what_happened() {
        assert_eq!(
            told(|r| r.code = Some(3)),
            (OutcomeKind::Failed, "exit code 3".into())
        );
        assert_eq!(told(|r| r.signal = Some(11)).1, "killed by signal 11 (SEGV)");
        assert_eq!(told(|r| r.signal = Some(60)).1, "killed by signal 60");
        let out_of_memory = told(|r| {
            r.signal = Some(9);
            r.out_of_memory = true;
        });
        assert_eq!(out_of_memory.1, "killed: out of memory (limit 128 MiB)");
        let missing = told(|r| r.spawn_error = Some("python3 is missing".into()));
        assert_eq!(
            missing,
            (
                OutcomeKind::Failed,
                "the script could not be started: python3 is missing".into()
            )
        );
    }

    #[test]
    fn the_limit_that_ended_it_comes_before_the_signal_that_it_took() {
        let timed_out = told(|r| {
            r.signal = Some(15);
            r.timed_out = true;
        });
        assert_eq!(timed_out, (OutcomeKind::TimedOut, "timed out after 30 s".into()));
        let cancelled = told(|r| {
            r.signal = Some(15);
            r.cancelled = true;
        });
        assert_eq!(cancelled, (OutcomeKind::Cancelled, "cancelled".into()));
    }

    #[test]
    fn durations_and_sizes_read_as_people_write_them() {
        assert_eq!(spoken(Duration::from_millis(1_500)), "1 s 500 ms");
        assert_eq!(spoken(Duration::from_secs(90)), "1 min 30 s");
        assert_eq!(spoken(Duration::from_hours(2)), "2 h");
        assert_eq!(spoken(Duration::ZERO), "0 s");
        assert_eq!(bytes(1 << 30), "1 GiB");
        assert_eq!(bytes(100_000_000), "95.4 MiB");
        assert_eq!(remains(Some(2), "no key"), "exit code 2: no key");
    }
}
