//! Finding out whether a server is what somebody says it is, before that is saved: which key it shows, and whether it
//! lets them in. Writes nothing down.

use std::time::Duration;

use cronium_entity::enums::{ServerSignIn, ServerTrouble};
use cronium_protocol::host::{
    Address, DEFAULT_PORT, Errand, HostFigures, HostKey, HostSpec, Login, Report, SignIn,
};
use tokio::time::Instant;
use uuid::Uuid;

use crate::access::{self, Action};
use crate::kernel::error::{Checks, FieldError, UserErrorCode};
use crate::kernel::ids::ServerId;
use crate::kernel::{Error, Op, Result};

use super::model::{self, Found, Trouble};
use super::service::Servers;

/// Somebody who saves a server waits for so long, for all that is asked.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for one who only looks.
const GLANCE: Duration = Duration::from_secs(45);

/// A server as it would be saved.
pub struct Candidate {
    pub address: Address,
    pub login: Login,
    pub sign_in: SignIn,
    pub kind: ServerSignIn,
    /// What somebody has confirmed; None: nobody has, and nothing is asked.
    pub fingerprint: Option<String>,
    /// The key with this fingerprint, when it was seen there before.
    pub key: Option<HostKey>,
    pub jump: Option<Uuid>,
    pub owner: Uuid,
}

/// What was found.
#[derive(Default)]
pub struct Verdict {
    /// The confirmed key, once it was seen.
    pub key: Option<HostKey>,
    /// None: nothing was asked.
    pub found: Option<Found<HostFigures>>,
}

/// What a host shows to somebody who has not signed in.
#[derive(Debug)]
pub struct Shown {
    pub keys: Vec<HostKey>,
    pub latency_us: u64,
}

impl Servers {
    /// Asks for the host's keys, and then signs in. Trouble is an error where it can be mended, unless `allow`: then it
    /// is what was found. Another key than the confirmed one is an error in any case.
    pub(super) async fn tried(&self, candidate: Candidate, allow: bool) -> Result<Verdict> {
        let until = Instant::now() + PATIENCE;
        let kind = candidate.kind;
        let Some(fingerprint) = candidate.fingerprint else {
            return Ok(Verdict::default());
        };
        let jump = match self.vault.way(candidate.jump, candidate.owner).await? {
            Ok(jump) => jump,
            Err(trouble) => return judged(None, trouble, kind, allow),
        };
        let key = match candidate.key {
            Some(key) => key,
            None => match self.shown(&candidate.address, jump.clone(), until).await? {
                Ok(shown) => match model::confirmed(&shown.keys, &fingerprint) {
                    Some(key) => key.clone(),
                    None => return Err(mismatch(&shown.keys)),
                },
                Err(trouble) => return judged(None, trouble, kind, allow),
            },
        };
        let host = Box::new(HostSpec {
            address: candidate.address,
            login: candidate.login,
            sign_in: candidate.sign_in,
            host_key: key.clone(),
            jump,
        });
        match self.errands.find_out(&Errand::Check { host }, until).await? {
            Ok(Report::Check(figures)) => Ok(Verdict {
                key: Some(key),
                found: Some(Ok(figures)),
            }),
            Ok(_) => judged(Some(key), Trouble::of(ServerTrouble::Other), kind, allow),
            Err(trouble) => judged(Some(key), trouble, kind, allow),
        }
    }

    async fn shown(
        &self,
        address: &Address,
        jump: Option<Box<HostSpec>>,
        until: Instant,
    ) -> Result<Found<Shown>> {
        let address = address.clone();
        let errand = Errand::HostKeys { address, jump };
        Ok(match self.errands.find_out(&errand, until).await? {
            Ok(Report::HostKeys { keys, .. }) if keys.is_empty() => Err(Trouble::telling(
                ServerTrouble::Other,
                "it shows no key of a kind that can be pinned",
            )),
            Ok(Report::HostKeys { keys, latency_us }) => Ok(Shown { keys, latency_us }),
            Ok(_) => Err(Trouble::of(ServerTrouble::Other)),
            Err(trouble) => Err(trouble),
        })
    }

    /// Which keys a host shows, for somebody who means to register it.
    pub async fn probe(
        &self,
        op: &Op,
        address: &str,
        port: Option<i32>,
        jump: Option<ServerId>,
    ) -> Result<Found<Shown>> {
        let grant = access::allow(op, Action::ManageServers)?;
        let mut checks = Checks::default();
        let address = model::place(address, port, DEFAULT_PORT, &mut checks);
        self.check_jump(op, grant.user(), jump, &mut checks).await?;
        checks.done()?;
        let address = address.ok_or_else(|| Error::internal("what is missing was not noted"))?;
        let way = self.vault.way(jump.map(|id| id.0), grant.user().0).await?;
        match way {
            Ok(way) => self.shown(&address, way, Instant::now() + GLANCE).await,
            Err(trouble) => Ok(Err(trouble)),
        }
    }
}

fn judged(key: Option<HostKey>, trouble: Trouble, kind: ServerSignIn, allow: bool) -> Result<Verdict> {
    if allow && trouble.kind != ServerTrouble::KeyChanged {
        let found = Some(Err(trouble));
        return Ok(Verdict { key, found });
    }
    let message = trouble.message();
    let errors = trouble
        .fields(kind)
        .into_iter()
        .map(|(code, field)| FieldError::new(code, field, message.clone()));
    Err(Error::Invalid(errors.collect()))
}

fn mismatch(keys: &[HostKey]) -> Error {
    let message = format!(
        "The host shows {}, not the key that was confirmed. Somebody else may answer there: find out why before you \
         confirm another one.",
        model::shown(keys)
    );
    Error::field(UserErrorCode::Conflict, "hostKeyFingerprint", message)
}
