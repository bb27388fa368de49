// Kills the orchestrator, the server and Postgres with SIGKILL while 50 jobs run, and counts afterwards:
// every accepted job has an end, and no user code ran twice. Each script tells a ledger outside of the
// product that it began.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { Product, random, until } from "./harness.mjs";

const JOBS = 50;
const FINAL = new Set(["SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "LOST"]);
const seed = Number(process.env.CRONIUM_FAULT_SEED ?? 20260301);

const source = (host, port) => `import os, socket, time
with socket.create_connection(("${host}", ${port}), 10) as s:
    s.sendall(f"POST /{os.environ['CRONIUM_JOB_ID']} HTTP/1.1\\r\\nHost: ledger\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n".encode())
    s.recv(100)
for step in range(10):
    print("step", step, flush=True)
    time.sleep(0.15)
`;

// The host's end of Docker's own bridge: the same for every job, and opened to them for the ledger alone.
// Asked from inside: an engine that made its bridge at this start doesn't list the bridge's address.
const gateway = `import socket, struct
for line in open("/proc/net/route").readlines()[1:]:
    destination, address = line.split()[1:3]
    if destination == "00000000":
        print(socket.inet_ntoa(struct.pack("<L", int(address, 16))))`;
const image = process.env.CRONIUM_EXEC_IMAGE ?? "cronium/exec:1";
const host = execFileSync("docker", ["run", "--rm", "--network", "bridge", image, "python3", "-c", gateway],
  { encoding: "utf8" }).trim();
let product;
const ledger = new Map();
const book = createServer((request, response) => {
  const job = request.url.slice(1);
  ledger.set(job, (ledger.get(job) ?? 0) + 1);
  response.end("ok");
});

before(async () => {
  await new Promise((ready) => book.listen(0, "0.0.0.0", ready));
  product = await Product.start("faults", { CRONIUM_NETWORK_ALLOW: `${host}:${book.address().port}` });
});
after(async () => {
  book.close();
  await product?.stop();
});

const victims = {
  orchestrator() {
    const children = execFileSync("pgrep", ["-P", String(product.child.pid), "cronium-orch"], { encoding: "utf8" });
    for (const pid of children.trim().split("\n")) process.kill(Number(pid), "SIGKILL");
  },
  async server() {
    await product.crash();
    await product.restart();
  },
  postgres() {
    const [pid] = readFileSync(`${product.dataDir}/postgres/data/postmaster.pid`, "utf8").split("\n");
    process.kill(Number(pid), "SIGKILL");
  },
};

test("killing any process at any point loses no job and starts none twice", { timeout: 400_000 }, async () => {
  const next = random(seed);
  const event = await product.createEvent({
    name: "Ledger",
    type: "PYTHON",
    source: source(host, book.address().port),
    target: { container: { network: "BRIDGE", memoryBytes: 128 * 1024 * 1024 } },
  });
  const accepted = [];
  const order = ["orchestrator", "server", "postgres", "orchestrator", "server", "postgres"];
  for (let n = 0; n < JOBS; n += 1) {
    const input = { eventId: event.id, idempotencyKey: `fault-${seed}-${n}` };
    const id = await until(`job ${n} is accepted`, async () => (await product.run(input)).id, 60);
    accepted.push(id);
    if (n % 8 === 7 && order.length > 0) {
      const who = order.shift();
      const finished = Math.floor(next() * 6);
      await until(`${finished} more jobs have begun`, () => ledger.size >= Math.min(finished + n - 12, JOBS), 60);
      await victims[who]();
    }
  }
  assert.equal(new Set(accepted).size, JOBS, "every key gave its own job");
  const ends = await until(
    "every accepted job has an end",
    async () => {
      const { data } = await product.gql(`{ jobs(first: 100) { nodes { id status statusReason } } }`);
      const mine = data.jobs.nodes.filter((job) => accepted.includes(job.id));
      return mine.length === JOBS && mine.every((job) => FINAL.has(job.status)) && mine;
    },
    240,
  );
  const twice = [...ledger].filter(([, starts]) => starts > 1);
  assert.deepEqual(twice, [], "user code started twice");
  for (const job of ends) {
    assert.ok(job.status === "SUCCEEDED" || job.statusReason, `${job.status} without a reason`);
  }
  const steps = Array.from({ length: 10 }, (_, n) => `step ${n}`);
  for (const { id } of ends.filter((job) => job.status === "SUCCEEDED")) {
    const [{ log }] = (await product.job(id)).executions.slice(-1);
    assert.deepEqual(log.lines.map((line) => line.text), steps, "every line is there once, in order");
  }
  const succeeded = ends.filter((job) => job.status === "SUCCEEDED").length;
  console.log(`${succeeded} of ${JOBS} succeeded: ${JSON.stringify(ends.filter((j) => j.status !== "SUCCEEDED"))}`);
  assert.ok(succeeded >= JOBS * 0.8, `only ${succeeded} of ${JOBS} jobs went through`);
});
