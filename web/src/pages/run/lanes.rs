//! The executions of a run by where they took place: one lane for each server with all its attempts, and one alone for
//! what runs elsewhere. Pure.

use super::data::{Execution, RunServer};
use crate::log::Origin;
use crate::params::Params;
use crate::routes::Route;
use crate::ui::JobStatus;

/// Where executions take place, and all that did.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// None: in a container, or as a request.
    pub server: Option<RunServer>,
    /// In their order, at least one.
    pub executions: Vec<Execution>,
}

impl Lane {
    /// The newest attempt.
    pub fn last(&self) -> Option<&Execution> {
        self.executions.last()
    }

    pub fn status(&self) -> JobStatus {
        self.last().map_or(JobStatus::Queued, |one| one.status)
    }

    /// The server's id; empty for what runs on none.
    pub fn id(&self) -> &str {
        self.server.as_ref().map_or("", |server| server.id.inner())
    }

    /// The server's name; empty for what runs on none.
    pub fn name(&self) -> &str {
        self.server.as_ref().map_or("", |server| server.name.as_str())
    }
}

/// The lanes of a job, in the order of its servers.
pub fn lanes(executions: &[Execution]) -> Vec<Lane> {
    let mut lanes: Vec<Lane> = Vec::new();
    for one in executions {
        let id = one.server.as_ref().map(|server| &server.id);
        let known = lanes
            .iter_mut()
            .find(|lane| lane.server.as_ref().map(|server| &server.id) == id);
        match known {
            Some(lane) => lane.executions.push(one.clone()),
            None => lanes.push(Lane {
                server: one.server.clone(),
                executions: vec![one.clone()],
            }),
        }
    }
    for lane in &mut lanes {
        lane.executions.sort_by_key(|one| one.attempt);
    }
    lanes
}

/// The lane in view: the one that an address asks for, else the only one; None: all of several.
pub fn in_view<'a>(lanes: &'a [Lane], params: &Params) -> Option<&'a Lane> {
    match lanes {
        [] => None,
        [only] => Some(only),
        all => {
            let asked = params.get("server")?;
            all.iter().find(|lane| lane.id() == asked)
        }
    }
}

/// The address that shows a lane, on the attempt that is followed; an empty one: all of them.
pub fn address(params: &Params, lane: &str) -> Params {
    params.with("attempt", "").with("server", lane)
}

/// What the lines of each execution are called in a log of all of them. `to` is the page of the run with such a query.
pub fn origins(lanes: &[Lane], to: impl Fn(Params) -> Route) -> Vec<Origin> {
    let mut origins = Vec::new();
    for (place, lane) in lanes.iter().enumerate() {
        for one in &lane.executions {
            // The only attempt needs no number.
            let attempt = match lane.executions.len() {
                1 => String::new(),
                _ => one.attempt.to_string(),
            };
            let query = address(&Params::default(), lane.id()).with("attempt", &attempt);
            origins.push(Origin {
                execution: one.id.inner().to_owned(),
                name: lane.name().to_owned(),
                place,
                page: to(query).to_string(),
            });
        }
    }
    origins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::Locale;
    use crate::pages::run::data::tests::{execution, on};

    fn names(lanes: &[Lane]) -> Vec<(&str, usize)> {
        lanes
            .iter()
            .map(|lane| (lane.name(), lane.executions.len()))
            .collect()
    }

    #[test]
    fn each_server_has_a_lane_with_its_attempts_in_order() {
        let found = lanes(&[
            on("web", 2, JobStatus::Running),
            on("db", 1, JobStatus::Succeeded),
            on("web", 1, JobStatus::Failed),
        ]);
        assert_eq!(names(&found), [("web", 2), ("db", 1)]);
        assert_eq!(found[0].last().map(|one| one.attempt), Some(2));
        assert_eq!(
            (found[0].status(), found[1].status()),
            (JobStatus::Running, JobStatus::Succeeded)
        );
    }

    #[test]
    fn what_runs_in_a_container_is_one_lane() {
        let found = lanes(&[
            execution(1, JobStatus::Failed),
            execution(2, JobStatus::Succeeded),
        ]);
        assert_eq!(names(&found), [("", 2)]);
        assert_eq!(
            in_view(&found, &Params::from("server=web")).map(Lane::status),
            Some(JobStatus::Succeeded)
        );
        assert_eq!(lanes(&[]), []);
    }

    #[test]
    fn of_several_all_are_in_view_until_one_is_asked_for() {
        let found = lanes(&[on("web", 1, JobStatus::Failed), on("db", 1, JobStatus::Failed)]);
        assert!(in_view(&found, &Params::default()).is_none());
        assert_eq!(
            in_view(&found, &Params::from("server=db")).map(Lane::name),
            Some("db")
        );
        assert!(in_view(&found, &Params::from("server=gone")).is_none());
        let one = address(&Params::from("server=db&attempt=2&x=y"), "web");
        assert_eq!(
            (one.get("server"), one.get("attempt"), one.get("x")),
            (Some("web"), None, Some("y"))
        );
    }

    #[test]
    fn a_line_leads_to_its_own_log() {
        let found = lanes(&[
            on("web", 1, JobStatus::Failed),
            on("web", 2, JobStatus::Running),
            on("db", 1, JobStatus::Running),
        ]);
        let origins = origins(&found, |query| Route::Run {
            locale: Locale::En,
            id: "job".to_owned(),
            query,
            hash: String::new(),
        });
        let pages: Vec<(&str, usize, &str)> = origins
            .iter()
            .map(|one| (one.execution.as_str(), one.place, one.page.as_str()))
            .collect();
        assert_eq!(
            pages,
            [
                ("web-1", 0, "/en/runs/job?server=web&attempt=1"),
                ("web-2", 0, "/en/runs/job?server=web&attempt=2"),
                ("db-1", 1, "/en/runs/job?server=db"),
            ]
        );
    }
}
