//! Appending, reading and checking the log.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use sea_orm::{DatabaseTransaction, TransactionTrait as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::access::{self, Action};
use crate::kernel::denials::Denial;
use crate::kernel::ids::AuditEntryId;
use crate::kernel::paging::{Page, PageArgs};
use crate::kernel::sealed::KeyRing;
use crate::kernel::{Kernel, Op, Result};

use super::action::{AuditAction, AuditOutcome, TargetKind, stored};
use super::denials::{Due, Window};
use super::model::{self, Broken, Link, Record, Walk, canonical, redacted};
use super::store::{self, Filter, Row};

/// Entries that are read at a time.
const BATCH: u64 = 1000;
/// Where the end of the chain is sealed.
const SEAL: &str = "audit_head/1";

/// The log of this installation.
#[derive(Clone, Debug)]
pub struct Audit {
    kernel: Kernel,
    master: KeyRing,
    window: Arc<Mutex<Window>>,
}

/// What an entry is about.
#[derive(Debug, Clone)]
pub struct Target {
    pub kind: TargetKind,
    pub id: Uuid,
    /// As it was called at that moment.
    pub name: String,
}

impl Target {
    pub fn new(kind: TargetKind, id: impl Into<Uuid>, name: impl Into<String>) -> Self {
        Self {
            kind,
            id: id.into(),
            name: name.into(),
        }
    }
}

/// One change, to be written in its own transaction.
#[derive(Debug, Clone)]
pub struct Change {
    pub action: AuditAction,
    pub target: Target,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

impl Change {
    pub fn new(action: AuditAction, target: Target) -> Self {
        Self {
            action,
            target,
            before: None,
            after: None,
        }
    }

    /// What it was. Only what changed is worth the space, and nothing that is secret.
    #[must_use]
    pub fn from(mut self, before: Value) -> Self {
        self.before = Some(before);
        self
    }

    /// What it is now.
    #[must_use]
    pub fn to(mut self, after: Value) -> Self {
        self.after = Some(after);
        self
    }
}

/// What a check of the chain found.
#[derive(Debug, Clone)]
pub struct Verification {
    /// Entries that the log should have.
    pub entries: i64,
    /// The last one up to which all hold.
    pub verified: i64,
    pub broken: Option<Broken>,
    /// Hash of the last entry that holds.
    pub hash: Vec<u8>,
}

impl Verification {
    /// The hash in hex.
    pub fn hash_text(&self) -> String {
        model::hex(&self.hash)
    }
}

impl Audit {
    pub fn new(kernel: Kernel, master: KeyRing) -> Self {
        Self {
            kernel,
            master,
            window: Arc::default(),
        }
    }

    /// Appends in the transaction of the change: without the entry there is no change. The end of the chain
    /// stays locked until the commit, so this comes last.
    pub async fn record(&self, tx: &DatabaseTransaction, op: &Op, change: Change) -> Result<()> {
        self.record_all(tx, op, vec![change]).await
    }

    /// The same for many changes of one transaction, in this order.
    pub async fn record_all(&self, tx: &DatabaseTransaction, op: &Op, changes: Vec<Change>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let records = changes.into_iter().map(|change| self.done(op, change));
        self.append(tx, records.collect()).await
    }

    fn done(&self, op: &Op, change: Change) -> Record {
        Record {
            id: self.kernel.id::<AuditEntryId>().0,
            at: self.kernel.now(),
            actor_id: op.user().map(|id| id.0),
            actor_email: None,
            session_id: op.session().map(|id| id.0),
            api_token_id: op.token().map(|id| id.0),
            address: op.client.map(|address| address.to_string()),
            action: stored(change.action).into(),
            outcome: stored(AuditOutcome::Done).into(),
            target_kind: Some(stored(change.target.kind).into()),
            target_id: Some(change.target.id),
            target_name: Some(change.target.name),
            before: change.before.map(|value| canonical(&redacted(value))),
            after: change.after.map(|value| canonical(&redacted(value))),
        }
    }

    async fn append(&self, tx: &DatabaseTransaction, records: Vec<Record>) -> Result<()> {
        let seal = |hash: &[u8]| self.master.seal(self.kernel.entropy, SEAL, hash);
        store::append(tx, records, seal).await
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the refusals that are due; all of them when nothing will come after.
    pub async fn flush_denials(&self, last: bool) -> Result<usize> {
        let (each, others) = self.kernel.denials.take();
        let due = {
            let mut window = self.window();
            if each.is_empty() && others == 0 && !window.waits() {
                return Ok(0);
            }
            let mut due = window.due(self.kernel.now(), each, others);
            if last {
                let rest = window.rest();
                due.each.extend(rest.each);
                due.others += rest.others;
            }
            due
        };
        let records = self.refusals(&due);
        let count = records.len();
        if count > 0
            && let Err(problem) = self.write(records).await
        {
            for (denial, times) in due.each {
                self.kernel.denials.add(denial, times);
            }
            self.kernel.denials.add_others(due.others);
            return Err(problem);
        }
        Ok(count)
    }

    async fn write(&self, records: Vec<Record>) -> Result<()> {
        let tx = self.kernel.db.begin().await?;
        self.append(&tx, records).await?;
        tx.commit().await?;
        Ok(())
    }

    fn refusals(&self, due: &Due) -> Vec<Record> {
        let record = |denial: Option<&Denial>, after: Value| Record {
            id: self.kernel.id::<AuditEntryId>().0,
            at: self.kernel.now(),
            actor_id: denial.and_then(|d| d.user),
            actor_email: None,
            session_id: None,
            api_token_id: denial.and_then(|d| d.token),
            address: denial.and_then(|d| d.client).map(|address| address.to_string()),
            action: stored(AuditAction::Deny).into(),
            outcome: stored(AuditOutcome::Denied).into(),
            target_kind: None,
            target_id: None,
            target_name: denial.map(|d| d.what.to_string()),
            before: None,
            after: Some(canonical(&after)),
        };
        let each = due.each.iter();
        let mut records: Vec<_> = each
            .map(|(denial, times)| record(Some(denial), json!({ "reason": denial.why, "times": times })))
            .collect();
        if due.others > 0 {
            let after = json!({ "reason": "TOO_MANY_KINDS", "times": due.others });
            records.push(record(None, after));
        }
        records
    }

    pub async fn list(
        &self,
        op: &Op,
        filter: &Filter,
        args: &PageArgs,
        counted: bool,
    ) -> Result<(Page<Row>, u64)> {
        access::allow(op, Action::ReadAudit)?;
        let page = store::page(&self.kernel.db, filter, args).await?;
        let total = if counted {
            store::count(&self.kernel.db, filter).await?
        } else {
            0
        };
        Ok((page, total))
    }

    pub async fn entries_seen(&self, op: &Op, ids: &[AuditEntryId]) -> Result<Vec<Row>> {
        access::allow(op, Action::ReadAudit)?;
        store::by_ids(&self.kernel.db, ids.iter().map(|id| id.0)).await
    }

    pub async fn verification(&self, op: &Op) -> Result<Verification> {
        access::allow(op, Action::ReadAudit)?;
        self.verify().await
    }

    /// Walks the whole chain up to its present end, in constant memory. For the command line: no actor.
    pub async fn verify(&self) -> Result<Verification> {
        let head = store::head(&self.kernel.db).await?;
        let mut walk = Walk::from(head.genesis);
        let mut broken = None;
        'all: while walk.seq < head.seq {
            let links = store::links(&self.kernel.db, walk.seq, BATCH).await?;
            if links.is_empty() {
                break;
            }
            for link in links.iter().take_while(|link| link.seq <= head.seq) {
                if let Err(found) = walk.step(link) {
                    broken = Some(found);
                    break 'all;
                }
            }
        }
        let broken = broken.or_else(|| walk.end(head.seq, &head.hash).err());
        let sealed = head.seal.and_then(|seal| self.master.open(SEAL, &seal).ok());
        let ours = head.seq == 0 || sealed.is_some_and(|hash| *hash == head.hash);
        let broken = broken.or((!ours).then_some(Broken {
            seq: head.seq,
            problem: "the end of the log was not written by this installation",
        }));
        let broken = broken.or_else(|| {
            (head.last > head.seq).then_some(Broken {
                seq: head.seq + 1,
                problem: "the entry is not part of the log",
            })
        });
        Ok(Verification {
            entries: head.seq,
            verified: walk.seq,
            broken,
            hash: walk.hash,
        })
    }

    pub fn may_export(&self, op: &Op) -> Result<()> {
        access::allow(op, Action::ReadAudit).map(drop)
    }

    /// All entries after one, oldest first, as lines of NDJSON.
    pub fn export(&self, after: i64) -> impl Stream<Item = Result<String>> + Send + use<> {
        let db = self.kernel.db.clone();
        async_stream::try_stream! {
            let mut last = after;
            loop {
                let links: Vec<Link> = store::links(&db, last, BATCH).await?;
                let Some(end) = links.last() else { return };
                last = end.seq;
                let lines = links.iter().map(|link| model::line(link) + "\n");
                yield lines.collect::<String>();
            }
        }
    }
}
