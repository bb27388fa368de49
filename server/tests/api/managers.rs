//! Somebody who manages people and is no administrator: what is above them stays out of reach, and each try is kept.

use cronium_entity::enums::UserRole;
use serde_json::{Value, json};

use crate::credentials::api_token;
use crate::jobs::{event, run};
use crate::support::{Person, TestApp};

/// Somebody with a custom role of these permissions.
async fn with(test: &TestApp, admin: &Person, permissions: &[&str]) -> Person {
    let person = test.person(UserRole::Viewer).await;
    let save = "mutation ($i: SaveRoleInput!) { saveRole(input: $i) { role { id } userErrors { message } } }";
    let input = json!({ "name": format!("Role {}", person.email), "permissions": permissions });
    let made = test.graphql(&admin.token, save, json!({ "i": input })).await;
    let role = &made["data"]["saveRole"]["role"]["id"];
    let give = "mutation ($i: UpdateUserInput!) { updateUser(input: $i) { userErrors { message } } }";
    let input = json!({ "id": person.id, "roleId": role });
    let given = test.graphql(&admin.token, give, json!({ "i": input })).await;
    assert_eq!(given["data"]["updateUser"]["userErrors"], json!([]), "{given}");
    person
}

async fn code(test: &TestApp, token: &str, document: &str, variables: Value) -> Value {
    let answer = test.graphql(token, document, variables).await;
    let fields = answer["data"].as_object().unwrap_or_else(|| panic!("{answer}"));
    fields.values().next().unwrap()["userErrors"][0]["code"].clone()
}

const SET: &str = "mutation ($s: QuotaSubject!, $k: QuotaKind!, $n: Int) {
    setQuota(input: { subject: $s, limits: [{ kind: $k, limit: $n }] }) { userErrors { code } } }";

#[tokio::test]
async fn what_belongs_to_administrators_is_out_of_reach_and_each_try_is_kept() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let manager = with(&test, &admin, &["MANAGE_USERS", "MANAGE_ACCOUNT"]).await;
    let me = &manager.token;
    let (token, secret) = api_token(&test, &admin.token, json!({ "scopes": ["READ_JOBS"] })).await;
    let sessions = "{ viewer { sessions(first: 1) { nodes { id } } roles: assignedRole { id } } }";
    let found = test.graphql(&admin.token, sessions, json!({})).await;
    let session = &found["data"]["viewer"]["sessions"]["nodes"][0]["id"];
    let role = &found["data"]["viewer"]["roles"]["id"];
    let limit = |subject: Value| json!({ "s": subject, "k": "CONCURRENT_JOBS", "n": 0 });
    for (what, document, variables) in [
        (
            "updateUser",
            "mutation ($id: ID!) { updateUser(input: { id: $id, role: ADMIN }) { userErrors { code } } }",
            json!({ "id": manager.id }),
        ),
        (
            "inviteUser",
            "mutation { inviteUser(input: { email: \"a@example.test\", role: ADMIN }) { userErrors { code } } }",
            json!({}),
        ),
        (
            "revokeSession",
            "mutation ($id: ID!) { revokeSession(input: { id: $id }) { userErrors { code } } }",
            json!({ "id": session }),
        ),
        (
            "revokeApiToken",
            "mutation ($id: ID!) { revokeApiToken(input: { id: $id }) { userErrors { code } } }",
            json!({ "id": token }),
        ),
        ("setQuota", SET, limit(json!({ "user": admin.id }))),
        ("setQuota", SET, limit(json!({ "role": role }))),
        ("setQuota", SET, limit(json!({ "installation": true }))),
    ] {
        assert_eq!(code(&test, me, document, variables).await, "FORBIDDEN", "{what}");
    }
    assert!(test.works(&admin.token).await && test.works(&secret).await);
    test.app.audit.flush_denials(true).await.ok().unwrap();
    let log = "{ auditLog(first: 100, filter: { outcome: DENIED }) { nodes { actorEmail targetName } } }";
    let kept = test.graphql(&admin.token, log, json!({})).await;
    let kept = kept["data"]["auditLog"]["nodes"].as_array().unwrap().clone();
    for what in [
        "updateUser",
        "inviteUser",
        "revokeSession",
        "revokeApiToken",
        "setQuota",
    ] {
        let named = json!({ "actorEmail": manager.email, "targetName": what });
        assert!(kept.contains(&named), "{what}: {kept:?}");
    }
    // Those who may do no more than they are theirs to manage.
    let below = with(&test, &admin, &["MANAGE_ACCOUNT"]).await;
    let limits = json!({ "s": { "user": below.id }, "k": "EVENTS", "n": 3 });
    assert_eq!(code(&test, me, SET, limits).await, Value::Null);
}

#[tokio::test]
async fn a_token_that_may_run_or_see_jobs_sees_no_source() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let id = event(&test, &me.token, json!({ "source": "echo it-is-secret" })).await;
    let job = run(&test, &me.token, json!({ "eventId": id })).await["job"]["id"].clone();
    let ask = "query ($id: ID!) { job(id: $id) { eventVersion { source } } }";
    for (scopes, sees) in [
        (json!(["READ_JOBS"]), false),
        (json!(["READ_JOBS", "READ_EVENTS"]), true),
    ] {
        let (_, secret) = api_token(&test, &me.token, json!({ "scopes": scopes })).await;
        let answer = test.graphql(&secret, ask, json!({ "id": job })).await;
        assert_eq!(answer.to_string().contains("it-is-secret"), sees, "{answer}");
        let refused = answer["errors"][0]["extensions"]["code"] == "FORBIDDEN";
        assert_ne!(refused, sees, "{answer}");
    }
}

#[tokio::test]
async fn what_may_not_be_seen_is_null_among_other_nodes_and_what_is_above_is_not_offered() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let manager = with(&test, &admin, &["MANAGE_USERS", "MANAGE_ACCOUNT"]).await;
    let below = with(&test, &admin, &["MANAGE_ACCOUNT"]).await;
    let id = event(&test, &admin.token, json!({})).await;
    let job = run(&test, &admin.token, json!({ "eventId": id })).await["job"]["id"].clone();
    let ask = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on User { viewerCan } } }";
    let ids = json!([admin.id, job, below.id, manager.id]);
    let answer = test.graphql(&manager.token, ask, json!({ "ids": ids })).await;
    assert_eq!(
        answer["data"]["nodes"],
        json!([
            { "id": admin.id, "viewerCan": ["READ"] },
            null,
            { "id": below.id, "viewerCan": ["READ", "CHANGE"] },
            { "id": manager.id, "viewerCan": ["READ", "CHANGE"] },
        ]),
        "{answer}"
    );
}
