//! Secrets are sealed, never shown, and not to be guessed.

use cronium_entity::enums::UserRole;
use cronium_server::config::keys::Keys;
use cronium_server::kernel::sealed::{KeyRing, MasterKey};
use cronium_server::keys::MasterKeys;
use serde_json::{Value, json};

use super::{entries, fault, list, made, refused, user};
use crate::support::TestApp;

const TEXT: &str = "hunter2 is what it is";

#[tokio::test]
async fn a_secret_is_sealed_in_the_database_and_null_in_the_api() {
    let test = TestApp::start().await;
    let (me, admin) = (
        test.person(UserRole::Editor).await,
        test.sign_in(UserRole::Admin).await,
    );
    let input = json!({ "key": "PASSWORD", "value": TEXT, "secret": true, "scope": "SHARED" });
    let one = made(&test, &me.token, input).await;
    assert_eq!((&one["value"], &one["secret"]), (&Value::Null, &json!(true)));
    for token in [&me.token, &admin] {
        let seen = list(&test, token, json!({})).await;
        assert_eq!(
            (&seen[0]["value"], &seen[0]["secret"]),
            (&Value::Null, &json!(true))
        );
    }
    let row: (Option<String>, Vec<u8>) = sqlx::query_as("SELECT value, sealed FROM variables")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(row.0, None);
    assert!(!row.1.windows(7).any(|part| part == &TEXT.as_bytes()[..7]));
    let read = test
        .app
        .variables
        .read_for(user(&me), "PASSWORD")
        .await
        .ok()
        .unwrap()
        .unwrap();
    assert_eq!((read.text.as_str(), read.secret), (TEXT, true));
    let log = format!("{:?}", entries(&test).await);
    assert!(log.contains("PASSWORD") && !log.contains("hunter2"), "{log}");
}

#[tokio::test]
async fn a_secret_becomes_readable_only_with_a_new_value() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    made(
        &test,
        &me.token,
        json!({ "key": "A", "value": TEXT, "secret": true }),
    )
    .await;
    for input in [
        json!({ "key": "A", "secret": false }),
        json!({ "key": "A", "secret": false, "description": "d" }),
    ] {
        assert_eq!(refused(&test, &me.token, input).await, fault("REQUIRED", "value"));
    }
    // Without a word about it, a secret stays one.
    let described = made(&test, &me.token, json!({ "key": "A", "description": "d" })).await;
    let given = made(&test, &me.token, json!({ "key": "A", "value": "other" })).await;
    assert_eq!([&described["secret"], &given["secret"]], [true, true]);
    let shown = made(
        &test,
        &me.token,
        json!({ "key": "A", "value": "plain", "secret": false }),
    )
    .await;
    assert_eq!(
        (&shown["value"], &shown["secret"]),
        (&json!("plain"), &json!(false))
    );
    let hidden = made(&test, &me.token, json!({ "key": "A", "secret": true })).await;
    assert_eq!(
        (&hidden["value"], &hidden["secret"]),
        (&Value::Null, &json!(true))
    );
    let read = test
        .app
        .variables
        .read_for(user(&me), "A")
        .await
        .ok()
        .unwrap()
        .unwrap();
    assert_eq!(read.text.as_str(), "plain");
}

#[tokio::test]
async fn a_secret_cant_be_guessed_by_setting_it_again() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let input = json!({ "key": "A", "value": TEXT, "secret": true });
    made(&test, &me.token, input.clone()).await;
    assert_eq!(made(&test, &me.token, input).await["version"], 2, "a right guess");
    let wrong = json!({ "key": "A", "value": "wrong", "secret": true });
    assert_eq!(made(&test, &me.token, wrong).await["version"], 3, "a wrong one");
}

#[tokio::test]
async fn a_sealed_value_opens_in_its_own_row_only() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    made(
        &test,
        &me.token,
        json!({ "key": "A", "value": TEXT, "secret": true }),
    )
    .await;
    made(
        &test,
        &other.token,
        json!({ "key": "B", "value": "x", "secret": true }),
    )
    .await;
    let variables = &test.app.variables;
    assert!(variables.read_for(user(&other), "B").await.is_ok());
    // Somebody who can write into the database, but has no key, moves a secret into a variable of their own.
    sqlx::query(
        "UPDATE variables SET sealed = (SELECT sealed FROM variables WHERE key = 'A') WHERE key = 'B'",
    )
    .execute(&test.app.kernel.pool)
    .await
    .unwrap();
    assert!(variables.read_for(user(&other), "B").await.is_err());
    assert!(variables.read_for(user(&me), "A").await.is_ok());
}

#[tokio::test]
async fn a_moved_secret_is_the_same_secret() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let one = made(
        &test,
        &me.token,
        json!({ "key": "A", "value": TEXT, "secret": true }),
    )
    .await;
    let variables = &test.app.variables;
    assert_eq!(variables.read_for(user(&other), "B").await.ok().unwrap(), None);
    made(
        &test,
        &me.token,
        json!({ "id": one["id"], "key": "B", "scope": "SHARED" }),
    )
    .await;
    let read = variables.read_for(user(&other), "B").await.ok().unwrap().unwrap();
    assert_eq!((read.text.as_str(), read.secret), (TEXT, true));
}

#[tokio::test]
async fn a_secret_opens_after_the_master_key_was_changed_and_the_old_one_is_gone() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    made(
        &test,
        &me.token,
        json!({ "key": "A", "value": TEXT, "secret": true }),
    )
    .await;
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
    let read = later.app.variables.read_for(user(&me), "A").await;
    assert_eq!(read.ok().unwrap().unwrap().text.as_str(), TEXT);
}
