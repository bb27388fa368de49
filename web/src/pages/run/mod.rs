//! One run: how it stands and why, its phases, its log, what went in and came out. Live.

mod attempts;
pub mod data;
mod head;
pub mod json;
pub mod lanes;
mod lineage;
mod phases;
mod receipt;
mod server;
mod side;
mod tabs;
mod usage;
mod waiting;

use std::ops::ControlFlow;
use std::time::Duration;

use dioxus::prelude::*;

use self::attempts::{Attempts, Everywhere};
use self::data::{Execution, JobDetail};
use self::head::Head;
use self::lanes::Lane;
use self::phases::Phases;
use self::receipt::Receipt;
use self::side::Side;
use self::tabs::ServerTabs;
use self::waiting::Waiting;
use crate::api::{self, Feed, Timestamp};
use crate::browser;
use crate::i18n::{Locale, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::log::{LogViewer, MergedLog, Origin};
use crate::pages::runs::moment;
use crate::params::Params;
use crate::routes::Route;
use crate::ui::{Empty, ErrorNotice, Query, Skeleton, use_now, use_query};

/// The line that a fragment such as `L120` names.
fn line_of(hash: &str) -> Option<i64> {
    hash.trim_start_matches('#')
        .strip_prefix('L')?
        .parse()
        .ok()
        .filter(|line| *line > 0)
}

/// Without a connection for news, a job that has not ended is looked at so often.
const LOOK: Duration = Duration::from_secs(5);

/// Loads a job and keeps it up to date.
pub fn use_job(id: ReadSignal<String>) -> Query<Option<JobDetail>> {
    let mut job = use_query(move || {
        let id = id();
        async move { data::job(&id).await }
    });
    use_resource(move || {
        let id = id();
        api::insist(
            move || data::updates(id.clone()),
            move |event| {
                // The first word is the job as it is, also after a loss of the connection: nothing need be asked again.
                let Feed::Data(update) = event else {
                    return ControlFlow::Continue(());
                };
                let news = update.job_updated;
                let over = news.status.is_final();
                job.change(move |held| *held = Some(Some(news.clone())));
                if over {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            },
        )
    });
    use_future(move || async move {
        loop {
            browser::sleep(LOOK).await;
            let open = job.data.peek().iter().flatten().any(|job| !job.status.is_final());
            if open && api::is_lost() && !*job.busy.peek() {
                job.reload();
            }
        }
    });
    job
}

/// One run.
#[component]
pub fn Run(
    locale: Locale,
    id: ReadSignal<String>,
    query: ReadSignal<Params>,
    hash: ReadSignal<String>,
) -> Element {
    let mut job = use_job(id);
    let held = job.data.read();
    let name = held
        .iter()
        .flatten()
        .map(|job| format!("{} #{}", job.title, job.number))
        .next();
    use_crumbs(vec![
        Crumb::link(
            t("nav.runs"),
            Route::Runs {
                locale,
                query: Params::default(),
            },
        ),
        Crumb::here(name.unwrap_or_else(|| t("run.title"))),
    ]);
    match (&*held, (job.error)()) {
        (None, Some(error)) => rsx! { ErrorNotice { error, onretry: move |()| job.reload() } },
        (None, None) => rsx! { Skeleton { lines: 8 } },
        (Some(None), _) => rsx! {
            Empty { icon: "runs", title: t("run.none"), text: t("error.not_found"),
                Link { class: "btn", to: Route::Runs { locale, query: Params::default() }, {t("run.all")} }
            }
        },
        (Some(Some(held)), _) => {
            rsx! { RunPage { key: "{held.id.inner()}", locale, job: held.clone(), query, hash } }
        }
    }
}

#[component]
fn RunPage(locale: Locale, job: JobDetail, query: ReadSignal<Params>, hash: ReadSignal<String>) -> Element {
    let now = use_now(Duration::from_millis(500));
    let navigator = use_navigator();
    let lanes = lanes::lanes(&job.executions);
    let lane = lanes::in_view(&lanes, &query()).cloned();
    let asked = attempts::asked(&query());
    let execution = lane
        .as_ref()
        .and_then(|lane| attempts::in_view(&lane.executions, asked).cloned());
    let limit = job.event_version.target.memory();
    let several = lanes.len() > 1;
    let at = tabs::place(&lanes, lane.as_ref());
    let id = job.id.inner().to_owned();
    let route = {
        let id = id.clone();
        move |query: Params, hash: String| Route::Run {
            locale,
            id: id.clone(),
            query,
            hash,
        }
    };
    let online = {
        let route = route.clone();
        move |line: i64| {
            navigator.replace(route(query.peek().clone(), format!("L{line}")));
        }
    };
    let onchoose = {
        let route = route.clone();
        move |(server, by_key): (String, bool)| {
            let to = route(lanes::address(&query.peek(), &server), String::new());
            // Whoever walks through the tabs does not want to walk back through each of them.
            if by_key {
                navigator.replace(to);
            } else {
                navigator.push(to);
            }
        }
    };
    let labelled = tabs::tab_id(at);
    rsx! {
        Head { locale, job: job.clone(), lanes: lanes.clone(), now }
        Waiting { job: job.clone(), now }
        if let Some(receipt) = job.cancellation.clone() {
            Receipt { locale, receipt, ended: job.status.is_final(), lanes: if several { lanes.clone() } else { Vec::new() } }
        }
        Phases { job: job.clone(), lanes: lanes.clone(), now }
        div { class: "run-body",
            div { class: "run-log",
                if several {
                    ServerTabs { lanes: lanes.clone(), at, onchoose }
                }
                div {
                    class: "run-panel",
                    id: several.then_some(tabs::PANEL),
                    role: several.then_some("tabpanel"),
                    "aria-labelledby": several.then_some(labelled),
                    if let Some(lane) = lane.clone() {
                        Attempts { locale, id: id.clone(), lane, limit, query, chosen: execution.as_ref().map(|one| one.attempt), now }
                        LogOf { title: job.title.clone(), execution: execution.clone(), line: line_of(&hash()), online }
                    } else {
                        Everywhere { locale, id: id.clone(), lanes: lanes.clone(), limit, query, now }
                        LogOfAll {
                            title: job.title.clone(),
                            job: id,
                            lanes: lanes.clone(),
                            origins: lanes::origins(&lanes, |query| route(query, String::new())),
                        }
                    }
                }
            }
            Side { locale, job: job.clone(), lanes, lane, execution }
        }
    }
}

/// The log of the attempt in view, or why there is none.
#[component]
fn LogOf(
    title: String,
    execution: Option<Execution>,
    line: Option<i64>,
    online: EventHandler<i64>,
) -> Element {
    match execution {
        Some(one) if one.log_dropped_at.is_some() => rsx! { Dropped { at: one.log_dropped_at } },
        Some(one) if one.has_begun() => rsx! {
            // A list of one: a viewer keeps the log that it began with, and only in a list does its key give it up.
            for one in [one] {
                LogViewer {
                    key: "{one.id.inner()}",
                    execution: one.id.inner().to_owned(),
                    label: tf("run.log_of", &[("title", &title)]),
                    line,
                    online,
                    truncated: one.log_truncated,
                }
            }
        },
        _ => rsx! { NoLog {} },
    }
}

/// The lines of all servers as they come, or why there are none.
#[component]
fn LogOfAll(title: String, job: String, lanes: Vec<Lane>, origins: Vec<Origin>) -> Element {
    let navigator = use_navigator();
    let begun: Vec<&Execution> = lanes
        .iter()
        .flat_map(|lane| &lane.executions)
        .filter(|one| one.has_begun())
        .collect();
    let dropped = begun.iter().filter_map(|one| one.log_dropped_at).max();
    if begun.is_empty() {
        return rsx! { NoLog {} };
    }
    if begun.iter().all(|one| one.log_dropped_at.is_some()) {
        return rsx! { Dropped { at: dropped } };
    }
    rsx! {
        for job in [job] {
            MergedLog {
                key: "{job}",
                job: job.clone(),
                origins: origins.clone(),
                label: tf("run.log_of", &[("title", &title)]),
                onown: move |address: String| {
                    navigator.push(address);
                },
                truncated: begun.iter().any(|one| one.log_truncated),
            }
        }
    }
}

#[component]
fn NoLog() -> Element {
    rsx! { Empty { icon: "clock", title: t("run.waiting"), text: t("run.waiting_text") } }
}

#[component]
fn Dropped(at: Option<Timestamp>) -> Element {
    let time = at.map(moment).unwrap_or_default();
    rsx! {
        Empty { icon: "history", title: t("run.log_dropped"), text: tf("run.log_dropped_text", &[("time", &time)]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_names_a_line() {
        assert_eq!(line_of("L120"), Some(120));
        assert_eq!(line_of("#L7"), Some(7));
        assert_eq!(line_of(""), None);
        assert_eq!(line_of("L0"), None);
        assert_eq!(line_of("Lx"), None);
    }
}
