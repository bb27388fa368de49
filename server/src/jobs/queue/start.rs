//! Permission to start, and the moments that timing is made of; many executions in one statement.
//! A claim is not durable at once, so after a crash of Postgres an epoch may be given out again: the
//! orchestrator is compared too.

use std::collections::HashMap;

use cronium_protocol::agent::{Claim, Phase};
use uuid::Uuid;

use crate::kernel::clock::from_micros;
use crate::kernel::ids::JobId;
use crate::kernel::{Result, Timestamp};

use super::Queue;

/// A moment in the life of an execution; microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub claim: Claim,
    pub phase: Phase,
    pub at_us: i64,
}

impl Queue {
    /// Permission to start user code: one compare-and-set for all, durable before any is given. Those that
    /// come back may start. An adopted claim may ask again for the start that was granted to the claim it
    /// came from: it is the same runner, and a runner starts user code once.
    pub async fn grant_starts(&self, orchestrator: Uuid, claims: &[Claim]) -> Result<Vec<Claim>> {
        let granted: Vec<(Uuid, i32, Uuid)> = sqlx::query_as(
            "WITH wanted AS (
                 SELECT e.id FROM executions e JOIN unnest($1::uuid[], $2::int[]) AS c(id, epoch)
                     ON e.id = c.id AND e.epoch = c.epoch
                 WHERE e.orchestrator_id = $4 AND e.status IN ('DISPATCHING', 'RUNNING') AND NOT e.cancel_requested
                   AND (e.starts < e.max_starts OR e.start_epoch >= e.claim_epoch) AND e.lease_until > now()
                 ORDER BY e.id FOR UPDATE OF e
             ), granted AS (
                 UPDATE executions e
                 SET starts = starts + CASE WHEN start_epoch >= claim_epoch THEN 0 ELSE 1 END,
                     start_epoch = epoch, status = 'RUNNING',
                     status_reason = NULL, started_at = coalesce(started_at, $3)
                 FROM wanted WHERE e.id = wanted.id RETURNING e.id, e.epoch, e.job_id, e.started_at, e.server_id
             ), held AS (
                 -- Of several slots the first start counts. Others may hold other slots of the same jobs.
                 SELECT id FROM jobs WHERE id IN (SELECT job_id FROM granted WHERE server_id IS NOT NULL)
                     AND slots > 1 AND (status <> 'RUNNING' OR started_at IS NULL) ORDER BY id FOR NO KEY UPDATE
             ), moved AS (
                 UPDATE jobs j SET status = 'RUNNING', status_reason = NULL, started_at = CASE WHEN j.slots = 1
                     THEN granted.started_at ELSE coalesce(j.started_at, granted.started_at) END
                 FROM granted LEFT JOIN held ON held.id = granted.job_id
                 WHERE j.id = granted.job_id AND (j.slots = 1
                     OR (held.id IS NOT NULL AND (j.status <> 'RUNNING' OR j.started_at IS NULL)))
             ) SELECT id, epoch, job_id FROM granted",
        )
        .bind(claims.iter().map(|c| c.execution_id).collect::<Vec<_>>())
        .bind(claims.iter().map(|c| c.epoch).collect::<Vec<_>>())
        .bind(self.kernel.now())
        .bind(orchestrator)
        .fetch_all(&self.kernel.pool)
        .await?;
        for (_, _, job) in &granted {
            self.kernel.signals.job_changed(JobId(*job), false);
        }
        let claim = |(execution_id, epoch, _): (Uuid, i32, Uuid)| Claim { execution_id, epoch };
        Ok(granted.into_iter().map(claim).collect())
    }

    /// Notes when phases began. Not durable at once: the outcome carries the same moments again.
    pub async fn note(&self, orchestrator: Uuid, moments: &[Moment]) -> Result<()> {
        let mut rows: HashMap<Claim, [Option<Timestamp>; 3]> = HashMap::new();
        for moment in moments {
            let place = match moment.phase {
                Phase::Setup => 0,
                Phase::Started => 1,
                Phase::Ended => 2,
            };
            rows.entry(moment.claim).or_default()[place] = Some(from_micros(moment.at_us));
        }
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_unstable_by_key(|(claim, _)| claim.execution_id);
        let at = |place: usize| rows.iter().map(move |(_, at)| at[place]).collect::<Vec<_>>();
        let jobs: Vec<Uuid> = sqlx::query_scalar(
            "UPDATE executions e SET setup_at = coalesce(n.setup_at, e.setup_at),
                 started_at = coalesce(n.started_at, e.started_at), ended_at = coalesce(n.ended_at, e.ended_at)
             FROM unnest($1::uuid[], $2::int[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
                 AS n(id, epoch, setup_at, started_at, ended_at)
             WHERE e.id = n.id AND e.epoch = n.epoch AND e.orchestrator_id = $6 AND e.finished_at IS NULL
             RETURNING e.job_id",
        )
        .bind(rows.iter().map(|(c, _)| c.execution_id).collect::<Vec<_>>())
        .bind(rows.iter().map(|(c, _)| c.epoch).collect::<Vec<_>>())
        .bind(at(0))
        .bind(at(1))
        .bind(at(2))
        .bind(orchestrator)
        .fetch_all(&self.kernel.relaxed)
        .await?;
        for job in jobs {
            self.kernel.signals.job_changed(JobId(job), false);
        }
        Ok(())
    }
}
