//! Checks: by themselves, when asked for, and what becomes of errands that nobody takes or answers.

use std::time::Duration;

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::{AgentToServer, ServerToAgent};
use cronium_protocol::host::{Errand, HostFigures, Report, TroubleKind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    ED25519, ED25519_PRINT, OTHER, OTHER_PRINT, Script, check, create, figures, hello, host, input, kinds,
    saved, server, trouble, unasked, update,
};
use crate::orchestrators::{Host, serve};
use crate::support::{TestApp, database};

/// A server that is online, and whoever answered for it is gone.
async fn online(test: &TestApp, token: &str, name: &str) -> Value {
    let _script = Script::start(test, host(&[ED25519])).await;
    saved(&create(test, token, input(name, json!({}))).await)
}

/// Takes the only errand there is.
async fn take(test: &TestApp, orchestrator: Uuid) -> (Uuid, Errand) {
    let mut all = test.app.errands.take(orchestrator, 10).await.ok().unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.pop().unwrap()
}

async fn done(test: &TestApp, orchestrator: Uuid, id: Uuid, report: Report) {
    test.app
        .errands
        .done(orchestrator, id, report)
        .await
        .ok()
        .unwrap();
}

async fn execute(test: &TestApp, sql: &'static str) {
    sqlx::query(sql).execute(&test.app.kernel.pool).await.unwrap();
}

/// Checks of a server, newest first: trouble, or null.
async fn history(test: &TestApp, token: &str, id: &Value) -> Vec<Value> {
    let query =
        "query ($id: ID!) { server(id: $id) { checks(first: 100) { totalCount nodes { trouble } } } }";
    let answer = test.graphql(token, query, json!({ "id": id })).await;
    let checks = &answer["data"]["server"]["checks"];
    let nodes = checks["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(checks["totalCount"], nodes.len());
    nodes.iter().map(|node| node["trouble"].clone()).collect()
}

#[tokio::test]
async fn a_key_that_was_confirmed_unseen_is_pinned_when_it_is_shown() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = {
        let _script = Script::start(&test, |_| trouble(TroubleKind::Silent)).await;
        saved(&create(&test, &me, input("Web", json!({ "allowUnreachable": true }))).await)
    };
    assert_eq!(
        (&made["status"], &made["hostKeyAlgorithm"]),
        (&json!("UNREACHABLE"), &Value::Null)
    );
    test.clock.advance(TimeDelta::seconds(1));
    let script = Script::start(&test, host(&[ED25519])).await;
    let checked = check(&test, &me, &made["id"]).await;
    assert_eq!(checked["check"]["reachable"], true, "{checked}");
    assert_eq!(kinds(&script.asked()), "KC");
    let now = saved(&checked);
    assert_eq!(
        [&now["status"], &now["hostKeyAlgorithm"], &now["version"]],
        [&json!("ONLINE"), &json!("ssh-ed25519"), &json!(1)]
    );
    test.clock.advance(TimeDelta::seconds(1));
    check(&test, &me, &made["id"]).await;
    assert_eq!(kinds(&script.asked()), "C");
    assert_eq!(
        history(&test, &me, &made["id"]).await,
        [Value::Null, Value::Null, json!("SILENT")]
    );
}

#[tokio::test]
async fn another_key_is_never_pinned_and_nobody_signs_in() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = {
        let _script = Script::start(&test, |_| trouble(TroubleKind::Silent)).await;
        saved(&create(&test, &me, input("Web", json!({ "allowUnreachable": true }))).await)
    };
    let script = Script::start(&test, host(&[OTHER])).await;
    let checked = check(&test, &me, &made["id"]).await;
    assert_eq!(checked["check"]["trouble"], "KEY_CHANGED", "{checked}");
    let message = checked["check"]["message"].as_str().unwrap();
    assert!(message.contains(OTHER_PRINT), "{message}");
    assert_eq!(kinds(&script.asked()), "K");
    let now = server(&test, &me, &made["id"]).await;
    assert_eq!(
        (&now["status"], &now["hostKeyAlgorithm"]),
        (&json!("KEY_CHANGED"), &Value::Null)
    );
    drop(script);
    // One that was pinned is told apart by the orchestrator.
    let other = online(&test, &me, "Mail").await;
    let _script = Script::start(&test, |_| trouble(TroubleKind::KeyChanged)).await;
    let checked = check(&test, &me, &other["id"]).await;
    assert_eq!(checked["server"]["status"], "KEY_CHANGED");
    assert_eq!(
        checked["server"]["hostKeyFingerprint"], ED25519_PRINT,
        "the pin stays"
    );
}

#[tokio::test]
async fn two_servers_side_by_side_want_one_check_when_it_is_due() {
    let one = TestApp::on(database(8).await).await;
    let two = TestApp::on(one.app.kernel.pool.clone()).await;
    let me = one.sign_in(UserRole::Editor).await;
    let made = online(&one, &me, "Web").await;
    let never = unasked(&one, &me, "Later", json!({})).await;
    update(
        &one,
        &me,
        json!({ "id": never["id"], "checkIntervalSeconds": 15 }),
    )
    .await;
    let due = async || {
        let (a, b) = tokio::join!(one.app.errands.want_due(), two.app.errands.want_due());
        a.ok().unwrap() + b.ok().unwrap()
    };
    assert_eq!(due().await, 0, "it was checked a moment ago");
    for round in 1..=3 {
        for test in [&one, &two] {
            test.clock.advance(TimeDelta::seconds(67));
        }
        assert_eq!((due().await, due().await), (1, 0), "round {round}");
        // On the other one's connection.
        let orchestrator = Uuid::new_v4();
        let (id, errand) = take(&two, orchestrator).await;
        assert!(matches!(errand, Errand::Check { .. }));
        done(&two, orchestrator, id, Report::Check(figures())).await;
        assert_eq!(history(&one, &me, &made["id"]).await.len(), round + 1);
    }
    // What is under way is not wanted twice.
    for _ in 0..2 {
        one.clock.advance(TimeDelta::seconds(67));
        one.app.errands.want_due().await.ok().unwrap();
    }
    take(&one, Uuid::new_v4()).await;
    let off = update(&one, &me, json!({ "id": made["id"], "checkIntervalSeconds": 0 })).await;
    assert_eq!(saved(&off)["checkIntervalSeconds"], 0);
    one.clock.advance(TimeDelta::days(1));
    assert_eq!(one.app.errands.want_due().await.ok().unwrap(), 0);
}

#[tokio::test]
async fn an_errand_is_one_orchestrators_for_ninety_seconds_and_counts_once() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = online(&test, &me, "Web").await;
    test.clock.advance(TimeDelta::seconds(67));
    test.app.errands.want_due().await.ok().unwrap();
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    let (id, _) = take(&test, first).await;
    assert!(
        test.app.errands.take(second, 10).await.ok().unwrap().is_empty(),
        "it is taken"
    );
    done(&test, second, id, trouble(TroubleKind::Denied)).await;
    assert_eq!(
        history(&test, &me, &made["id"]).await.len(),
        1,
        "it was not given to this one"
    );
    let lease: f64 =
        sqlx::query_scalar("SELECT extract(epoch FROM taken_until - now())::float8 FROM server_errands")
            .fetch_one(&test.app.kernel.pool)
            .await
            .unwrap();
    assert!((80.0..=90.0).contains(&lease), "{lease}");
    execute(
        &test,
        "UPDATE server_errands SET taken_until = now() - interval '1 second'",
    )
    .await;
    assert_eq!(take(&test, second).await.0, id);
    done(&test, first, id, trouble(TroubleKind::Denied)).await;
    assert_eq!(
        history(&test, &me, &made["id"]).await.len(),
        1,
        "it is somebody else's by now"
    );
    for _ in 0..2 {
        done(&test, second, id, Report::Check(figures())).await;
    }
    assert_eq!(history(&test, &me, &made["id"]).await, [Value::Null, Value::Null]);
    assert_eq!(server(&test, &me, &made["id"]).await["status"], "ONLINE");
}

#[tokio::test]
async fn a_check_that_nobody_takes_says_so() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = saved(&create(&test, &me, input("Web", json!({ "allowUnreachable": true }))).await);
    let checked = check(&test, &me, &made["id"]).await;
    assert_eq!(checked["check"]["trouble"], "NO_ORCHESTRATOR", "{checked}");
    assert_eq!(checked["server"]["status"], "UNREACHABLE");
    test.clock.advance(TimeDelta::seconds(67));
    assert_eq!(test.app.errands.want_due().await.ok().unwrap(), 1);
    test.app.errands.sweep().await.ok().unwrap();
    assert_eq!(
        history(&test, &me, &made["id"]).await.len(),
        1,
        "somebody may still come"
    );
    execute(
        &test,
        "UPDATE server_errands SET wanted_at = now() - interval '61 seconds'",
    )
    .await;
    test.app.errands.sweep().await.ok().unwrap();
    assert_eq!(
        history(&test, &me, &made["id"]).await,
        [json!("NO_ORCHESTRATOR"), json!("NO_ORCHESTRATOR")]
    );
    // A draining one takes nothing either.
    hello(&test, Uuid::new_v4()).await;
    assert!(test.app.orchestrators.reach_servers().await.ok().unwrap());
    execute(&test, "UPDATE orchestrators SET draining = true").await;
    assert!(!test.app.orchestrators.reach_servers().await.ok().unwrap());
}

#[tokio::test]
async fn what_was_found_of_a_server_as_it_was_says_nothing_of_what_it_is() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = online(&test, &me, "Web").await;
    test.clock.advance(TimeDelta::seconds(67));
    test.app.errands.want_due().await.ok().unwrap();
    let orchestrator = Uuid::new_v4();
    let (id, _) = take(&test, orchestrator).await;
    {
        let _script = Script::start(&test, host(&[ED25519])).await;
        let moved = json!({ "id": made["id"], "address": "new.example.test" });
        saved(&update(&test, &me, moved).await);
    }
    done(&test, orchestrator, id, trouble(TroubleKind::Refused)).await;
    let now = server(&test, &me, &made["id"]).await;
    assert_eq!(
        (&now["status"], &now["address"]),
        (&json!("ONLINE"), &json!("new.example.test"))
    );
}

#[tokio::test]
async fn checks_are_kept_for_a_week_and_the_last_one_for_ever() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = online(&test, &me, "Web").await;
    // Sessions end meanwhile.
    let kept = async || {
        let admin = test.sign_in(UserRole::Admin).await;
        test.app.errands.tidy().await.ok().unwrap();
        assert_eq!(
            server(&test, &admin, &made["id"]).await["lastCheck"]["reachable"],
            true
        );
        history(&test, &admin, &made["id"]).await.len()
    };
    for _ in 0..3 {
        test.clock.advance(TimeDelta::days(4));
        let _script = Script::start(&test, host(&[ED25519])).await;
        let admin = test.sign_in(UserRole::Admin).await;
        check(&test, &admin, &made["id"]).await;
        assert_eq!(kept().await, 2, "of four days ago, and of now");
    }
    test.clock.advance(TimeDelta::days(40));
    assert_eq!(kept().await, 1);
}

#[tokio::test]
async fn pages_of_checks_go_from_the_newest_to_the_oldest_and_back() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = online(&test, &me, "Web").await;
    let _script = Script::start(&test, host(&[ED25519])).await;
    for _ in 0..4 {
        test.clock.advance(TimeDelta::seconds(1));
        check(&test, &me, &made["id"]).await;
    }
    let query = "query ($id: ID!, $f: Int, $a: String, $l: Int, $b: String) { server(id: $id) {
        checks(first: $f, after: $a, last: $l, before: $b) { edges { cursor node { at } } pageInfo { hasNextPage } } } }";
    let page = async |vars: Value| {
        let mut all = json!({ "id": made["id"] });
        super::merge(&mut all, vars);
        let answer = test.graphql(&me, query, all).await;
        let edges = answer["data"]["server"]["checks"]["edges"].as_array();
        edges.unwrap_or_else(|| panic!("{answer}")).clone()
    };
    let all = page(json!({ "f": 100 })).await;
    assert_eq!(all.len(), 5);
    let times: Vec<_> = all
        .iter()
        .map(|edge| edge["node"]["at"].as_str().unwrap())
        .collect();
    assert!(times.is_sorted_by(|a, b| a > b), "{times:?}");
    let second = page(json!({ "f": 2, "a": all[1]["cursor"] })).await;
    assert_eq!(second, all[2..4]);
    let back = page(json!({ "l": 2, "b": all[2]["cursor"] })).await;
    assert_eq!(back, all[..2]);
}

#[tokio::test]
async fn errands_go_over_the_real_channel_and_their_answers_come_back_by_it() {
    let test = TestApp::start().await;
    let me = test.sign_in(UserRole::Editor).await;
    let made = online(&test, &me, "Web").await;
    test.clock.advance(TimeDelta::seconds(67));
    test.app.errands.want_due().await.ok().unwrap();
    // One that was wanted while nobody was there is told with the hello, another one as soon as it is wanted.
    let mut agent = Host::reaching_servers(serve(&test).await).await;
    let answer = async |agent: &mut Host, latency_us: u64| {
        let ServerToAgent::Errand { id, errand } = agent.hear().await else {
            panic!("not an errand");
        };
        assert!(matches!(errand, Errand::Check { .. }));
        let found = HostFigures {
            latency_us,
            ..figures()
        };
        let report = Report::Check(found);
        agent.say(&AgentToServer::Reported { id, report }).await;
    };
    answer(&mut agent, 7_000).await;
    while server(&test, &me, &made["id"]).await["lastCheck"]["latencyMs"] != 7.0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    test.clock.advance(TimeDelta::seconds(1));
    let (checked, ()) = tokio::join!(check(&test, &me, &made["id"]), answer(&mut agent, 8_000));
    assert_eq!(checked["check"]["latencyMs"], 8.0, "{checked}");
    let silent = tokio::time::timeout(Duration::from_millis(300), agent.hear()).await;
    assert!(silent.is_err(), "each is told once: {silent:?}");
}
