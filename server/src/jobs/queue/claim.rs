//! Claiming: one statement takes a batch, raises the epochs and sets the leases.

use std::collections::HashMap;
use std::time::Duration;

use cronium_protocol::agent::{Assignment, Claim, ContainerSpec, HostOrder, MAX_CLAIM};
use cronium_protocol::http::HttpRequest;
use serde_json::Value;
use uuid::Uuid;

use crate::events::Definition;
use crate::kernel::ids::{JobId, UserId};
use crate::kernel::{Error, Result, Timestamp};

use super::super::model::rank;
use super::super::store;
use super::super::turns::RANK;
use super::lanes::{Lane, READY, Which};
use super::payload::{Access, Work, build};
use super::request::{EventValues, JobValues, Values, filled};
use super::{LEASE, Queue};

/// A claimed execution.
#[derive(Debug, sqlx::FromRow)]
pub struct Claimed {
    id: Uuid,
    job_id: Uuid,
    epoch: i32,
    attempt: i32,
    priority: i16,
    queued_at: Timestamp,
    orchestrator_id: Uuid,
    /// The server that it runs on.
    server_id: Option<Uuid>,
    event_version_id: Uuid,
    /// Bytes of source and input.
    size: i64,
}

impl Claimed {
    fn claim(&self) -> Claim {
        Claim {
            execution_id: self.id,
            epoch: self.epoch,
        }
    }
}

/// The hashes of payloads that were handed out, and for which claims.
#[derive(Debug, Default)]
pub struct Receipts {
    claims: Vec<Claim>,
    hashes: Vec<Vec<u8>>,
}

/// A claim raises the epoch by 1 to this many: one that Postgres forgets in a crash is not durable, and the next must
/// not have its epoch, because whoever holds the first would take it for what it runs already.
const MAX_STEP: i32 = 1 << 20;
/// Source and input of assignments that are made and sent together.
const TOGETHER_BYTES: i64 = 4 << 20;
/// So often a claim looks at the lanes while others take what it has seen there.
const LOOKS: usize = 3;
/// Nothing that is to run on a server runs in a container, and nothing of a container on a server.
const MISPLACED: &str = "Where this is to run can't be read: Cronium's log says why. Save the event again.";
/// What others take is committed within a moment.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Rows in groups of bounded size; what is larger by itself goes alone.
fn groups(rows: Vec<Claimed>) -> Vec<Vec<Claimed>> {
    let (mut groups, mut size) = (Vec::<Vec<Claimed>>::new(), 0);
    for row in rows {
        size += row.size;
        match groups.last_mut() {
            Some(group) if size <= TOGETHER_BYTES => group.push(row),
            _ => {
                size = row.size;
                groups.push(vec![row]);
            }
        }
    }
    groups
}

impl Queue {
    /// Claims up to `slots` executions for an orchestrator with these labels, the most urgent first, in groups whose
    /// assignments fit into one message. What is not sent comes back by its lease.
    pub async fn claim(
        &self,
        orchestrator: Uuid,
        labels: &[String],
        slots: u32,
    ) -> Result<Vec<Vec<Claimed>>> {
        self.claim_from(orchestrator, labels, slots, Which::All).await
    }

    /// The same of those alone that run on servers; without labels there are none.
    pub async fn claim_on_servers(
        &self,
        orchestrator: Uuid,
        labels: &[String],
        slots: u32,
    ) -> Result<Vec<Vec<Claimed>>> {
        if labels.is_empty() {
            return Ok(Vec::new());
        }
        self.claim_from(orchestrator, labels, slots, Which::OnServers)
            .await
    }

    async fn claim_from(
        &self,
        orchestrator: Uuid,
        labels: &[String],
        slots: u32,
        which: Which,
    ) -> Result<Vec<Vec<Claimed>>> {
        let (slots, mut rows) = (slots.min(MAX_CLAIM) as usize, Vec::<Claimed>::new());
        for look in 1..=LOOKS {
            let wanted = slots - rows.len();
            if wanted == 0 {
                break;
            }
            let lanes = self.lanes(labels, which, wanted as i64).await?;
            let mut seen = lanes.iter().map(|lane| lane.count).sum::<i64>();
            for lane in &lanes {
                let taken = self.take(orchestrator, lane).await?;
                seen -= taken.len() as i64;
                rows.extend(taken);
            }
            // Without labels there is one lane, and whatever others left in it was taken.
            if labels.is_empty() || seen <= 0 {
                break;
            }
            if look == LOOKS {
                self.kernel.signals.wake_agents();
            } else {
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        }
        rows.sort_by_key(|row| (rank(row.queued_at, row.priority), row.id));
        metrics::counter!("cronium_executions_claimed_total").increment(rows.len() as u64);
        Ok(groups(rows))
    }

    /// Takes from one lane, past what others are taking.
    async fn take(&self, orchestrator: Uuid, lane: &Lane) -> Result<Vec<Claimed>> {
        let of_lane = match &lane.labels {
            Some(_) => "labels = $4",
            None => "labels IS NULL",
        };
        let sql = format!(
            "WITH next AS (
                 SELECT id, epoch + 1 + floor(random() * {MAX_STEP})::int AS epoch FROM executions
                 WHERE {READY} AND {of_lane} ORDER BY {RANK}, id LIMIT $1 FOR UPDATE SKIP LOCKED
             ), claimed AS (
                 UPDATE executions e SET status = 'DISPATCHING', epoch = next.epoch, claim_epoch = next.epoch,
                     orchestrator_id = $2,
                     lease_until = now() + make_interval(secs => $3), dispatches = dispatches + 1
                 FROM next WHERE e.id = next.id
                 RETURNING e.id, e.job_id, e.epoch, e.attempt, e.priority, e.queued_at, e.orchestrator_id, e.server_id
             ), held AS (
                 -- A job on servers may be under way already. Others may take other slots of the same jobs.
                 SELECT id FROM jobs WHERE id IN (SELECT job_id FROM claimed WHERE server_id IS NOT NULL)
                     AND status = 'QUEUED' ORDER BY id FOR NO KEY UPDATE
             ), moved AS (
                 UPDATE jobs SET status = 'DISPATCHING' FROM claimed LEFT JOIN held ON held.id = claimed.job_id
                 WHERE jobs.id = claimed.job_id AND (claimed.server_id IS NULL
                     OR (held.id IS NOT NULL AND jobs.status = 'QUEUED'))
             ) SELECT claimed.*, jobs.event_version_id, (coalesce(octet_length(jobs.input::text), 0) + coalesce(
                   (SELECT octet_length(source) FROM event_versions v WHERE v.id = jobs.event_version_id), 0)
                   )::bigint AS size
               FROM claimed JOIN jobs ON jobs.id = claimed.job_id"
        );
        let take = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(lane.count)
            .bind(orchestrator)
            .bind(LEASE.as_secs_f64());
        let take = match &lane.labels {
            Some(labels) => take.bind(labels),
            None => take,
        };
        Ok(take.fetch_all(&self.kernel.relaxed).await?)
    }

    /// A token is only for scripts that can use it: others have the runner's socket, and nothing to lose.
    fn runtime_access(&self, row: &Claimed, definition: &Definition) -> Result<Access> {
        let in_network = definition.target.network && row.server_id.is_none();
        let url = self.tokens.api_url.clone().filter(|_| in_network);
        let network = url.map(|url| {
            let (entropy, now) = (self.kernel.entropy, self.kernel.now());
            let token = self
                .tokens
                .mint(entropy, now, (row.id, row.epoch), definition.timeout_ms)?;
            Ok::<_, Error>((url, token))
        });
        Ok(Access {
            network: network.transpose()?,
        })
    }

    /// What a request sends; None for a script.
    async fn request(
        &self,
        job: &store::JobRow,
        row: &Claimed,
        definition: &Definition,
    ) -> Result<Option<HttpRequest>> {
        let Some(config) = &definition.http else {
            return Ok(None);
        };
        let event = EventValues {
            id: job.event_id,
            name: &job.title,
        };
        let of_job = JobValues {
            id: job.id,
            number: job.number,
            attempt: row.attempt.unsigned_abs(),
        };
        let mut values = Values::new(job.input.as_ref().unwrap_or(&Value::Null), event, of_job);
        values
            .fetch(config, &self.variables, UserId(job.owner_id))
            .await?;
        Ok(Some(filled(config, &values)))
    }

    /// How to get to the servers that these run on; None: it runs on none. What may not run where it is to is ended,
    /// and not among those that are given.
    async fn hosts(
        &self,
        rows: Vec<Claimed>,
        jobs: &HashMap<Uuid, store::JobRow>,
    ) -> Result<Vec<(Claimed, Option<HostOrder>)>> {
        let Some(orchestrator) = rows.first().map(|row| row.orchestrator_id) else {
            return Ok(Vec::new());
        };
        let host = |row: &Claimed| {
            let owner = jobs.get(&row.job_id)?.owner_id;
            Some((UserId(owner), row.server_id?))
        };
        let wanted: Vec<_> = rows.iter().filter_map(host).collect();
        let orders = self.servers.orders(&wanted).await?;
        let (mut given, mut refused) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match host(&row).map(|host| orders.get(&host)) {
                None => given.push((row, None)),
                Some(Some(Ok(order))) => given.push((row, Some(order.clone()))),
                Some(Some(Err(why))) => refused.push((row.claim(), why.clone())),
                Some(None) => return Err(Error::internal("a server was asked for and not answered")),
            }
        }
        if !refused.is_empty() {
            self.refuse(orchestrator, &refused).await?;
        }
        Ok(given)
    }

    /// What an orchestrator needs to run these, and what is to be kept of it; `runtime`: it carries runtime calls. What
    /// may not run on its server any more is ended instead.
    pub async fn assignments(
        &self,
        rows: Vec<Claimed>,
        runtime: bool,
    ) -> Result<(Vec<Assignment>, Receipts)> {
        let (jobs, versions) = tokio::try_join!(
            store::by_ids(&self.kernel.db, rows.iter().map(|row| row.job_id)),
            self.events
                .to_dispatch(rows.iter().map(|row| row.event_version_id)),
        )?;
        let versions: HashMap<Uuid, _> = versions.into_iter().map(|v| (v.id, v)).collect();
        let jobs: HashMap<Uuid, _> = jobs.into_iter().map(|j| (j.id, j)).collect();
        let (mut out, mut receipts) = (Vec::with_capacity(rows.len()), Receipts::default());
        for (row, host) in self.hosts(rows, &jobs).await? {
            let job = jobs
                .get(&row.job_id)
                .ok_or_else(|| Error::internal("an execution without its job"))?;
            let version = versions.get(&job.event_version_id);
            let version = version.ok_or_else(|| Error::internal("a job without its version"))?;
            let definition = Definition::from(version.clone());
            let on_servers = version.servers.is_some();
            if on_servers != definition.servers.is_some() || on_servers != row.server_id.is_some() {
                tracing::error!(execution = %row.id, version = %version.id, "it is not where its version says");
                let refused = (row.claim(), MISPLACED.to_owned());
                self.refuse(row.orchestrator_id, &[refused]).await?;
                continue;
            }
            let work = Work {
                execution_id: row.id,
                job_id: row.job_id,
                attempt: row.attempt.unsigned_abs(),
                input: job.input.as_ref(),
                definition: &definition,
                request: self.request(job, &row, &definition).await?,
                runtime: if runtime && definition.http.is_none() {
                    Some(self.runtime_access(&row, &definition)?)
                } else {
                    None
                },
            };
            let payload = build(&self.signer, self.kernel.entropy, self.kernel.now(), work)?;
            let claim = row.claim();
            receipts.claims.push(claim);
            receipts.hashes.push(payload.sha256.to_vec());
            out.push(Assignment {
                claim,
                job_id: row.job_id,
                attempt: row.attempt.unsigned_abs(),
                container: ContainerSpec {
                    image: definition.target.image.clone(),
                    memory_bytes: definition.target.memory_bytes.unsigned_abs(),
                    cpu_millis: definition.target.cpu_millis.unsigned_abs(),
                    pids: definition.target.pids.unsigned_abs(),
                    network: definition.target.network,
                },
                http: definition.http.is_some(),
                host,
                timeout_ms: definition.timeout_ms.unsigned_abs(),
                manifest: payload.manifest,
                signature: payload.signature,
                archive: payload.archive,
            });
            self.kernel.signals.job_changed(JobId(row.job_id), false);
        }
        Ok((out, receipts))
    }

    /// Keeps which payloads were handed out. After that, because their executions begin meanwhile.
    pub async fn keep(&self, receipts: Receipts) -> Result<()> {
        let claims = receipts.claims;
        sqlx::query(
            "WITH handed_out AS (
                 SELECT e.id, h.hash FROM executions e
                 JOIN unnest($1::uuid[], $2::int[], $3::bytea[]) AS h(id, epoch, hash)
                     ON e.id = h.id AND e.claim_epoch = h.epoch
                 ORDER BY e.id FOR UPDATE OF e
             ) UPDATE executions e SET payload_sha256 = hash FROM handed_out WHERE e.id = handed_out.id",
        )
        .bind(claims.iter().map(|c| c.execution_id).collect::<Vec<_>>())
        .bind(claims.iter().map(|c| c.epoch).collect::<Vec<_>>())
        .bind(receipts.hashes)
        .execute(&self.kernel.relaxed)
        .await?;
        Ok(())
    }
}
