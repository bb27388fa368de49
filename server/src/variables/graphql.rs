//! Variables in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, ID, Object, SimpleObject};
use cronium_entity::enums::VariableScope as ScopeValue;

use crate::access::Permission;
use crate::events::{Event, person};
use crate::identity::User;
use crate::kernel::Timestamp;
use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload};
use crate::kernel::ids::VariableId;
use crate::kernel::paging::{ConnectionOf, PageArgs};

use super::exchange::{Imported, Outcome};
use super::input::{
    DeleteVariableInput, ExportVariablesInput, ImportVariablesInput, SetVariableInput, VariableFilter,
    VariableImportOutcome, VariableScope, page,
};
use super::loader::UsageLoader;
use super::service::Variables;
use super::store::{VariableRow, cursor};
use super::usage::Used;

/// A text that scripts read by its key.
#[derive(Debug, Clone)]
pub struct Variable(pub VariableRow);

/// A text that scripts read by its key.
#[Object]
impl Variable {
    /// Global id.
    pub async fn id(&self) -> ID {
        VariableId(self.0.id).global()
    }

    /// What scripts name it by.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// Whose it is.
    async fn scope(&self) -> VariableScope {
        self.0.scope.into()
    }

    /// Whose it is; null: the installation's.
    async fn owner(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        match self.0.owner_id {
            Some(id) => person(ctx, id).await,
            None => Ok(None),
        }
    }

    /// Its text; null for a secret, whoever asks.
    async fn value(&self) -> Option<&str> {
        self.0.value.as_deref()
    }

    /// Whether it is sealed, never shown, and masked in logs.
    async fn secret(&self) -> bool {
        self.0.sealed.is_some()
    }

    /// At most 500 characters.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Another one after each change.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// When it was made.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When it was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }

    /// Who changed it last: by hand, or as the owner of a script.
    async fn updated_by(&self, ctx: &Context<'_>) -> ApiResult<Option<User>> {
        match self.0.updated_by {
            Some(id) => person(ctx, id).await,
            None => Ok(None),
        }
    }

    /// Events that the viewer may see and whose present version names the key in its source or environment, by name. An
    /// event whose owner means another variable by this key does not count.
    async fn used_by(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most so many, 1 to 100.", default = 50)] first: i32,
    ) -> ApiResult<Vec<Event>> {
        let first = api(ctx, page(first))?;
        let Some(used) = Used::seen_by(op(ctx)?, &self.0) else {
            return Ok(Vec::new());
        };
        let found = ctx.data::<DataLoader<UsageLoader>>()?.load_one(used).await;
        let events = loaded(ctx, found)?.unwrap_or_default();
        Ok(events.into_iter().take(first).map(Event).collect())
    }

    /// What the viewer may do with it.
    async fn viewer_can(&self, ctx: &Context<'_>) -> ApiResult<Vec<Permission>> {
        let mut may = vec![Permission::Read];
        if ctx.data::<Variables>()?.may_change(op(ctx)?, &self.0) {
            may.extend([Permission::Change, Permission::Delete]);
        }
        Ok(may)
    }
}

/// Queries of variables.
#[derive(Debug, Default)]
pub struct VariablesQuery;

#[Object]
impl VariablesQuery {
    /// Variables that the viewer may see, by key: own, shared and global ones. Needs READ_VARIABLES.
    async fn variables(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Narrows the list.")] filter: Option<VariableFilter>,
        #[graphql(desc = "Page size from the start, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "Begin after this position.")] after: Option<String>,
        #[graphql(desc = "Page size from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "End before this position.")] before: Option<String>,
    ) -> ApiResult<ConnectionOf<Variable>> {
        let args = api(ctx, PageArgs::new(first, after, last, before))?;
        let counted = ctx.look_ahead().field("totalCount").exists();
        let filter = filter.unwrap_or_default().filter();
        let found = ctx
            .data::<Variables>()?
            .list(op(ctx)?, filter.as_ref(), &args, counted)
            .await;
        let (page, total) = api(ctx, found)?;
        Ok(page.connection(total, cursor, Variable))
    }
}

/// Result of setVariable.
#[derive(SimpleObject)]
pub struct SetVariablePayload {
    /// The variable as it is now.
    variable: Option<Variable>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Result of deleteVariable.
#[derive(SimpleObject)]
pub struct DeleteVariablePayload {
    /// Id of the variable that is gone.
    deleted_id: Option<ID>,
    /// Events that used it, as far as the viewer may see them; at most 100.
    used_by: Vec<Event>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// One variable of a file.
#[derive(Debug, SimpleObject)]
pub struct VariableImportEntry {
    /// Its key.
    key: String,
    /// The line that it begins on; the first is 1.
    line: i32,
    /// Whether it is a secret afterwards.
    secret: bool,
    /// What became, or would become, of it.
    outcome: VariableImportOutcome,
}

/// Result of importVariables.
#[derive(Debug, SimpleObject)]
pub struct ImportVariablesPayload {
    /// Variables that are new.
    created: i32,
    /// Variables that were changed.
    updated: i32,
    /// Variables that were like that already.
    unchanged: i32,
    /// Variables that are there and were not to be overwritten.
    skipped: i32,
    /// Each of them, in the order of the file; empty when anything is wrong, and then nothing was done.
    entries: Vec<VariableImportEntry>,
    /// What the user can mend; what is wrong with a line is at `content`, with the line's number.
    user_errors: Vec<UserError>,
}

impl ImportVariablesPayload {
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
            entries: all
                .into_iter()
                .map(|one| VariableImportEntry {
                    key: one.key,
                    line: i32::try_from(one.line).unwrap_or(i32::MAX),
                    secret: one.secret,
                    outcome: one.outcome.into(),
                })
                .collect(),
        }
    }
}

/// Result of exportVariables.
#[derive(SimpleObject)]
pub struct ExportVariablesPayload {
    /// The text of the file.
    content: Option<String>,
    /// Variables in it.
    exported: i32,
    /// Secrets that are not in it.
    left_out: i32,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of variables.
#[derive(Debug, Default)]
pub struct VariablesMutation;

#[Object]
impl VariablesMutation {
    /// Makes a variable or changes it. Needs MANAGE_VARIABLES, and for the installation's MANAGE_SETTINGS too.
    async fn set_variable(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The variable.")] input: SetVariableInput,
    ) -> ApiResult<SetVariablePayload> {
        let result = match input.change() {
            Ok(change) => ctx.data::<Variables>()?.set(op(ctx)?, change).await,
            Err(absent) => Err(absent),
        };
        let (row, user_errors) = payload(ctx, result)?;
        Ok(SetVariablePayload {
            variable: row.map(Variable),
            user_errors,
        })
    }

    /// Removes a variable. Scripts that name its key get the next one of this key, or none: `usedBy` says which they
    /// are. Needs MANAGE_VARIABLES, and for the installation's MANAGE_SETTINGS too.
    async fn delete_variable(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which variable.")] input: DeleteVariableInput,
    ) -> ApiResult<DeleteVariablePayload> {
        let with_usage = ctx.look_ahead().field("usedBy").exists();
        let result = match VariableId::parse(&input.id) {
            Ok(id) => {
                let variables = ctx.data::<Variables>()?;
                variables
                    .delete(op(ctx)?, id, input.expected_version, with_usage)
                    .await
            }
            Err(absent) => Err(absent),
        };
        let (gone, user_errors) = payload(ctx, result)?;
        let (id, used_by) = gone.map_or((None, Vec::new()), |(id, used)| (Some(id), used));
        Ok(DeleteVariablePayload {
            deleted_id: id.map(VariableId::global),
            used_by: used_by.into_iter().map(Event).collect(),
            user_errors,
        })
    }

    /// Makes and changes all variables of a file, or none. Needs MANAGE_VARIABLES, and for the installation's
    /// MANAGE_SETTINGS too.
    async fn import_variables(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file, and what to do with it.")] input: ImportVariablesInput,
    ) -> ApiResult<ImportVariablesPayload> {
        let result = ctx.data::<Variables>()?.import(op(ctx)?, input.into()).await;
        let (all, user_errors) = payload(ctx, result)?;
        Ok(ImportVariablesPayload::of(all.unwrap_or_default(), user_errors))
    }

    /// Writes the variables of a scope into a text. Needs READ_VARIABLES; with the values of secrets much more, and
    /// then the audit log says who took which.
    async fn export_variables(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which variables, and how to write them.")] input: ExportVariablesInput,
    ) -> ApiResult<ExportVariablesPayload> {
        let scope: ScopeValue = input.scope.into();
        let variables = ctx.data::<Variables>()?;
        let result = variables
            .export(op(ctx)?, input.format.into(), scope, input.include_secrets)
            .await;
        let (export, user_errors) = payload(ctx, result)?;
        let int = |number| i32::try_from(number).unwrap_or(i32::MAX);
        Ok(ExportVariablesPayload {
            exported: export.as_ref().map_or(0, |export| int(export.exported)),
            left_out: export.as_ref().map_or(0, |export| int(export.left_out)),
            content: export.map(|export| export.content),
            user_errors,
        })
    }
}
