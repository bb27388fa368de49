// A million lines of one script, to subscribers of every kind: one that is cut off again and again, one that
// stops reading, a download. Nothing is lost or doubled, and memory stays bounded.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import WebSocket from "ws";
import { Product, random, until } from "./harness.mjs";

const LINES = 1_000_000;
const CUTS = 20;
const MIB = 1024 * 1024;
const MEMORY = 256 * MIB;
const seed = Number(process.env.CRONIUM_VOLUME_SEED ?? 20260301);
const QUERY = `subscription ($id: ID!, $after: Int!) {
  executionLog(executionId: $id, afterSeq: $after) { lines { seq stream text } lastSeq final } }`;

/** The server waits so long for a subscriber that takes nothing. */
const PATIENCE_MS = 10_000;

let product, processes, executionId, slow;
const expected = (seq) => `${seq - 1} ${((seq - 1) * 7919) % 10007}`;

/** Takes lines and insists on each one in its turn. */
class Ledger {
  last = 0;
  take(lines) {
    for (const { seq, stream, text } of lines) {
      if (seq !== this.last + 1 || stream !== "STDOUT" || text !== expected(seq)) {
        assert.fail(`after line ${this.last} came ${seq} of ${stream}: ${text}`);
      }
      this.last = seq;
    }
  }
}

const status = (pid, field) =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]) * 1024;

/** The most memory that each process had at a time since the last call. */
function peaks() {
  const seen = {};
  for (const [name, pid] of Object.entries(processes)) {
    seen[name] = status(pid, "VmHWM");
    writeFileSync(`/proc/${pid}/clear_refs`, "5");
  }
  return seen;
}

function bounded(what) {
  const seen = peaks();
  console.log(`${what}: ${Object.entries(seen).map(([name, bytes]) => `${name} ${(bytes / MIB).toFixed(0)} MiB`).join(", ")}`);
  for (const [name, bytes] of Object.entries(seen)) assert.ok(bytes < MEMORY, `${what}: ${name} had ${bytes} bytes`);
}

before(async () => {
  product = await Product.start("volume");
  const child = execFileSync("pgrep", ["-P", String(product.child.pid), "cronium-orch"], { encoding: "utf8" });
  processes = { server: product.child.pid, orchestrator: Number(child.trim()) };
});
after(() => product?.stop());

/** Starts a script and gives the ids of its job and its execution. */
async function start(name, source, input = {}) {
  const event = await product.createEvent({ name, type: "PYTHON", source, ...input });
  const job = await product.run({ eventId: event.id });
  return { job: job.id, execution: await product.executionOf(job.id) };
}

/** A subscriber that stops reading after a thousand lines. */
async function stalled(id, ledger) {
  const ws = new WebSocket(`${product.url.replace("http", "ws")}/graphql/ws`, "graphql-transport-ws");
  await new Promise((done, fail) => { ws.once("open", done); ws.once("error", fail); });
  ws.send(JSON.stringify({ type: "connection_init", payload: { authorization: `Bearer ${product.token}` } }));
  const closed = new Promise((done) => ws.once("close", done));
  let paused = false;
  await new Promise((done) => {
    ws.on("message", (data) => {
      const message = JSON.parse(data.toString());
      if (message.type === "connection_ack") {
        ws.send(JSON.stringify({ id: "1", type: "subscribe", payload: { query: QUERY, variables: { id, after: 0 } } }));
      } else if (message.type === "next") {
        ledger.take(message.payload.data.executionLog.lines);
        if (ledger.last > 1000 && !paused) { paused = true; ws.pause(); done(); }
      }
    });
  });
  return { ws, ledger, closed, since: performance.now() };
}

/** Follows a log to its end and is cut off on the way, as often as there are cuts. */
async function follow(id, cuts, ledger, from = 0) {
  ledger.last = from;
  let connections = 0, socket, longest = 0, heard;
  for (;;) {
    const client = product.client({ retryAttempts: 0, lazyCloseTimeout: 0, on: { connected: (s) => { socket = s; connections += 1; } } });
    try {
      for await (const { data, errors } of client.iterate({ query: QUERY, variables: { id, after: ledger.last } })) {
        assert.ok(!errors, JSON.stringify(errors));
        const now = performance.now();
        longest = Math.max(longest, now - (heard ?? now));
        heard = now;
        ledger.take(data.executionLog.lines);
        if (data.executionLog.final) return { connections, longest };
        if (ledger.last >= cuts[0]) {
          while (ledger.last >= cuts[0]) cuts.shift();
          socket.terminate();
          break;
        }
      }
    } finally {
      heard = undefined;
      void client.dispose();
    }
  }
}

test("a million lines arrive complete, in order and once at a subscriber that is cut off twenty times", { timeout: 300_000 }, async () => {
  const next = random(seed);
  // Apart from each other, so that each is a cut of its own.
  const cuts = Array.from({ length: CUTS }, (_, n) => Math.floor(((n + 0.1 + 0.8 * next()) * LINES) / (CUTS + 1)) + 1);
  peaks();
  const { job, execution } = await start("a million lines",
    `import sys\nfor n in range(${LINES}):\n    sys.stdout.write(f"{n} {n * 7919 % 10007}\\n")\n`);
  executionId = execution;
  const began = performance.now();
  slow = await stalled(execution, new Ledger());
  const [ledger, steady] = [new Ledger(), new Ledger()];
  const [cut, whole] = await Promise.all([follow(execution, [...cuts], ledger), follow(execution, [], steady)]);
  const seconds = (performance.now() - began) / 1000;
  const end = await product.finished(job);
  const run = (Date.parse(end.finishedAt) - Date.parse(end.startedAt)) / 1000;
  console.log(`${LINES} lines: stored after ${run.toFixed(1)} s, at the subscribers after ${seconds.toFixed(1)} s (${(LINES / seconds).toFixed(0)} lines/s), longest silence ${whole.longest.toFixed(0)} ms`);
  assert.equal(end.status, "SUCCEEDED", end.statusReason);
  assert.equal(end.executions[0].logLineCount, LINES);
  assert.equal(cut.connections, CUTS + 1);
  assert.equal(ledger.last, LINES);
  assert.equal(steady.last, LINES);
  assert.ok(whole.longest < 2000, `a subscriber heard nothing for ${whole.longest} ms beside a stalled one`);
  bounded("a million lines, one subscriber cut off, one stalled");
});

async function* linesOf(file) {
  const response = await fetch(`${product.url}/api/executions/${encodeURIComponent(executionId)}/${file}`, {
    headers: { authorization: `Bearer ${product.token}` },
  });
  assert.equal(response.status, 200);
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop();
    yield parts;
  }
  assert.equal(rest, "", "the last line has no end");
}

test("the download as text is the same million lines", { timeout: 120_000 }, async () => {
  peaks();
  let seq = 0;
  for await (const lines of linesOf("log.txt")) {
    for (const line of lines) if (line !== expected((seq += 1))) assert.fail(`line ${seq} is ${line}`);
  }
  assert.equal(seq, LINES);
  bounded("download as text");
});

test("the download as NDJSON is the same million lines", { timeout: 120_000 }, async () => {
  const ledger = new Ledger();
  let at = "";
  for await (const lines of linesOf("log.ndjson")) {
    const parsed = lines.map((line) => JSON.parse(line));
    ledger.take(parsed);
    for (const line of parsed) {
      if (line.at < at) assert.fail(`line ${line.seq} is of ${line.at}, the one before of ${at}`);
      at = line.at;
    }
  }
  assert.equal(ledger.last, LINES);
  bounded("download as NDJSON");
});

test("the stalled subscriber is told to come back, and goes on where it was", { timeout: 60_000 }, async () => {
  await until("the server has given it up", () => performance.now() - slow.since > PATIENCE_MS + 1000);
  slow.ws.resume();
  assert.equal(await slow.closed, 1013);
  const { ledger } = slow;
  assert.ok(ledger.last < LINES, "it got the whole log");
  await follow(executionId, [], ledger, ledger.last);
  assert.equal(ledger.last, LINES);
});

test("a flood beyond the log's limit is cut there, and says so", { timeout: 300_000 }, async () => {
  peaks();
  const size = 1000, limit = 100 * MIB;
  const { job, execution } = await start("a flood",
    `import sys\nblock = ("x" * ${size - 1} + "\\n") * 1000\nfor n in range(1000):\n    sys.stdout.write(block)\nprint("after")\n`);
  const lazy = await stalled(execution, { last: 0, take(lines) { this.last += lines.length; } });
  const end = await product.finished(job, 240);
  assert.equal(end.status, "SUCCEEDED", end.statusReason);
  const [{ logLineCount, logTruncated }] = end.executions;
  const kept = Math.floor(limit / size);
  assert.equal(logTruncated, true);
  assert.equal(logLineCount, kept + 1);
  const { data } = await product.gql(
    "query ($id: ID!) { job(id: $id) { executions { log(stream: SYSTEM) { lines { seq text } } } } }", { id: job });
  assert.deepEqual(data.job.executions[0].log.lines,
    [{ seq: kept + 1, text: `the log reached its limit of ${limit} bytes; the rest is dropped` }]);
  const run = (Date.parse(end.finishedAt) - Date.parse(end.startedAt)) / 1000;
  console.log(`a flood of 1 GB: over after ${run.toFixed(1)} s`);
  lazy.ws.terminate();
  bounded("a flood of 1 GB, one subscriber stalled");
});
