//! One terminal of this window at work: what it tells is drawn at the pace of the drawing, what is typed is sent in
//! order, the size that there is room for is told. Goes on over lost connections. Knows the API and the screen; knows
//! no page.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::future::{Either, LocalBoxFuture, join5, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

use super::backlog::Backlog;
use super::changes;
use super::data::{self, Chunk, Session, TerminalStatus};
use super::held::{self, Flow};
use super::reading::{Happened, Reading, happens};
use super::screen::{Heard, Looks, Screen};
use super::shown::Shown;
use super::typing::{Typing, with_control};
use super::{HINT, LEAVE};
use crate::api::{ApiError, ApiErrorKind, Feed};
use crate::browser;
use crate::i18n::{t, tf};
use crate::pages::runs::data::{JobStatus, Refusal};
use crate::pages::runs::say;
use crate::ui::toast;

/// So much is with the screen at a time, in letters of base64 and in pieces: enough to keep it busy where the browser
/// lets a page that nobody looks at draw once a second, little enough for the page to stay quick.
const DRAWING: usize = 256 << 10;
const PIECES: usize = 512;
/// Without a subscription for longer than the far side waits, a terminal is closed: it is asked on before that, be the
/// page as slow as one that nobody looks at.
const STILL_HERE: Duration = Duration::from_secs(10);
/// A request that takes longer is made again: its number keeps it from being done twice.
const PATIENCE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(1);
/// Too much of what was typed is on its way: that takes a moment.
const FULL: Duration = Duration::from_millis(250);
/// How far a terminal was shown is told so often at most.
const READ: Duration = Duration::from_millis(100);
/// A size is told once it stays so long.
const SETTLED: Duration = Duration::from_millis(150);
/// How often it is asked until when a terminal may stay open.
const LOOK: Duration = Duration::from_secs(20);
/// The same while the shell is not there yet: a quiet one tells of itself by nothing else. And while it is not known
/// what is old.
const OPENS: Duration = Duration::from_secs(2);
/// So long before an idle terminal is closed, every key is followed by a look.
const NEAR: Duration = Duration::from_secs(90);

/// What a request gives; None where that takes too long.
async fn in_time<T>(asked: impl Future<Output = T>) -> Option<T> {
    match select(pin!(asked), pin!(browser::sleep(PATIENCE))).await {
        Either::Left((answer, _)) => Some(answer),
        Either::Right(_) => None,
    }
}

/// Whether a failure may be over when the same is asked again.
fn passes(error: &ApiError) -> bool {
    !matches!(
        error.kind,
        ApiErrorKind::NotFound | ApiErrorKind::Refused | ApiErrorKind::Unauthenticated
    )
}

/// A terminal at work.
pub struct Seat {
    id: String,
    mine: bool,
    screen: Screen,
    typing: RefCell<Typing>,
    woken: UnboundedSender<()>,
    sizes: UnboundedSender<(i32, i32)>,
    looks: UnboundedSender<()>,
    /// Pieces that were shown, and their letters.
    shown: UnboundedSender<(i32, usize)>,
    /// Up to which piece all is here.
    last: Rc<Cell<i32>>,
    /// Up to which piece all is old: it was replied to when it was new. None where this tab had not shown it before:
    /// then all is old until somebody uses it here.
    old: Cell<Option<i32>>,
    used: Cell<bool>,
    /// The columns and rows that there is room for.
    room: Cell<(i32, i32)>,
}

/// Works for a terminal until whoever holds it lets go.
pub async fn live(session: Session) {
    let mine = session.is_mine;
    let (out, heard) = unbounded();
    let id = session.id.inner().to_owned();
    let looks = Looks {
        columns: session.columns,
        rows: session.rows,
        label: tf("terminals.label", &[("name", &session.name())]),
        hint: mine.then(|| HINT.to_owned()),
        leave: LEAVE.to_owned(),
        turn: mine.then(|| format!("cronium-terminal-used-{id}")),
        fixed: !mine,
        read_only: !mine,
    };
    let Some(screen) = Screen::open(&looks, out).await else {
        held::change(&id, |state| state.flow = Flow::Undrawn);
        return pending().await;
    };
    let (woken, wakes) = unbounded();
    let (sizes, sized) = unbounded();
    let (looks, looked) = unbounded();
    let (shown, read) = unbounded();
    let told = (session.columns, session.rows);
    let seat = Rc::new(Seat {
        last: Rc::default(),
        old: Cell::new(changes::read(&id)),
        used: Cell::new(false),
        room: Cell::new(told),
        typing: RefCell::default(),
        id,
        mine,
        screen,
        woken,
        sizes,
        looks,
        shown,
    });
    held::seated(&seat.id, seat.clone());
    let works = join5(
        seat.hear(heard),
        seat.send(wakes),
        seat.tell_sizes(told, sized),
        seat.look(looked),
        seat.tell_read(read),
    );
    select(pin!(seat.follow()), pin!(works)).await;
    // What it showed last stays.
    pending::<()>().await;
}

impl Seat {
    pub fn screen(&self) -> &Screen {
        &self.screen
    }

    /// Draws what the terminal shows, until nothing more comes.
    async fn follow(&self) {
        let begin = || {
            let last = self.last.clone();
            Reading::On(data::output(self.id.clone(), move || last.get()))
        };
        let mut reading = begin();
        let mut backlog = Backlog::default();
        let mut drawing = FuturesUnordered::new();
        let mut letters = 0;
        let mut failures = 0_u32;
        while !matches!(reading, Reading::Over) || !backlog.is_empty() || !drawing.is_empty() {
            while letters < DRAWING
                && drawing.len() < PIECES
                && let Some(piece) = backlog.pop()
            {
                letters += piece.data.len();
                drawing.push(self.draw(piece));
            }
            if matches!(reading, Reading::Full(_)) && backlog.is_little() {
                reading = begin();
            }
            match happens(&mut reading, &mut drawing).await {
                Happened::Drawn(drawn) => letters -= drawn,
                Happened::Waited => reading = begin(),
                Happened::News(Some(Feed::Data(output))) => {
                    failures = 0;
                    self.hears(output.terminal_output, &mut backlog);
                    self.last.set(backlog.last());
                    if backlog.is_much() {
                        reading = Reading::Full(Box::pin(browser::sleep(STILL_HERE)));
                    }
                }
                Happened::News(Some(Feed::Live)) => held::change(&self.id, |state| state.flow = Flow::Live),
                Happened::News(Some(Feed::Down)) => {
                    self.is_down();
                    self.ask_to_look();
                }
                Happened::News(Some(Feed::Failed(_)) | None) => {
                    reading = if self.is_over().await {
                        Reading::Over
                    } else {
                        failures += 1;
                        self.is_down();
                        Reading::Later(Box::pin(browser::sleep(RETRY * failures.min(5))))
                    };
                }
            }
        }
    }

    fn is_down(&self) {
        held::change(&self.id, |state| {
            if !matches!(state.flow, Flow::Down(_)) {
                state.flow = Flow::Down(browser::now_ms());
            }
        });
    }

    /// Takes in a piece of output.
    fn hears(&self, piece: Chunk, backlog: &mut Backlog) {
        let status = piece.status;
        let missing = backlog.is_missing();
        if let Some(size) = piece.size {
            held::change(&self.id, |state| {
                (state.session.columns, state.session.rows) = (size.columns, size.rows);
            });
        }
        backlog.take(piece);
        if status == TerminalStatus::Open && !held::is_open(&self.id) {
            held::change(&self.id, |state| state.session.status = status);
            self.wake();
        }
        if backlog.is_missing() && !missing {
            held::change(&self.id, |state| state.missing = true);
        }
    }

    /// Draws a piece, and gives its letters once that is done.
    fn draw(&self, piece: Chunk) -> LocalBoxFuture<'static, usize> {
        let letters = piece.data.len();
        let old = self.old.get().is_none_or(|old| piece.seq <= old);
        let drawn: LocalBoxFuture<'static, ()> = match piece.size {
            // The size of one's own terminal is what there is room for here.
            Some(size) if !self.mine => self.screen.resize(size.columns, size.rows),
            None if letters > 0 => self.screen.write(&piece.data, old),
            _ => Box::pin(ready(())),
        };
        let shown = (self.mine && letters > 0).then(|| (self.id.clone(), self.shown.clone()));
        Box::pin(async move {
            drawn.await;
            if let Some((id, shown)) = shown {
                changes::keep_read(&id, piece.seq);
                // Whoever is to hear it lives as long as this.
                let _ = shown.unbounded_send((piece.seq, letters));
            }
            letters
        })
    }

    /// Tells how far one's own terminal was shown, which makes room for more.
    async fn tell_read(&self, mut pieces: UnboundedReceiver<(i32, usize)>) {
        let mut shown = Shown::default();
        while let Some((seq, letters)) = pieces.next().await {
            shown.add(seq, letters);
            // Until it is heard: the terminal may say nothing more before that.
            while let Some(seq) = shown.due() {
                match in_time(changes::tell_read(&self.id, seq)).await {
                    Some(Err(Refusal::Failed(error))) if passes(&error) => browser::sleep(RETRY).await,
                    None => {}
                    Some(_) => shown.told(),
                }
                browser::sleep(READ).await;
                while let Some(Some((seq, letters))) = pieces.next().now_or_never() {
                    shown.add(seq, letters);
                }
            }
        }
    }

    /// Whether nothing more comes, asked where nothing came.
    async fn is_over(&self) -> bool {
        let found = match data::session(&self.id).await {
            Ok(Some(session)) if !session.is_over() => return false,
            Ok(found) => found,
            // Nothing of it stays for whoever signs in next.
            Err(error) if error.kind == ApiErrorKind::Unauthenticated => {
                held::release(&self.id);
                return true;
            }
            Err(error) if passes(&error) => return false,
            Err(_) => None,
        };
        held::change(&self.id, |state| match found {
            Some(session) => (state.session, state.flow) = (session, Flow::Over),
            None => state.flow = Flow::Gone,
        });
        true
    }

    fn wake(&self) {
        // Whoever is to hear it lives as long as this.
        let _ = self.woken.unbounded_send(());
    }

    /// Hears what a person does at the terminal.
    async fn hear(&self, mut heard: UnboundedReceiver<Heard>) {
        while let Some(news) = heard.next().await {
            match news {
                Heard::Typed(text) => self.typed(&text),
                Heard::Replied(text) => {
                    self.typing.borrow_mut().replied(&text);
                    self.wake();
                }
                Heard::Sized(columns, rows) if self.mine => {
                    changes::keep_size(columns, rows);
                    self.room.set((columns, rows));
                    self.tell_room();
                }
                Heard::Used if self.mine => {
                    self.used.set(true);
                    self.typing.borrow_mut().unsure();
                    // Another window may have given it another size meanwhile.
                    self.tell_room();
                    if self.is_behind() {
                        self.ask_to_look();
                    }
                }
                Heard::Sized(..) | Heard::Used => {}
            }
        }
    }

    fn tell_room(&self) {
        // Whoever is to hear it lives as long as this.
        let _ = self.sizes.unbounded_send(self.room.get());
    }

    fn typed(&self, text: &str) {
        let fits = if held::take_control(&self.id) {
            self.typing.borrow_mut().typed(&with_control(text))
        } else {
            self.typing.borrow_mut().typed(text)
        };
        if !fits {
            toast(
                JobStatus::Failed,
                t("terminals.too_long"),
                t("terminals.too_long_text"),
            );
        }
        self.wake();
    }

    /// Sends what was typed, piece by piece.
    async fn send(&self, mut wakes: UnboundedReceiver<()>) {
        loop {
            let piece = if held::is_open(&self.id) {
                self.typing.borrow_mut().piece()
            } else {
                None
            };
            let Some(piece) = piece else {
                if wakes.next().await.is_none() {
                    return;
                }
                continue;
            };
            match in_time(changes::send(&self.id, piece.data, piece.seq)).await {
                Some(Ok(next)) => {
                    let in_turn = self.typing.borrow_mut().answered(next);
                    if !in_turn {
                        browser::sleep(FULL).await;
                    }
                    if held::is_idle(&self.id, NEAR) {
                        self.ask_to_look();
                    }
                }
                Some(Err(Refusal::Failed(error))) if passes(&error) => {
                    self.typing.borrow_mut().unheard();
                    browser::sleep(RETRY).await;
                }
                Some(Err(refusal)) => {
                    self.typing.borrow_mut().forget();
                    say(t("terminals.not_typed"), &refusal);
                }
                None => self.typing.borrow_mut().unheard(),
            }
        }
    }

    /// Tells the size that there is room for, once it stays.
    async fn tell_sizes(&self, mut told: (i32, i32), mut sizes: UnboundedReceiver<(i32, i32)>) {
        while let Some(mut size) = sizes.next().await {
            loop {
                // Also a look whether the shell is there, which has no size before.
                browser::sleep(SETTLED).await;
                while let Some(Some(newer)) = sizes.next().now_or_never() {
                    size = newer;
                }
                if size == told && held::size(&self.id) == Some(size) {
                    break;
                }
                if !held::is_open(&self.id) {
                    continue;
                }
                match in_time(changes::resize(&self.id, size.0, size.1)).await {
                    Some(Err(Refusal::Failed(error))) if passes(&error) => browser::sleep(RETRY).await,
                    None => {}
                    Some(_) => {
                        told = size;
                        break;
                    }
                }
            }
        }
    }

    fn ask_to_look(&self) {
        let _ = self.looks.unbounded_send(());
    }

    /// Whether somebody uses it here, and it is not known yet what is old.
    fn is_behind(&self) -> bool {
        self.used.get() && self.old.get().is_none()
    }

    /// Asks up to where all is old, if not too much of it is still to come.
    async fn catch_up(&self) {
        let last = self.last.get();
        if let Ok(Some(page)) = data::recording(&self.id, last).await
            && !page.has_more
        {
            let newest = page.chunks.last().map_or(last, |chunk| chunk.seq);
            self.old.set(Some(newest));
        }
    }

    /// Looks now and then until when the terminal may stay open, and whether its shell is there.
    async fn look(&self, mut asked: UnboundedReceiver<()>) {
        loop {
            let known = held::is_open(&self.id) && !self.is_behind();
            let wait = if known { LOOK } else { OPENS };
            select(pin!(browser::sleep(wait)), asked.next()).await;
            while let Some(Some(())) = asked.next().now_or_never() {}
            if self.is_behind() {
                self.catch_up().await;
            }
            match data::session(&self.id).await {
                Ok(Some(session)) if !session.is_over() => {
                    held::change(&self.id, |state| {
                        // What its output told may be newer.
                        let was_open = state.session.status == TerminalStatus::Open;
                        state.session = session;
                        if was_open {
                            state.session.status = TerminalStatus::Open;
                        }
                    });
                    self.wake();
                }
                // Nothing of it stays for whoever signs in next.
                Err(error) if error.kind == ApiErrorKind::Unauthenticated => held::release(&self.id),
                // That it is over is told by its output, once all of that is here.
                _ => {}
            }
        }
    }
}
