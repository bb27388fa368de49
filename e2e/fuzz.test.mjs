// Generated documents against the whole schema, as an administrator, as a viewer and signed out: no answer may be a
// failure of the server, an unknown error, or other than the schema says. What is generated follows from the seed.
// CRONIUM_FUZZ_SECONDS and CRONIUM_FUZZ_SEED make it longer, or another one.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Product, output, root } from "./harness.mjs";

const SECONDS = Number(process.env.CRONIUM_FUZZ_SECONDS ?? 60);
const SEED = process.env.CRONIUM_FUZZ_SEED ?? "20260301";
const cache = process.env.CRONIUM_CACHE ?? join(homedir(), ".cache/cronium");
const program = join(cache, "tools/python/bin/st");

let product;
let tokens;
// A throwaway installation whose limits hide nothing.
before(async () => {
  product = await Product.start("fuzz", {
    CRONIUM_RATE_LIMIT: "0",
    CRONIUM_RATE_LIMIT_ANONYMOUS: "0",
  });
  const invite = await product.gql(
    'mutation { inviteUser(input: { email: "viewer@example.test", role: VIEWER }) { invitation { url } userErrors { message } } }');
  const token = new URL(invite.data.inviteUser.invitation.url).searchParams.get("token");
  const password = "a password for tests";
  await product.gql("mutation ($i: SignUpInput!) { signUp(input: $i) { status } }", { i: { token, name: "Viewer", password } }, { token: null });
  const secret = async (session) => {
    const made = await product.gql('mutation { createApiToken(input: { name: "fuzz" }) { secret } }', {}, { token: session });
    return made.data.createApiToken.secret;
  };
  tokens = {
    "an administrator": await secret(product.token),
    "a viewer": await secret(await product.signIn("viewer@example.test", password)),
    nobody: null,
  };
});
after(() => product?.stop());

async function fuzz(who, token) {
  const results = join(output, "fuzz");
  await mkdir(results, { recursive: true });
  const args = ["run", join(root, "schema.graphql"), "--url", `${product.url}/graphql`, "--seed", SEED,
    "--max-time", String(Math.max(5, Math.floor(SECONDS / 3))), "--checks", "answers_what_the_schema_says",
    "--phases", "fuzzing", "--continue-on-failure", "--no-color", "--suppress-health-check", "all",
    "-H", "Accept: application/graphql-response+json"];
  if (token) args.push("-H", `Authorization: Bearer ${token}`);
  const child = spawn(program, args, {
    cwd: results,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, SCHEMATHESIS_HOOKS: "hooks", PYTHONPATH: join(root, "e2e/fuzz"), PYTHONDONTWRITEBYTECODE: "1", CRONIUM_SCHEMA: join(root, "schema.graphql") },
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  const code = await new Promise((done, fail) => child.once("error", fail).once("close", done));
  return { code, text };
}

describe(`generated documents, seed ${SEED}`, () => {
  for (const who of ["nobody", "a viewer", "an administrator"]) {
    test(`as ${who}: every answer is what the schema says`, { timeout: (SECONDS + 120) * 1000 }, async (t) => {
      const { code, text } = await fuzz(who, tokens[who]);
      assert.equal(code, 0, text.slice(-12_000));
      const cases = /(\d+) generated/.exec(text.replaceAll(",", ""));
      assert.ok(Number(cases?.[1]) >= 300, `too few documents were sent:\n${text.slice(-3000)}`);
      t.diagnostic(`${cases[1]} documents`);
      assert.doesNotMatch(product.text, /panicked|internal error/, "the server's log");
    });
  }
});
