//! How to get to servers that jobs run on: told for whose jobs they are, with the way there; or why nothing runs there.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use cronium_entity::enums::UserRole;
use cronium_protocol::host::{HostSpec, SignIn};
use cronium_server::kernel::ids::{self, ServerId, UserId};
use cronium_server::servers::Order;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ED25519, Script, create, host, input, saved, unasked, update};
use crate::lists::counting;
use crate::support::{Person, TestApp};

fn raw(id: &Value) -> Uuid {
    ids::parse(id.as_str().unwrap()).unwrap().1
}

fn user(person: &Person) -> UserId {
    UserId(ids::parse(&person.id).unwrap().1)
}

async fn orders(test: &TestApp, wanted: &[(UserId, Uuid)]) -> HashMap<(UserId, Uuid), Order> {
    test.app.servers.orders(wanted).await.ok().unwrap()
}

/// Of one server, for one person.
async fn order(test: &TestApp, person: &Person, server: &Value) -> Order {
    let key = (user(person), raw(&server["id"]));
    orders(test, &[key]).await.remove(&key).unwrap()
}

async fn refusal(test: &TestApp, person: &Person, server: &Value) -> String {
    order(test, person, server).await.unwrap_err()
}

/// Who signs in on the way, the nearest last, and then on the host itself.
fn logins(spec: &HostSpec) -> Vec<String> {
    let mut found = spec.jump.as_deref().map(logins).unwrap_or_default();
    found.push(spec.login.as_str().to_owned());
    found
}

#[tokio::test]
async fn own_and_shared_servers_are_reached_with_their_key_over_their_way() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let script = Script::start(&test, host(&[ED25519])).await;
    let front = json!({ "username": "front", "shared": true });
    let front = saved(&create(&test, &other.token, input("front", front)).await);
    let behind = json!({ "username": "behind", "jumpServerId": front["id"] });
    let behind = saved(&create(&test, &me.token, input("behind", behind)).await);
    drop(script);
    let told = order(&test, &me, &behind).await.unwrap();
    assert_eq!(told.server_id, raw(&behind["id"]));
    assert_eq!(logins(&told.host), ["front", "behind"]);
    assert_eq!(told.host.host_key, super::key(ED25519));
    let SignIn::Password(password) = &told.host.sign_in else {
        panic!("{told:?}");
    };
    assert_eq!(password.reveal(), "hunter2");
    assert!(!format!("{told:?}").contains("hunter2"));
    let shared = order(&test, &me, &front).await;
    assert!(shared.is_ok(), "another person's, and shared");
}

#[tokio::test]
async fn what_is_gone_hidden_or_unconfirmed_is_refused_in_words_that_say_what_to_do() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let admin = test.person(UserRole::Admin).await;
    let absent = json!({ "id": ServerId(Uuid::from_u128(7)).global() });
    let gone = refusal(&test, &me, &absent).await;
    assert!(gone.contains("Choose another one"), "{gone}");
    // Its key was confirmed, and nobody could look yet.
    let off = input("off", json!({ "allowUnreachable": true }));
    let off = saved(&create(&test, &me.token, off).await);
    let words = refusal(&test, &me, &off).await;
    assert!(words.contains("has not shown the host key"), "{words}");
    let _script = Script::start(&test, host(&[ED25519])).await;
    let hidden = saved(&create(&test, &other.token, input("hidden", json!({}))).await);
    for person in [&me, &admin] {
        assert_eq!(refusal(&test, person, &hidden).await, gone, "the same as none");
    }
    saved(&update(&test, &other.token, json!({ "id": hidden["id"], "shared": true })).await);
    assert!(order(&test, &me, &hidden).await.is_ok());
    let unconfirmed = unasked(&test, &me.token, "unconfirmed", json!({})).await;
    let words = refusal(&test, &me, &unconfirmed).await;
    assert!(words.starts_with("Nobody has confirmed the host key"), "{words}");
    let inside = json!({ "jumpServerId": hidden["id"] });
    let inside = saved(&create(&test, &me.token, input("inside", inside)).await);
    assert!(order(&test, &me, &inside).await.is_ok());
    saved(
        &update(
            &test,
            &other.token,
            json!({ "id": hidden["id"], "shared": false }),
        )
        .await,
    );
    let closed = refusal(&test, &me, &inside).await;
    assert!(closed.contains("not shared any more"), "{closed}");
}

#[tokio::test]
async fn one_that_cant_be_opened_keeps_nobody_from_the_others() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let broken = saved(&create(&test, &me.token, input("broken", json!({}))).await);
    let whole = saved(&create(&test, &me.token, input("whole", json!({}))).await);
    drop(script);
    sqlx::query("UPDATE servers SET sealed = '\\x00' WHERE id = $1")
        .bind(raw(&broken["id"]))
        .execute(&test.app.kernel.pool)
        .await
        .unwrap();
    let wanted = [&broken, &whole].map(|server| (user(&me), raw(&server["id"])));
    let found = orders(&test, &wanted).await;
    assert!(found[&wanted[1]].is_ok());
    let words = found[&wanted[0]].as_ref().unwrap_err();
    assert!(words.contains("log says why"), "{words}");
}

#[tokio::test]
async fn many_cost_one_statement_and_none_costs_nothing() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let front = saved(&create(&test, &me.token, input("front", json!({}))).await);
    let mut wanted = Vec::new();
    for n in 0..5 {
        let behind = json!({ "jumpServerId": front["id"] });
        let server = saved(&create(&test, &me.token, input(&format!("behind {n}"), behind)).await);
        wanted.push((user(&me), raw(&server["id"])));
    }
    drop(script);
    let (count, _guard) = counting();
    let found = orders(&test, &wanted).await;
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert!(found.len() == 5 && found.values().all(Result::is_ok));
    assert!(orders(&test, &[]).await.is_empty());
    assert_eq!(count.load(Ordering::Relaxed), 1);
}
