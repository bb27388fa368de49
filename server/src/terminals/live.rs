//! Watching terminals: what was shown, and then what is, in pages of bounded size. Signals are hints: each one makes
//! the watcher read the rows, and a slow look stands behind, which also asks whether they may still watch.

use std::time::Duration;

use async_graphql::{Context, ID, Subscription};
use futures::{Stream, StreamExt as _};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use crate::kernel::api::{ApiResult, api, op, to_graphql};
use crate::kernel::ids::TerminalId;
use crate::kernel::signals::TerminalSignal;
use crate::kernel::{Result, Timestamp};

use super::graphql::TerminalChunk;
use super::limits::{BEAT, PAGE, PAGE_BYTES};
use super::model::{CANCEL, Gaps};
use super::service::Terminals;
use super::sight::{self, Sight};
use super::store::pieces::{self, Most, Piece};

/// A look behind the signals.
const LOOK: Duration = Duration::from_secs(1);

/// What somebody who watches is told.
#[derive(Debug)]
pub enum Shown {
    Piece(Piece),
    /// It is over, after so many pieces.
    End {
        last_seq: i64,
        at: Timestamp,
    },
}

/// One who watches.
struct Watch {
    terminals: Terminals,
    sight: Sight,
    id: TerminalId,
    signals: Receiver<TerminalSignal>,
    /// When it is written down next that the opener is here; None: it is somebody else, who keeps nothing open.
    due: Option<Instant>,
}

impl Watch {
    /// Says that the opener is here, if it is time for that.
    async fn beat(&mut self) -> Result<()> {
        let now = Instant::now();
        if self.due.is_none_or(|due| now < due) {
            return Ok(());
        }
        self.due = Some(now + BEAT);
        let kernel = &self.terminals.kernel;
        pieces::viewed(&kernel.relaxed, self.id, kernel.now()).await
    }

    /// Waits until there may be news, or something is due.
    async fn listen(&mut self) {
        let mut until = Instant::now() + LOOK;
        if let Some(due) = self.due {
            until = until.min(due);
        }
        while let Ok(signal) = timeout_at(until, self.signals.recv()).await {
            match signal {
                Ok(TerminalSignal::Shown(id)) if id != self.id => {}
                Ok(TerminalSignal::Wanted | TerminalSignal::Told(_)) => {}
                Ok(TerminalSignal::Shown(_) | TerminalSignal::Missed) | Err(RecvError::Lagged(_)) => break,
                // The kernel that this holds says it: never.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
        // What was said together is read together.
        while self.signals.try_recv().is_ok() {}
    }
}

impl Terminals {
    /// What a terminal shows after a piece, until its end; or until it is out of sight.
    pub fn follow(
        &self,
        sight: Sight,
        id: TerminalId,
        after: i64,
        opener: bool,
    ) -> impl Stream<Item = Result<Shown>> + Send + use<> {
        let mut watch = Watch {
            terminals: self.clone(),
            sight,
            id,
            // Before anything is read: what comes after that is heard.
            signals: self.kernel.signals.terminals(),
            due: opener.then(Instant::now),
        };
        let most = Most {
            pieces: PAGE,
            bytes: PAGE_BYTES,
        };
        async_stream::try_stream! {
            let (mut after, mut gaps) = (after, Gaps::after(after));
            loop {
                watch.beat().await?;
                let pool = &watch.terminals.kernel.relaxed;
                let Some(found) = pieces::after(pool, &watch.sight, id, after, most, false).await? else {
                    return;
                };
                let whole = found.pieces.last().map_or(after, |piece| piece.seq) >= found.last_seq;
                let none = found.pieces.is_empty();
                for mut piece in found.pieces {
                    after = piece.seq;
                    if gaps.end_at(piece.seq, piece.size.is_none()) {
                        piece.data.insert(0, CANCEL);
                    }
                    yield Shown::Piece(piece);
                    watch.beat().await?;
                }
                match found.ended_at {
                    Some(at) if whole || none => {
                        if after <= found.last_seq {
                            yield Shown::End { last_seq: found.last_seq, at };
                        }
                        return;
                    }
                    None if whole || none => watch.listen().await,
                    _ => {}
                }
            }
        }
    }
}

/// Subscriptions of terminals.
#[derive(Debug, Default)]
pub struct TerminalsSubscription;

#[Subscription]
impl TerminalsSubscription {
    /// What a terminal shows, from a number on: what was shown comes first. Completes after the end. That of its opener
    /// keeps it open: without one it is closed after 30 seconds. What comes here does not count as read: as long as its
    /// opener does not say so (readTerminal), it pauses after about 1 MiB. Others who watch hold nothing up.
    async fn terminal_output(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The terminal.")] session_id: ID,
        #[graphql(default, desc = "Pieces after this one; 0: all that is kept.")] after_seq: i32,
    ) -> async_graphql::Result<impl Stream<Item = ApiResult<TerminalChunk>> + use<>> {
        let (terminals, op) = (ctx.data::<Terminals>()?, op(ctx)?.clone());
        let id = api(ctx, TerminalId::parse(&session_id))?;
        let (sight, row) = api(ctx, terminals.watch(&op, id).await)?;
        let opener = sight::is_own(&op, &row);
        let shown = terminals.follow(sight, id, after_seq.max(0).into(), opener);
        Ok(shown.map(move |s| s.map(TerminalChunk::from).map_err(|e| to_graphql(Some(&op), e))))
    }
}
