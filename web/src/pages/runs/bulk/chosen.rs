//! The dialog for chosen runs: asks, does it a few at a time, and says what became of each.

use std::time::Duration;

use dioxus::prelude::*;

use super::Act;
use super::many::{self, Asked, Fate, Sum};
use crate::browser;
use crate::i18n::{Locale, t, tf, tn};
use crate::pages::runs::actions;
use crate::pages::runs::data::{JobRow, Refusal};
use crate::routes::Route;
use crate::ui::{Dialog, Icon, JobStatus, StatusIcon, error_text};

/// The run that came of one, for the way there.
type Made = (String, i32);

fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Failed(error) => error_text(error),
        Refusal::Refused(_) => refusal.text(),
    }
}

fn pause(tries: u32) -> impl Future<Output = ()> {
    browser::sleep(Duration::from_secs(u64::from(tries)))
}

/// Does it to one run. `mark` makes the key under which a lost answer is asked for again.
async fn act_on(act: Act, one: Asked, mark: &str) -> Result<Option<Made>, String> {
    let made = |job: JobRow| (job.id.inner().to_owned(), job.number);
    let answer = match act {
        Act::Cancel => many::patiently(|| actions::cancel(&one.id), pause)
            .await
            .map(|_| None),
        Act::Retry => {
            let key = format!("{mark}-{}", one.number);
            let ask = || actions::retry_once(&one.id, Some(key.clone()));
            many::patiently(ask, pause).await.map(|job| Some(made(job)))
        }
    };
    answer.map_err(|refusal| reason(&refusal))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Asking,
    Working,
    Over,
}

/// Texts of an act: title, confirmation, what was done; each for a count.
fn words(act: Act) -> [&'static str; 3] {
    match act {
        Act::Cancel => ["runs.bulk.cancel", "runs.bulk.cancel_do", "runs.bulk.cancelled"],
        Act::Retry => ["runs.bulk.retry", "runs.bulk.retry_do", "runs.bulk.retried"],
    }
}

/// `left_out` of the chosen runs are not asked about. `onclose` hears whether anything was asked for, and of which runs
/// it was refused or left.
#[component]
pub fn ChosenDialog(
    locale: Locale,
    act: Act,
    asked: Vec<Asked>,
    left_out: usize,
    onclose: EventHandler<Option<Vec<String>>>,
) -> Element {
    let mut stage = use_signal(|| Stage::Asking);
    let mut halted = use_signal(|| false);
    let mut fates = use_signal(|| vec![None::<Fate<Option<Made>>>; asked.len()]);
    let count = asked.len() as u64;
    let [title, confirm, _] = words(act);
    let (runs, rest) = (asked.clone(), asked.clone());
    let start = move |_| {
        let runs = runs.clone();
        async move {
            stage.set(Stage::Working);
            browser::focus_soon("bulk-halt");
            let mark = browser::mark();
            let ask = |one: Asked| {
                let mark = mark.clone();
                async move { act_on(act, one, &mark).await }
            };
            many::each(
                &runs,
                || *halted.peek(),
                ask,
                |at, fate| fates.write()[at] = Some(fate),
            )
            .await;
            stage.set(Stage::Over);
            browser::focus_soon("bulk-close");
        }
    };
    let close = move || match stage() {
        Stage::Asking => onclose.call(None),
        // What is under way can't be taken back: it is waited for.
        Stage::Working => halted.set(true),
        Stage::Over => {
            let held = fates.peek();
            let undone = rest
                .iter()
                .zip(held.iter())
                .filter(|(_, fate)| !matches!(fate, Some(Fate::Done(_))));
            onclose.call(Some(undone.map(|(one, _)| one.id.clone()).collect()));
        }
    };
    let leave = {
        let mut close = close.clone();
        move |_: MouseEvent| close()
    };
    rsx! {
        Dialog {
            id: "bulk",
            title: if stage() == Stage::Over { t("runs.bulk.over") } else { tn(title, count) },
            onclose: {
                let mut close = close.clone();
                move |()| close()
            },
            foot: match stage() {
                Stage::Asking => rsx! {
                    button { class: "btn", r#type: "button", onclick: leave,
                        {if act == Act::Cancel { t("runs.bulk.keep") } else { t("dialog.cancel") }}
                    }
                    button {
                        class: if act == Act::Cancel { "btn btn-danger-solid" } else { "btn btn-primary" },
                        r#type: "button",
                        onclick: start,
                        {tn(confirm, count)}
                    }
                },
                Stage::Working => rsx! {
                    button { class: "btn", r#type: "button", id: "bulk-halt", disabled: halted(), onclick: leave,
                        {if halted() { t("runs.bulk.halting") } else { t("runs.bulk.halt") }}
                    }
                },
                Stage::Over => rsx! {
                    button { class: "btn btn-primary", id: "bulk-close", r#type: "button", onclick: leave, {t("dialog.close")} }
                },
            },
            match stage() {
                Stage::Asking => rsx! { Question { act, asked: asked.clone(), left_out } },
                Stage::Working => rsx! { Progress { done: fates.read().iter().flatten().count(), all: asked.len() } },
                Stage::Over => rsx! { Outcome { locale, act, asked: asked.clone(), fates: fates.read().iter().flatten().cloned().collect::<Vec<_>>() } },
            }
        }
    }
}

#[component]
fn Question(act: Act, asked: Vec<Asked>, left_out: usize) -> Element {
    let (text, others) = match act {
        Act::Cancel => ("runs.bulk.cancel_text", "runs.bulk.ended"),
        Act::Retry => ("runs.bulk.retry_text", "runs.bulk.open"),
    };
    rsx! {
        p { {t(text)} }
        ul { class: "bulk-list", tabindex: "0", "aria-label": t("runs.selected_runs"),
            for one in asked {
                li { key: "{one.id}", span { class: "num dim", "#{one.number}" } span { class: "name", "{one.title}" } }
            }
        }
        if left_out > 0 {
            p { class: "hint", {tn(others, left_out as u64)} }
        }
    }
}

#[component]
fn Progress(done: usize, all: usize) -> Element {
    let words = tf(
        "runs.bulk.progress",
        &[("n", &done.to_string()), ("all", &all.to_string())],
    );
    rsx! {
        p { role: "status", "{words}" }
        progress { class: "progress", max: "{all}", value: "{done}", "aria-label": t("runs.bulk.progress_label") }
    }
}

#[component]
fn Outcome(locale: Locale, act: Act, asked: Vec<Asked>, fates: Vec<Fate<Option<Made>>>) -> Element {
    let Sum { done, refused, left } = many::sum(&fates);
    let [_, _, did] = words(act);
    let pairs: Vec<(Asked, Fate<Option<Made>>)> = asked.into_iter().zip(fates).collect();
    let undone = pairs.iter().filter(|(_, fate)| !matches!(fate, Fate::Done(_)));
    let undone: Vec<_> = undone.cloned().collect();
    let made: Vec<(Asked, Made)> = pairs
        .into_iter()
        .filter_map(|(one, fate)| match fate {
            Fate::Done(Some(made)) => Some((one, made)),
            _ => None,
        })
        .collect();
    rsx! {
        div { class: "bulk-sum", role: "status",
            if done > 0 || refused + left == 0 {
                p { StatusIcon { status: JobStatus::Succeeded } {tn(did, done)} }
            }
            if refused > 0 {
                p { StatusIcon { status: JobStatus::Failed } {tn("runs.bulk.refused", refused)} }
            }
            if left > 0 {
                p { StatusIcon { status: JobStatus::Skipped } {tn("runs.bulk.left", left)} }
            }
        }
        if !undone.is_empty() {
            ul { class: "bulk-list", tabindex: "0", "aria-label": t("runs.bulk.undone"),
                for (one, fate) in undone {
                    li { key: "{one.id}",
                        span { class: "num dim", "#{one.number}" }
                        span { class: "name", "{one.title}" }
                        if let Fate::Refused(reason) = fate {
                            span { class: "why", "{reason}" }
                        } else {
                            span { class: "why dim", {t("runs.bulk.untried")} }
                        }
                    }
                }
            }
        }
        if !made.is_empty() {
            ul { class: "bulk-list", tabindex: "0", "aria-label": t("runs.bulk.made"),
                for (one, (id, number)) in made {
                    li { key: "{id}",
                        span { class: "num dim", "#{one.number}" }
                        Icon { name: "right" }
                        Link { class: "num", to: Route::run(locale, &id), "#{number}" }
                        span { class: "name", "{one.title}" }
                    }
                }
            }
        }
    }
}
