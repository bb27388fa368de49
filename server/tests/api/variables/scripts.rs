//! What scripts may do with variables: as much as the owner of their job.

use cronium_entity::enums::{UserRole, VariableScope};
use cronium_server::kernel::Error;
use cronium_server::kernel::ids::ExecutionId;
use cronium_server::variables::{Script, Written};
use futures::future::join_all;
use serde_json::json;
use uuid::Uuid;

use super::{entries, list, made, user};
use crate::support::{Person, TestApp};

fn script(person: &Person) -> Script {
    Script {
        owner: user(person),
        execution: ExecutionId(Uuid::from_u128(7)),
    }
}

async fn text(test: &TestApp, person: &Person, key: &str) -> Option<String> {
    let read = test.app.variables.read_for(user(person), key).await;
    read.ok().unwrap().map(|value| value.text.to_string())
}

/// The code of a refusal that names a field.
fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Err(Error::Invalid(errors)) => format!("{:?} {}", errors[0].code, errors[0].field.join(".")),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn own_comes_before_shared_and_shared_before_global() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let admin = test.person(UserRole::Admin).await;
    assert_eq!(text(&test, &me, "A").await, None);
    let set = |scope: &str| json!({ "key": "A", "value": scope, "scope": scope });
    made(&test, &admin.token, set("GLOBAL")).await;
    assert_eq!(text(&test, &me, "A").await.unwrap(), "GLOBAL");
    made(&test, &other.token, set("SHARED")).await;
    assert_eq!(text(&test, &me, "A").await.unwrap(), "SHARED");
    made(&test, &me.token, set("OWN")).await;
    assert_eq!(text(&test, &me, "A").await.unwrap(), "OWN");
    assert_eq!(text(&test, &other, "A").await.unwrap(), "SHARED");
    // Who may see everything still means their own, not somebody else's.
    assert_eq!(text(&test, &admin, "A").await.unwrap(), "SHARED");
}

#[tokio::test]
async fn a_change_meets_what_a_read_finds_and_only_where_the_owner_may() {
    let test = TestApp::start().await;
    let (me, other) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let admin = test.person(UserRole::Admin).await;
    let variables = &test.app.variables;
    let (mine, theirs) = (script(&me), script(&other));
    let new = variables.write_for(mine, "NEW", "1", None).await.ok().unwrap();
    let expected = Written {
        created: true,
        scope: VariableScope::Own,
        secret: false,
        version: 1,
    };
    assert_eq!(new, expected);
    assert_eq!(text(&test, &other, "NEW").await, None);
    made(
        &test,
        &me.token,
        json!({ "key": "S", "value": "1", "scope": "SHARED" }),
    )
    .await;
    made(
        &test,
        &admin.token,
        json!({ "key": "G", "value": "1", "scope": "GLOBAL" }),
    )
    .await;
    let shared = variables.write_for(mine, "S", "2", None).await.ok().unwrap();
    assert_eq!((shared.scope, shared.created), (VariableScope::Shared, false));
    assert_eq!(text(&test, &other, "S").await.unwrap(), "2");
    for key in ["S", "G"] {
        assert_eq!(
            code(variables.write_for(theirs, key, "3", None).await),
            "Forbidden key"
        );
        assert_eq!(
            code(variables.increment_for(theirs, key, 1).await),
            "Forbidden key"
        );
        assert_eq!(code(variables.delete_for(theirs, key).await), "Forbidden key");
    }
    assert_eq!(text(&test, &other, "S").await.unwrap(), "2");
    variables
        .write_for(script(&admin), "G", "2", None)
        .await
        .ok()
        .unwrap();
    variables
        .write_for(script(&admin), "S", "4", None)
        .await
        .ok()
        .unwrap();
    assert_eq!(text(&test, &me, "G").await.unwrap(), "2");
    assert!(variables.delete_for(mine, "S").await.ok().unwrap());
    assert!(!variables.delete_for(mine, "S").await.ok().unwrap());
    for bad in ["lower", "CRONIUM_X", ""] {
        assert!(
            code(variables.read_for(user(&me), bad).await).ends_with(" key"),
            "{bad}"
        );
        assert!(code(variables.write_for(mine, bad, "x", None).await).ends_with(" key"));
        assert!(code(variables.delete_for(mine, bad).await).ends_with(" key"));
        assert!(code(variables.increment_for(mine, bad, 1).await).ends_with(" key"));
    }
    assert_eq!(
        code(variables.write_for(mine, "A", "a\0", None).await),
        "Invalid value"
    );
    let long = "x".repeat((64 << 10) + 1);
    assert_eq!(
        code(variables.write_for(mine, "A", &long, None).await),
        "TooLong value"
    );
}

#[tokio::test]
async fn the_rights_of_the_owner_count_as_they_are_at_that_moment() {
    let test = TestApp::start().await;
    let (me, admin) = (
        test.person(UserRole::Editor).await,
        test.sign_in(UserRole::Admin).await,
    );
    let variables = &test.app.variables;
    variables
        .write_for(script(&me), "A", "1", None)
        .await
        .ok()
        .unwrap();
    let change = "mutation ($i: UpdateUserInput!) { updateUser(input: $i) { userErrors { code } } }";
    let roles = test.graphql(&admin, "{ roles { id name } }", json!({})).await;
    let viewer = roles["data"]["roles"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["name"] == "VIEWER")
        .unwrap();
    let demoted = json!({ "i": { "id": me.id, "roleId": viewer["id"] } });
    test.graphql(&admin, change, demoted).await;
    assert_eq!(text(&test, &me, "A").await.unwrap(), "1", "viewers read");
    assert_eq!(
        code(variables.write_for(script(&me), "A", "2", None).await),
        "Err(Forbidden)"
    );
    assert_eq!(
        code(variables.increment_for(script(&me), "A", 1).await),
        "Err(Forbidden)"
    );
    assert_eq!(
        code(variables.delete_for(script(&me), "A").await),
        "Err(Forbidden)"
    );
    let disabled = json!({ "i": { "id": me.id, "status": "DISABLED" } });
    test.graphql(&admin, change, disabled).await;
    assert_eq!(code(variables.read_for(user(&me), "A").await), "Err(Forbidden)");
}

#[tokio::test]
async fn counters_count_each_step_once_however_many_count_at_once() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let variables = &test.app.variables;
    let steps = (0..60).map(|_| variables.increment_for(script(&me), "COUNT", 1));
    let mut counts: Vec<i64> = join_all(steps)
        .await
        .into_iter()
        .map(|count| count.ok().unwrap())
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=60).collect::<Vec<_>>());
    assert_eq!(
        list(&test, &me.token, json!({})).await.len(),
        1,
        "the first ones made one together"
    );
    assert_eq!(
        variables
            .increment_for(script(&me), "COUNT", -61)
            .await
            .ok()
            .unwrap(),
        -1
    );
    assert_eq!(text(&test, &me, "COUNT").await.unwrap(), "-1");
}

#[tokio::test]
async fn a_count_waits_for_a_change_under_way_and_goes_on_from_it() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    made(&test, &me.token, json!({ "key": "COUNT", "value": "1" })).await;
    let pool = &test.app.kernel.pool;
    let mut other = pool.begin().await.unwrap();
    sqlx::query("UPDATE variables SET value = '100'")
        .execute(&mut *other)
        .await
        .unwrap();
    let (variables, by) = (test.app.variables.clone(), script(&me));
    let counting = tokio::spawn(async move { variables.increment_for(by, "COUNT", 1).await });
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')";
    while !sqlx::query_scalar::<_, bool>(waits)
        .fetch_one(pool)
        .await
        .unwrap()
    {
        tokio::task::yield_now().await;
    }
    other.commit().await.unwrap();
    assert_eq!(counting.await.unwrap().ok().unwrap(), 101);
}

#[tokio::test]
async fn what_cant_be_counted_is_refused_and_stays_as_it_is() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let variables = &test.app.variables;
    for (key, value) in [
        ("WORD", "one"),
        ("FRACTION", "1.5"),
        ("EMPTY", ""),
        ("FULL", "9223372036854775807"),
    ] {
        made(&test, &me.token, json!({ "key": key, "value": value })).await;
        assert_eq!(
            code(variables.increment_for(script(&me), key, 1).await),
            "Invalid key",
            "{key}"
        );
        assert_eq!(text(&test, &me, key).await.unwrap(), value);
    }
    made(
        &test,
        &me.token,
        json!({ "key": "SECRET", "value": "1", "secret": true }),
    )
    .await;
    assert_eq!(
        code(variables.increment_for(script(&me), "SECRET", 1).await),
        "Unsupported key"
    );
    assert_eq!(text(&test, &me, "SECRET").await.unwrap(), "1");
}

#[tokio::test]
async fn a_script_keeps_secrets_secret_unless_it_says_otherwise() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let variables = &test.app.variables;
    let write = async |text: &str, secret| {
        let written = variables.write_for(script(&me), "A", text, secret).await;
        written.ok().unwrap().secret
    };
    assert!(write("1", Some(true)).await && write("2", None).await);
    let read = variables.read_for(user(&me), "A").await.ok().unwrap().unwrap();
    assert_eq!((read.text.as_str(), read.secret), ("2", true));
    assert!(!write("3", Some(false)).await);
    assert_eq!(list(&test, &me.token, json!({})).await[0]["value"], "3");
}

#[tokio::test]
async fn what_others_depend_on_is_in_the_audit_log_with_the_execution() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let variables = &test.app.variables;
    let mine = script(&me);
    variables.write_for(mine, "PLAIN", "1", None).await.ok().unwrap();
    variables.increment_for(mine, "PLAIN", 1).await.ok().unwrap();
    variables.delete_for(mine, "PLAIN").await.ok().unwrap();
    assert!(
        entries(&test).await.is_empty(),
        "a person's plain variables are their scripts' business"
    );
    variables
        .write_for(mine, "SECRET", "hunter2", Some(true))
        .await
        .ok()
        .unwrap();
    variables
        .write_for(mine, "SECRET", "plain", Some(false))
        .await
        .ok()
        .unwrap();
    made(
        &test,
        &me.token,
        json!({ "key": "SHARED", "value": "1", "scope": "SHARED" }),
    )
    .await;
    variables.increment_for(mine, "SHARED", 1).await.ok().unwrap();
    variables.delete_for(mine, "SHARED").await.ok().unwrap();
    let log = entries(&test).await;
    let found: Vec<_> = log
        .iter()
        .map(|(action, name, _, after)| (action.as_str(), name.as_str(), after["executionId"].is_string()))
        .collect();
    let expected = [
        ("DELETE_VARIABLE", "SHARED", true),
        ("UPDATE_VARIABLE", "SHARED", true),
        ("CREATE_VARIABLE", "SHARED", false),
        ("UPDATE_VARIABLE", "SECRET", true),
        ("CREATE_VARIABLE", "SECRET", true),
    ];
    assert_eq!(found, expected);
    assert_eq!(log[0].3["executionId"], mine.execution.global().as_str());
    assert!(!format!("{log:?}").contains("hunter2"));
}
