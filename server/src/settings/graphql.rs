//! Settings in the API. Passwords go in and never come out.

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, Object, SimpleObject};

use crate::kernel::api::{ApiResult, UserError, api, op, payload};

use super::model::{Registration, Security, Settings as Values, Smtp, TerminalRules};
use super::service::{Settings as Service, SettingsChange};

/// Who may make an account for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Registration")]
pub enum RegistrationMode {
    /// Nobody; invitations don't count either.
    Closed,
    /// Those who were invited.
    InviteOnly,
    /// Everybody, once an administrator approves.
    Approval,
    /// Everybody who can read mail at their address.
    Open,
}

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Security")]
pub enum SmtpSecurity {
    /// Not at all: for a server on the same machine.
    None,
    /// By STARTTLS, which must succeed.
    StartTls,
    /// By TLS from the first byte.
    Tls,
}

/// The mail server.
#[derive(Debug, SimpleObject)]
pub struct SmtpSettings {
    /// Name or address.
    host: String,
    /// 1 to 65535.
    port: i32,
    /// How the connection is protected.
    security: SmtpSecurity,
    /// Account on the server.
    username: Option<String>,
    /// Whether a password is stored.
    has_password: bool,
    /// Address that mail comes from.
    from: String,
}

/// How long terminals stay open, and recordings are kept.
#[derive(Debug, SimpleObject)]
pub struct TerminalSettings {
    /// Minutes without anything typed after which one is closed.
    idle_minutes: i32,
    /// Minutes after which one is closed in any case.
    max_minutes: i32,
    /// Days that recordings are kept.
    recording_days: i32,
}

/// What administrators set for the whole installation.
#[derive(Debug, SimpleObject)]
pub struct Settings {
    /// Who may sign up.
    registration: RegistrationMode,
    /// The mail server; null: no mail is sent.
    smtp: Option<SmtpSettings>,
    /// Terminals.
    terminals: TerminalSettings,
    /// Give it to `updateSettings`.
    version: i32,
}

impl From<Values> for Settings {
    fn from(values: Values) -> Self {
        Self {
            registration: values.registration.into(),
            smtp: values.smtp.map(|smtp| SmtpSettings {
                host: smtp.host,
                port: smtp.port.into(),
                security: smtp.security.into(),
                username: smtp.username,
                has_password: smtp.password.is_some(),
                from: smtp.from,
            }),
            terminals: TerminalSettings {
                idle_minutes: values.terminals.idle_minutes,
                max_minutes: values.terminals.max_minutes,
                recording_days: values.terminals.recording_days,
            },
            version: values.version,
        }
    }
}

/// The mail server.
#[derive(InputObject)]
pub struct SmtpInput {
    /// Name or address.
    host: String,
    /// 1 to 65535.
    #[graphql(default = 587)]
    port: i32,
    /// How the connection is protected.
    #[graphql(default_with = "SmtpSecurity::StartTls")]
    security: SmtpSecurity,
    /// Account on the server, when it asks for one.
    username: Option<String>,
    /// Absent: the stored one, for the same account on the same server.
    password: Option<String>,
    /// Address that mail comes from.
    from: String,
}

/// How long terminals stay open, and recordings are kept. Those that are open keep what they were opened with.
#[derive(InputObject)]
pub struct TerminalSettingsInput {
    /// Minutes without anything typed after which one is closed, 1 to 1,440.
    idle_minutes: i32,
    /// Minutes after which one is closed in any case, 1 to 10,080.
    max_minutes: i32,
    /// Days that recordings are kept, 1 to 3,650.
    recording_days: i32,
}

/// What changes. Fields that are absent stay as they are.
#[derive(InputObject)]
pub struct UpdateSettingsInput {
    /// Refused when the settings changed since this version.
    expected_version: Option<i32>,
    /// Who may sign up.
    registration: Option<RegistrationMode>,
    /// The mail server; null: none.
    smtp: MaybeUndefined<SmtpInput>,
    /// Terminals.
    terminals: Option<TerminalSettingsInput>,
}

impl UpdateSettingsInput {
    fn change(self) -> SettingsChange {
        let smtp = |input: SmtpInput| Smtp {
            host: input.host.trim().to_owned(),
            port: u16::try_from(input.port).unwrap_or_default(),
            security: input.security.into(),
            username: input.username.filter(|name| !name.is_empty()),
            password: input.password.filter(|password| !password.is_empty()),
            from: input.from.trim().to_owned(),
        };
        SettingsChange {
            registration: self.registration.map(Into::into),
            smtp: match self.smtp {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(input) => Some(Some(smtp(input))),
            },
            terminals: self.terminals.map(|input| TerminalRules {
                idle_minutes: input.idle_minutes,
                max_minutes: input.max_minutes,
                recording_days: input.recording_days,
            }),
        }
    }
}

/// Result of updateSettings.
#[derive(SimpleObject)]
pub struct UpdateSettingsPayload {
    /// The settings as they are now.
    settings: Option<Settings>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Queries of settings.
#[derive(Debug, Default)]
pub struct SettingsQuery;

#[Object]
impl SettingsQuery {
    /// Settings of the installation. Needs MANAGE_SETTINGS.
    async fn settings(&self, ctx: &Context<'_>) -> ApiResult<Settings> {
        Ok(api(ctx, ctx.data::<Service>()?.read(op(ctx)?).await)?.into())
    }
}

/// Mutations of settings.
#[derive(Debug, Default)]
pub struct SettingsMutation;

#[Object]
impl SettingsMutation {
    /// Changes settings. Needs MANAGE_SETTINGS.
    async fn update_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateSettingsInput,
    ) -> ApiResult<UpdateSettingsPayload> {
        let expected = input.expected_version;
        let result = ctx
            .data::<Service>()?
            .update(op(ctx)?, expected, input.change())
            .await;
        let (settings, user_errors) = payload(ctx, result)?;
        Ok(UpdateSettingsPayload {
            settings: settings.map(Into::into),
            user_errors,
        })
    }
}
