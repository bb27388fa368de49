// What an integrator does: make events, run them, wait, read logs and mistakes.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, describe, test } from "node:test";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { Product, until } from "./harness.mjs";

// Takes what is sent over OTLP/HTTP: protobuf, in which names are plain bytes.
const traces = [];
const collector = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    traces.push({ path: request.url, text: Buffer.concat(parts).toString("latin1") });
    response.end();
  });
});
await new Promise((done) => collector.listen(0, "127.0.0.1", done));

const product = await Product.start("api", {
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.address().port}`,
  OTEL_BSP_SCHEDULE_DELAY: "500",
});
after(async () => {
  await product.stop();
  collector.close();
});

const printed = (job, stream = "STDOUT") =>
  job.executions[0].log.lines.filter((line) => line.stream === stream).map((line) => line.text);

describe("running events", () => {
  const scripts = {
    BASH: 'echo "out $((6 * 7))"; echo "err" >&2',
    PYTHON: 'import sys\nprint("out", 6 * 7)\nprint("err", file=sys.stderr)',
    NODEJS: 'console.log("out", 6 * 7); console.error("err");',
  };
  for (const [type, source] of Object.entries(scripts)) {
    test(`${type} runs to success in one call`, async () => {
      const { id } = await product.createEvent({ name: `hello ${type}`, type, source });
      const job = await product.run({ eventId: id, waitSeconds: 60 });
      assert.equal(job.status, "SUCCEEDED", job.statusReason);
      assert.equal(job.executions[0].exitCode, 0);
      assert.deepEqual(printed(job), ["out 42"]);
      assert.deepEqual(printed(job, "STDERR"), ["err"]);
    });
  }

  test("a run leaves spans of the server and of the orchestrator", async () => {
    const { id } = await product.createEvent({ name: "traced", type: "BASH", source: "true" });
    const job = await product.run({ eventId: id, waitSeconds: 60 });
    assert.equal(job.status, "SUCCEEDED", job.statusReason);
    for (const [service, span] of [["cronium-server", "graphql"], ["cronium-orchestrator", "execution"]]) {
      await until(`spans of ${service}`, () =>
        traces.some(({ path, text }) => path === "/v1/traces" && text.includes(service) && text.includes(span)), 20);
    }
  });

  test("an exit code is kept and makes the job fail", async () => {
    const { id } = await product.createEvent({ name: "fails", type: "BASH", source: "exit 3" });
    const job = await product.run({ eventId: id, waitSeconds: 60 });
    assert.equal(job.status, "FAILED");
    assert.equal(job.executions[0].exitCode, 3);
    assert.match(job.statusReason, /3/);
  });

  test("the environment reaches the script as it is, quotes and all", async () => {
    const value = "a 'b' \"c\" $(id) `id` \\ é";
    const { id } = await product.createEvent({
      name: "environment", type: "BASH", source: 'printf "%s\\n" "$GREETING"', environment: [{ name: "GREETING", value }],
    });
    assert.deepEqual(printed(await product.run({ eventId: id, waitSeconds: 60 })), [value]);
  });

  test("a container is nobody, with no network, on a read-only root", async () => {
    const { id } = await product.createEvent({
      name: "confined", type: "BASH",
      source: "id -u; (echo x > /etc/x) 2>/dev/null && echo writable || echo readonly; grep -c : /proc/net/dev; grep CapEff /proc/self/status | cut -f2",
    });
    const job = await product.run({ eventId: id, waitSeconds: 60 });
    const [uid, rootfs, interfaces, capabilities] = printed(job);
    assert.notEqual(uid, "0");
    assert.equal(rootfs, "readonly");
    assert.equal(interfaces, "1");
    assert.equal(capabilities, "0000000000000000");
  });

  test("time runs out for what runs too long", async () => {
    const { id } = await product.createEvent({ name: "slow", type: "BASH", source: "sleep 600", timeout: "PT1S" });
    const job = await product.run({ eventId: id, waitSeconds: 60 });
    assert.equal(job.status, "TIMED_OUT");
  });

  test("a running job is cancelled, with a receipt", async () => {
    const { id: eventId } = await product.createEvent({ name: "to be cancelled", type: "BASH", source: "echo started; sleep 600" });
    const { id } = await product.run({ eventId });
    const read = () => product.gql(
      "query ($id: ID!) { job(id: $id) { status executions { log { lines { text } } } cancellation { signalSent processGone } } }", { id });
    await until("the script runs", async () => JSON.stringify((await read()).data.job).includes("started"));
    const { data } = await product.gql(
      "mutation ($i: CancelJobInput!) { cancelJob(input: $i) { userErrors { message } } }", { i: { id } });
    assert.deepEqual(data.cancelJob.userErrors, []);
    const job = await until("it is final", async () => {
      const { job } = (await read()).data;
      return job.status === "CANCELLED" && job;
    });
    assert.equal(job.cancellation.signalSent, true);
    assert.equal(job.cancellation.processGone, true);
  });

  test("the same idempotency key is the same job", async () => {
    const { id } = await product.createEvent({ name: "once", type: "BASH", source: "true" });
    const input = { eventId: id, idempotencyKey: "e2e-key-1" };
    const [a, b] = await Promise.all([product.run(input), product.run(input)]);
    assert.equal(a.id, b.id);
    assert.equal((await product.run(input)).id, a.id);
  });

  test("a log arrives live by subscription while the job runs, then ends", async () => {
    const { id: eventId } = await product.createEvent({
      name: "speaks twice", type: "PYTHON", source: 'import time\nprint("first", flush=True)\ntime.sleep(3)\nprint("second")',
    });
    const { id } = await product.run({ eventId });
    const client = createClient({
      url: `${product.url.replace("http", "ws")}/graphql/ws`, webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${product.token}` },
    });
    const texts = [];
    let statusAtFirst;
    for await (const { data, errors } of client.iterate({
      query: "subscription ($id: ID!) { jobLog(jobId: $id) { lines { text stream } final } }", variables: { id },
    })) {
      assert.ok(!errors, JSON.stringify(errors));
      texts.push(...data.jobLog.lines.filter((l) => l.stream === "STDOUT").map((l) => l.text));
      if (texts.length === 1) {
        statusAtFirst ??= (await product.gql("query ($id: ID!) { job(id: $id) { status } }", { id })).data.job.status;
      }
      if (data.jobLog.final) break;
    }
    assert.equal(statusAtFirst, "RUNNING");
    assert.deepEqual(texts, ["first", "second"]);
    await client.dispose();
  });
});

describe("mistakes", () => {
  const create = async (input) => (await product.gql(
    "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { id } userErrors { code message field } } }", { i: input })).data.createEvent;

  test("a wrong field is a user error with its path, and nothing is stored", async () => {
    const { event, userErrors } = await create({ name: "", type: "BASH", source: "true" });
    assert.equal(event, null);
    assert.deepEqual(userErrors.map((e) => e.field), [["name"]]);
  });

  test("all wrong fields are told at once", async () => {
    const { userErrors } = await create({
      name: "x".repeat(101), type: "BASH", source: "true", timeout: "PT0S", environment: [{ name: "1-BAD", value: "" }],
    });
    const paths = userErrors.map((e) => e.field.join("."));
    assert.ok(paths.includes("name") && paths.includes("timeout"), JSON.stringify(userErrors));
    assert.ok(paths.some((p) => p.startsWith("environment.0")), JSON.stringify(userErrors));
  });

  test("a stale version is a conflict", async () => {
    const event = await product.createEvent({ name: "edited twice", type: "BASH", source: "true" });
    const update = async (source) => (await product.gql(
      "mutation ($i: UpdateEventInput!) { updateEvent(input: $i) { event { version { number } } userErrors { code } } }",
      { i: { id: event.id, expectedVersion: event.version.number, source } })).data.updateEvent;
    assert.equal((await update("echo one")).event.version.number, event.version.number + 1);
    assert.deepEqual((await update("echo two")).userErrors.map((e) => e.code), ["CONFLICT"]);
  });

  test("a wrong password says no more than that", async () => {
    const refuse = async (email) => (await product.gql(
      "mutation ($i: SignInInput!) { signIn(input: $i) { accessToken userErrors { code message field } } }",
      { i: { email, password: "wrong wrong wrong", returnToken: true } }, { token: null })).data.signIn;
    const known = await refuse(product.email);
    const unknown = await refuse("nobody@cronium.local");
    assert.equal(known.accessToken, null);
    assert.ok(known.userErrors.length);
    assert.deepEqual(known, unknown);
  });

  test("the anonymous get UNAUTHENTICATED", async () => {
    const { errors } = await product.raw("{ events(first: 1) { totalCount } }", undefined, { token: null });
    assert.equal(errors[0].extensions.code, "UNAUTHENTICATED");
  });

  test("a list without a size, or with too large a one, is refused", async () => {
    for (const args of ["", "(first: 0)", "(first: 101)"]) {
      const { errors } = await product.raw(`{ events${args} { totalCount } }`);
      assert.ok(errors?.length, `events${args} was accepted`);
    }
  });
});
