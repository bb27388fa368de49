//! Each limit of a request, by itself: the largest document that it allows runs, and one more of the same is
//! refused by that limit and no other.

use cronium_entity::enums::UserRole;
use cronium_server::transport::graphql::limits::Limits;
use serde_json::{Value, json};

use crate::support::served::Served;

/// What becomes of a document: None when it ran without an error, else the code and the message.
async fn refusal(served: &Served, query: &str, variables: Value) -> Option<(String, String)> {
    let token = served.test.sign_in(UserRole::Editor).await;
    let body = json!({ "query": query, "variables": variables });
    let request = served.post(&token, "").json(&body);
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let Some(error) = body.get("errors").map(|errors| &errors[0]) else {
        assert_eq!(status, 200);
        return None;
    };
    assert_eq!(status, 400, "{error}");
    assert!(body.get("data").is_none(), "something of it ran: {body}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    Some((text(&error["extensions"]["code"]), text(&error["message"])))
}

/// Runs with `within`, and is refused in these words with `beyond`.
async fn holds(limits: Limits, within: &str, beyond: &str, code: &str, says: &str) {
    let served = Served::with_limits(limits).await;
    assert_eq!(
        refusal(&served, within, json!({})).await,
        None,
        "within the limit"
    );
    let (is, message) = refusal(&served, beyond, json!({})).await.expect("a refusal");
    assert_eq!(is, code, "{message}");
    assert!(message.contains(says), "{message}");
}

fn repeat(times: usize, part: impl Fn(usize) -> String) -> String {
    (0..times).map(part).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn depth_15() {
    // event → lastJob → event → …; each step is one level, and the name the last.
    let deep = |levels: usize| {
        let steps = repeat(levels - 2, |i| ["lastJob {", "event {"][i % 2].to_owned());
        let name = if levels.is_multiple_of(2) {
            "name"
        } else {
            "status"
        };
        format!(
            "{{ event(id: \"x\") {{ {steps} {name} {} }}",
            "} ".repeat(levels - 1)
        )
    };
    let says = "15 levels deep; this one has 16";
    holds(Limits::DEFAULT, &deep(15), &deep(16), "BAD_REQUEST", says).await;
}

#[tokio::test]
async fn brackets_60() {
    // A literal of the JSON scalar nests as deeply as it likes. Around it stand three brackets.
    let nested = |brackets: usize| {
        let (open, closed) = ("[".repeat(brackets - 3), "]".repeat(brackets - 3));
        format!(
            "mutation {{ runEvent(input: {{ eventId: \"x\", input: {open}{closed} }}) {{ job {{ id }} }} }}"
        )
    };
    let says = "Brackets may be nested 60 deep";
    holds(Limits::DEFAULT, &nested(60), &nested(61), "BAD_REQUEST", says).await;
    // Far beyond: whoever recursed here would end the process.
    let served = Served::start().await;
    let (_, message) = refusal(&served, &nested(200_000), json!({})).await.unwrap();
    assert!(message.contains("nested"), "{message}");
}

#[tokio::test]
async fn aliases_50() {
    let aliased = |n| format!("{{ viewer {{ {} }} }}", repeat(n, |i| format!("a{i}: name")));
    let says = "50 aliases; this one has 51";
    holds(Limits::DEFAULT, &aliased(50), &aliased(51), "BAD_REQUEST", says).await;
}

#[tokio::test]
async fn root_fields_20() {
    let roots = |n| format!("{{ {} }}", repeat(n, |i| format!("f{i}: viewer {{ role }}")));
    let says = "20 root fields; this one has 21";
    holds(Limits::DEFAULT, &roots(20), &roots(21), "BAD_REQUEST", says).await;
}

#[tokio::test]
async fn directives_in_one_place() {
    // Two are all that a place can have, as there are two and neither may stand twice: the limit is lowered.
    let limits = Limits {
        directives: 1,
        ..Limits::DEFAULT
    };
    for place in [
        "viewer { name D }",
        "viewer D { name }",
        "... D { viewer { name } }",
        "...F D",
    ] {
        let query = |directives: &str| {
            let fragment = "fragment F on Query { viewer { name } }";
            let fragment = if place.contains('F') { fragment } else { "" };
            format!("{{ {} }} {fragment}", place.replace('D', directives))
        };
        let (within, beyond) = (
            query("@skip(if: false)"),
            query("@skip(if: false) @include(if: true)"),
        );
        let says = "1 directives in one place; this one has 2";
        holds(limits.clone(), &within, &beyond, "BAD_REQUEST", says).await;
    }
}

#[tokio::test]
async fn directives_10() {
    let served = Served::start().await;
    let query = |n| format!("{{ viewer {{ name {} }} }}", "@skip(if: false) ".repeat(n));
    let (_, message) = refusal(&served, &query(10), json!({})).await.unwrap();
    assert!(
        message.contains("Duplicate directive"),
        "validation's own: {message}"
    );
    let (_, message) = refusal(&served, &query(11), json!({})).await.unwrap();
    assert!(
        message.contains("10 directives in one place; this one has 11"),
        "{message}"
    );
}

#[tokio::test]
async fn tokens_10_000() {
    let long = |tokens: usize| {
        let start = "mutation { runEvent(input: { eventId: \"x\", input: [";
        let end = "] }) { job { id } } }";
        // 13 tokens before the list's values, 10 after them.
        format!("{start}{}{end}", "1,".repeat(tokens - 23))
    };
    let says = "10000 tokens";
    holds(Limits::DEFAULT, &long(10_000), &long(10_001), "BAD_REQUEST", says).await;
}

#[tokio::test]
async fn fragments_that_contain_themselves() {
    let within = "{ ...a } fragment a on Query { ...b } fragment b on Query { viewer { name } }";
    let beyond = "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }";
    let says = "The fragment `a` contains itself";
    holds(Limits::DEFAULT, within, beyond, "BAD_REQUEST", says).await;
}

#[tokio::test]
async fn selections_within_selections_60() {
    // The operation and the viewer have one each.
    let chain = |n: usize| {
        let links = repeat(n - 3, |i| format!("fragment f{i} on Query {{ ...f{} }}", i + 1));
        let last = format!("fragment f{} on Query {{ viewer {{ name }} }}", n - 3);
        format!("{{ ...f0 }} {links} {last}")
    };
    let says = "Selections may be nested 60 deep";
    holds(Limits::DEFAULT, &chain(60), &chain(61), "BAD_REQUEST", says).await;
}

#[tokio::test]
async fn selections_within_fragments_that_are_met_twice() {
    // What is in the fragment was measured near the top, and stands 35 levels deeper the second time.
    let query = |n: usize| {
        let inner = format!("{} viewer {{ name }} {}", "... {".repeat(24), "}".repeat(24));
        let outer = format!("{} ...f {}", "... {".repeat(n), "}".repeat(n));
        format!("{{ ...f {outer} }} fragment f on Query {{ {inner} }}")
    };
    let says = "Selections may be nested 60 deep";
    holds(Limits::DEFAULT, &query(33), &query(34), "BAD_REQUEST", says).await;
}

#[tokio::test]
async fn inline_fragments_multiplied_by_fragments() {
    // 40 within each of 45: whoever recursed into that would need a stack for eighteen hundred.
    let inline = |inner: &str| format!("{} {inner} {}", "... {".repeat(40), "}".repeat(40));
    let links = repeat(45, |i| {
        format!(
            "fragment f{i} on Query {{ {} }}",
            inline(&format!("...f{}", i + 1))
        )
    });
    let query = format!("{{ ...f0 }} {links} fragment f45 on Query {{ viewer {{ name }} }}");
    let (_, message) = refusal(&Served::start().await, &query, json!({})).await.unwrap();
    assert!(message.contains("Selections may be nested 60 deep"), "{message}");
}

#[tokio::test]
async fn fragments_that_double() {
    // Spread twice by each one before it, so that the last one stands there 2^n times.
    let doubling = |n: usize| {
        let links = repeat(n, |i| {
            format!("fragment f{i} on User {{ ...f{0} ...f{0} }}", i + 1)
        });
        format!("{{ viewer {{ ...f0 }} }} {links} fragment f{n} on User {{ name }}")
    };
    let says = "the limit is 5000";
    holds(
        Limits::DEFAULT,
        &doubling(12),
        &doubling(13),
        "COMPLEXITY_EXCEEDED",
        says,
    )
    .await;
}

#[tokio::test]
async fn fragments_that_double_in_the_schemas_schema() {
    let doubling = |n: usize| {
        let links = repeat(n, |i| {
            format!("fragment f{i} on __Schema {{ ...f{0} ...f{0} }}", i + 1)
        });
        format!("{{ __schema {{ ...f0 }} }} {links} fragment f{n} on __Schema {{ description }}")
    };
    let says = "the limit is 5000";
    holds(
        Limits::DEFAULT,
        &doubling(12),
        &doubling(13),
        "COMPLEXITY_EXCEEDED",
        says,
    )
    .await;
}

#[tokio::test]
async fn measuring_takes_no_longer_for_fragments_that_double() {
    let doubling = repeat(40, |i| {
        format!("fragment f{i} on User {{ ...f{0} ...f{0} }}", i + 1)
    });
    let doubling = format!("{{ viewer {{ ...f0 }} }} {doubling} fragment f40 on User {{ name }}");
    let served = Served::start().await;
    let refused = refusal(&served, &doubling, json!({})).await.unwrap();
    assert_eq!(refused.0, "COMPLEXITY_EXCEEDED");
}

#[tokio::test]
async fn lists_of_the_schema_in_lists_3() {
    let within = "{ __schema { types { fields { args { name } } } } }";
    let beyond = "{ __schema { types { fields { args { type { possibleTypes { name } } } } } } }";
    holds(
        Limits::DEFAULT,
        within,
        beyond,
        "BAD_REQUEST",
        "reads the schema too deeply",
    )
    .await;
}

#[tokio::test]
async fn types_of_types_20() {
    // Under `__schema`, which is one itself.
    let deep = |levels: usize| {
        let of = "ofType { ".repeat(levels - 3);
        format!(
            "{{ __schema {{ queryType {{ {of} name {} }}",
            "} ".repeat(levels - 1)
        )
    };
    holds(
        Limits::DEFAULT,
        &deep(20),
        &deep(21),
        "BAD_REQUEST",
        "reads the schema too deeply",
    )
    .await;
}

#[tokio::test]
async fn nodes_10_000() {
    let lines =
        |n| format!("{{ execution(id: \"x\") {{ log(first: {n}) {{ lines {{ seq at stream text }} }} }} }}");
    let says = "up to 10001 nodes; the limit is 10000";
    holds(
        Limits::DEFAULT,
        &lines(10_000),
        &lines(10_001),
        "COMPLEXITY_EXCEEDED",
        says,
    )
    .await;
}

#[tokio::test]
async fn complexity_5_000() {
    // 100 × (nodes + its fields) + 1.
    let cost = |fields| {
        format!(
            "{{ events(first: 100) {{ nodes {{ {} }} }} }}",
            "name ".repeat(fields)
        )
    };
    let says = "This costs 5101; the limit is 5000";
    holds(Limits::DEFAULT, &cost(48), &cost(50), "COMPLEXITY_EXCEEDED", says).await;
}

#[tokio::test]
async fn a_mutation_costs_more_than_it_reads() {
    let limits = Limits {
        complexity: 12,
        ..Limits::DEFAULT
    };
    let within = "mutation { signOut { signedOut } }";
    let beyond = "mutation { a: signOut { signedOut } b: signOut { signedOut } }";
    holds(limits, within, beyond, "COMPLEXITY_EXCEEDED", "This costs 24").await;
}

#[tokio::test]
async fn every_operation_of_a_document_counts() {
    let served = Served::start().await;
    let query = format!(
        "query a {{ viewer {{ name }} }} query b {{ events(first: 100) {{ nodes {{ {} }} }} }}",
        "name ".repeat(50)
    );
    let token = served.test.sign_in(UserRole::Editor).await;
    let body = json!({ "query": query, "operationName": "a" });
    let body: Value = served
        .post(&token, "")
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "COMPLEXITY_EXCEEDED");
}

#[tokio::test]
async fn sizes_in_variables_count() {
    let served = Served::start().await;
    let query = "query ($n: Int!) { events(first: $n) { nodes { jobs(first: $n) { nodes { id } } } } }";
    assert_eq!(refusal(&served, query, json!({ "n": 45 })).await, None);
    let (code, message) = refusal(&served, query, json!({ "n": 60 })).await.unwrap();
    assert_eq!(code, "COMPLEXITY_EXCEEDED");
    assert!(message.contains("This costs 7321"), "{message}");
}

#[tokio::test]
async fn sizes_in_defaults_of_variables_count() {
    let query = |n| {
        format!(
            "query ($n: Int = {n}) {{ events(last: $n) {{ nodes {{ jobs(first: $n) {{ nodes {{ id }} }} }} }} }}"
        )
    };
    let says = "This costs 7321";
    holds(
        Limits::DEFAULT,
        &query(45),
        &query(60),
        "COMPLEXITY_EXCEEDED",
        says,
    )
    .await;
}

#[tokio::test]
async fn ids_in_variables_count() {
    let limits = Limits {
        nodes: 3,
        ..Limits::DEFAULT
    };
    let served = Served::with_limits(limits).await;
    for query in [
        "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }",
        "{ nodes(ids: IDS) { id } }",
    ] {
        let literal = |ids: &str| query.replace("IDS", ids);
        let three = (literal(r#"["a" "b" "c"]"#), json!({ "ids": ["a", "b", "c"] }));
        let four = (
            literal(r#"["a" "b" "c" "d"]"#),
            json!({ "ids": ["a", "b", "c", "d"] }),
        );
        assert_eq!(refusal(&served, &three.0, three.1).await, None);
        let (_, message) = refusal(&served, &four.0, four.1).await.unwrap();
        assert!(message.contains("up to 4 nodes"), "{message}");
    }
}

#[tokio::test]
async fn a_page_without_a_size_weighs_what_the_schema_gives_it() {
    // A log has 1000 lines by default. Ten of them are all that one request may ask for.
    let logs = |n, arguments: &str| {
        let log = |i| format!("l{i}: log{arguments} {{ lines {{ text }} }}");
        format!(
            "query ($n: Int) {{ execution(id: \"x\") {{ {} }} a: __typename @skip(if: false) }}",
            repeat(n, log)
        )
        .replace(
            "query ($n: Int)",
            if arguments.contains("$n") {
                "query ($n: Int)"
            } else {
                "query"
            },
        )
    };
    for arguments in ["", "(afterSeq: 5)", "(first: $n)"] {
        let says = "up to 11000 nodes; the limit is 10000";
        let (within, beyond) = (logs(10, arguments), logs(11, arguments));
        holds(Limits::DEFAULT, &within, &beyond, "COMPLEXITY_EXCEEDED", says).await;
    }
    let served = Served::start().await;
    assert_eq!(refusal(&served, &logs(20, "(first: 500)"), json!({})).await, None);
    let few = refusal(&served, &logs(20, "(first: $n)"), json!({ "n": 500 })).await;
    assert_eq!(few, None, "a size that is given takes the place of the default");
}

#[tokio::test]
async fn logs_in_lists_are_counted_with_their_default() {
    let query =
        |n| format!("{{ jobs(first: {n}) {{ nodes {{ executions {{ log {{ lines {{ text }} }} }} }} }} }}");
    let says = "up to 10010 nodes";
    holds(
        Limits::DEFAULT,
        &query(9),
        &query(10),
        "COMPLEXITY_EXCEEDED",
        says,
    )
    .await;
}

#[tokio::test]
async fn a_body_of_2_mib() {
    let served = Served::start().await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let sent = |bytes: usize| {
        let start = r#"{"query":"{ viewer { role } }","variables":{"fill":""#;
        let fill = "x".repeat(bytes - start.len() - 3);
        let request = served.client.post(served.url("/graphql")).bearer_auth(&token);
        let request = request.header("content-type", "application/json");
        request.body(format!("{start}{fill}\"}}}}")).send()
    };
    assert_eq!(sent(2 << 20).await.unwrap().status().as_u16(), 200);
    assert_eq!(sent((2 << 20) + 1).await.unwrap().status().as_u16(), 413);
}

#[tokio::test]
async fn the_operations_of_a_socket() {
    let limits = Limits {
        operations: 2,
        ..Limits::DEFAULT
    };
    let served = Served::with_limits(limits).await;
    let token = served.test.sign_in(UserRole::Viewer).await;
    let mut socket = served.acknowledged(&token).await;
    let live = json!({ "query": "subscription { systemStatus { healthy } }" });
    for id in ["1", "2"] {
        socket
            .send(json!({ "id": id, "type": "subscribe", "payload": live }))
            .await;
        assert_eq!(socket.next().await["type"], "next");
    }
    socket
        .send(json!({ "id": "3", "type": "subscribe", "payload": live }))
        .await;
    let refused = loop {
        let message = socket.next().await;
        if message["id"] == "3" {
            break message;
        }
    };
    assert_eq!(refused["type"], "error");
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED");
    // One that ends makes room.
    socket.send(json!({ "id": "1", "type": "complete" })).await;
    socket
        .send(json!({ "id": "3", "type": "subscribe", "payload": live }))
        .await;
    while socket.next().await["id"] != "3" {}
}
