//! Wake-ups as they come from Postgres.

use std::sync::Arc;
use std::time::Duration;

use cronium_orchestrator::config::Hidden;
use cronium_orchestrator::wake;
use sqlx::{Connection as _, PgConnection, PgPool};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// A database that holds Apalis' schema, and its address.
async fn database() -> (PgPool, String) {
    let admin = std::env::var("CRONIUM_TEST_DATABASE_URL").expect(
        "CRONIUM_TEST_DATABASE_URL: a Postgres where databases can be made (scripts/test.sh sets it)",
    );
    let name = format!("o_{}", Uuid::new_v4().simple());
    let mut connection = PgConnection::connect(&admin).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    let url = format!("{}/{name}", admin.rsplit_once('/').unwrap().0);
    let pool = PgPool::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE EXTENSION hstore; CREATE EXTENSION pgcrypto")
        .execute(&pool)
        .await
        .unwrap();
    apalis_postgres::PostgresStorage::setup(&pool).await.unwrap();
    (pool, url)
}

/// A task is taken by one, who may have no room for what it tells of.
#[tokio::test]
async fn a_notification_rings_every_orchestrator_whoever_takes_the_task() {
    let (pool, url) = database().await;
    let bells = [Arc::new(Notify::new()), Arc::new(Notify::new())];
    let _driven: Vec<_> = bells
        .iter()
        .map(|bell| wake::drive(Hidden::new(url.clone()), Uuid::new_v4(), bell.clone()))
        .map(|driving| AbortOnDropHandle::new(tokio::spawn(driving)))
        .collect();
    // Again and again, because they begin to listen at a time of their own. There is no task to be taken.
    let called = async {
        loop {
            sqlx::query("SELECT pg_notify($1, '')")
                .bind(wake::NOTIFY_CHANNEL)
                .execute(&pool)
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let rung = async { tokio::join!(bells[0].notified(), bells[1].notified()) };
    tokio::select! {
        _ = rung => {}
        () = called => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("not everybody was called"),
    }
}
