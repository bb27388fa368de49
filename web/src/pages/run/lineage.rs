//! Where a run stands among those that repeat each other: what it repeats, and what repeats it.

use dioxus::prelude::*;

use super::data::{Forerunner, JobDetail, JobRef};
use crate::i18n::{Locale, t, tf};
use crate::routes::Route;
use crate::ui::StatusIcon;

/// What a run repeats, the first one first. True when that one repeats another which is not known.
fn forerunners(job: &JobDetail) -> Vec<JobRef> {
    let mut found = Vec::new();
    let mut next: Option<&Forerunner> = job.retry_of.as_ref();
    while let Some(one) = next {
        found.push(JobRef {
            id: one.id.clone(),
            number: one.number,
            status: one.status,
        });
        next = one.retry_of.as_deref();
    }
    found.reverse();
    found
}

/// What stands in a run's head: the run that it repeats, and the last that repeats it.
#[component]
pub fn Kin(locale: Locale, job: JobDetail) -> Element {
    let newest = job.retries.iter().max_by_key(|one| one.number);
    rsx! {
        if let Some(of) = &job.retry_of {
            span {
                {t("run.kin.of")}
                " "
                Link { class: "num", to: Route::run(locale, of.id.inner()), "#{of.number}" }
            }
        }
        if let Some(newest) = newest {
            span {
                {t("run.kin.again")}
                " "
                Link { class: "num", to: Route::run(locale, newest.id.inner()), "#{newest.number}" }
            }
        }
    }
}

/// The whole chain; nothing for a run that stands alone.
#[component]
pub fn Lineage(locale: Locale, job: JobDetail) -> Element {
    let before = forerunners(&job);
    let mut after = job.retries.clone();
    after.sort_by_key(|one| one.number);
    if before.is_empty() && after.is_empty() {
        return rsx! {};
    }
    rsx! {
        section {
            h2 { {t("run.lineage")} }
            ol { class: "lineage",
                for one in before {
                    Relative { key: "{one.id.inner()}", locale, one }
                }
                li { "aria-current": "true",
                    StatusIcon { status: job.status }
                    b { class: "num", "#{job.number}" }
                    span { class: "dim", {t("run.lineage.this")} }
                }
                for one in after {
                    Relative { key: "{one.id.inner()}", locale, one, of: job.number }
                }
            }
        }
    }
}

#[component]
fn Relative(locale: Locale, one: JobRef, #[props(default)] of: Option<i32>) -> Element {
    rsx! {
        li {
            StatusIcon { status: one.status }
            Link { class: "num", to: Route::run(locale, one.id.inner()), "#{one.number}" }
            if let Some(of) = of {
                span { class: "dim", {tf("run.lineage.of", &[("number", &of.to_string())])} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::run::data::tests::job;
    use crate::ui::JobStatus;

    #[test]
    fn the_first_of_a_chain_comes_first() {
        let one = |number: i32, retry_of: Option<Forerunner>| Forerunner {
            id: number.to_string().into(),
            number,
            status: JobStatus::Failed,
            retry_of: retry_of.map(Box::new),
        };
        let mut job = job(JobStatus::Failed, Vec::new());
        assert!(forerunners(&job).is_empty());
        job.retry_of = Some(one(5, Some(one(3, Some(one(1, None))))));
        let numbers: Vec<i32> = forerunners(&job).iter().map(|one| one.number).collect();
        assert_eq!(numbers, [1, 3, 5]);
    }
}
