//! What a person does to many runs: to those that are chosen, or to all that match. Knows no list.

mod chosen;
mod many;
mod matching;

use dioxus::prelude::*;

pub use self::chosen::ChosenDialog;
pub use self::many::Asked;
pub use self::matching::MatchingDialog;
use super::data::JobRow;
use super::table::{can_cancel, can_retry};
use crate::i18n::{t, tf, tn};
use crate::session::{self, Scope};
use crate::ui::Icon;

/// What is done to the chosen runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Cancel,
    Retry,
}

/// What a dialog is open for.
#[derive(Debug, Clone, PartialEq)]
pub enum Open {
    /// These runs; so many more were chosen, to which it can't be done.
    Chosen(Act, Vec<Asked>, usize),
    /// All that match.
    Matching,
}

impl Act {
    /// Whether the viewer can do it to this run now.
    pub fn fits(self, job: &JobRow) -> bool {
        match self {
            Self::Cancel => can_cancel(job),
            Self::Retry => can_retry(job),
        }
    }

    /// Those of the runs that it can be done to.
    fn of(self, jobs: &[JobRow]) -> Vec<Asked> {
        let fitting = jobs.iter().filter(|job| self.fits(job));
        fitting
            .map(|job| Asked {
                id: job.id.inner().to_owned(),
                number: job.number,
                title: job.title.clone(),
            })
            .collect()
    }
}

/// Whether choosing rows leads anywhere.
pub fn may_act() -> bool {
    session::may(Scope::CancelJobs) || session::may(Scope::RunEvents)
}

/// The bar for chosen rows. `beyond` says that every row is chosen and the list goes on.
#[component]
pub fn BulkBar(
    jobs: Vec<JobRow>,
    beyond: bool,
    onopen: EventHandler<Open>,
    onclear: EventHandler,
) -> Element {
    let acts = [
        (Act::Cancel, "stop", "runs.cancel_some"),
        (Act::Retry, "retry", "runs.retry_some"),
    ];
    let all = jobs.len();
    // One word where all are alike, as a first check.
    let alike = jobs
        .first()
        .filter(|first| all > 1 && jobs.iter().all(|job| job.status == first.status))
        .map(|first| tf("runs.all_are", &[("status", &first.status.word().to_lowercase())]));
    rsx! {
        div { class: "bulk-at",
            div {
                class: "bulk",
                role: "toolbar",
                "aria-label": t("runs.selected_runs"),
                onkeydown: move |event| {
                    if event.key() == Key::Escape {
                        onclear.call(());
                    }
                },
                b { role: "status", {tn("runs.selected", all as u64)} }
                if let Some(alike) = alike {
                    span { class: "md", "{alike}" }
                }
                for (act, icon, key) in acts {
                    BulkButton { key: "{key}", act, icon, words: key, asked: act.of(&jobs), all, onopen }
                }
                if beyond && session::may(Scope::CancelJobs) {
                    button { class: "btn btn-sm", r#type: "button", onclick: move |_| onopen.call(Open::Matching),
                        {t("runs.matching")}
                    }
                }
                button { class: "icon-btn icon-btn-sm", r#type: "button", "aria-label": t("runs.clear"), title: t("runs.clear"), onclick: move |_| onclear.call(()),
                    Icon { name: "x" }
                }
            }
        }
    }
}

#[component]
fn BulkButton(
    act: Act,
    icon: String,
    words: String,
    asked: Vec<Asked>,
    all: usize,
    onopen: EventHandler<Open>,
) -> Element {
    let count = asked.len();
    let words = match (count, act) {
        (0, Act::Cancel) => t("dialog.cancel"),
        (0, Act::Retry) => t("run.retry"),
        _ => tf(&words, &[("n", &count.to_string())]),
    };
    rsx! {
        button {
            class: "btn btn-sm",
            r#type: "button",
            disabled: count == 0,
            onclick: move |_| onopen.call(Open::Chosen(act, asked.clone(), all - count)),
            Icon { name: icon }
            "{words}"
        }
    }
}
