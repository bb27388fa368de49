//! Runtime calls from real containers without a network, through the agent channel and back.

use cronium_protocol::agent::{Assignment, OutcomeKind};
use cronium_protocol::manifest::{FileEntry, Language, Manifest, Runtime, sha256, sign};
use cronium_protocol::runtime::{Reply, Request};

use crate::world::{World, script};

const PYTHON: &str = r#"
import cronium
cronium.set_condition(True)
print(cronium.input()["n"], cronium.event()["eventName"], cronium.increment_variable("C"))
secret = cronium.get_variable("S")
print("in clear " + secret)
cronium.set_variable("V", "x"); cronium.delete_variable("V")
cronium.log("said " + secret, level="error")
cronium.output({"of": secret})
"#;
const NODE: &str = r#"
const cronium = require("cronium");
(async () => {
  await cronium.setCondition(true);
  const n = (await cronium.input()).n, { eventName } = await cronium.event();
  console.log(n, eventName, await cronium.incrementVariable("C"));
  const secret = await cronium.getVariable("S");
  console.log("in clear " + secret);
  await cronium.setVariable("V", "x");
  await cronium.deleteVariable("V");
  await cronium.log("said " + secret, {}, "error");
  await cronium.output({ of: secret });
})();
"#;
const BASH: &str = r#"
set -euo pipefail
cronium_set_condition true
echo "$(cronium_input | tr -dc 0-9) $(cronium_event eventName) $(cronium_increment_variable C)"
secret=$(cronium_get_variable S)
echo "in clear $secret"
cronium_set_variable V x; cronium_delete_variable V
cronium_log error "said $secret"
cronium_output "{\"of\":\"$secret\"}"
"#;

/// A server of a few words, whose one secret is marked as such.
pub fn answer(request: &Request) -> Reply {
    let (status, body, secrets) = match (request.method.as_str(), &request.path[11..]) {
        ("GET", "/input") => (200, r#"{"n":20}"#, vec![]),
        ("GET", "/event") => (200, r#"{"eventName":"nightly"}"#, vec![]),
        ("GET", "/variables/S") => (
            200,
            r#"{"key":"S","value":"hunter2","secret":true}"#,
            vec!["hunter2".to_owned()],
        ),
        ("PUT", "/variables/V") => (200, r#"{"key":"V","created":true,"secret":false}"#, vec![]),
        ("POST", "/variables/C/increment") => (200, r#"{"key":"C","value":7}"#, vec![]),
        ("PUT", "/condition") | ("DELETE", "/variables/V") => (204, "", vec![]),
        _ => (
            404,
            r#"{"error":{"code":"NOT_FOUND","message":"none","field":null}}"#,
            vec![],
        ),
    };
    Reply {
        status,
        body: body.into(),
        secrets,
    }
}

/// With a runtime and the helpers of its language.
pub fn calling(world: &World, language: Language, text: &str) -> Assignment {
    let helpers = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/src/runtime/helpers");
    let names: &[(&str, &str)] = match language {
        Language::Bash => &[("cronium.sh", "cronium.sh")],
        Language::Python => &[("cronium.py", "cronium.py")],
        Language::Http => &[],
        Language::NodeJs => &[
            ("node_modules/cronium/package.json", "node/package.json"),
            ("node_modules/cronium/index.js", "node/index.js"),
        ],
    };
    let mut assignment = world.assignment(script(language, text));
    let mut manifest: Manifest = rmp_serde::from_slice(&assignment.manifest).unwrap();
    let mut archive = tar::Builder::new(Vec::new());
    let mut files = vec![("script".to_owned(), text.as_bytes().to_vec())];
    for (path, name) in names {
        files.push(((*path).to_owned(), std::fs::read(helpers.join(name)).unwrap()));
    }
    manifest.files.clear();
    for (path, content) in &files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o400);
        archive
            .append_data(&mut header, path, content.as_slice())
            .unwrap();
        manifest.files.push(FileEntry {
            path: path.clone(),
            sha256: sha256(content),
            size: content.len() as u64,
            mode: 0o400,
        });
    }
    manifest.runtime = Some(Runtime {
        bash_env: (language == Language::Bash).then(|| "cronium.sh".into()),
        secret_env: Vec::new(),
    });
    assignment.manifest = manifest.encode().unwrap();
    assignment.signature = sign(&assignment.manifest, world.signer());
    assignment.archive = archive.into_inner().unwrap();
    assignment
}

#[tokio::test]
async fn each_language_makes_each_call_without_a_network() {
    let world = World::new().await;
    for (language, text) in [
        (Language::Python, PYTHON),
        (Language::NodeJs, NODE),
        (Language::Bash, BASH),
    ] {
        let assignment = calling(&world, language, text);
        let id = assignment.claim.execution_id;
        world.agent.assign(assignment);
        let outcome = world.agent.outcome(id).await;
        let text = world.agent.text(id);
        assert_eq!(
            outcome.kind,
            OutcomeKind::Succeeded,
            "{language:?}: {outcome:?}: {text}"
        );
        let output = outcome.exit.unwrap().output.unwrap();
        assert_eq!(output.replace(' ', ""), r#"{"of":"***"}"#, "{language:?}");
        // Lines of two pipes and of calls have no order among each other.
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            ["20 nightly 7", "ERROR said ***", "in clear ***"],
            "{language:?}"
        );
    }
    world.until_clean().await;
}

#[tokio::test]
async fn a_call_survives_a_cut_channel_and_a_restarted_orchestrator() {
    let mut world = World::new().await;
    world.agent.kept().mute_calls = true;
    let text = "import cronium\nprint('sum', cronium.increment_variable('C'))";
    let assignment = calling(&world, Language::Python, text);
    let id = assignment.claim.execution_id;
    world.agent.assign(assignment);
    let calls = |count| move |kept: &crate::agent::Kept| (kept.calls.len() >= count).then_some(());
    world.agent.until("the call", 60, calls(1)).await;
    world.agent.cut();
    world
        .agent
        .until("the call over a new connection", 60, calls(2))
        .await;
    world.crash().await;
    world.agent.kept().mute_calls = false;
    world.start(crate::agent::KEY).await;
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "sum 7");
    let kept = world.agent.kept();
    let ids: std::collections::HashSet<_> = kept.calls.iter().map(|(id, _)| id).collect();
    assert!(kept.calls.len() >= 3 && ids.len() == 1, "{:?}", kept.calls);
}

#[tokio::test]
async fn a_server_that_answers_no_calls_is_told_none() {
    let world = World::new().await;
    let connected = |k: &crate::agent::Kept| (k.connections >= 1).then_some(());
    world.agent.until("a connection", 60, connected).await;
    world.agent.kept().no_runtime = true;
    world.agent.cut();
    world
        .agent
        .until("another connection", 60, |k| (k.connections >= 2).then_some(()))
        .await;
    let text = "import cronium\ntry:\n  cronium.input()\nexcept cronium.CroniumError as e:\n  print(e.code)";
    let assignment = calling(&world, Language::Python, text);
    let id = assignment.claim.execution_id;
    world.agent.assign(assignment);
    world.agent.succeeds(id).await;
    assert_eq!(world.agent.text(id), "UNAVAILABLE");
    assert_eq!(world.agent.kept().calls.len(), 0);
}
