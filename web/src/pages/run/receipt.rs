//! The receipt of a cancellation: who asked, and what was done so far, on each of several servers by itself. From the
//! request to the end and after it.

use dioxus::prelude::*;

use super::data::CancellationReceipt;
use super::head::ServerLink;
use super::lanes::Lane;
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::moment;
use crate::ui::{Icon, StatusIcon};

/// How one step of a cancellation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Done,
    /// It is waited for.
    Pending,
    /// There was no need.
    Needless,
    /// Nobody can say.
    Unconfirmed,
}

impl Step {
    fn icon(self) -> &'static str {
        match self {
            Self::Done => "check",
            Self::Pending => "clock",
            Self::Needless => "minus",
            Self::Unconfirmed => "alert",
        }
    }

    fn word(self) -> String {
        t(match self {
            Self::Done => "run.step.done",
            Self::Pending => "run.step.pending",
            Self::Needless => "run.step.needless",
            Self::Unconfirmed => "run.step.unconfirmed",
        })
    }
}

/// How signal, force and end of the process stand. `ended`: the run is over.
pub fn steps(receipt: &CancellationReceipt, ended: bool) -> [Step; 3] {
    let signal = match (receipt.signal_sent, ended) {
        (true, _) => Step::Done,
        (false, false) => Step::Pending,
        (false, true) => Step::Needless,
    };
    let force = match (receipt.escalated, ended) {
        (true, _) => Step::Done,
        (false, false) => Step::Pending,
        (false, true) => Step::Needless,
    };
    let gone = match (receipt.process_gone, ended) {
        (true, _) => Step::Done,
        (false, false) => Step::Pending,
        (false, true) => Step::Unconfirmed,
    };
    [signal, force, gone]
}

/// The receipt. What is done is told to whoever does not see it. `lanes` are the servers, where there are several.
#[component]
pub fn Receipt(locale: Locale, receipt: CancellationReceipt, ended: bool, lanes: Vec<Lane>) -> Element {
    let by = receipt
        .requested_by
        .as_ref()
        .map_or_else(|| t("run.system"), |person| person.name.clone());
    rsx! {
        section { class: "run-receipt", "aria-label": t("run.cancellation"),
            h2 { {t("run.cancellation")} }
            div { role: "status",
                ol { class: "receipt",
                    li { "data-step": "done",
                        Icon { name: "check" }
                        span {
                            {tf("run.cancel.asked_by", &[("name", &by)])}
                            " "
                            span { class: "num dim", {moment(receipt.requested_at)} }
                        }
                    }
                    Steps { receipt: receipt.clone(), ended }
                }
            }
            if let Some(note) = &receipt.note {
                p { class: "sub", lang: "en", "{note}" }
            }
            if !lanes.is_empty() {
                ul { class: "run-receipts", tabindex: "0", "aria-label": t("run.cancel.servers"),
                    for lane in lanes {
                        OnServer { key: "{lane.id()}", locale, lane }
                    }
                }
            }
        }
    }
}

/// What was done on one server.
#[component]
fn OnServer(locale: Locale, lane: Lane) -> Element {
    let last = lane.last();
    let receipt = last.and_then(|one| one.cancellation.clone());
    let ended = last.is_some_and(|one| one.status.is_final());
    rsx! {
        li {
            span { class: "cell-main",
                StatusIcon { status: lane.status() }
                ServerLink { locale, lane: lane.clone() }
            }
            if let Some(receipt) = receipt {
                ol { class: "receipt", Steps { receipt: receipt.clone(), ended } }
                if let Some(note) = receipt.note {
                    span { class: "sub", lang: "en", "{note}" }
                }
            } else {
                span { class: "dim", {t("run.cancel.nothing")} }
            }
        }
    }
}

/// The steps as items of a list.
#[component]
pub fn Steps(receipt: CancellationReceipt, ended: bool) -> Element {
    let [signal, force, gone] = steps(&receipt, ended);
    let shown = [
        (signal, "run.cancel.signal", true),
        // Until it is over nobody knows whether it takes force.
        (force, "run.cancel.escalated", force != Step::Pending),
        (gone, "run.cancel.gone", true),
    ];
    rsx! {
        for (step, key, there) in shown {
            if there {
                li { key: "{key}", "data-step": if step == Step::Unconfirmed { "open" } else if step == Step::Done { "done" } else { "none" },
                    Icon { name: step.icon() }
                    span { {t(key)} " " span { class: "dim", {step.word()} } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Timestamp;

    fn receipt(signal_sent: bool, escalated: bool, process_gone: bool) -> CancellationReceipt {
        CancellationReceipt {
            requested_at: Timestamp::from_timestamp(0, 0).unwrap(),
            requested_by: None,
            signal_sent,
            escalated,
            process_gone,
            note: None,
        }
    }

    #[test]
    fn until_the_end_what_is_not_done_is_waited_for() {
        use Step::{Done, Needless, Pending, Unconfirmed};
        for (receipt, ended, expected) in [
            (receipt(false, false, false), false, [Pending, Pending, Pending]),
            (receipt(true, false, false), false, [Done, Pending, Pending]),
            (receipt(true, false, true), true, [Done, Needless, Done]),
            (receipt(true, true, true), true, [Done, Done, Done]),
            // Nothing ran: nobody had to be told.
            (receipt(false, false, true), true, [Needless, Needless, Done]),
            // The host could not be reached.
            (receipt(true, true, false), true, [Done, Done, Unconfirmed]),
        ] {
            assert_eq!(steps(&receipt, ended), expected, "{receipt:?} {ended}");
        }
    }
}
