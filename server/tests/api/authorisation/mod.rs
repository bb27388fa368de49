//! Every root field of the API, asked over the real router by nobody, by somebody whose business it is not, and
//! by somebody whose it is; and with exactly the scopes that the policy's table names, and one fewer.

mod cases;
mod world;

use std::collections::BTreeSet;

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use cronium_server::access::fields::{FIELDS, Need};
use cronium_server::access::{Action, roles};
use cronium_server::transport::schema;
use serde_json::{Value, json};

use cases::{Case, Expect};
use world::{Who, World};

/// `Query.event` and so on, as the contract has them.
fn root_fields() -> BTreeSet<String> {
    let contract = include_str!("../../../../schema.graphql");
    let mut found = BTreeSet::new();
    for definition in parse_schema(contract).unwrap().definitions {
        let TypeSystemDefinition::Type(node) = definition else {
            continue;
        };
        let name = node.node.name.node.to_string();
        if let (TypeKind::Object(object), "Query" | "Mutation" | "Subscription") =
            (node.node.kind, name.as_str())
        {
            found.extend(
                object
                    .fields
                    .iter()
                    .map(|field| format!("{name}.{}", field.node.name.node)),
            );
        }
    }
    found
}

#[test]
fn every_root_field_has_its_cases_and_its_needs() {
    let fields = root_fields();
    assert!(fields.len() >= 40, "the contract was read: {fields:?}");
    let cases: BTreeSet<_> = cases::all().map(|case| case.field.to_owned()).collect();
    assert_eq!(cases, fields, "each root field has one case here");
    let needs: BTreeSet<_> = FIELDS
        .iter()
        .map(|(of, name, _)| format!("{of}.{name}"))
        .collect();
    assert_eq!(
        needs, fields,
        "each root field says what it needs in access::fields"
    );
    assert_eq!(
        include_str!("../../../../schema.graphql"),
        schema::sdl(),
        "the contract is the code's: just schema"
    );
}

/// What an answer shows, if it is not what was expected.
fn wrong(expect: Expect, field: &str, answer: &Value, vars: &Value) -> Option<&'static str> {
    let name = field.rsplit('.').next().unwrap();
    let data = &answer["data"][name];
    let code = &answer["errors"][0]["extensions"]["code"];
    let text = answer.to_string();
    let good = answer["errors"].is_null();
    let done = good && !data.is_null() && data["userErrors"].as_array().is_none_or(Vec::is_empty);
    let holds = match expect {
        Expect::Refused(expected) => code == expected && data.is_null(),
        Expect::UserError(expected) => good && data["userErrors"][0]["code"] == expected,
        Expect::Null => good && data.is_null(),
        Expect::Nulls => {
            good && data
                .as_array()
                .is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_null))
        }
        Expect::Done => done,
        Expect::With(var) => done && text.contains(vars[var].as_str().unwrap()),
        Expect::Without(var) => done && !text.contains(vars[var].as_str().unwrap()),
    };
    (!holds).then_some("is not what was expected")
}

async fn check(world: &World, case: &Case, who: Who, expect: Expect, vars: &Value) -> Option<String> {
    let document = match (who, case.foreign_document) {
        (who, Some(document)) if who == case.foreign.0 && expect == case.foreign.1 => document,
        _ => case.document,
    };
    let answer = world.ask(case.field, who, document, vars).await;
    wrong(expect, case.field, &answer, vars)
        .map(|why| format!("{} by {who:?}: {answer} {why}: {expect:?}", case.field))
}

#[tokio::test]
async fn every_root_field_refuses_nobody_and_strangers_and_serves_whose_it_is() {
    let world = World::new().await;
    let mut problems = Vec::new();
    for case in cases::all() {
        let vars = world.fixtures().await;
        for (who, expect) in [(Who::Nobody, case.anonymous), case.foreign, case.permitted] {
            problems.extend(check(&world, case, who, expect, &vars).await);
        }
        assert!(
            world.owner_is_signed_in().await,
            "{} ended the owner's session",
            case.field
        );
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn is_forbidden(field: &str, answer: &Value) -> bool {
    let name = field.rsplit('.').next().unwrap();
    answer["errors"][0]["extensions"]["code"] == "FORBIDDEN"
        || answer["data"][name]["userErrors"][0]["code"] == "FORBIDDEN"
}

#[tokio::test]
async fn a_token_needs_exactly_the_scopes_that_are_said() {
    let world = World::new().await;
    let mut problems = Vec::new();
    for case in cases::all() {
        let (of, name) = case.field.split_once('.').unwrap();
        let need = FIELDS
            .iter()
            .find(|field| (field.0, field.1) == (of, name))
            .unwrap()
            .2;
        let (enough, too_few): (Vec<Vec<Action>>, Vec<Vec<Action>>) = match need {
            Need::Nothing => continue,
            Need::All(needs) => {
                let without = |gone: &Action| all_but(case.permitted.0, &[*gone]);
                (vec![needs.to_vec()], needs.iter().map(without).collect())
            }
            Need::Any(needs) => {
                let may = roles::permissions(case.permitted.0.role());
                let each = needs
                    .iter()
                    .filter(|need| may.contains(**need))
                    .map(|need| vec![*need]);
                (each.collect(), vec![all_but(case.permitted.0, needs)])
            }
        };
        for (scopes, expected) in enough
            .iter()
            .map(|s| (s, false))
            .chain(too_few.iter().map(|s| (s, true)))
        {
            let vars = world.fixtures().await;
            let secret = world.token(case.permitted.0, scopes).await;
            let answer = world.ask_with(case.field, &secret, case.document, &vars).await;
            if is_forbidden(case.field, &answer) != expected {
                problems.push(format!("{} with {scopes:?}: {answer}", case.field));
            }
            world.revive().await;
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// All that this person may do, but these.
fn all_but(who: Who, gone: &[Action]) -> Vec<Action> {
    let may = roles::permissions(who.role());
    may.iter().filter(|action| !gone.contains(action)).collect()
}

#[tokio::test]
async fn an_explanation_names_the_rule_that_the_policy_follows() {
    let world = World::new().await;
    let vars = world.fixtures().await;
    let ask = async |user: &str, field: &str, node: &str| {
        let document = "query ($u: ID, $f: String, $n: ID) { authorizationExplain(input: { userId: $u, field: $f, nodeId: $n }) {
            allowed rule missing user { id } } }";
        let vars = json!({ "u": vars[user], "f": field, "n": vars[node] });
        world
            .ask("Query.authorizationExplain", Who::Admin, document, &vars)
            .await["data"]["authorizationExplain"]
            .clone()
    };
    for (user, field, node, allowed, rule) in [
        ("user", "runEvent", "event", true, "OWNER"),
        ("stranger", "runEvent", "event", false, "NOT_OWNER"),
        (
            "viewer",
            "Mutation.runEvent",
            "event",
            false,
            "MISSING_PERMISSION",
        ),
        ("stranger", "cancelJob", "job", false, "NOT_OWNER"),
        ("user", "executionLog", "execution", true, "OWNER"),
        ("admin", "deleteEvent", "event", true, "ALL_RESOURCES"),
        ("viewer", "serverInfo", "none", true, "PUBLIC"),
        ("viewer", "users", "none", false, "MISSING_PERMISSION"),
        ("user", "setVariable", "variable", true, "OWNER"),
        ("stranger", "setVariable", "variable", false, "NOT_OWNER"),
        ("user", "updateServer", "server", true, "OWNER"),
        ("stranger", "updateServer", "server", false, "NOT_OWNER"),
        ("user", "sendTerminalInput", "terminal", true, "OWNER"),
        ("stranger", "closeTerminal", "terminal", false, "NOT_OWNER"),
        (
            "viewer",
            "terminalOutput",
            "terminal",
            false,
            "MISSING_PERMISSION",
        ),
    ] {
        let found = ask(user, field, node).await;
        assert_eq!(
            (&found["allowed"], &found["rule"]),
            (&json!(allowed), &json!(rule)),
            "{user} {field}"
        );
        assert_eq!(found["user"]["id"], vars[user]);
    }
    assert_eq!(
        ask("viewer", "testEvent", "none").await["missing"],
        json!(["RUN_EVENTS", "CREATE_EVENTS"])
    );
}
