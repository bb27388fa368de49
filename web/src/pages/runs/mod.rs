//! The list of runs: live, filtered by the address, page by page.

pub mod actions;
mod bulk;
pub mod data;
pub mod filters;
mod keys;
mod parts;
mod select;
pub mod table;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use chrono::Datelike as _;
use dioxus::prelude::*;

use self::bulk::{BulkBar, ChosenDialog, MatchingDialog, Open};
use self::data::{JobChange, JobChangeKind, JobFilter, JobPage, JobRow, JobStatus, Refusal, Trigger};
use self::filters::{ChoiceFilter, TextFilter};
pub use self::parts::Pager;
use self::parts::{EventChip, NoRuns, Views};
use self::select::Selection;
use self::table::{Ask, RunsTable, TableSkeleton};
use crate::api::{self, Feed, Timestamp};
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

/// Rows that a page grows to while it is looked at; more wait to be asked for.
const MOST_ROWS: usize = 2 * data::PAGE as usize;

/// Takes a change into a page of rows; a new job goes in, if the page `grows`. True when it is of a new job that waits to
/// be asked for.
fn apply(page: &mut JobPage, change: JobChange, filter: &JobFilter, grows: bool) -> bool {
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
    let Some(place) = page.place_of(&change.job) else {
        return false;
    };
    page.total_count += 1;
    let room = grows && page.nodes.len() < MOST_ROWS;
    if room {
        page.nodes.insert(place, change.job);
    }
    !room
}

/// The name of the event that an address asks for, where a row knows it.
fn chosen_event(params: &Params, page: Option<&JobPage>) -> Option<String> {
    let id = params.get("event")?;
    let mut events = page?.nodes.iter().filter_map(|job| job.event.as_ref());
    events
        .find(|event| event.id.inner() == id)
        .map(|event| event.name.clone())
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
    let mut newer = use_signal(BTreeSet::<i32>::new);
    let mut live = use_signal(|| true);
    let mut flowing = use_signal(|| false);
    let mut selected = use_signal(Selection::default);
    let mut open = use_signal(|| None::<Open>);
    let now = use_now(Duration::from_secs(1));
    // What is not in view can't be meant.
    use_effect(move || {
        query.read();
        selected.write().clear();
    });
    use_resource(move || {
        let filter = filters::filter(&query());
        let first = filters::place(&query()) == data::Place::First;
        let on = live();
        async move {
            newer.write().clear();
            // All statuses are followed, so that a row may leave the status that was asked for.
            let followed = JobFilter {
                status: None,
                ..filter.clone()
            };
            if !on {
                return;
            }
            let begin = move || data::changes(followed.clone());
            api::insist(begin, |event| {
                let flows = matches!(event, Feed::Live | Feed::Data(_));
                if *flowing.peek() != flows {
                    flowing.set(flows);
                }
                match event {
                    // What happened before they flowed is not told.
                    Feed::Live => page.reload_soon(),
                    Feed::Down | Feed::Failed(_) => {}
                    Feed::Data(change) => {
                        let (change, filter) = (change.jobs_changed, filter.clone());
                        page.change(move |held| {
                            let Some(held) = held else { return };
                            let mut newer = newer;
                            // Nothing moves under the hand of whoever chooses rows.
                            let grows = first && selected.peek().is_empty();
                            if apply(held, change.clone(), &filter, grows) {
                                newer.write().insert(change.job.number);
                            }
                        });
                    }
                }
                ControlFlow::Continue(())
            })
            .await;
            flowing.set(false);
        }
    });
    let go = move |params: Params| {
        navigator.push(Route::Runs {
            locale,
            query: params,
        });
    };
    let order = move || -> Vec<String> {
        let held = page.data.peek();
        let rows = held.iter().flat_map(|page| &page.nodes);
        rows.map(|job| job.id.inner().to_owned()).collect()
    };
    let onask = move |ask: Ask| match ask {
        Ask::Select(id, on, true) => selected.write().reach(&order(), &id, on),
        Ask::Select(id, on, false) => selected.write().set(&id, on),
        Ask::SelectAll(on) => selected.write().all(&order(), on),
        Ask::Cancel(id) => cancel(id),
        Ask::Retry(id) => retry(id),
    };
    let mut clear = move || {
        selected.write().clear();
        browser::focus(keys::HEAD);
    };
    let params = query();
    let held = page.data.read();
    // Those that an answer brought since are not waited for any more.
    let newest = held
        .iter()
        .flat_map(|page| &page.nodes)
        .map(|job| job.number)
        .max();
    let unseen = newer
        .read()
        .iter()
        .filter(|number| Some(**number) > newest)
        .count();
    let chosen: Vec<JobRow> = held
        .iter()
        .flat_map(|p| &p.nodes)
        .filter(|job| selected.read().has(job.id.inner()))
        .cloned()
        .collect();
    let stoppable = filters::open_of(&filters::filter(&params));
    let beyond = stoppable.is_some()
        && held.as_ref().is_some_and(|list| {
            let more = list.page_info.has_next_page || list.page_info.has_previous_page;
            more && chosen.len() == list.nodes.len()
        });
    let mut closed = move |undone: Option<Vec<String>>| {
        open.set(None);
        // Those that were refused stay chosen: something may be done about them.
        if let Some(undone) = undone {
            selected.write().keep(&undone);
        }
    };
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
            if params.get("event").is_some() {
                EventChip { name: chosen_event(&params, held.as_ref()), params: params.clone(), onchange: go }
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
        if unseen > 0 {
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
                {tn("runs.newer", unseen as u64)}
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
                    RunsTable { locale, jobs: list.nodes.clone(), now, selected: bulk::may_act().then(|| selected.read().ids().clone()), onask }
                },
            }
        }
        if !chosen.is_empty() {
            BulkBar { jobs: chosen, beyond, onopen: move |asked| open.set(Some(asked)), onclear: move |()| clear() }
        }
        match open() {
            Some(Open::Chosen(act, asked, left_out)) => rsx! {
                ChosenDialog { locale, act, asked, left_out, onclose: closed }
            },
            Some(Open::Matching) => rsx! {
                MatchingDialog {
                    filter: stoppable.unwrap_or_default(),
                    params: params.clone(),
                    event: chosen_event(&params, held.as_ref()),
                    onclose: move |done: bool| closed(done.then(Vec::new)),
                }
            },
            None => rsx! {},
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::EventType;

    fn job(id: &str, status: JobStatus) -> JobRow {
        JobRow {
            id: id.into(),
            number: 1,
            status,
            status_reason: None,
            title: "Backup".to_owned(),
            trigger: Trigger::Manual,
            actor: None,
            event: None,
            event_version: data::VersionRef {
                number: 1,
                ad_hoc: false,
                kind: EventType::Bash,
            },
            created_at: Timestamp::from_timestamp(100, 0).unwrap(),
            run_at: None,
            started_at: None,
            finished_at: None,
            duration: None,
            viewer_can: Vec::new(),
        }
    }

    fn page(ids: &[&str]) -> JobPage {
        JobPage {
            nodes: ids.iter().map(|id| job(id, JobStatus::Running)).collect(),
            page_info: data::PageInfo {
                has_previous_page: false,
                has_next_page: false,
                start_cursor: None,
                end_cursor: None,
            },
            total_count: i32::try_from(ids.len()).unwrap(),
        }
    }

    fn change(kind: JobChangeKind, id: &str, status: JobStatus) -> JobChange {
        JobChange {
            kind,
            job: job(id, status),
        }
    }

    #[test]
    fn a_change_stays_at_its_row_and_a_new_job_goes_to_the_top() {
        let (mut held, all) = (page(&["a", "b"]), JobFilter::default());
        let ended = change(JobChangeKind::Updated, "b", JobStatus::Failed);
        assert!(!apply(&mut held, ended, &all, true));
        assert_eq!(held.nodes[1].status, JobStatus::Failed);
        let mut new = change(JobChangeKind::Created, "c", JobStatus::Queued);
        new.job.number = 2;
        assert!(!apply(&mut held, new, &all, true));
        assert_eq!(held.nodes[0].id.inner(), "c");
        assert_eq!(held.total_count, 3);
    }

    #[test]
    fn late_news_of_a_job_puts_it_where_it_belongs() {
        let all = JobFilter::default();
        let of = |id: &str, number: i32| {
            let mut new = change(JobChangeKind::Created, id, JobStatus::Queued);
            new.job.number = number;
            new
        };
        let mut held = page(&["c", "a"]);
        (held.nodes[0].number, held.nodes[1].number) = (4, 2);
        held.page_info.has_next_page = true;
        assert!(!apply(&mut held, of("further back", 1), &all, true));
        assert!(!apply(&mut held, of("further back", 1), &all, false));
        assert_eq!(held.total_count, 2, "it was counted when the page was read");
        assert!(!apply(&mut held, of("b", 3), &all, true));
        held.page_info.has_next_page = false;
        assert!(!apply(&mut held, of("oldest", 1), &all, true));
        let ids: Vec<&str> = held.nodes.iter().map(|row| row.id.inner()).collect();
        assert_eq!(ids, ["c", "b", "a", "oldest"]);
    }

    #[test]
    fn new_jobs_wait_where_rows_must_not_move_and_where_there_are_many() {
        let all = JobFilter::default();
        let new = || change(JobChangeKind::Created, "new", JobStatus::Queued);
        let mut held = page(&["a"]);
        assert!(apply(&mut held, new(), &all, false));
        let many: Vec<String> = (0..MOST_ROWS).map(|at| at.to_string()).collect();
        let mut held = page(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(apply(&mut held, new(), &all, true));
        assert_eq!(held.nodes.len(), MOST_ROWS);
    }

    #[test]
    fn a_new_job_of_another_status_is_not_of_this_list() {
        let failed = JobFilter {
            status: Some(vec![JobStatus::Failed]),
            ..JobFilter::default()
        };
        let mut held = page(&["a"]);
        let new = change(JobChangeKind::Created, "new", JobStatus::Queued);
        assert!(!apply(&mut held, new, &failed, true));
        assert_eq!(held.nodes.len(), 1);
    }

    #[test]
    fn a_start_to_come_is_shown_until_it_has_come() {
        let at = Timestamp::from_timestamp(200, 0);
        let mut waits = job("a", JobStatus::Queued);
        waits.run_at = at;
        assert_eq!(waits.starts_at(150_000.0), at);
        assert_eq!(waits.starts_at(250_000.0), None);
        assert_eq!(Some(waits.ready_at()), at);
        waits.status = JobStatus::Cancelled;
        assert_eq!(waits.starts_at(150_000.0), None);
    }
}
