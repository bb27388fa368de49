//! Lanes: ready executions that ask for the same labels are in one lane, those that ask for none in another. A claim
//! takes from the lanes that its orchestrator may serve and meets no other work, however much of it there is.

use crate::kernel::Result;

use super::super::model::labels::SSH;
use super::super::turns::RANK;
use super::Queue;

/// What can be claimed, in the words of the indexes: together with `labels IS NULL` or `labels IS NOT NULL`.
pub const READY: &str = "status = 'QUEUED' AND due_at IS NULL AND NOT held";

/// How many of the most urgent executions are in one lane.
#[derive(Debug, sqlx::FromRow)]
pub struct Lane {
    /// None: they ask for nothing.
    pub labels: Option<Vec<String>>,
    pub count: i64,
}

/// Lanes that are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that the labels allow.
    All,
    /// Of those, the ones of work on servers.
    OnServers,
}

impl Queue {
    /// The lanes of the most urgent executions, at most so many, that an orchestrator with these labels may take.
    ///
    /// Lanes are visited in the order of their index: from one that may be served to the next one, and from one that
    /// may not over all that begin with the same labels. So what is looked at is bounded by the lanes that can be
    /// served, not by those that there are. A lane holds its labels sorted; a space is before every letter of a label.
    pub(super) async fn lanes(&self, labels: &[String], which: Which, most: i64) -> Result<Vec<Lane>> {
        if labels.is_empty() {
            let any = Lane {
                labels: None,
                count: most,
            };
            return Ok(vec![any]);
        }
        let lane = format!("SELECT labels FROM executions WHERE {READY} AND labels IS NOT NULL");
        let ranked = format!("SELECT {RANK} AS rank, id FROM executions WHERE {READY}");
        let (of_lane, of_plain) = match which {
            Which::All => (String::new(), ""),
            Which::OnServers => (format!("AND '{SSH}' = ANY (lanes.labels)"), "AND false"),
        };
        let sql = format!(
            r#"WITH RECURSIVE lanes AS (
                 ({lane} ORDER BY labels LIMIT 1)
                 UNION ALL
                 SELECT ({lane} AND labels >= s.beyond ORDER BY labels LIMIT 1) FROM (
                     SELECT CASE
                         WHEN missing IS NULL THEN labels || ''::text
                         WHEN next IS NOT NULL THEN labels[:missing - 1] || next
                         WHEN missing > 1 THEN labels[:missing - 2] || (labels[missing - 1] || ' ')
                     END AS beyond
                     FROM lanes
                     CROSS JOIN LATERAL (SELECT min(i) AS missing FROM generate_subscripts(labels, 1) AS i
                                         WHERE labels[i] <> ALL ($1)) AS a
                     CROSS JOIN LATERAL (SELECT min(l COLLATE "C") AS next FROM unnest($1) AS l
                                         WHERE l COLLATE "C" > labels[missing]) AS b
                     WHERE labels IS NOT NULL
                 ) AS s WHERE s.beyond IS NOT NULL
             ), served AS (
                 SELECT lanes.labels FROM lanes CROSS JOIN LATERAL (
                     {ranked} AND labels = lanes.labels ORDER BY {RANK}, id LIMIT 1
                 ) AS head WHERE lanes.labels <@ $1 {of_lane} ORDER BY head.rank, head.id LIMIT $2
             ), ahead AS (
                 SELECT NULL::text[] AS labels, rank, id FROM (
                     {ranked} AND labels IS NULL {of_plain} ORDER BY {RANK}, id LIMIT $2
                 ) AS plain
                 UNION ALL
                 SELECT served.labels, e.rank, e.id FROM served CROSS JOIN LATERAL (
                     {ranked} AND labels = served.labels ORDER BY {RANK}, id LIMIT $2
                 ) AS e
                 ORDER BY rank, id LIMIT $2
             ) SELECT labels, count(*) AS count FROM ahead GROUP BY labels"#
        );
        let lanes = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(labels).bind(most);
        Ok(lanes.fetch_all(&self.kernel.pool).await?)
    }
}
