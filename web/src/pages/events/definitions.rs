//! What the API is asked about events as files and as copies. Knows no page.

use cynic::MutationBuilder as _;

use super::data::EventFilter;
use crate::api::{self, schema};
use crate::i18n::t;
use crate::pages::runs::data::{Refusal, UserError, settled};

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionFormat {
    Yaml,
    Json,
}

impl DefinitionFormat {
    pub const ALL: [Self; 2] = [Self::Yaml, Self::Json];

    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
        }
    }

    pub fn from_name(name: &str) -> Self {
        if name == "JSON" { Self::Json } else { Self::Yaml }
    }
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionConflict {
    Fail,
    Skip,
    Update,
    Rename,
}

impl DefinitionConflict {
    pub const ALL: [Self; 4] = [Self::Fail, Self::Skip, Self::Update, Self::Rename];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fail => "FAIL",
            Self::Skip => "SKIP",
            Self::Update => "UPDATE",
            Self::Rename => "RENAME",
        }
    }

    pub fn from_name(name: &str) -> Self {
        let mut all = Self::ALL.into_iter();
        all.find(|conflict| conflict.name() == name).unwrap_or(Self::Fail)
    }

    pub fn words(self) -> String {
        t(match self {
            Self::Fail => "defs.conflict.fail",
            Self::Skip => "defs.conflict.skip",
            Self::Update => "defs.conflict.update",
            Self::Rename => "defs.conflict.rename",
        })
    }
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionOutcome {
    Created,
    Updated,
    Unchanged,
    Skipped,
}

impl DefinitionOutcome {
    pub fn words(self) -> String {
        t(match self {
            Self::Created => "defs.created",
            Self::Updated => "defs.updated",
            Self::Unchanged => "defs.unchanged",
            Self::Skipped => "defs.skipped",
        })
    }
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq)]
pub struct ImportDefinitionsInput {
    pub content: String,
    pub on_conflict: DefinitionConflict,
    pub dry_run: bool,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct ImportVariables {
    input: ImportDefinitionsInput,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "ImportVariables")]
pub struct ImportDefinitions {
    #[arguments(input: $input)]
    import_definitions: Imported,
}

crate::api::listed!(Mutation ImportDefinitions, ImportVariables);

/// What an import did, or would do.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ImportDefinitionsPayload")]
pub struct Imported {
    pub created: i32,
    pub updated: i32,
    pub unchanged: i32,
    pub skipped: i32,
    pub definitions: Vec<ImportedDefinition>,
    pub user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct ImportedDefinition {
    pub written_name: String,
    pub name: String,
    pub outcome: DefinitionOutcome,
    pub changes: Vec<String>,
}

pub async fn import(input: ImportDefinitionsInput) -> Result<Imported, Refusal> {
    let answer = api::run(ImportDefinitions::build(ImportVariables { input })).await?;
    let answer = answer.import_definitions;
    if answer.user_errors.is_empty() {
        Ok(answer)
    } else {
        Err(Refusal::Refused(answer.user_errors))
    }
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct ExportDefinitionsInput {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub event_ids: Option<Vec<cynic::Id>>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub filter: Option<EventFilter>,
    pub format: DefinitionFormat,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct ExportVariables {
    input: ExportDefinitionsInput,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "ExportVariables")]
pub struct ExportDefinitions {
    #[arguments(input: $input)]
    export_definitions: ExportDefinitionsPayload,
}

crate::api::listed!(Mutation ExportDefinitions, ExportVariables);

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct ExportDefinitionsPayload {
    content: Option<String>,
    file_name: Option<String>,
    media_type: Option<String>,
    exported: i32,
    user_errors: Vec<UserError>,
}

/// A file to keep.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    pub content: String,
    pub name: String,
    pub kind: String,
    pub events: i32,
}

pub async fn export(input: ExportDefinitionsInput) -> Result<File, Refusal> {
    let answer = api::run(ExportDefinitions::build(ExportVariables { input })).await?;
    let ExportDefinitionsPayload {
        content,
        file_name,
        media_type,
        exported,
        user_errors,
    } = answer.export_definitions;
    let content = settled(content, user_errors)?;
    Ok(File {
        content,
        name: file_name.unwrap_or_default(),
        kind: media_type.unwrap_or_default(),
        events: exported,
    })
}

#[derive(cynic::InputObject, Clone, Debug)]
pub struct ForkEventInput {
    id: cynic::Id,
}

#[derive(cynic::QueryVariables, Debug)]
pub struct ForkVariables {
    input: ForkEventInput,
}

#[derive(cynic::QueryFragment, Clone, Debug)]
pub struct ForkEventPayload {
    event: Option<Forked>,
    user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Debug)]
#[cynic(graphql_type = "Mutation", variables = "ForkVariables")]
pub struct ForkEvent {
    #[arguments(input: $input)]
    fork_event: ForkEventPayload,
}

crate::api::listed!(Mutation ForkEvent, ForkVariables);

/// A copy that was made.
#[derive(cynic::QueryFragment, Clone, Debug)]
#[cynic(graphql_type = "Event")]
pub struct Forked {
    pub id: cynic::Id,
    pub name: String,
}

/// Makes an event of one's own from another one.
pub async fn fork(id: &str) -> Result<Forked, Refusal> {
    let input = ForkEventInput { id: id.into() };
    let answer = api::run(ForkEvent::build(ForkVariables { input }))
        .await?
        .fork_event;
    settled(answer.event, answer.user_errors)
}
