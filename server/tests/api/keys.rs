//! The change of the master key, while values are sealed and opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cronium_server::audit::Audit;
use cronium_server::config::keys::{Keys, read_keys, write_keys};
use cronium_server::jobs::queue::Signer;
use cronium_server::kernel::Op;
use cronium_server::kernel::sealed::{KeyRing, MasterKey, key_of};
use cronium_server::keys::{MasterKeys, any_sealed};

use cronium_entity::enums::UserRole;
use cronium_server::kernel::Entropy;
use serde_json::{Value, json};

use crate::support::{TestApp, database};

const PLACE: &str = "settings/payload-signing-key";

/// An installation whose key is in a file, as the first start leaves it.
async fn installation(test: &TestApp) -> (tempfile::TempDir, Keys) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("master.key");
    // The harness has sealed the signing key with this one.
    write_keys(&file, &[MasterKey::new([7; 32])]).unwrap();
    let first = MasterKey::new(test.app.kernel.entropy.bytes());
    let ring = KeyRing::new(vec![first.clone(), MasterKey::new([7; 32])]);
    let keys = Keys {
        master: ring,
        master_file: Some(file.clone()),
        internal: String::new(),
    };
    MasterKeys::new(test.app.kernel.clone(), test.app.audit.clone(), &keys)
        .wrap_anew()
        .await
        .ok()
        .unwrap();
    write_keys(&file, &[first]).unwrap();
    let source = file.clone();
    let ring =
        KeyRing::new(read_keys(&file).unwrap()).with_source(move || read_keys(&source).unwrap_or_default());
    (dir, Keys { master: ring, ..keys })
}

fn master_keys(test: &TestApp, keys: &Keys) -> MasterKeys {
    let audit = Audit::new(test.app.kernel.clone(), keys.master.clone());
    MasterKeys::new(test.app.kernel.clone(), audit, keys)
}

async fn stored(test: &TestApp) -> Vec<u8> {
    sqlx::query_scalar("SELECT value FROM settings WHERE key = 'payload-signing-key'")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_key_changes_while_values_are_sealed_and_opened_and_the_old_one_can_go() {
    let test = TestApp::start().await;
    let verify_key = test.app.queue.verify_key();
    let (_dir, keys) = installation(&test).await;
    let kernel = &test.app.kernel;
    let signing_key = keys.master.open(PLACE, &stored(&test).await).unwrap();
    // Another server, with a ring of its own, that seals the value anew all the time.
    let other = KeyRing::new(read_keys(keys.master_file.as_ref().unwrap()).unwrap());
    let file = keys.master_file.clone().unwrap();
    let other = other.with_source(move || read_keys(&file).unwrap_or_default());
    let (stop, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let writer = {
        let (stop, writes, kernel, plain) = (
            Arc::clone(&stop),
            Arc::clone(&writes),
            kernel.clone(),
            signing_key.clone(),
        );
        tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let sealed = other.seal(kernel.entropy, PLACE, &plain).unwrap();
                sqlx::query("UPDATE settings SET value = $1 WHERE key = 'payload-signing-key'")
                    .bind(sealed)
                    .execute(&kernel.pool)
                    .await
                    .unwrap();
                let read: Vec<u8> =
                    sqlx::query_scalar("SELECT value FROM settings WHERE key = 'payload-signing-key'")
                        .fetch_one(&kernel.pool)
                        .await
                        .unwrap();
                assert_eq!(*other.open(PLACE, &read).unwrap(), *plain);
                writes.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let master = master_keys(&test, &keys);
    for round in 1..=10 {
        master.change(&Op::default(), None).await.ok().unwrap();
        while writes.load(Ordering::Relaxed) < round * 5 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    master.wrap_anew().await.ok().unwrap();
    let list = master.list().await.ok().unwrap();
    let counts: Vec<i64> = list.iter().map(|(_, count)| *count).collect();
    assert_eq!(
        counts,
        [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        "the value, and the seal of the audit log"
    );
    for (old, _) in &list[1..] {
        master.forget(*old).await.ok().unwrap();
    }
    // A server that starts now, with what the file holds.
    let left = KeyRing::new(read_keys(keys.master_file.as_ref().unwrap()).unwrap());
    assert_eq!(left.ids(), [list[0].0]);
    let signer = Signer::load(kernel, &left).await.ok().unwrap();
    assert_eq!(signer.verify_key(), verify_key);
}

#[tokio::test]
async fn a_key_that_is_present_or_in_use_is_not_forgotten() {
    let test = TestApp::start().await;
    let (_dir, keys) = installation(&test).await;
    let master = master_keys(&test, &keys);
    let first = keys.master.ids()[0];
    assert!(master.forget(first).await.is_err(), "the present one");
    let old = stored(&test).await;
    let changed = master.change(&Op::default(), None).await.ok().unwrap();
    assert_eq!(
        (changed.wrapped, key_of(&stored(&test).await)),
        (1, Some(changed.present))
    );
    // As a server would that has not seen the new key yet.
    sqlx::query("UPDATE settings SET value = $1 WHERE key = 'payload-signing-key'")
        .bind(old)
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    assert!(master.forget(first).await.is_err(), "it seals a value");
    assert_eq!(master.wrap_anew().await.ok().unwrap(), 1);
    assert!(master.forget(first).await.is_ok());
    assert!(master.forget(first).await.is_err(), "it is gone");
}

#[tokio::test]
async fn a_database_tells_whether_its_keys_must_be_there() {
    let test = TestApp::start().await;
    assert!(any_sealed(&test.app.kernel).await.ok().unwrap());
    sqlx::query("DELETE FROM settings")
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    assert!(!any_sealed(&test.app.kernel).await.ok().unwrap());
}

const ROTATE: &str = "mutation ($from: String) { rotateEncryptionKey(input: { expectedKeyId: $from }) {
    keyId made wrappedCount userErrors { code field } } }";
const KEYS: &str = "{ encryptionKeys { id present sealedValues } }";

/// An installation with its key in a file, from its first start on; many connections would hide who waits for whom.
async fn with_file(connections: u32) -> (tempfile::TempDir, TestApp) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("master.key");
    write_keys(&file, &[MasterKey::new(Entropy.bytes())]).unwrap();
    let source = file.clone();
    let master =
        KeyRing::new(read_keys(&file).unwrap()).with_source(move || read_keys(&source).unwrap_or_default());
    let keys = Keys {
        master,
        master_file: Some(file),
        internal: String::new(),
    };
    (dir, TestApp::with_keys(database(connections).await, &keys).await)
}

async fn rotate(test: &TestApp, token: &str, from: Value) -> Value {
    let answer = test.graphql(token, ROTATE, json!({ "from": from })).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    answer["data"]["rotateEncryptionKey"].clone()
}

#[tokio::test]
async fn the_api_changes_the_key_once_for_a_request_that_is_sent_again() {
    let (_dir, test) = with_file(8).await;
    let admin = test.person(UserRole::Admin).await;
    let keys = async || test.graphql(&admin.token, KEYS, json!({})).await["data"]["encryptionKeys"].clone();
    let first = keys().await[0].clone();
    assert_eq!(
        (&first["present"], keys().await.as_array().unwrap().len()),
        (&json!(true), 1)
    );
    let done = rotate(&test, &admin.token, first["id"].clone()).await;
    assert_eq!((&done["made"], &done["userErrors"]), (&json!(true), &json!([])));
    assert!(done["wrappedCount"].as_i64().unwrap() >= 1, "{done}");
    assert_ne!(done["keyId"], first["id"]);
    // The answer was lost.
    let again = rotate(&test, &admin.token, first["id"].clone()).await;
    assert_eq!(
        again,
        json!({ "keyId": done["keyId"], "made": false, "wrappedCount": 0, "userErrors": [] })
    );
    let now = keys().await;
    assert_eq!(
        (&now[0]["id"], &now[1]["id"], &now[1]["sealedValues"]),
        (&done["keyId"], &first["id"], &json!(0.0))
    );
    for unknown in ["0000000000000000", "x"] {
        let refused = rotate(&test, &admin.token, json!(unknown)).await;
        assert_eq!(
            refused["userErrors"],
            json!([{ "code": "INVALID", "field": ["expectedKeyId"] }])
        );
    }
    let log = "{ auditLog(first: 9, filter: { actions: [ROTATE_ENCRYPTION_KEY] }) { nodes { actorEmail before after } } }";
    let log = test.graphql(&admin.token, log, json!({})).await["data"]["auditLog"]["nodes"].clone();
    assert_eq!(log.as_array().unwrap().len(), 1, "{log}");
    assert_eq!(
        (
            &log[0]["actorEmail"],
            &log[0]["before"]["present"],
            &log[0]["after"]["present"]
        ),
        (&json!(admin.email), &first["id"], &done["keyId"])
    );
}

#[tokio::test]
async fn a_key_from_the_environment_is_changed_only_to_one_that_is_given() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let refused = rotate(&test, &admin.token, Value::Null).await;
    assert_eq!(
        refused,
        json!({ "keyId": null, "made": false, "wrappedCount": null, "userErrors": [{ "code": "UNSUPPORTED", "field": null }] })
    );
    // A new one before it, as after a restart with both.
    let master = KeyRing::new(vec![MasterKey::new(Entropy.bytes()), MasterKey::new([7; 32])]);
    let keys = Keys {
        master: master.clone(),
        master_file: None,
        internal: String::new(),
    };
    let restarted = TestApp::with_keys(test.app.kernel.pool.clone(), &keys).await;
    let done = rotate(&restarted, &admin.token, Value::Null).await;
    assert_eq!(
        (&done["keyId"], &done["made"]),
        (&json!(master.ids()[0].to_string()), &json!(false))
    );
    assert!(done["wrappedCount"].as_i64().unwrap() >= 2, "{done}");
    let again = rotate(&restarted, &admin.token, Value::Null).await;
    assert_eq!(
        (&again["wrappedCount"], &again["userErrors"]),
        (&json!(0), &json!([]))
    );
}

#[tokio::test]
async fn many_rotations_at_once_take_turns_while_settings_and_factors_are_written_and_opened() {
    let (_dir, test) = with_file(4).await;
    let test = Arc::new(test);
    let (admin, me) = (
        test.person(UserRole::Admin).await,
        test.person(UserRole::Editor).await,
    );
    let stop = Arc::new(AtomicBool::new(false));
    let load = {
        let (test, stop, admin) = (Arc::clone(&test), Arc::clone(&stop), admin.token.clone());
        tokio::spawn(async move {
            let mut rounds = 0;
            while !stop.load(Ordering::Relaxed) || rounds < 20 {
                let mode = ["CLOSED", "INVITE_ONLY"][rounds % 2];
                let set = "mutation ($m: RegistrationMode) { updateSettings(input: { registration: $m }) { userErrors { code } } }";
                let set = test.graphql(&admin, set, json!({ "m": mode })).await;
                assert_eq!(set["data"]["updateSettings"]["userErrors"], json!([]), "{set}");
                let seen = test
                    .graphql(&admin, "{ settings { registration } }", json!({}))
                    .await;
                assert_eq!(seen["data"]["settings"]["registration"], mode, "{seen}");
                let begun = test
                    .graphql(&me.token, "mutation { beginTotp { secret } }", json!({}))
                    .await;
                assert!(begun["data"]["beginTotp"]["secret"].is_string(), "{begun}");
                rounds += 1;
            }
        })
    };
    // Twice as many as there are connections.
    let all = futures::future::join_all((0..8).map(|_| rotate(&test, &admin.token, Value::Null))).await;
    stop.store(true, Ordering::Relaxed);
    load.await.unwrap();
    let made: std::collections::HashSet<_> = all
        .iter()
        .filter(|one| one["made"] == true)
        .map(|one| one["keyId"].as_str().unwrap())
        .collect();
    assert_eq!(made.len(), 8, "{all:?}");
    rotate(&test, &admin.token, Value::Null).await;
    let keys = test.graphql(&admin.token, KEYS, json!({})).await["data"]["encryptionKeys"].clone();
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), 10);
    assert!(keys[1..].iter().all(|key| key["sealedValues"] == 0.0), "{keys:?}");
    let whole = test
        .graphql(&admin.token, "{ auditVerification { whole } }", json!({}))
        .await;
    assert_eq!(whole["data"]["auditVerification"]["whole"], true);
}
