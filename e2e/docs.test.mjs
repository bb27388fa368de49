// The examples of docs/api.md, run as they stand against a real server: each prints what the page says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, writeFile, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Product, bin, root } from "./harness.mjs";

const page = await readFile(join(root, "docs/api.md"), "utf8");
// A block of code, and the block of text after it that says what it prints.
const examples = [...page.matchAll(/```(bash|js|python|rust)\n(.*?)```\s+```text\n(.*?)```/gs)].map(
  ([, language, code, output], at) => ({ name: `${at + 1}, ${language}`, language, code, output }));
const heads = [...page.matchAll(/^```(\w+)$/gm)].map(([, language]) => language);

let product, env, dir;

before(async () => {
  // One of the examples has the product ask itself.
  product = await Product.start("docs", { CRONIUM_NETWORK_ALLOW: "127.0.0.1" });
  const event = await product.createEvent({ name: "the answer", type: "PYTHON", source: "print(6 * 7)" });
  const { data } = await product.gql(
    `mutation { createApiToken(input: { name: "docs" }) { secret userErrors { message } } }`);
  env = { ...process.env, CRONIUM_URL: product.url, CRONIUM_TOKEN: data.createApiToken.secret, EVENT_ID: event.id };
  // Inside e2e, so that its packages are found.
  dir = await mkdtemp(join(root, "e2e/.docs-"));
});

after(async () => {
  if (dir) await rm(dir, { recursive: true });
  await product?.stop();
});

function run(program, args) {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { env, cwd: dir, timeout: 60_000 });
    let out = "", problems = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (problems += chunk));
    child.once("error", fail);
    child.once("close", (code) => (code === 0 ? done(out) : fail(new Error(`ended with ${code}: ${problems}`))));
  });
}

async function start({ language, code }) {
  switch (language) {
    case "bash":
      return run("bash", ["-euo", "pipefail", "-c", code]);
    case "python":
      return run("python3", ["-c", code]);
    case "js": {
      const file = join(dir, "example.mjs");
      await writeFile(file, code);
      return run(process.execPath, [file]);
    }
    default: {
      const source = await readFile(join(root, "server/examples/client.rs"), "utf8");
      assert.ok(source.endsWith(`\n${code}`), "server/examples/client.rs is the page's example");
      return run(join(bin, "examples/client"), []);
    }
  }
}

test("every block of code is an example with its output", () => {
  const code = heads.filter((language) => language !== "text");
  assert.equal(examples.length, code.length);
  assert.ok(examples.length >= 9, `${examples.length} examples`);
});

for (const example of examples) {
  test(`example ${example.name}`, { timeout: 90_000 }, async () => {
    assert.equal(await start(example), example.output);
  });
}
