//! Quotas in the API.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Enum, ID, InputObject, Object, OneofObject, SimpleObject};

use crate::kernel::api::{ApiResult, UserError, api, loaded, op, payload};
use crate::kernel::error::{Error, UserErrorCode};
use crate::kernel::ids::{RoleId, UserId};
use crate::kernel::{Result, Timestamp};

use super::loader::{LimitsLoader, UsageLoader};
use super::model::{Kind, Level, Setting};
use super::service::{Quotas, Subject};

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Kind")]
pub enum QuotaKind {
    /// Events of a person, archived ones too.
    Events,
    /// Jobs that are accepted in a calendar month (UTC).
    JobsPerMonth,
    /// Jobs that have not ended, waiting ones too.
    ConcurrentJobs,
    /// Whole days (UTC) that logs are kept after the one on which their job was accepted; the job itself stays.
    LogRetentionDays,
    /// Query cost that may be asked for in a minute, instead of the server's own limit: see `rateLimit`.
    ApiCostPerMinute,
}

/// Where a limit comes from: the narrowest level that says something counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "Level")]
pub enum QuotaLevel {
    /// It holds for everybody.
    Installation,
    /// It comes with the role.
    Role,
    /// It is the person's own.
    User,
}

/// A limit of a person, and how much of it is used.
#[derive(Debug, Clone)]
pub struct Quota {
    kind: Kind,
    setting: Option<Setting>,
    person: UserId,
}

fn int(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl Quota {
    /// All quotas of a person.
    pub async fn of(ctx: &Context<'_>, person: UserId) -> ApiResult<Vec<Self>> {
        let found = ctx.data::<DataLoader<LimitsLoader>>()?.load_one(person).await;
        let limits = loaded(ctx, found)?.unwrap_or_default();
        let quota = |kind| Self {
            kind,
            setting: limits.setting(kind),
            person,
        };
        Ok(Kind::ALL.into_iter().map(quota).collect())
    }
}

/// A limit of a person, and how much of it is used.
#[Object]
impl Quota {
    /// What is limited.
    async fn kind(&self) -> QuotaKind {
        self.kind.into()
    }

    /// null: no limit.
    async fn limit(&self) -> Option<i32> {
        self.setting.and_then(|setting| setting.limit).map(int)
    }

    /// Where the limit comes from; null: nobody has set one.
    async fn level(&self) -> Option<QuotaLevel> {
        self.setting.map(|setting| setting.level.into())
    }

    /// How much there is now; null where nothing is counted.
    #[graphql(complexity = "20")]
    async fn used(&self, ctx: &Context<'_>) -> ApiResult<Option<i32>> {
        let found = ctx.data::<DataLoader<UsageLoader>>()?.load_one(self.person).await;
        let usage = loaded(ctx, found)?.unwrap_or_default();
        Ok(usage.of(self.kind).map(int))
    }

    /// When counting begins anew; null where it never does.
    async fn resets_at(&self, ctx: &Context<'_>) -> ApiResult<Option<Timestamp>> {
        let month_ends = ctx.data::<Quotas>()?.month_ends();
        Ok((self.kind == Kind::JobsPerMonth).then_some(month_ends))
    }
}

/// A limit as it is set at one level.
#[derive(Debug, Clone, SimpleObject)]
pub struct QuotaLimit {
    /// What is limited.
    pub kind: QuotaKind,
    /// null: no limit, also where a wider level has one.
    pub limit: Option<i32>,
}

impl From<(Kind, Option<i64>)> for QuotaLimit {
    fn from((kind, limit): (Kind, Option<i64>)) -> Self {
        Self {
            kind: kind.into(),
            limit: limit.map(int),
        }
    }
}

/// A limit to set.
#[derive(Debug, InputObject)]
pub struct QuotaLimitInput {
    /// What is limited.
    kind: QuotaKind,
    /// 0 to 1,000,000,000; of days 1 to 36,500; of query cost 1,000 to 100,000,000; null: no limit, also where a wider level has one.
    limit: Option<i32>,
}

/// Whose limits.
#[derive(Debug, OneofObject)]
pub enum QuotaSubject {
    /// Global id of a person.
    User(ID),
    /// Global id of a role, built-in or custom.
    Role(ID),
    /// `true`: everybody's.
    Installation(bool),
}

impl QuotaSubject {
    fn subject(self) -> Result<Subject> {
        let absent = |what: &'static str| {
            let (field, message) = (format!("subject.{what}"), format!("There is no such {what}."));
            move |_| Error::field(UserErrorCode::NotFound, &field, message)
        };
        Ok(match self {
            Self::User(id) => Subject::User(UserId::parse(&id).map_err(absent("user"))?),
            Self::Role(id) => Subject::Role(RoleId::parse(&id).map_err(absent("role"))?),
            Self::Installation(true) => Subject::Installation,
            Self::Installation(false) => {
                let message = "Say `true`, or name a person or a role.";
                return Err(Error::field(
                    UserErrorCode::Invalid,
                    "subject.installation",
                    message,
                ));
            }
        })
    }
}

/// Whose limits, and all of them.
#[derive(Debug, InputObject)]
pub struct SetQuotaInput {
    /// Whose.
    subject: QuotaSubject,
    /// What was set before and is not here any more comes from the wider level again.
    limits: Vec<QuotaLimitInput>,
}

/// Result of setQuota.
#[derive(Debug, SimpleObject)]
pub struct SetQuotaPayload {
    /// What is set now.
    limits: Option<Vec<QuotaLimit>>,
    /// What the user can mend.
    user_errors: Vec<UserError>,
}

/// Queries of quotas.
#[derive(Debug, Default)]
pub struct QuotasQuery;

#[Object]
impl QuotasQuery {
    /// What is set for a person, a role or the installation itself; `User.quotas` says what counts in
    /// the end. Needs MANAGE_USERS.
    async fn quota_limits(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose.")] subject: QuotaSubject,
    ) -> ApiResult<Vec<QuotaLimit>> {
        let subject = api(ctx, subject.subject())?;
        let own = api(ctx, ctx.data::<Quotas>()?.own(op(ctx)?, subject).await)?;
        Ok(own.into_iter().map(Into::into).collect())
    }
}

/// Mutations of quotas.
#[derive(Debug, Default)]
pub struct QuotasMutation;

#[Object]
impl QuotasMutation {
    /// Sets the limits of a person, of a role or of the installation. They hold at once on this server and within
    /// a second on others; what exists beyond them stays. Needs MANAGE_USERS, and for the installation MANAGE_SETTINGS
    /// too; of people and roles that may not do more than the viewer.
    async fn set_quota(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose limits, and which.")] input: SetQuotaInput,
    ) -> ApiResult<SetQuotaPayload> {
        let limits = input
            .limits
            .iter()
            .map(|limit| (limit.kind.into(), limit.limit.map(i64::from)))
            .collect();
        let result = match input.subject.subject() {
            Ok(subject) => ctx.data::<Quotas>()?.set(op(ctx)?, subject, limits).await,
            Err(refused) => Err(refused),
        };
        let (limits, user_errors) = payload(ctx, result)?;
        Ok(SetQuotaPayload {
            limits: limits.map(|limits| limits.into_iter().map(Into::into).collect()),
            user_errors,
        })
    }
}
