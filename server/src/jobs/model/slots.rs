//! Jobs on several servers: a slot is a job's part on one of them, and its attempts follow each other. What slots come
//! to together, and which of them may go. Pure.

use cronium_entity::enums::JobStatus;
use serde_json::{Value, json};

use super::is_final;

/// Servers that a reason names.
const NAMED: usize = 3;
/// Letters of what it says of each.
const LETTERS: usize = 120;

/// A slot, as its last attempt says.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The server's name.
    pub name: String,
    pub status: JobStatus,
    pub reason: Option<String>,
    /// User code of an attempt has started, or an attempt has ended.
    pub begun: bool,
    /// It waits for another slot to end.
    pub waits: bool,
    /// What was done to stop it; None: it was not asked to.
    pub receipt: Option<Value>,
}

/// What ends come to together.
pub fn summed(ends: &[JobStatus]) -> JobStatus {
    use JobStatus::{Cancelled, Failed, Lost, Partial, Skipped, Succeeded, TimedOut};
    let Some(first) = ends.first() else {
        return Skipped;
    };
    if ends.iter().all(|end| end == first) {
        return *first;
    }
    if ends.contains(&Succeeded) {
        return Partial;
    }
    let worst = [Failed, TimedOut, Lost, Cancelled].into_iter();
    worst.into_iter().find(|end| ends.contains(end)).unwrap_or(Failed)
}

/// Where a job with these slots is.
pub fn status(slots: &[Slot]) -> JobStatus {
    let all: Vec<_> = slots.iter().map(|slot| slot.status).collect();
    if all.iter().all(|status| is_final(*status)) {
        summed(&all)
    } else if slots.iter().any(|slot| slot.begun) {
        JobStatus::Running
    } else if all.contains(&JobStatus::Dispatching) {
        JobStatus::Dispatching
    } else {
        JobStatus::Queued
    }
}

/// How many of the slots that wait may go when so many run at a time; None: all.
pub fn free(slots: &[Slot], max_parallel: Option<i32>) -> usize {
    let waiting = slots.iter().filter(|slot| slot.waits).count();
    let under_way = slots
        .iter()
        .filter(|slot| !slot.waits && !is_final(slot.status))
        .count();
    match max_parallel {
        Some(most) => usize::try_from(most)
            .unwrap_or_default()
            .max(1)
            .saturating_sub(under_way)
            .min(waiting),
        None => waiting,
    }
}

/// Where to run again what did not succeed; everywhere, if all of it did. Of each slot the last attempt counts; they
/// come by slots, oldest first.
pub fn again<T>(attempts: impl IntoIterator<Item = (i32, T, JobStatus)>) -> Vec<T> {
    let mut last: Vec<(i32, T, JobStatus)> = Vec::new();
    for attempt in attempts {
        match last.last_mut() {
            Some(before) if before.0 == attempt.0 => *before = attempt,
            _ => last.push(attempt),
        }
    }
    let failed = |status: JobStatus| status != JobStatus::Succeeded;
    let some = last.iter().any(|(.., status)| failed(*status));
    last.retain(|(.., status)| !some || failed(*status));
    last.into_iter().map(|(_, place, _)| place).collect()
}

/// What a slot is told that waits for another one to end.
pub fn waits(max_parallel: i32) -> String {
    match max_parallel {
        1 => "Waits until the server before it has ended: one runs at a time.".into(),
        most => format!("Waits until another server has ended: {most} run at a time."),
    }
}

/// Why a slot did not succeed, in a few words.
fn why(slot: &Slot) -> String {
    let said = slot.reason.as_deref().unwrap_or(match slot.status {
        JobStatus::TimedOut => "timed out",
        JobStatus::Cancelled => "cancelled",
        JobStatus::Lost => "contact was lost",
        JobStatus::Skipped => "skipped",
        _ => "failed",
    });
    let sentence = said.split(". ").next().unwrap_or_default().trim_end_matches('.');
    match sentence.char_indices().nth(LETTERS) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence.to_owned(),
    }
}

/// Which servers did not succeed and why; None: all did.
pub fn reason(slots: &[Slot]) -> Option<String> {
    let failed: Vec<&Slot> = slots
        .iter()
        .filter(|slot| slot.status != JobStatus::Succeeded)
        .collect();
    if failed.is_empty() {
        return None;
    }
    let (count, all) = (failed.len(), slots.len());
    let mut text = if count == all {
        format!("None of the {all} servers succeeded: ")
    } else {
        format!("{count} of {all} servers did not succeed: ")
    };
    let named: Vec<_> = failed
        .iter()
        .take(NAMED)
        .map(|slot| format!("{} ({})", slot.name, why(slot)))
        .collect();
    text.push_str(&named.join(", "));
    if count > NAMED {
        text.push_str(&format!(" and {} more", count - NAMED));
    }
    text.push('.');
    Some(text)
}

fn says(receipt: &Value, name: &str) -> bool {
    receipt[name].as_bool().unwrap_or_default()
}

/// What was done to stop all slots together. `note`: why they were to stop, where that was not a person's wish.
pub fn receipt(slots: &[Slot], note: Option<&str>) -> Value {
    let all: Vec<&Value> = slots.iter().filter_map(|slot| slot.receipt.as_ref()).collect();
    let any = |name: &str| all.iter().any(|receipt| says(receipt, name));
    let left = all.iter().find(|receipt| !says(receipt, "processGone"));
    // What is not certain is told before what is common to all.
    let common = all.first().filter(|first| {
        let note = &first["note"];
        all.iter().all(|receipt| receipt["note"] == *note)
    });
    let told = left.or(common).and_then(|receipt| receipt["note"].as_str());
    json!({
        "signalSent": any("signalSent"), "escalated": any("escalated"), "processGone": left.is_none(),
        "note": note.or(told),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::JobStatus::{
        Cancelled, Dispatching, Failed, Lost, Partial, Queued, Running, Succeeded, TimedOut,
    };
    use super::*;

    fn slot(name: &str, status: JobStatus) -> Slot {
        Slot {
            name: name.into(),
            status,
            reason: None,
            begun: is_final(status) || status == Running,
            waits: false,
            receipt: None,
        }
    }

    #[test]
    fn some_of_several_are_partial_and_none_is_as_bad_as_the_worst() {
        for (ends, sum) in [
            (&[Succeeded, Succeeded][..], Succeeded),
            (&[Succeeded, Failed], Partial),
            (&[Cancelled, Succeeded, Lost], Partial),
            (&[Lost, TimedOut, Failed, Cancelled], Failed),
            (&[Cancelled, Lost, TimedOut], TimedOut),
            (&[Cancelled, Lost], Lost),
            (&[Cancelled, Cancelled], Cancelled),
            (&[TimedOut], TimedOut),
        ] {
            assert_eq!(summed(ends), sum, "{ends:?}");
        }
    }

    #[test]
    fn a_job_runs_from_the_first_start_to_the_last_end() {
        for (slots, expected) in [
            (&[Queued, Queued][..], Queued),
            (&[Queued, Dispatching], Dispatching),
            (&[Running, Dispatching], Running),
            (&[Succeeded, Queued], Running),
            (&[Failed, Dispatching], Running),
            (&[Failed, Succeeded], Partial),
        ] {
            let slots: Vec<_> = slots.iter().map(|status| slot("web", *status)).collect();
            assert_eq!(status(&slots), expected, "{slots:?}");
        }
        let tried_again = Slot {
            begun: true,
            ..slot("web", Queued)
        };
        assert_eq!(status(&[tried_again, slot("db", Queued)]), Running);
    }

    #[test]
    fn what_succeeded_is_not_run_again_unless_all_of_it_did() {
        let some = [
            (0, "web", Failed),
            (0, "web", Succeeded),
            (1, "db", Lost),
            (2, "mail", Cancelled),
        ];
        assert_eq!(again(some), ["db", "mail"]);
        assert_eq!(
            again([(0, "web", Succeeded), (1, "db", Succeeded)]),
            ["web", "db"]
        );
        assert_eq!(again([(0, "web", JobStatus::Skipped)]), ["web"]);
    }

    #[test]
    fn a_reason_names_three_servers_and_says_how_many_more_there_are() {
        assert_eq!(reason(&[slot("web", Succeeded), slot("db", Succeeded)]), None);
        let failed = |name: &str, reason: &str| Slot {
            reason: Some(reason.into()),
            ..slot(name, Failed)
        };
        let two = [
            slot("web", Succeeded),
            failed("db", "exit code 3. The result was not kept"),
            slot("mail", Cancelled),
        ];
        let said = "2 of 3 servers did not succeed: db (exit code 3), mail (cancelled).";
        assert_eq!(reason(&two).as_deref(), Some(said));
        let five = ["a", "b", "c", "d", "e"].map(|name| failed(name, "no route to host."));
        let said = "None of the 5 servers succeeded: a (no route to host), b (no route to host), c (no route to host) \
                    and 2 more.";
        assert_eq!(reason(&five).as_deref(), Some(said));
        let long = reason(&[failed("ü", &"ß".repeat(10_000))]).unwrap();
        assert!(long.chars().count() < 200 && long.ends_with("…)."), "{long}");
    }

    #[test]
    fn a_receipt_tells_what_is_not_certain_first() {
        let with = |signal: bool, killed: bool, gone: bool, note: Option<&str>| Slot {
            receipt: Some(
                json!({ "signalSent": signal, "escalated": killed, "processGone": gone, "note": note }),
            ),
            ..slot("web", Cancelled)
        };
        let nothing = with(false, false, true, Some("Nothing was running."));
        let sum = |signal: bool, killed: bool, gone: bool, note: Option<&str>| {
            let slot = with(signal, killed, gone, note);
            slot.receipt.unwrap()
        };
        let both = [nothing.clone(), nothing.clone(), slot("db", Succeeded)];
        assert_eq!(
            receipt(&both, None),
            sum(false, false, true, Some("Nothing was running."))
        );
        let killed = [
            nothing.clone(),
            with(true, true, true, None),
            with(true, false, true, None),
        ];
        assert_eq!(receipt(&killed, None), sum(true, true, true, None));
        let lost = [nothing, with(false, false, false, Some("Unconfirmed."))];
        assert_eq!(
            receipt(&lost, None),
            sum(false, false, false, Some("Unconfirmed."))
        );
        assert_eq!(
            receipt(&lost, Some("Replaced.")),
            sum(false, false, false, Some("Replaced."))
        );
    }

    proptest! {
        /// However slots end: never more at a time than may be, and nobody waits beside a free place.
        #[test]
        fn slots_go_one_by_one(
            all in 1..30_usize, most in 1..10_i32, ends in proptest::collection::vec(0..30_usize, 0..60),
        ) {
            let at_once = usize::try_from(most).unwrap();
            let mut slots: Vec<_> = (0..all).map(|n| Slot { waits: n >= at_once, ..slot("web", Queued) }).collect();
            for end in ends {
                let mut under_way = slots.iter_mut().filter(|slot| !slot.waits && !is_final(slot.status));
                let Some(one) = under_way.nth(end % at_once) else { continue };
                one.status = Succeeded;
                let go = free(&slots, Some(most));
                for slot in slots.iter_mut().filter(|slot| slot.waits).take(go) {
                    slot.waits = false;
                }
                let under_way = slots.iter().filter(|slot| !slot.waits && !is_final(slot.status)).count();
                prop_assert!(under_way <= at_once);
                prop_assert!(under_way == at_once || slots.iter().all(|slot| !slot.waits));
            }
        }
    }
}
