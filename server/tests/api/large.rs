//! Lists of 100,000 rows: a late page costs what the first one does. Postgres itself says how it ran each
//! statement (`auto_explain`), so what is looked at is what the server sent.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::support::{Person, TestApp, database};

const ROWS: i64 = 100_000;
/// Rows of a page, and which page is the late one.
const PAGE: usize = 20;
const LATE: usize = 500;

/// Keeps the plans that Postgres tells its client of.
#[derive(Clone, Default)]
pub struct Plans(Arc<Mutex<Vec<Value>>>);

impl Plans {
    pub fn take(&self) -> Vec<Value> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}

impl<S: tracing::Subscriber> Layer<S> for Plans {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "sqlx::postgres::notice" {
            return;
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        if let Some((_, plan)) = message.0.split_once("plan:\n") {
            let plan = serde_json::from_str(plan).unwrap_or_else(|e| panic!("{e}: {plan}"));
            self.0.lock().unwrap().push(plan);
        }
    }
}

/// What a page cost.
#[derive(Debug, Default)]
pub struct Cost {
    statements: usize,
    /// Which index each table was read by; the table alone, where it was read from end to end.
    pub paths: BTreeSet<(String, String)>,
    /// Rows that scans gave or threw away.
    pub rows: f64,
}

impl Cost {
    pub fn of(plans: &[Value]) -> Self {
        let mut cost = Self {
            statements: plans.len(),
            ..Self::default()
        };
        for plan in plans {
            cost.add(&plan["Plan"], "");
        }
        cost
    }

    fn add(&mut self, node: &Value, table: &str) {
        let kind = node["Node Type"].as_str().unwrap_or_default();
        let table = node["Relation Name"].as_str().unwrap_or(table);
        let loops = node["Actual Loops"].as_f64().unwrap_or(1.0);
        if let Some(index) = node["Index Name"].as_str() {
            self.paths.insert((table.into(), index.into()));
        } else if kind == "Seq Scan" {
            self.paths.insert((table.into(), String::new()));
        }
        if kind.ends_with("Scan") {
            let all = [
                "Actual Rows",
                "Rows Removed by Filter",
                "Rows Removed by Index Recheck",
            ];
            let rows: f64 = all.iter().filter_map(|name| node[*name].as_f64()).sum();
            self.rows += rows * loops;
        }
        for child in node["Plans"].as_array().into_iter().flatten() {
            self.add(child, table);
        }
    }

    /// Tables that were read from end to end, but for those that stay small.
    pub fn end_to_end(&self) -> Vec<&str> {
        let small = ["orchestrators", "roles", "settings", "quotas", "second_factors"];
        self.paths
            .iter()
            .filter(|(table, index)| index.is_empty() && !small.contains(&table.as_str()))
            .map(|(table, _)| table.as_str())
            .collect()
    }
}

/// Fills every table that a list shows: half of it is this person's.
async fn fill(pool: &PgPool, me: &Person) {
    let sql = format!(
        "CREATE TEMP TABLE me AS SELECT id FROM users WHERE email = '{email}';
         INSERT INTO users (id, email, name, role, password_hash, password_changed_at, created_at, updated_at)
         SELECT gen_random_uuid(), 'p' || n || '@many.test', 'Person ' || n, CASE n % 2 WHEN 0 THEN 'EDITOR' ELSE 'VIEWER' END,
                '', at, at, at FROM many;
         CREATE TEMP TABLE others AS SELECT id, row_number() OVER () AS n FROM users WHERE email LIKE '%@many.test';
         BEGIN;
         CREATE TEMP TABLE made ON COMMIT DROP AS
             SELECT many.*, gen_random_uuid() AS id, gen_random_uuid() AS version,
                    CASE WHEN n % 2 = 0 THEN (SELECT id FROM me) ELSE others.id END AS owner
             FROM many JOIN others USING (n);
         INSERT INTO events (id, owner_id, name, description, kind, status, tags, shared, version_id, version_number,
                             created_at, updated_at)
         SELECT id, owner, 'Event ' || n, '', 'BASH', CASE n % 3 WHEN 0 THEN 'PAUSED' ELSE 'ACTIVE' END,
                ARRAY['t' || n % 50], n % 10 = 1, version, 1, at, at FROM made;
         INSERT INTO event_versions (id, event_id, number, ad_hoc, created_at, created_by, kind, source, environment,
                                     memory_bytes, cpu_millis, pids, network, timeout_ms)
         SELECT version, id, 1, false, at, owner, 'BASH', 'true', '[]', 1, 1, 1, false, 1 FROM made;
         INSERT INTO event_versions (id, event_id, number, ad_hoc, created_at, created_by, kind, source, environment,
                                     memory_bytes, cpu_millis, pids, network, timeout_ms)
         SELECT gen_random_uuid(), (SELECT id FROM made WHERE n = 2), n + 1, false, at, owner, 'BASH', 'true', '[]', 1, 1, 1,
                false, 1 FROM made;
         INSERT INTO jobs (id, owner_id, actor_id, event_id, event_version_id, title, status, priority, trigger, created_at,
                           finished_at)
         SELECT gen_random_uuid(), owner, owner, CASE WHEN n % 8 = 0 THEN (SELECT id FROM made WHERE n = 2) ELSE id END, version,
                'Event ' || n, CASE n % 3 WHEN 0 THEN 'FAILED' ELSE 'SUCCEEDED' END, 1,
                CASE n % 4 WHEN 0 THEN 'MANUAL' ELSE 'API' END, at, at FROM made;
         COMMIT;
         INSERT INTO executions (id, job_id, attempt, status, priority, queued_at, finished_at)
         SELECT gen_random_uuid(), id, 1, status, priority, created_at, created_at FROM jobs;
         INSERT INTO sessions (id, user_id, token_hash, created_at, expires_at, last_seen_at)
         SELECT gen_random_uuid(), (SELECT id FROM me), sha256(n::text::bytea), at, at + interval '10 years', at FROM many;
         INSERT INTO api_tokens (id, user_id, name, token_hash, hint, created_at, expires_at)
         SELECT gen_random_uuid(), (SELECT id FROM me), 'Token ' || n, sha256(n::text::bytea), '', at, at + interval '10 years'
         FROM many;
         INSERT INTO audit_entries (seq, id, at, actor_id, action, outcome, target_kind, target_id, prev_hash, hash)
         SELECT n + (SELECT seq FROM audit_head), gen_random_uuid(), at, CASE n % 2 WHEN 0 THEN (SELECT id FROM me) END,
                CASE n % 3 WHEN 0 THEN 'CANCEL_JOB' ELSE 'UPDATE_EVENT' END, CASE n % 5 WHEN 0 THEN 'DENIED' ELSE 'DONE' END,
                'USER', (SELECT id FROM me), '', '' FROM many;
         VACUUM ANALYZE;",
        email = me.email
    );
    let many = format!(
        "CREATE TEMP TABLE many AS SELECT n, '2026-02-01'::timestamptz + n * interval '13 s' AS at
         FROM generate_series(1, {ROWS}) AS n; ANALYZE many"
    );
    // Temporary tables, and VACUUM outside of a transaction: one connection, statement by statement.
    let mut connection = pool.acquire().await.unwrap();
    for statement in std::iter::once(many.as_str()).chain(sql.split_inclusive(";\n")) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&mut *connection)
            .await
            .unwrap_or_else(|e| panic!("{e}: {statement}"));
    }
}

/// From now on every statement of a new connection is explained to its client.
pub async fn explaining(pool: PgPool) -> PgPool {
    let settings = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
        ("auto_explain.log_format", "json"),
        ("auto_explain.log_level", "notice"),
        ("client_min_messages", "notice"),
    ];
    let options = pool.connect_options().as_ref().clone();
    let name = options.get_database().unwrap().to_owned();
    for (key, value) in settings {
        let sql = format!("ALTER DATABASE {name} SET {key} = '{value}'");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&pool)
            .await
            .unwrap();
    }
    pool.close().await;
    let options = PgPoolOptions::new().max_connections(4);
    let pool = pool.connect_options();
    options.connect_with(pool.as_ref().clone()).await.unwrap()
}

/// A list: where it is, and what is asked of each row. `ARGS` stands for the paging arguments.
struct List {
    name: &'static str,
    document: &'static str,
    at: &'static str,
}

const fn list(name: &'static str, document: &'static str, at: &'static str) -> List {
    List { name, document, at }
}

const LISTS: &[List] = &[
    list(
        "events",
        "{ events(ARGS) { nodes { id name owner { name } version { number } lastJob { id } } INFO } }",
        "/events",
    ),
    list(
        "events by name",
        "{ events(orderBy: { field: NAME, direction: ASC }, ARGS) { nodes { name } INFO } }",
        "/events",
    ),
    list(
        "events by name, backwards",
        "{ events(orderBy: { field: NAME, direction: DESC }, ARGS) { nodes { name } INFO } }",
        "/events",
    ),
    list(
        "events by change",
        "{ events(orderBy: { field: UPDATED_AT, direction: DESC }, ARGS) { nodes { name } INFO } }",
        "/events",
    ),
    list(
        "events by creation",
        "{ events(orderBy: { field: CREATED_AT, direction: ASC }, ARGS) { nodes { name } INFO } }",
        "/events",
    ),
    list(
        "events in a state",
        "{ events(filter: { status: [PAUSED] }, ARGS) { nodes { name } INFO } }",
        "/events",
    ),
    list(
        "jobs",
        "{ jobs(ARGS) { nodes { id event { name } executions { id } actor { name } } INFO } }",
        "/jobs",
    ),
    list(
        "jobs, oldest first",
        "{ jobs(orderBy: { field: CREATED_AT, direction: ASC }, ARGS) { nodes { id } INFO } }",
        "/jobs",
    ),
    list(
        "jobs in a state",
        "{ jobs(filter: { status: [FAILED] }, ARGS) { nodes { id } INFO } }",
        "/jobs",
    ),
    list(
        "jobs by trigger",
        "{ jobs(filter: { trigger: [MANUAL] }, ARGS) { nodes { id } INFO } }",
        "/jobs",
    ),
    list(
        "jobs of an event",
        "query ($event: ID!) { jobs(filter: { eventId: $event }, ARGS) { nodes { id } INFO } }",
        "/jobs",
    ),
    list(
        "versions",
        "query ($event: ID!) { event(id: $event) { versions(ARGS) { nodes { number createdBy { name } } INFO } } }",
        "/event/versions",
    ),
    list(
        "users",
        "{ users(ARGS) { nodes { name assignedRole { name } quotas { limit } } INFO } }",
        "/users",
    ),
    list(
        "users with a role",
        "{ users(filter: { role: VIEWER }, ARGS) { nodes { name } INFO } }",
        "/users",
    ),
    list(
        "sessions",
        "{ viewer { sessions(ARGS) { nodes { id } INFO } } }",
        "/viewer/sessions",
    ),
    list(
        "API tokens",
        "{ viewer { apiTokens(ARGS) { nodes { id } INFO } } }",
        "/viewer/apiTokens",
    ),
    list(
        "audit log",
        "{ auditLog(ARGS) { nodes { seq actor { name } } INFO } }",
        "/auditLog",
    ),
    list(
        "audit log of an action",
        "{ auditLog(filter: { actions: [CANCEL_JOB] }, ARGS) { nodes { seq } INFO } }",
        "/auditLog",
    ),
    list(
        "audit log of a person",
        "query ($me: ID!) { auditLog(filter: { actorId: $me }, ARGS) { nodes { seq } INFO } }",
        "/auditLog",
    ),
    list(
        "refusals",
        "{ auditLog(filter: { outcome: DENIED }, ARGS) { nodes { seq } INFO } }",
        "/auditLog",
    ),
];

/// One page, and its last cursor.
async fn page(
    test: &TestApp,
    token: &str,
    list: &List,
    vars: &Value,
    size: usize,
    after: &str,
) -> (usize, String) {
    let after = if after.is_empty() {
        String::new()
    } else {
        format!(", after: \"{after}\"")
    };
    let document = list
        .document
        .replace("ARGS", &format!("first: {size}{after}"))
        .replace("INFO", "pageInfo { endCursor hasNextPage hasPreviousPage }");
    let answer = test.graphql(token, &document, vars.clone()).await;
    let problem = &answer["errors"][0];
    assert_eq!(*problem, Value::Null, "{}", list.name);
    let connection = answer["data"].pointer(list.at).unwrap();
    let end = connection["pageInfo"]["endCursor"].as_str().unwrap_or_default();
    (connection["nodes"].as_array().unwrap().len(), end.to_owned())
}

#[tokio::test]
async fn page_500_of_100_000_rows_costs_what_the_first_one_does() {
    let pool = database(2).await;
    let first = TestApp::on(pool.clone()).await;
    let (admin, me) = (
        first.person(UserRole::Admin).await,
        first.person(UserRole::Editor).await,
    );
    fill(&pool, &me).await;
    drop(first);
    let test = TestApp::on(explaining(pool).await).await;
    let plans = Plans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(plans.clone()));
    let busiest = "SELECT event_id FROM jobs GROUP BY event_id ORDER BY count(*) DESC LIMIT 1";
    let busiest: uuid::Uuid = sqlx::query_scalar(busiest)
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    let event = cronium_server::kernel::ids::EventId(busiest).global();
    let vars = json!({ "event": event, "me": me.id });
    let mut wrong = Vec::new();
    for (who, token) in [("an administrator", &admin.token), ("their owner", &me.token)] {
        for list in LISTS {
            let admins = ["/users", "/auditLog"].contains(&list.at);
            let owners = list.at.starts_with("/viewer");
            if (who == "an administrator" && owners) || (who != "an administrator" && admins) {
                continue;
            }
            // The plan of the first page, when its statements are known to the connections.
            page(&test, token, list, &vars, PAGE, "").await;
            plans.take();
            let (rows, _) = page(&test, token, list, &vars, PAGE, "").await;
            let early = Cost::of(&plans.take());
            assert_eq!(rows, PAGE, "{}", list.name);
            let mut cursor = String::new();
            for _ in 0..(LATE - 1) * PAGE / 100 {
                cursor = page(&test, token, list, &vars, 100, &cursor).await.1;
            }
            plans.take();
            let (rows, _) = page(&test, token, list, &vars, PAGE, &cursor).await;
            let late = Cost::of(&plans.take());
            assert_eq!(rows, PAGE, "{}", list.name);
            assert!(
                early.statements > 0 && !early.paths.is_empty(),
                "{}: {early:?}",
                list.name
            );
            // Two filters, an index for each: which one is walked depends on the values, and both stop early.
            let either = ["jobs in a state", "jobs of an event"].contains(&list.name)
                && early.rows.max(late.rows) <= 5.0 * PAGE as f64;
            let same = early.statements == late.statements && (early.paths == late.paths || either);
            // Filters without an index of their own may throw some rows away, but as many on any page.
            let bounded = early.rows <= 20.0 * PAGE as f64 && late.rows <= 20.0 * PAGE as f64;
            if !same || !bounded || !late.end_to_end().is_empty() || !early.end_to_end().is_empty() {
                wrong.push(format!(
                    "{} for {who}\n  first {early:?}\n  late  {late:?}",
                    list.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
