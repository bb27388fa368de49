//! A terminal: a shell under a pty, on a server or in a container. Output is numbered, so that a channel that broke
//! goes on where it was; input is numbered, so that a key is typed once.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::agent::{Claim, HostOrder};

/// Most bytes of one piece of output or input.
pub const MAX_PIECE: usize = 32 << 10;
/// What a piece of output costs beyond its bytes, wherever output is counted: whoever keeps it has a row for each, so
/// that many small pieces are no less to keep than few large ones.
pub const PIECE_COST: usize = 64;
/// Output that is under way and not yet wanted further, with what its pieces cost: the pty waits beyond it.
pub const WINDOW: usize = 512 << 10;

/// Where the shell is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Place {
    Server(HostOrder),
    /// The container of a running execution.
    Container(Claim),
}

/// Characters a line, and lines; each 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub columns: u16,
    pub rows: u16,
}

/// What the server says about a terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToTerminal {
    Open {
        place: Place,
        size: Size,
    },
    /// `number` counts pieces from 1: one that was there already is passed over.
    Input {
        number: u64,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    Resize(Size),
    /// Output up to and with this piece is kept and wanted: the next ones have room.
    Seen {
        number: u64,
    },
    /// Hangs up.
    Close,
    /// Answer to `Held`: go on after these.
    GoOn {
        output: u64,
        input: u64,
    },
}

/// What an orchestrator says about a terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromTerminal {
    /// The shell is there.
    Opened,
    /// `number` counts pieces from 1; without what a terminal must not be told.
    Output {
        number: u64,
        at_us: i64,
        #[serde(with = "serde_bytes")]
        data: Vec<u8>,
    },
    /// Input up to and with this piece has been typed.
    Typed { number: u64 },
    /// It is over; said once everything of its output is on its way.
    Ended(End),
    /// After a new connection: it is still there. Without an answer it hangs up after 30 s.
    Held,
}

/// How a terminal ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// The shell ended.
    Exited { code: Option<i32> },
    /// It was hung up, as asked.
    Closed,
    /// The server could not be used, or not any more.
    Trouble(crate::host::HostTrouble),
    /// No such container runs here, or it has no shell.
    NoContainer { told: String },
    /// Anything else, for people.
    Failed { told: String },
}

/// A word about one terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct About<T> {
    pub terminal: Uuid,
    pub word: T,
}
