//! The harness: a database of its own for every test, a clock that stands still, the real schema.

pub mod served;
pub mod smtp;
pub mod valkey;

use std::sync::Arc;

use async_graphql::{Request, Variables};
use chrono::{TimeZone as _, Utc};
use cronium_entity::enums::UserRole;
use cronium_server::app::{self, App};
use cronium_server::config::keys::Keys;
use cronium_server::identity::NewUser;
use cronium_server::jobs::queue::Signer;
use cronium_server::kernel::api::ResponseCookies;
use cronium_server::kernel::clock::{MockClock, SystemClock};
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use cronium_server::kernel::{Actor, Kernel, Op, tuned};
use serde_json::Value;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection as _, PgConnection, PgPool};
use uuid::Uuid;

/// Password of every user that a test makes.
pub const PASSWORD: &str = "a password for tests";

/// Somebody who is signed in.
pub struct Person {
    /// Global id.
    pub id: String,
    pub email: String,
    pub token: String,
}

/// One server's services on a database of their own.
pub struct TestApp {
    pub app: Box<App>,
    pub clock: Arc<MockClock>,
}

fn admin_options() -> PgConnectOptions {
    let url = std::env::var("CRONIUM_TEST_DATABASE_URL").expect(
        "CRONIUM_TEST_DATABASE_URL: a Postgres where databases can be made (scripts/test.sh sets it)",
    );
    url.parse().expect("CRONIUM_TEST_DATABASE_URL is a Postgres URL")
}

async fn statement(connection: &mut PgConnection, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .execute(connection)
        .await
        .expect("statement");
}

/// A migrated template, made once for this build by whoever comes first.
async fn template(admin: &mut PgConnection) -> String {
    let name = format!("cronium_template_{}", env!("CARGO_PKG_VERSION").replace('.', "_"));
    let stamp = std::env::var("NEXTEST_RUN_ID")
        .unwrap_or_default()
        .replace('-', "");
    let name = format!("{name}_{stamp}");
    statement(admin, "SELECT pg_advisory_lock(7001)".into()).await;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut *admin)
        .await
        .expect("template lookup");
    if !exists {
        let building = format!("{name}_building");
        statement(admin, format!("DROP DATABASE IF EXISTS {building}")).await;
        statement(admin, format!("CREATE DATABASE {building}")).await;
        let pool = PgPoolOptions::new()
            .max_connections(2)
            .connect_with(admin_options().database(&building))
            .await
            .expect("template database");
        app::migrate(&Kernel::new(pool.clone(), Arc::new(SystemClock)))
            .await
            .expect("migrations");
        pool.close().await;
        statement(admin, format!("ALTER DATABASE {building} RENAME TO {name}")).await;
    }
    statement(admin, "SELECT pg_advisory_unlock(7001)".into()).await;
    name
}

/// A new database; `connections` is the pool's size.
pub async fn database(connections: u32) -> PgPool {
    let mut admin = PgConnection::connect_with(&admin_options())
        .await
        .expect("Postgres of the tests");
    let template = template(&mut admin).await;
    let name = format!("t_{}", Uuid::new_v4().simple());
    statement(&mut admin, "SELECT pg_advisory_lock(7002)".into()).await;
    statement(&mut admin, format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
    statement(&mut admin, "SELECT pg_advisory_unlock(7002)".into()).await;
    let options = tuned(admin_options().database(&name));
    PgPoolOptions::new()
        .max_connections(connections)
        .connect_with(options)
        .await
        .expect("test database")
}

impl TestApp {
    pub async fn start() -> Self {
        Self::on(database(8).await).await
    }

    /// On a database that is there already.
    pub async fn on(pool: PgPool) -> Self {
        let keys = Keys {
            master: KeyRing::new(vec![MasterKey::new([7; 32])]),
            master_file: None,
            internal: String::new(),
        };
        Self::with_keys(pool, &keys).await
    }

    pub async fn with_keys(pool: PgPool, keys: &Keys) -> Self {
        let clock = Arc::new(MockClock::at(Utc.with_ymd_and_hms(2026, 3, 1, 12, 0, 0).unwrap()));
        let kernel = Kernel::new(pool, clock.clone());
        let signer = Signer::load(&kernel, &keys.master).await.expect("signing key");
        let app = Box::new(App::new(kernel, signer, keys, "https://cronium.test/").unwrap());
        Self { app, clock }
    }

    /// Makes a user of this role and signs them in: the session's token.
    pub async fn sign_in(&self, role: UserRole) -> String {
        self.person(role).await.token
    }

    /// Makes a user of this role and signs them in.
    pub async fn person(&self, role: UserRole) -> Person {
        let email = format!("{}@example.test", Uuid::new_v4().simple());
        let new = NewUser {
            email: email.clone(),
            name: "Test".into(),
            role,
            password: PASSWORD.into(),
        };
        let id = self.app.identity.create_user(new).await.expect("user");
        let op = self.op("").await;
        let signed_in = self
            .app
            .identity
            .sign_in(&op, &email, PASSWORD.into(), None)
            .await;
        Person {
            id: id.global().to_string(),
            token: signed_in.expect("sign-in").token,
            email,
        }
    }

    /// Whether a bearer secret stands for somebody.
    pub async fn works(&self, secret: &str) -> bool {
        self.app.identity.authenticate(secret).await.is_ok()
    }

    /// The operation of a bearer token; the empty one is anonymous.
    pub async fn op(&self, token: &str) -> Op {
        let actor = match token {
            "" => Actor::Anonymous,
            token => self
                .app
                .identity
                .authenticate(token)
                .await
                .expect("a live session"),
        };
        Op {
            actor,
            request_id: Uuid::new_v4(),
            bearer: true,
            denials: self.app.kernel.denials.clone(),
            ..Op::default()
        }
    }

    /// A request ready to execute, as the HTTP transport makes it.
    pub async fn request(&self, token: &str, query: &str, variables: Value) -> Request {
        Request::new(query)
            .variables(Variables::from_json(variables))
            .data(self.op(token).await)
            .data(ResponseCookies::new(false))
    }

    /// Executes a document: the whole response, `data` and `errors`.
    pub async fn graphql(&self, token: &str, query: &str, variables: Value) -> Value {
        let request = self.request(token, query, variables).await;
        serde_json::to_value(self.app.schema.execute(request).await).expect("a response is JSON")
    }
}
