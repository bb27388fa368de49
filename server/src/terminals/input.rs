//! What clients give about terminals.

use async_graphql::{ID, InputObject};

use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::{ExecutionId, ServerId};
use crate::kernel::{Error, Result};

use super::service::Place;
use super::store::Filter;

/// Which terminals.
#[derive(Debug, Default, InputObject)]
pub struct TerminalFilter {
    /// Only open ones, or only those that ended.
    open: Option<bool>,
    /// Only those on this server.
    server_id: Option<ID>,
    /// Only the viewer's own.
    mine: Option<bool>,
}

impl TerminalFilter {
    /// None: what it names does not exist, so nothing matches.
    pub fn filter(&self) -> Option<Filter> {
        Some(Filter {
            open: self.open,
            server: self.server_id.as_ref().map(ServerId::parse).transpose().ok()?,
            mine: self.mine.unwrap_or(false),
        })
    }
}

/// A terminal to open: exactly one of server and execution.
#[derive(Debug, InputObject)]
pub struct OpenTerminalInput {
    /// A server that the viewer may use.
    server_id: Option<ID>,
    /// A running execution in a container.
    execution_id: Option<ID>,
    /// Characters a line, 1 to 1000.
    #[graphql(default = 80)]
    pub columns: i32,
    /// Lines, 1 to 1000.
    #[graphql(default = 24)]
    pub rows: i32,
}

impl OpenTerminalInput {
    /// What does not exist is refused at its field.
    pub fn place(&self) -> Result<Place> {
        let absent = |field, what| {
            let message = format!("There is no such {what}.");
            Error::field(UserErrorCode::NotFound, field, message)
        };
        match (&self.server_id, &self.execution_id) {
            (Some(id), None) => ServerId::parse(id)
                .map(Place::Server)
                .map_err(|_| absent("serverId", "server")),
            (None, Some(id)) => ExecutionId::parse(id)
                .map(Place::Execution)
                .map_err(|_| absent("executionId", "execution")),
            (None, None) => {
                let message = "Say where: on a server, or in the container of an execution.";
                Err(Error::field(UserErrorCode::Required, "", message))
            }
            (Some(_), Some(_)) => {
                let message = "Give a server or an execution, not both.";
                Err(Error::field(UserErrorCode::Invalid, "", message))
            }
        }
    }
}

/// What is typed.
#[derive(InputObject)]
pub struct SendTerminalInputInput {
    /// The terminal.
    pub id: ID,
    /// Text, at most 32 KiB.
    pub data: String,
    /// 1, 2, 3 … in this terminal: what was typed already is not typed again. Pieces are typed in order.
    pub seq: i32,
}

/// How far somebody has read what a terminal shows.
#[derive(Debug, InputObject)]
pub struct ReadTerminalInput {
    /// The terminal.
    pub id: ID,
    /// The last piece that was taken in, and all before it: its `seq`.
    pub seq: i32,
}

/// A new size.
#[derive(Debug, InputObject)]
pub struct ResizeTerminalInput {
    /// The terminal.
    pub id: ID,
    /// Characters a line, 1 to 1000.
    pub columns: i32,
    /// Lines, 1 to 1000.
    pub rows: i32,
}

/// A terminal to close.
#[derive(Debug, InputObject)]
pub struct CloseTerminalInput {
    /// The terminal.
    pub id: ID,
}
