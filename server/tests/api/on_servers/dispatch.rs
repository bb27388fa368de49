//! Giving out what runs on servers: to whom, with what it takes to get there, and what becomes of what may not go there
//! any more.

use chrono::TimeDelta;
use cronium_entity::enums::UserRole;
use cronium_protocol::agent::ServerToAgent;
use cronium_protocol::manifest::Manifest;
use ed25519_dalek::VerifyingKey;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Fleet, confirm, on, raw};
use crate::jobs::{event, run};
use crate::lists::counting;
use crate::orchestrators::{Host, serve};
use crate::queue::{claimed, claimed_with};
use crate::semantics::{exit, release_due, sql};
use crate::servers::{mutate, unasked};
use crate::support::TestApp;

#[tokio::test]
async fn work_on_servers_is_given_to_those_who_reach_servers_and_nobody_sees_how() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let server = unasked(&test, &token, "web", json!({})).await;
    confirm(&test).await;
    let target = json!({ "servers": { "servers": [server["id"]] } });
    let id = event(&test, &token, json!({ "target": target, "labels": ["gpu"] })).await;
    let job = run(&test, &token, json!({ "eventId": id })).await["job"]["id"].clone();
    let reason = async || {
        let query = "query ($id: ID!) { job(id: $id) { statusReason eventVersion { labels } } }";
        let seen = test.graphql(&token, query, json!({ "id": job })).await["data"]["job"].clone();
        assert_eq!(seen["eventVersion"]["labels"], json!(["gpu"]));
        seen["statusReason"].as_str().map(str::to_owned)
    };
    let address = serve(&test).await;
    let mut plain = Host::with_labels(address, Uuid::new_v4(), &["gpu"]).await;
    assert!(matches!(plain.hear().await, ServerToAgent::Drain { .. }));
    assert_eq!(plain.claims().await, 0);
    let none =
        "Waits for an orchestrator with the label gpu that reaches servers: none that is connected does.";
    assert_eq!(reason().await.as_deref(), Some(none));
    let mut other = Host::reaching_servers(address).await;
    assert_eq!(other.claims().await, 0, "it has not the event's own label");
    // Work without servers and labels goes to both.
    let free = event(&test, &token, json!({})).await;
    for host in [&mut plain, &mut other] {
        run(&test, &token, json!({ "eventId": free })).await;
        assert_eq!(host.claims().await, 1);
    }
    sql(
        &test,
        "UPDATE executions SET labels = ARRAY['@ssh'] WHERE labels IS NOT NULL",
    )
    .await;
    assert_eq!(plain.claims().await, 0);
    assert_eq!(other.claims().await, 1);
    let query = "{ orchestrators { labels } }";
    let seen = test.graphql(&token, query, json!({})).await["data"]["orchestrators"].clone();
    assert!(!seen.to_string().contains('@'), "{seen}");
}

#[tokio::test]
async fn an_assignment_says_how_to_get_there_and_gives_no_way_into_a_network() {
    let fleet = Fleet::start(2).await;
    let id = fleet.event(None, json!({})).await;
    fleet.run(json!({ "eventId": id })).await;
    let (count, _guard) = counting();
    let spent = || count.swap(0, std::sync::atomic::Ordering::Relaxed);
    let labels = ["@ssh".to_owned()];
    let queue = &fleet.test.app.queue;
    let group = queue
        .claim(fleet.orchestrator, &labels, 9)
        .await
        .ok()
        .unwrap()
        .remove(0);
    spent();
    let (assignments, _) = queue.assignments(group, true).await.ok().unwrap();
    assert_eq!(spent(), 3, "jobs, versions, and all servers at once");
    let key = VerifyingKey::from_bytes(&queue.verify_key()).unwrap();
    for work in &assignments {
        let order = work.host.as_ref().unwrap();
        assert!(fleet.servers.iter().any(|id| raw(id) == order.server_id));
        assert_eq!(order.host.login.as_str(), "deploy");
        assert!(!work.http);
        let target = format!("docker:{}", work.claim.execution_id);
        let now = fleet.test.app.kernel.now().timestamp_millis();
        let manifest = Manifest::open(&work.manifest, &work.signature, &key, &target, now).unwrap();
        let runtime = manifest.runtime.unwrap();
        assert!(runtime.secret_env.is_empty() && manifest.env.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_may_not_be_used_any_more_ends_its_execution_and_nothing_goes_out() {
    let fleet = Fleet::start(3).await;
    let id = fleet.event(Some(2), json!({})).await;
    let job = fleet.run(json!({ "eventId": id })).await;
    sql(&fleet.test, "DELETE FROM servers WHERE name = 's0'").await;
    let claims = fleet.claim(9).await;
    assert_eq!(on(&claims), [1]);
    let seen = fleet.seen(&job).await;
    assert_eq!(seen["status"], "RUNNING");
    let first = &seen["executions"][0];
    assert_eq!(first["status"], "FAILED", "{seen}");
    assert_eq!(
        first["server"],
        json!({ "id": fleet.servers[0], "name": "s0", "server": null })
    );
    let reason = first["statusReason"].as_str().unwrap();
    assert!(reason.contains("Choose another one"), "{reason}");
    // Its place is the next one's, whose key nobody has confirmed by now.
    sql(
        &fleet.test,
        "UPDATE servers SET host_key = NULL, host_key_fingerprint = NULL, status = 'UNCONFIRMED' WHERE name = 's2'",
    )
    .await;
    assert!(fleet.claim(9).await.is_empty());
    fleet.work(claims[&1], 0).await;
    let seen = fleet.seen(&job).await;
    assert_eq!(seen["status"], "PARTIAL", "{seen}");
    let reason = seen["executions"][2]["statusReason"].as_str().unwrap();
    assert!(reason.contains("confirmed the host key"), "{reason}");
    let starts: i64 = sqlx::query_scalar("SELECT sum(starts) FROM executions WHERE slot <> 1")
        .fetch_one(&fleet.test.app.kernel.pool)
        .await
        .unwrap();
    assert_eq!(starts, 0);
}

#[tokio::test]
async fn a_shared_server_serves_others_until_its_owner_stops_sharing_it() {
    let test = TestApp::start().await;
    let (owner, mine) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Editor).await,
    );
    let server = unasked(&test, &owner, "web", json!({ "shared": true })).await;
    confirm(&test).await;
    let target = json!({ "servers": { "servers": [server["id"]] } });
    let retry = json!({ "attempts": 2, "initialDelay": "PT10S", "jitter": false, "on": ["INFRASTRUCTURE"] });
    let id = event(&test, &mine, json!({ "target": target, "retry": retry })).await;
    let job = run(&test, &mine, json!({ "eventId": id })).await["job"]["id"].clone();
    let labels = ["@ssh".to_owned()];
    let claim = async || claimed_with(&test, Uuid::new_v4(), &labels, 9).await;
    let share = async |shared: bool| {
        let input = json!({ "id": server["id"], "shared": shared });
        let done = mutate(&test, &owner, "updateServer", "server { id }", input).await;
        assert_eq!(done["userErrors"], json!([]), "{done}");
    };
    share(false).await;
    assert!(claim().await.is_empty());
    let query = "query ($id: ID!) { job(id: $id) { status statusReason executions { attempt status } } }";
    let seen = test.graphql(&mine, query, json!({ "id": job })).await["data"]["job"].clone();
    let attempts = json!([{ "attempt": 1, "status": "FAILED" }, { "attempt": 2, "status": "QUEUED" }]);
    assert_eq!(seen["executions"], attempts, "as its policy wants it: {seen}");
    share(true).await;
    test.clock.advance(TimeDelta::seconds(10));
    assert_eq!(release_due(&test).await, 1);
    assert_eq!(claim().await.len(), 1);
}

#[tokio::test]
async fn a_restarted_orchestrator_is_told_again_how_to_get_there() {
    let fleet = Fleet::start(2).await;
    let job = fleet.job(None).await;
    let claims = fleet.claim(9).await;
    let plain = event(&fleet.test, &fleet.token, json!({})).await;
    run(&fleet.test, &fleet.token, json!({ "eventId": plain })).await;
    let contained = claimed(&fleet.test, fleet.orchestrator, 1).await[0].claim;
    for claim in claims.values() {
        fleet.grant(*claim).await;
    }
    sql(&fleet.test, "DELETE FROM servers WHERE name = 's1'").await;
    let asked = vec![claims[&0], claims[&1], contained];
    let queue = &fleet.test.app.queue;
    let replies = queue.adopt(fleet.orchestrator, asked).await.ok().unwrap();
    let hosts: Vec<_> = replies
        .iter()
        .map(|reply| {
            let go_on = reply.go_on.as_ref().unwrap();
            go_on.host.as_ref().map(|order| order.server_id)
        })
        .collect();
    assert_eq!(hosts, [Some(raw(&fleet.servers[0])), None, None]);
    for (reply, code) in replies.iter().zip([0, 1]) {
        let claim = reply.go_on.as_ref().unwrap().claim;
        fleet.finish(claim, exit(&fleet.test, code)).await;
    }
    let seen = fleet.seen(&job).await;
    assert_eq!(seen["status"], "PARTIAL", "what runs there ends there: {seen}");
}

#[tokio::test]
async fn a_test_run_is_made_on_servers_too_and_only_on_those_that_the_tester_may_use() {
    let fleet = Fleet::start(1).await;
    let stranger = fleet.test.sign_in(UserRole::Editor).await;
    let document =
        "mutation ($i: TestEventInput!) { testEvent(input: $i) { job { id } userErrors { code field } } }";
    let target = json!({ "servers": { "servers": fleet.servers } });
    let input = json!({ "i": { "type": "BASH", "source": "uptime", "target": target } });
    let refused = fleet.test.graphql(&stranger, document, input.clone()).await;
    let field = ["target", "servers", "servers", "0"];
    assert_eq!(
        refused["data"]["testEvent"],
        json!({ "job": null, "userErrors": [{ "code": "NOT_FOUND", "field": field }] }),
        "{refused}"
    );
    let made = fleet.test.graphql(&fleet.token, document, input).await;
    assert_eq!(made["errors"], Value::Null, "{made}");
    let job = made["data"]["testEvent"]["job"]["id"].clone();
    fleet.work(fleet.claim(9).await[&0], 0).await;
    assert_eq!(fleet.status(&job).await, "SUCCEEDED");
}
