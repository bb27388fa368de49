//! The list of runs: live, filtered by the address, page by page.

pub mod actions;
pub mod data;
pub mod filters;
mod parts;
pub mod table;

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::Datelike as _;
use dioxus::prelude::*;
use futures::StreamExt as _;

use self::data::{JobChange, JobChangeKind, JobFilter, JobPage, JobRow, JobStatus, Refusal, Trigger};
use self::filters::{ChoiceFilter, TextFilter};
pub use self::parts::Pager;
use self::parts::{Bulk, EventChip, NoRuns, Views};
use self::table::{Ask, RunsTable, TableSkeleton};
use crate::api::{Feed, Timestamp};
use crate::browser;
use crate::i18n::{Locale, t, tf, tn};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{ErrorNotice, Icon, Live, clock, toast, toast_error, use_now, use_query};

/// The word for what began a job.
pub fn trigger_text(trigger: Trigger) -> String {
    match trigger {
        Trigger::Manual => t("trigger.manual"),
        Trigger::Api => t("trigger.api"),
        Trigger::Retry => t("trigger.retry"),
        Trigger::Test => t("trigger.test"),
    }
}

/// A moment in a list: the time for today, the day too for any other.
pub fn moment(at: Timestamp) -> String {
    let ms = at.timestamp_millis() as f64;
    let day = |ms: f64| ((ms - browser::utc_offset_minutes(ms) * 60_000.0) / 86_400_000.0).floor();
    let time = clock(ms, true);
    if (day(ms) - day(browser::now_ms())).abs() < 0.5 {
        time
    } else {
        format!("{} {time}", date(ms))
    }
}

/// The day of a moment in the person's zone, as `2026-03-17`.
pub fn date(ms: f64) -> String {
    let local = (ms - browser::utc_offset_minutes(ms) * 60_000.0) as i64;
    Timestamp::from_timestamp_millis(local)
        .map(|at| format!("{:04}-{:02}-{:02}", at.year(), at.month(), at.day()))
        .unwrap_or_default()
}

/// Says why something was not done.
pub fn say(title: String, refusal: &Refusal) {
    match refusal {
        Refusal::Failed(error) => toast_error(title, error),
        Refusal::Refused(_) => toast(JobStatus::Failed, title, refusal.text()),
    }
}

/// Takes a change into a page of rows; on the first page a new job goes to the top. True when it is of a
/// new job that this page can't show.
fn apply(page: &mut JobPage, change: JobChange, filter: &JobFilter, first: bool) -> bool {
    if let Some(job) = page.nodes.iter_mut().find(|job| job.id == change.job.id) {
        *job = change.job;
        return false;
    }
    let wanted = filter
        .status
        .as_ref()
        .is_none_or(|wanted| wanted.contains(&change.job.status));
    if change.kind != JobChangeKind::Created || !wanted {
        return false;
    }
    if first {
        page.nodes.insert(0, change.job);
        page.total_count += 1;
    }
    !first
}

/// The list of runs.
#[component]
pub fn Runs(locale: Locale, query: ReadSignal<Params>) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.runs"))]);
    let navigator = use_navigator();
    let mut page = use_query(move || {
        let params = query();
        data::page(filters::filter(&params), filters::place(&params))
    });
    let mut newer = use_signal(BTreeSet::<String>::new);
    let mut live = use_signal(|| true);
    let mut flowing = use_signal(|| false);
    let mut selected = use_signal(BTreeSet::<String>::new);
    let now = use_now(Duration::from_secs(1));
    use_resource(move || {
        let filter = filters::filter(&query());
        let first = filters::place(&query()) == data::Place::First;
        let on = live();
        async move {
            newer.write().clear();
            selected.write().clear();
            // All statuses are followed, so that a row may leave the status that was asked for.
            let followed = JobFilter {
                status: None,
                ..filter.clone()
            };
            if !on {
                return;
            }
            let mut feed = data::changes(followed);
            let mut lost = false;
            while let Some(event) = feed.next().await {
                match event {
                    Feed::Live => {
                        flowing.set(true);
                        if std::mem::take(&mut lost) {
                            page.reload();
                        }
                    }
                    Feed::Down => {
                        lost = true;
                        flowing.set(false);
                    }
                    Feed::Failed(_) => flowing.set(false),
                    Feed::Data(change) => {
                        let change = change.jobs_changed;
                        let id = change.job.id.inner().to_owned();
                        let new = page
                            .data
                            .write()
                            .as_mut()
                            .is_some_and(|held| apply(held, change, &filter, first));
                        if new {
                            newer.write().insert(id);
                        }
                    }
                }
            }
            flowing.set(false);
        }
    });
    let go = move |params: Params| {
        navigator.push(Route::Runs {
            locale,
            query: params,
        });
    };
    let onask = move |ask: Ask| match ask {
        Ask::Select(id, true) => drop(selected.write().insert(id)),
        Ask::Select(id, false) => drop(selected.write().remove(&id)),
        Ask::SelectAll(on) => {
            let held = page.data.peek();
            let ids = held
                .iter()
                .flat_map(|page| &page.nodes)
                .map(|job| job.id.inner().to_owned());
            selected.set(if on { ids.collect() } else { BTreeSet::new() });
        }
        Ask::Cancel(id) => cancel(id),
        Ask::Retry(id) => retry(id),
    };
    let params = query();
    let held = page.data.read();
    let chosen: Vec<JobRow> = held
        .iter()
        .flat_map(|p| &p.nodes)
        .filter(|job| selected.read().contains(job.id.inner()))
        .cloned()
        .collect();
    rsx! {
        Views { locale, params: params.clone() }
        div { class: "toolbar runs-filters",
            TextFilter { id: "runs-search", label: t("runs.search"), params: params.clone(), onchange: go }
            ChoiceFilter {
                name: "status",
                label: t("runs.status"),
                choices: JobStatus::ALL.iter().map(|s| (s.name().to_owned(), s.word())).collect::<Vec<_>>(),
                params: params.clone(),
                onchange: go,
            }
            ChoiceFilter {
                name: "trigger",
                label: t("runs.trigger"),
                choices: Trigger::ALL.iter().map(|s| (s.name().to_owned(), trigger_text(*s))).collect::<Vec<_>>(),
                params: params.clone(),
                onchange: go,
            }
            ChoiceFilter {
                name: "since",
                label: t("runs.since"),
                choices: filters::SPANS.iter().map(|(name, _)| ((*name).to_owned(), t(&format!("runs.since.{name}")))).collect::<Vec<_>>(),
                params: params.clone(),
                single: true,
                onchange: go,
            }
            if let Some(id) = params.get("event") {
                EventChip { id: id.to_owned(), jobs: held.as_ref().map(|p| p.nodes.clone()).unwrap_or_default(), params: params.clone(), onchange: go }
            }
            span { class: "end",
                if live() {
                    Live { on: flowing() }
                } else {
                    span { class: "sub", {t("runs.paused")} }
                }
                button {
                    class: "icon-btn icon-btn-sm",
                    r#type: "button",
                    "aria-label": if live() { t("runs.pause") } else { t("runs.resume") },
                    title: if live() { t("runs.pause") } else { t("runs.resume") },
                    onclick: move |_| {
                        let on = !live();
                        live.set(on);
                        if on {
                            page.reload();
                        }
                    },
                    Icon { name: if live() { "pause" } else { "play" } }
                }
            }
        }
        if !newer.read().is_empty() {
            button {
                class: "newer",
                r#type: "button",
                onclick: {
                    let first = filters::with(&params, "after", "");
                    move |_| {
                        newer.write().clear();
                        if first == *query.peek() { page.reload() } else { go(first.clone()) }
                    }
                },
                {tn("runs.newer", newer.read().len() as u64)}
            }
        }
        div { class: "runs-table", tabindex: "0", role: "region", "aria-label": t("nav.runs"),
            match (&*held, (page.error)()) {
                (_, Some(error)) if !error.is_offline() || held.is_none() => rsx! {
                    ErrorNotice { error, onretry: move |()| page.reload() }
                },
                (None, _) => rsx! { TableSkeleton {} },
                (Some(list), _) if list.nodes.is_empty() => rsx! { NoRuns { locale, filtered: !params.is_empty() } },
                (Some(list), _) => rsx! {
                    RunsTable { locale, jobs: list.nodes.clone(), now, selected: selected(), onask }
                },
            }
        }
        if !chosen.is_empty() {
            Bulk { jobs: chosen, ondone: move |()| selected.write().clear() }
        }
        if let Some(list) = &*held {
            Pager { shown: list.nodes.len(), total: list.total_count, info: list.page_info.clone(), params: params.clone(), onchange: go }
        }
    }
}

/// Asks for a job to be stopped; the list learns of the outcome by itself.
fn cancel(id: String) {
    spawn(async move {
        match actions::cancel(&id).await {
            Ok(job) => {
                let number = job.number.to_string();
                toast(job.status, tf("runs.cancel_asked", &[("number", &number)]), "");
            }
            Err(refusal) => say(t("runs.cancel_failed"), &refusal),
        }
    });
}

fn retry(id: String) {
    spawn(async move {
        match actions::retry(&id).await {
            Ok(job) => {
                let number = job.number.to_string();
                toast(
                    job.status,
                    tf("runs.retry_asked", &[("number", &number)]),
                    job.title,
                );
            }
            Err(refusal) => say(t("runs.retry_failed"), &refusal),
        }
    });
}
