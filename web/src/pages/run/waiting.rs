//! What a run waits for, and since when. What the API says in words is shown as it says it; what follows from figures
//! is said in the language of the page.

use dioxus::prelude::*;

use super::data::JobDetail;
use crate::api::{IsoDuration, Timestamp};
use crate::i18n::{t, tf};
use crate::pages::runs::moment;
use crate::status::{STATUS, SystemStatus};
use crate::ui::{Icon, JobStatus, duration, elapsed, until};

/// What a run that has not begun waits for.
#[derive(Debug, Clone, PartialEq)]
pub enum Wait {
    /// The moment that it was to start at.
    Start(Timestamp),
    /// Another attempt.
    Again { attempt: i32, at: Timestamp },
    /// What the API says.
    Said(String),
    /// Somebody who takes it.
    Taker(Takers),
    /// An orchestrator makes it ready.
    Ready(Option<String>),
}

/// Why nobody has taken it yet, as far as the viewer may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takers {
    Unknown,
    /// None is connected.
    None,
    /// Those that are take no new work.
    Draining,
    /// Those that take work have no place.
    Full,
}

fn takers(status: Option<&SystemStatus>) -> Takers {
    let Some(status) = status else {
        return Takers::Unknown;
    };
    let mut connected = status.orchestrators.iter().filter(|one| one.connected).peekable();
    if connected.peek().is_none() {
        return Takers::None;
    }
    let mut taking = connected.filter(|one| !one.draining).peekable();
    if taking.peek().is_none() {
        return Takers::Draining;
    }
    if taking.all(|one| one.running >= one.capacity) {
        return Takers::Full;
    }
    Takers::Unknown
}

/// What a job waits for at a moment, and since when; None for one that runs or has ended.
pub fn wait(job: &JobDetail, status: Option<&SystemStatus>, now_ms: f64) -> Option<(Wait, Timestamp)> {
    let to_come = |at: &Timestamp| at.timestamp_millis() as f64 > now_ms;
    let last = job.executions.last();
    let before = job.executions.iter().rev().nth(1).and_then(|one| one.finished_at);
    let accepted = job.run_at.map_or(job.created_at, |at| at.max(job.created_at));
    match job.status {
        JobStatus::Queued => {}
        JobStatus::Dispatching => {
            let queued = last
                .and_then(|one| one.timing.queued.as_ref())
                .and_then(IsoDuration::get);
            let since = before.unwrap_or(accepted) + queued.unwrap_or_default();
            return Some((Wait::Ready(last.and_then(|one| one.orchestrator.clone())), since));
        }
        _ => return None,
    }
    if let Some(one) = last
        && let Some(at) = one.due_at.filter(to_come)
        && one.attempt > 1
    {
        let attempt = one.attempt;
        return Some((Wait::Again { attempt, at }, before.unwrap_or(accepted)));
    }
    if let Some(at) = job.run_at.filter(to_come) {
        return Some((Wait::Start(at), job.created_at));
    }
    let since = before.map_or(accepted, |at| at.max(accepted));
    let said = job
        .status_reason
        .clone()
        .filter(|said| !said.eq_ignore_ascii_case(job.status.name()));
    let wait = said.map_or_else(|| Wait::Taker(takers(status)), Wait::Said);
    Some((wait, since))
}

/// Words for what is waited for: what, and what more the API says of it.
fn words(wait: &Wait, job: &JobDetail) -> (String, Option<String>) {
    let said = job.status_reason.clone();
    match wait {
        Wait::Start(at) => (tf("run.wait.start", &[("time", &moment(*at))]), None),
        Wait::Again { attempt, at } => {
            let attempt = attempt.to_string();
            let words = tf("run.wait.again", &[("n", &attempt), ("time", &moment(*at))]);
            (words, said)
        }
        Wait::Said(said) => (t("run.wait.said"), Some(said.clone())),
        Wait::Taker(takers) => {
            let key = match takers {
                Takers::Unknown => "run.wait.taker",
                Takers::None => "run.wait.none",
                Takers::Draining => "run.wait.draining",
                Takers::Full => "run.wait.full",
            };
            (t(key), None)
        }
        Wait::Ready(Some(name)) => (tf("run.wait.ready_at", &[("name", name)]), None),
        Wait::Ready(None) => (t("run.wait.ready"), None),
    }
}

/// What the run waits for; nothing where it does not wait.
#[component]
pub fn Waiting(job: JobDetail, now: Signal<f64>) -> Element {
    let status = STATUS.read();
    let Some((wait, since)) = wait(&job, status.as_ref(), now()) else {
        return rsx! {};
    };
    let (what, said) = words(&wait, &job);
    let left = match wait {
        Wait::Start(at) | Wait::Again { at, .. } => Some(until(at, now())),
        _ => None,
    };
    let waited = duration(elapsed(since, now()));
    rsx! {
        section { class: "run-wait", "aria-label": t("run.wait"),
            Icon { name: "clock" }
            p {
                span { role: "status", b { "{what}" } }
                if let Some(said) = said {
                    " "
                    span { lang: "en", "{said}" }
                }
            }
            // It counts: told once a second it would be noise.
            span { class: "num dim",
                if let Some(left) = left {
                    {tf("run.wait.left", &[("time", &duration(left))])}
                } else {
                    {tf("run.wait.since", &[("time", &moment(since)), ("waited", &waited)])}
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::run::data::tests::{execution, job};
    use crate::status::{ComponentStatus, Orchestrator};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(seconds, 0).unwrap()
    }

    /// Orchestrators as (connected, draining, running, capacity).
    fn status(all: &[(bool, bool, i32, i32)]) -> SystemStatus {
        let one = |(at, &(connected, draining, running, capacity)): (usize, &(bool, bool, i32, i32))| {
            Orchestrator {
                id: at.to_string().into(),
                name: format!("worker-{at}"),
                version: String::new(),
                connected,
                draining,
                labels: Vec::new(),
                outdated: false,
                capacity,
                running,
                last_seen_at: self::at(0),
                started_at: self::at(0),
                host: None,
                viewer_can: Vec::new(),
            }
        };
        SystemStatus {
            at: at(0),
            healthy: true,
            database: ComponentStatus {
                ok: true,
                latency_ms: None,
            },
            queue_depth: 0,
            oldest_queued_seconds: None,
            running: 0,
            orchestrators: all.iter().enumerate().map(one).collect(),
        }
    }

    #[test]
    fn nobody_takes_it_for_one_of_these_reasons() {
        let (free, full, drains, away) = (
            (true, false, 1, 4),
            (true, false, 4, 4),
            (true, true, 0, 4),
            (false, false, 0, 4),
        );
        for (all, expected) in [
            (&[][..], Takers::None),
            (&[away], Takers::None),
            (&[drains, away], Takers::Draining),
            (&[full, drains], Takers::Full),
            (&[full, free], Takers::Unknown),
        ] {
            assert_eq!(takers(Some(&status(all))), expected, "{all:?}");
        }
        assert_eq!(
            takers(None),
            Takers::Unknown,
            "who may not see it is told nothing"
        );
    }

    #[test]
    fn a_start_to_come_is_waited_for_until_it_has_come() {
        let mut job = job(JobStatus::Queued, vec![execution(1, JobStatus::Queued)]);
        (job.created_at, job.run_at) = (at(100), Some(at(200)));
        job.status_reason = Some("Starts at 2026-03-17 09:00 UTC.".to_owned());
        assert_eq!(wait(&job, None, 150_000.0), Some((Wait::Start(at(200)), at(100))));
        job.status_reason = None;
        let nobody = status(&[]);
        assert_eq!(
            wait(&job, Some(&nobody), 260_000.0),
            Some((Wait::Taker(Takers::None), at(200))),
            "from then on it waits for somebody"
        );
    }

    #[test]
    fn another_attempt_is_waited_for_since_the_last_one_ended() {
        let (mut first, mut second) = (execution(1, JobStatus::Failed), execution(2, JobStatus::Queued));
        (first.finished_at, second.due_at) = (Some(at(120)), Some(at(180)));
        let mut job = job(JobStatus::Queued, vec![first, second]);
        job.created_at = at(100);
        job.status_reason = Some("Attempt 1 of 3 failed".to_owned());
        let again = Wait::Again {
            attempt: 2,
            at: at(180),
        };
        assert_eq!(wait(&job, None, 130_000.0), Some((again, at(120))));
        job.status_reason = None;
        let taker = Wait::Taker(Takers::Unknown);
        assert_eq!(wait(&job, None, 190_000.0), Some((taker, at(120))));
    }

    #[test]
    fn what_the_api_says_is_shown_as_it_says_it() {
        let mut job = job(JobStatus::Queued, vec![execution(1, JobStatus::Queued)]);
        job.created_at = at(100);
        let said = "Waits for its turn: this event runs once at a time.";
        job.status_reason = Some(said.to_owned());
        let expected = (Wait::Said(said.to_owned()), at(100));
        assert_eq!(wait(&job, Some(&status(&[])), 130_000.0), Some(expected));
    }

    #[test]
    fn what_runs_or_has_ended_waits_for_nothing() {
        for status in JobStatus::ALL {
            let job = job(status, vec![execution(1, status)]);
            let waits = matches!(status, JobStatus::Queued | JobStatus::Dispatching);
            assert_eq!(wait(&job, None, 0.0).is_some(), waits, "{status:?}");
        }
    }

    #[test]
    fn what_is_made_ready_waits_since_it_was_taken() {
        let mut one = execution(1, JobStatus::Dispatching);
        one.orchestrator = Some("worker-1".to_owned());
        one.timing.queued = Some(IsoDuration("PT4S".to_owned()));
        let mut job = job(JobStatus::Dispatching, vec![one]);
        job.created_at = at(100);
        let ready = Wait::Ready(Some("worker-1".to_owned()));
        assert_eq!(wait(&job, None, 110_000.0), Some((ready, at(104))));
    }
}
