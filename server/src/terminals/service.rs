//! Opening terminals, typing, closing, and what somebody may see of them. What goes between them and orchestrators
//! stands in `channel`, who watches in `live`, and what ends them by itself in `looks`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::TimeDelta;
use cronium_entity::enums::TerminalStatus;
use cronium_protocol::terminal::MAX_PIECE;
use sea_orm::TransactionTrait as _;
use serde_json::json;
use uuid::Uuid;

use crate::access::{self, Action, Reach};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::identity::Identity;
use crate::jobs::Jobs;
use crate::kernel::error::{Checks, FieldError, UserErrorCode};
use crate::kernel::ids::{ExecutionId, ServerId, TerminalId, UserId};
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Op, Result};
use crate::orchestrators::Orchestrators;
use crate::servers::Servers;
use crate::settings::Settings;

use super::limits::{MOST, MOST_OF_ONE, PAGE_BYTES};
use super::model::{self, Ending, Untaken, Why};
use super::noted::Noted;
use super::sight::{self, Sight};
use super::store::pieces::{self, Most, Piece};
use super::store::typing::{self, Input};
use super::store::{self, Filter, TerminalRow};

/// Shells on servers and in containers.
#[derive(Clone, Debug)]
pub struct Terminals {
    pub(super) kernel: Kernel,
    pub(super) master: KeyRing,
    pub(super) settings: Settings,
    pub(super) identity: Identity,
    pub(super) servers: Servers,
    audit: Audit,
    jobs: Jobs,
    orchestrators: Orchestrators,
    noted: Arc<Mutex<Noted>>,
}

/// What a terminal is opened on.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    Server(ServerId),
    Execution(ExecutionId),
}

/// The same, once somebody may go there.
struct Room {
    server: Option<Uuid>,
    execution: Option<Uuid>,
    /// None: any that reaches servers.
    orchestrator: Option<Uuid>,
    title: String,
}

/// What became of a piece of input.
#[derive(Debug)]
pub struct Typed {
    /// The number that comes next.
    pub next: i64,
    pub problem: Option<FieldError>,
}

impl Terminals {
    pub fn new(
        kernel: Kernel,
        audit: Audit,
        master: KeyRing,
        settings: Settings,
        identity: Identity,
        servers: Servers,
        jobs: Jobs,
        orchestrators: Orchestrators,
    ) -> Self {
        Self {
            kernel,
            master,
            settings,
            identity,
            servers,
            audit,
            jobs,
            orchestrators,
            noted: Arc::default(),
        }
    }

    /// Opens one: its row is there at once, its shell when an orchestrator says so.
    pub async fn open(&self, op: &Op, place: Place, columns: i32, rows: i32) -> Result<TerminalRow> {
        let grant = access::allow(op, Action::OpenTerminals)?;
        let (session, token) = (op.session(), op.token());
        if session.is_none() && token.is_none() {
            // It ends with what it was opened with.
            return Err(Error::Forbidden);
        }
        let mut checks = Checks::default();
        model::check_size(columns, rows, &mut checks);
        checks.done()?;
        let room = match place {
            Place::Server(id) => self.on_server(op, grant.user(), id).await?,
            Place::Execution(id) => self.in_container(op, id).await?,
        };
        let rules = self.settings.load().await?.terminals;
        let tx = self.kernel.db.begin().await?;
        store::lock_openings(&tx).await?;
        let (own, everybody) = store::open(&tx, grant.user().0).await?;
        if own >= MOST_OF_ONE || everybody >= MOST {
            let message = if own >= MOST_OF_ONE {
                format!("You have {MOST_OF_ONE} open terminals: close one first.")
            } else {
                format!("{MOST} terminals are open: try again when somebody has closed one.")
            };
            return Err(Error::field(UserErrorCode::LimitReached, "", message));
        }
        let now = self.kernel.now();
        let row = TerminalRow {
            id: self.kernel.id::<TerminalId>().0,
            owner_id: grant.user().0,
            session_id: session.map(|id| id.0),
            api_token_id: token.map(|id| id.0),
            server_id: room.server,
            execution_id: room.execution,
            title: room.title,
            orchestrator_id: room.orchestrator,
            taken_at: None,
            contact_at: now,
            status: TerminalStatus::Opening,
            status_reason: None,
            exit_code: None,
            width: columns,
            height: rows,
            created_at: now,
            opened_at: None,
            ended_at: None,
            typed_at: now,
            idle_secs: rules.idle_minutes * 60,
            until: now + TimeDelta::minutes(rules.max_minutes.into()),
            viewed_at: now,
            seen_bytes: 0,
            last_seq: 0,
            last_output: 0,
            output_bytes: 0,
            recorded_bytes: 0,
            recording_cut: false,
            last_input: 0,
            last_typed: 0,
        };
        store::insert(&tx, row.clone()).await?;
        let change = Change::new(AuditAction::OpenTerminal, target(&row))
            .to(json!({ "serverId": row.server_id, "executionId": row.execution_id }));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        metrics::counter!("cronium_terminals_opened_total").increment(1);
        self.kernel.signals.terminal_wanted();
        Ok(row)
    }

    /// A server that somebody sees, that is their own or shared, and that can be reached as far as it is known.
    async fn on_server(&self, op: &Op, user: UserId, id: ServerId) -> Result<Room> {
        let refused = |code, message: &str| Err(Error::field(code, "serverId", message));
        let row = match self.servers.get(op, id).await {
            Err(Error::NotFound(_) | Error::Forbidden) => return absent(op, "serverId", "server"),
            found => found?,
        };
        if row.owner_id != user.0 && !row.shared {
            let message = "It is not shared: nobody but its owner may open a terminal on it.";
            return refused(UserErrorCode::Forbidden, message);
        }
        match self.servers.orders(&[(user, id.0)]).await?.remove(&(user, id.0)) {
            Some(Ok(_)) => {}
            Some(Err(why)) => return refused(UserErrorCode::Conflict, &why),
            None => return absent(op, "serverId", "server"),
        }
        if !self.orchestrators.reach_servers().await? {
            let message = "No orchestrator that reaches servers is there, or all of them are draining.";
            return refused(UserErrorCode::Unreachable, message);
        }
        Ok(Room {
            server: Some(row.id),
            execution: None,
            orchestrator: None,
            title: row.name,
        })
    }

    async fn in_container(&self, op: &Op, id: ExecutionId) -> Result<Room> {
        let inside = match self.jobs.to_enter(op, id).await {
            Err(Error::NotFound(_)) => return absent(op, "executionId", "execution"),
            found => found?,
        };
        Ok(Room {
            server: None,
            execution: Some(inside.execution.0),
            orchestrator: Some(inside.orchestrator),
            title: inside.title,
        })
    }

    /// Takes what is typed, once and in order.
    pub async fn type_in(&self, op: &Op, id: TerminalId, seq: i32, data: &str) -> Result<Typed> {
        let sight = Sight::of(op)?;
        let mut checks = Checks::default();
        model::check_input(data, seq, &mut checks);
        checks.done()?;
        let input: Uuid = self.kernel.id();
        let sealed = self
            .master
            .seal(self.kernel.entropy, &place_of(input), data.as_bytes())?;
        let number = i64::from(seq);
        let piece = Input {
            id: input,
            terminal: id,
            number,
            sealed: &sealed,
        };
        if typing::take(&self.kernel.relaxed, &sight, piece, self.kernel.now()).await? {
            self.kernel.signals.terminal_told(id);
            let next = number + 1;
            return Ok(Typed { next, problem: None });
        }
        let row = self.own(op, id, "Only whoever opened it may type.").await?;
        let next = row.last_input.saturating_add(1);
        let problem = match model::untaken(row.status, row.last_input, number) {
            Untaken::Repeated => None,
            Untaken::Early => {
                let message = "There is no shell yet: wait until it is OPEN.";
                return Err(Error::field(UserErrorCode::Conflict, "id", message));
            }
            Untaken::Over => return Err(over()),
            Untaken::Gap => {
                let message = format!("Piece {next} comes next.");
                Some(FieldError::new(UserErrorCode::Conflict, "seq", message))
            }
            Untaken::Full => {
                let message = "What was typed before is still on its way: send this piece again in a moment.";
                Some(FieldError::new(UserErrorCode::LimitReached, "seq", message))
            }
        };
        Ok(Typed { next, problem })
    }

    /// The actor has read a terminal of theirs up to and with this piece of its recording, which makes room for more.
    pub async fn read(&self, op: &Op, id: TerminalId, seq: i32) -> Result<()> {
        let sight = Sight::of(op)?;
        let mut checks = Checks::default();
        model::check_seq(seq, &mut checks);
        checks.done()?;
        let read = pieces::read(&self.kernel.relaxed, &sight, id, seq.into()).await?;
        if read.moved {
            self.kernel.signals.terminal_told(id);
        }
        if !read.own {
            let message = "Only whoever opened it makes room by reading it.";
            self.own(op, id, message).await?;
        }
        Ok(())
    }

    /// Gives a terminal another size.
    pub async fn resize(&self, op: &Op, id: TerminalId, columns: i32, rows: i32) -> Result<TerminalRow> {
        let sight = Sight::of(op)?;
        let mut checks = Checks::default();
        model::check_size(columns, rows, &mut checks);
        checks.done()?;
        let (pool, now) = (&self.kernel.relaxed, self.kernel.now());
        let resized = typing::resize(pool, &sight, id, (columns, rows), now).await?;
        let row = self
            .own(op, id, "Only whoever opened it may change its size.")
            .await?;
        let Some(resized) = resized else {
            return Err(over());
        };
        pieces::trim(pool, id.0, resized.begins_at, resized.ends_at).await?;
        self.kernel.signals.terminal_told(id);
        self.kernel.signals.terminal_shown(id);
        Ok(row)
    }

    /// The actor's own terminal; another one that they see is refused with this.
    async fn own(&self, op: &Op, id: TerminalId, message: &str) -> Result<TerminalRow> {
        let row = self.get(op, id).await?;
        if !sight::is_own(op, &row) {
            return Err(Error::field(UserErrorCode::Forbidden, "id", message));
        }
        Ok(row)
    }

    /// Hangs up. Again is no error.
    pub async fn close(&self, op: &Op, id: TerminalId) -> Result<TerminalRow> {
        let grant = access::allow(op, Action::OpenTerminals)?;
        let row = self.get(op, id).await?;
        let why = if sight::is_own(op, &row) {
            Why::Closed
        } else if grant.reach() == Reach::All {
            Why::ClosedByAnother
        } else {
            let message = "Only whoever opened it, or an administrator, may close it.";
            return Err(Error::field(UserErrorCode::Forbidden, "id", message));
        };
        match self.end(op, id.0, None, &why.into()).await? {
            Some(ended) => Ok(ended),
            None => self.get(op, id).await,
        }
    }

    /// Ends it at once: who watches sees the end, and its orchestrator hangs up. `by`: only where this orchestrator
    /// has it. None: it has ended already.
    pub(super) async fn end(
        &self,
        op: &Op,
        id: Uuid,
        by: Option<Uuid>,
        ending: &Ending,
    ) -> Result<Option<TerminalRow>> {
        let tx = self.kernel.db.begin().await?;
        let Some(row) = store::end(&tx, id, by, ending, self.kernel.now()).await? else {
            return Ok(None);
        };
        let change = Change::new(AuditAction::CloseTerminal, target(&row)).to(json!({
            "reason": ending.reason, "exitCode": ending.exit_code, "recordedBytes": row.recorded_bytes,
        }));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        metrics::counter!("cronium_terminals_ended_total").increment(1);
        tracing::info!(terminal = %id, reason = ending.reason, "a terminal has ended");
        self.kernel.signals.terminal_told(TerminalId(id));
        self.kernel.signals.terminal_shown(TerminalId(id));
        Ok(Some(row))
    }

    pub async fn list(
        &self,
        op: &Op,
        filter: Option<&Filter>,
        args: &PageArgs,
        counted: bool,
    ) -> Result<(Page<TerminalRow>, u64)> {
        let sight = Sight::of(op)?;
        let Some(filter) = filter else {
            return Ok((args.page(Vec::new()), 0));
        };
        let page = store::page(&self.kernel.db, &sight, filter, args).await?;
        let total = if counted {
            store::count(&self.kernel.db, &sight, filter).await?
        } else {
            0
        };
        Ok((page, total))
    }

    pub async fn get(&self, op: &Op, id: TerminalId) -> Result<TerminalRow> {
        store::get(&self.kernel.db, &Sight::of(op)?, id).await
    }

    /// Those of the terminals that may be seen.
    pub async fn seen(&self, op: &Op, ids: &[TerminalId]) -> Result<Vec<TerminalRow>> {
        store::seen(&self.kernel.db, &Sight::of(op)?, ids.iter().map(|id| id.0)).await
    }

    /// A terminal that somebody is going to watch, live or recorded. The audit log has it when it is another's.
    pub async fn watch(&self, op: &Op, id: TerminalId) -> Result<(Sight, TerminalRow)> {
        let sight = Sight::of(op)?;
        let row = store::get(&self.kernel.db, &sight, id).await?;
        self.note_watching(op, &row).await?;
        Ok((sight, row))
    }

    /// Writes down that somebody watches what is not their own, as long as they do; not at each look.
    async fn note_watching(&self, op: &Op, row: &TerminalRow) -> Result<()> {
        if sight::is_own(op, row) {
            return Ok(());
        }
        let session = op.session().map(|id| id.0);
        let credential = session.or(op.token().map(|id| id.0)).unwrap_or_default();
        let now = self.kernel.now();
        if !self.noted().is_due(credential, row.id, now) {
            return Ok(());
        }
        let tx = self.kernel.db.begin().await?;
        let change = Change::new(AuditAction::WatchTerminal, target(row));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        self.noted().add(credential, row.id, now);
        Ok(())
    }

    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of a recording, bounded by its pieces and by their bytes, and whether there is more.
    pub async fn recording(
        &self,
        op: &Op,
        row: &TerminalRow,
        after: i32,
        first: i32,
    ) -> Result<(Vec<Piece>, bool)> {
        let first = usize::try_from(first).ok().filter(|n| (1..=1000).contains(n));
        let first = first.ok_or_else(|| Error::BadRequest("a page has 1 to 1,000 pieces".into()))?;
        let sight = Sight::of(op)?;
        self.note_watching(op, row).await?;
        let most = Most {
            pieces: first as i64 + 1,
            bytes: PAGE_BYTES,
        };
        let (pool, id) = (&self.kernel.pool, TerminalId(row.id));
        let found = pieces::after(pool, &sight, id, after.into(), most, true).await?;
        let mut pieces = found.ok_or(Error::NotFound("terminal"))?.pieces;
        let bytes: usize = pieces.iter().map(|piece| piece.data.len()).sum();
        // The largest piece, which may begin with one byte more, had no room.
        let full = bytes + MAX_PIECE >= PAGE_BYTES as usize;
        let more = pieces.len() > first || full;
        pieces.truncate(first);
        Ok((pieces, more))
    }
}

/// Absent, or not for these eyes.
fn absent<T>(op: &Op, field: &str, what: &str) -> Result<T> {
    op.denied("openTerminal", "NOT_FOUND");
    let message = format!("There is no such {what}.");
    Err(Error::field(UserErrorCode::NotFound, field, message))
}

fn over() -> Error {
    Error::field(UserErrorCode::Conflict, "id", "It has ended.")
}

fn target(row: &TerminalRow) -> Target {
    Target::new(TargetKind::Terminal, row.id, row.title.clone())
}

/// What a piece of input is bound to: its row, in the only sealed column of this table.
pub(super) fn place_of(input: Uuid) -> String {
    format!("terminal_input/{input}")
}
