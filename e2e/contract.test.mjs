// scripts/contract.sh: what breaks clients fails, unless the changelog declares it.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { parse, parseType, print, visit } from "graphql";

import { root } from "./harness.mjs";

let dir, schema;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), "cronium-contract-"));
  schema = await readFile(join(root, "schema.graphql"), "utf8");
});
after(() => rm(dir, { recursive: true }));

const changelog = (entry = "", released = "") => `# Changelog

## [Unreleased]

### Removed

${entry}

## [0.1.0]

${released}
`;

// What becomes of the members of one type: a function from the old ones to the new ones, by "fields" or "values".
const change = (type, members, become) => (document) => visit(document, {
  enter: (node) => (node.kind.endsWith("TypeDefinition") && node.name?.value === type
    ? { ...node, [members]: become(node[members]) } : undefined),
});
const without = (name) => (all) => all.filter((one) => one.name.value !== name);
const also = (kind, name, type) => (all) =>
  [...all, { kind, name: { kind: "Name", value: name }, type: parseType(type), arguments: [] }];
const become = (name, by) => (all) => all.map((one) => (one.name.value === name ? { ...one, ...by(one) } : one));

async function compare(change, log = changelog()) {
  const changed = print(change(parse(schema)));
  assert.notEqual(changed, print(parse(schema)), "the change is in the schema");
  const files = { "old.graphql": schema, "new.graphql": changed, "CHANGELOG.md": log };
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  const paths = Object.keys(files).map((name) => join(dir, name));
  const { status, stdout, stderr } = spawnSync(join(root, "scripts/contract.sh"), paths, { encoding: "utf8" });
  return { status, said: stdout + stderr };
}

const noVersion = change("ServerInfo", "fields", without("version"));
const field = "ServerInfo.version";

test("what is added breaks nobody", async () => {
  const { status, said } = await compare(change("ServerInfo", "fields", also("FieldDefinition", "more", "String")));
  assert.equal(status, 0, said);
});

for (const [name, broken, path] of [
  ["a field that is gone", noVersion, field],
  ["a field that may be null now",
    change("ServerInfo", "fields", become("version", () => ({ type: parseType("String") }))), field],
  ["an enum's value that is gone", change("EventType", "values", without("PYTHON")), "EventType.PYTHON"],
  ["an input's field that must be given now",
    change("RunEventInput", "fields", also("InputValueDefinition", "more", "String!")), "RunEventInput.more"],
  ["an argument that must be given now",
    change("Query", "fields", become("node", (node) => ({
      arguments: also("InputValueDefinition", "more", "ID!")(node.arguments),
    }))), "Query.node.more"],
]) {
  test(`${name}: refused, and named, unless it is declared`, async () => {
    const refused = await compare(broken);
    assert.notEqual(refused.status, 0, refused.said);
    assert.ok(refused.said.includes(`${path}: `), refused.said);
    const wanted = await compare(broken, changelog(`- \`${path}\`, from 2027-01-01.`));
    assert.equal(wanted.status, 0, wanted.said);
    assert.match(wanted.said, /\(declared\)/);
  });
}

test("a declaration holds for what it names, and until the release", async () => {
  const python = change("EventType", "values", without("PYTHON"));
  for (const [broken, log] of [
    [(document) => python(noVersion(document)), changelog(`- \`${field}\` is gone.`)],
    [noVersion, changelog("- version is gone.")],
    [noVersion, changelog("", `- \`${field}\` is gone.`)],
  ]) {
    const { status, said } = await compare(broken, log);
    assert.notEqual(status, 0, said);
    assert.match(said, /Detected 1 breaking change/);
  }
});
