//! Definitions in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use crate::events::{Chosen, Event, EventFilter, OnConflict, Outcome};
use crate::kernel::api::{ApiResult, UserError, op, payload};
use crate::kernel::error::UserErrorCode;
use crate::kernel::ids::EventId;
use crate::kernel::{Error, Op, Result};

use super::model::Format;
use super::service::{Definitions, Import, Imported};

/// How definitions are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Format")]
pub enum DefinitionFormat {
    /// YAML 1.2, without anchors, aliases and tags.
    Yaml,
    /// JSON.
    Json,
}

/// What becomes of a definition whose name one of the viewer's own events has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "OnConflict")]
pub enum DefinitionConflict {
    /// It is a problem, and nothing is imported.
    Fail,
    /// The event stays as it is.
    Skip,
    /// The event becomes what the definition says. Needs CHANGE_EVENTS.
    Update,
    /// There will be another event, whose name is the first that is free: `Name (copy)`, `Name (copy 2)` and so on.
    Rename,
}

/// What became of one definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Outcome")]
pub enum DefinitionOutcome {
    /// It is new.
    Created,
    /// It was changed.
    Updated,
    /// It was like that already.
    Unchanged,
    /// It is there, and was to be left as it is.
    Skipped,
}

/// What is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum DefinitionKind {
    /// An event.
    Event,
}

/// Definitions to write.
#[derive(Debug, InputObject)]
pub struct ExportDefinitionsInput {
    /// These events, at most 500. Not together with `filter`.
    pub event_ids: Option<Vec<ID>>,
    /// Events like these, at most 500; neither this nor `eventIds`: all that the viewer may see.
    pub filter: Option<EventFilter>,
    /// YAML by default.
    #[graphql(default_with = "DefinitionFormat::Yaml")]
    pub format: DefinitionFormat,
}

impl ExportDefinitionsInput {
    fn chosen(self, op: &Op) -> Result<Chosen> {
        let Some(ids) = self.event_ids else {
            return Ok(Chosen::Like(self.filter.unwrap_or_default().into()));
        };
        if self.filter.is_some() {
            let message = "Give either eventIds or filter.";
            return Err(Error::field(UserErrorCode::Invalid, "filter", message));
        }
        let ids = ids.iter().enumerate().map(|(at, id)| {
            EventId::parse(id).map_err(|_| {
                op.denied("exportDefinitions", "NOT_FOUND");
                let field = format!("eventIds.{at}");
                Error::field(UserErrorCode::NotFound, &field, "There is no such event.")
            })
        });
        Ok(Chosen::These(ids.collect::<Result<_>>()?))
    }
}

/// Result of exportDefinitions.
#[derive(SimpleObject)]
pub struct ExportDefinitionsPayload {
    /// The text: always the same for the same definitions, without ids, without values of variables or secrets.
    content: Option<String>,
    /// A name for its file.
    file_name: Option<String>,
    /// Its media type.
    media_type: Option<String>,
    /// Definitions in it.
    exported: i32,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Definitions to read.
#[derive(Debug, InputObject)]
pub struct ImportDefinitionsInput {
    /// What exportDefinitions writes: `cronium: 1`, and `events` with the fields of CreateEventInput, servers by their
    /// names. At most 1.5 MiB and 500 definitions.
    pub content: String,
    /// How it is written; null: JSON when it begins with a brace, otherwise YAML.
    pub format: Option<DefinitionFormat>,
    /// What becomes of a definition whose name one of the viewer's own events has; FAIL by default.
    #[graphql(default_with = "DefinitionConflict::Fail")]
    pub on_conflict: DefinitionConflict,
    /// Whether only to say what would be done.
    #[graphql(default)]
    pub dry_run: bool,
}

impl From<ImportDefinitionsInput> for Import {
    fn from(input: ImportDefinitionsInput) -> Self {
        Self {
            content: input.content,
            format: input.format.map(Into::into),
            conflict: input.on_conflict.into(),
            dry_run: input.dry_run,
        }
    }
}

/// One definition of a text.
#[derive(SimpleObject)]
pub struct ImportedDefinition {
    /// What it defines.
    kind: DefinitionKind,
    /// Its name in the text.
    written_name: String,
    /// Its name now, or as it would be.
    name: String,
    /// The line that it begins on; the first is 1. Null: not known.
    line: Option<i32>,
    /// What became, or would become, of it.
    outcome: DefinitionOutcome,
    /// What is not as it was: fields, with dots between levels. Only for UPDATED.
    changes: Vec<String>,
    /// The event as it is; null where it is not there, because nothing was done.
    event: Option<Event>,
}

impl From<Imported> for ImportedDefinition {
    fn from(one: Imported) -> Self {
        Self {
            kind: DefinitionKind::Event,
            written_name: one.named,
            name: one.name,
            line: i32::try_from(one.at.line).ok().filter(|line| *line > 0),
            outcome: one.outcome.into(),
            changes: one.changes,
            event: one.event.map(Event),
        }
    }
}

/// Result of importDefinitions.
#[derive(SimpleObject)]
pub struct ImportDefinitionsPayload {
    /// Definitions that are new.
    created: i32,
    /// Definitions that were changed.
    updated: i32,
    /// Definitions that were like that already.
    unchanged: i32,
    /// Definitions that are there and stay as they are.
    skipped: i32,
    /// Each of them, in the order of the text; empty when anything is wrong, and then nothing was done.
    definitions: Vec<ImportedDefinition>,
    /// What the user can mend. What is wrong in the text is at `content` and the path into it, with line and column.
    user_errors: Vec<UserError>,
}

impl ImportDefinitionsPayload {
    fn of(all: Vec<Imported>, user_errors: Vec<UserError>) -> Self {
        let count = |outcome| {
            let like = all.iter().filter(|one| one.outcome == outcome);
            i32::try_from(like.count()).unwrap_or(i32::MAX)
        };
        Self {
            created: count(Outcome::Created),
            updated: count(Outcome::Updated),
            unchanged: count(Outcome::Unchanged),
            skipped: count(Outcome::Skipped),
            user_errors,
            definitions: all.into_iter().map(Into::into).collect(),
        }
    }
}

/// Mutations of definitions.
#[derive(Debug, Default)]
pub struct DefinitionsMutation;

#[Object]
impl DefinitionsMutation {
    /// Writes definitions into a text that importDefinitions takes, here or elsewhere. Needs READ_EVENTS.
    async fn export_definitions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which definitions, and how to write them.")] input: ExportDefinitionsInput,
    ) -> ApiResult<ExportDefinitionsPayload> {
        let (op, format) = (op(ctx)?, input.format.into());
        let result = match input.chosen(op) {
            Ok(chosen) => ctx.data::<Definitions>()?.export(op, chosen, format).await,
            Err(wrong) => Err(wrong),
        };
        let (export, user_errors) = payload(ctx, result)?;
        let exported = export.as_ref().map_or(0, |export| export.exported);
        Ok(ExportDefinitionsPayload {
            exported: i32::try_from(exported).unwrap_or(i32::MAX),
            media_type: export.as_ref().map(|export| export.format.media_type().into()),
            file_name: export.as_ref().map(|export| export.file_name.clone()),
            content: export.map(|export| export.content),
            user_errors,
        })
    }

    /// Makes events of a text the viewer's own, all of them or none, by the rules of createEvent; those that are there
    /// are found by their names. Needs READ_EVENTS and CREATE_EVENTS.
    async fn import_definitions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The text, and what to do with it.")] input: ImportDefinitionsInput,
    ) -> ApiResult<ImportDefinitionsPayload> {
        let result = ctx.data::<Definitions>()?.import(op(ctx)?, input.into()).await;
        let (all, user_errors) = payload(ctx, result)?;
        Ok(ImportDefinitionsPayload::of(all.unwrap_or_default(), user_errors))
    }
}
