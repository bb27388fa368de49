//! Keys and passwords are sealed, told to orchestrators only, and nowhere else.

use cronium_entity::enums::UserRole;
use cronium_protocol::host::{Errand, SignIn};
use cronium_server::config::keys::Keys;
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use cronium_server::keys::MasterKeys;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ED25519, Script, check, create, host, input, saved, update};
use crate::support::TestApp;

const SECRET: &str = "hunter2 is what it is";

/// Every row of a table as text.
async fn dump(test: &TestApp, table: &str) -> String {
    let sql = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

async fn passwords(test: &TestApp) -> Vec<String> {
    let orchestrator = Uuid::new_v4();
    let all = test.app.errands.take(orchestrator, 10).await.ok().unwrap();
    all.into_iter()
        .filter_map(|(_, errand)| match errand {
            Errand::Check { host } => match host.sign_in {
                SignIn::Password(password) => Some(password.reveal().to_owned()),
                SignIn::Key { .. } => None,
            },
            Errand::HostKeys { .. } => None,
        })
        .collect()
}

#[tokio::test]
async fn a_password_is_in_no_answer_no_row_and_no_entry() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let payload = create(&test, &me, input("Web", json!({ "password": SECRET }))).await;
    let made = saved(&payload);
    let changed = update(&test, &me, json!({ "id": made["id"], "password": SECRET })).await;
    assert_eq!(
        saved(&changed)["version"],
        2,
        "given again it counts as changed: else one could guess it"
    );
    assert!(!payload.to_string().contains("hunter2") && !changed.to_string().contains("hunter2"));
    let told = script.asked();
    assert!(!format!("{told:?}").contains("hunter2"), "nor in what is printed");
    drop(script);
    // What somebody waits for is in a row meanwhile.
    let address = "db.example.test".parse().unwrap();
    let jump = match &told[1] {
        Errand::Check { host } => Some(host.clone()),
        Errand::HostKeys { .. } => panic!("{told:?}"),
    };
    test.app
        .errands
        .ask(&Errand::HostKeys { address, jump })
        .await
        .ok()
        .unwrap();
    for table in [
        "servers",
        "server_errands",
        "server_checks",
        "audit_entries",
        "outbox",
    ] {
        let rows = dump(&test, table).await;
        assert!(
            !rows.contains("hunter2") && !rows.contains(&hex("hunter2")),
            "{table}"
        );
    }
    assert_eq!(
        dump(&test, "server_errands").await.matches('(').count(),
        1,
        "it was there to be found"
    );
}

#[tokio::test]
async fn a_sealed_sign_in_opens_in_its_own_row_only() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let _script = Script::start(&test, host(&[ED25519])).await;
    let one = saved(&create(&test, &me, input("one", json!({}))).await);
    let two = saved(&create(&test, &me, input("two", json!({}))).await);
    // Somebody who can write into the database, but has no key, moves a password to a host of their own.
    sqlx::query(
        "UPDATE servers SET sealed = (SELECT sealed FROM servers WHERE name = 'one') WHERE name = 'two'",
    )
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
    test.clock.advance(chrono::TimeDelta::seconds(1));
    let moved = check(&test, &me, &two["id"]).await;
    assert_eq!(moved["check"]["trouble"], "OTHER", "{moved}");
    assert_eq!(
        check(&test, &me, &one["id"]).await["check"]["trouble"],
        Value::Null
    );
}

#[tokio::test]
async fn sign_ins_and_errands_open_after_the_master_key_was_changed_and_the_old_one_is_gone() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    {
        let _script = Script::start(&test, host(&[ED25519])).await;
        saved(&create(&test, &me, input("Web", json!({ "password": SECRET }))).await);
    }
    let ask = Errand::HostKeys {
        address: "db.example.test".parse().unwrap(),
        jump: None,
    };
    test.app.errands.ask(&ask).await.ok().unwrap();
    let keys = |bytes: &[u8]| Keys {
        master: KeyRing::new(bytes.iter().map(|byte| MasterKey::new([*byte; 32])).collect()),
        master_file: None,
        internal: String::new(),
    };
    let kernel = test.app.kernel.clone();
    MasterKeys::new(kernel.clone(), test.app.audit.clone(), &keys(&[8, 7]))
        .wrap_anew()
        .await
        .ok()
        .unwrap();
    let later = TestApp::with_keys(kernel.pool, &keys(&[8])).await;
    later.clock.advance(chrono::TimeDelta::seconds(67));
    later.app.errands.want_due().await.ok().unwrap();
    let given = later.app.errands.take(Uuid::new_v4(), 1).await.ok().unwrap();
    assert_eq!(given[0].1, ask, "first what somebody waits for");
    assert_eq!(passwords(&later).await, [SECRET]);
}
