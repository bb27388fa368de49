//! Managing people and roles: who may, what takes effect when, and what must not happen even at the same time.

use cronium_entity::enums::UserRole;
use futures::future::join;
use serde_json::{Value, json};

use crate::jobs::event;
use crate::support::{PASSWORD, TestApp};

const UPDATE: &str = "mutation ($i: UpdateUserInput!) { updateUser(input: $i) {
    user { name role status assignedRole { name builtIn } permissions } userErrors { code field } } }";
const SAVE: &str = "mutation ($i: SaveRoleInput!) { saveRole(input: $i) {
    role { id name permissions userCount } userErrors { code field } } }";
const DELETE: &str =
    "mutation ($id: ID!) { deleteRole(input: { id: $id }) { deletedId userErrors { code field } } }";

async fn update(test: &TestApp, token: &str, input: Value) -> Value {
    test.graphql(token, UPDATE, json!({ "i": input })).await["data"]["updateUser"].clone()
}

async fn save(test: &TestApp, token: &str, input: Value) -> Value {
    test.graphql(token, SAVE, json!({ "i": input })).await["data"]["saveRole"].clone()
}

fn error(payload: &Value) -> (&str, &Value) {
    let first = &payload["userErrors"][0];
    (first["code"].as_str().unwrap_or_default(), &first["field"])
}

#[tokio::test]
async fn people_are_found_by_text_role_and_state() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let editor = test.person(UserRole::Editor).await;
    update(
        &test,
        &admin.token,
        json!({ "id": editor.id, "name": "Ada Lovelace" }),
    )
    .await;
    let find = async |filter: Value| {
        let query = "query ($f: UserFilter) { users(filter: $f, first: 10) { totalCount nodes { email } } }";
        let found = test.graphql(&admin.token, query, json!({ "f": filter })).await["data"]["users"].clone();
        let nodes = found["nodes"]
            .as_array()
            .unwrap_or_else(|| panic!("{found}"))
            .clone();
        assert_eq!(found["totalCount"], nodes.len());
        nodes
            .iter()
            .map(|node| node["email"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(find(Value::Null).await.len(), 2);
    assert_eq!(find(json!({ "text": "lovel" })).await, [editor.email.as_str()]);
    assert_eq!(find(json!({ "role": "ADMIN" })).await, [admin.email.as_str()]);
    assert!(
        find(json!({ "role": "ADMIN", "status": "DISABLED" }))
            .await
            .is_empty()
    );
    assert!(find(json!({ "roleId": "nonsense" })).await.is_empty());
}

#[tokio::test]
async fn the_last_active_administrator_stays_one() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    for change in [json!({ "role": "EDITOR" }), json!({ "status": "DISABLED" })] {
        let mut input = change;
        input["id"] = json!(admin.id);
        assert_eq!(
            error(&update(&test, &admin.token, input).await),
            ("CONFLICT", &json!(["id"]))
        );
    }
    let other = test.person(UserRole::Admin).await;
    let demoted = update(&test, &admin.token, json!({ "id": other.id, "role": "VIEWER" })).await;
    assert_eq!(demoted["user"]["role"], "VIEWER");
}

#[tokio::test]
async fn two_administrators_who_demote_each_other_at_the_same_time_leave_one() {
    let test = TestApp::start().await;
    for _ in 0..8 {
        let (a, b) = (
            test.person(UserRole::Admin).await,
            test.person(UserRole::Admin).await,
        );
        let demote = |token: String, id: String| async {
            let (token, id) = (token, id);
            update(&test, &token, json!({ "id": id, "role": "VIEWER" })).await["user"]["role"] == "VIEWER"
        };
        let (one, two) = join(
            demote(a.token.clone(), b.id.clone()),
            demote(b.token.clone(), a.id.clone()),
        )
        .await;
        assert!(one != two, "exactly one of them: {one} {two}");
        sqlx::query("DELETE FROM users")
            .execute(&test.app.kernel.pool)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_disabled_account_looks_like_one_that_is_not_there() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let me = test.person(UserRole::Editor).await;
    let sign_in = "mutation ($e: String!, $p: String!) { signIn(input: { email: $e, password: $p }) {
        viewer { id } userErrors { code message field } } }";
    let attempt = async |email: &str| {
        test.graphql("", sign_in, json!({ "e": email, "p": PASSWORD }))
            .await
    };
    update(&test, &admin.token, json!({ "id": me.id, "status": "DISABLED" })).await;
    assert_eq!(attempt(&me.email).await, attempt("nobody@example.test").await);
    assert!(!test.works(&me.token).await);
    update(&test, &admin.token, json!({ "id": me.id, "status": "ACTIVE" })).await;
    assert_eq!(attempt(&me.email).await["data"]["signIn"]["viewer"]["id"], me.id);
}

#[tokio::test]
async fn a_custom_role_allows_what_it_says_from_the_next_request_on() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let me = test.person(UserRole::Editor).await;
    event(&test, &admin.token, json!({})).await;
    let saved = save(
        &test,
        &admin.token,
        json!({ "name": "Auditor", "permissions": ["READ_EVENTS", "ALL_RESOURCES"] }),
    )
    .await;
    let role = saved["role"]["id"].clone();
    let given = update(&test, &admin.token, json!({ "id": me.id, "roleId": role })).await["user"].clone();
    assert_eq!(
        given["assignedRole"],
        json!({ "name": "Auditor", "builtIn": false })
    );
    assert_eq!(given["permissions"], json!(["READ_EVENTS", "ALL_RESOURCES"]));
    let count = async || {
        test.graphql(&me.token, "{ events(first: 5) { totalCount } }", json!({}))
            .await
    };
    assert_eq!(
        count().await["data"]["events"]["totalCount"],
        1,
        "what others own"
    );
    let made = "mutation { createEvent(input: { name: \"x\", type: BASH, source: \"true\" }) { userErrors { code } } }";
    let refused = test.graphql(&me.token, made, json!({})).await;
    assert_eq!(
        refused["data"]["createEvent"]["userErrors"],
        json!([{ "code": "FORBIDDEN" }])
    );
    let narrowed = json!({ "id": role, "name": "Auditor", "permissions": ["READ_EVENTS"] });
    assert_eq!(save(&test, &admin.token, narrowed).await["role"]["userCount"], 1);
    assert_eq!(count().await["data"]["events"]["totalCount"], 0);
    let used = test.graphql(&admin.token, DELETE, json!({ "id": role })).await["data"]["deleteRole"].clone();
    assert_eq!(error(&used), ("IN_USE", &json!(["id"])));
    update(&test, &admin.token, json!({ "id": me.id, "role": "EDITOR" })).await;
    let gone = test.graphql(&admin.token, DELETE, json!({ "id": role })).await["data"]["deleteRole"].clone();
    assert_eq!(gone["deletedId"], role);
    let given = update(&test, &admin.token, json!({ "id": me.id, "roleId": role })).await;
    assert_eq!(error(&given), ("NOT_FOUND", &json!(["roleId"])));
}

#[tokio::test]
async fn a_role_that_was_changed_meanwhile_is_not_overwritten() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    let made = save(&test, &admin, json!({ "name": "Ops", "permissions": [] })).await;
    let input = |version: i32, name: &str| json!({ "id": made["role"]["id"], "expectedVersion": version, "name": name, "permissions": [] });
    let (one, two) = join(
        save(&test, &admin, input(1, "One")),
        save(&test, &admin, input(1, "Two")),
    )
    .await;
    let refused: Vec<_> = [&one, &two]
        .into_iter()
        .filter(|saved| saved["role"].is_null())
        .collect();
    assert_eq!(refused.len(), 1, "{one} {two}");
    assert_eq!(error(refused[0]), ("CONFLICT", &json!(["expectedVersion"])));
    let versions = test
        .graphql(&admin, "{ roles { builtIn version } }", json!({}))
        .await["data"]["roles"]
        .clone();
    assert_eq!(versions[4], json!({ "builtIn": false, "version": 2 }));
    assert_eq!(versions[0]["version"], Value::Null);
    assert_eq!(
        save(&test, &admin, input(2, "Three")).await["userErrors"],
        json!([])
    );
}

#[tokio::test]
async fn names_of_roles_are_unique_and_built_in_roles_stay() {
    let test = TestApp::start().await;
    let admin = test.sign_in(UserRole::Admin).await;
    assert_eq!(
        save(&test, &admin, json!({ "name": "Ops", "permissions": [] })).await["userErrors"],
        json!([])
    );
    for name in ["oPS", "viewer"] {
        let taken = save(&test, &admin, json!({ "name": name, "permissions": [] })).await;
        assert_eq!(error(&taken), ("TAKEN", &json!(["name"])));
    }
    let roles = test
        .graphql(&admin, "{ roles { id name builtIn permissions } }", json!({}))
        .await["data"]["roles"]
        .clone();
    let names: Vec<_> = roles
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ADMIN", "EDITOR", "OPERATOR", "VIEWER", "Ops"]);
    let built_in = &roles[1]["id"];
    let changed = save(
        &test,
        &admin,
        json!({ "id": built_in, "name": "x", "permissions": [] }),
    )
    .await;
    assert_eq!(error(&changed), ("CONFLICT", &json!(["id"])));
    let deleted = test.graphql(&admin, DELETE, json!({ "id": built_in })).await["data"]["deleteRole"].clone();
    assert_eq!(error(&deleted), ("CONFLICT", &json!(["id"])));
}

#[tokio::test]
async fn who_manages_people_gives_and_takes_nothing_above_themselves() {
    let test = TestApp::start().await;
    let admin = test.person(UserRole::Admin).await;
    let manager = test.person(UserRole::Viewer).await;
    let viewer = test.person(UserRole::Viewer).await;
    let scopes = [
        "MANAGE_USERS",
        "MANAGE_ROLES",
        "READ_EVENTS",
        "READ_JOBS",
        "READ_SYSTEM",
        "MANAGE_ACCOUNT",
        "READ_VARIABLES",
        "READ_SERVERS",
    ];
    let role = save(
        &test,
        &admin.token,
        json!({ "name": "People", "permissions": scopes }),
    )
    .await["role"]["id"]
        .clone();
    let strong = save(
        &test,
        &admin.token,
        json!({ "name": "Strong", "permissions": ["RUN_EVENTS"] }),
    )
    .await["role"]["id"]
        .clone();
    update(&test, &admin.token, json!({ "id": manager.id, "roleId": role })).await;
    let by = &manager.token;
    let up = update(&test, by, json!({ "id": manager.id, "role": "ADMIN" })).await;
    assert_eq!(error(&up), ("FORBIDDEN", &json!(["role"])));
    let off = update(&test, by, json!({ "id": admin.id, "status": "DISABLED" })).await;
    assert_eq!(error(&off), ("FORBIDDEN", &json!(["id"])));
    let wide = save(
        &test,
        by,
        json!({ "name": "Mine", "permissions": ["RUN_EVENTS"] }),
    )
    .await;
    assert_eq!(error(&wide), ("FORBIDDEN", &json!(["permissions"])));
    let theirs = save(
        &test,
        by,
        json!({ "id": strong, "name": "Strong", "permissions": [] }),
    )
    .await;
    assert_eq!(error(&theirs), ("FORBIDDEN", &json!(["id"])));
    let given = update(&test, by, json!({ "id": viewer.id, "roleId": role })).await;
    assert_eq!(given["user"]["assignedRole"]["name"], "People");
}
