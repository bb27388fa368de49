// What must never be told: secrets that were given to the real product are in none of its output, metrics, audit
// entries or errors. And what each installation must have for itself.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Product, bin, until } from "./harness.mjs";

let one;
let two;
before(async () => {
  one = await Product.start("security-one", { CRONIUM_LOG: "debug" });
  two = await Product.start("security-two");
});
after(() => Promise.all([one?.stop(), two?.stop()]));

const canary = (what) => `canary-${what}-0451`;

describe("secrets", () => {
  test("are in no output, metric, audit entry or error", async () => {
    const secrets = ["password", "new-password", "code", "smtp", "token", "refresh", "link", "bearer", "literal"].map(canary);
    const answers = [];
    const ask = async (query, variables, options) => answers.push(JSON.stringify(await one.raw(query, variables, options)));
    await ask("mutation ($p: String!, $c: String) { signIn(input: { email: \"a@example.test\", password: $p, code: $c }) { viewer { id } userErrors { message } } }",
      { p: canary("password"), c: canary("code") }, { token: null });
    await ask("mutation ($p: String!, $n: String!) { changePassword(input: { currentPassword: $p, newPassword: $n }) { userErrors { message } } }",
      { p: canary("password"), n: canary("new-password") });
    await ask("mutation ($c: String!, $p: String!) { confirmTotp(input: { code: $c, password: $p }) { userErrors { message } } }",
      { c: canary("code"), p: canary("password") });
    await ask("mutation ($t: String!, $p: String!) { resetPassword(input: { token: $t, newPassword: $p }) { userErrors { message } } }",
      { t: canary("link"), p: canary("new-password") }, { token: null });
    await ask("mutation ($t: String!, $p: String!) { signUp(input: { token: $t, password: $p, name: \"N\" }) { userErrors { message } } }",
      { t: canary("token"), p: canary("new-password") }, { token: null });
    await ask("mutation ($t: String!) { refreshToken(input: { refreshToken: $t }) { userErrors { message } } }",
      { t: canary("refresh") }, { token: null });
    await ask("mutation ($p: String!) { updateSettings(input: { smtp: { host: \"127.0.0.1\", port: 9, security: NONE, from: \"c@example.test\", username: \"u\", password: $p } }) { settings { smtp { hasPassword } } userErrors { message } } }",
      { p: canary("smtp") });
    await ask("mutation { sendTestEmail(input: { to: \"a@example.test\" }) { userErrors { message } } }");
    await ask(`mutation { signIn(input: { email: "a@example.test", password: "${canary("literal")}", wrong: 1 }) { viewer { id } } }`, {}, { token: null });
    await ask("{ viewer { id } }", {}, { token: canary("bearer") });
    const made = await one.gql('mutation { createApiToken(input: { name: "CI" }) { secret } }');
    const session = await one.signIn();
    secrets.push(made.data.createApiToken.secret, session, one.token);
    for (const file of ["master.key", "internal-api.key"]) {
      secrets.push((await readFile(join(one.dataDir, file), "utf8")).trim());
    }
    const log = async () => JSON.stringify((await one.gql("{ auditLog(first: 100) { nodes { action actorEmail targetName before after } } }")).data);
    await until("the refusals are in the audit log", async () => (await log()).includes("WRONG_PASSWORD"));
    const metrics = await (await fetch(`${one.url}/metrics`)).text();
    assert.match(metrics, /^cronium_/m);
    assert.ok(one.text.length > 1000, "the output was looked at");
    const places = { output: one.text, metrics, audit: await log(), answers: answers.join("\n") };
    for (const secret of secrets) {
      for (const [place, text] of Object.entries(places)) assert.ok(!text.includes(secret), `${secret.slice(0, 16)}… is in the ${place}`);
    }
  });
});

describe("installations", () => {
  test("share no secret", async () => {
    for (const file of ["master.key", "internal-api.key"]) {
      const [a, b] = await Promise.all([one, two].map((each) => readFile(join(each.dataDir, file), "utf8")));
      assert.match(a, /^[0-9a-f]{64}\s*$/);
      assert.notEqual(a, b, file);
    }
    assert.notEqual(one.password, two.password);
    for (const token of [one.token, await one.signIn()]) {
      const answer = await two.raw("{ viewer { id } }", {}, { token });
      assert.equal(answer.errors?.[0].extensions.code, "UNAUTHENTICATED");
    }
  });

  test("do not start with a key that is a default or a pattern", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "cronium-e2e-keys-"));
    const start = (env) => spawnSync(join(bin, "cronium"), ["serve"], { env: { ...one.env, CRONIUM_DATA_DIR: dataDir, ...env }, encoding: "utf8", timeout: 60_000 });
    try {
      for (const key of ["0".repeat(64), "changeme", "0123".repeat(16)]) {
        for (const name of ["CRONIUM_MASTER_KEY", "INTERNAL_API_KEY"]) {
          const { status, stderr } = start({ [name]: key });
          assert.ok(status !== 0 && status !== null, `${name}=${key} was taken`);
          assert.match(stderr, /key|KEY/, stderr);
        }
      }
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });
});
