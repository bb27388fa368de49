//! What must not be read, shown, doubled or half done.

use cronium_entity::enums::UserRole;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{
    counts, create, everything, export, fault, faults, import, names, problems, request, rows, secret, text,
};
use crate::support::TestApp;

#[tokio::test]
async fn bombs_depths_and_floods_are_refused_before_they_grow() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let before = rows(&test).await;
    let bomb = (1..12).fold("cronium: 1\na0: &a0 [lol, lol]\n".to_owned(), |text, n| {
        text + &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "))
    }) + "events: *a11\n";
    let merge = "cronium: 1\nevents:\n- &a {name: A, type: BASH, source: id}\n- <<: *a\n  name: B\n";
    let deep = |open: &str, times: usize| format!("cronium: 1\nevents: {}", open.repeat(times));
    let in_json = |open: &str, times: usize| format!("{{\"cronium\": 1, \"events\": {}", open.repeat(times));
    for content in [
        bomb,
        merge.to_owned(),
        deep("[", 100_000),
        deep("{a: ", 100_000),
        format!("cronium: 1\nevents:\n{}", "- ".repeat(100_000)),
        in_json("[", 700_000),
        in_json("{\"a\":", 200_000),
        format!("cronium: 1\nevents: [{}1]", "1,".repeat(200_000)),
        format!("{{\"cronium\": 1, \"events\": [{}1]}}", "1,".repeat(200_000)),
        "cronium: 1\nevents: !!python/object:os.system [id]\n".into(),
        "cronium: 1\nevents:\n- {name: A, type: BASH, source: id}\n\0- what nobody sees".into(),
    ] {
        let found = problems(&import(&test, &me.token, &content, json!({})).await);
        assert_eq!((found.len(), found[0].1.as_str()), (1, "content"), "{found:?}");
        assert!(found[0].2.len() < 200);
    }
    let nul = r#"{"cronium": 1, "events": [{"name": "A", "type": "HTTP_REQUEST", "http": {"url": "http://x/\u0000"}}]}"#;
    let found = faults(&import(&test, &me.token, nul, json!({})).await);
    assert_eq!(found, fault("INVALID", "content.events.0.http.url"));
    let long = format!("cronium: 1\nevents: [] #{}", "x".repeat(3 << 19));
    assert_eq!(
        faults(&import(&test, &me.token, &long, json!({})).await),
        fault("TOO_LONG", "content")
    );
    let many = |count: usize| {
        let all = (0..count).map(|n| format!("- {{name: E{n}, type: BASH, source: id}}\n"));
        format!("cronium: 1\nevents:\n{}", all.collect::<String>())
    };
    assert_eq!(
        faults(&import(&test, &me.token, &many(501), json!({})).await),
        fault("TOO_LONG", "content.events")
    );
    let all_wrong = many(500).replace("BASH", "BASHFUL");
    let told = problems(&import(&test, &me.token, &all_wrong, json!({})).await);
    assert_eq!(
        (told.len(), told[100].2.as_str()),
        (101, "There are 400 more problems.")
    );
    assert_eq!(rows(&test).await, before);
    assert_eq!(
        counts(&import(&test, &me.token, &many(500), json!({})).await),
        [500, 0, 0, 0]
    );
    create(
        &test,
        &me.token,
        json!({ "name": "one more", "type": "BASH", "source": "id" }),
    )
    .await;
    let refused = export(&test, &me.token, json!({})).await;
    assert_eq!(refused["userErrors"][0]["code"], "LIMIT_REACHED", "{refused}");
    assert_eq!(
        (&refused["userErrors"][0]["field"], &refused["content"]),
        (&json!(["filter"]), &Value::Null)
    );
    for n in 0..2 {
        let big = json!({ "name": format!("Big {n}"), "type": "BASH", "source": "x".repeat(1 << 20) });
        create(&test, &me.token, big).await;
    }
    let one = export(&test, &me.token, json!({ "filter": { "text": "Big 1" } })).await;
    assert_eq!((&one["userErrors"], &one["exported"]), (&json!([]), &json!(1)));
    let both = export(&test, &me.token, json!({ "filter": { "text": "Big" } })).await;
    assert_eq!(both["userErrors"][0]["code"], "LIMIT_REACHED");
}

#[tokio::test]
async fn an_event_of_somebody_else_is_not_exported_and_looks_like_none() {
    let test = TestApp::start().await;
    let (owner, me) = (
        test.person(UserRole::Editor).await,
        test.person(UserRole::Editor).await,
    );
    let mine = create(
        &test,
        &me.token,
        json!({ "name": "Mine", "type": "BASH", "source": "id" }),
    )
    .await;
    let mut private = everything();
    private["shared"] = json!(false);
    let theirs = create(&test, &owner.token, private).await;
    for absent in [theirs.as_str(), "RXZlbnQ6eA", me.id.as_str()] {
        let refused = export(&test, &me.token, json!({ "eventIds": [mine, absent] })).await;
        let error = &refused["userErrors"][0];
        assert_eq!(
            (
                &error["code"],
                &error["field"],
                &error["message"],
                &refused["content"]
            ),
            (
                &json!("NOT_FOUND"),
                &json!(["eventIds", "1"]),
                &json!("There is no such event."),
                &Value::Null
            )
        );
    }
    let found = export(&test, &me.token, json!({ "filter": { "text": "backup" } })).await;
    assert_eq!(found["exported"], 0);
    let both = export(&test, &me.token, json!({ "eventIds": [mine], "filter": {} })).await;
    assert_eq!(both["userErrors"][0]["field"], json!(["filter"]));
    // The names of others are free, and theirs stay as they are.
    let content = text(&test, &owner.token, "YAML")
        .await
        .replace("echo", "echo changed");
    let update = json!({ "onConflict": "UPDATE" });
    assert_eq!(
        counts(&import(&test, &me.token, &content, update.clone()).await),
        [1, 0, 0, 0]
    );
    let admin = test.person(UserRole::Admin).await;
    assert_eq!(
        counts(&import(&test, &admin.token, &content, update).await),
        [1, 0, 0, 0]
    );
    assert!(!text(&test, &owner.token, "YAML").await.contains("echo changed"));
}

#[tokio::test]
async fn no_secret_is_in_any_text() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    secret(&test, &me.token, "TOKEN", "hunter2-hunter2").await;
    create(&test, &me.token, request()).await;
    for format in ["YAML", "JSON"] {
        let out = text(&test, &me.token, format).await;
        assert!(
            out.contains("Bearer {{ secrets.TOKEN }}") && !out.contains("hunter2"),
            "{out}"
        );
    }
}

const ONE: &str =
    "cronium: 1\nevents: [{name: A, type: BASH, source: id}, {name: B, type: BASH, source: id}]";

#[tokio::test]
async fn two_imports_at_once_make_each_event_once() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    let all = join_all((0..4).map(|_| import(&test, &me.token, ONE, json!({})))).await;
    let good = all.iter().filter(|payload| payload["created"] == 2).count();
    assert_eq!(good, 1, "{all:?}");
    assert_eq!(names(&test, &me.token).await, ["A", "B"]);
    let changed = ONE.replace("id", "who");
    let update = json!({ "onConflict": "UPDATE" });
    let all = join_all((0..4).map(|_| import(&test, &me.token, &changed, update.clone()))).await;
    let updated: i64 = all
        .iter()
        .map(|payload| payload["updated"].as_i64().unwrap())
        .sum();
    assert_eq!(updated, 2, "{all:?}");
    let rename = json!({ "onConflict": "RENAME" });
    join_all((0..3).map(|_| import(&test, &me.token, ONE, rename.clone()))).await;
    let expected = [
        "A",
        "A (copy 2)",
        "A (copy 3)",
        "A (copy)",
        "B",
        "B (copy 2)",
        "B (copy 3)",
        "B (copy)",
    ];
    assert_eq!(names(&test, &me.token).await, expected);
}

#[tokio::test]
async fn a_quota_lets_all_of_it_in_or_nothing() {
    let test = TestApp::start().await;
    let (admin, me) = (
        test.person(UserRole::Admin).await,
        test.person(UserRole::Editor).await,
    );
    let quota = "mutation ($i: SetQuotaInput!) { setQuota(input: $i) { userErrors { code } } }";
    let limit = |limit: i32| json!({ "i": { "subject": { "user": me.id }, "limits": [{ "kind": "EVENTS", "limit": limit }] } });
    test.graphql(&admin.token, quota, limit(1)).await;
    for dry in [true, false] {
        let refused = import(&test, &me.token, ONE, json!({ "dryRun": dry })).await;
        assert_eq!(faults(&refused)[0].0, "LIMIT_REACHED");
    }
    assert!(names(&test, &me.token).await.is_empty());
    test.graphql(&admin.token, quota, limit(2)).await;
    test.clock.advance(chrono::TimeDelta::seconds(2));
    assert_eq!(
        counts(&import(&test, &me.token, ONE, json!({})).await),
        [2, 0, 0, 0]
    );
    // What only changes is no more than it was.
    let update = json!({ "onConflict": "UPDATE" });
    assert_eq!(
        counts(&import(&test, &me.token, &ONE.replace("id", "who"), update).await),
        [0, 2, 0, 0]
    );
}

#[tokio::test]
async fn an_import_changes_what_is_there_only_with_the_permission_to_change() {
    let test = TestApp::start().await;
    let me = test.person(UserRole::Editor).await;
    import(&test, &me.token, ONE, json!({})).await;
    let create =
        "mutation ($s: [Scope!]!) { createApiToken(input: { name: \"CI\", scopes: $s }) { secret } }";
    let scopes = json!({ "s": ["READ_EVENTS", "CREATE_EVENTS"] });
    let made = test.graphql(&me.token, create, scopes).await;
    let secret = made["data"]["createApiToken"]["secret"]
        .as_str()
        .unwrap_or_else(|| panic!("{made}"));
    let update = json!({ "onConflict": "UPDATE" });
    let refused = import(&test, secret, &ONE.replace("id", "who"), update).await;
    assert_eq!(faults(&refused), fault("FORBIDDEN", "onConflict"));
    assert_eq!(
        counts(&import(&test, secret, ONE, json!({ "onConflict": "SKIP" })).await),
        [0, 0, 0, 2]
    );
    // Two of one name: which one is meant?
    super::create(
        &test,
        &me.token,
        json!({ "name": "A", "type": "BASH", "source": "other" }),
    )
    .await;
    let unclear = import(&test, &me.token, ONE, json!({ "onConflict": "UPDATE" })).await;
    assert_eq!(faults(&unclear), fault("CONFLICT", "content.events.0.name"));
}
