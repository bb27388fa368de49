// Fifty servers at the same time: each runs the script once, all of it is there, and neither the server nor the orchestrator
// grows with it. All of 127.0.0.0/8 is this machine, so one sshd is fifty hosts.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { Product, until } from "./harness.mjs";
import { Sshd } from "./sshd.mjs";

const SERVERS = 50;
const LINES = 2_000;
/** Beyond what they have when they idle, in bytes: together with what one ssh a server takes, which is counted apart. */
const GROWTH = 64 << 20;
const A_CONNECTION = 12 << 20;

let host;
let product;
const servers = [];

const children = (pid, name) => {
  try {
    return execFileSync("pgrep", ["-P", String(pid), name], { encoding: "utf8" }).trim().split("\n").map(Number);
  } catch {
    return [];
  }
};
const orchestrator = () => children(product.child.pid, "cronium-orch")[0];
/** Memory that a process has for itself alone (proc_pid_smaps(5)): of what is shared, many would count all. */
function ownMemory(pid) {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(rollup)[1]) * 1024;
  return of("Private_Clean") + of("Private_Dirty");
}

before(async () => {
  host = await Sshd.start({ address: "0.0.0.0" });
  product = await Product.start("many-servers");
  const add = async (number) => {
    const { data } = await product.gql(
      "mutation ($i: CreateServerInput!) { createServer(input: $i) { server { id } userErrors { field message } } }",
      { i: { name: `host-${number}`, address: `127.0.0.${number}`, port: host.port, username: host.user, privateKey: host.privateKey, hostKeyFingerprint: host.fingerprint, checkIntervalSeconds: 0 } },
    );
    assert.deepEqual(data.createServer.userErrors, []);
    servers.push(data.createServer.server.id);
  };
  for (let number = 1; number <= SERVERS; number += 5) await Promise.all([0, 1, 2, 3, 4].map((more) => add(number + more)));
});
after(async () => {
  await product?.stop();
  await host?.stop();
});

test("fifty servers run one event at once, and nothing grows with them", { timeout: 400_000 }, async () => {
  const idle = { server: ownMemory(product.child.pid), orchestrator: ownMemory(orchestrator()) };
  const event = await product.createEvent({
    name: "Everywhere",
    type: "BASH",
    source: `for n in $(seq 1 ${LINES}); do echo "line $n of $CRONIUM_EXECUTION_ID"; done; sleep 5`,
    target: { servers: { servers } },
  });
  const { id } = await product.run({ eventId: event.id });
  const most = { server: 0, orchestrator: 0, connections: 0 };
  const done = await until("all of them have ended", async () => {
    most.server = Math.max(most.server, ownMemory(product.child.pid));
    most.orchestrator = Math.max(most.orchestrator, ownMemory(orchestrator()));
    const ways = children(orchestrator(), "ssh");
    const own = ways.map((pid) => {
      try {
        return ownMemory(pid);
      } catch {
        return 0; // It has ended.
      }
    });
    most.connections = Math.max(most.connections, own.reduce((all, one) => all + one, 0));
    const { data } = await product.gql("query ($id: ID!) { job(id: $id) { status statusReason finishedAt executions { status statusReason logLineCount server { id } } } }", { id });
    return data.job.finishedAt && data.job;
  }, 300);
  assert.equal(done.status, "SUCCEEDED", done.statusReason);
  assert.equal(done.executions.length, SERVERS);
  assert.equal(new Set(done.executions.map(({ server }) => server.id)).size, SERVERS);
  for (const { logLineCount } of done.executions) assert.equal(logLineCount, LINES);
  const grown = { server: most.server - idle.server, orchestrator: most.orchestrator - idle.orchestrator };
  console.log(`grown by ${JSON.stringify(grown)} bytes, connections ${most.connections} bytes`);
  assert.ok(grown.server < GROWTH, `the server grew by ${grown.server} bytes`);
  assert.ok(grown.orchestrator < GROWTH, `the orchestrator grew by ${grown.orchestrator} bytes`);
  assert.ok(most.connections < SERVERS * A_CONNECTION, `connections took ${most.connections} bytes`);
});

test("a limit of ten at a time is kept, and all have their turn", { timeout: 400_000 }, async () => {
  const event = await product.createEvent({
    name: "Ten at a time",
    type: "BASH",
    source: "sleep 1",
    target: { servers: { servers: servers.slice(0, 30), maxParallel: 10 } },
  });
  const { id } = await product.run({ eventId: event.id });
  let most = 0;
  const done = await until("all of them have ended", async () => {
    const { data } = await product.gql("query ($id: ID!) { job(id: $id) { status statusReason finishedAt executions { status } } }", { id });
    const open = data.job.executions.filter(({ status }) => ["DISPATCHING", "RUNNING"].includes(status)).length;
    most = Math.max(most, open);
    return data.job.finishedAt && data.job;
  }, 200);
  assert.equal(done.status, "SUCCEEDED", done.statusReason);
  assert.ok(most > 1 && most <= 10, `${most} at a time`);
});
