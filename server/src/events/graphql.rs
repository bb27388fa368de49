//! Events in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object, SimpleObject};

use crate::access::{Action, Permission, can};
use crate::identity::{User, UserLoader};
use crate::jobs::{Job, JobFilter, jobs_of, last_job_of};
use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload, visible};
use crate::kernel::ids::{EventId, EventVersionId, UserId};
use crate::kernel::paging::{ConnectionOf, Cursor, PageArgs};
use crate::kernel::{Error, Result, Timestamp};

use super::input::{
    CreateEventInput, DeleteEventInput, EventFilter, EventOrder, EventStatus, EventType, ForkEventInput,
    ResetEventCounterInput, RestoreEventVersionInput, SetEventStatusInput, UpdateEventInput,
};
use super::loader::VersionLoader;
use super::service::Events;
use super::store::{EventRow, VersionRow, cursor};
pub use super::version::EventVersion;

/// A definition of what to run.
#[derive(Debug, Clone)]
pub struct Event(pub EventRow);

/// A definition of what to run.
#[Object]
impl Event {
    /// Global id.
    pub async fn id(&self) -> ID {
        EventId(self.0.id).global()
    }

    /// 1 to 100 characters.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// At most 500 characters.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// What it is made of.
    #[graphql(name = "type")]
    async fn kind(&self) -> EventType {
        self.0.kind.into()
    }

    /// Where it is in its life.
    async fn status(&self) -> EventStatus {
        self.0.status.into()
    }

    /// Words to find it by.
    async fn tags(&self) -> &[String] {
        &self.0.tags
    }

    /// Whether others may see and run it.
    async fn shared(&self) -> bool {
        self.0.shared
    }

    /// Who made it.
    async fn owner(&self, ctx: &Context<'_>) -> ApiResult<User> {
        let owner = person(ctx, self.0.owner_id).await?;
        api(ctx, owner.ok_or(Error::NotFound("user")))
    }

    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }

    /// The present version.
    async fn version(&self, ctx: &Context<'_>) -> ApiResult<EventVersion> {
        let loader = ctx.data::<DataLoader<VersionLoader>>()?;
        let row = loaded(ctx, loader.load_one(self.0.version_id).await)?;
        Ok(EventVersion(api(
            ctx,
            row.ok_or(Error::NotFound("event version")),
        )?))
    }

    /// Saved versions, newest first.
    async fn versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<EventVersion>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let args = args.counting(ctx.look_ahead().field("totalCount").exists());
        let found = ctx
            .data::<Events>()?
            .versions(op(ctx)?, EventId(self.0.id), &args)
            .await;
        let (page, total) = api(ctx, found)?;
        let position = |row: &VersionRow| Cursor {
            key: row.number.to_string(),
            id: row.id,
        };
        Ok(page.connection(total, position, EventVersion))
    }

    /// Its jobs, newest first.
    async fn jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<JobFilter>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<Job>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        jobs_of(ctx, EventId(self.0.id), filter, &args).await
    }

    /// The newest job.
    async fn last_job(&self, ctx: &Context<'_>) -> ApiResult<Option<Job>> {
        last_job_of(ctx, EventId(self.0.id)).await
    }

    /// How often it was run.
    async fn run_count(&self) -> i32 {
        i32::try_from(self.0.run_count).unwrap_or(i32::MAX)
    }

    /// After so many runs it is paused; 0: no limit.
    async fn max_executions(&self) -> i32 {
        self.0.max_executions
    }

    /// Runs that count towards `maxExecutions`: since the limit was set, the counter was reset or the event was
    /// activated again. Test runs and skipped ones don't count. 0 while there is no limit.
    async fn counted_runs(&self) -> i32 {
        self.0.counted_runs
    }

    /// What the viewer may do with it.
    async fn viewer_can(&self, ctx: &Context<'_>) -> ApiResult<Vec<Permission>> {
        let (op, owner) = (op(ctx)?, UserId(self.0.owner_id));
        let mut may = vec![Permission::Read];
        let archived = self.0.status == cronium_entity::enums::EventStatus::Archived;
        if can(op, Action::RunEvent, owner, self.0.shared) && !archived {
            may.push(Permission::Run);
        }
        if can(op, Action::ChangeEvent, owner, false) {
            may.extend([Permission::Change, Permission::Delete]);
        }
        Ok(may)
    }
}

/// A person by id, batched.
pub async fn person(ctx: &Context<'_>, id: uuid::Uuid) -> ApiResult<Option<User>> {
    loaded(
        ctx,
        ctx.data::<DataLoader<UserLoader>>()?.load_one(UserId(id)).await,
    )
}

/// Queries about events.
#[derive(Debug, Default)]
pub struct EventsQuery;

#[Object]
impl EventsQuery {
    /// One event; null when it does not exist or may not be seen.
    async fn event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id of the event.")] id: ID,
    ) -> ApiResult<Option<Event>> {
        let Ok(id) = EventId::parse(&id) else {
            return Ok(None);
        };
        Ok(visible(ctx, ctx.data::<Events>()?.get(op(ctx)?, id).await)?.map(Event))
    }

    /// Events that the viewer may see.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<EventFilter>,
        #[graphql(desc = "Newest first by default.")] order_by: Option<EventOrder>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<Event>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let order = EventOrder::parts(order_by);
        let counted = ctx.look_ahead().field("totalCount").exists();
        let filter = filter.unwrap_or_default().into();
        let found = ctx
            .data::<Events>()?
            .list(op(ctx)?, &filter, order, &args, counted)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, |row| cursor(order.0, row), Event))
    }
}

macro_rules! event_payload {
    ($name:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(SimpleObject)]
        pub struct $name {
            /// The changed event.
            event: Option<Event>,
            /// What the user can mend.
            user_errors: Vec<UserError>,
        }

        impl $name {
            fn of(ctx: &Context<'_>, result: Result<EventRow>) -> ApiResult<Self> {
                let (row, user_errors) = payload(ctx, result)?;
                Ok(Self {
                    event: row.map(Event),
                    user_errors,
                })
            }
        }
    };
}

event_payload!(CreateEventPayload, "Result of createEvent.");
event_payload!(ForkEventPayload, "Result of forkEvent.");
event_payload!(UpdateEventPayload, "Result of updateEvent.");
event_payload!(SetEventStatusPayload, "Result of setEventStatus.");
event_payload!(RestoreEventVersionPayload, "Result of restoreEventVersion.");
event_payload!(ResetEventCounterPayload, "Result of resetEventCounter.");

/// Result of deleteEvent.
#[derive(SimpleObject)]
pub struct DeleteEventPayload {
    /// Id of the event that is gone.
    deleted_id: Option<ID>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of events.
#[derive(Debug, Default)]
pub struct EventsMutation;

#[Object]
impl EventsMutation {
    /// Makes an event with its first version.
    async fn create_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new event.")] input: CreateEventInput,
    ) -> ApiResult<CreateEventPayload> {
        let result = match input.new_event() {
            Ok(new) => ctx.data::<Events>()?.create(op(ctx)?, new).await,
            Err(e) => Err(e),
        };
        CreateEventPayload::of(ctx, result)
    }

    /// Makes an event of the viewer's own with the content of the present version of another one: a DRAFT that is not
    /// shared and whose runs are counted from 0. Events hold names of secrets and never their values: the copy reads the
    /// variables and secrets of its new owner. Needs READ_EVENTS and CREATE_EVENTS.
    async fn fork_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: ForkEventInput,
    ) -> ApiResult<ForkEventPayload> {
        let result = match EventId::parse(&input.id) {
            Ok(id) => ctx.data::<Events>()?.fork(op(ctx)?, id, input.name).await,
            Err(e) => Err(e),
        };
        ForkEventPayload::of(ctx, result)
    }

    /// Changes an event; what a version holds makes a new one when it differs.
    async fn update_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateEventInput,
    ) -> ApiResult<UpdateEventPayload> {
        let (id, expected) = (EventId::parse(&input.id), input.expected_version);
        let result = match id.and_then(|id| Ok((id, input.change()?))) {
            Ok((id, change)) => ctx.data::<Events>()?.update(op(ctx)?, id, expected, change).await,
            Err(e) => Err(e),
        };
        UpdateEventPayload::of(ctx, result)
    }

    /// Moves an event to another state. Active again, it counts its runs from 0.
    async fn set_event_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event, and its new state.")] input: SetEventStatusInput,
    ) -> ApiResult<SetEventStatusPayload> {
        let result = match EventId::parse(&input.id) {
            Ok(id) => {
                ctx.data::<Events>()?
                    .set_status(op(ctx)?, id, input.status.into())
                    .await
            }
            Err(e) => Err(e),
        };
        SetEventStatusPayload::of(ctx, result)
    }

    /// Brings back the content of an old version, as a new one.
    async fn restore_event_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version.")] input: RestoreEventVersionInput,
    ) -> ApiResult<RestoreEventVersionPayload> {
        let ids =
            EventId::parse(&input.id).and_then(|id| Ok((id, EventVersionId::parse(&input.version_id)?)));
        let result = match ids {
            Ok((id, version)) => {
                ctx.data::<Events>()?
                    .restore(op(ctx)?, id, version, input.expected_version)
                    .await
            }
            Err(e) => Err(e),
        };
        RestoreEventVersionPayload::of(ctx, result)
    }

    /// Counts the runs of an event from 0 again. Its state stays as it is: setEventStatus(ACTIVE) does both.
    async fn reset_event_counter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: ResetEventCounterInput,
    ) -> ApiResult<ResetEventCounterPayload> {
        let result = match EventId::parse(&input.id) {
            Ok(id) => ctx.data::<Events>()?.reset_counter(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        ResetEventCounterPayload::of(ctx, result)
    }

    /// Removes an event; its jobs stay.
    async fn delete_event(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which event.")] input: DeleteEventInput,
    ) -> ApiResult<DeleteEventPayload> {
        let result = match EventId::parse(&input.id) {
            Ok(id) => ctx.data::<Events>()?.delete(op(ctx)?, id).await,
            Err(e) => Err(e),
        };
        let (id, user_errors) = payload(ctx, result)?;
        Ok(DeleteEventPayload {
            deleted_id: id.map(EventId::global),
            user_errors,
        })
    }
}
