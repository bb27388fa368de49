//! The first steps on a new installation, each ticked off by what is really there.

use cynic::{MutationBuilder as _, QueryBuilder as _};
use dioxus::prelude::*;

use crate::api::{self, schema};
use crate::i18n::{Locale, t};
use crate::layout::{Crumb, use_crumbs};
use crate::pages::runs::data::{Refusal, UserError, settled};
use crate::pages::runs::{actions, say};
use crate::params::Params;
use crate::routes::Route;
use crate::session::{self, Scope};
use crate::status::STATUS;
use crate::ui::{ErrorNotice, EventType, Icon, JobStatus, Skeleton, Status, use_query};

#[derive(cynic::QueryFragment, Clone, PartialEq)]
#[cynic(graphql_type = "Query")]
struct StepsQuery {
    #[arguments(first: 1, orderBy: { field: CREATED_AT, direction: ASC })]
    events: Events,
    #[arguments(first: 1)]
    jobs: Jobs,
}

crate::api::listed!(Query StepsQuery, ());

#[derive(cynic::QueryFragment, Clone, PartialEq)]
#[cynic(graphql_type = "EventConnection")]
struct Events {
    nodes: Vec<Event>,
    total_count: i32,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct Event {
    id: cynic::Id,
    name: String,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
#[cynic(graphql_type = "JobConnection")]
struct Jobs {
    nodes: Vec<Job>,
}

#[derive(cynic::QueryFragment, Clone, PartialEq)]
struct Job {
    id: cynic::Id,
    status: JobStatus,
}

#[derive(cynic::InputObject)]
struct CreateEventInput {
    name: String,
    description: String,
    #[cynic(rename = "type")]
    kind: EventType,
    source: String,
}

#[derive(cynic::QueryVariables)]
struct CreateVariables {
    input: CreateEventInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "CreateVariables")]
struct CreateMutation {
    #[arguments(input: $input)]
    create_event: CreateEventPayload,
}

crate::api::listed!(Mutation CreateMutation, CreateVariables);

#[derive(cynic::QueryFragment)]
struct CreateEventPayload {
    event: Option<Event>,
    user_errors: Vec<UserError>,
}

const SAMPLE: &str = "#!/usr/bin/env bash\nset -eu\necho \"Hello from $(uname -s), in a container of its own.\"\nfor step in 1 2 3; do\n  echo \"Step $step of 3\"\n  sleep 1\ndone\necho 'Done.'\n";

/// The event that the checklist runs: the first that there is, or a small one made for it.
async fn sample(first: Option<Event>) -> Result<cynic::Id, Refusal> {
    if let Some(event) = first {
        return Ok(event.id);
    }
    let input = CreateEventInput {
        name: "hello-world".to_owned(),
        description: t("first_run.sample_description"),
        kind: EventType::Bash,
        source: SAMPLE.to_owned(),
    };
    let made = api::run(CreateMutation::build(CreateVariables { input }))
        .await?
        .create_event;
    Ok(settled(made.event, made.user_errors)?.id)
}

async fn run_sample(first: Option<Event>) -> Result<cynic::Id, Refusal> {
    let event = sample(first).await?;
    Ok(actions::run_event(event.inner(), None, None).await?.id)
}

/// The checklist.
#[component]
pub fn FirstRun(locale: Locale) -> Element {
    use_crumbs(vec![Crumb::here(t("nav.first_run"))]);
    let mut load = use_query(|| api::run(StepsQuery::build(())));
    let navigator = use_navigator();
    let mut busy = use_signal(|| false);
    let Some(steps) = (load.data)() else {
        return rsx! {
            div { class: "pane",
                if let Some(error) = (load.error)() {
                    ErrorNotice { error, onretry: move |()| load.reload() }
                } else {
                    Skeleton { lines: 6 }
                }
            }
        };
    };
    let ready = STATUS
        .read()
        .as_ref()
        .is_some_and(|status| status.orchestrators.iter().any(|one| one.connected));
    let first = steps.events.nodes.first().cloned();
    let last = steps.jobs.nodes.first().cloned();
    let own = steps.events.total_count > 1;
    let done = [ready, last.is_some(), own]
        .into_iter()
        .filter(|done| *done)
        .count();
    let run = move |_| {
        let first = first.clone();
        async move {
            busy.set(true);
            match run_sample(first).await {
                Ok(job) => {
                    navigator.push(Route::run(locale, job.inner()));
                }
                Err(refusal) => say(t("first_run.not_started"), &refusal),
            }
            busy.set(false);
        }
    };
    rsx! {
        div { class: "pane first-run",
            div { class: "pane-head",
                h2 { {t("first_run.title")} }
                span { class: "count", "{done} / 3" }
            }
            ul { class: "rows",
                Step { done: ready, title: t("first_run.orchestrator"), text: t("first_run.orchestrator_text"),
                    Link { class: "btn", to: Route::Monitoring { locale }, {t("nav.monitoring")} }
                }
                Step { done: last.is_some(), title: t("first_run.run"), text: t("first_run.run_text"),
                    if let Some(job) = last {
                        Link { class: "btn", to: Route::run(locale, job.id.inner()), Status { status: job.status } }
                    }
                    button { class: "btn btn-primary", r#type: "button", disabled: busy() || !ready, "aria-busy": if busy() { "true" } else { "false" }, onclick: run,
                        Icon { name: "play" }
                        {t("first_run.run_now")}
                    }
                }
                Step { done: own, title: t("first_run.write"), text: t("first_run.write_text"),
                    if session::may(Scope::CreateEvents) { Link { class: "btn", to: Route::EventNew { locale, query: Params::default() },
                        Icon { name: "plus" }
                        {t("nav.new_event")}
                    } }
                }
            }
        }
    }
}

#[component]
fn Step(done: bool, title: String, text: String, children: Element) -> Element {
    let (status, word) = if done {
        (JobStatus::Succeeded, t("first_run.done"))
    } else {
        (JobStatus::Queued, t("first_run.open"))
    };
    rsx! {
        li { class: "ask",
            span { class: "status", "data-status": status.name(),
                Icon { name: status.icon() }
                span { class: "sr", "{word}" }
            }
            span { class: "grow", span { class: "name", "{title}" } span { class: "sub", "{text}" } }
            span { class: "toolbar end", {children} }
        }
    }
}
