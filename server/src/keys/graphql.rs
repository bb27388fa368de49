//! The master keys in the API: what they are called, never what they are.

use async_graphql::{Context, InputObject, Object, SimpleObject};

use crate::kernel::api::{ApiResult, UserError, api, op, payload};

use super::service::MasterKeys;

/// A master key of this installation, by its name.
#[derive(Debug, SimpleObject)]
pub struct EncryptionKey {
    /// 16 hex digits that tell nothing of the key.
    id: String,
    /// Whether new values are sealed with it.
    present: bool,
    /// How many stored values are sealed with it.
    sealed_values: f64,
}

/// From which key to change.
#[derive(Debug, InputObject)]
pub struct RotateEncryptionKeyInput {
    /// Id of the key that is present as you know it: when another one is present already, none is made, so that a
    /// request whose answer was lost can be sent again.
    pub expected_key_id: Option<String>,
}

/// Result of rotateEncryptionKey.
#[derive(SimpleObject)]
pub struct RotateEncryptionKeyPayload {
    /// Id of the key that is present now.
    key_id: Option<String>,
    /// Whether it was made by this request.
    made: bool,
    /// How many stored values were wrapped anew.
    wrapped_count: Option<i32>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Queries of master keys.
#[derive(Debug, Default)]
pub struct KeysQuery;

#[Object]
impl KeysQuery {
    /// The master keys that this server has, the present one first. Needs MANAGE_SETTINGS.
    async fn encryption_keys(&self, ctx: &Context<'_>) -> ApiResult<Vec<EncryptionKey>> {
        let keys = api(ctx, ctx.data::<MasterKeys>()?.seen(op(ctx)?).await)?;
        let key = |(at, (id, count)): (usize, (crate::kernel::sealed::KeyId, i64))| EncryptionKey {
            id: id.to_string(),
            present: at == 0,
            sealed_values: count as f64,
        };
        Ok(keys.into_iter().enumerate().map(key).collect())
    }
}

/// Mutations of master keys.
#[derive(Debug, Default)]
pub struct KeysMutation;

#[Object]
impl KeysMutation {
    /// Makes a new master key and wraps every sealed value anew, while everything goes on. Old keys stay for older
    /// backups. Needs MANAGE_SETTINGS.
    async fn rotate_encryption_key(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "From which key.")] input: RotateEncryptionKeyInput,
    ) -> ApiResult<RotateEncryptionKeyPayload> {
        let keys = ctx.data::<MasterKeys>()?;
        let result = keys.rotate(op(ctx)?, input.expected_key_id.as_deref()).await;
        let (changed, user_errors) = payload(ctx, result)?;
        Ok(RotateEncryptionKeyPayload {
            key_id: changed.map(|changed| changed.present.to_string()),
            made: changed.is_some_and(|changed| changed.made),
            wrapped_count: changed.map(|changed| i32::try_from(changed.wrapped).unwrap_or(i32::MAX)),
            user_errors,
        })
    }
}
