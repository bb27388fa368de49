//! The dialog for all runs that match a filter: says how many there are, asks, and says how many are left.

use dioxus::prelude::*;

use crate::browser;
use crate::i18n::{group_digits, t, tf, tn};
use crate::pages::runs::actions::{self, MOST};
use crate::pages::runs::data::{self, JobFilter, Refusal};
use crate::pages::runs::filters;
use crate::params::Params;
use crate::ui::{Dialog, ErrorNotice, Icon, JobStatus, Skeleton, StatusIcon, error_text, use_query};

/// What one step stopped, what it left, and what all steps stopped together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stopped {
    now: u64,
    left: u64,
    all: u64,
}

/// So many are stopped by the next step.
fn next(open: u64) -> u64 {
    open.min(u64::from(MOST.unsigned_abs()))
}

/// `filter` is narrowed to what can be stopped; `params` says it in words.
#[component]
pub fn MatchingDialog(
    filter: ReadSignal<JobFilter>,
    params: Params,
    /// The name of the event that they ask for.
    #[props(default)]
    event: Option<String>,
    /// Hears whether anything was asked for.
    onclose: EventHandler<bool>,
) -> Element {
    let mut count = use_query(move || data::count(filter()));
    let mut busy = use_signal(|| false);
    let mut stopped = use_signal(|| None::<Stopped>);
    let mut refused = use_signal(|| None::<Refusal>);
    let step = move |_| async move {
        if busy() {
            return;
        }
        busy.set(true);
        refused.set(None);
        match actions::cancel_matching(filter()).await {
            Ok((now, left)) => {
                let before = stopped.peek().map_or(0, |before| before.all);
                let all = before + now;
                stopped.set(Some(Stopped { now, left, all }));
                if left == 0 {
                    browser::focus_soon("matching-close");
                }
            }
            Err(refusal) => refused.set(Some(refusal)),
        }
        busy.set(false);
    };
    let known = (count.data)();
    let open = stopped().map_or(known, |stopped| Some(stopped.left));
    let close = move || {
        if !busy() {
            onclose.call(stopped.peek().is_some());
        }
    };
    rsx! {
        Dialog {
            id: "matching",
            title: t(if stopped().is_some_and(|sum| sum.left == 0) { "runs.bulk.over" } else { "runs.matching.title" }),
            onclose: move |()| close(),
            foot: rsx! {
                button { class: "btn", r#type: "button", id: "matching-close", disabled: busy(), onclick: move |_| close(),
                    {if stopped().is_some() { t("dialog.close") } else { t("runs.bulk.keep") }}
                }
                if let Some(open) = open.filter(|open| *open > 0) {
                    button {
                        class: "btn btn-danger-solid",
                        r#type: "button",
                        "aria-busy": if busy() { "true" },
                        onclick: step,
                        {tn(if stopped().is_some() { "runs.matching.next" } else { "runs.bulk.cancel_do" }, next(open))}
                    }
                }
            },
            Asked { params, event }
            match (stopped(), known, (count.error)()) {
                (Some(sum), ..) => rsx! { Result { sum } },
                (None, Some(0), _) => rsx! { p { role: "status", {t("runs.matching.none")} } },
                (None, Some(open), _) => rsx! {
                    p { role: "status", {tn("runs.matching.count", open)} }
                    if open > next(open) {
                        p { {tf("runs.matching.most", &[("n", &group_digits(next(open)))])} }
                    }
                    p { {t("runs.bulk.cancel_text")} }
                },
                (None, None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| count.reload() } },
                (None, None, None) => rsx! { Skeleton { lines: 2 } },
            }
            if let Some(refusal) = refused() {
                p { class: "error", role: "alert", Icon { name: "alert" }
                    {match &refusal {
                        Refusal::Failed(error) => error_text(error),
                        Refusal::Refused(_) => refusal.text(),
                    }}
                }
            }
        }
    }
}

/// The filter in words: whoever stops so much must see what it is.
#[component]
fn Asked(params: Params, event: Option<String>) -> Element {
    let words = filters::described(&params, event);
    rsx! {
        if words.is_empty() {
            p { class: "banner", "data-status": "PARTIAL", Icon { name: "alert" } span { {t("runs.matching.no_filter")} } }
        } else {
            ul { class: "tags", "aria-label": t("runs.matching.filter"),
                for word in words {
                    li { key: "{word}", class: "badge badge-line", "{word}" }
                }
            }
        }
    }
}

#[component]
fn Result(sum: Stopped) -> Element {
    rsx! {
        div { class: "bulk-sum", role: "status",
            p { StatusIcon { status: JobStatus::Succeeded } {tn("runs.bulk.cancelled", sum.all)} }
            if sum.left > 0 {
                p { StatusIcon { status: JobStatus::Queued } {tn("runs.matching.left", sum.left)} }
            } else if sum.now == 0 {
                p { class: "hint", {t("runs.matching.none")} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_stops_no_more_than_the_api_takes() {
        assert_eq!(next(0), 0);
        assert_eq!(next(407), 407);
        assert_eq!(next(1_000), 1_000);
        assert_eq!(next(48_000), 1_000);
    }
}
