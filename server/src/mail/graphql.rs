//! Trying out mail.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use crate::kernel::api::{ApiResult, UserError, op, payload};

use super::service::Mail;

/// Where a test goes.
#[derive(Debug, InputObject)]
pub struct SendTestEmailInput {
    /// Address to send to.
    to: String,
    /// en or es.
    #[graphql(default_with = "\"en\".to_owned()")]
    locale: String,
}

/// Result of sendTestEmail.
#[derive(SimpleObject)]
pub struct SendTestEmailPayload {
    /// Whether the mail server took the mail.
    sent: bool,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Mutations of mail.
#[derive(Debug, Default)]
pub struct MailMutation;

#[Object]
impl MailMutation {
    /// Sends a mail at once, to see whether the settings are right. Needs MANAGE_SETTINGS.
    async fn send_test_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where to.")] input: SendTestEmailInput,
    ) -> ApiResult<SendTestEmailPayload> {
        let result = ctx.data::<Mail>()?.test(op(ctx)?, &input.to, &input.locale).await;
        let (sent, user_errors) = payload(ctx, result)?;
        Ok(SendTestEmailPayload {
            sent: sent.is_some(),
            user_errors,
        })
    }
}
