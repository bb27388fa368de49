//! Making and changing servers. What it takes to reach one is tried before it is saved, outside of any transaction; what
//! was found decides, and then the rows are locked.

use cronium_entity::enums::{ServerSignIn, ServerStatus};
use cronium_protocol::host::DEFAULT_PORT;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use uuid::Uuid;

use crate::access::{self, Action};
use crate::kernel::error::{Checks, UserErrorCode};
use crate::kernel::ids::{ServerId, UserId};
use crate::kernel::{Error, Op, Result, naming};

use super::credentials::Credentials;
use super::health::next_check;
use super::model::{self, MAX_JUMPS, Profile};
use super::service::{Servers, expect_version};
use super::store::{self, CheckRow, ServerRow, errands};
use super::trial::{Candidate, Verdict};
use super::vault;

/// Everything of a new server.
#[derive(Debug, Clone)]
pub struct NewServer {
    pub profile: Profile,
    pub address: String,
    pub port: Option<i32>,
    pub username: String,
    pub credentials: Credentials,
    pub fingerprint: Option<String>,
    pub jump: Option<ServerId>,
    pub check_interval_secs: i32,
    /// Save it also when it can't be reached or does not let this user in.
    pub allow_unreachable: bool,
}

/// What changes; None stays as it is.
#[derive(Debug, Clone, Default)]
pub struct ServerChange {
    pub name: Option<String>,
    pub address: Option<String>,
    pub port: Option<i32>,
    pub username: Option<String>,
    pub credentials: Credentials,
    pub fingerprint: Option<String>,
    /// Some(None): it is reached without another one.
    pub jump: Option<Option<ServerId>>,
    pub tags: Option<Vec<String>>,
    pub shared: Option<bool>,
    pub check_interval_secs: Option<i32>,
    pub allow_unreachable: bool,
}

impl Servers {
    /// Registers a server, after it was found to be as it should.
    pub async fn create(&self, op: &Op, new: NewServer) -> Result<ServerRow> {
        let grant = access::allow(op, Action::ManageServers)?;
        let owner = grant.user();
        let mut checks = Checks::default();
        let profile = new.profile.checked(&mut checks);
        let address = model::place(&new.address, new.port, DEFAULT_PORT, &mut checks);
        let login = model::login(&new.username, &mut checks);
        let ready = self.ready(&new.credentials, true, &mut checks).await?;
        let fingerprint = new.fingerprint.as_deref();
        let fingerprint = fingerprint.and_then(|text| model::fingerprint(text, &mut checks));
        if new.fingerprint.is_none() && !new.allow_unreachable {
            unconfirmed(&mut checks);
        }
        model::check_interval(new.check_interval_secs, &mut checks);
        self.check_jump(op, owner, new.jump, &mut checks).await?;
        self.check_name(owner, &profile.name, None, &mut checks).await?;
        let full = store::owned(&self.kernel.db, owner).await? >= model::MOST;
        if full {
            checks.add(UserErrorCode::LimitReached, "", full_of_servers());
        }
        checks.done()?;
        let (Some(address), Some(login), Some(ready)) = (address, login, ready) else {
            return Err(Error::internal("what is missing was not noted"));
        };
        let id = self.kernel.id::<ServerId>();
        let candidate = Candidate {
            address: address.clone(),
            login: login.clone(),
            sign_in: ready.sign_in.clone(),
            kind: ready.kind,
            fingerprint: fingerprint.clone(),
            key: None,
            jump: new.jump.map(|id| id.0),
            owner: owner.0,
        };
        let verdict = self.tried(candidate, new.allow_unreachable).await?;
        let now = self.kernel.now();
        let mut row = ServerRow {
            id: id.0,
            owner_id: owner.0,
            name: profile.name,
            host: address.host(),
            port: i32::from(address.port()),
            login: login.as_str().to_owned(),
            tags: profile.tags,
            shared: profile.shared,
            sign_in: ready.kind,
            sealed: self.vault.seal_sign_in(id.0, &ready.sign_in)?,
            public_key: ready.public_key,
            host_key_fingerprint: fingerprint,
            host_key: None,
            jump_server_id: new.jump.map(|id| id.0),
            check_interval_secs: new.check_interval_secs,
            next_check_at: None,
            status: ServerStatus::Unconfirmed,
            status_reason: Some(model::UNCONFIRMED.to_owned()),
            last_check_id: None,
            version: 1,
            created_at: now,
            updated_at: now,
        };
        let check = self.judge(&mut row, verdict);
        let tx = self.kernel.db.begin().await?;
        store::lock_names(&tx, owner).await?;
        self.check_way(&tx, &row, new.jump).await?;
        if store::is_taken(&tx, owner, &row.name, None).await? {
            return Err(taken());
        }
        if store::owned(&tx, owner).await? >= model::MOST {
            return Err(Error::field(UserErrorCode::LimitReached, "", full_of_servers()));
        }
        store::insert(&tx, row.clone()).await?;
        if let Some(check) = check {
            store::insert_check(&tx, check).await?;
        }
        self.record(&tx, op, None, Some(&row)).await?;
        tx.commit().await?;
        self.kernel.signals.server_changed(id);
        Ok(row)
    }

    /// Changes a server; what it takes to reach it, after it was found to be as it should.
    pub async fn update(
        &self,
        op: &Op,
        id: ServerId,
        expected: Option<i32>,
        change: ServerChange,
    ) -> Result<ServerRow> {
        let grant = access::allow(op, Action::ManageServers)?;
        let before = store::get(&self.kernel.db, &grant, id).await?;
        expect_version(&before, expected)?;
        let owner = UserId(before.owner_id);
        let mut checks = Checks::default();
        let profile = Profile {
            name: change.name.unwrap_or_else(|| before.name.clone()),
            tags: change.tags.unwrap_or_else(|| before.tags.clone()),
            shared: change.shared.unwrap_or(before.shared),
        };
        let profile = profile.checked(&mut checks);
        let (was_at, was_login) = (vault::address(&before)?, vault::login(&before)?);
        let address = if change.address.is_some() || change.port.is_some() {
            let text = change.address.as_deref().unwrap_or(&before.host);
            model::place(text, change.port, was_at.port(), &mut checks)
        } else {
            Some(was_at.clone())
        };
        let login = match &change.username {
            Some(text) => model::login(text, &mut checks),
            None => Some(was_login.clone()),
        };
        let ready = self.ready(&change.credentials, false, &mut checks).await?;
        let fingerprint = match &change.fingerprint {
            Some(text) => model::fingerprint(text, &mut checks),
            None => before.host_key_fingerprint.clone(),
        };
        let was_behind = before.jump_server_id.map(ServerId);
        let jump = change.jump.unwrap_or(was_behind);
        if jump != was_behind {
            self.check_jump(op, owner, jump, &mut checks).await?;
        }
        let interval = change.check_interval_secs.unwrap_or(before.check_interval_secs);
        model::check_interval(interval, &mut checks);
        self.check_name(owner, &profile.name, Some(before.id), &mut checks)
            .await?;
        let elsewhere = address.as_ref() != Some(&was_at) || jump != was_behind;
        let repinned = fingerprint != before.host_key_fingerprint;
        let tried = elsewhere || repinned || login.as_ref() != Some(&was_login) || ready.is_some();
        // Else somebody who may change what others own could have their password said to a host of his own.
        if repinned && ready.is_none() && before.sign_in == ServerSignIn::Password && grant.user() != owner {
            let message = "The owner gave the password for a host with another key. Give one for this host.";
            checks.add(UserErrorCode::Required, "password", message);
        }
        let unpinned = fingerprint.is_none() && change.fingerprint.is_none();
        if tried && unpinned && !change.allow_unreachable {
            unconfirmed(&mut checks);
        }
        checks.done()?;
        let (Some(address), Some(login)) = (address, login) else {
            return Err(Error::internal("what is missing was not noted"));
        };
        let verdict = if tried {
            let same_key = !elsewhere && !repinned;
            let candidate = Candidate {
                address: address.clone(),
                login: login.clone(),
                sign_in: match &ready {
                    Some(ready) => ready.sign_in.clone(),
                    None => self.vault.sign_in(&before)?,
                },
                kind: ready.as_ref().map_or(before.sign_in, |ready| ready.kind),
                fingerprint: fingerprint.clone(),
                key: if same_key { vault::host_key(&before)? } else { None },
                jump: jump.map(|id| id.0),
                owner: owner.0,
            };
            Some(self.tried(candidate, change.allow_unreachable).await?)
        } else {
            None
        };
        let tx = self.kernel.db.begin().await?;
        store::lock_names(&tx, owner).await?;
        if jump != was_behind {
            store::lock_ways(&tx).await?;
        }
        let row = store::lock(&tx, &grant, id).await?;
        // While it was tried, somebody else may have saved it.
        expect_version(&row, Some(before.version))?;
        let mut after = row.clone();
        after.name = profile.name;
        (after.tags, after.shared) = (profile.tags, profile.shared);
        (after.host, after.port) = (address.host(), i32::from(address.port()));
        login.as_str().clone_into(&mut after.login);
        after.jump_server_id = jump.map(|id| id.0);
        after.check_interval_secs = interval;
        if let Some(ready) = ready {
            after.sealed = self.vault.seal_sign_in(after.id, &ready.sign_in)?;
            (after.sign_in, after.public_key) = (ready.kind, ready.public_key);
        }
        if repinned {
            (after.host_key_fingerprint, after.host_key) = (fingerprint, None);
        }
        if after == row && !tried {
            return Ok(row);
        }
        if jump != was_behind {
            self.check_way(&tx, &after, jump).await?;
        }
        if store::is_taken(&tx, owner, &after.name, Some(after.id)).await? {
            return Err(taken());
        }
        let check = verdict.and_then(|verdict| self.judge(&mut after, verdict));
        if interval != row.check_interval_secs && after.host_key_fingerprint.is_some() {
            after.next_check_at = next_check(&self.kernel, interval);
        }
        after.version = model::next_version(row.version);
        after.updated_at = self.kernel.now();
        store::save(&tx, after.clone()).await?;
        if let Some(check) = check {
            store::insert_check(&tx, check).await?;
        }
        if tried {
            errands::close_of(&tx, id).await?;
        }
        self.record(&tx, op, Some(&row), Some(&after)).await?;
        tx.commit().await?;
        self.kernel.signals.server_changed(id);
        Ok(after)
    }

    /// Notes when a server may not be the way to one of this person's: it is their own, or shared.
    pub(super) async fn check_jump(
        &self,
        op: &Op,
        owner: UserId,
        jump: Option<ServerId>,
        checks: &mut Checks,
    ) -> Result<()> {
        let Some(jump) = jump else { return Ok(()) };
        // Whoever manages servers and sees none may still name their own.
        let seen = match access::decide(op, Action::ReadServers) {
            Ok(grant) => Some(grant),
            Err(_) => access::decide(op, Action::ManageServers).ok(),
        };
        let row = match seen {
            Some(grant) => store::seen(&self.kernel.db, &grant, [jump.0]).await?.pop(),
            None => None,
        };
        match row {
            Some(row) if row.owner_id == owner.0 || row.shared => {}
            Some(_) => {
                let message =
                    "This server is not shared: only its owner's servers may be reached through it.";
                checks.add(UserErrorCode::Invalid, "jumpServerId", message);
            }
            None => checks.add(
                UserErrorCode::NotFound,
                "jumpServerId",
                "There is no such server.",
            ),
        }
        Ok(())
    }

    async fn check_name(
        &self,
        owner: UserId,
        name: &str,
        but: Option<Uuid>,
        checks: &mut Checks,
    ) -> Result<()> {
        // What the database can't keep is not asked for: it was noted already.
        let readable = naming::is_plain(name);
        if readable && store::is_taken(&self.kernel.db, owner, name, but).await? {
            checks.add(UserErrorCode::Taken, "name", TAKEN);
        }
        Ok(())
    }

    /// Refuses a way that leads back, or over too many servers. Nobody changes a way meanwhile.
    async fn check_way(
        &self,
        tx: &DatabaseTransaction,
        row: &ServerRow,
        jump: Option<ServerId>,
    ) -> Result<()> {
        let Some(jump) = jump else { return Ok(()) };
        let refused = |code, message: &str| Err(Error::field(code, "jumpServerId", message));
        store::lock_ways(tx).await?;
        if jump.0 == row.id {
            return refused(UserErrorCode::Invalid, "A server is not reached through itself.");
        }
        if !store::hold(tx, jump).await? {
            return refused(UserErrorCode::NotFound, "There is no such server.");
        }
        let way = store::way(tx, jump.0).await?;
        if way.iter().any(|hop| hop.id == row.id) {
            return refused(
                UserErrorCode::Invalid,
                "This server is itself reached through the one that you change.",
            );
        }
        let behind = store::depth_behind(tx, row.id).await?;
        if way.len() + behind > MAX_JUMPS {
            return refused(
                UserErrorCode::Invalid,
                "At most three servers may be on the way to another.",
            );
        }
        Ok(())
    }

    /// Puts what was found into a row, and gives the check that says so.
    fn judge(&self, row: &mut ServerRow, verdict: Verdict) -> Option<CheckRow> {
        if let Some(key) = verdict.key {
            row.host_key = Some(key.to_string());
        }
        row.next_check_at = None;
        let Some(found) = verdict.found else {
            row.status = ServerStatus::Unconfirmed;
            row.status_reason = Some(model::UNCONFIRMED.to_owned());
            return None;
        };
        row.next_check_at = next_check(&self.kernel, row.check_interval_secs);
        row.status = model::status_when_saved(&found);
        row.status_reason = found.as_ref().err().map(model::Trouble::message);
        // That nobody could look is no check.
        if row.status == ServerStatus::Unknown {
            return None;
        }
        let check = store::check_row(self.kernel.id(), ServerId(row.id), self.kernel.now(), &found);
        row.last_check_id = Some(check.id);
        Some(check)
    }
}

const TAKEN: &str = "There is a server with this name already.";

fn taken() -> Error {
    Error::field(UserErrorCode::Taken, "name", TAKEN)
}

fn full_of_servers() -> String {
    format!("There are {} servers already: remove some first.", model::MOST)
}

/// Notes that somebody has to look at the fingerprint first.
fn unconfirmed(checks: &mut Checks) {
    let message = "Probe the host first, compare the fingerprint that it shows, and give it here.";
    checks.add(UserErrorCode::Required, "hostKeyFingerprint", message);
}
