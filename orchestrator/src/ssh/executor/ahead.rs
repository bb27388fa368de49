//! A runner that waits on a server for the next run, which is spared a session, a login shell and the start of a program
//! then. One for a server: each takes a place on a connection. It must not know runs.

use std::sync::Arc;

use tokio_util::task::AbortOnDropHandle;

use super::begun::{Begun, NotBegun};
use super::master::Master;

#[derive(Debug, Default)]
pub enum Ahead {
    #[default]
    Nobody,
    /// Over this connection.
    Begins(Arc<Master>, AbortOnDropHandle<()>),
    Waits(Box<Begun>),
    /// The server has too few places on a connection.
    NoRoom,
}

impl Ahead {
    /// Whether one is to be begun.
    pub fn is_wanted(&self) -> bool {
        matches!(self, Self::Nobody)
    }

    /// What has become of the one that began.
    pub fn begun(&mut self, begun: Result<Begun, NotBegun>) {
        let Self::Begins(_, beginning) = std::mem::take(self) else {
            // It was given up meanwhile.
            return;
        };
        // It is the task that runs this.
        drop(beginning.detach());
        *self = match begun {
            Ok(begun) => Self::Waits(Box::new(begun)),
            Err(NotBegun::Refused) => Self::NoRoom,
            Err(NotBegun::Broken(_)) => Self::Nobody,
        };
    }

    /// The one that waits, to be used.
    pub fn take(&mut self) -> Option<Begun> {
        match std::mem::take(self) {
            Self::Waits(mut begun) => {
                begun.used();
                Some(*begun)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// Somebody else needs the place. False: it had none.
    pub fn give_up(&mut self) -> bool {
        let had = matches!(self, Self::Begins(..) | Self::Waits(_));
        if had {
            *self = Self::NoRoom;
        }
        had
    }

    /// Ends it where its connection is none of these; without any, a server may have more room behind the next one.
    pub fn keep_on(&mut self, masters: &[Arc<Master>]) {
        let is_there = |on: &Arc<Master>| masters.iter().any(|master| Arc::ptr_eq(master, on));
        let stays = match self {
            Self::Nobody => true,
            Self::Begins(on, _) => is_there(on),
            Self::Waits(begun) => is_there(begun.master()),
            Self::NoRoom => !masters.is_empty(),
        };
        if !stays {
            *self = Self::Nobody;
        }
    }
}
