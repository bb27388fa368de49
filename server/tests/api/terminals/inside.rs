//! Terminals in the containers of runs: of whoever has the rights of the script, by the orchestrator that runs it.

use cronium_entity::enums::UserRole;
use cronium_protocol::agent::OutcomeKind;
use cronium_protocol::terminal::{Place, ToTerminal};
use cronium_server::kernel::ids::ExecutionId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Played, fault, mutate, open, refused, session};
use crate::jobs::{event, run};
use crate::logs::at_work;
use crate::orchestrators::serve;
use crate::queue::{claimed, granted, outcome};
use crate::support::TestApp;

#[tokio::test]
async fn one_goes_to_the_orchestrator_that_runs_the_execution_and_to_no_other() {
    let test = TestApp::start().await;
    let (claim, execution, token) = at_work(&test, Uuid::new_v4()).await;
    let runs: Uuid = sqlx::query_scalar("SELECT orchestrator_id FROM executions")
        .fetch_one(&test.app.kernel.pool)
        .await
        .unwrap();
    let address = serve(&test).await;
    let mut other = Played::connect(address, Uuid::new_v4(), true).await;
    let mut its = Played::connect(address, runs, false).await;
    let payload = open(
        &test,
        &token,
        json!({ "executionId": execution, "columns": 132, "rows": 50 }),
    )
    .await;
    let terminal = &payload["terminal"];
    assert_eq!(terminal["execution"], json!({ "id": execution }), "{payload}");
    assert_eq!(
        (&terminal["title"], &terminal["server"]),
        (&json!("Backup"), &Value::Null)
    );
    let (uuid, word) = its.word().await;
    let ToTerminal::Open { place, size } = word else {
        panic!("{word:?}");
    };
    assert_eq!(
        (place, size.columns, size.rows),
        (Place::Container(claim), 132, 50)
    );
    other.hears_nothing().await;
    // With the run it is over.
    let ends = [(claim, Box::new(outcome(&test, OutcomeKind::Succeeded)))];
    test.app.queue.finish(runs, &ends).await.ok().unwrap();
    test.app.terminals.look().await.ok().unwrap();
    assert_eq!(its.told(uuid).await, ToTerminal::Close);
    let reason = session(&test, &token, &terminal["id"]).await["statusReason"].clone();
    assert!(reason.as_str().unwrap().contains("run has ended"), "{reason}");
    let late = open(&test, &token, json!({ "executionId": execution })).await;
    assert_eq!(fault(&late), refused("CONFLICT", "executionId"));
}

#[tokio::test]
async fn whoever_started_a_script_that_acts_for_another_stays_outside() {
    let test = TestApp::start().await;
    let owner = test.sign_in(UserRole::Editor).await;
    let starter = test.sign_in(UserRole::Editor).await;
    let (stranger, admin) = (
        test.sign_in(UserRole::Editor).await,
        test.sign_in(UserRole::Admin).await,
    );
    let shared = event(&test, &owner, json!({ "shared": true })).await;
    let job = run(&test, &starter, json!({ "eventId": shared })).await["job"].clone();
    let input = json!({ "executionId": job["executions"][0]["id"] });
    let early = open(&test, &owner, input.clone()).await;
    assert_eq!(fault(&early), refused("CONFLICT", "executionId"));
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(granted(&test, orchestrator, claim).await);
    assert_eq!(
        json!(ExecutionId(claim.execution_id).global()),
        input["executionId"]
    );
    for (token, expected) in [
        (&starter, refused("FORBIDDEN", "executionId")),
        (&stranger, refused("NOT_FOUND", "executionId")),
    ] {
        assert_eq!(fault(&open(&test, token, input.clone()).await), expected);
    }
    let mut opened = Vec::new();
    for token in [&owner, &admin] {
        let payload = open(&test, token, input.clone()).await;
        assert_eq!(payload["userErrors"], json!([]));
        opened.push(payload["terminal"]["id"].clone());
    }
    // Others' containers are seen with ALL_RESOURCES only.
    assert_eq!(session(&test, &owner, &opened[1]).await, Value::Null);
    assert_eq!(session(&test, &admin, &opened[0]).await["isMine"], false);
    assert_eq!(session(&test, &starter, &opened[0]).await, Value::Null);
}

#[tokio::test]
async fn a_request_has_no_container() {
    let test = TestApp::start().await;
    let token = test.sign_in(UserRole::Editor).await;
    let http = json!({ "method": "GET", "url": "https://example.test/" });
    let create = json!({ "name": "Ping", "type": "HTTP_REQUEST", "http": http });
    let made = mutate(&test, &token, "createEvent", "event { id }", create).await;
    let job = run(&test, &token, json!({ "eventId": made["event"]["id"] })).await["job"].clone();
    let orchestrator = Uuid::new_v4();
    let claim = claimed(&test, orchestrator, 1).await[0].claim;
    assert!(granted(&test, orchestrator, claim).await);
    let input = json!({ "executionId": job["executions"][0]["id"] });
    assert_eq!(
        fault(&open(&test, &token, input).await),
        refused("INVALID", "executionId")
    );
}
