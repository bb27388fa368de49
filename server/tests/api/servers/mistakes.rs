//! What is refused: each mistake at its field, all at once, and nothing stored.

use cronium_entity::enums::UserRole;
use cronium_protocol::host::{Errand, TroubleKind};
use serde_json::{Value, json};

use super::{
    ED25519, ED25519_PRINT, Script, create, fault, faults, host, input, kinds, mutate, names, saved, trouble,
    update,
};
use crate::support::TestApp;

// Made with ssh-keygen for these tests, and let in nowhere. Its passphrase is swordfish.
const PROTECTED: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAACmFlczI1Ni1jdHIAAAAGYmNyeXB0AAAAGAAAABAVxR1AtV
NiVFuw7af8N1MoAAAAEAAAAAEAAAAzAAAAC3NzaC1lZDI1NTE5AAAAIG+3ppjxxQ/7mzk3
9M28YdsWI7SNgAT1jCWteZMFK9gbAAAAkLaVTqWZh42+XbjHTknWWcr5/vocZLB+vr1jLW
cwRz52FETyA8H4u9VlMEEH42tQqfq0xXtAinzG5lypBlsdyChDx1KxL7S91swdy88DduKS
epHtRmwSZEUVbiVSKebtEqofeB/WVYra/qbx7oATRvH5Fc8vMv4mBwRq1Czz5e4xtO/Z83
nASrGfuUQrl198dA==
-----END OPENSSH PRIVATE KEY-----
";
const PROTECTED_PUBLIC: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG+3ppjxxQ/7mzk39M28YdsWI7SNgAT1jCWteZMFK9gb cronium";
/// Without a passphrase.
const PLAIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
QyNTUxOQAAACDn03jYw4Cb4OeM9E0VtYr2QCOgIJ5J47KrOThjlXQkfgAAAIh5RLsGeUS7
BgAAAAtzc2gtZWQyNTUxOQAAACDn03jYw4Cb4OeM9E0VtYr2QCOgIJ5J47KrOThjlXQkfg
AAAEDEKUKMIkJFL7Jx/B6bPqiphvp4xZublph7eUQUzguN3ufTeNjDgJvg54z0TRW1ivZA
I6Agnknjsqs5OGOVdCR+AAAAAAECAwQF
-----END OPENSSH PRIVATE KEY-----
";

/// The same input without a password, but with what is different.
fn keyed(different: Value) -> Value {
    let mut all = input("Web", different);
    all.as_object_mut().unwrap().remove("password");
    all
}

#[tokio::test]
async fn each_mistake_is_named_at_its_field_and_nothing_is_asked_or_stored() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let long = "x".repeat((16 << 10) + 1);
    for (different, code, field) in [
        (json!({ "name": " " }), "REQUIRED", "name"),
        (json!({ "name": "x".repeat(101) }), "TOO_LONG", "name"),
        (json!({ "name": "a\u{0}b" }), "INVALID", "name"),
        (json!({ "tags": ["a", ""] }), "INVALID", "tags.1"),
        (json!({ "address": "" }), "REQUIRED", "address"),
        (json!({ "address": "-oProxyCommand=x" }), "INVALID", "address"),
        (json!({ "address": "root@db" }), "INVALID", "address"),
        (json!({ "address": "ssh://db" }), "INVALID", "address"),
        (json!({ "address": "db:22", "port": 2222 }), "INVALID", "port"),
        (json!({ "port": 0 }), "INVALID", "port"),
        (json!({ "port": 65_536 }), "INVALID", "port"),
        (json!({ "username": "" }), "REQUIRED", "username"),
        (json!({ "username": "-l" }), "INVALID", "username"),
        (json!({ "username": "a b" }), "INVALID", "username"),
        (json!({ "password": "" }), "REQUIRED", "password"),
        (json!({ "password": "two\nlines" }), "INVALID", "password"),
        (json!({ "password": "x".repeat(1025) }), "TOO_LONG", "password"),
        (json!({ "passphrase": "x" }), "INVALID", "passphrase"),
        (json!({ "privateKey": PLAIN }), "INVALID", "password"),
        (
            json!({ "hostKeyFingerprint": null }),
            "REQUIRED",
            "hostKeyFingerprint",
        ),
        (
            json!({ "hostKeyFingerprint": " " }),
            "REQUIRED",
            "hostKeyFingerprint",
        ),
        (
            json!({ "hostKeyFingerprint": "MD5:00" }),
            "INVALID",
            "hostKeyFingerprint",
        ),
        (json!({ "jumpServerId": "nothing" }), "NOT_FOUND", "jumpServerId"),
        (
            json!({ "checkIntervalSeconds": 14 }),
            "INVALID",
            "checkIntervalSeconds",
        ),
        (
            json!({ "checkIntervalSeconds": -1 }),
            "INVALID",
            "checkIntervalSeconds",
        ),
    ] {
        let refused = create(&test, &me, input("Web", different.clone())).await;
        assert_eq!(faults(&refused), fault(code, field), "{different}");
    }
    for (different, code, field) in [
        (json!({}), "REQUIRED", "privateKey"),
        (json!({ "privateKey": "" }), "REQUIRED", "privateKey"),
        (json!({ "privateKey": long }), "TOO_LONG", "privateKey"),
        (json!({ "privateKey": PROTECTED_PUBLIC }), "INVALID", "privateKey"),
        (
            json!({ "privateKey": PLAIN.replace("OPENSSH", "RSA") }),
            "INVALID",
            "privateKey",
        ),
        (
            json!({ "privateKey": PLAIN.replacen("b3B", "AAA", 1) }),
            "INVALID",
            "privateKey",
        ),
        (json!({ "privateKey": PROTECTED }), "REQUIRED", "passphrase"),
        (
            json!({ "privateKey": PROTECTED, "passphrase": "hunter2" }),
            "INVALID",
            "passphrase",
        ),
        (
            json!({ "privateKey": PLAIN, "passphrase": "hunter2" }),
            "INVALID",
            "passphrase",
        ),
    ] {
        let refused = create(&test, &me, keyed(different)).await;
        assert_eq!(faults(&refused), fault(code, field));
    }
    let many = json!({ "name": "", "address": "a b", "port": 0, "username": "", "hostKeyFingerprint": "x",
        "checkIntervalSeconds": 1 });
    let found = faults(&create(&test, &me, keyed(many)).await);
    let fields: Vec<_> = found.iter().map(|(_, field)| field.as_str()).collect();
    let all = [
        "name",
        "port",
        "address",
        "username",
        "privateKey",
        "hostKeyFingerprint",
        "checkIntervalSeconds",
    ];
    assert_eq!(fields, all);
    assert_eq!(kinds(&script.asked()), "");
    assert_eq!(names(&test, &me, json!({})).await, [""; 0]);
}

#[tokio::test]
async fn a_key_with_its_passphrase_is_taken_and_its_public_half_is_shown() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let script = Script::start(&test, host(&[ED25519])).await;
    let given = json!({ "privateKey": PROTECTED.replace('\n', "\r\n"), "passphrase": "swordfish" });
    let made = saved(&create(&test, &me, keyed(given)).await);
    assert_eq!(
        (&made["signIn"], &made["publicKey"]),
        (&json!("KEY"), &json!(PROTECTED_PUBLIC))
    );
    let asked = script.asked();
    let Errand::Check { host } = &asked[1] else {
        panic!("{asked:?}");
    };
    let told = serde_json::to_value(&host.sign_in).unwrap();
    assert_eq!(
        told,
        json!({ "Key": { "private": PROTECTED, "passphrase": "swordfish" } })
    );
    let other = json!({ "id": made["id"], "password": "hunter2" });
    let other = saved(&update(&test, &me, other).await);
    assert_eq!(
        (&other["signIn"], &other["publicKey"]),
        (&json!("PASSWORD"), &Value::Null)
    );
}

#[tokio::test]
async fn trouble_is_at_the_field_where_it_is_mended_and_may_be_saved_all_the_same() {
    use TroubleKind::{BadKey, Denied, Jump, NoSession, NoShell, NotSsh, Other, Refused, Silent, Unresolved};
    for (kind, at_keys, code, fields, status) in [
        (Unresolved, true, "UNREACHABLE", &["address"][..], "UNREACHABLE"),
        (Refused, true, "UNREACHABLE", &["address"], "UNREACHABLE"),
        (Silent, true, "UNREACHABLE", &["address"], "UNREACHABLE"),
        (NotSsh, true, "UNREACHABLE", &["address"], "UNREACHABLE"),
        (Jump, true, "UNREACHABLE", &["jumpServerId"], "UNREACHABLE"),
        (
            Denied,
            false,
            "INVALID",
            &["username", "password"],
            "SIGN_IN_REFUSED",
        ),
        (BadKey, false, "INVALID", &["privateKey"], "SIGN_IN_REFUSED"),
        (NoSession, false, "UNREACHABLE", &["address"], "UNREACHABLE"),
        (NoShell, false, "UNREACHABLE", &["address"], "UNREACHABLE"),
        (Other, false, "UNREACHABLE", &["address"], "UNREACHABLE"),
    ] {
        let test = TestApp::start().await;
        let me = test.sign_in(UserRole::Editor).await;
        let script = Script::start(&test, move |errand| match errand {
            Errand::Check { .. } => trouble(kind),
            Errand::HostKeys { .. } if at_keys => trouble(kind),
            keys @ Errand::HostKeys { .. } => host(&[ED25519])(keys),
        })
        .await;
        let refused = create(&test, &me, input("Web", json!({}))).await;
        let expected: Vec<_> = fields.iter().flat_map(|field| fault(code, field)).collect();
        assert_eq!(faults(&refused), expected, "{kind:?}");
        let message = refused["userErrors"][0]["message"].as_str().unwrap();
        assert!(message.ends_with("(what it said)"), "{message}");
        let saved_so = create(&test, &me, input("Web", json!({ "allowUnreachable": true }))).await;
        let made = saved(&saved_so);
        assert_eq!(
            (&made["status"], &made["statusReason"]),
            (&json!(status), &json!(message))
        );
        assert_eq!(made["lastCheck"]["reachable"], false);
        let seen_key = if at_keys {
            Value::Null
        } else {
            json!("ssh-ed25519")
        };
        assert_eq!(
            (&made["hostKeyFingerprint"], &made["hostKeyAlgorithm"]),
            (&json!(ED25519_PRINT), &seen_key)
        );
        assert_eq!(kinds(&script.asked()), if at_keys { "KK" } else { "KCKC" });
    }
}

#[tokio::test]
async fn without_an_orchestrator_that_reaches_servers_it_is_said_at_once() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let refused = create(&test, &me, input("Web", json!({}))).await;
    assert_eq!(faults(&refused), fault("UNREACHABLE", ""));
    let made = saved(&create(&test, &me, input("Web", json!({ "allowUnreachable": true }))).await);
    assert_eq!(
        (&made["status"], &made["lastCheck"]),
        (&json!("UNKNOWN"), &Value::Null)
    );
    let message = refused["userErrors"][0]["message"].as_str().unwrap();
    assert!(message.contains("Start one"), "{message}");
    let selection = "reachable hostKeys { algorithm } trouble message";
    let probed = mutate(&test, &me, "probeServer", selection, json!({ "address": "db" })).await;
    let expected = json!({ "reachable": false, "hostKeys": [], "trouble": "NO_ORCHESTRATOR", "message": message,
        "userErrors": [] });
    assert_eq!(probed, expected);
    let unasked = super::unasked(&test, &me, "Later", json!({})).await;
    assert_eq!(
        (&unasked["status"], &unasked["hostKeyFingerprint"]),
        (&json!("UNCONFIRMED"), &Value::Null)
    );
    let unchecked = super::check(&test, &me, &unasked["id"]).await;
    assert_eq!(faults(&unchecked), fault("CONFLICT", "id"));
}
