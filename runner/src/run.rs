//! The main loop: feeds what happens to the state machine and does what it says. All waiting for
//! processes and all decisions are here, in one thread.

use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, sync_channel};
use std::time::Duration;

use cronium_protocol::frame::{ExitReport, FromRunner, ToRunner};
use cronium_protocol::log::Stream;
use cronium_protocol::manifest::{Manifest, Refusal};
use cronium_protocol::runtime::decode;

use crate::args::Args;
use crate::clock::{Clock, wall_us};
use crate::hub::Hub;
use crate::io_threads::{self, Input, Pipe};
use crate::machine::{Action, Event, Machine, State};
use crate::processes::{Ended, Processes};
use crate::report::{self, Memory};
use crate::resident::{Line, Token};
use crate::{archive, child, runtime};
use cronium_protocol::masks::Masks;

/// No line is longer than this, whatever the manifest says: a line must fit a frame.
const LINE_LIMIT: u32 = 1 << 20;
/// How long killed processes and held pipes are waited for.
const PATIENCE_MS: u64 = 2000;

fn line_bytes(manifest: &Manifest) -> usize {
    manifest.log_line_bytes.clamp(1, LINE_LIMIT) as usize
}

/// How the orchestrator is spoken to.
#[derive(Debug)]
pub enum Channel {
    /// Standard input and output; their end is the end of the channel.
    Stdio,
    /// Whoever connects and knows the token.
    Socket { listener: UnixListener, token: Token },
}

impl Channel {
    fn write(&self, hub: Arc<Hub>, line: &Arc<Line>) -> io::Result<()> {
        match self {
            Self::Stdio => io_threads::write_frames(hub, io_threads::to_stdout()?),
            Self::Socket { .. } => {
                let line = Arc::clone(line);
                io_threads::write_frames(hub, move |bytes| line.write(bytes))
            }
        }
    }

    fn read(self, line: Arc<Line>, to: SyncSender<Input>) -> io::Result<()> {
        match self {
            Self::Stdio => io_threads::read_frames(to),
            Self::Socket { listener, token } => line.listen(listener, token, to),
        }
    }
}

/// Runs one execution to its end.
pub fn run(args: Args, channel: Channel) -> io::Result<()> {
    let path = std::env::current_exe()?;
    // User code has our user: without this it could read our memory and write into our channel.
    nix::sys::prctl::set_dumpable(false)?;
    if std::process::id() != 1 {
        nix::sys::prctl::set_child_subreaper(true)?;
    }
    let memory = Memory::watch();
    let hub = Arc::new(Hub::new(args.work.clone(), memory.limit()));
    let (to, inputs) = sync_channel(64);
    let stop = Arc::new(AtomicBool::new(false));
    io_threads::watch_signals(to.clone())?;
    let line = Arc::<Line>::default();
    channel.write(Arc::clone(&hub), &line)?;
    let masks = Arc::new(Masks::default());
    let reader = |stream| {
        io_threads::read_pipe(
            stream,
            Arc::clone(&hub),
            Arc::clone(&masks),
            Arc::clone(&stop),
            to.clone(),
        )
    };
    let readers = [reader(Stream::Stdout)?, reader(Stream::Stderr)?];
    channel.read(line, to)?;
    let callers = runtime::Workers::hire()?;
    let clock = Clock::start();
    Runner {
        machine: Machine::new(clock.millis()),
        clock,
        args,
        path,
        masks,
        callers,
        hub: Arc::clone(&hub),
        stop,
        readers,
        pipes_open: 0,
        manifest: None,
        processes: None,
        memory,
        started_at: 0,
        ended_at: 0,
        patience_ends: 0,
        spawn_error: None,
    }
    .serve(&inputs);
    hub.settle(Duration::from_millis(500));
    Ok(())
}

struct Runner {
    machine: Machine,
    clock: Clock,
    args: Args,
    /// Of the runner itself.
    path: PathBuf,
    masks: Arc<Masks>,
    callers: runtime::Workers,
    hub: Arc<Hub>,
    stop: Arc<AtomicBool>,
    readers: [Sender<Pipe>; 2],
    pipes_open: usize,
    manifest: Option<Manifest>,
    processes: Option<Processes>,
    memory: Memory,
    started_at: i64,
    ended_at: i64,
    patience_ends: u64,
    spawn_error: Option<String>,
}

impl Runner {
    fn serve(&mut self, inputs: &Receiver<Input>) {
        while self.machine.state() != State::Left {
            match inputs.recv_timeout(self.wait()) {
                Ok(input) => self.take(input),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look_after_processes();
            self.feed(Event::Tick);
            if self.machine.is_cut_off() {
                // Otherwise a full spool would hold the pipes, and with them the end, for ever.
                self.hub.discard();
            }
        }
    }

    fn wait(&self) -> Duration {
        let most = match self.machine.state() {
            State::Sweeping | State::Draining => 10,
            _ => 1000,
        };
        let until = self.machine.next_deadline().saturating_sub(self.clock.millis());
        Duration::from_millis(until.min(most))
    }

    fn feed(&mut self, event: Event) {
        if let Some(action) = self.machine.on(event, self.clock.millis()) {
            self.act(action);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Frame(frame) => {
                self.feed(Event::Heard);
                self.take_frame(frame);
            }
            Input::Eof => self.feed(Event::CutOff),
            Input::Terminate => self.feed(Event::Cancel),
            Input::PipeEnded => self.pipes_open = self.pipes_open.saturating_sub(1),
            // The reaper looks after every input.
            Input::ChildChanged => {}
        }
    }

    fn take_frame(&mut self, frame: ToRunner) {
        match frame {
            ToRunner::Payload {
                manifest,
                signature,
                archive,
            } => {
                self.take_payload(&manifest, &signature, &archive);
            }
            ToRunner::Serve { target } => self.serve_target(target),
            ToRunner::Start { granted } => self.feed(Event::StartAnswered { granted }),
            ToRunner::Ack { seq } => self.hub.ack(seq),
            ToRunner::Resume { after_seq, calls } => self.hub.resume(after_seq, calls),
            ToRunner::Cancel => self.feed(Event::Cancel),
            ToRunner::Ping => self.hub.pong(),
            ToRunner::Bye => self.feed(Event::Bye),
            // One that can't be read comes again after the next resume.
            ToRunner::Reply { id, reply } => {
                if let Ok(reply) = decode(&reply) {
                    self.hub.answered(id, reply);
                }
            }
        }
    }

    /// Once, and only where no target was given at the start.
    fn serve_target(&mut self, target: String) {
        if self.args.target.is_none() && self.machine.state() == State::Idle {
            self.args.target = Some(target);
        } else {
            self.hub.refuse_once(Refusal::Target);
        }
    }

    fn take_payload(&mut self, manifest: &[u8], signature: &[u8], archive: &[u8]) {
        if self.machine.state() != State::Idle {
            self.hub.refuse_once(Refusal::Replayed);
            return;
        }
        match self.open(manifest, signature, archive) {
            Ok(manifest) => {
                self.hub.limit_total(manifest.log_total_bytes);
                let (timeout_ms, grace_ms) = (manifest.timeout_ms, manifest.grace_ms);
                self.manifest = Some(manifest);
                self.feed(Event::PayloadAccepted { timeout_ms, grace_ms });
            }
            Err(refusal) => {
                self.hub.refuse(refusal);
                self.feed(Event::PayloadRefused);
            }
        }
    }

    fn open(&self, manifest: &[u8], signature: &[u8], archive: &[u8]) -> Result<Manifest, Refusal> {
        let Args {
            verify_key,
            target,
            work,
        } = &self.args;
        let target = target.as_deref().ok_or(Refusal::Target)?;
        let manifest = Manifest::open(manifest, signature, verify_key, target, wall_us() / 1000)?;
        let files = archive::verify(&manifest, archive)?;
        archive::unpack(&files, work)?;
        drop(files);
        self.open_runtime(&manifest)?;
        Ok(manifest)
    }

    /// Before user code starts, as all threads are made then.
    fn open_runtime(&self, manifest: &Manifest) -> Result<(), Refusal> {
        let Some(runtime) = &manifest.runtime else {
            return Ok(());
        };
        let secrets = runtime
            .secret_env
            .iter()
            .filter_map(|name| manifest.env.get(name));
        self.masks
            .learn(secrets.map(String::as_str))
            .map_err(|error| Refusal::Malformed(error.to_string()))?;
        self.hub.carry_calls(manifest.nonce);
        let desk = runtime::Desk {
            hub: Arc::clone(&self.hub),
            masks: Arc::clone(&self.masks),
            work: self.args.work.clone(),
            line_bytes: line_bytes(manifest),
        };
        self.callers
            .open(desk)
            .map_err(|error| Refusal::Malformed(format!("the runtime socket can't be opened: {error}")))
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::AskToStart => self.hub.ask_to_start(),
            Action::Spawn => {
                if let Err(error) = self.spawn() {
                    self.spawn_error = Some(error.to_string());
                    self.ended_at = wall_us();
                    self.feed(Event::SpawnFailed);
                }
            }
            Action::Term => self.with_processes(Processes::term),
            Action::Kill | Action::Sweep => {
                self.with_processes(Processes::kill);
                self.be_patient();
            }
            Action::Drain => self.be_patient(),
            Action::Report => self.report(),
            Action::Leave => {}
        }
    }

    fn with_processes(&self, act: impl FnOnce(&Processes)) {
        if let Some(processes) = &self.processes {
            act(processes);
        }
    }

    fn be_patient(&mut self) {
        self.patience_ends = self.clock.millis() + PATIENCE_MS;
    }

    fn spawn(&mut self) -> io::Result<()> {
        let manifest = self
            .manifest
            .as_ref()
            .ok_or_else(|| io::Error::other("there is no payload"))?;
        let line_bytes = line_bytes(manifest);
        self.started_at = wall_us();
        let child = child::spawn(manifest, &self.args.work, &self.path)?;
        self.processes = Some(Processes::new(child.pid));
        for (reader, fd) in self.readers.iter().zip([child.stdout, child.stderr]) {
            if reader.send(Pipe { fd, line_bytes }).is_ok() {
                self.pipes_open += 1;
            }
        }
        self.hub.started(self.started_at);
        Ok(())
    }

    fn look_after_processes(&mut self) {
        let Some(processes) = &mut self.processes else {
            return;
        };
        processes.reap();
        let patience_is_over = self.clock.millis() >= self.patience_ends;
        match self.machine.state() {
            State::Running if processes.ended().is_some() => {
                self.ended_at = wall_us();
                self.feed(Event::MainExited);
            }
            State::Sweeping if processes.none_left() || patience_is_over => self.feed(Event::Swept),
            // Again: what was forked meanwhile must go too.
            State::Sweeping => processes.kill(),
            State::Draining if self.pipes_open == 0 => self.feed(Event::Drained),
            // A reader that waits for room in the spool is our doing, not a held pipe.
            State::Draining if self.hub.is_stalled() => self.be_patient(),
            State::Draining if patience_is_over => self.stop.store(true, Ordering::Release),
            _ => {}
        }
    }

    fn report(&mut self) {
        let ended = self.processes.as_ref().and_then(Processes::ended);
        let output = if self.spawn_error.is_some() {
            Ok(None)
        } else {
            report::output(&self.args.work)
                .and_then(|output| output.map(|text| self.masks.json(text)).transpose())
        };
        let (output, output_error) = match output {
            Ok(output) => (output, None),
            Err(error) => (None, Some(error)),
        };
        let (code, signal) = match ended {
            Some(Ended::Code(code)) => (Some(code), None),
            Some(Ended::Signal(signal)) => (None, Some(signal)),
            None => (None, None),
        };
        let report = ExitReport {
            started_at_us: self.started_at,
            ended_at_us: self.ended_at,
            code,
            signal,
            timed_out: self.machine.timed_out,
            cancelled: self.machine.cancelled,
            escalated: self.machine.escalated,
            out_of_memory: self.memory.ran_out(ended, self.machine.escalated),
            processes_refused: self.memory.refused(),
            spawn_error: self.spawn_error.clone(),
            failure: None,
            output,
            output_error,
            log_truncated: self.hub.truncated(),
        };
        let usage = self.memory.usage();
        let result = report.output_error.as_ref();
        let result = result.map(|error| format!("the result was not kept: {error}"));
        for note in self.memory.notes().into_iter().chain(result) {
            self.hub.note(wall_us(), note);
        }
        self.hub.exited(FromRunner::Exit {
            report,
            usage,
            last_seq: self.hub.last_seq(),
        });
    }
}
