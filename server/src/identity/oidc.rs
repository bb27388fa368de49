//! People whom an OIDC provider vouches for: which account is theirs, whether they get one, and the links
//! between both. Knows no protocol: what comes here was proven.

use cronium_entity::account_link;
use cronium_entity::enums::{LinkKind, UserStatus};
use cronium_entity::oidc_link;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit::{AuditAction, Change};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{OidcLinkId, RoleId, UserId};
use crate::kernel::{Error, Op, Result, naming};
use crate::settings::Registration;

use super::model;
use super::service::{Identity, SignedIn, account, check_email};
use super::sessions::{holder_or_manager, sees};
use super::store::oidc::{self as store, OidcLinkRow};
use super::store::{self as users, Row, links};

/// What holds for those whom the provider vouches for.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Only addresses of these domains get in; empty: of any.
    pub domains: Vec<String>,
    /// Who gets an account.
    pub registration: Registration,
    /// The role of those who were not invited.
    pub role: RoleId,
    /// Whether a second factor of ours is not asked for.
    pub trusts_factor: bool,
}

/// What a provider says of somebody who just signed in there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vouched {
    pub issuer: String,
    /// The person's account there: never given to somebody else.
    pub subject: String,
    pub email: Option<String>,
    /// Whether the provider says that the address is the person's.
    pub email_verified: bool,
    pub name: Option<String>,
    /// Language of the account, if one is made.
    pub locale: String,
}

/// Why somebody is not let in though the provider vouches for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    NoEmail,
    EmailUnverified,
    WrongDomain,
    /// Nobody gets an account like this.
    Closed,
    NeedsInvitation,
    /// The account waits for an administrator.
    Pending,
    Disabled,
    /// The address's account is linked with another account at a provider.
    LinkedElsewhere,
    /// The account has a second factor, and no code came.
    NeedsCode,
    WrongCode,
    TooManyAttempts {
        retry_after_secs: u64,
    },
}

impl Refused {
    /// For the audit log, and for pages that say it in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoEmail => "NO_EMAIL",
            Self::EmailUnverified => "EMAIL_UNVERIFIED",
            Self::WrongDomain => "DOMAIN_NOT_ALLOWED",
            Self::Closed => "CLOSED",
            Self::NeedsInvitation => "NEEDS_INVITATION",
            Self::Pending => "PENDING",
            Self::Disabled => "DISABLED",
            Self::LinkedElsewhere => "LINKED_ELSEWHERE",
            Self::NeedsCode => "NEEDS_CODE",
            Self::WrongCode => "WRONG_CODE",
            Self::TooManyAttempts { .. } => "RATE_LIMITED",
        }
    }
}

/// How an account was found.
enum Found {
    Linked(OidcLinkRow),
    ByAddress,
    Made,
}

type Decided<T> = Result<std::result::Result<T, Refused>>;

/// The address that the provider vouches for, if it is one that the settings let in.
fn address<'a>(who: &'a Vouched, rules: &Rules) -> std::result::Result<Option<&'a str>, Refused> {
    let mut checks = Checks::default();
    let email = who.email.as_deref().map(str::trim);
    check_email(email.unwrap_or_default(), &mut checks);
    let email = email.filter(|_| checks.done().is_ok());
    if rules.domains.is_empty() {
        return Ok(email);
    }
    let email = email.ok_or(Refused::NoEmail)?;
    if !who.email_verified {
        return Err(Refused::EmailUnverified);
    }
    let domain = email.rsplit('@').next().unwrap_or_default();
    let ours = rules.domains.iter().any(|one| one.eq_ignore_ascii_case(domain));
    ours.then_some(Some(email)).ok_or(Refused::WrongDomain)
}

impl Identity {
    /// Signs in whoever the provider vouches for: by their link, else by their address, else with an account
    /// that is made now. Everything happens together with the session, or not at all.
    pub async fn enter(
        &self,
        op: &Op,
        who: &Vouched,
        rules: &Rules,
        code: Option<&str>,
    ) -> Decided<SignedIn> {
        let decided = self.enter_or_refuse(op, who, rules, code).await?;
        if let Err(why) = decided
            && !matches!(
                why,
                Refused::NeedsCode | Refused::WrongCode | Refused::TooManyAttempts { .. }
            )
        {
            op.denied("signIn", why.name());
        }
        Ok(decided)
    }

    async fn enter_or_refuse(
        &self,
        op: &Op,
        who: &Vouched,
        rules: &Rules,
        code: Option<&str>,
    ) -> Decided<SignedIn> {
        let email = match address(who, rules) {
            Ok(email) => email,
            Err(why) => return Ok(Err(why)),
        };
        let tx = self.kernel.db.begin().await?;
        let place = format!("{} {}", who.issuer, who.subject);
        store::serialise(&tx, &place, email.unwrap_or_default()).await?;
        let (user, found) = match self.account_of(&tx, op, who, email, rules).await? {
            Ok(found) => found,
            Err(why) => return Ok(Err(why)),
        };
        let id = UserId(user.id);
        let may_enter = users::is_active(&tx, id).await?;
        if user.status == UserStatus::Pending && matches!(found, Found::Made) {
            self.link_to(&tx, op, &user, who).await?;
            tx.commit().await?;
            return Ok(Err(Refused::Pending));
        }
        if !may_enter {
            let pending = user.status == UserStatus::Pending;
            return Ok(Err(if pending {
                Refused::Pending
            } else {
                Refused::Disabled
            }));
        }
        match found {
            Found::Linked(link) => {
                let email = email.map_or(link.email, str::to_owned);
                store::used(&tx, link.id, &email, self.kernel.now()).await?;
            }
            Found::ByAddress => {
                // Asked under the lock of the account: two providers' accounts don't get in side by side.
                if !store::of_users(&tx, &[id]).await?.is_empty() {
                    return Ok(Err(Refused::LinkedElsewhere));
                }
                self.link_to(&tx, op, &user, who).await?;
            }
            Found::Made => self.link_to(&tx, op, &user, who).await?,
        }
        if !rules.trusts_factor {
            match self.second_factor(&tx, op, &user, code).await {
                Ok(()) => {}
                Err(Error::Invalid(_)) if code.is_none() => return Ok(Err(Refused::NeedsCode)),
                Err(Error::Invalid(_)) => return Ok(Err(Refused::WrongCode)),
                Err(Error::RateLimited { retry_after_secs }) => {
                    return Ok(Err(Refused::TooManyAttempts { retry_after_secs }));
                }
                Err(other) => return Err(other),
            }
        }
        let how = json!({ "method": "OIDC", "issuer": who.issuer });
        let signed_in = self.insert_session(&tx, op, user, how).await?;
        tx.commit().await?;
        Ok(Ok(signed_in))
    }

    async fn account_of(
        &self,
        tx: &DatabaseTransaction,
        op: &Op,
        who: &Vouched,
        email: Option<&str>,
        rules: &Rules,
    ) -> Decided<(Row, Found)> {
        if let Some(link) = store::find(tx, &who.issuer, &who.subject).await? {
            let user = users::by_ids(tx, [UserId(link.user_id)]).await?.pop();
            let user = user.ok_or_else(|| Error::internal("a link without its account"))?;
            return Ok(Ok((user, Found::Linked(link))));
        }
        let Some(email) = email else {
            return Ok(Err(Refused::NoEmail));
        };
        // Whoever may write any address at the provider would be everybody here.
        if !who.email_verified {
            return Ok(Err(Refused::EmailUnverified));
        }
        if let Some(user) = users::by_email(tx, email).await? {
            return Ok(Ok((user, Found::ByAddress)));
        }
        let made = self.make_account(tx, op, who, email, rules).await?;
        Ok(made.map(|user| (user, Found::Made)))
    }

    /// An account for somebody who has none, as the provider's mode of registration allows.
    async fn make_account(
        &self,
        tx: &DatabaseTransaction,
        op: &Op,
        who: &Vouched,
        email: &str,
        rules: &Rules,
    ) -> Decided<Row> {
        if rules.registration == Registration::Closed {
            return Ok(Err(Refused::Closed));
        }
        let invitation = links::invitation(tx, email, self.kernel.now()).await?;
        let given = match &invitation {
            Some(link) => self.worth(tx, link).await?,
            None => None,
        };
        let (role, status) = match (given, rules.registration) {
            (Some(role), _) => (role, UserStatus::Active),
            (None, Registration::Open) => (rules.role, UserStatus::Active),
            (None, Registration::Approval) => (rules.role, UserStatus::Pending),
            (None, _) => return Ok(Err(Refused::NeedsInvitation)),
        };
        let Some(held) = self.held(tx, role).await? else {
            return Ok(Err(Refused::NeedsInvitation));
        };
        if status == UserStatus::Active {
            links::remove(tx, email, LinkKind::Invite).await?;
        }
        let now = self.kernel.now();
        let invited = invitation.map(|link| link.name);
        let names = [who.name.clone(), invited, Some(email.to_owned())];
        let name = names.into_iter().flatten().map(|name| tidied(&name));
        let row = Row {
            id: self.kernel.id::<UserId>().0,
            email: email.to_owned(),
            name: name.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
            role: held.role,
            role_id: held.custom.map(|id| id.0),
            status,
            locale: who.locale.clone(),
            password_hash: String::new(),
            password_changed_at: now,
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        };
        users::insert(tx, row.clone()).await?;
        let change = Change::new(AuditAction::CreateUser, account(&row))
            .to(json!({ "role": held.name, "status": users::status_name(status), "issuer": who.issuer }));
        self.audit
            .record(tx, &op.known_as(UserId(row.id)), change)
            .await?;
        Ok(Ok(row))
    }

    /// The role that an invitation gives today; None when whoever wrote it may not give it any more.
    async fn worth(&self, tx: &DatabaseTransaction, link: &account_link::Model) -> Result<Option<RoleId>> {
        let role = link.role_id.map_or_else(|| model::id_of(link.role), RoleId);
        let Some(held) = self.held(tx, role).await? else {
            return Ok(None);
        };
        match self.still_may_give(tx, link, held.permissions).await {
            Ok(()) => Ok(Some(role)),
            Err(Error::Invalid(_)) => Ok(None),
            Err(other) => Err(other),
        }
    }

    async fn link_to(&self, tx: &DatabaseTransaction, op: &Op, user: &Row, who: &Vouched) -> Result<()> {
        let now = self.kernel.now();
        let row = oidc_link::Model {
            id: self.kernel.id(),
            user_id: user.id,
            issuer: who.issuer.clone(),
            subject: who.subject.clone(),
            email: who.email.clone().unwrap_or_default(),
            created_at: now,
            last_used_at: now,
        };
        let change = Change::new(AuditAction::LinkOidc, account(user))
            .to(json!({ "issuer": row.issuer, "subject": row.subject }));
        store::insert(tx, row).await?;
        self.audit.record(tx, &op.known_as(UserId(user.id)), change).await
    }

    /// The links of users, for nested fields.
    pub async fn oidc_links_of(&self, users: &[UserId]) -> Result<Vec<OidcLinkRow>> {
        store::of_users(&self.kernel.db, users).await
    }

    /// Those of the links that may be seen as nodes.
    pub async fn oidc_links_seen(&self, op: &Op, ids: &[OidcLinkId]) -> Result<Vec<OidcLinkRow>> {
        let rows = store::by_ids(&self.kernel.db, ids).await?;
        Ok(rows
            .into_iter()
            .filter(|row| sees(op, UserId(row.user_id)))
            .collect())
    }

    /// Removes a link: one's own, unless it is the last way in, or anybody's for those who manage users.
    pub async fn remove_oidc_link(&self, op: &Op, id: OidcLinkId) -> Result<OidcLinkRow> {
        let holder = holder_or_manager(op)?;
        let tx = self.kernel.db.begin().await?;
        let found = store::by_ids(&tx, &[id]).await?.pop();
        let mine = |row: &OidcLinkRow| holder.is_none_or(|user| user.0 == row.user_id);
        let row = found.filter(mine).ok_or(Error::NotFound("link to a provider"))?;
        let owner = UserId(row.user_id);
        // The account stays as it is meanwhile: two links that go at once would each be the other's excuse.
        users::is_active(&tx, owner).await?;
        let user = users::by_ids(&tx, [owner]).await?.pop();
        let user = user.ok_or(Error::NotFound("link to a provider"))?;
        self.not_above(&tx, op, owner).await?;
        let others = store::of_users(&tx, &[owner]).await?.len() > 1;
        if op.user() == Some(owner) && user.password_hash.is_empty() && !others {
            let message = "This is the only way to sign in to your account: set a password first, by the mail for forgotten ones.";
            return Err(Error::field(UserErrorCode::Conflict, "id", message));
        }
        if !store::remove(&tx, id).await? {
            return Err(Error::NotFound("link to a provider"));
        }
        let change = Change::new(AuditAction::UnlinkOidc, account(&user))
            .from(json!({ "issuer": row.issuer, "subject": row.subject }));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(row)
    }
}

/// A name as accounts may have it.
fn tidied(name: &str) -> String {
    let plain: String = naming::plain(name).chars().take(100).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(email: &str, email_verified: bool) -> Vouched {
        Vouched {
            issuer: "https://id.example.test".into(),
            subject: "1".into(),
            email: Some(email.into()),
            email_verified,
            name: None,
            locale: "en".into(),
        }
    }

    #[test]
    fn only_proven_addresses_of_the_listed_domains_come_in() {
        let rules = Rules {
            domains: vec!["example.test".into()],
            registration: Registration::Open,
            role: RoleId(uuid::Uuid::nil()),
            trusts_factor: false,
        };
        assert_eq!(
            address(&who("me@Example.TEST", true), &rules),
            Ok(Some("me@Example.TEST"))
        );
        for (email, verified, why) in [
            ("me@example.test", false, Refused::EmailUnverified),
            ("me@evil.test", true, Refused::WrongDomain),
            ("me@sub.example.test", true, Refused::WrongDomain),
            ("me@evilexample.test", true, Refused::WrongDomain),
            ("me@evil.test@example.test", true, Refused::NoEmail),
            ("me example.test", true, Refused::NoEmail),
        ] {
            assert_eq!(address(&who(email, verified), &rules), Err(why), "{email}");
        }
    }

    #[test]
    fn a_name_from_elsewhere_is_short_and_plain() {
        assert_eq!(tidied(" A\u{7}nn\n "), "Ann");
        assert_eq!(tidied(&"x".repeat(300)).len(), 100);
    }
}
