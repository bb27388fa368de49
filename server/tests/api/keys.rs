//! The change of the master key, while values are sealed and opened.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cronium_server::config::keys::{Keys, read_keys, write_keys};
use cronium_server::jobs::queue::Signer;
use cronium_server::kernel::sealed::{KeyRing, MasterKey, key_of};
use cronium_server::keys::{MasterKeys, any_sealed};

use crate::support::TestApp;

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
    MasterKeys::new(test.app.kernel.clone(), &keys)
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
    let master = MasterKeys::new(kernel.clone(), &keys);
    for round in 1..=10 {
        master.change().await.ok().unwrap();
        while writes.load(Ordering::Relaxed) < round * 5 {
            tokio::task::yield_now().await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    writer.await.unwrap();
    master.wrap_anew().await.ok().unwrap();
    let list = master.list().await.ok().unwrap();
    let counts: Vec<i64> = list.iter().map(|(_, count)| *count).collect();
    assert_eq!(counts, [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
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
    let master = MasterKeys::new(test.app.kernel.clone(), &keys);
    let first = keys.master.ids()[0];
    assert!(master.forget(first).await.is_err(), "the present one");
    let old = stored(&test).await;
    let changed = master.change().await.ok().unwrap();
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
