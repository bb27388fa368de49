// A disk that takes its time: each commit that waits for it takes 100 ms longer. Lines that are watched do not wait.
import assert from "node:assert/strict";
import { appendFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Product, quantile, until } from "./harness.mjs";

const DELAY_MS = 100;
const LINES = 150;
let product;

before(async () => { product = await Product.start("disk"); });
after(() => product?.stop());

/** How long a change takes that is durable when it is answered, in ms. */
async function change() {
  const from = performance.now();
  await product.createEvent({ name: "durable", type: "BASH", source: "true" });
  return performance.now() - from;
}

test("a slow disk keeps no line from those who watch", { timeout: 60_000 }, async () => {
  const event = await product.createEvent({
    name: "ticks", type: "PYTHON",
    source: `import time\nfor n in range(${LINES}):\n    print(n, time.time(), flush=True)\n    time.sleep(0.02)\n`,
  });
  const data = join(product.dataDir, "postgres/data");
  await appendFile(join(data, "postgresql.auto.conf"), `commit_delay = ${DELAY_MS * 1000}\ncommit_siblings = 0\n`);
  process.kill(Number((await readFile(join(data, "postmaster.pid"), "utf8")).split("\n")[0]), "SIGHUP");
  await until("commits wait", async () => (await change()) >= DELAY_MS);

  const client = product.client();
  const { id } = await product.run({ eventId: event.id });
  const seen = [], latencies = [];
  for await (const { data, errors } of client.iterate({
    query: "subscription ($id: ID!) { jobLog(jobId: $id) { lines { text } final } }", variables: { id },
  })) {
    const now = Date.now();
    assert.ok(!errors, JSON.stringify(errors));
    for (const { text } of data.jobLog.lines) {
      const [n, printed] = text.split(" ").map(Number);
      seen.push(n);
      latencies.push(now - printed * 1000);
    }
    if (data.jobLog.final) break;
  }
  await client.dispose();
  assert.ok((await change()) >= DELAY_MS, "commits still wait");
  assert.equal((await product.finished(id)).status, "SUCCEEDED");
  assert.deepEqual(seen, Array.from({ length: LINES }, (_, n) => n));
  const [half, most] = [0.5, 0.9].map((share) => quantile(latencies, share));
  console.log(`behind commits of ${DELAY_MS} ms: p50 ${half.toFixed(0)} ms, p90 ${most.toFixed(0)} ms`);
  assert.ok(most < DELAY_MS / 2, `a tenth of the lines waited for ${most.toFixed(0)} ms or more`);
});
