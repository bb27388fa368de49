//! Registering and changing servers: what is asked of the host, what is pinned, and what is saved.

use cronium_entity::enums::UserRole;
use cronium_protocol::host::{Errand, TroubleKind};
use serde_json::{Value, json};

use super::{
    ECDSA, ECDSA_PRINT, ED25519, ED25519_PRINT, OTHER, OTHER_PRINT, Script, create, entries, fault, faults,
    host, input, kinds, mutate, saved, server, trouble, update,
};
use crate::support::TestApp;

#[tokio::test]
async fn a_host_is_probed_confirmed_signed_in_to_and_then_saved() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519, ECDSA])).await;
    let probe = "reachable latencyMs hostKeys { algorithm fingerprint } trouble message";
    let where_it_is = json!({ "address": "[2001:DB8::1]:2222" });
    let seen = mutate(&test, &me.token, "probeServer", probe, where_it_is).await;
    let expected = json!({ "reachable": true, "latencyMs": 1.5, "hostKeys": [
        { "algorithm": "ssh-ed25519", "fingerprint": ED25519_PRINT },
        { "algorithm": "ecdsa-sha2-nistp256", "fingerprint": ECDSA_PRINT },
    ], "trouble": null, "message": null, "userErrors": [] });
    assert_eq!(seen, expected);
    let different = json!({ "address": "[2001:DB8::1]:2222", "tags": [" web ", "a"], "shared": true,
        "hostKeyFingerprint": ECDSA_PRINT, "checkIntervalSeconds": 300 });
    let made = saved(&create(&test, &me.token, input(" Web 1 ", different)).await);
    let expected = json!({ "name": "Web 1", "address": "2001:db8::1", "port": 2222, "username": "deploy",
        "tags": ["a", "web"], "shared": true, "owner": { "id": me.id }, "signIn": "PASSWORD", "publicKey": null,
        "hostKeyFingerprint": ECDSA_PRINT, "hostKeyAlgorithm": "ecdsa-sha2-nistp256", "jumpServer": null, "jumpFor": [],
        "status": "ONLINE", "statusReason": null, "checkIntervalSeconds": 300, "version": 1,
        "viewerCan": ["READ", "CHANGE", "DELETE"] });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(made[field], *value, "{field}");
    }
    let check = json!({ "id": made["lastCheck"]["id"], "at": made["createdAt"], "reachable": true, "trouble": null,
        "message": null, "latencyMs": 2.25, "system": "Linux 6.1.0 (Debian GNU/Linux 12)", "machine": "x86_64",
        "processors": 4, "loadAverage": 0.5, "memoryUsed": 1_073_741_824.0, "memoryTotal": 4_294_967_296.0,
        "diskUsed": 10_737_418_240.0, "diskTotal": 85_899_345_920.0, "runnerVersion": null });
    assert_eq!(made["lastCheck"], check);
    assert_eq!(server(&test, &me.token, &made["id"]).await, made);
    let asked = script.asked();
    assert_eq!(kinds(&asked), "KKC");
    let Errand::Check { host } = &asked[2] else {
        panic!("{asked:?}");
    };
    assert_eq!(
        host.host_key.to_string(),
        ECDSA,
        "the confirmed one, not the strongest"
    );
    assert_eq!(
        (host.address.to_string().as_str(), host.login.as_str()),
        ("[2001:db8::1]:2222", "deploy")
    );
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM server_errands")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(left, 0, "what was asked is forgotten");
    let log = entries(&test).await;
    let actions: Vec<_> = log.iter().map(|entry| entry.0.as_str()).collect();
    assert_eq!(actions, ["CREATE_SERVER", "CONFIRM_HOST_KEY"]);
    assert_eq!((&log[0].1, &log[0].2["name"]), (&Value::Null, &json!("Web 1")));
    assert_eq!(log[1].2["hostKeyFingerprint"], ECDSA_PRINT);
}

#[tokio::test]
async fn another_key_than_the_confirmed_one_is_refused_whatever_is_allowed() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, host(&[OTHER])).await;
    for allow in [false, true] {
        let payload = create(&test, &me, input("Web", json!({ "allowUnreachable": allow }))).await;
        assert_eq!(faults(&payload), fault("CONFLICT", "hostKeyFingerprint"));
        let message = payload["userErrors"][0]["message"].as_str().unwrap();
        assert!(message.contains(OTHER_PRINT), "it says what it shows: {message}");
    }
    assert_eq!(kinds(&script.asked()), "KK", "nobody has signed in");
    assert!(entries(&test).await.is_empty());
}

#[tokio::test]
async fn a_name_is_one_persons_own_once() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let _script = Script::start(&test, host(&[ED25519])).await;
    let first = saved(&create(&test, &me, input("Web", json!({}))).await);
    assert_eq!(
        faults(&create(&test, &me, input("wEB", json!({}))).await),
        fault("TAKEN", "name")
    );
    saved(&create(&test, &other, input("Web", json!({}))).await);
    saved(&update(&test, &me, json!({ "id": first["id"], "name": "WEB" })).await);
    let second = saved(&create(&test, &me, input("Web 2", json!({}))).await);
    let taken = update(&test, &me, json!({ "id": second["id"], "name": "web" })).await;
    assert_eq!(faults(&taken), fault("TAKEN", "name"));
}

#[tokio::test]
async fn what_does_not_change_the_way_in_is_saved_without_asking() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let made = saved(&create(&test, &me, input("Web", json!({}))).await);
    script.asked();
    test.clock.advance(chrono::TimeDelta::seconds(9));
    let change = json!({ "id": made["id"], "expectedVersion": 1, "name": "Mail", "tags": ["mx"], "shared": true,
        "checkIntervalSeconds": 0, "username": "deploy", "address": "DB.example.test", "password": "",
        "hostKeyFingerprint": ED25519_PRINT });
    let changed = saved(&update(&test, &me, change.clone()).await);
    assert_eq!(kinds(&script.asked()), "");
    let after = [
        &changed["name"],
        &changed["version"],
        &changed["checkIntervalSeconds"],
        &changed["status"],
    ];
    assert_eq!(after, [&json!("Mail"), &json!(2), &json!(0), &json!("ONLINE")]);
    assert_ne!(changed["updatedAt"], made["updatedAt"]);
    // What is equal already is no change, and what somebody else saved is not overwritten.
    assert_eq!(
        faults(&update(&test, &me, change).await),
        fault("CONFLICT", "expectedVersion")
    );
    let same = saved(&update(&test, &me, json!({ "id": made["id"], "name": "Mail" })).await);
    assert_eq!(same, changed);
    let log = entries(&test).await;
    let actions: Vec<_> = log.iter().map(|entry| entry.0.as_str()).collect();
    assert_eq!(actions, ["CREATE_SERVER", "CONFIRM_HOST_KEY", "UPDATE_SERVER"]);
}

#[tokio::test]
async fn at_another_address_the_pin_stays_until_another_key_is_confirmed() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, |errand| match errand {
        Errand::HostKeys { address, .. } if address.host() == "new.example.test" => host(&[OTHER])(errand),
        _ => host(&[ED25519])(errand),
    })
    .await;
    let made = saved(&create(&test, &me, input("Web", json!({}))).await);
    script.asked();
    let id = &made["id"];
    let moved = |different: Value| {
        let mut change = json!({ "id": id, "address": "new.example.test" });
        super::merge(&mut change, different);
        change
    };
    for allow in [false, true] {
        let refused = update(&test, &me, moved(json!({ "allowUnreachable": allow }))).await;
        assert_eq!(faults(&refused), fault("CONFLICT", "hostKeyFingerprint"));
    }
    assert_eq!(kinds(&script.asked()), "KK");
    let confirmed = moved(json!({ "hostKeyFingerprint": OTHER_PRINT, "port": 2022 }));
    let changed = saved(&update(&test, &me, confirmed).await);
    assert_eq!(
        [
            &changed["address"],
            &changed["port"],
            &changed["hostKeyFingerprint"],
            &changed["version"]
        ],
        [
            &json!("new.example.test"),
            &json!(2022),
            &json!(OTHER_PRINT),
            &json!(2)
        ]
    );
    let log = entries(&test).await;
    let last = log.last().unwrap();
    assert_eq!(
        (
            last.0.as_str(),
            &last.1["hostKeyFingerprint"],
            &last.2["hostKeyFingerprint"]
        ),
        ("CONFIRM_HOST_KEY", &json!(ED25519_PRINT), &json!(OTHER_PRINT))
    );
}

#[tokio::test]
async fn another_way_to_sign_in_is_tried_with_the_key_that_is_known() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, |errand| match errand {
        Errand::Check { host: spec } if spec.login.as_str() == "nobody" => trouble(TroubleKind::Denied),
        other => host(&[ED25519])(other),
    })
    .await;
    let made = saved(&create(&test, &me, input("Web", json!({}))).await);
    script.asked();
    let refused = update(&test, &me, json!({ "id": made["id"], "username": "nobody" })).await;
    let expected = [fault("INVALID", "username"), fault("INVALID", "password")].concat();
    assert_eq!(faults(&refused), expected);
    let allowed = json!({ "id": made["id"], "username": "nobody", "allowUnreachable": true });
    let allowed = saved(&update(&test, &me, allowed).await);
    assert_eq!(
        (&allowed["status"], &allowed["username"]),
        (&json!("SIGN_IN_REFUSED"), &json!("nobody"))
    );
    assert_eq!(allowed["statusReason"], allowed["lastCheck"]["message"]);
    let back = json!({ "id": made["id"], "username": "deploy", "password": "another one" });
    let back = saved(&update(&test, &me, back).await);
    assert_eq!((&back["status"], &back["version"]), (&json!("ONLINE"), &json!(3)));
    assert_eq!(kinds(&script.asked()), "CCC", "the host was known");
}
