//! Between a shell and whoever shows it: bytes both ways, sizes, and the end. It must not know where the shell is, nor
//! who looks.

use std::time::Duration;

use cronium_protocol::terminal::Size;
use tokio::sync::{mpsc, oneshot, watch};

/// Most bytes that a shell shows at once.
pub const CHUNK: usize = 16 << 10;
/// For a shell that was hung up to end by itself, also for one that has not begun yet.
pub const HANG_UP_LIMIT: Duration = Duration::from_secs(30);
const MOST: u16 = 1000;

/// What is typed: a piece and its number.
pub type Typed = (u64, Vec<u8>);

/// The side of who shows it. Dropping `input` hangs up.
#[derive(Debug)]
pub struct Front {
    pub opened: oneshot::Receiver<()>,
    /// At its end the shell shows nothing more. What is not taken makes it wait.
    pub output: mpsc::Receiver<Vec<u8>>,
    /// To be used only once the shell is there.
    pub input: mpsc::UnboundedSender<Typed>,
    /// Number of the last piece that the shell has got.
    pub typed: watch::Receiver<u64>,
    pub size: watch::Sender<Size>,
}

/// The side of the shell.
#[derive(Debug)]
pub struct Back {
    opened: Option<oneshot::Sender<()>>,
    pub output: mpsc::Sender<Vec<u8>>,
    pub input: mpsc::UnboundedReceiver<Typed>,
    pub typed: watch::Sender<u64>,
    pub size: watch::Receiver<Size>,
}

pub fn line(size: Size) -> (Front, Back) {
    let (opened_in, opened) = oneshot::channel();
    let (output_in, output) = mpsc::channel(1);
    let (input, input_out) = mpsc::unbounded_channel();
    let (typed_in, typed) = watch::channel(0);
    let (size_in, size) = watch::channel(within(size));
    let front = Front {
        opened,
        output,
        input,
        typed,
        size: size_in,
    };
    let back = Back {
        opened: Some(opened_in),
        output: output_in,
        input: input_out,
        typed: typed_in,
        size,
    };
    (front, back)
}

/// A size that any program can stand.
pub fn within(size: Size) -> Size {
    Size {
        columns: size.columns.clamp(1, MOST),
        rows: size.rows.clamp(1, MOST),
    }
}

impl Back {
    /// The shell is there.
    pub fn opened(&mut self) {
        if let Some(opened) = self.opened.take() {
            let _ = opened.send(());
        }
    }

    /// Waits until nobody is on the other side any more. Only before the shell is there: what is typed is lost.
    pub async fn hung_up(&mut self) {
        while self.input.recv().await.is_some() {}
    }
}

/// How a shell stopped showing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Its output is at its end.
    Ended,
    /// Nobody is on the other side any more.
    HungUp,
}
