// The protocols, asked by their reference clients: GraphQL over HTTP and graphql-transport-ws.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { serverAudits } from "graphql-http";
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
      assert.equal(result.status, "ok", `${result.reason} ${body}`);
    });
  }

  test("the audits are all there are", () => assert.ok(audits.length >= 60, `${audits.length} audits`));

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

describe("graphql-ws, the client", { concurrency: true }, () => {
  const VIEWER = { query: "{ viewer { email } }" };
  const STATUS = { query: "subscription { systemStatus { healthy } }" };
  const first = async (client, operation) => {
    for await (const result of client.iterate(operation)) return result;
    throw new Error("it ended without a result");
  };
  /** What becomes of an operation while `spoil` meddles with each socket; a client that retries would go on. */
  async function spoilt(options, operation = STATUS) {
    const closes = [];
    const client = product.client({
      retryAttempts: 3, retryWait: async () => {}, ...options,
      on: { ...options.on, closed: ({ code }) => closes.push(code) },
    });
    const outcome = await (async () => {
      for await (const _ of client.iterate(operation)) void _;
    })().then(() => "completed", (error) => error);
    await client.dispose();
    return { outcome, closes };
  }

  test("runs queries and mutations", async () => {
    const c = product.client();
    assert.equal((await first(c, VIEWER)).data.viewer.email, product.email);
    const { data } = await first(c, {
      query: "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { name } userErrors { message } } }",
      variables: { i: { name: "made over a socket", type: "BASH", source: "true" } },
    });
    assert.deepEqual(data.createEvent, { event: { name: "made over a socket" }, userErrors: [] });
    await c.dispose();
  });

  test("subscribes, and several at a time over one socket", async () => {
    let connections = 0;
    const c = product.client({ on: { connected: () => { connections += 1; } } });
    const results = await Promise.all([first(c, STATUS), first(c, STATUS), first(c, VIEWER)]);
    assert.equal(typeof results[0].data.systemStatus.healthy, "boolean");
    assert.equal(results[2].data.viewer.email, product.email);
    assert.equal(connections, 1);
    await c.dispose();
  });

  test("an error of the document reaches the subscriber, and nobody else", async () => {
    const c = product.client({ lazy: false });
    await assert.rejects(first(c, { query: "subscription { noSuchField }" }), (errors) => {
      assert.equal(errors[0].extensions.code, "BAD_REQUEST");
      return true;
    });
    assert.equal((await first(c, VIEWER)).data.viewer.email, product.email);
    await c.dispose();
  });

  test("is refused with a wrong token: 4403", async () => {
    const c = product.client({ connectionParams: { authorization: "Bearer wrong" }, retryAttempts: 0 });
    await assert.rejects(first(c, VIEWER), (close) => close.code === 4403 && close.reason === "Forbidden");
    await c.dispose();
  });

  test("after 4403 it tries again, and a right token is let in", async () => {
    const closes = [];
    let tries = 0;
    const c = product.client({
      retryWait: async () => {},
      connectionParams: () => ({ authorization: `Bearer ${(tries += 1) > 2 ? product.token : "stale"}` }),
      on: { closed: ({ code }) => closes.push(code) },
    });
    assert.equal((await first(c, VIEWER)).data.viewer.email, product.email);
    assert.deepEqual(closes, [4403, 4403]);
    await c.dispose();
  });

  test("an init that never comes closes with 4408, and it tries again", async () => {
    const closes = [];
    let tries = 0;
    const c = product.client({
      retryWait: async () => {},
      connectionParams: () => ((tries += 1) > 1 ? credentials() : new Promise(() => {})),
      on: { closed: ({ code }) => closes.push(code) },
    });
    assert.equal((await first(c, VIEWER)).data.viewer.email, product.email);
    assert.deepEqual(closes, [4408]);
    await c.dispose();
  });

  // These are mistakes of a client: the package gives up at once, although it may retry three times.
  const fatal = {
    4400: { on: { connected: (socket) => socket.send("{ not json") } },
    4401: { on: { opened: (socket) => socket.send(JSON.stringify({ id: "early", type: "subscribe", payload: STATUS })) } },
    4409: {
      generateID: () => "same",
      on: { connected: (socket) => socket.send(JSON.stringify({ id: "same", type: "subscribe", payload: STATUS })) },
    },
    4429: { on: { connected: (socket) => socket.send(JSON.stringify({ type: "connection_init" })) } },
  };
  for (const [code, options] of Object.entries(fatal)) {
    test(`gives up on ${code}`, async () => {
      const { outcome, closes } = await spoilt(options);
      assert.equal(outcome.code, Number(code), JSON.stringify(outcome));
      assert.ok(outcome.reason.length > 0, "the close says why");
      assert.deepEqual(closes, [Number(code)]);
    });
  }

  test("the end of a session closes its sockets with 4403", async () => {
    const token = await product.signIn();
    const c = product.client({ retryAttempts: 0, connectionParams: { authorization: `Bearer ${token}` } });
    let out;
    await assert.rejects(async () => {
      for await (const _ of c.iterate(STATUS)) {
        out ??= product.gql("mutation { signOut { signedOut } }", undefined, { token }).then(() => Date.now());
        void _;
      }
    }, (close) => close.code === 4403 && close.reason === "The session has ended");
    const took = Date.now() - await out;
    assert.ok(took < 6000, `it was open for another ${took} ms`);
    await c.dispose();
  });
});

const LOG = `subscription ($id: ID!, $after: Int!) {
  executionLog(executionId: $id, afterSeq: $after) { lines { seq text stream } lastSeq final } }`;

/** Starts a script that counts, and follows its log; `meddle` is called once, on the way. */
async function counted(lines, pause, meddle) {
  const { id: eventId } = await product.createEvent({
    name: "counts slowly", type: "PYTHON",
    source: `import time\nfor i in range(${lines}):\n    print("line", i, flush=True)\n    time.sleep(${pause})\n`,
  });
  const job = await product.run({ eventId });
  const id = await product.executionOf(job.id);
  const got = [];
  let socket, connections = 0, meddled;
  const client = product.client({
    retryAttempts: 100, shouldRetry: () => true, retryWait: () => new Promise((go) => setTimeout(go, 100)),
    on: { connected: (s) => { socket = s; connections += 1; } },
  });
  // The variables are read anew with every connection: that is all there is to resuming.
  const variables = { id, get after() { return got.at(-1)?.seq ?? 0; } };
  for await (const { data, errors } of client.iterate({ query: LOG, variables })) {
    assert.ok(!errors, JSON.stringify(errors));
    got.push(...data.executionLog.lines);
    if (!meddled && got.length >= 10) meddled = meddle(socket);
    if (data.executionLog.final) break;
  }
  await meddled;
  await client.dispose();
  const end = await product.finished(job.id);
  assert.equal(end.status, "SUCCEEDED", end.statusReason);
  assert.ok(connections >= 2, "the client never had to reconnect");
  assert.deepEqual(got.map(({ seq, stream, text }) => [seq, stream, text]),
    Array.from({ length: lines }, (_, n) => [n + 1, "STDOUT", `line ${n}`]));
  return id;
}

describe("a log that is resumed", () => {
  test("goes on after the connection was cut, with no line missing and none doubled", async () => {
    const id = await counted(60, 0.05, (socket) => socket.terminate());
    const client = product.client();
    const resumed = [];
    for await (const { data } of client.iterate({ query: LOG, variables: { id, after: 20 } })) {
      resumed.push(...data.executionLog.lines.map((line) => line.seq));
      if (data.executionLog.final) break;
    }
    assert.deepEqual(resumed, Array.from({ length: 40 }, (_, n) => n + 21));
    await client.dispose();
  });

  test("goes on after the server was killed and started again", { timeout: 120_000 }, async () => {
    await counted(80, 0.1, async () => {
      await product.crash();
      await product.restart();
    });
  });
});
