//! The runs of one event, live.

use std::ops::ControlFlow;
use std::time::Duration;

use dioxus::prelude::*;

use crate::api::{self, Feed};
use crate::i18n::{Locale, t, tf};
use crate::pages::runs::data::{self, JobChange, JobChangeKind, JobFilter, JobPage, Place};
use crate::pages::runs::table::{Ask, RunsTable, TableSkeleton};
use crate::pages::runs::{actions, say};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{Empty, ErrorNotice, toast, use_now, use_query};

fn of(event: &str) -> JobFilter {
    JobFilter {
        event_id: Some(event.into()),
        ..JobFilter::default()
    }
}

/// Takes a change into the rows that are held.
fn take(held: &mut Option<JobPage>, change: JobChange) {
    let Some(page) = held else { return };
    match page.nodes.iter_mut().find(|job| job.id == change.job.id) {
        Some(job) => *job = change.job,
        None if change.kind == JobChangeKind::Created => {
            if let Some(place) = page.place_of(&change.job) {
                page.nodes.insert(place, change.job);
            }
        }
        None => {}
    }
}

/// The tab of runs: the newest ones, and the way to all.
#[component]
pub fn EventRuns(locale: Locale, id: ReadSignal<String>) -> Element {
    let mut page = use_query(move || data::page(of(&id()), Place::First));
    let now = use_now(Duration::from_secs(1));
    use_resource(move || {
        let id = id();
        api::insist(
            move || data::changes(of(&id)),
            move |event| {
                match event {
                    // What happened before they flowed is not told.
                    Feed::Live => page.reload_soon(),
                    Feed::Data(change) => {
                        page.change(move |held| take(held, change.jobs_changed.clone()));
                    }
                    Feed::Down | Feed::Failed(_) => {}
                }
                ControlFlow::Continue(())
            },
        )
    });
    let onask = move |ask: Ask| {
        spawn(async move {
            match ask {
                Ask::Cancel(id) => {
                    if let Err(refusal) = actions::cancel(&id).await {
                        say(t("runs.cancel_failed"), &refusal);
                    }
                }
                Ask::Retry(id) => match actions::retry(&id).await {
                    Ok(job) => toast(
                        job.status,
                        tf("runs.retry_asked", &[("number", &job.number.to_string())]),
                        job.title,
                    ),
                    Err(refusal) => say(t("runs.retry_failed"), &refusal),
                },
                Ask::Select(..) | Ask::SelectAll(_) => {}
            }
        });
    };
    let held = page.data.read();
    let all = Route::Runs {
        locale,
        query: Params::default().with("event", &id()),
    };
    rsx! {
        div { class: "runs-table", tabindex: "0", role: "region", "aria-label": t("event.tab.runs"),
            match (&*held, (page.error)()) {
                (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| page.reload() } },
                (None, None) => rsx! { TableSkeleton {} },
                (Some(page), _) if page.nodes.is_empty() => rsx! {
                    Empty { icon: "runs", title: t("runs.none"), text: t("runs.none_text") }
                },
                (Some(page), _) => rsx! { RunsTable { locale, jobs: page.nodes.clone(), now, onask } },
            }
        }
        div { class: "pager",
            Link { to: all, {t("run.all")} }
        }
    }
}
