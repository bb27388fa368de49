//! Who sees and changes which server, and which may be the way to another.

use std::pin::Pin;
use std::time::Duration;

use async_graphql::Response;
use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::host::{Errand, TroubleKind};
use futures::{Stream, StreamExt as _};
use serde_json::{Value, json};

use super::{
    ECDSA, ED25519, ED25519_PRINT, Script, check, create, entries, fault, faults, host, input, mutate, names,
    saved, server, trouble, unasked, update,
};
use crate::support::TestApp;

const DELETE: &str = "deletedId jumpFor { name }";

async fn delete(test: &TestApp, token: &str, id: &Value) -> Value {
    mutate(test, token, "deleteServer", DELETE, json!({ "id": id })).await
}

#[tokio::test]
async fn own_and_shared_servers_are_seen_and_own_ones_changed() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let (viewer, admin) = (
        test.sign_in(UserRole::Viewer).await,
        test.sign_in(UserRole::Admin).await,
    );
    let own = unasked(&test, &me.token, "own", json!({})).await;
    let shared = unasked(
        &test,
        &me.token,
        "Shared",
        json!({ "shared": true, "tags": ["web", "eu"] }),
    )
    .await;
    unasked(&test, &other.token, "foreign", json!({ "address": "192.0.2.7" })).await;
    for (token, seen) in [
        (&me.token, &["own", "Shared"][..]),
        (&other.token, &["foreign", "Shared"]),
        (&viewer, &["Shared"]),
        (&admin, &["foreign", "own", "Shared"]),
    ] {
        assert_eq!(names(&test, token, json!({})).await, seen);
    }
    for (filter, seen) in [
        (json!({ "text": "2.0.2" }), &["foreign"][..]),
        (json!({ "text": "sHA" }), &["Shared"]),
        (json!({ "text": "%" }), &[]),
        (json!({ "tags": ["web", "eu"] }), &["Shared"]),
        (json!({ "tags": ["web", "us"] }), &[]),
        (json!({ "shared": false, "ownerId": me.id }), &["own"]),
        (
            json!({ "status": ["UNCONFIRMED", "ONLINE"] }),
            &["foreign", "own", "Shared"],
        ),
        (json!({ "status": ["ONLINE"] }), &[]),
        (json!({ "ownerId": "nobody" }), &[]),
    ] {
        assert_eq!(names(&test, &admin, filter.clone()).await, seen, "{filter}");
    }
    assert_eq!(server(&test, &other.token, &own["id"]).await, Value::Null);
    let seen = server(&test, &other.token, &shared["id"]).await;
    assert_eq!(
        (&seen["viewerCan"], &seen["owner"]["id"]),
        (&json!(["READ"]), &json!(me.id))
    );
    for id in [&own["id"], &shared["id"]] {
        let refused = update(&test, &other.token, json!({ "id": id, "name": "mine" })).await;
        assert_eq!(faults(&refused), fault("NOT_FOUND", "id"));
        assert_eq!(
            faults(&check(&test, &other.token, id).await),
            fault("NOT_FOUND", "id")
        );
        let kept = delete(&test, &other.token, id).await;
        assert_eq!(
            (&kept["deletedId"], &kept["userErrors"][0]["code"]),
            (&Value::Null, &json!("NOT_FOUND"))
        );
    }
    let by_admin = saved(&update(&test, &admin, json!({ "id": own["id"], "name": "Theirs" })).await);
    assert_eq!(
        (&by_admin["name"], &by_admin["owner"]["id"]),
        (&json!("Theirs"), &json!(me.id))
    );
}

/// A host that answers for every address, and tells over how many servers it was reached.
async fn chain(test: &TestApp, token: &str, names: &[&str]) -> Vec<Value> {
    let mut made: Vec<Value> = Vec::new();
    for name in names {
        let way = made.last().map(|hop| hop["id"].clone());
        let server = create(test, token, input(name, json!({ "jumpServerId": way }))).await;
        made.push(saved(&server));
    }
    made
}

#[tokio::test]
async fn a_server_is_reached_over_at_most_three_others_and_never_over_itself() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let made = chain(&test, &me, &["a", "b", "c", "d"]).await;
    let asked = script.asked();
    let Some(Errand::Check { host: spec }) = asked.last() else {
        panic!("{asked:?}");
    };
    let mut hops = 0;
    let mut next = spec.jump.as_ref();
    while let Some(hop) = next {
        hops += 1;
        next = hop.jump.as_ref();
    }
    assert_eq!(hops, 3);
    assert_eq!(made[3]["jumpServer"]["id"], made[2]["id"]);
    assert_eq!(
        server(&test, &me, &made[0]["id"]).await["jumpFor"],
        json!([{ "name": "b" }])
    );
    let farther = create(&test, &me, input("e", json!({ "jumpServerId": made[3]["id"] }))).await;
    assert_eq!(faults(&farther), fault("UNREACHABLE", "jumpServerId"));
    let hidden = json!({ "jumpServerId": made[3]["id"], "allowUnreachable": true });
    let farther = create(&test, &me, input("e", hidden)).await;
    assert_eq!(
        faults(&farther),
        fault("INVALID", "jumpServerId"),
        "allowed or not"
    );
    // One more in front would make the way to the last one too long.
    let front = saved(&create(&test, &me, input("front", json!({}))).await);
    for (id, way) in [
        (&made[0]["id"], &front["id"]),
        (&made[0]["id"], &made[3]["id"]),
        (&made[0]["id"], &made[0]["id"]),
    ] {
        let change = json!({ "id": id, "jumpServerId": way, "allowUnreachable": true });
        assert_eq!(
            faults(&update(&test, &me, change).await),
            fault("INVALID", "jumpServerId")
        );
    }
    let direct = saved(&update(&test, &me, json!({ "id": made[3]["id"], "jumpServerId": null })).await);
    assert_eq!(direct["jumpServer"], Value::Null);
    let change = json!({ "id": made[0]["id"], "jumpServerId": front["id"] });
    saved(&update(&test, &me, change).await);
}

#[tokio::test]
async fn the_way_is_ones_own_or_shared_and_closed_when_it_is_shared_no_more() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let script = Script::start(&test, |errand| match errand {
        Errand::Check { host: spec }
            if spec
                .jump
                .as_ref()
                .is_some_and(|hop| hop.login.as_str() == "broken") =>
        {
            trouble(TroubleKind::Jump)
        }
        other => host(&[ED25519, ECDSA])(other),
    })
    .await;
    let way = saved(&create(&test, &other, input("way", json!({}))).await);
    let over = |different: Value| {
        let mut all = input("inside", json!({ "jumpServerId": way["id"] }));
        super::merge(&mut all, different);
        all
    };
    let hidden = create(&test, &me, over(json!({}))).await;
    assert_eq!(faults(&hidden), fault("NOT_FOUND", "jumpServerId"));
    let admin = test.sign_in(UserRole::Admin).await;
    let private = create(&test, &admin, over(json!({}))).await;
    assert_eq!(
        faults(&private),
        fault("INVALID", "jumpServerId"),
        "seen, and not theirs"
    );
    saved(&update(&test, &other, json!({ "id": way["id"], "shared": true })).await);
    let inside = saved(&create(&test, &me, over(json!({}))).await);
    assert_eq!(inside["jumpServer"]["id"], way["id"]);
    let theirs = server(&test, &other, &way["id"]).await;
    assert_eq!(theirs["jumpFor"], json!([]), "what one may not see is not listed");
    let broken = saved(&update(&test, &other, json!({ "id": way["id"], "username": "broken" })).await);
    assert_eq!(broken["status"], "ONLINE");
    test.clock.advance(TimeDelta::seconds(1));
    assert_eq!(check(&test, &me, &inside["id"]).await["check"]["trouble"], "JUMP");
    saved(&update(&test, &other, json!({ "id": way["id"], "shared": false })).await);
    script.asked();
    test.clock.advance(TimeDelta::seconds(1));
    let closed = check(&test, &me, &inside["id"]).await;
    assert_eq!(closed["check"]["trouble"], "JUMP", "{closed}");
    assert!(
        closed["check"]["message"]
            .as_str()
            .unwrap()
            .contains("not shared any more")
    );
    assert!(
        script.asked().is_empty(),
        "nothing is told of a server that is not shared"
    );
    assert_eq!(server(&test, &me, &inside["id"]).await["jumpServer"], Value::Null);
    let unconfirmed = unasked(&test, &me, "unconfirmed", json!({})).await;
    let refused = create(
        &test,
        &me,
        over(json!({ "name": "z", "jumpServerId": unconfirmed["id"] })),
    )
    .await;
    assert_eq!(faults(&refused), fault("UNREACHABLE", "jumpServerId"));
}

#[tokio::test]
async fn a_server_stays_while_others_are_reached_through_it() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let _script = Script::start(&test, host(&[ED25519])).await;
    let way = saved(&create(&test, &me, input("way", json!({ "shared": true }))).await);
    let mut behind = Vec::new();
    for (token, name) in [(&me, "mine"), (&other, "theirs")] {
        let all = input(name, json!({ "jumpServerId": way["id"] }));
        behind.push((token, saved(&create(&test, token, all).await)));
    }
    let kept = delete(&test, &me, &way["id"]).await;
    assert_eq!(
        (&kept["deletedId"], &kept["jumpFor"]),
        (&Value::Null, &json!([{ "name": "mine" }]))
    );
    let error = &kept["userErrors"][0];
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("IN_USE"), &json!(["id"]))
    );
    assert!(
        error["message"].as_str().unwrap().contains("2 other servers"),
        "{error}"
    );
    for (token, one) in behind {
        let gone = delete(&test, token, &one["id"]).await;
        assert_eq!(gone["deletedId"], one["id"], "{gone}");
    }
    let stale = json!({ "id": way["id"], "expectedVersion": 7 });
    let stale = mutate(&test, &me, "deleteServer", DELETE, stale).await;
    assert_eq!(stale["userErrors"][0]["code"], "CONFLICT");
    assert_eq!(delete(&test, &me, &way["id"]).await["deletedId"], way["id"]);
    assert_eq!(names(&test, &me, json!({})).await, [""; 0]);
    let log = entries(&test).await;
    let last = log.last().unwrap();
    assert_eq!(
        (last.0.as_str(), &last.1["name"], &last.2),
        ("DELETE_SERVER", &json!("way"), &Value::Null)
    );
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM server_checks")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

type Updates = Pin<Box<dyn Stream<Item = Response> + Send>>;

async fn watch(test: &TestApp, token: &str, id: &Value) -> Updates {
    let query = "subscription ($id: ID) { serverUpdated(id: $id) { name status version } }";
    let request = test.request(token, query, json!({ "id": id })).await;
    Box::pin(test.app.schema.execute_stream(request))
}

async fn next(updates: &mut Updates) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(5), updates.next()).await;
    let response = next.expect("an update within 5 s").unwrap();
    assert_eq!(response.errors, []);
    response.data.into_json().unwrap()["serverUpdated"].clone()
}

#[tokio::test]
async fn who_watches_is_told_of_changes_and_checks_of_what_they_may_see() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let _script = Script::start(&test, host(&[ED25519])).await;
    let hidden = saved(&create(&test, &me, input("hidden", json!({}))).await);
    let one = saved(&create(&test, &me, input("one", json!({ "shared": true }))).await);
    let (mut all, mut single) = (
        watch(&test, &other, &Value::Null).await,
        watch(&test, &other, &one["id"]).await,
    );
    let expected = |version: i32, name: &str| json!({ "name": name, "status": "ONLINE", "version": version });
    assert_eq!(next(&mut single).await, expected(1, "one"));
    // The first look at a stream subscribes it.
    assert!(futures::poll!(all.next()).is_pending());
    tokio::time::timeout(Duration::from_millis(300), all.next())
        .await
        .unwrap_err();
    saved(&update(&test, &me, json!({ "id": hidden["id"], "name": "still hidden" })).await);
    saved(&update(&test, &me, json!({ "id": one["id"], "name": "two" })).await);
    for updates in [&mut all, &mut single] {
        assert_eq!(next(updates).await, expected(2, "two"));
    }
    test.clock.advance(TimeDelta::seconds(1));
    check(&test, &me, &one["id"]).await;
    for updates in [&mut all, &mut single] {
        assert_eq!(next(updates).await, expected(2, "two"), "a new check");
    }
    delete(&test, &me, &one["id"]).await;
    let ended = tokio::time::timeout(Duration::from_secs(5), single.next()).await;
    assert!(ended.unwrap().is_none(), "it is gone");
}

#[tokio::test]
async fn nobody_has_the_password_of_another_said_to_a_host_of_their_own() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let admin = test.sign_in(UserRole::Admin).await;
    let own = unasked(&test, &me, "own", json!({})).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let moved = |more: Value| {
        let mut change =
            json!({ "id": own["id"], "address": "192.0.2.66", "hostKeyFingerprint": ED25519_PRINT });
        super::merge(&mut change, more);
        change
    };
    for allow in [false, true] {
        let refused = update(&test, &admin, moved(json!({ "allowUnreachable": allow }))).await;
        assert_eq!(faults(&refused), fault("REQUIRED", "password"));
    }
    assert!(script.asked().is_empty());
    saved(&update(&test, &admin, moved(json!({ "password": "another" }))).await);
    saved(
        &update(
            &test,
            &me,
            json!({ "id": own["id"], "hostKeyFingerprint": ED25519_PRINT, "port": 2222 }),
        )
        .await,
    );
}
