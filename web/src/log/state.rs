//! What a log viewer keeps while it is on the page, and how its parts change it. Knows nothing of markup.

use std::time::Duration;

use dioxus::prelude::*;

use super::dom::{self, Scrolled};
use super::layout::{Heights, Layout, Window};
use super::model::{Line, Log, Stream};
use super::receive::Of;
use super::search::Search;
use crate::api::ApiError;
use crate::browser;

const WRAP: &str = "cronium-log-wrap";
const TIMES: &str = "cronium-log-times";
/// Rows that a search looks through before the page may draw again.
const SLICE: usize = 20_000;
/// Width of a character of the log's type, and of what stands before the text, in pixels.
const CHARACTER: f64 = 7.23;
const BESIDE: f64 = 20.0;
const TIME: f64 = 98.0;
const NAME: f64 = 124.0;

/// Whether lines still come.
#[derive(Debug, Clone, PartialEq)]
pub enum Flow {
    Connecting,
    Live,
    Down,
    /// All lines are here.
    Complete,
    Failed(ApiError),
}

/// A line to come to, and where in the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    Middle(i64),
    Top(i64),
}

/// The first line in view of a kept place, when it was kept for the same line of the address.
fn kept(text: &str, line: Option<i64>) -> Option<i64> {
    let (first, chosen) = text.split_once(',')?;
    (chosen.parse::<i64>().ok()? == line.unwrap_or(0)).then(|| first.parse().ok())?
}

/// The viewer's state: signals, so that it is copied freely.
#[derive(Clone, Copy, PartialEq)]
pub struct Viewer {
    pub log: Signal<Log>,
    pub layout: Signal<Layout>,
    pub scrolled: Signal<Scrolled>,
    pub flow: Signal<Flow>,
    pub follow: Signal<bool>,
    pub wrap: Signal<bool>,
    pub times: Signal<bool>,
    pub search: Signal<Search>,
    /// The line of the address.
    pub here: Signal<Option<i64>>,
    /// A line to scroll to as soon as it is there.
    wanted: Signal<Option<Wanted>>,
    /// The element that scrolls.
    pub id: Signal<String>,
    /// Under which name this tab keeps the place; empty where it keeps none: lines of several executions come in
    /// another order the next time.
    place: Signal<String>,
    /// The executions that wrote, where there may be several, by the number of the source.
    pub sources: Signal<Vec<String>>,
    /// Where lines of several go on after a lost connection.
    pub cursor: Signal<Option<String>>,
    /// Whether a line says who wrote it.
    pub named: Signal<bool>,
}

/// Makes a viewer's state; `line` is where to begin instead of at the end.
pub fn use_viewer(id: &str, of: &Of, line: Option<i64>, compact: bool) -> Viewer {
    let (place, named) = match of {
        Of::Execution(execution) => (format!("cronium-log-at-{execution}"), false),
        Of::Job(_) => (String::new(), true),
    };
    let kept = use_hook(|| kept(&dom::kept(&place)?, line));
    let begin = kept.map(Wanted::Top).or(line.map(Wanted::Middle));
    let flag = |key: &str, usual: bool| browser::stored(key).map_or(usual, |value| value == "1");
    Viewer {
        log: use_signal(Log::default),
        layout: use_signal(|| Layout::Uniform { rows: 0 }),
        scrolled: use_signal(|| Scrolled {
            view: 600.0,
            width: 900.0,
            ..Scrolled::default()
        }),
        flow: use_signal(|| Flow::Connecting),
        follow: use_signal(|| begin.is_none()),
        wrap: use_signal(|| flag(WRAP, true)),
        times: use_signal(|| !compact && flag(TIMES, true)),
        search: use_signal(Search::default),
        here: use_signal(|| line),
        wanted: use_signal(|| begin),
        id: use_signal(|| id.to_owned()),
        place: use_signal(|| place),
        sources: use_signal(Vec::new),
        cursor: use_signal(|| None),
        named: use_signal(|| named),
    }
}

impl Viewer {
    /// Adds lines, and draws what that changes.
    pub fn append(mut self, lines: Vec<Line>) {
        if self.log.write().append(lines).added == 0 {
            return;
        }
        self.lay_out(false);
        if !self.search.peek().query().is_empty() {
            self.go_on_searching();
        }
        self.go_to_wanted();
    }

    /// Digits of the largest line number, where they need more than the usual room.
    pub fn digits(self) -> usize {
        self.log.read().last_seq().max(1).ilog10() as usize + 1
    }

    /// Characters in a row of the present width.
    fn per_row(self) -> usize {
        let times = if *self.times.peek() { TIME } else { 0.0 };
        let names = if *self.named.peek() { NAME } else { 0.0 };
        let numbers = match self.digits() {
            0..=4 => 46.0,
            digits => 46.0 + 8.0 * (digits - 4) as f64,
        };
        ((self.scrolled.peek().width - BESIDE - numbers - names - times) / CHARACTER).max(10.0) as usize
    }

    /// Brings the heights of rows up to date; `anew` when what was known of them no longer holds.
    pub fn lay_out(mut self, anew: bool) {
        let log = self.log.peek();
        let rows = log.rows();
        if !*self.wrap.peek() {
            self.layout.set(Layout::Uniform { rows });
            return;
        }
        let per_row = self.per_row();
        let mut layout = self.layout.write();
        if anew || !matches!(*layout, Layout::Wrapped(_)) || layout.rows() > rows {
            *layout = Layout::Wrapped(Heights::default());
        }
        if let Layout::Wrapped(heights) = &mut *layout {
            for row in heights.len()..rows {
                heights.push(log.columns(row).div_ceil(per_row));
            }
        }
    }

    /// Corrects guessed heights by those of the rows that are drawn.
    pub fn measure(mut self) {
        let measured = dom::row_heights(&self.id.peek());
        let known = if let Layout::Wrapped(heights) = &*self.layout.peek() {
            heights.corrected(&measured)
        } else {
            None
        };
        if let Some(heights) = known {
            self.layout.set(Layout::Wrapped(heights));
        }
    }

    /// The rows to draw. While following, those at the end.
    pub fn window(self) -> Window {
        let layout = self.layout.read();
        let scrolled = self.scrolled.read();
        let top = if (self.follow)() {
            layout.height()
        } else {
            scrolled.top
        };
        layout.window(top, scrolled.view)
    }

    /// Takes note of a scroll: upwards pauses following, to the end takes it up again.
    pub fn scroll(mut self) {
        // A hidden list has no size, and is scrolled nowhere.
        let Some(now) = dom::scrolled(&self.id.peek()).filter(|now| now.width > 0.0) else {
            return;
        };
        let before = *self.scrolled.peek();
        let follow = *self.follow.peek();
        if follow && now.top < before.top - 1.0 && !now.at_end() {
            self.follow.set(false);
        } else if !follow && now.at_end() && now.top > before.top {
            self.follow.set(true);
        }
        self.keep_place(now);
        if before != now {
            self.scrolled.set(now);
            if (before.width - now.width).abs() > 0.5 {
                self.lay_out(true);
            }
        }
    }

    /// Keeps the first line in view for the reload of the page; at the end there is nothing to keep.
    fn keep_place(self, now: Scrolled) {
        if self.place.peek().is_empty() {
            return;
        }
        let line = if *self.follow.peek() || now.at_end() {
            None
        } else {
            let first = self.layout.peek().first_at(now.top, now.view);
            let chosen = self.here.peek().unwrap_or(0);
            self.log
                .peek()
                .row(first)
                .map(|line| format!("{},{chosen}", line.seq))
        };
        dom::keep(&self.place.peek(), line.as_deref());
    }

    /// Keeps to the end of the log, or stays where it is.
    pub fn set_follow(mut self, on: bool) {
        self.follow.set(on);
        if on {
            dom::scroll_to_end(&self.id.peek());
        }
    }

    fn show_row(mut self, row: usize, at_top: bool) {
        self.follow.set(false);
        let view = dom::scrolled(&self.id.peek()).map_or(self.scrolled.peek().view, |now| now.view);
        let top = self.layout.peek().scroll_to(row, view, at_top);
        // The window moves first, so that the place to scroll to has rows when the browser draws it.
        self.scrolled.write().top = top;
        let id = self.id.peek().clone();
        spawn(async move {
            browser::sleep(Duration::ZERO).await;
            dom::scroll_to(&id, top);
        });
    }

    /// Chooses a line and shows it, now or when it comes.
    pub fn go_to(mut self, line: i64) {
        self.here.set(Some(line));
        self.wanted.set(Some(Wanted::Middle(line)));
        self.go_to_wanted();
    }

    fn go_to_wanted(mut self) {
        let Some(wanted) = *self.wanted.peek() else { return };
        let (Wanted::Middle(line) | Wanted::Top(line)) = wanted;
        let row = self.log.peek().row_of(line);
        if let Some(row) = row {
            self.wanted.set(None);
            self.show_row(row, matches!(wanted, Wanted::Top(_)));
        }
    }

    pub fn set_wrap(mut self, on: bool) {
        browser::store(WRAP, Some(if on { "1" } else { "0" }));
        self.wrap.set(on);
        self.lay_out(true);
    }

    pub fn set_times(mut self, on: bool) {
        browser::store(TIMES, Some(if on { "1" } else { "0" }));
        self.times.set(on);
        self.lay_out(true);
    }

    pub fn set_filter(mut self, filter: Option<Stream>) {
        self.log.write().set_filter(filter);
        self.lay_out(true);
        let query = self.search.peek().query().to_owned();
        self.set_query(&query);
    }

    /// Searches anew, from the rows in view on.
    pub fn set_query(mut self, query: &str) {
        self.search.set(Search::new(query));
        if query.is_empty() {
            return;
        }
        let first = self.window().first;
        spawn(async move {
            self.search_all().await;
            self.search.write().start_from(first);
            self.show_match();
        });
    }

    fn go_on_searching(self) {
        spawn(async move { self.search_all().await });
    }

    async fn search_all(mut self) {
        let query = self.search.peek().query().to_owned();
        while self.search.write().advance(&self.log.peek(), SLICE) {
            browser::sleep(Duration::ZERO).await;
            if self.search.peek().query() != query {
                return;
            }
        }
    }

    /// Chooses the next match, or the one before, and shows it.
    pub fn step(mut self, forward: bool) {
        self.search.write().step(forward);
        self.show_match();
    }

    fn show_match(self) {
        let current = self.search.peek().current();
        if let Some((_, found)) = current {
            self.show_row(found.row, false);
        }
    }

    /// The text of the rows shown, for the clipboard; `name` is what stands before a line of a source.
    pub fn text(self, name: impl Fn(u16) -> Option<String>) -> String {
        let log = self.log.peek();
        let mut text = String::new();
        for line in (0..log.rows()).filter_map(|row| log.row(row)) {
            if let Some(name) = name(line.source) {
                text.push_str(&name);
                text.push_str(": ");
            }
            text.push_str(&super::ansi::strip(line.text));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_for_the_address_it_was_kept_for() {
        assert_eq!(kept("500,0", None), Some(500));
        assert_eq!(kept("500,120", Some(120)), Some(500));
        assert_eq!(kept("500,120", Some(7)), None);
        assert_eq!(kept("500,120", None), None);
        assert_eq!(kept("nonsense", None), None);
    }
}
