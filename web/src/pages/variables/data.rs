//! What the page of variables asks the API for. Knows no page.

use cynic::{MutationBuilder as _, QueryBuilder as _};

use crate::api::{self, ApiError, Timestamp, schema};
use crate::i18n::t;
use crate::pages::runs::data::{
    EventRef, PAGE, PageInfo, Permission, Person, Place, Refusal, UserError, settled,
};

/// Whose a variable is.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VariableScope {
    Own,
    Shared,
    Global,
}

impl VariableScope {
    pub const ALL: [Self; 3] = [Self::Own, Self::Shared, Self::Global];

    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "OWN",
            Self::Shared => "SHARED",
            Self::Global => "GLOBAL",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }

    /// The word for it.
    pub fn words(self) -> String {
        t(match self {
            Self::Own => "vars.scope.own",
            Self::Shared => "vars.scope.shared",
            Self::Global => "vars.scope.global",
        })
    }
}

/// How variables are written into a file.
#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableFormat {
    Dotenv,
    Json,
}

impl VariableFormat {
    pub const ALL: [Self; 2] = [Self::Dotenv, Self::Json];

    pub fn name(self) -> &'static str {
        match self {
            Self::Dotenv => "DOTENV",
            Self::Json => "JSON",
        }
    }

    pub fn from_name(name: &str) -> Self {
        match name {
            "JSON" => Self::Json,
            _ => Self::Dotenv,
        }
    }

    pub fn words(self) -> &'static str {
        match self {
            Self::Dotenv => ".env",
            Self::Json => "JSON",
        }
    }

    /// What a text seems to be written in.
    pub fn of(content: &str) -> Self {
        match content.trim_start().chars().next() {
            Some('{' | '[') => Self::Json,
            _ => Self::Dotenv,
        }
    }
}

/// A variable in the list.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct Variable {
    pub id: cynic::Id,
    pub key: String,
    pub scope: VariableScope,
    pub value: Option<String>,
    pub secret: bool,
    pub description: String,
    pub version: i32,
    pub owner: Option<Person>,
    pub updated_at: Timestamp,
    pub updated_by: Option<Person>,
    pub viewer_can: Vec<Permission>,
}

impl Variable {
    pub fn may_change(&self) -> bool {
        self.viewer_can.contains(&Permission::Change)
    }
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "VariableConnection")]
pub struct VariablePage {
    pub nodes: Vec<Variable>,
    pub page_info: PageInfo,
    pub total_count: i32,
}

#[derive(cynic::InputObject, Clone, Debug, PartialEq, Default)]
pub struct VariableFilter {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub scope: Option<VariableScope>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub secret: Option<bool>,
}

#[derive(cynic::QueryVariables)]
struct ListVariables {
    filter: Option<VariableFilter>,
    first: Option<i32>,
    after: Option<String>,
    last: Option<i32>,
    before: Option<String>,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "ListVariables")]
struct VariablesQuery {
    #[arguments(filter: $filter, first: $first, after: $after, last: $last, before: $before)]
    variables: VariablePage,
}

crate::api::listed!(Query VariablesQuery, ListVariables);

/// A page of variables, by key.
pub async fn page(filter: VariableFilter, place: Place) -> Result<VariablePage, ApiError> {
    let (mut first, mut after, mut last, mut before) = (Some(PAGE), None, None, None);
    match place {
        Place::First => {}
        Place::After(cursor) => after = Some(cursor),
        Place::Before(cursor) => (first, last, before) = (None, Some(PAGE), Some(cursor)),
    }
    let variables = ListVariables {
        filter: Some(filter),
        first,
        after,
        last,
        before,
    };
    Ok(api::run(VariablesQuery::build(variables)).await?.variables)
}

#[derive(cynic::QueryVariables)]
struct OneVariables {
    id: cynic::Id,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Query", variables = "OneVariables")]
struct VariableUsage {
    #[arguments(id: $id)]
    node: Option<Used>,
}

crate::api::listed!(Query VariableUsage, OneVariables);

#[derive(cynic::InlineFragments)]
#[cynic(graphql_type = "Node")]
enum Used {
    Variable(UsedVariable),
    #[cynic(fallback)]
    Other,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Variable")]
struct UsedVariable {
    used_by: Vec<EventRef>,
}

/// Events that use a variable, as far as the viewer may see them.
pub async fn used_by(id: cynic::Id) -> Result<Vec<EventRef>, ApiError> {
    let found = api::run(VariableUsage::build(OneVariables { id })).await?.node;
    Ok(match found {
        Some(Used::Variable(variable)) => variable.used_by,
        _ => Vec::new(),
    })
}

#[derive(cynic::InputObject)]
pub struct SetVariableInput {
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub id: Option<cynic::Id>,
    pub key: String,
    pub scope: Option<VariableScope>,
    #[cynic(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    pub secret: Option<bool>,
    pub description: Option<String>,
    pub expected_version: Option<i32>,
}

#[derive(cynic::QueryVariables)]
struct SetVariables {
    input: SetVariableInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "SetVariables")]
struct SetVariable {
    #[arguments(input: $input)]
    set_variable: SetVariablePayload,
}

crate::api::listed!(Mutation SetVariable, SetVariables);

#[derive(cynic::QueryFragment)]
struct SetVariablePayload {
    variable: Option<Variable>,
    user_errors: Vec<UserError>,
}

pub async fn set(input: SetVariableInput) -> Result<Variable, Refusal> {
    let answer = api::run(SetVariable::build(SetVariables { input }))
        .await?
        .set_variable;
    settled(answer.variable, answer.user_errors)
}

#[derive(cynic::InputObject)]
struct DeleteVariableInput {
    id: cynic::Id,
    expected_version: Option<i32>,
}

#[derive(cynic::QueryVariables)]
struct DeleteVariables {
    input: DeleteVariableInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "DeleteVariables")]
struct DeleteVariable {
    #[arguments(input: $input)]
    delete_variable: DeleteVariablePayload,
}

crate::api::listed!(Mutation DeleteVariable, DeleteVariables);

#[derive(cynic::QueryFragment)]
struct DeleteVariablePayload {
    deleted_id: Option<cynic::Id>,
    user_errors: Vec<UserError>,
}

pub async fn delete(id: cynic::Id, version: i32) -> Result<cynic::Id, Refusal> {
    let input = DeleteVariableInput {
        id,
        expected_version: Some(version),
    };
    let answer = api::run(DeleteVariable::build(DeleteVariables { input }))
        .await?
        .delete_variable;
    settled(answer.deleted_id, answer.user_errors)
}

#[derive(cynic::InputObject, Clone, PartialEq)]
pub struct ImportVariablesInput {
    pub format: VariableFormat,
    pub content: String,
    pub scope: VariableScope,
    pub overwrite: bool,
    pub secret: bool,
    pub dry_run: bool,
}

#[derive(cynic::QueryVariables)]
struct ImportVariablesVariables {
    input: ImportVariablesInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ImportVariablesVariables")]
struct ImportVariables {
    #[arguments(input: $input)]
    import_variables: Imported,
}

crate::api::listed!(Mutation ImportVariables, ImportVariablesVariables);

/// What an import did, or would do.
#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
#[cynic(graphql_type = "ImportVariablesPayload")]
pub struct Imported {
    pub created: i32,
    pub updated: i32,
    pub unchanged: i32,
    pub skipped: i32,
    pub entries: Vec<VariableImportEntry>,
    pub user_errors: Vec<UserError>,
}

#[derive(cynic::QueryFragment, Clone, Debug, PartialEq)]
pub struct VariableImportEntry {
    pub key: String,
    pub secret: bool,
    pub outcome: VariableImportOutcome,
}

#[derive(cynic::Enum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableImportOutcome {
    Created,
    Updated,
    Unchanged,
    Skipped,
}

impl VariableImportOutcome {
    pub fn words(self) -> String {
        t(match self {
            Self::Created => "vars.created",
            Self::Updated => "vars.updated",
            Self::Unchanged => "vars.unchanged",
            Self::Skipped => "vars.skipped",
        })
    }
}

pub async fn import(input: ImportVariablesInput) -> Result<Imported, Refusal> {
    let variables = ImportVariablesVariables { input };
    let answer = api::run(ImportVariables::build(variables))
        .await?
        .import_variables;
    if answer.user_errors.is_empty() {
        Ok(answer)
    } else {
        Err(Refusal::Refused(answer.user_errors))
    }
}

#[derive(cynic::InputObject)]
pub struct ExportVariablesInput {
    pub format: VariableFormat,
    pub scope: VariableScope,
    pub include_secrets: bool,
}

#[derive(cynic::QueryVariables)]
struct ExportVariablesVariables {
    input: ExportVariablesInput,
}

#[derive(cynic::QueryFragment)]
#[cynic(graphql_type = "Mutation", variables = "ExportVariablesVariables")]
struct ExportVariables {
    #[arguments(input: $input)]
    export_variables: ExportVariablesPayload,
}

crate::api::listed!(Mutation ExportVariables, ExportVariablesVariables);

#[derive(cynic::QueryFragment)]
struct ExportVariablesPayload {
    content: Option<String>,
    exported: i32,
    left_out: i32,
    user_errors: Vec<UserError>,
}

/// A file: its text, how many variables are in it, and how many secrets are not.
pub async fn export(input: ExportVariablesInput) -> Result<(String, i32, i32), Refusal> {
    let variables = ExportVariablesVariables { input };
    let answer = api::run(ExportVariables::build(variables))
        .await?
        .export_variables;
    let content = settled(answer.content, answer.user_errors)?;
    Ok((content, answer.exported, answer.left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_shows_how_it_is_written() {
        for (content, format) in [
            ("A=1", VariableFormat::Dotenv),
            ("", VariableFormat::Dotenv),
            (" \n{\"A\": 1}", VariableFormat::Json),
            ("[]", VariableFormat::Json),
            ("# {", VariableFormat::Dotenv),
        ] {
            assert_eq!(VariableFormat::of(content), format, "{content:?}");
        }
        for format in VariableFormat::ALL {
            assert_eq!(VariableFormat::from_name(format.name()), format);
        }
    }
}
