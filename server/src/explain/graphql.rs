//! The explanation in the API.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use crate::access::Action;
use crate::identity::User;
use crate::kernel::api::{ApiResult, api, op};
use crate::kernel::ids::UserId;
use crate::kernel::{Error, Result};

use super::service::{Asked, Explain, Question, Rule};

/// Who wants what.
#[derive(Debug, InputObject)]
pub struct AuthorizationExplainInput {
    /// Global id of the person; absent: oneself.
    pub user_id: Option<ID>,
    /// A permission; give this or `field`.
    pub scope: Option<Action>,
    /// A root field, such as `runEvent` or `Mutation.runEvent`; give this or `scope`.
    pub field: Option<String>,
    /// Global id of what it is to be done to.
    pub node_id: Option<ID>,
}

/// Whether the person may, and which rule says so.
#[derive(Debug, SimpleObject)]
pub struct AuthorizationExplanation {
    /// Whether the person may.
    allowed: bool,
    /// The rule that answered.
    rule: Rule,
    /// In words.
    explanation: String,
    /// Permissions that it needs.
    needs: Vec<Action>,
    /// Those of them that the person's role does not give.
    missing: Vec<Action>,
    /// The person.
    user: User,
}

fn question(input: AuthorizationExplainInput) -> Result<Question> {
    let asked = match (input.scope, input.field) {
        (Some(scope), None) => Asked::Scope(scope),
        (None, Some(field)) => Asked::Field(field),
        _ => return Err(Error::BadRequest("give `scope` or `field`".into())),
    };
    Ok(Question {
        user: input.user_id.as_ref().map(UserId::parse).transpose()?,
        asked,
        node: input.node_id.map(|id| id.to_string()),
    })
}

fn words(rule: Rule) -> &'static str {
    match rule {
        Rule::Public => "Anybody may ask for this.",
        Rule::InactiveAccount => "The account is not active.",
        Rule::MissingPermission => "The role does not allow it.",
        Rule::Permission => "The role allows it.",
        Rule::Owner => "The role allows it, and it is the person's own.",
        Rule::Shared => "The role allows it, and it is shared.",
        Rule::AllResources => "The role allows it for what everybody owns.",
        Rule::NotOwner => "The role allows it, but this is somebody else's.",
    }
}

/// Queries about the policy.
#[derive(Debug, Default)]
pub struct ExplainQuery;

#[Object]
impl ExplainQuery {
    /// Which rule lets a person do something, or does not. Needs MANAGE_USERS.
    async fn authorization_explain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who wants what.")] input: AuthorizationExplainInput,
    ) -> ApiResult<AuthorizationExplanation> {
        let question = api(ctx, question(input))?;
        let found = ctx.data::<Explain>()?.explain(op(ctx)?, question).await;
        let (user, answer) = api(ctx, found)?;
        Ok(AuthorizationExplanation {
            allowed: answer.allowed,
            rule: answer.rule,
            explanation: words(answer.rule).to_owned(),
            needs: answer.needs,
            missing: answer.missing,
            user: User(user),
        })
    }
}
