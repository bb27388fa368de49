//! The log viewer on the page: bar, lines, foot. Draws only the rows near the view.

use dioxus::prelude::*;

use super::dom;
use super::model::{LineRef, Stream};
use super::pieces::{Mark, pieces};
use super::receive::Of;
use super::state::{Flow, Viewer, use_viewer};
use super::toolbar::LogBar;
use crate::browser;
use crate::i18n::{t, tf, tn};
use crate::ui::{clock, error_text};

/// Colours by which executions are told apart; the style sheet has as many.
const COLOURS: usize = 6;

/// An execution whose lines stand among those of others.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    pub execution: String,
    /// What it is called.
    pub name: String,
    /// Its place among those that are told apart by a colour.
    pub place: usize,
    /// The address of the page that has its own log.
    pub page: String,
}

/// Shows the log of one execution, live until it is complete. Give it the execution as `key`.
#[component]
pub fn LogViewer(
    /// The execution.
    execution: String,
    /// What the log is of, for screen readers.
    label: String,
    /// Id of the element that scrolls; each viewer on a page has its own.
    #[props(default = "log".to_owned())]
    id: String,
    /// The line that the address names.
    #[props(default)]
    line: Option<i64>,
    /// Hears of a line that was chosen, to put it in the address.
    #[props(default)]
    online: Option<EventHandler<i64>>,
    /// Narrow form: no times, fewer controls.
    #[props(default)]
    compact: bool,
    /// Whether the server cut the log at its limit.
    #[props(default)]
    truncated: bool,
) -> Element {
    rsx! {
        Pane { of: Of::Execution(execution), origins: Vec::new(), label, id, line, online, compact, truncated }
    }
}

/// Shows the lines of all executions of a job as they come, each with the name of its execution. Give it the job as
/// `key`.
#[component]
pub fn MergedLog(
    /// The job.
    job: String,
    /// Its executions, as far as they are known.
    origins: Vec<Origin>,
    label: String,
    #[props(default = "log".to_owned())] id: String,
    /// Hears of the address of a line that was chosen, in its own log.
    onown: EventHandler<String>,
    #[props(default)] compact: bool,
    #[props(default)] truncated: bool,
) -> Element {
    rsx! {
        Pane { of: Of::Job(job), origins, label, id, onown, compact, truncated }
    }
}

/// Bar, lines and foot.
#[component]
fn Pane(
    of: Of,
    origins: Vec<Origin>,
    label: String,
    id: String,
    #[props(default)] line: Option<i64>,
    #[props(default)] online: Option<EventHandler<i64>>,
    #[props(default)] onown: Option<EventHandler<String>>,
    compact: bool,
    truncated: bool,
) -> Element {
    let viewer = use_viewer(&id, &of, line, compact);
    let mut asked = use_signal(|| line);
    if *asked.peek() != line {
        asked.set(line);
    }
    use_effect(move || {
        if let Some(line) = asked()
            && *viewer.here.peek() != Some(line)
        {
            viewer.go_to(line);
        }
    });
    let execution = match &of {
        Of::Execution(execution) => Some(execution.clone()),
        Of::Job(_) => None,
    };
    let mut receiving = use_future(move || viewer.receive(of.clone()));
    // After drawing: keep to the end, and learn the heights of wrapped rows.
    use_effect(move || {
        let _ = (viewer.layout.read(), viewer.scrolled.read());
        if *viewer.wrap.peek() {
            viewer.measure();
        }
        if (viewer.follow)() {
            dom::scroll_to_end(&viewer.id.peek());
        }
    });
    dom::use_listener("resize", true, false, move |_| viewer.scroll());
    dom::use_listener("keydown", false, false, {
        let input = format!("{id}-search");
        move |event| {
            if dom::plain_key(&event).as_deref() == Some("/") && !dom::typing() {
                event.prevent_default();
                browser::focus(&input);
            }
        }
    });
    let class = if compact { "log log-compact" } else { "log" };
    let flow = (viewer.flow)();
    rsx! {
        div { class,
            LogBar { viewer, execution, origins: origins.clone(), compact, online }
            if let Flow::Failed(error) = &flow {
                div { class: "banner", role: "alert", "data-status": "FAILED",
                    span { {tf("log.failed", &[("reason", &error_text(error))])} }
                    span { class: "end",
                        button { class: "btn btn-sm", r#type: "button", onclick: move |_| receiving.restart(), {t("error.retry")} }
                    }
                }
            }
            Rows { viewer, origins, label, online, onown }
            if !compact {
                Foot { viewer, truncated }
            }
        }
    }
}

/// What the source of a line is called; None where there is only one.
pub fn name_of(viewer: &Viewer, origins: &[Origin], source: u16) -> Option<String> {
    let sources = viewer.sources.peek();
    let execution = sources.get(usize::from(source))?;
    let origin = origins.iter().find(|one| one.execution == *execution)?;
    Some(origin.name.clone())
}

#[component]
fn Rows(
    viewer: Viewer,
    origins: Vec<Origin>,
    label: String,
    online: Option<EventHandler<i64>>,
    onown: Option<EventHandler<String>>,
) -> Element {
    let window = viewer.window();
    let named = (viewer.named)();
    let sources = viewer.sources.read();
    let known: Vec<Option<&Origin>> = sources
        .iter()
        .map(|execution| origins.iter().find(|one| one.execution == *execution))
        .collect();
    let origin = |source: u16| known.get(usize::from(source)).copied().flatten();
    let log = viewer.log.read();
    let search = viewer.search.read();
    let here = (viewer.here)();
    let chosen = search.current().map(|(_, found)| found);
    let (wrap, times) = ((viewer.wrap)(), (viewer.times)());
    let mut class = "log-lines log-virtual".to_owned();
    let digits = viewer.digits();
    for (on, name) in [
        (!wrap, " log-nowrap"),
        (!times, " log-notime"),
        (named, " log-named"),
        (digits == 5, " log-d5"),
        (digits == 6, " log-d6"),
        (digits > 6, " log-d7"),
    ] {
        if on {
            class.push_str(name);
        }
    }
    let rows = log.rows();
    let waiting = rows == 0;
    rsx! {
        ol {
            class,
            id: "{viewer.id}",
            tabindex: "0",
            role: "list",
            "aria-label": "{label}",
            onscroll: move |_| viewer.scroll(),
            onmounted: move |_| viewer.scroll(),
            // Heights of the parts that are not drawn, so that the scroll bar tells the truth.
            li { class: "log-pad", "aria-hidden": "true", height: "{window.offset}px" }
            for row in window.first..window.end {
                if let Some(line) = log.row(row) {
                    li {
                        key: "{line.source}-{line.seq}",
                        "data-row": "{row}",
                        "data-stream": line.stream.name(),
                        class: row_class(here == Some(line.seq), line),
                        "aria-setsize": "{rows}",
                        "aria-posinset": "{row + 1}",
                        a {
                            href: address(origin(line.source), line.seq),
                            "aria-label": line_words(origin(line.source), line.seq),
                            onclick: {
                                let seq = line.seq;
                                let own = origin(line.source).map(|origin| address(Some(origin), seq));
                                let mut chosen = viewer.here;
                                move |event: MouseEvent| {
                                    if let (Some(own), Some(onown)) = (&own, onown) {
                                        event.prevent_default();
                                        onown.call(own.clone());
                                    } else if let (None, Some(online)) = (&own, online) {
                                        event.prevent_default();
                                        chosen.set(Some(seq));
                                        online.call(seq);
                                    }
                                }
                            },
                            "{line.seq}"
                        }
                        if named {
                            Name { origin: origin(line.source).cloned() }
                        }
                        if times {
                            time { {stamp(line.at)} }
                        }
                        span { class: "tx",
                            for (at, piece) in pieces(line.text, search.query(), chosen.filter(|c| c.row == row).map(|c| c.nth)).into_iter().enumerate() {
                                match piece.mark {
                                    Mark::None => rsx! { span { key: "{at}", class: piece.class, "{piece.text}" } },
                                    Mark::Match => rsx! { mark { key: "{at}", class: piece.class, "{piece.text}" } },
                                    Mark::Current => rsx! { mark { key: "{at}", class: piece.class, "aria-current": "true", "{piece.text}" } },
                                }
                            }
                        }
                    }
                }
            }
            li { class: "log-pad", "aria-hidden": "true", height: "{window.after}px" }
            if waiting {
                li { class: "gap", {waiting_text(&viewer.flow.read(), log.len())} }
            }
        }
    }
}

/// Who wrote a line, in a colour of its own.
#[component]
fn Name(origin: Option<Origin>) -> Element {
    let Some(origin) = origin else {
        return rsx! { span { class: "of" } };
    };
    rsx! {
        span { class: "of of-{origin.place % COLOURS}", title: "{origin.name}", "{origin.name}" }
    }
}

/// Where the number of a line leads: to the line itself, in its own log.
fn address(origin: Option<&Origin>, seq: i64) -> String {
    let page = origin.map_or("", |origin| origin.page.as_str());
    format!("{page}#L{seq}")
}

/// What the number of a line says to a screen reader.
fn line_words(origin: Option<&Origin>, seq: i64) -> String {
    let number = seq.to_string();
    match origin {
        Some(origin) => tf("log.line_of", &[("n", &number), ("name", &origin.name)]),
        None => tf("log.line", &[("n", &number)]),
    }
}

/// What sets a row apart: the line of the address, or a record of what is not in the log.
fn row_class(here: bool, line: LineRef<'_>) -> Option<&'static str> {
    // The runner's own words for a cut line and for a log at its limit; nobody else writes to this stream.
    let cut = line.stream == Stream::System && line.text.contains(" dropped");
    match (here, cut) {
        (true, _) => Some("here"),
        (false, true) => Some("cut"),
        (false, false) => None,
    }
}

/// The time of a line in the person's zone, to the millisecond.
fn stamp(at: i64) -> String {
    format!("{}.{:03}", clock(at as f64, true), at.rem_euclid(1000))
}

fn waiting_text(flow: &Flow, held: usize) -> String {
    match flow {
        _ if held > 0 => t("log.none_shown"),
        Flow::Complete => t("log.empty"),
        Flow::Connecting | Flow::Live => t("log.waiting"),
        Flow::Down => t("live.off"),
        Flow::Failed(_) => t("log.nothing"),
    }
}

#[component]
fn Foot(viewer: Viewer, truncated: bool) -> Element {
    let log = viewer.log.read();
    let flow = viewer.flow.read();
    rsx! {
        div { class: "log-foot",
            span { {tn("log.lines", log.len() as u64)} }
            if let (Some(at), Flow::Complete) = (log.last_at(), &*flow) {
                span { class: "md", {tf("log.ends", &[("time", &stamp(at))])} }
            }
            span { class: "end", role: "status",
                if log.missing() > 0 {
                    span { class: "status", "data-status": "PARTIAL", {tn("log.missing", u64::try_from(log.missing()).unwrap_or(0))} }
                } else if truncated {
                    span { class: "status", "data-status": "PARTIAL", {t("log.truncated")} }
                } else {
                    match &*flow {
                        Flow::Complete => rsx! { {t("log.complete")} },
                        Flow::Live => rsx! { span { class: "live", {t("live.on")} } },
                        Flow::Connecting | Flow::Down => rsx! { {t("live.off")} },
                        Flow::Failed(_) => rsx! { {t("log.stopped")} },
                    }
                }
            }
        }
    }
}
