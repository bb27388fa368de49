//! Plays what is kept of a terminal, while the rest of it is still being fetched.

use std::time::Duration;

use dioxus::prelude::*;
use futures::channel::mpsc::unbounded;

use super::bar::Letters;
use super::data::{self, Session};
use super::screen::{Looks, Screen};
use super::tape::{Shown, Tape, stamp};
use super::{LEAVE, PANE};
use crate::api::ApiError;
use crate::browser;
use crate::i18n::{t, tf};
use crate::ui::{Icon, error_text};

/// How often it is looked what is due.
const TICK: Duration = Duration::from_millis(50);
/// A page that stood still for longer goes on where it was, in milliseconds.
const LEAP: f64 = 500.0;
/// Pieces that are given to the screen before it is waited for.
const AT_ONCE: usize = 16;
/// What the arrow keys leap over, in seconds.
const STEP: f64 = 5.0;
const SPEEDS: [u32; 3] = [1, 2, 4];
const AGAIN: Duration = Duration::from_secs(2);

/// What is played and how: signals, so that it is copied freely.
#[derive(Clone, Copy, PartialEq)]
struct Play {
    tape: Signal<Tape>,
    /// Up to which piece it was fetched.
    after: Signal<i32>,
    /// All of it is here.
    whole: Signal<bool>,
    failed: Signal<Option<ApiError>>,
    undrawn: Signal<bool>,
    playing: Signal<bool>,
    skip: Signal<bool>,
    speed: Signal<u32>,
    /// In seconds from the beginning.
    at: Signal<f64>,
    /// Where somebody wants to be.
    wanted: Signal<Option<f64>>,
    letters: Signal<Option<u32>>,
}

fn use_play() -> Play {
    Play {
        tape: use_signal(Tape::default),
        after: use_signal(|| 0),
        whole: use_signal(|| false),
        failed: use_signal(|| None),
        undrawn: use_signal(|| false),
        playing: use_signal(|| true),
        skip: use_signal(|| true),
        speed: use_signal(|| 1),
        at: use_signal(|| 0.0),
        wanted: use_signal(|| None),
        letters: use_signal(|| None),
    }
}

impl Play {
    /// Fetches the recording, page by page.
    async fn fetch(mut self, id: String) {
        loop {
            let after = *self.after.peek();
            match data::recording(&id, after).await {
                Ok(Some(page)) => {
                    let last = page.chunks.last().map(|chunk| chunk.seq);
                    let mut tape = self.tape.write();
                    for chunk in page.chunks {
                        tape.push(chunk);
                    }
                    drop(tape);
                    self.after.set(last.unwrap_or(after));
                    if !page.has_more || last.is_none() {
                        break;
                    }
                }
                // The page itself says that it is gone.
                Ok(None) => break,
                Err(error) if error.is_offline() => browser::sleep(AGAIN).await,
                Err(error) => {
                    self.failed.set(Some(error));
                    return;
                }
            }
        }
        self.whole.set(true);
    }

    /// Draws what is due, for as long as the page is there.
    async fn draw(mut self, session: Session) {
        while self.tape.peek().is_empty() && !*self.whole.peek() {
            browser::sleep(TICK).await;
        }
        let size = self.tape.peek().size();
        let (columns, rows) = size.map_or((session.columns, session.rows), |size| (size.columns, size.rows));
        let looks = Looks {
            columns,
            rows,
            label: tf("terminals.label", &[("name", &session.name())]),
            hint: None,
            leave: LEAVE.to_owned(),
            turn: None,
            fixed: true,
            read_only: true,
        };
        let (out, _) = unbounded();
        let Some(screen) = Screen::open(&looks, out).await else {
            self.undrawn.set(true);
            return;
        };
        screen.show(PANE);
        let mut shown = 0;
        let mut last = browser::now_ms();
        loop {
            browser::sleep(TICK).await;
            let now = browser::now_ms();
            let passed = (now - last).clamp(0.0, LEAP) / 1_000.0;
            last = now;
            let letters = *self.letters.peek();
            if let Some(letters) = letters {
                self.letters.set(None);
                screen.set_font_size(letters);
            }
            self.go_on(passed);
            let due = self.tape.peek().shown(*self.at.peek(), *self.skip.peek());
            if due < shown {
                screen.reset();
                screen.resize(columns, rows).await;
                shown = 0;
            }
            shown = self.show(&screen, shown, due).await;
        }
    }

    /// Moves on by the time that has passed, or to where somebody wants to be.
    fn go_on(mut self, passed: f64) {
        let length = self.tape.peek().length(*self.skip.peek());
        let before = *self.at.peek();
        let wanted = *self.wanted.peek();
        let mut now = before;
        if let Some(wanted) = wanted {
            self.wanted.set(None);
            now = wanted.clamp(0.0, length);
        } else if *self.playing.peek() {
            now = (before + passed * f64::from(*self.speed.peek())).min(length);
            if now >= length && *self.whole.peek() {
                self.playing.set(false);
            }
        }
        if (now - before).abs() > f64::EPSILON {
            self.at.set(now);
        }
    }

    /// Shows pieces up to one, and gives how many are shown then: fewer where somebody wants to be elsewhere meanwhile.
    async fn show(self, screen: &Screen, from: usize, to: usize) -> usize {
        for at in from..to {
            let piece = self.tape.peek().piece(at).cloned();
            let drawn = match piece {
                Some(Shown::Data(data)) => screen.write(&data, false),
                Some(Shown::Size(size)) => screen.resize(size.columns, size.rows),
                None => return at,
            };
            if (at + 1 - from).is_multiple_of(AT_ONCE) || at + 1 == to {
                drawn.await;
                if self.wanted.peek().is_some() {
                    return at + 1;
                }
            }
        }
        to
    }

    /// Plays or pauses; from the end it begins anew.
    fn toggle(mut self) {
        let playing = *self.playing.peek();
        let length = self.tape.peek().length(*self.skip.peek());
        if !playing && *self.whole.peek() && *self.at.peek() >= length {
            self.wanted.set(Some(0.0));
        }
        self.playing.set(!playing);
    }

    fn seek(mut self, to: f64) {
        self.wanted.set(Some(to));
    }

    /// Begins or ceases to skip idle times, at the same place.
    fn set_skip(mut self, on: bool) {
        let at = self.tape.peek().turned(*self.at.peek(), on);
        self.skip.set(on);
        self.at.set(at);
    }

    /// What a key does; false where it does nothing.
    fn press(self, key: &Key) -> bool {
        let at = *self.at.peek();
        match key {
            Key::Character(letter) if letter == " " => self.toggle(),
            Key::ArrowLeft => self.seek(at - STEP),
            Key::ArrowRight => self.seek(at + STEP),
            Key::Home => self.seek(0.0),
            Key::End => self.seek(f64::MAX),
            _ => return false,
        }
        true
    }
}

/// The recording, and the controls below it.
#[component]
pub fn Player(session: Session) -> Element {
    let play = use_play();
    let id = session.id.inner().to_owned();
    let cut = session.recording_cut;
    let mut fetching = use_future(move || play.fetch(id.clone()));
    use_future(move || play.draw(session.clone()));
    let mut failed = play.failed;
    let empty = (play.whole)() && play.tape.read().is_empty();
    rsx! {
        div { class: "term-work",
            if cut {
                div { class: "banner term-notice", "data-status": "PARTIAL", role: "status",
                    Icon { name: "alert" }
                    span { {t("terminals.cut")} }
                }
            }
            if (play.undrawn)() {
                div { class: "banner term-notice", "data-status": "FAILED", role: "alert",
                    Icon { name: "alert" }
                    span { b { {t("terminals.undrawn")} } " " {t("part.failed_text")} }
                    span { class: "end",
                        button { class: "btn btn-sm", r#type: "button", onclick: move |_| browser::reload(),
                            Icon { name: "retry" }
                            {t("part.reload")}
                        }
                    }
                }
            }
            if let Some(error) = failed() {
                div { class: "banner term-notice", "data-status": "FAILED", role: "alert",
                    Icon { name: "alert" }
                    span { b { {t("error.title")} } " " {error_text(&error)} }
                    span { class: "end",
                        button {
                            class: "btn btn-sm",
                            r#type: "button",
                            onclick: move |_| {
                                failed.set(None);
                                fetching.restart();
                            },
                            Icon { name: "retry" }
                            {t("error.retry")}
                        }
                    }
                }
            }
            if empty {
                p { class: "term-foot", role: "status", {t("terminals.empty")} }
            }
            div {
                class: "term-pane term-fixed",
                id: PANE,
                tabindex: "0",
                role: "region",
                "aria-label": t("terminals.shown"),
                onkeydown: move |event| {
                    if play.press(&event.key()) {
                        event.prevent_default();
                    }
                },
            }
            Controls { play }
        }
    }
}

#[component]
fn Controls(play: Play) -> Element {
    let (playing, skip, speed) = ((play.playing)(), (play.skip)(), (play.speed)());
    let length = play.tape.read().length(skip);
    let at = (play.at)().min(length);
    let words = format!("{} / {}", stamp(at), stamp(length));
    let label = t(if playing {
        "terminals.pause"
    } else {
        "terminals.play"
    });
    rsx! {
        div { class: "term-player", id: LEAVE, tabindex: "-1", role: "group", "aria-label": t("terminals.player"),
            button {
                class: "btn btn-primary btn-sm",
                r#type: "button",
                "aria-label": "{label}",
                title: "{label}",
                onclick: move |_| play.toggle(),
                Icon { name: if playing { "pause" } else { "play" } }
            }
            input {
                class: "term-seek",
                r#type: "range",
                min: "0",
                max: "{length}",
                step: "0.05",
                value: "{at}",
                "aria-label": t("terminals.seek"),
                "aria-valuetext": "{words}",
                oninput: move |event| if let Ok(to) = event.value().parse() { play.seek(to) },
                onkeydown: move |event| {
                    if play.press(&event.key()) {
                        event.prevent_default();
                    }
                },
            }
            span { class: "num", "{words}" if !(play.whole)() { " …" } }
            div { class: "seg seg-sm", role: "group", "aria-label": t("terminals.speed"),
                for one in SPEEDS {
                    button {
                        key: "{one}",
                        r#type: "button",
                        "aria-pressed": if one == speed { "true" } else { "false" },
                        onclick: move |_| {
                            let mut speed = play.speed;
                            speed.set(one);
                        },
                        "{one}×"
                    }
                }
            }
            label { class: "switch",
                input {
                    r#type: "checkbox",
                    role: "switch",
                    checked: skip,
                    onchange: move |event| play.set_skip(event.checked()),
                }
                {t("terminals.skip")}
            }
            span { class: "term-tools", Letters { onsize: move |size: u32| {
                let mut letters = play.letters;
                letters.set(Some(size));
            } } }
        }
    }
}
