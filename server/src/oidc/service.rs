//! Reading and changing the provider's settings, and signing in by it.

use sea_orm::TransactionTrait as _;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::access::{self, Action};
use crate::audit::{Audit, AuditAction, Change, Target, TargetKind};
use crate::identity::{Identity, Refused, Rules, SignedIn, Vouched};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::RoleId;
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Error, Kernel, Op, Result};
use crate::settings::Sealed;

use super::flow::{self, AWAY, Away, PROOF, Proof};
use super::model::Provider;
use super::remote::{Remote, Trouble};
use super::store;

/// Under which name the provider is kept.
const NAME: &str = "oidc";
/// Where browsers come back to.
pub const CALLBACK: &str = "/auth/oidc/callback";
/// Where they set out.
pub const START: &str = "/auth/oidc/start";

/// Signing in by an OpenID Connect provider.
#[derive(Clone, Debug)]
pub struct Oidc {
    kernel: Kernel,
    audit: Audit,
    pub(super) identity: Identity,
    master: KeyRing,
    sealed: Sealed,
    remote: Remote,
    callback: String,
}

/// What a browser brings back.
#[derive(Debug, Default)]
pub struct Answer {
    pub state: Option<String>,
    pub code: Option<String>,
    pub error: Option<String>,
    /// Who answers: RFC 9207.
    pub issuer: Option<String>,
}

/// Why nobody was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsigned {
    /// There is no provider.
    NotConfigured,
    /// The sign-in was not begun in this browser, took too long, or was ended before.
    Stale,
    /// The person, or the provider, said no.
    Denied,
    /// The provider does not answer.
    Unreachable,
    /// What the provider says can't be used.
    Unusable,
    /// The provider vouches for somebody who is not let in.
    Refused(Refused),
}

impl Unsigned {
    /// For pages that say it in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotConfigured => "NOT_CONFIGURED",
            Self::Stale => "STALE",
            Self::Denied => "DENIED",
            Self::Unreachable => "UNREACHABLE",
            Self::Unusable => "UNUSABLE",
            Self::Refused(why) => why.name(),
        }
    }
}

impl From<Trouble> for Unsigned {
    fn from(trouble: Trouble) -> Self {
        tracing::warn!(problem = %trouble, "a sign-in by the provider came to nothing");
        match trouble {
            Trouble::Unreachable(_) => Self::Unreachable,
            Trouble::Unusable(_) => Self::Unusable,
            Trouble::Refused(_) => Self::Denied,
        }
    }
}

/// How a sign-in went on.
#[derive(Debug)]
pub enum Arrived {
    SignedIn(Box<SignedIn>),
    /// A code of the second factor is owed; whoever has this proof may bring it.
    OwesCode(String),
}

impl Oidc {
    /// `public_url` is where people find the dashboard.
    pub fn new(
        kernel: Kernel,
        audit: Audit,
        identity: Identity,
        master: KeyRing,
        public_url: &str,
    ) -> Result<Self> {
        let callback = format!("{}{CALLBACK}", public_url.trim_end_matches('/'));
        Ok(Self {
            sealed: Sealed::new(kernel.clone(), master.clone(), NAME),
            kernel,
            audit,
            identity,
            master,
            remote: Remote::new(callback.clone())?,
            callback,
        })
    }

    /// The address that is to be registered with the provider.
    pub fn callback(&self) -> &str {
        &self.callback
    }

    /// For the program itself.
    pub async fn load(&self) -> Result<Option<Provider>> {
        self.sealed.load().await
    }

    pub async fn read(&self, op: &Op) -> Result<Option<Provider>> {
        access::allow(op, Action::ManageSettings)?;
        self.load().await
    }

    fn changed(old: Option<&Provider>, new: Option<&Provider>) -> Change {
        let target = Target::new(TargetKind::Settings, Uuid::nil(), "");
        let mut change = Change::new(AuditAction::UpdateOidcProvider, target);
        if let Some(old) = old {
            change = change.from(old.audited());
        }
        match new {
            Some(new) => change.to(new.audited()),
            None => change,
        }
    }

    /// Sets the provider; its version is counted here.
    pub async fn save(&self, op: &Op, expected: Option<i32>, mut new: Provider) -> Result<Provider> {
        access::allow(op, Action::ManageSettings)?;
        let role = RoleId(new.role);
        let given = self.identity.role(role).await?;
        let tx = self.kernel.db.begin().await?;
        let old: Option<Provider> = self.sealed.lock(&tx).await?;
        check_version(old.as_ref(), expected)?;
        new.keep_secret(old.as_ref());
        new.version = old.as_ref().map_or(0, |old| old.version) + 1;
        let mut checks = Checks::default();
        new.check(&mut checks);
        match given {
            None => checks.add(UserErrorCode::NotFound, "roleId", "There is no such role."),
            // Whoever writes the settings gives the role to all who come without an invitation.
            Some(given) => checks.require(
                !new.gives_role() || given.permissions.within(op.permissions()),
                UserErrorCode::Forbidden,
                "roleId",
                "This role allows more than you may do yourself.",
            ),
        }
        checks.done()?;
        self.sealed.save(&tx, &new).await?;
        let change = Self::changed(old.as_ref(), Some(&new));
        self.audit.record(&tx, op, change).await?;
        tx.commit().await?;
        Ok(new)
    }

    /// Forgets the provider. Links stay, for when it comes back.
    pub async fn remove(&self, op: &Op, expected: Option<i32>) -> Result<bool> {
        access::allow(op, Action::ManageSettings)?;
        let tx = self.kernel.db.begin().await?;
        let old: Option<Provider> = self.sealed.lock(&tx).await?;
        check_version(old.as_ref(), expected)?;
        if let Some(old) = &old {
            self.sealed.remove(&tx).await?;
            let change = Self::changed(Some(old), None);
            self.audit.record(&tx, op, change).await?;
        }
        tx.commit().await?;
        Ok(old.is_some())
    }

    /// Reads the provider's document, to see whether the settings are right.
    pub async fn test(&self, op: &Op) -> Result<()> {
        access::allow(op, Action::ManageSettings)?;
        let provider = self.load().await?.ok_or_else(|| {
            let message = "No provider is set: save one first.";
            Error::field(UserErrorCode::Unsupported, "", message)
        })?;
        let tested = self.remote.test(&provider, self.kernel.now()).await;
        tested.map_err(|trouble| {
            let code = match trouble {
                Trouble::Unreachable(_) => UserErrorCode::Unreachable,
                _ => UserErrorCode::Invalid,
            };
            Error::field(code, "issuer", trouble.to_string())
        })
    }

    /// Where a browser goes, and what it carries meanwhile.
    pub async fn begin(
        &self,
        back: Option<&str>,
        locale: &str,
    ) -> Result<std::result::Result<(String, String), Unsigned>> {
        let Some(provider) = self.load().await? else {
            return Ok(Err(Unsigned::NotConfigured));
        };
        let (now, entropy) = (self.kernel.now(), self.kernel.entropy);
        let away = Away {
            state: entropy.token(),
            nonce: entropy.token(),
            verifier: entropy.token(),
            issuer: provider.issuer.clone(),
            client_id: provider.client_id.clone(),
            back: flow::way_back(back, locale),
            locale: locale.to_owned(),
            expires_at: now + chrono::TimeDelta::seconds(AWAY),
        };
        match self.remote.address(&provider, &away, now).await {
            Ok(url) => Ok(Ok((url.into(), away.seal(&self.master, entropy)?))),
            Err(trouble) => Ok(Err(trouble.into())),
        }
    }

    /// What a browser carried, if it is whole and young enough.
    pub fn away(&self, cookie: Option<&str>) -> Option<Away> {
        Away::open(&self.master, cookie?, self.kernel.now())
    }

    /// Signs in whoever comes back with an answer.
    pub async fn finish(
        &self,
        op: &Op,
        away: Option<&Away>,
        answer: Answer,
    ) -> Result<std::result::Result<Arrived, Unsigned>> {
        let ended = self.finish_or_not(op, away, answer).await?;
        if let Err(why) = ended
            && !matches!(why, Unsigned::Refused(_) | Unsigned::NotConfigured)
        {
            op.denied("signIn", why.name());
        }
        Ok(ended)
    }

    async fn finish_or_not(
        &self,
        op: &Op,
        away: Option<&Away>,
        answer: Answer,
    ) -> Result<std::result::Result<Arrived, Unsigned>> {
        let Some(provider) = self.load().await? else {
            return Ok(Err(Unsigned::NotConfigured));
        };
        let state = answer.state.unwrap_or_default();
        let Some(away) = away.filter(|away| away.is_answered_by(&state)) else {
            return Ok(Err(Unsigned::Stale));
        };
        let same = (&away.issuer, &away.client_id) == (&provider.issuer, &provider.client_id);
        if !same || answer.issuer.is_some_and(|issuer| issuer != provider.issuer) {
            return Ok(Err(Unsigned::Stale));
        }
        let hash = Sha256::digest(state.as_bytes()).to_vec();
        if !store::take_state(&self.kernel.db, hash, away.expires_at).await? {
            return Ok(Err(Unsigned::Stale));
        }
        let Some(code) = answer.code.filter(|_| answer.error.is_none()) else {
            return Ok(Err(Unsigned::Denied));
        };
        let claims = match self.remote.claims(&provider, away, code, self.kernel.now()).await {
            Ok(claims) => claims,
            Err(trouble) => return Ok(Err(trouble.into())),
        };
        let who = Vouched {
            issuer: provider.issuer.clone(),
            subject: claims.subject,
            email: claims.email,
            email_verified: claims.email_verified,
            name: claims.name,
            locale: away.locale.clone(),
        };
        match self.identity.enter(op, &who, &rules(&provider), None).await? {
            Ok(signed_in) => Ok(Ok(Arrived::SignedIn(signed_in.into()))),
            Err(Refused::NeedsCode) => {
                let expires_at = self.kernel.now() + chrono::TimeDelta::seconds(PROOF);
                let proof = Proof { who, expires_at };
                let proof = proof.seal(&self.master, self.kernel.entropy)?;
                Ok(Ok(Arrived::OwesCode(proof)))
            }
            Err(why) => Ok(Err(Unsigned::Refused(why))),
        }
    }

    /// Signs in whoever owed a code and brings it.
    pub async fn pay(&self, op: &Op, proof: &str, code: &str) -> Result<SignedIn> {
        let over = || {
            let message = "This took too long: sign in with the provider again.";
            Error::field(UserErrorCode::Invalid, "proof", message)
        };
        let proof = Proof::open(&self.master, proof, self.kernel.now()).ok_or_else(over)?;
        let provider = self.load().await?.ok_or_else(over)?;
        if provider.issuer != proof.who.issuer {
            return Err(over());
        }
        let code = Some(code).filter(|code| !code.trim().is_empty());
        let at_code = |message: &str| Error::field(UserErrorCode::Invalid, "code", message);
        match self
            .identity
            .enter(op, &proof.who, &rules(&provider), code)
            .await?
        {
            Ok(signed_in) => Ok(signed_in),
            Err(Refused::NeedsCode) => {
                let message = "Enter the code of your authenticator app, or a recovery code.";
                Err(Error::field(UserErrorCode::Required, "code", message))
            }
            Err(Refused::WrongCode) => Err(at_code(
                "This code is wrong, too old, or was used. Take the present one.",
            )),
            Err(Refused::TooManyAttempts { retry_after_secs }) => {
                Err(Error::RateLimited { retry_after_secs })
            }
            Err(_) => Err(over()),
        }
    }

    /// Forgets answers that would be too old anyway.
    pub async fn tidy(&self) -> Result<u64> {
        store::forget_states(&self.kernel.db, self.kernel.now()).await
    }
}

fn rules(provider: &Provider) -> Rules {
    Rules {
        domains: provider.domains.clone(),
        registration: provider.registration,
        role: RoleId(provider.role),
        trusts_factor: provider.trusts_factor,
    }
}

fn check_version(old: Option<&Provider>, expected: Option<i32>) -> Result<()> {
    let present = old.map_or(0, |old| old.version);
    if expected.is_some_and(|expected| expected != present) {
        let message = "The provider was changed meanwhile. Load it, then make your change again.";
        return Err(Error::field(UserErrorCode::Conflict, "expectedVersion", message));
    }
    Ok(())
}
