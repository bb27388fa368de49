//! What ran, what runs now, and what needs a look. Live: a change of any run loads it again, at
//! most about once a second.

mod data;
mod panels;
mod rail;

use std::cell::Cell;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use cynic::{QueryBuilder as _, SubscriptionBuilder as _};
use dioxus::prelude::*;

use self::data::{
    ChangesSubscription, JobFilter, Overview as Figures, OverviewQuery, OverviewVariables, Range,
};
use self::panels::{Health, NeedsALook, RunningNow, Slots};
use self::rail::Rail;
use crate::api::{self, Feed};
use crate::browser;
use crate::i18n::{Locale, group_digits, t, tf};
use crate::layout::{Crumb, use_crumbs};
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::status::STATUS;
use crate::ui::{
    Empty, ErrorNotice, Icon, JobStatus, Live, Query, Skeleton, Spark, duration, number, use_query,
};

/// How long changes are gathered before the figures are asked for again.
const GATHER: Duration = Duration::from_millis(900);
/// Without any change the figures still age: the axis ends now.
const REFRESH: Duration = Duration::from_mins(1);

fn count(figure: i32) -> String {
    group_digits(u64::try_from(figure).unwrap_or(0))
}

/// The overview page; for those who see no runs, what they can do instead.
#[component]
pub fn Overview(locale: Locale, query: Params) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.overview"))]);
    if !(session::may(Scope::ReadJobs) && session::may(Scope::ReadEvents)) {
        return rsx! {
            Empty { icon: "overview", title: t("overview.not_yours"), text: t("overview.not_yours_text"),
                Link { class: "btn", to: Route::Account { locale }, {t("account.page")} }
            }
        };
    }
    rsx! { Work { locale, query } }
}

#[component]
fn Work(locale: Locale, query: Params) -> Element {
    let range = Range::from_name(query.get("range"));
    let mut wanted = use_signal(|| range);
    if *wanted.peek() != range {
        wanted.set(range);
    }
    let load = use_query(move || {
        let active = vec![JobStatus::Running, JobStatus::Dispatching, JobStatus::Queued];
        api::run(OverviewQuery::build(OverviewVariables {
            range: wanted(),
            running: JobFilter { status: Some(active) },
        }))
    });
    let live = use_changes(&load);
    let data = (load.data)();
    rsx! {
        div { class: "pane",
            div { class: "pane-head",
                h2 { {t("overview.runs")} }
                Live { on: live() }
                span { class: "end",
                    span { class: "seg", role: "group", "aria-label": t("overview.range"),
                        for choice in Range::ALL {
                            Link {
                                key: "{choice.name()}",
                                to: Route::Overview { locale, query: query.with("range", choice.name()) },
                                "aria-current": (choice == range).then_some("true"),
                                {choice.label()}
                            }
                        }
                    }
                    if session::may(Scope::CreateEvents) {
                        span { class: "md",
                            Link { class: "btn btn-primary", to: Route::EventNew { locale, query: Params::default() },
                                Icon { name: "plus" }
                                {t("nav.new_event")}
                            }
                        }
                    }
                }
            }
            if let Some(data) = data {
                if data.overview.total == 0 && data.jobs.total_count == 0 {
                    Empty { icon: "runs", title: t("overview.no_runs"), text: t("overview.no_runs_text"),
                        Link { class: "btn btn-primary", to: Route::FirstRun { locale }, {t("nav.first_run")} }
                    }
                } else {
                    Rail { series: data.overview.series.clone(), range }
                }
                Stats { figures: data.overview.clone(), range }
                div { class: "ov-grid",
                    div { class: "col",
                        RunningNow { locale, jobs: data.jobs.clone(), load }
                        NeedsALook { locale, failing: data.overview.failing_events.clone() }
                    }
                    div { class: "col", Health { locale } Slots {} }
                }
            } else if let Some(error) = (load.error)() {
                ErrorNotice { error, onretry: move |()| { let mut load = load; load.reload(); } }
            } else {
                Skeleton { lines: 8 }
            }
        }
    }
}

/// Loads again when runs change, and now and then anyway. Says whether news flow.
fn use_changes(load: &Query<OverviewQuery>) -> Signal<bool> {
    let load = *load;
    let mut live = use_signal(|| false);
    let changed = use_hook(|| Rc::new(Cell::new(false)));
    let seen = changed.clone();
    use_future(move || {
        let seen = seen.clone();
        let begin = || api::subscribe(|| ChangesSubscription::build(()));
        api::insist(begin, move |news| {
            let flows = matches!(news, Feed::Live | Feed::Data(_));
            if *live.peek() != flows {
                live.set(flows);
            }
            // What happened before they flowed is not told.
            if flows {
                seen.set(true);
            }
            ControlFlow::Continue(())
        })
    });
    use_future(move || {
        let changed = changed.clone();
        let mut load = load;
        async move {
            let mut idle = Duration::ZERO;
            loop {
                browser::sleep(GATHER).await;
                idle += GATHER;
                if !*load.busy.peek() && (changed.replace(false) || idle >= REFRESH) {
                    idle = Duration::ZERO;
                    load.reload();
                }
            }
        }
    });
    live
}

#[component]
fn Stats(figures: Figures, range: Range) -> Element {
    let status = STATUS.read().clone();
    let totals: Vec<f64> = figures
        .series
        .iter()
        .map(|point| f64::from(point.total()))
        .collect();
    let rates: Vec<f64> = figures
        .series
        .iter()
        .filter(|point| point.succeeded + point.failed > 0)
        .map(|point| f64::from(point.succeeded) / f64::from(point.succeeded + point.failed))
        .collect();
    let length = |time: &Option<api::IsoDuration>| {
        time.as_ref()
            .and_then(api::IsoDuration::get)
            .map_or_else(|| "–".to_owned(), duration)
    };
    let queue = status
        .as_ref()
        .map_or(figures.queued, |status| status.queue_depth);
    let oldest = status
        .as_ref()
        .and_then(|status| Duration::try_from_secs_f64(status.oldest_queued_seconds?).ok())
        .map_or_else(
            || t("overview.queue_empty"),
            |time| tf("overview.oldest", &[("time", &duration(time))]),
        );
    rsx! {
        dl { class: "stats",
            div { class: "stat",
                dt { {tf("overview.total", &[("range", range.label())])} }
                dd { {count(figures.total)} }
                Spark { values: totals }
                dd { class: "delta",
                    {tf("overview.active", &[("running", &count(figures.running)), ("queued", &count(figures.queued))])}
                }
            }
            div { class: "stat",
                dt { {t("overview.success_rate")} }
                dd {
                    if let Some(rate) = figures.success_rate {
                        {number(rate * 100.0, 1)}
                        " "
                        small { "%" }
                    } else {
                        "–"
                    }
                }
                Spark { values: rates }
                dd { class: "delta",
                    {tf("overview.outcome", &[("succeeded", &count(figures.succeeded)), ("failed", &count(figures.failed))])}
                }
            }
            div { class: "stat",
                dt { {t("overview.p50")} }
                dd { {length(&figures.p50_duration)} }
                dd { class: "delta", {t("overview.p50_text")} }
            }
            div { class: "stat",
                dt { {t("overview.p95")} }
                dd { {length(&figures.p95_duration)} }
                dd { class: "delta", {t("overview.p95_text")} }
            }
            div { class: "stat",
                dt { {t("overview.queue")} }
                dd { {count(queue)} " " small { {t("overview.waiting")} } }
                dd { class: "delta", "{oldest}" }
            }
        }
    }
}
