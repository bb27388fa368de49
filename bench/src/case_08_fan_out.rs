//! Case 8: one log to many subscribers. Floor: axum's WebSocket and one broadcast channel, with the same bytes.
//! Each server is a process of its own; the subscribers are in this one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::fan_out_server::{Kind, Server, text};
use crate::measure::{Pairs, median, percentile};
use crate::result::{Case, Row, Target, number};
use crate::subscribers::{Subscriber, last_seq};
use crate::usage::{memory, seconds};
use crate::{Outcome, Setting};

const ROUNDS: usize = 5;
const CROWDS: [usize; 4] = [1, 10, 100, 1000];
/// As a runner passes on a thousand lines a second: what was said within 20 ms.
const EVERY: Duration = Duration::from_millis(20);
const LINES: u64 = 20;
const STEADY: usize = 100;
/// Messages to all together when nothing but the subscribers sets the pace, and blocks at least.
const FLAT: usize = 100_000;
const FLAT_BLOCKS: usize = 300;
/// Blocks that the slowest subscriber may be behind then: fewer than the server keeps for it.
const WINDOW: usize = 16;
/// What a stalled one is filled up with: more than the kernel takes for it.
const FILL: (usize, u64) = (150, 800);
const STALLED_ROUNDS: usize = 7;
const OTHERS: usize = 100;
const P99_LIMIT: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(60);
/// Sockets that are opened at a time.
const OPENING: usize = 32;

/// How blocks follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// A thousand lines a second.
    Steady,
    /// As fast as the slowest takes them.
    Flat,
}

/// Blocks to publish: how many, of how many lines, at what pace.
#[derive(Debug, Clone, Copy)]
struct Part {
    blocks: usize,
    lines: u64,
    pace: Pace,
}

impl Part {
    fn steady() -> Self {
        Self {
            blocks: STEADY,
            lines: LINES,
            pace: Pace::Steady,
        }
    }

    fn flat(subscribers: usize) -> Self {
        Self {
            blocks: (FLAT / subscribers).max(FLAT_BLOCKS),
            lines: LINES,
            pace: Pace::Flat,
        }
    }

    fn fill() -> Self {
        Self {
            blocks: FILL.0,
            lines: FILL.1,
            pace: Pace::Flat,
        }
    }
}

/// What one part came to.
#[derive(Debug, Default)]
struct Taken {
    /// Messages a second, to all together.
    per_second: f64,
    /// Of each message, from when it was due to its arrival, in ms.
    delays: Vec<f64>,
    /// Processor time of the server for each message, in µs.
    cpu: f64,
}

/// When blocks were due and how many subscribers have them.
struct Board {
    begun: Instant,
    /// The last line of each block.
    ends: Vec<u64>,
    due: Vec<AtomicU64>,
    arrived: Vec<AtomicU32>,
    subscribers: u32,
    room: Semaphore,
}

impl Board {
    fn micros(&self, at: Instant) -> u64 {
        (at - self.begun).as_micros() as u64
    }

    /// One subscriber, until it has all blocks; gives their delays.
    async fn follow(&self, mut subscriber: Subscriber) -> Outcome<Vec<f32>> {
        let mut delays = Vec::with_capacity(self.ends.len());
        while delays.len() < self.ends.len() {
            let last = last_seq(subscriber.next().await?)?;
            let now = self.micros(Instant::now());
            while let Some(end) = self.ends.get(delays.len()).filter(|end| **end <= last) {
                let block = delays.len();
                if *end < last && block + 1 == self.ends.len() {
                    return Err(format!("line {last} was never said").into());
                }
                let due = self.due[block].load(Ordering::Acquire);
                delays.push(now.saturating_sub(due) as f32 / 1000.0);
                if self.arrived[block].fetch_add(1, Ordering::AcqRel) + 1 == self.subscribers {
                    self.room.add_permits(1);
                }
            }
        }
        Ok(delays)
    }
}

/// Opens so many subscribers, publishes the parts to them, and gives what each came to. With `stalled` another one
/// subscribes before and never reads.
async fn fan_out(server: &mut Server, subscribers: usize, parts: &[Part], stalled: bool) -> Outcome<Round> {
    let door = server.begin().await?;
    // Its window is as small as can be: what it does not read fills the server's side.
    let stalled = if stalled {
        Some(Subscriber::open(&door, Some(4096)).await?)
    } else {
        None
    };
    let mut crowd: Vec<Subscriber> = stream::iter(0..subscribers)
        .map(|_| Subscriber::open(&door, None))
        .buffer_unordered(OPENING)
        .try_collect()
        .await?;
    // The first block tells that all are there; one of them looks at it closely.
    server.say(LINES).await?;
    for (n, subscriber) in crowd.iter_mut().enumerate() {
        let message = subscriber.next().await?;
        if n == 0 {
            check(&serde_json::from_slice(message)?)?;
        }
    }
    let memory = memory(server.pid()?)?;
    let sizes = parts
        .iter()
        .flat_map(|part| std::iter::repeat_n(part.lines, part.blocks));
    let ends: Vec<u64> = sizes
        .scan(LINES, |end, size| {
            *end += size;
            Some(*end)
        })
        .collect();
    let board = Arc::new(Board {
        begun: Instant::now(),
        due: ends.iter().map(|_| AtomicU64::default()).collect(),
        arrived: ends.iter().map(|_| AtomicU32::default()).collect(),
        ends,
        subscribers: subscribers as u32,
        room: Semaphore::new(0),
    });
    let mut following = JoinSet::new();
    for subscriber in crowd {
        let board = board.clone();
        following.spawn(async move { board.follow(subscriber).await });
    }
    let mut taken = Vec::new();
    let mut block = 0;
    for part in parts {
        taken.push(publish(server, &board, block, *part, subscribers).await?);
        block += part.blocks;
    }
    let unread = match &stalled {
        Some(subscriber) => unread(door.address.port(), subscriber.port()?)?,
        None => 0,
    };
    while let Some(delays) = following.join_next().await {
        let mut delays = delays??.into_iter().map(f64::from);
        for (part, taken) in parts.iter().zip(&mut taken) {
            taken.delays.extend(delays.by_ref().take(part.blocks));
        }
    }
    Ok(Round {
        taken,
        memory,
        unread,
    })
}

struct Round {
    taken: Vec<Taken>,
    /// Of the server with all its subscribers, in MB.
    memory: f64,
    /// Bytes that the kernel holds for the stalled one.
    unread: u64,
}

async fn publish(
    server: &mut Server,
    board: &Board,
    first: usize,
    part: Part,
    subscribers: usize,
) -> Outcome<Taken> {
    let cpu = seconds(server.pid()?)?;
    let begun = Instant::now();
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for n in 0..part.blocks {
        let due = match part.pace {
            Pace::Steady => tick.tick().await.into_std(),
            Pace::Flat => {
                if n >= WINDOW {
                    timeout(PATIENCE, board.room.acquire()).await??.forget();
                }
                Instant::now()
            }
        };
        board.due[first + n].store(board.micros(due.max(board.begun)), Ordering::Release);
        server.say(part.lines).await?;
    }
    let outstanding = match part.pace {
        Pace::Steady => part.blocks,
        Pace::Flat => part.blocks.min(WINDOW),
    };
    timeout(PATIENCE, board.room.acquire_many(outstanding as u32))
        .await??
        .forget();
    let took = begun.elapsed().as_secs_f64();
    let messages = (part.blocks * subscribers) as f64;
    Ok(Taken {
        per_second: messages / took,
        delays: Vec::new(),
        cpu: (seconds(server.pid()?)? - cpu) / messages * 1e6,
    })
}

/// The first message has the lines that were said.
fn check(message: &Value) -> Outcome<()> {
    let log = &message["payload"]["data"]["executionLog"];
    let lines = log["lines"].as_array().ok_or_else(|| message.to_string())?;
    let right = lines.iter().zip(1..).all(|(line, seq)| {
        let at = line["at"].as_str().map(chrono::DateTime::parse_from_rfc3339);
        *line == json!({ "seq": seq, "at": line["at"], "stream": "STDOUT", "text": text(seq) })
            && at.is_some_and(|at| at.is_ok())
    });
    if right && lines.len() as u64 == LINES && log["lastSeq"] == LINES {
        return Ok(());
    }
    Err(format!("not what was said: {message}").into())
}

/// The state of a connection that is over, as proc(5) writes it.
const TIME_WAIT: &str = "06";

/// Bytes on the server's side of a connection that its other end has not taken (proc(5), net/tcp).
fn unread(server: u16, port: u16) -> Outcome<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp")?;
    // The port alone may be that of an earlier connection, to the other server too, that only waits for its end.
    let (from, to) = (format!(":{server:04X}"), format!(":{port:04X}"));
    let line = table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ours = fields.get(1)?.ends_with(&from) && fields.get(2)?.ends_with(&to);
        (ours && *fields.get(3)? != TIME_WAIT).then(|| fields.get(4).map(ToString::to_string))?
    });
    let queues = line.ok_or("the stalled connection is gone")?;
    let (unsent, _) = queues.split_once(':').ok_or("not a table of connections")?;
    Ok(u64::from_str_radix(unsent, 16)?)
}

/// Figures of one size of crowd.
#[derive(Default)]
struct Size {
    steady: Pairs,
    flat: Pairs,
    delays: [Vec<f64>; 2],
    cpu: [Vec<f64>; 2],
    memory: Pairs,
}

pub async fn run(_: &Setting) -> Outcome<Case> {
    let (mut bare, mut ours) = (Server::start(Kind::Floor)?, Server::start(Kind::Ours)?);
    let mut sizes: [Size; CROWDS.len()] = Default::default();
    bare.begin().await?;
    ours.begin().await?;
    let empty = [memory(bare.pid()?)?, memory(ours.pid()?)?];
    for _ in 0..ROUNDS {
        for (size, subscribers) in sizes.iter_mut().zip(CROWDS) {
            let parts = [Part::steady(), Part::flat(subscribers)];
            // A lone subscriber's pace is the storage's, which case 7 measures.
            let parts = &parts[..if subscribers < 100 { 1 } else { 2 }];
            let floor = fan_out(&mut bare, subscribers, parts, false).await?;
            let our = fan_out(&mut ours, subscribers, parts, false).await?;
            size.memory.push(floor.memory, our.memory);
            let rate = |round: &Round, part: usize| round.taken.get(part).map(|t| t.per_second);
            if let (Some(floor), Some(our)) = (rate(&floor, 0), rate(&our, 0)) {
                size.steady.push(floor, our);
            }
            if let (Some(floor), Some(our)) = (rate(&floor, 1), rate(&our, 1)) {
                size.flat.push(floor, our);
            }
            for (side, round) in [floor, our].into_iter().enumerate() {
                let mut taken = round.taken.into_iter();
                size.delays[side].extend(taken.next().unwrap_or_default().delays);
                size.cpu[side].extend(taken.next().map(|flat| flat.cpu));
            }
        }
    }
    let stalled = stalled(&mut ours).await?;
    bare.stop().await?;
    ours.stop().await?;
    Ok(report(&sizes, empty, &stalled))
}

/// Ours without and with a stalled subscriber, in turn.
#[derive(Default)]
struct Stalled {
    rate: Pairs,
    delays: [Vec<f64>; 2],
    unread: u64,
}

async fn stalled(ours: &mut Server) -> Outcome<Stalled> {
    let mut found = Stalled {
        unread: u64::MAX,
        ..Stalled::default()
    };
    let parts = [Part::fill(), Part::flat(OTHERS), Part::steady()];
    for round in 0..STALLED_ROUNDS {
        // Whoever goes second finds another database and another clock.
        let order = if round % 2 == 0 {
            [false, true]
        } else {
            [true, false]
        };
        let mut rates = [0.0; 2];
        for stalls in order {
            let mut round = fan_out(ours, OTHERS, &parts, stalls).await?;
            let side = usize::from(stalls);
            rates[side] = round.taken.get(1).map_or(f64::NAN, |taken| taken.per_second);
            found.delays[side].extend(round.taken.pop().unwrap_or_default().delays);
            if stalls {
                found.unread = found.unread.min(round.unread);
            }
        }
        found.rate.push(rates[0], rates[1]);
    }
    if found.unread == 0 {
        return Err("the stalled subscriber did not stall".into());
    }
    Ok(found)
}

fn report(sizes: &[Size], empty: [f64; 2], stalled: &Stalled) -> Case {
    let rounds = format!("{ROUNDS} rounds of {STEADY} blocks of {LINES} lines, one each {EVERY:?}");
    let mut case = Case::new(8, "A log to many subscribers, at 1,000 lines a second", rounds);
    case.floor = "axum's WebSocket and one broadcast channel: each block's text is made once and sent to everybody, in a \
                  process of its own."
        .into();
    case.ours = "The server in a process of its own: each block is taken in as an orchestrator's, published, and stored; \
                 the subscription `executionLog` over graphql-transport-ws, each with its own connection. One message \
                 is one block to one subscriber; the bytes are the same."
        .into();
    let target = Some(Target::AtLeast(0.5));
    for (size, subscribers) in sizes.iter().zip(CROWDS) {
        let what = format!("{} at 1,000 lines/s", people(subscribers));
        case.rows
            .push(Row::compared(&what, "messages/s", &size.steady, None, target));
    }
    for (size, subscribers) in sizes.iter().zip(CROWDS) {
        if !size.flat.ours.is_empty() {
            let what = format!("{} as fast as they take it", people(subscribers));
            case.rows
                .push(Row::compared(&what, "messages/s", &size.flat, None, target));
        }
    }
    for (size, subscribers) in sizes.iter().zip(CROWDS) {
        let [floor, ours] = &size.delays;
        let quantiles = |d: &[f64]| format!("p50 {:.2} ms, p99 {:.2} ms", median(d), percentile(d, 0.99));
        if subscribers == 100 {
            let p99 = percentile(ours, 0.99);
            case.rows.push(Row::limited(
                "due → arrived, 100 subscribers",
                "ms",
                median(ours),
                Some(p99),
                P99_LIMIT,
            ));
        }
        case.fact(
            &format!("Due → arrived, {}", people(subscribers)),
            format!("{}; floor {}", quantiles(ours), quantiles(floor)),
        );
    }
    let target = Some(Target::AtLeast(0.95));
    case.rows.push(Row::compared(
        "100 subscribers beside a stalled one, as fast as they take it (floor: ours without it)",
        "messages/s",
        &stalled.rate,
        None,
        target,
    ));
    let [without, with] = &stalled.delays;
    case.fact(
        "Due → arrived, 100 subscribers beside a stalled one",
        format!(
            "p50 {:.2} ms, p99 {:.2} ms; without it p50 {:.2} ms, p99 {:.2} ms",
            median(with),
            percentile(with, 0.99),
            median(without),
            percentile(without, 0.99)
        ),
    );
    case.fact(
        "What the kernel held for the stalled one",
        format!("{} kB", number(stalled.unread as f64 / 1000.0)),
    );
    for (size, subscribers) in sizes.iter().zip(CROWDS) {
        let [floor, ours] = &size.cpu;
        if !ours.is_empty() {
            case.fact(
                &format!(
                    "Processor time of the server for a message, {}",
                    people(subscribers)
                ),
                format!("{:.1} µs; floor {:.1} µs", median(ours), median(floor)),
            );
        }
        let most = |of: &[f64]| of.iter().copied().fold(0.0, f64::max);
        if subscribers == 1000 {
            let each = |most: f64, empty: f64| (most - empty) * 1000.0 / subscribers as f64;
            let (floor, ours) = (most(&size.memory.floor), most(&size.memory.ours));
            case.fact(
                "Memory of the server with 1,000 subscribers (PSS)",
                format!(
                    "{ours:.0} MB, {:.0} kB a subscriber; floor {floor:.0} MB, {:.0} kB",
                    each(ours, empty[1]),
                    each(floor, empty[0])
                ),
            );
        }
    }
    case.notes.push(
        "Delays run from the moment a block was due, so that a late publisher is counted. Paced by its subscribers, a \
         server is at most 16 blocks ahead of the slowest."
            .into(),
    );
    case
}

fn people(subscribers: usize) -> String {
    match subscribers {
        1 => "1 subscriber".into(),
        few if few < 100 => format!("{few} subscribers"),
        many => format!("{} subscribers", number(many as f64)),
    }
}
