// The protocols, asked by their reference clients: GraphQL over HTTP and graphql-transport-ws.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { serverAudits } from "graphql-http";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { Product, until } from "./harness.mjs";

const product = await Product.start("conformance");
after(() => product.stop());

describe("GraphQL over HTTP", () => {
  const audits = serverAudits({
    url: () => `${product.url}/graphql`,
    fetchFn: (url, init = {}) =>
      fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${product.token}` } }),
  });
  for (const audit of audits) {
    test(`${audit.id} ${audit.name}`, async () => {
      const result = await audit.fn();
      const body = result.status === "ok" ? "" : await result.response?.text?.().catch(() => "");
      assert.ok(["ok", "notice"].includes(result.status), `${result.status}: ${result.reason} ${body}`);
    });
  }

  test("a mutation by GET is refused with 405", async () => {
    const query = encodeURIComponent("mutation { signOut { signedOut } }");
    const response = await fetch(`${product.url}/graphql?query=${query}`, {
      headers: { authorization: `Bearer ${product.token}`, accept: "application/graphql-response+json" },
    });
    assert.equal(response.status, 405);
  });

  test("a body above the limit is refused with 413", async () => {
    const response = await fetch(`${product.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${product.token}` },
      body: JSON.stringify({ query: "{ __typename }", variables: { fill: "x".repeat(3 << 20) } }),
    });
    assert.equal(response.status, 413);
  });

  test("introspection answers the signed-in and not the anonymous", async () => {
    const query = "{ __schema { queryType { name } } }";
    assert.equal((await product.raw(query)).data?.__schema.queryType.name, "Query");
    const anonymous = await product.raw(query, undefined, { token: null });
    assert.ok(anonymous.errors?.length, JSON.stringify(anonymous));
  });
});

const wsUrl = () => `${product.url.replace("http", "ws")}/graphql/ws`;
const credentials = () => ({ authorization: `Bearer ${product.token}` });

/** A socket below the client: sends what it is told, records what comes. */
async function socket(protocol = "graphql-transport-ws") {
  const ws = new WebSocket(wsUrl(), protocol);
  const seen = [];
  ws.on("message", (data) => seen.push(JSON.parse(data.toString())));
  const closed = new Promise((done) => ws.once("close", (code, reason) => done({ code, reason: reason.toString() })));
  await new Promise((done, fail) => { ws.once("open", done); ws.once("error", fail); });
  return {
    ws, seen, closed,
    send: (message) => ws.send(typeof message === "string" ? message : JSON.stringify(message)),
    next: (type) => until(`a message of type ${type}`, () => seen.find((m) => m.type === type), 15),
  };
}

async function acknowledged() {
  const s = await socket();
  s.send({ type: "connection_init", payload: credentials() });
  await s.next("connection_ack");
  return s;
}

const live = (id) => ({ id, type: "subscribe", payload: { query: "subscription { systemStatus { healthy } }" } });

describe("graphql-transport-ws", () => {
  const closes = async (s, code) => {
    const timeout = new Promise((_, fail) => setTimeout(() => fail(new Error("not closed in 30 s")), 30_000).unref());
    assert.equal((await Promise.race([s.closed, timeout])).code, code);
  };

  test("what is not JSON closes with 4400", async () => {
    const s = await acknowledged();
    s.send("{ not json");
    await closes(s, 4400);
  });

  test("an unknown message type closes with 4400", async () => {
    const s = await acknowledged();
    s.send({ type: "shout" });
    await closes(s, 4400);
  });

  test("a subscribe before the acknowledgement closes with 4401", async () => {
    const s = await socket();
    s.send(live("1"));
    await closes(s, 4401);
  });

  test("a wrong token in the init closes with 4403", async () => {
    const s = await socket();
    s.send({ type: "connection_init", payload: { authorization: "Bearer not-a-token" } });
    await closes(s, 4403);
  });

  test("no init closes with 4408", async () => {
    await closes(await socket(), 4408);
  });

  test("an id in use closes with 4409", async () => {
    const s = await acknowledged();
    s.send(live("1"));
    await s.next("next");
    s.send(live("1"));
    await closes(s, 4409);
  });

  test("a second init closes with 4429", async () => {
    const s = await acknowledged();
    s.send({ type: "connection_init", payload: credentials() });
    await closes(s, 4429);
  });

  test("another sub-protocol gets nothing", async () => {
    const outcome = await socket("graphql-ws").then((s) => s.closed, (error) => ({ refused: error.message }));
    assert.ok(outcome.refused || outcome.code === 4406, JSON.stringify(outcome));
  });

  test("a ping is answered with a pong", async () => {
    const s = await acknowledged();
    s.send({ type: "ping" });
    await s.next("pong");
    s.ws.close();
  });

  test("a completed id can be used again", async () => {
    const s = await acknowledged();
    s.send(live("1"));
    await s.next("next");
    s.send({ id: "1", type: "complete" });
    s.seen.length = 0;
    s.send(live("1"));
    await s.next("next");
    s.ws.close();
  });

  test("a query that does not validate gives an error message, and the connection goes on", async () => {
    const s = await acknowledged();
    s.send({ id: "1", type: "subscribe", payload: { query: "{ noSuchField }" } });
    const error = await s.next("error");
    assert.equal(error.id, "1");
    assert.ok(Array.isArray(error.payload) && error.payload[0].message);
    s.send({ id: "2", type: "subscribe", payload: { query: "{ viewer { email } }" } });
    assert.equal((await s.next("next")).payload.data.viewer.email, product.email);
    assert.equal((await s.next("complete")).id, "2");
    s.ws.close();
  });
});

describe("graphql-ws, the client", () => {
  const client = (options = {}) =>
    createClient({ url: wsUrl(), webSocketImpl: WebSocket, connectionParams: credentials, ...options });

  test("runs queries", async () => {
    const c = client();
    const { value } = await c.iterate({ query: "{ viewer { email } }" }).next();
    assert.equal(value.data.viewer.email, product.email);
    await c.dispose();
  });

  test("is refused with a wrong token", async () => {
    const c = client({ connectionParams: { authorization: "Bearer wrong" }, retryAttempts: 0 });
    await assert.rejects(c.iterate({ query: "{ viewer { email } }" }).next(), (close) => close.code === 4403);
    await c.dispose();
  });

  test("a log goes on after the connection was cut, with no line missing, and none doubled on resume", async () => {
    const lines = 60;
    const { id: eventId } = await product.createEvent({
      name: "counts slowly",
      type: "PYTHON",
      source: `import time\nfor i in range(${lines}):\n    print("line", i, flush=True)\n    time.sleep(0.05)\n`,
    });
    const job = await product.run({ eventId });
    const executionId = await until("the execution exists", async () => {
      const { data } = await product.gql("query ($id: ID!) { job(id: $id) { executions { id } } }", { id: job.id });
      return data.job.executions[0]?.id;
    });
    const query = "subscription ($id: ID!, $after: Int!) { executionLog(executionId: $id, afterSeq: $after) { lines { seq stream text } lastSeq final } }";

    let current;
    const c = client({ retryAttempts: 10, shouldRetry: () => true, on: { connected: (s) => { current = s; } } });
    const got = new Map();
    let connections = 0, cut = false;
    c.on("connected", () => { connections += 1; });
    for await (const { data, errors } of c.iterate({ query, variables: { id: executionId, after: 0 } })) {
      assert.ok(!errors, JSON.stringify(errors));
      for (const line of data.executionLog.lines) got.set(line.seq, line);
      if (!cut && got.size >= 10) { cut = true; current.terminate(); }
      if (data.executionLog.final) break;
    }
    assert.ok(connections >= 2, "the client never had to reconnect");
    const printed = [...got.values()].filter((l) => l.stream === "STDOUT").sort((a, b) => a.seq - b.seq).map((l) => l.text);
    assert.deepEqual(printed, Array.from({ length: lines }, (_, i) => `line ${i}`));
    const last = Math.max(...got.keys());
    assert.deepEqual([...got.keys()].sort((a, b) => a - b), Array.from({ length: last }, (_, i) => i + 1), "sequence has gaps");

    const resumed = [];
    for await (const { data } of c.iterate({ query, variables: { id: executionId, after: 20 } })) {
      resumed.push(...data.executionLog.lines.map((l) => l.seq));
      if (data.executionLog.final) break;
    }
    assert.deepEqual(resumed, Array.from({ length: last - 20 }, (_, i) => i + 21));
    await c.dispose();
  });
});
