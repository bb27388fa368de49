//! The filters of the list of runs: how they stand in the address, and the controls that set them.

use dioxus::prelude::*;

pub use super::data::Place;
use super::data::{JobFilter, JobStatus, Trigger};
use crate::api::Timestamp;
use crate::i18n::t;
use crate::params::Params;
use crate::ui::Icon;

/// Statuses of jobs that may still change.
pub const OPEN: &str = "QUEUED,DISPATCHING,RUNNING";
/// Statuses that ask for a person.
pub const UNSUCCESSFUL: &str = "FAILED,TIMED_OUT,LOST,PARTIAL";

/// The names in a list of an address that a table knows.
pub fn list<T>(params: &Params, name: &str, read: fn(&str) -> Option<T>) -> Option<Vec<T>> {
    let values: Vec<T> = params.get(name)?.split(',').filter_map(read).collect();
    (!values.is_empty()).then_some(values)
}

/// The filter of an address.
pub fn filter(params: &Params) -> JobFilter {
    JobFilter {
        status: list(params, "status", JobStatus::from_name),
        event_id: params.get("event").map(Into::into),
        trigger: list(params, "trigger", Trigger::from_name),
        text: params.get("q").map(str::to_owned),
        created_after: since(params, crate::browser::now_ms()),
        created_before: None,
    }
}

/// What of a filter can still be stopped; None where it asks for ended jobs only.
pub fn open_of(filter: &JobFilter) -> Option<JobFilter> {
    let open = |status: &JobStatus| !status.is_final();
    let asked = filter.status.as_deref().unwrap_or(&JobStatus::ALL);
    let status: Vec<JobStatus> = asked.iter().copied().filter(open).collect();
    (!status.is_empty()).then(|| JobFilter {
        status: Some(status),
        ..filter.clone()
    })
}

/// What an address asks for, in words; none where it asks for all. `event` is the name of the one that it asks for.
pub fn described(params: &Params, event: Option<String>) -> Vec<String> {
    let words = |key: &str, words: Vec<String>| format!("{}: {}", t(key), words.join(", "));
    let statuses = list(params, "status", JobStatus::from_name)
        .map(|all| words("runs.status", all.into_iter().map(JobStatus::word).collect()));
    let triggers = list(params, "trigger", Trigger::from_name)
        .map(|all| words("runs.trigger", all.into_iter().map(super::trigger_text).collect()));
    let since = params
        .get("since")
        .filter(|span| SPANS.iter().any(|(name, _)| name == span))
        .map(|span| words("runs.since", vec![t(&format!("runs.since.{span}"))]));
    let event = params
        .get("event")
        .map(|_| words("runs.event", vec![event.unwrap_or_else(|| t("runs.one_event"))]));
    let text = params.get("q").map(|text| format!("“{text}”"));
    [statuses, triggers, since, event, text]
        .into_iter()
        .flatten()
        .collect()
}

/// Spans of the past, as in the address, and their length in hours.
pub const SPANS: [(&str, i64); 4] = [("1h", 1), ("24h", 24), ("7d", 168), ("30d", 720)];

/// The moment from which on an address asks for runs.
fn since(params: &Params, now_ms: f64) -> Option<Timestamp> {
    let span = params.get("since")?;
    let hours = SPANS.into_iter().find(|(name, _)| *name == span)?.1;
    // Whole minutes, so that the question stays the same while the page is drawn again.
    let minutes = (now_ms / 60_000.0).floor() as i64 - hours * 60;
    Timestamp::from_timestamp(minutes * 60, 0)
}

/// The page of a list that an address names.
pub fn place(params: &Params) -> Place {
    match (params.get("after"), params.get("before")) {
        (Some(cursor), _) => Place::After(cursor.to_owned()),
        (None, Some(cursor)) => Place::Before(cursor.to_owned()),
        (None, None) => Place::First,
    }
}

/// The address with one filter changed, back on the first page.
pub fn with(params: &Params, name: &str, value: &str) -> Params {
    params.with("after", "").with("before", "").with(name, value)
}

/// A list of an address with one name put in or taken out.
pub fn toggled(params: &Params, name: &str, value: &str) -> String {
    let mut values: Vec<&str> = params
        .get(name)
        .into_iter()
        .flat_map(|list| list.split(','))
        .collect();
    match values.iter().position(|v| *v == value) {
        Some(at) => drop(values.remove(at)),
        None => values.push(value),
    }
    values.join(",")
}

/// A filter with a list of choices behind a chip. `choices` are names for the address and words.
#[component]
pub fn ChoiceFilter(
    name: String,
    label: String,
    choices: Vec<(String, String)>,
    params: Params,
    /// Whether one choice takes the place of another.
    #[props(default)]
    single: bool,
    onchange: EventHandler<Params>,
) -> Element {
    let chosen: Vec<String> = params
        .get(&name)
        .map(|l| l.split(',').map(str::to_owned).collect())
        .unwrap_or_default();
    let words: Vec<&str> = choices
        .iter()
        .filter(|c| chosen.contains(&c.0))
        .map(|c| c.1.as_str())
        .collect();
    let words = words.join(", ");
    let menu = format!("filter-{name}");
    let cleared = with(&params, &name, "");
    rsx! {
        span { class: "filter",
            button {
                class: if words.is_empty() { "chip" } else { "chip chip-on" },
                r#type: "button",
                "popovertarget": "{menu}",
                "aria-haspopup": "true",
                if words.is_empty() {
                    Icon { name: "plus" }
                    "{label}"
                } else {
                    "{label} "
                    b { "{words}" }
                    Icon { name: "down" }
                }
            }
            if !words.is_empty() {
                button { class: "icon-btn icon-btn-sm", r#type: "button", "aria-label": "{t(\"filter.clear\")}: {label}", title: t("filter.clear"), onclick: move |_| onchange.call(cleared.clone()),
                    Icon { name: "x" }
                }
            }
            div { class: "menu menu-pop filter-menu", id: "{menu}", "popover": "auto", role: "group", "aria-label": "{label}",
                for (value, word) in choices.clone() {
                    label { key: "{value}", class: "menu-item check",
                        input {
                            r#type: if single { "radio" } else { "checkbox" },
                            name: "{menu}",
                            checked: chosen.contains(&value),
                            onchange: {
                                let next = if single { value.clone() } else { toggled(&params, &name, &value) };
                                let next = with(&params, &name, &next);
                                move |_| onchange.call(next.clone())
                            },
                        }
                        "{word}"
                    }
                }
            }
        }
    }
}

/// The search field of a list; what is typed reaches the address a moment later.
#[component]
pub fn TextFilter(id: String, label: String, params: Params, onchange: EventHandler<Params>) -> Element {
    let mut typed = use_signal(|| params.get("q").unwrap_or_default().to_owned());
    let mut stroke = use_signal(|| 0_u32);
    let mut latest = use_signal(|| params.clone());
    if *latest.peek() != params {
        // Another way led to another text, such as the browser's back button.
        if latest.peek().get("q") != params.get("q")
            && typed.peek().trim() != params.get("q").unwrap_or_default()
        {
            typed.set(params.get("q").unwrap_or_default().to_owned());
        }
        latest.set(params.clone());
    }
    let input = id.clone();
    crate::log::dom::use_listener("keydown", false, false, move |event| {
        if crate::log::dom::plain_key(&event).as_deref() == Some("/") && !crate::log::dom::typing() {
            event.prevent_default();
            crate::browser::focus(&input);
        }
    });
    rsx! {
        div { class: "affix log-search",
            Icon { name: "search" }
            input {
                class: "input input-sm",
                id: "{id}",
                r#type: "search",
                value: "{typed}",
                placeholder: "{label}",
                "aria-label": "{label}",
                oninput: move |event| {
                    typed.set(event.value());
                    stroke += 1;
                    let now = stroke();
                    spawn(async move {
                        crate::browser::sleep(std::time::Duration::from_millis(300)).await;
                        if now == *stroke.peek() {
                            onchange.call(with(&latest.peek(), "q", typed.peek().trim()));
                        }
                    });
                },
            }
            span { class: "end", kbd { class: "kbd", "/" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_which_runs() {
        let params =
            Params::from("status=FAILED,LOST,NONSENSE&trigger=TEST&q=disk%20full&event=abc&after=cur");
        let filter = filter(&params);
        assert_eq!(filter.status, Some(vec![JobStatus::Failed, JobStatus::Lost]));
        assert_eq!(filter.trigger, Some(vec![Trigger::Test]));
        assert_eq!(
            (filter.text.as_deref(), filter.event_id),
            (Some("disk full"), Some("abc".into()))
        );
        assert_eq!(place(&params), Place::After("cur".into()));
        assert_eq!(super::filter(&Params::from("status=NONSENSE")).status, None);
    }

    #[test]
    fn only_what_has_not_ended_can_be_stopped() {
        let open = |address: &str| open_of(&filter(&Params::from(address)));
        assert_eq!(
            open("status=FAILED,RUNNING,QUEUED").unwrap().status,
            Some(vec![JobStatus::Running, JobStatus::Queued])
        );
        assert_eq!(open("status=FAILED,LOST"), None);
        let all = open("q=disk").unwrap();
        assert_eq!(
            all.status.unwrap(),
            [JobStatus::Queued, JobStatus::Dispatching, JobStatus::Running]
        );
        assert_eq!(all.text.as_deref(), Some("disk"));
    }

    #[test]
    fn a_span_of_the_past_ends_now() {
        let asked = |address: &str| since(&Params::from(address), 7_200_500.0).map(|at| at.timestamp());
        assert_eq!(asked("since=1h"), Some(3_600));
        assert_eq!(asked("since=never"), None);
        assert_eq!(asked(""), None);
    }

    #[test]
    fn a_changed_filter_begins_at_the_first_page() {
        let params = with(&Params::from("after=x&q=a"), "status", "LOST");
        assert_eq!(place(&params), Place::First);
        assert_eq!((params.get("q"), params.get("status")), (Some("a"), Some("LOST")));
    }

    #[test]
    fn names_are_put_in_and_taken_out() {
        let params = Params::from("status=LOST,FAILED");
        assert_eq!(toggled(&params, "status", "LOST"), "FAILED");
        assert_eq!(toggled(&params, "status", "QUEUED"), "LOST,FAILED,QUEUED");
        assert_eq!(toggled(&Params::default(), "status", "QUEUED"), "QUEUED");
    }

    #[test]
    fn views_name_real_statuses() {
        for status in OPEN.split(',').chain(UNSUCCESSFUL.split(',')) {
            assert!(JobStatus::from_name(status).is_some(), "{status}");
        }
    }
}
