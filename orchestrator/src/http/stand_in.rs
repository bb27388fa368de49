//! Takes the runner's part for a request: verifies the payload, asks to start, sends its lines and the end, says all
//! of it again after a resume. One for each execution.

use std::io::Read as _;
use std::time::Duration;

use cronium_protocol::PROTOCOL_VERSION;
use cronium_protocol::frame::{ExitReport, FrameError, FrameReader, FromRunner, ToRunner, UsageReport};
use cronium_protocol::http::{HttpRequest, REQUEST_FILE};
use cronium_protocol::log::{Line, LogBlock, Stream};
use cronium_protocol::manifest::{Language, Manifest, Refusal, sha256};
use cronium_protocol::masks::Masks;
use ed25519_dalek::VerifyingKey;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::fetch::{Answer, Failure, Fetcher};
use crate::clock;
use crate::docker::serves;
use crate::executor::Order;

/// What a request's process would return: nothing came back. Otherwise it is the answer's status.
const NO_ANSWER: i32 = 1;

type Frames = mpsc::Sender<Result<FromRunner, FrameError>>;

pub struct StandIn {
    fetcher: Fetcher,
    key: VerifyingKey,
    target: String,
    frames: Frames,
    lines: Vec<Line>,
    masks: Masks,
    /// The end, once there is one.
    exit: Option<FromRunner>,
    started_at_us: i64,
}

/// How the request went.
enum End {
    Came(Result<Answer, Failure>),
    TimedOut,
    Cancelled,
    /// Nobody listens any more.
    Left,
}

impl StandIn {
    pub fn new(fetcher: Fetcher, order: &Order, frames: Frames) -> Result<Self, String> {
        Ok(Self {
            fetcher,
            key: VerifyingKey::from_bytes(&order.verify_key).map_err(|error| error.to_string())?,
            target: serves(order.claim),
            frames,
            lines: Vec::new(),
            masks: Masks::default(),
            exit: None,
            started_at_us: 0,
        })
    }

    async fn say(&self, frame: FromRunner) {
        // Nobody listens any more: the input is closed too, which ends this.
        let _ = self.frames.send(Ok(frame)).await;
    }

    async fn hello(&self) {
        self.say(FromRunner::Hello {
            protocol: PROTOCOL_VERSION,
            started: self.started_at_us > 0,
            last_seq: self.last_seq(),
        })
        .await;
    }

    fn last_seq(&self) -> u64 {
        self.lines.last().map_or(0, |line| line.seq)
    }

    /// Until it is told to leave, or nobody is there to tell it.
    pub async fn serve(mut self, mut inputs: mpsc::UnboundedReceiver<Vec<u8>>) {
        self.hello().await;
        let mut reader = FrameReader::default();
        let mut accepted: Option<(Manifest, HttpRequest)> = None;
        while let Some(bytes) = inputs.recv().await {
            reader.push(&bytes);
            while let Some(frame) = reader.next::<ToRunner>() {
                match frame {
                    Ok(ToRunner::Payload {
                        manifest,
                        signature,
                        archive,
                    }) if accepted.is_none() => match self.open(&manifest, &signature, &archive) {
                        Ok(opened) => {
                            accepted = Some(opened);
                            self.say(FromRunner::StartRequest).await;
                        }
                        Err(refusal) => self.say(FromRunner::Refused { refusal }).await,
                    },
                    Ok(ToRunner::Start { granted: true }) if self.started_at_us == 0 => {
                        let Some((manifest, request)) = &accepted else {
                            continue;
                        };
                        let limit = Duration::from_millis(manifest.timeout_ms);
                        if !self.run(request.clone(), limit, &mut inputs, &mut reader).await {
                            return;
                        }
                    }
                    Ok(ToRunner::Start { granted: false } | ToRunner::Bye) => return,
                    Ok(ToRunner::Cancel) if self.started_at_us == 0 => return,
                    Ok(other) => self.answer(&other).await,
                    Err(error) => tracing::warn!(%error, target = self.target, "a frame can't be read"),
                }
            }
        }
    }

    /// What needs no decision.
    async fn answer(&self, frame: &ToRunner) {
        match frame {
            ToRunner::Ping => self.say(FromRunner::Pong).await,
            ToRunner::Resume { after_seq, .. } => {
                self.hello().await;
                self.repeat(*after_seq).await;
            }
            ToRunner::Payload { .. } => {
                let refusal = Refusal::Replayed;
                self.say(FromRunner::Refused { refusal }).await;
            }
            _ => {}
        }
    }

    async fn repeat(&self, after_seq: u64) {
        let lines: Vec<Line> = self
            .lines
            .iter()
            .filter(|line| line.seq > after_seq)
            .cloned()
            .collect();
        if !lines.is_empty() {
            let block = LogBlock { lines }.encode();
            self.say(FromRunner::Log { block }).await;
        }
        if let Some(exit) = &self.exit {
            self.say(exit.clone()).await;
        }
    }

    fn open(
        &self,
        manifest: &[u8],
        signature: &[u8],
        archive: &[u8],
    ) -> Result<(Manifest, HttpRequest), Refusal> {
        let now_ms = clock::now().us / 1000;
        let manifest = Manifest::open(manifest, signature, &self.key, &self.target, now_ms)?;
        let [file] = manifest.files.as_slice() else {
            return Err(Refusal::Malformed("a request is one file".into()));
        };
        if manifest.language != Language::Http || file.path != REQUEST_FILE {
            return Err(Refusal::Malformed("this is no request".into()));
        }
        let content = only_file(archive).map_err(|error| Refusal::Archive(error.to_string()))?;
        if content.len() as u64 != file.size || sha256(&content) != file.sha256 {
            return Err(Refusal::Archive("its file is not the one that was signed".into()));
        }
        let request: HttpRequest =
            serde_json::from_slice(&content).map_err(|error| Refusal::Malformed(error.to_string()))?;
        // Before anything is said that may hold one.
        let secrets = request.secrets.iter().map(String::as_str);
        self.masks
            .learn(secrets)
            .map_err(|error| Refusal::Malformed(error.to_string()))?;
        Ok((manifest, request))
    }

    fn line(&mut self, text: String) -> FromRunner {
        let line = Line {
            seq: self.last_seq() + 1,
            at_us: clock::now().us,
            stream: Stream::System,
            text: self.masks.text(text),
        };
        self.lines.push(line.clone());
        let block = LogBlock { lines: vec![line] }.encode();
        FromRunner::Log { block }
    }

    /// Makes the request; false when nobody listens any more.
    async fn run(
        &mut self,
        request: HttpRequest,
        limit: Duration,
        inputs: &mut mpsc::UnboundedReceiver<Vec<u8>>,
        reader: &mut FrameReader,
    ) -> bool {
        let at_us = clock::now().us;
        self.started_at_us = at_us;
        self.say(FromRunner::Started { at_us }).await;
        let (notes_in, mut notes) = mpsc::unbounded_channel();
        let fetcher = self.fetcher.clone();
        let asked = request.clone();
        let mut fetching = std::pin::pin!(timeout(limit, async move {
            fetcher.fetch(&asked, |text| drop(notes_in.send(text))).await
        }));
        let end = loop {
            tokio::select! {
                biased;
                Some(note) = notes.recv() => {
                    let block = self.line(note);
                    self.say(block).await;
                }
                came = &mut fetching => break came.map_or(End::TimedOut, End::Came),
                bytes = inputs.recv() => {
                    let Some(bytes) = bytes else { break End::Left };
                    reader.push(&bytes);
                    if let Some(end) = self.meanwhile(reader).await {
                        break end;
                    }
                }
            }
        };
        while let Ok(note) = notes.try_recv() {
            let block = self.line(note);
            self.say(block).await;
        }
        if matches!(end, End::Left) {
            return false;
        }
        let exit = self.report(&request, end);
        if let ExitReport {
            failure: Some(failure),
            ..
        } = &exit
        {
            let block = self.line(failure.clone());
            self.say(block).await;
        }
        let exit = FromRunner::Exit {
            report: exit,
            usage: UsageReport::default(),
            last_seq: self.last_seq(),
        };
        self.exit = Some(exit.clone());
        self.say(exit).await;
        true
    }

    /// What is said while the request is under way.
    async fn meanwhile(&self, reader: &mut FrameReader) -> Option<End> {
        while let Some(frame) = reader.next::<ToRunner>() {
            match frame {
                Ok(ToRunner::Cancel) => return Some(End::Cancelled),
                Ok(ToRunner::Bye) => return Some(End::Left),
                Ok(other) => self.answer(&other).await,
                Err(error) => tracing::warn!(%error, target = self.target, "a frame can't be read"),
            }
        }
        None
    }

    fn report(&self, request: &HttpRequest, end: End) -> ExitReport {
        let mut report = ExitReport {
            started_at_us: self.started_at_us,
            ended_at_us: clock::now().us,
            ..ExitReport::default()
        };
        match end {
            End::Came(Ok(answer)) => {
                let status = answer.status;
                let good = request.expected.iter().any(|range| range.holds(status));
                report.code = Some(if good { 0 } else { i32::from(status) });
                report.failure =
                    (!good).then(|| format!("the answer's status is {status}, which was not expected"));
                let output = serde_json::to_string(&answer).map_err(|error| error.to_string());
                match output.and_then(|output| self.masks.json(output)) {
                    Ok(output) => report.output = Some(output),
                    Err(error) => report.output_error = Some(error),
                }
            }
            End::Came(Err(failure)) => {
                report.code = Some(NO_ANSWER);
                report.failure = Some(self.masks.text(failure.to_string()));
            }
            End::TimedOut => report.timed_out = true,
            End::Cancelled | End::Left => report.cancelled = true,
        }
        report
    }
}

/// The content of an archive's single file.
fn only_file(archive: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let mut entries = archive.entries()?;
    let wrong = || std::io::Error::other("it does not hold one file");
    let mut entry = entries.next().ok_or_else(wrong)??;
    if !entry.header().entry_type().is_file() {
        return Err(wrong());
    }
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    if entries.next().is_some() {
        return Err(wrong());
    }
    Ok(content)
}
