//! Where the output of a terminal comes from at present, and what happens next to that or to what is being drawn. Knows
//! no terminal.

use std::future::poll_fn;
use std::task::Poll;

use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};

use super::data::TerminalOutput;
use crate::api::{Feed, Subscription};

/// Where the output comes from at present.
pub enum Reading {
    On(Subscription<TerminalOutput>),
    /// Enough waits to be drawn, of what is old or another's: one's own says no more than was drawn. Asks on after a
    /// while in any case.
    Full(LocalBoxFuture<'static, ()>),
    /// Asks again after a while.
    Later(LocalBoxFuture<'static, ()>),
    /// Nothing more comes.
    Over,
}

/// What happened.
pub enum Happened {
    News(Option<Feed<TerminalOutput>>),
    Waited,
    /// A piece of so many letters.
    Drawn(usize),
}

/// The next thing that happens to the reading or the drawing.
pub async fn happens(
    reading: &mut Reading,
    drawing: &mut FuturesUnordered<LocalBoxFuture<'static, usize>>,
) -> Happened {
    poll_fn(|context| {
        if let Poll::Ready(Some(letters)) = drawing.poll_next_unpin(context) {
            return Poll::Ready(Happened::Drawn(letters));
        }
        match reading {
            Reading::On(feed) => feed.poll_next_unpin(context).map(Happened::News),
            Reading::Full(wait) | Reading::Later(wait) => wait.poll_unpin(context).map(|()| Happened::Waited),
            Reading::Over => Poll::Pending,
        }
    })
    .await
}
