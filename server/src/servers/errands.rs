//! Errands: what servers are asked through orchestrators, who takes which, and what comes back. They are rows, because
//! whoever waits may be on another server than the orchestrator's connection. Knows how to ask, not who may.

use std::time::Duration;

use cronium_entity::enums::ServerTrouble;
use cronium_protocol::host::{Errand, HostFigures, HostTrouble, Report, TroubleKind};
use sea_orm::TransactionTrait as _;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::kernel::ids::ServerId;
use crate::kernel::{Error, Kernel, Result, storable};
use crate::orchestrators::Orchestrators;

use super::model::{self, Found, Trouble};
use super::store::errands::{self as store, Taken};
use super::store::{self as servers, CheckRow, ServerRow};
use super::vault::{self, Opened, Vault};

/// An orchestrator has so long to answer; then somebody else is asked.
const LEASE: Duration = Duration::from_secs(90);
/// So long an orchestrator has to take what somebody waits for.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// A look behind the signal, for who waits.
const LOOK: Duration = Duration::from_millis(250);
/// Questions that people wait for at a time, on all servers together.
const MOST_ASKED: i64 = 200;

/// What orchestrators find out.
#[derive(Clone, Debug)]
pub struct Errands {
    pub(super) kernel: Kernel,
    orchestrators: Orchestrators,
    pub(super) vault: Vault,
}

impl Errands {
    pub fn new(kernel: Kernel, orchestrators: Orchestrators, vault: Vault) -> Self {
        Self {
            kernel,
            orchestrators,
            vault,
        }
    }

    /// Somebody will wait for this.
    pub async fn ask(&self, errand: &Errand) -> Result<Uuid> {
        if store::asked(&self.kernel.pool).await? >= MOST_ASKED {
            metrics::counter!("cronium_server_errands_refused_total").increment(1);
            return Err(Error::RateLimited { retry_after_secs: 5 });
        }
        let id: Uuid = self.kernel.id();
        let sealed = self.vault.seal_errand(id, errand)?;
        store::ask(&self.kernel.pool, id, &sealed).await?;
        self.kernel.signals.errand_wanted();
        Ok(id)
    }

    /// Gives an orchestrator as many errands as it has room for, each for 90 s.
    pub async fn take(&self, orchestrator: Uuid, room: usize) -> Result<Vec<(Uuid, Errand)>> {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let taken = store::take(&self.kernel.relaxed, orchestrator, room, LEASE.as_secs_f64()).await?;
        let mut errands = Vec::new();
        for one in taken {
            let id = one.id;
            match self.put_together(&one).await {
                Ok(Some(Ok(errand))) => errands.push((id, errand)),
                // It can be answered without asking: only the way there has trouble of ours.
                Ok(Some(Err(trouble))) => {
                    let kind = TroubleKind::Jump;
                    let told = trouble.told;
                    self.done(orchestrator, id, Report::Trouble(HostTrouble { kind, told }))
                        .await?;
                }
                Ok(None) => {}
                Err(Error::Unavailable(away)) => return Err(Error::Unavailable(away)),
                Err(problem) => {
                    let problem = problem.private_text();
                    tracing::error!(errand = %id, problem, "an errand can't be given out");
                    let kind = TroubleKind::Other;
                    let told = Some("Cronium's log says why it could not be asked".to_owned());
                    self.done(orchestrator, id, Report::Trouble(HostTrouble { kind, told }))
                        .await?;
                }
            }
        }
        metrics::counter!("cronium_server_errands_total").increment(errands.len() as u64);
        Ok(errands)
    }

    /// What to ask, as it is by now; None: its server is gone.
    async fn put_together(&self, taken: &Taken) -> Result<Option<Found<Errand>>> {
        let Some(server) = taken.server_id else {
            let sealed = taken.sealed.as_deref().unwrap_or_default();
            return Ok(Some(Ok(self.vault.errand(taken.id, sealed)?)));
        };
        let Some(row) = servers::find(&self.kernel.db, ServerId(server)).await? else {
            return Ok(None);
        };
        let jump = match self.vault.way(row.jump_server_id, row.owner_id).await? {
            Ok(jump) => jump,
            Err(trouble) => return Ok(Some(Err(trouble))),
        };
        let address = vault::address(&row)?;
        Ok(Some(Ok(
            match self.vault.spec(&row, jump.clone(), &mut Opened::default())? {
                Some(host) => Errand::Check { host: Box::new(host) },
                // Somebody confirmed a fingerprint while it could not be reached: it has yet to show the key.
                None => Errand::HostKeys { address, jump },
            },
        )))
    }

    /// What came of an errand. Counts once, and from whom it was given to last.
    pub async fn done(&self, orchestrator: Uuid, id: Uuid, report: Report) -> Result<()> {
        match store::taken_by(&self.kernel.pool, id, orchestrator).await? {
            None => Ok(()),
            Some(Some(server)) => {
                self.conclude(id, ServerId(server), Some(orchestrator), found(report))
                    .await
            }
            Some(None) => {
                let report = serde_json::to_value(report).map_err(Error::internal)?;
                let report = storable::json(report);
                if store::report(&self.kernel.pool, id, orchestrator, report).await? {
                    self.kernel.signals.errand_reported(id);
                }
                Ok(())
            }
        }
    }

    /// Writes down what a check has found. `by`: only if this orchestrator still has it.
    pub(super) async fn conclude(
        &self,
        id: Uuid,
        server: ServerId,
        by: Option<Uuid>,
        found: Found<Report>,
    ) -> Result<()> {
        let tx = self.kernel.db.begin().await?;
        let Some(row) = servers::lock_any(&tx, server).await? else {
            return Ok(());
        };
        let found = match judged(&row, found) {
            Judged::Over(found) => found,
            Judged::Pinned(key) => {
                if store::reopen(&tx, id, by).await? {
                    servers::pin(&tx, server, key).await?;
                    tx.commit().await?;
                    self.kernel.signals.errand_wanted();
                }
                return Ok(());
            }
        };
        if !store::close(&tx, id, by).await? {
            return Ok(());
        }
        let status = model::status_after(&found);
        let check = servers::check_row(id, server, self.kernel.now(), &found);
        servers::conclude(&tx, status, check).await?;
        tx.commit().await?;
        let outcome = if found.is_ok() { "online" } else { "trouble" };
        metrics::counter!("cronium_server_checks_total", "outcome" => outcome).increment(1);
        if row.status != status {
            tracing::info!(server = %server, ?status, "a server's state has changed");
        }
        self.kernel.signals.errand_reported(id);
        self.kernel.signals.server_changed(server);
        Ok(())
    }

    /// Asks, and waits for what comes back.
    pub async fn find_out(&self, errand: &Errand, until: Instant) -> Result<Found<Report>> {
        if !self.orchestrators.reach_servers().await? {
            return Ok(Err(Trouble::of(ServerTrouble::NoOrchestrator)));
        }
        let id = self.ask(errand).await?;
        let found = self.wait(id, until).await;
        store::forget(&self.kernel.pool, id).await?;
        found
    }

    /// Waits for what comes of an errand that was asked.
    pub async fn wait(&self, id: Uuid, until: Instant) -> Result<Found<Report>> {
        let mut reports = self.kernel.signals.reports();
        let take_until = Instant::now() + TAKEN_WITHIN;
        loop {
            let progress = store::progress(&self.kernel.pool, id).await?;
            let Some(progress) = progress else {
                return Ok(Err(Trouble::of(ServerTrouble::Silent)));
            };
            if let Some(report) = progress.report {
                return Ok(found(serde_json::from_value(report).map_err(Error::internal)?));
            }
            let now = Instant::now();
            if !progress.taken && now >= take_until {
                return Ok(Err(Trouble::of(ServerTrouble::NoOrchestrator)));
            }
            if now >= until {
                return Ok(Err(Trouble::of(ServerTrouble::Silent)));
            }
            let heard = async { while reports.recv().await.is_ok_and(|reported| reported != id) {} };
            drop(timeout_at(until.min(now + LOOK), heard).await);
        }
    }

    /// Checks a saved server at once, and waits for what is found. None: it goes on, or the server was changed meanwhile.
    pub async fn check(&self, server: ServerId, until: Instant) -> Result<Option<CheckRow>> {
        let mut reports = self.kernel.signals.reports();
        let wanted = store::ask_check(&self.kernel.pool, self.kernel.id(), server).await?;
        let id = wanted.ok_or(Error::NotFound("server"))?;
        self.kernel.signals.errand_wanted();
        let reached = self.orchestrators.reach_servers().await?;
        let patience = if reached { TAKEN_WITHIN } else { Duration::ZERO };
        let mut take_until = Instant::now() + patience;
        loop {
            if let Some(check) = servers::checks_by_ids(&self.kernel.db, [id]).await?.pop() {
                return Ok(Some(check));
            }
            let now = Instant::now();
            match store::progress(&self.kernel.pool, id).await? {
                // It ended between these two looks, or came to nothing.
                None => return Ok(servers::checks_by_ids(&self.kernel.db, [id]).await?.pop()),
                Some(progress) if !progress.taken && now >= take_until => {
                    let trouble = Trouble::of(ServerTrouble::NoOrchestrator);
                    self.conclude(id, server, None, Err(trouble)).await?;
                    continue;
                }
                // What has two parts is taken twice.
                Some(progress) if progress.taken => take_until = now + patience,
                Some(_) => {}
            }
            if now >= until {
                return Ok(None);
            }
            let heard = async { while reports.recv().await.is_ok_and(|reported| reported != id) {} };
            drop(timeout_at(until.min(now + LOOK), heard).await);
        }
    }
}

/// What was found out, or why it was not.
fn found(report: Report) -> Found<Report> {
    match report {
        Report::Trouble(trouble) => Err(trouble.into()),
        other => Ok(other),
    }
}

/// What the answer to a check means.
enum Judged {
    Over(Found<HostFigures>),
    /// It shows the key that was confirmed: what is left is to sign in.
    Pinned(String),
}

fn judged(row: &ServerRow, found: Found<Report>) -> Judged {
    let odd = || Judged::Over(Err(Trouble::of(ServerTrouble::Other)));
    match (found, row.host_key_fingerprint.as_deref()) {
        (Err(trouble), _) => Judged::Over(Err(trouble)),
        (Ok(Report::Check(figures)), _) => Judged::Over(Ok(figures)),
        (Ok(Report::HostKeys { keys, .. }), Some(pinned)) => match model::confirmed(&keys, pinned) {
            Some(key) => Judged::Pinned(key.to_string()),
            None => Judged::Over(Err(Trouble::changed(&keys))),
        },
        (Ok(Report::HostKeys { .. }), None) => odd(),
        (Ok(Report::Trouble(trouble)), _) => Judged::Over(Err(trouble.into())),
    }
}
