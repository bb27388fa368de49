//! Terminals in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use cronium_entity::enums::TerminalStatus as RowStatus;

use crate::events::person;
use crate::identity::User;
use crate::jobs::{Execution, Jobs, SeenExecutionLoader};
use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload, visible};
use crate::kernel::ids::TerminalId;
use crate::kernel::paging::{ConnectionOf, PageArgs};
use crate::kernel::{Error, Timestamp};
use crate::servers::ServerReference;

use super::input::{
    CloseTerminalInput, OpenTerminalInput, ReadTerminalInput, ResizeTerminalInput, SendTerminalInputInput,
    TerminalFilter,
};
use super::live::Shown;
use super::service::Terminals;
use super::sight;
use super::store::pieces::Piece;
use super::store::{TerminalRow, cursor};

/// Where a terminal is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "RowStatus")]
pub enum TerminalStatus {
    /// The shell is not there yet.
    Opening,
    /// One can type.
    Open,
    /// It is over.
    Ended,
}

/// Size of a terminal.
#[derive(Debug, SimpleObject)]
pub struct TerminalSize {
    /// Characters a line.
    columns: i32,
    /// Lines.
    rows: i32,
}

/// A piece of what a terminal showed, or a change of its size.
#[derive(Debug, SimpleObject)]
pub struct TerminalChunk {
    /// 1, 2, 3 …
    seq: i32,
    /// When it was said.
    at: Timestamp,
    /// What was shown, in base64: bytes, which may end in the middle of a character. Empty for a change of the size,
    /// and for the end.
    data: String,
    /// The new size.
    size: Option<TerminalSize>,
    /// How the terminal is after this piece.
    status: TerminalStatus,
}

fn int(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl From<Piece> for TerminalChunk {
    fn from(piece: Piece) -> Self {
        Self {
            seq: int(piece.seq),
            at: piece.at,
            data: STANDARD.encode(&piece.data),
            size: piece.size.map(|(columns, rows)| TerminalSize { columns, rows }),
            status: TerminalStatus::Open,
        }
    }
}

impl From<Shown> for TerminalChunk {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Piece(piece) => piece.into(),
            Shown::End { last_seq, at } => Self {
                seq: int(last_seq + 1),
                at,
                data: String::new(),
                size: None,
                status: TerminalStatus::Ended,
            },
        }
    }
}

/// Pieces of a recording.
#[derive(Debug, SimpleObject)]
pub struct TerminalRecordingPage {
    /// In order.
    chunks: Vec<TerminalChunk>,
    /// There are more after these.
    has_more: bool,
}

/// A terminal, open or recorded.
#[derive(Debug, Clone)]
pub struct TerminalSession(pub TerminalRow);

impl TerminalSession {
    fn is_over(&self) -> bool {
        self.0.status == RowStatus::Ended
    }
}

/// A terminal, open or recorded.
#[Object]
impl TerminalSession {
    /// Global id.
    pub async fn id(&self) -> ID {
        TerminalId(self.0.id).global()
    }

    /// Who opened it.
    async fn owner(&self, ctx: &Context<'_>) -> ApiResult<User> {
        let owner = person(ctx, self.0.owner_id).await?;
        api(ctx, owner.ok_or(Error::NotFound("user")))
    }

    /// Whether the viewer opened it, and so may type. With an API token: whether it was opened with this token.
    async fn is_mine(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        Ok(sight::is_own(op(ctx)?, &self.0))
    }

    /// The server that it is on, as it was called; null: it is in a container.
    async fn server(&self) -> Option<ServerReference> {
        let id = self.0.server_id?;
        Some(ServerReference::new(id, self.0.title.clone()))
    }

    /// The execution in whose container it is; null: it is on a server, or the execution is not for these eyes.
    async fn execution(&self, ctx: &Context<'_>) -> ApiResult<Option<Execution>> {
        let (jobs, op) = (ctx.data::<Jobs>()?, op(ctx)?);
        let asked = self.0.execution_id.and_then(|id| jobs.seen_execution(op, id));
        let Some(asked) = asked else { return Ok(None) };
        let found = ctx
            .data::<DataLoader<SeenExecutionLoader>>()?
            .load_one(asked)
            .await;
        Ok(loaded(ctx, found)?.map(Execution))
    }

    /// What it is a terminal of, in words: the name of the server, or the title of the run.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Where it is in its life.
    async fn status(&self) -> TerminalStatus {
        self.0.status.into()
    }

    /// Why it ended, in words that a person can act on.
    async fn status_reason(&self) -> Option<&str> {
        self.0.status_reason.as_deref()
    }

    /// Exit status of the shell, when it ended by itself.
    async fn exit_code(&self) -> Option<i32> {
        self.0.exit_code
    }

    /// Characters a line, as it is now.
    async fn columns(&self) -> i32 {
        self.0.width
    }

    /// Lines, as it is now.
    async fn rows(&self) -> i32 {
        self.0.height
    }

    /// When it was asked for.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When the shell was there.
    async fn opened_at(&self) -> Option<Timestamp> {
        self.0.opened_at
    }

    /// When it ended.
    async fn ended_at(&self) -> Option<Timestamp> {
        self.0.ended_at
    }

    /// When it is closed unless somebody types.
    async fn idle_until(&self) -> Option<Timestamp> {
        let idle = TimeDelta::seconds(self.0.idle_secs.into());
        (!self.is_over()).then(|| self.0.typed_at + idle)
    }

    /// When it is closed in any case.
    async fn until(&self) -> Option<Timestamp> {
        (!self.is_over()).then_some(self.0.until)
    }

    /// Bytes of output that are kept.
    async fn recorded_bytes(&self) -> f64 {
        self.0.recorded_bytes as f64
    }

    /// The recording is not whole: it went over its limit.
    async fn recording_cut(&self) -> bool {
        self.0.recording_cut
    }

    /// Path of the recording as an asciicast (version 2), to be got with the same credentials.
    async fn recording_path(&self) -> String {
        super::download::path(TerminalId(self.0.id))
    }

    /// What was shown, in pages: the recording.
    async fn recording(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "Pieces after this number; 0: from the beginning.")] after_seq: i32,
        #[graphql(default = 200, desc = "At most so many pieces, 1 to 1,000.")] first: i32,
    ) -> ApiResult<TerminalRecordingPage> {
        let terminals = ctx.data::<Terminals>()?;
        let found = terminals.recording(op(ctx)?, &self.0, after_seq, first).await;
        let (pieces, has_more) = api(ctx, found)?;
        Ok(TerminalRecordingPage {
            chunks: pieces.into_iter().map(Into::into).collect(),
            has_more,
        })
    }
}

/// Queries of terminals.
#[derive(Debug, Default)]
pub struct TerminalsQuery;

#[Object]
impl TerminalsQuery {
    /// A terminal.
    async fn terminal_session(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id.")] id: ID,
    ) -> ApiResult<Option<TerminalSession>> {
        let Ok(id) = TerminalId::parse(&id) else {
            return Ok(None);
        };
        let found = ctx.data::<Terminals>()?.get(op(ctx)?, id).await;
        Ok(visible(ctx, found)?.map(TerminalSession))
    }

    /// Open and recorded terminals, the newest first: own ones, and those of others that the viewer may watch.
    async fn terminal_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<TerminalFilter>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<TerminalSession>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let counted = ctx.look_ahead().field("totalCount").exists();
        let filter = filter.unwrap_or_default().filter();
        let found = ctx
            .data::<Terminals>()?
            .list(op(ctx)?, filter.as_ref(), &args, counted)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, cursor, TerminalSession))
    }
}

/// Result of opening a terminal.
#[derive(Debug, SimpleObject)]
pub struct OpenTerminalPayload {
    /// The terminal: its output tells when the shell is there.
    terminal: Option<TerminalSession>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of typing.
#[derive(Debug, SimpleObject)]
pub struct SendTerminalInputPayload {
    /// The number that comes next.
    next_seq: Option<i32>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of saying what was read.
#[derive(Debug, SimpleObject)]
pub struct ReadTerminalPayload {
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of a new size.
#[derive(Debug, SimpleObject)]
pub struct ResizeTerminalPayload {
    /// The terminal.
    terminal: Option<TerminalSession>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of closing.
#[derive(Debug, SimpleObject)]
pub struct CloseTerminalPayload {
    /// The terminal.
    terminal: Option<TerminalSession>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of terminals.
#[derive(Debug, Default)]
pub struct TerminalsMutation;

#[Object]
impl TerminalsMutation {
    /// Opens a terminal on a server, or in the container of a running execution.
    async fn open_terminal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where.")] input: OpenTerminalInput,
    ) -> ApiResult<OpenTerminalPayload> {
        let (terminals, op) = (ctx.data::<Terminals>()?, op(ctx)?);
        let result = match input.place() {
            Ok(place) => terminals.open(op, place, input.columns, input.rows).await,
            Err(absent) => Err(absent),
        };
        let (row, user_errors) = payload(ctx, result)?;
        Ok(OpenTerminalPayload {
            terminal: row.map(TerminalSession),
            user_errors,
        })
    }

    /// Types. Only whoever opened it may.
    async fn send_terminal_input(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is typed.")] input: SendTerminalInputInput,
    ) -> ApiResult<SendTerminalInputPayload> {
        let (terminals, op) = (ctx.data::<Terminals>()?, op(ctx)?);
        let result = match TerminalId::parse(&input.id) {
            Ok(id) => terminals.type_in(op, id, input.seq, &input.data).await,
            Err(absent) => Err(absent),
        };
        let (typed, mut user_errors) = payload(ctx, result)?;
        let next_seq = typed.as_ref().map(|typed| int(typed.next));
        let problem = typed.and_then(|typed| typed.problem);
        user_errors.extend(problem.map(UserError::from));
        Ok(SendTerminalInputPayload {
            next_seq,
            user_errors,
        })
    }

    /// Says how far its output was taken in, which makes room for more: a terminal pauses once it has shown about 1 MiB
    /// more than that. Say it every 64 to 256 KiB, where each piece counts as 64 bytes more than it has; less is not
    /// counted yet. Only whoever opened it may.
    async fn read_terminal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Up to where.")] input: ReadTerminalInput,
    ) -> ApiResult<ReadTerminalPayload> {
        let (terminals, op) = (ctx.data::<Terminals>()?, op(ctx)?);
        let result = match TerminalId::parse(&input.id) {
            Ok(id) => terminals.read(op, id, input.seq).await,
            Err(absent) => Err(absent),
        };
        let (_, user_errors) = payload(ctx, result)?;
        Ok(ReadTerminalPayload { user_errors })
    }

    /// Changes the size. Only whoever opened it may.
    async fn resize_terminal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new size.")] input: ResizeTerminalInput,
    ) -> ApiResult<ResizeTerminalPayload> {
        let (terminals, op) = (ctx.data::<Terminals>()?, op(ctx)?);
        let result = match TerminalId::parse(&input.id) {
            Ok(id) => terminals.resize(op, id, input.columns, input.rows).await,
            Err(absent) => Err(absent),
        };
        let (row, user_errors) = payload(ctx, result)?;
        Ok(ResizeTerminalPayload {
            terminal: row.map(TerminalSession),
            user_errors,
        })
    }

    /// Hangs up.
    async fn close_terminal(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: CloseTerminalInput,
    ) -> ApiResult<CloseTerminalPayload> {
        let (terminals, op) = (ctx.data::<Terminals>()?, op(ctx)?);
        let result = match TerminalId::parse(&input.id) {
            Ok(id) => terminals.close(op, id).await,
            Err(absent) => Err(absent),
        };
        let (row, user_errors) = payload(ctx, result)?;
        Ok(CloseTerminalPayload {
            terminal: row.map(TerminalSession),
            user_errors,
        })
    }
}
