//! The terminals that this window holds. They go on while another page is looked at, so that whoever comes back finds
//! them as they are. Knows how each stands; what each does is its own matter (`seat`).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use dioxus::core::spawn_forever;
use dioxus::prelude::*;
use futures::channel::oneshot;
use futures::future::select;

use super::data::{Session, TerminalStatus};
use super::seat::{self, Seat};
use crate::browser;
use crate::session::{self, SESSION};
use crate::ui::until;

/// Whether what a terminal shows reaches this page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Flow {
    Connecting,
    Live,
    /// Not since this moment, in milliseconds since 1970.
    Down(f64),
    /// Nothing more comes.
    Over,
    /// It is not for these eyes any more.
    Gone,
    /// What draws terminals did not arrive.
    Undrawn,
}

/// How a terminal stands.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    pub session: Session,
    pub flow: Flow,
    /// Part of what it showed is not kept.
    pub missing: bool,
    /// The next letter comes with the control key.
    pub control: bool,
    /// It can be put into the page.
    pub ready: bool,
    viewer: cynic::Id,
}

struct Kept {
    seat: Option<Rc<Seat>>,
    /// The terminal's work here ends when this is dropped.
    _end: oneshot::Sender<()>,
}

static HELD: GlobalSignal<BTreeMap<String, State>> = Signal::global(BTreeMap::new);

thread_local! {
    static KEPT: RefCell<HashMap<String, Kept>> = RefCell::default();
}

fn viewer() -> Option<cynic::Id> {
    match &*SESSION.peek() {
        session::Session::SignedIn(viewer) => Some(viewer.id.clone()),
        _ => None,
    }
}

/// Begins to hold a terminal, unless it is held.
pub fn hold(session: Session) {
    let id = session.id.inner().to_owned();
    let Some(viewer) = viewer() else { return };
    let flow = HELD.peek().get(&id).map(|state| state.flow);
    match flow {
        None => {}
        // Whoever asks anew may see it again.
        Some(Flow::Gone | Flow::Undrawn) => release(&id),
        Some(_) => return,
    }
    let (end, ended) = oneshot::channel();
    KEPT.with_borrow_mut(|kept| {
        kept.insert(
            id.clone(),
            Kept {
                seat: None,
                _end: end,
            },
        )
    });
    let state = State {
        session: session.clone(),
        flow: Flow::Connecting,
        missing: false,
        control: false,
        ready: false,
        viewer,
    };
    HELD.write().insert(id, state);
    spawn_forever(async move {
        select(Box::pin(seat::live(session)), ended).await;
    });
}

/// Lets go of a terminal.
pub fn release(id: &str) {
    // Whatever is dropped with it is dropped when nothing is borrowed.
    let kept = KEPT.with_borrow_mut(|kept| kept.remove(id));
    drop(kept);
    if HELD.peek().contains_key(id) {
        HELD.write().remove(id);
    }
}

/// Lets go of what somebody else held who was signed in before.
pub fn release_others() {
    let here = viewer();
    let theirs: Vec<String> = HELD
        .peek()
        .iter()
        .filter(|(_, state)| Some(&state.viewer) != here.as_ref())
        .map(|(id, _)| id.clone())
        .collect();
    for id in theirs {
        release(&id);
    }
}

/// How a terminal stands. A component that reads it follows its changes.
pub fn state(id: &str) -> Option<State> {
    HELD.read().get(id).cloned()
}

/// The viewer's own terminals, in the order in which they were opened. A component that reads them follows their
/// changes.
pub fn own() -> Vec<State> {
    let mut own: Vec<State> = HELD
        .read()
        .values()
        .filter(|state| state.session.is_mine)
        .cloned()
        .collect();
    own.sort_by_key(|state| (state.session.created_at, state.session.id.inner().to_owned()));
    own
}

/// Takes note of something about a terminal.
pub(super) fn change(id: &str, with: impl FnOnce(&mut State)) {
    let Some(before) = HELD.peek().get(id).cloned() else {
        return;
    };
    let mut state = before.clone();
    with(&mut state);
    if state != before {
        HELD.write().insert(id.to_owned(), state);
    }
}

/// Takes in what works for a terminal, as soon as that is there.
pub(super) fn seated(id: &str, seat: Rc<Seat>) {
    KEPT.with_borrow_mut(|kept| {
        if let Some(kept) = kept.get_mut(id) {
            kept.seat = Some(seat);
        }
    });
    change(id, |state| state.ready = true);
}

/// Whether one can type.
pub(super) fn is_open(id: &str) -> bool {
    let held = HELD.peek();
    held.get(id)
        .is_some_and(|state| state.session.status == TerminalStatus::Open)
}

/// The columns and rows that it has, as far as that was told.
pub(super) fn size(id: &str) -> Option<(i32, i32)> {
    let held = HELD.peek();
    held.get(id)
        .map(|state| (state.session.columns, state.session.rows))
}

/// Whether it is closed within a time unless somebody types.
pub(super) fn is_idle(id: &str, within: Duration) -> bool {
    let ends = HELD.peek().get(id).and_then(|state| state.session.idle_until);
    ends.is_some_and(|ends| until(ends, browser::now_ms()) < within)
}

/// Whether the control key was pressed for the next letter, which it is not any more.
pub(super) fn take_control(id: &str) -> bool {
    let held = HELD.peek().get(id).is_some_and(|state| state.control);
    if held {
        change(id, |state| state.control = false);
    }
    held
}

/// Presses the control key for the next letter, or not.
pub fn press_control(id: &str) {
    change(id, |state| state.control = !state.control);
}

/// What works for a terminal, if it is there.
pub fn seat(id: &str) -> Option<Rc<Seat>> {
    KEPT.with_borrow(|kept| kept.get(id)?.seat.clone())
}

/// What works for all terminals of this window.
pub fn seats() -> Vec<Rc<Seat>> {
    KEPT.with_borrow(|kept| kept.values().filter_map(|kept| kept.seat.clone()).collect())
}
