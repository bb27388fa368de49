//! The log viewer on the page: bar, lines, foot. Draws only the rows near the view.

use dioxus::prelude::*;

use super::dom;
use super::model::{LineRef, Stream};
use super::pieces::{Mark, pieces};
use super::state::{Flow, Viewer, use_viewer};
use super::toolbar::LogBar;
use crate::browser;
use crate::i18n::{t, tf, tn};
use crate::ui::{clock, error_text};

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
    let viewer = use_viewer(&id, &execution, line, compact);
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
    let of = execution.clone();
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
            LogBar { viewer, execution: execution.clone(), compact, online }
            if let Flow::Failed(error) = &flow {
                div { class: "banner", role: "alert", "data-status": "FAILED",
                    span { {tf("log.failed", &[("reason", &error_text(error))])} }
                    span { class: "end",
                        button { class: "btn btn-sm", r#type: "button", onclick: move |_| receiving.restart(), {t("error.retry")} }
                    }
                }
            }
            Rows { viewer, label, online }
            if !compact {
                Foot { viewer, truncated }
            }
        }
    }
}

#[component]
fn Rows(viewer: Viewer, label: String, online: Option<EventHandler<i64>>) -> Element {
    let window = viewer.window();
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
                        key: "{line.seq}",
                        "data-row": "{row}",
                        "data-stream": line.stream.name(),
                        class: row_class(here == Some(line.seq), line),
                        "aria-setsize": "{rows}",
                        "aria-posinset": "{row + 1}",
                        a {
                            href: "#L{line.seq}",
                            "aria-label": tf("log.line", &[("n", &line.seq.to_string())]),
                            onclick: {
                                let seq = line.seq;
                                let mut chosen = viewer.here;
                                move |event: MouseEvent| {
                                    if let Some(online) = online {
                                        event.prevent_default();
                                        chosen.set(Some(seq));
                                        online.call(seq);
                                    }
                                }
                            },
                            "{line.seq}"
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
