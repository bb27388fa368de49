//! Moves bytes between an attached container and the frames of its runner.
//! It must not know what frames mean.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use cronium_protocol::frame::FrameReader;
use futures::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::executor::{Attached, Tail};

/// Frames that wait for the run: with a full queue the runner itself has to wait.
const QUEUE: usize = 32;

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, DockerError>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

pub fn pump(output: Output, input: Input) -> Attached {
    let (frames_in, frames) = mpsc::channel(QUEUE);
    let (sender, inputs) = mpsc::unbounded_channel();
    let stderr = Tail::default();
    let reader = tokio::spawn(read(output, frames_in, stderr.clone()));
    let writer = tokio::spawn(write(input, inputs));
    Attached {
        frames,
        input: sender,
        stderr,
        pumps: vec![AbortOnDropHandle::new(reader), AbortOnDropHandle::new(writer)],
    }
}

async fn read(
    mut output: Output,
    frames: mpsc::Sender<Result<cronium_protocol::frame::FromRunner, cronium_protocol::frame::FrameError>>,
    stderr: Tail,
) {
    let mut reader = FrameReader::default();
    while let Some(Ok(chunk)) = output.next().await {
        match chunk {
            LogOutput::StdOut { message } => {
                reader.push(&message);
                while let Some(frame) = reader.next() {
                    if frames.send(frame).await.is_err() {
                        return;
                    }
                }
            }
            LogOutput::StdErr { message } => stderr.push(&message),
            LogOutput::StdIn { .. } | LogOutput::Console { .. } => {}
        }
    }
}

async fn write(mut input: Input, mut messages: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(message) = messages.recv().await {
        if input.write_all(&message).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}
