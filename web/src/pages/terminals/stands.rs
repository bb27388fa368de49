//! How a terminal stands, in words and in a colour, and how long it has left. Knows no page.

use dioxus::prelude::*;

use super::data::{Session, TerminalStatus};
use super::held::{Flow, State};
use crate::api::Timestamp;
use crate::i18n::{t, tf};
use crate::pages::runs::moment;
use crate::ui::{Icon, JobStatus, duration, elapsed, until};

/// So long the far side keeps a terminal that nobody reads from, in seconds.
const KEPT: f64 = 30.0;
/// So long before its end people are warned.
const WARNED: f64 = 60_000.0;

/// A colour and a word for how a terminal stands here.
pub fn stands(state: &State) -> (JobStatus, String) {
    let (colour, key) = match state.flow {
        Flow::Undrawn => (JobStatus::Failed, "terminals.undrawn"),
        Flow::Gone => (JobStatus::Lost, "terminals.gone_now"),
        Flow::Over => (JobStatus::Cancelled, "terminals.ended"),
        Flow::Down(_) => (JobStatus::Partial, "terminals.down"),
        Flow::Connecting => (JobStatus::Dispatching, "terminals.connecting"),
        Flow::Live if state.session.status == TerminalStatus::Opening => {
            (JobStatus::Dispatching, "terminals.opening")
        }
        Flow::Live => (JobStatus::Succeeded, "terminals.connected"),
    };
    (colour, t(key))
}

/// The same of one of which no more than the row is known.
pub fn stands_in_list(session: &Session) -> (JobStatus, String) {
    match session.status {
        TerminalStatus::Opening => (JobStatus::Dispatching, t("terminals.opening")),
        TerminalStatus::Open => (JobStatus::Running, t("terminals.open")),
        TerminalStatus::Ended => (JobStatus::Cancelled, t("terminals.ended")),
    }
}

/// Icon and word.
#[component]
pub fn Stand(colour: JobStatus, word: String) -> Element {
    rsx! {
        span { class: "status", "data-status": colour.name(), Icon { name: colour.icon() } "{word}" }
    }
}

/// Whole seconds for which a terminal is still kept whose connection is gone; none once that is over.
fn left(since: f64, now: f64) -> Option<u64> {
    let left = (KEPT - (now - since) / 1_000.0).ceil();
    (left > 0.0).then_some(left as u64)
}

/// What becomes of a terminal whose connection is gone.
pub fn kept_words(state: &State, now: f64) -> Option<String> {
    let Flow::Down(since) = state.flow else {
        return None;
    };
    Some(match left(since, now) {
        Some(left) => tf("terminals.kept", &[("n", &left.to_string())]),
        None => t("terminals.kept_over"),
    })
}

/// Whether a moment is near.
fn is_near(moment: Option<Timestamp>, now: f64) -> bool {
    moment.is_some_and(|moment| moment.timestamp_millis() as f64 - now < WARNED)
}

/// Why a terminal will be closed, and when, if that is near.
fn closing(session: &Session, now: f64) -> Option<(&'static str, Timestamp)> {
    if is_near(session.until, now) {
        Some(("terminals.closes", session.until?))
    } else if is_near(session.idle_until, now) && session.is_mine {
        Some(("terminals.idle", session.idle_until?))
    } else {
        None
    }
}

/// A warning that a terminal will be closed, as long as it goes on, and the time that is left.
pub fn warning(state: &State, now: f64) -> Option<(String, String)> {
    if matches!(state.flow, Flow::Over | Flow::Gone | Flow::Undrawn) {
        return None;
    }
    let (key, ends) = closing(&state.session, now)?;
    Some((t(key), duration(until(ends, now))))
}

/// How long it was, or has been, open.
pub fn length(session: &Session, now: f64) -> Option<String> {
    let begun = session.opened_at?;
    let end = session.ended_at.map_or(now, |at| at.timestamp_millis() as f64);
    Some(duration(elapsed(begun, end)))
}

/// When it began, on the clock of the person's place.
pub fn begun(session: &Session) -> String {
    moment(session.opened_at.unwrap_or(session.created_at))
}

#[cfg(test)]
mod tests {
    use super::super::data::tests::session;
    use super::*;

    #[test]
    fn a_terminal_is_kept_for_half_a_minute() {
        assert_eq!(left(10_000.0, 10_000.0), Some(30));
        assert_eq!(left(10_000.0, 39_500.0), Some(1));
        assert_eq!(left(10_000.0, 40_000.0), None);
        assert_eq!(left(10_000.0, 99_000.0), None);
    }

    #[test]
    fn an_end_is_near_a_minute_before() {
        let ends = Timestamp::from_timestamp(100, 0);
        assert!(!is_near(ends, 39_000.0));
        assert!(is_near(ends, 41_000.0));
        assert!(is_near(ends, 200_000.0));
        assert!(!is_near(None, 0.0));
    }

    #[test]
    fn the_end_that_no_key_puts_off_is_told_first() {
        let (at, near) = (|seconds| Timestamp::from_timestamp(seconds, 0), 60_000.0);
        let mut one = session("a", TerminalStatus::Open);
        (one.idle_until, one.until) = (at(100), at(900));
        assert_eq!(closing(&one, 0.0), None);
        assert_eq!(closing(&one, near), Some(("terminals.idle", at(100).unwrap())));
        one.until = at(110);
        assert_eq!(closing(&one, near), Some(("terminals.closes", at(110).unwrap())));
        one.is_mine = false;
        one.until = at(900);
        assert_eq!(closing(&one, near), None, "no key of theirs would put it off");
    }

    #[test]
    fn a_terminal_without_a_shell_has_no_length() {
        assert_eq!(length(&session("a", TerminalStatus::Ended), 5_000.0), None);
    }
}
