// What must hold when servers, the way to them and whoever drives them break: three hosts in network namespaces of their
// own, of which one loses all packets for a while, one gets another key and one lets nobody in; and processes that are
// killed while a long run is under way.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { Product, until } from "./harness.mjs";
import { Namespace } from "./namespace.mjs";
import { Sshd } from "./sshd.mjs";

const LOST_FOR = 20_000;
const LINES = 400;
/** Lines with a number each, for some forty seconds. */
const counting = `for n in $(seq 1 ${LINES}); do echo "line $n"; sleep 0.1; done`;

let product;
const hosts = {};
const ids = {};
const namespaces = [];

async function addServer(name, host) {
  const { data } = await product.gql(
    "mutation ($i: CreateServerInput!) { createServer(input: $i) { server { id } userErrors { field message } } }",
    { i: { name, address: host.address, port: host.port, username: host.user, privateKey: host.privateKey, hostKeyFingerprint: host.fingerprint, checkIntervalSeconds: 0 } },
  );
  assert.deepEqual(data.createServer.userErrors, []);
  return data.createServer.server.id;
}

const on = (...names) => ({ servers: { servers: names.map((name) => ids[name]) } });

/** All lines of an execution's log. */
async function lines(execution) {
  const all = [];
  for (;;) {
    const { data } = await product.gql(
      "query ($id: ID!, $after: Int!) { node(id: $id) { ... on Execution { log(afterSeq: $after, first: 10000) { lines { seq stream text } hasMore } } } }",
      { id: execution, after: all.at(-1)?.seq ?? 0 },
    );
    all.push(...data.node.log.lines);
    if (!data.node.log.hasMore) return all;
  }
}

/** The log is whole: each number once and in its order, and none left out. */
async function isWhole(execution) {
  const log = await lines(execution);
  assert.deepEqual(log.map(({ seq }) => seq), log.map((_, at) => at + 1), "the sequence has no gap");
  const told = log.filter(({ stream }) => stream === "STDOUT").map(({ text }) => text);
  assert.deepEqual(told, Array.from({ length: LINES }, (_, at) => `line ${at + 1}`));
}

const lineCount = async (job, at = 0) => (await product.job(job)).executions[at]?.logLineCount ?? 0;
/** Waits until a run has said some lines. */
const under = (job, at = 0) => until("it is under way", async () => (await lineCount(job, at)) > 20, 60);
/** Waits until it says more than it has by now. */
async function goesOn(job) {
  const before = await lineCount(job);
  await until("it says more", async () => (await lineCount(job)) > before + 10, 60);
}

/** Processes of this machine, with their command lines. */
function processes() {
  const all = [];
  for (const name of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const line = readFileSync(`/proc/${name}/cmdline`, "utf8").split("\0").join(" ").trim();
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))[1];
      all.push({ pid: Number(name), parent: Number(parent), line });
    } catch {
      // It has ended meanwhile.
    }
  }
  return all;
}

/** All that a process has begun, and it. */
function family(root) {
  const all = processes();
  const found = [root];
  for (const pid of found) found.push(...all.filter(({ parent }) => parent === pid).map(({ pid: child }) => child));
  return all.filter(({ pid }) => found.includes(pid));
}

const orchestrator = () => Number(execFileSync("pgrep", ["-P", String(product.child.pid), "cronium-orch"], { encoding: "utf8" }).split("\n")[0]);
/** Our ssh that keeps the connection to a host: it has no command for it. */
const masters = () => family(orchestrator()).filter(({ line }) => line.startsWith("ssh ") && line.includes(" -M"));
/** What sshd has begun for connections, but not what runs over them. */
const connections = (host) => family(host.child.pid).filter(({ pid, line }) => pid !== host.child.pid && line.startsWith("sshd"));
/** The id as a process on the host knows it: its last 16 bytes are a UUID. */
const uuidOf = (id) => Buffer.from(id, "base64url").subarray(1).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
/** User code of a job, whoever is its parent by now. */
const atWork = (mark) => processes().filter(({ pid }) => {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(`CRONIUM_JOB_ID=${mark}`);
  } catch {
    return false;
  }
});

before(async () => {
  for (const name of ["lossy", "rekeyed", "closed"]) {
    const namespace = Namespace.make();
    namespaces.push(namespace);
    hosts[name] = await Sshd.start({ address: namespace.address, within: (...command) => namespace.within(...command) });
  }
  product = await Product.start("server-faults");
  for (const name of Object.keys(hosts)) ids[name] = await addServer(name, hosts[name]);
});
after(async () => {
  await product?.stop();
  for (const host of Object.values(hosts)) await host.stop();
  for (const namespace of namespaces) namespace.remove();
});

test("packets that are lost for 20 s cost nothing but time", { timeout: 240_000 }, async () => {
  const event = await product.createEvent({ name: "Counts", type: "BASH", source: counting, target: on("lossy") });
  const job = await product.run({ eventId: event.id });
  await under(job.id);
  namespaces[0].cut();
  const until20 = Date.now() + LOST_FOR;
  const before = await lineCount(job.id);
  // Not a wait for something: this is how long the way is broken.
  await new Promise((done) => setTimeout(done, LOST_FOR - 5_000));
  const during = await product.job(job.id);
  assert.equal(during.status, "RUNNING", during.statusReason);
  assert.ok(during.executions[0].logLineCount < before + 50, "the way is broken");
  await new Promise((done) => setTimeout(done, until20 - Date.now()));
  namespaces[0].mend();
  const done = await product.finished(job.id, 120);
  assert.equal(done.status, "SUCCEEDED", done.statusReason);
  assert.equal(done.executions.length, 1, "it was not begun anew");
  await isWhole(done.executions[0].id);
});

test("a host that shows another key is told nothing, and the run there goes on once it has its own again", { timeout: 240_000 }, async () => {
  const host = hosts.rekeyed;
  const event = await product.createEvent({ name: "Counts", type: "BASH", source: counting, target: on("rekeyed") });
  const job = await product.run({ eventId: event.id });
  await under(job.id);
  await host.rekey();
  const short = await product.createEvent({ name: "Short", type: "BASH", source: "echo done", target: on("rekeyed") });
  // While sshd was away nobody answered, and a host that failed is left alone for some seconds.
  await until("the key is what stands in the way", async () => {
    const refused = await product.finished((await product.run({ eventId: short.id })).id, 60);
    assert.equal(refused.status, "FAILED");
    return /host key/i.test(refused.statusReason);
  }, 60);
  assert.equal((await product.job(job.id)).status, "RUNNING", "it is not known to have ended");
  assert.ok(!host.said.includes("Accepted"), `nobody signed in: ${host.said}`);
  await host.restoreKey();
  const done = await product.finished(job.id, 120);
  assert.equal(done.status, "SUCCEEDED", done.statusReason);
  await isWhole(done.executions[0].id);
});

test("a host that refuses sessions says so, and nothing was started", { timeout: 120_000 }, async () => {
  const host = hosts.closed;
  await host.end();
  await host.begin({ MaxSessions: "0" });
  const event = await product.createEvent({ name: "Short", type: "BASH", source: "echo done", target: on("closed") });
  const done = await product.finished((await product.run({ eventId: event.id })).id, 90);
  assert.equal(done.status, "FAILED");
  assert.match(done.statusReason, /session/i);
  assert.equal(done.executions.at(-1).startedAt, null);
  await host.end();
  await host.begin();
  const again = await until("the host is tried again", async () => {
    const one = await product.finished((await product.run({ eventId: event.id })).id, 60);
    return one.status === "SUCCEEDED" && one;
  }, 100);
  assert.equal(again.executions.length, 1);
});

test("of three hosts one refuses, and the others have done their part", { timeout: 120_000 }, async () => {
  await hosts.closed.end();
  await hosts.closed.begin({ MaxSessions: "0" });
  const event = await product.createEvent({ name: "All", type: "BASH", source: "hostname; echo done", target: on("lossy", "rekeyed", "closed") });
  const done = await product.finished((await product.run({ eventId: event.id })).id, 90);
  assert.equal(done.status, "PARTIAL", done.statusReason);
  assert.match(done.statusReason, /closed/);
  assert.deepEqual(done.executions.slice(0, 2).map(({ status }) => status), ["SUCCEEDED", "SUCCEEDED"]);
  await hosts.closed.end();
  await hosts.closed.begin();
});

const killings = {
  "the orchestrator": () => process.kill(orchestrator(), "SIGKILL"),
  "the ssh that keeps the connection": () => {
    const found = masters();
    assert.ok(found.length > 0, "there is a master");
    for (const { pid } of found) process.kill(pid, "SIGKILL");
  },
  "sshd's children": () => {
    const found = connections(hosts.lossy);
    assert.ok(found.length > 0, "there are connections");
    for (const { pid } of found) process.kill(pid, "SIGKILL");
  },
};

for (const [name, kill] of Object.entries(killings)) {
  test(`kill -9 of ${name} in a long run: it is reattached, its log has no gap, and a cancelled one is gone`, { timeout: 300_000 }, async () => {
    const event = await product.createEvent({ name: `Counts past the end of ${name}`, type: "BASH", source: counting, target: on("lossy") });
    const job = await product.run({ eventId: event.id });
    await under(job.id);
    kill();
    await goesOn(job.id);
    const done = await product.finished(job.id, 120);
    assert.equal(done.status, "SUCCEEDED", done.statusReason);
    assert.equal(done.executions.length, 1, "it was not begun anew");
    await isWhole(done.executions[0].id);

    const stubborn = await product.createEvent({
      name: `Stays after ${name}`,
      type: "BASH",
      source: `trap '' TERM; ${counting} & ${counting}`,
      target: on("lossy"),
    });
    const long = await product.run({ eventId: stubborn.id });
    await under(long.id);
    kill();
    await goesOn(long.id);
    const mark = uuidOf(long.id);
    assert.ok(atWork(mark).length > 0, "it is at work on the host");
    await product.gql("mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { message } } }", { id: long.id });
    const stopped = await product.finished(long.id, 60);
    assert.equal(stopped.status, "CANCELLED", stopped.statusReason);
    assert.deepEqual(atWork(mark), [], "no process of it is left on the host");
    const { data } = await product.gql("query ($id: ID!) { job(id: $id) { cancellation { signalSent processGone } } }", { id: long.id });
    assert.deepEqual(data.job.cancellation, { signalSent: true, processGone: true });
  });
}
