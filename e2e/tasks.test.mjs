// Real tasks in each language, started from a browser and from a plain GraphQL client: lines appear while
// they are printed, and what is told afterwards agrees with what the script measured itself.
// CRONIUM_E2E_LONG=1 lets the long script print its progress for a whole minute.
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { Product, launchBrowser, millis, quantile, until } from "./harness.mjs";

const SECONDS = process.env.CRONIUM_E2E_LONG ? 60 : 12;
const LIMIT_MS = 200;
const MIB = 1024 * 1024;

const product = await Product.start("tasks");
const browser = await launchBrowser();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB" });
context.setDefaultTimeout(20_000);
const page = await context.newPage();
after(async () => {
  await browser.close();
  await product.stop();
});

// Every line says when it was printed, by the clock that this machine's containers share with us.
const python = `import csv, itertools, json, resource, time
began = time.time()
rows, note = 0, "n" * 60
with open("orders.csv", "w", newline="") as file:
    out = csv.writer(file)
    while file.tell() < 50_000_000:
        out.writerows((n, f"customer {n % 10007}", n % 1000, note) for n in range(rows, rows + 5000))
        rows += 5000
    size = file.tell()
ticks = ${SECONDS * 10}
seen = total = 0
start = time.time()
with open("orders.csv", newline="") as file:
    orders = csv.reader(file)
    for tick in range(ticks):
        for order in itertools.islice(orders, -(-rows // ticks)):
            seen += 1
            total += int(order[2])
        print(f"tick {tick} {time.time():.6f}", flush=True)
        time.sleep(max(0, start + (tick + 1) / 10 - time.time()))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    "size": size, "rows": rows, "seen": seen, "total": total, "expected": sum(n % 1000 for n in range(rows)),
    "began": began, "ended": time.time(), "cpu": used.ru_utime + used.ru_stime,
}))
`;

const nodejs = `const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
function total(invoice) {
  return invoice.lines.reduce((sum, line) => sum + line.amount, 0);
}
async function main() {
  for (let tick = 0; tick < 25; tick += 1) {
    console.log("tick " + tick + " " + (Date.now() / 1000).toFixed(6));
    await sleep(100);
  }
  total({ number: 17 });
}
main();
`;

const bash = `set -euo pipefail
for tick in $(seq 0 24); do
  echo "$tick $EPOCHREALTIME"
  sleep 0.1
done | while read -r tick clock; do
  echo "tick $tick $clock"
done
seq 1 100000 | awk '{ sum[$1 % 7] += $1 } END { for (k in sum) print k, sum[k] }' | sort -k2,2nr | head -n 2
`;

const tasks = [
  { name: "CSV", type: "PYTHON", source: python, ticks: SECONDS * 10, memoryBytes: 512 * MIB },
  { name: "Invoice", type: "NODEJS", source: nodejs, ticks: 25 },
  { name: "Pipeline", type: "BASH", source: bash, ticks: 25 },
];

const TICK = /^tick (\d+) (\d+\.\d+)$/;
const texts = (job, stream = "STDOUT") => job.executions[0].log.lines.filter((l) => l.stream === stream).map((l) => l.text);
const near = (what, value, wanted, share) =>
  assert.ok(Math.abs(value - wanted) <= wanted * share, `${what}: ${value}, wanted ${wanted} ± ${share * 100} %`);

function check(latencies, what) {
  const [half, most, worst] = [0.5, 0.99, 1].map((share) => quantile(latencies, share).toFixed(0));
  console.log(`${what}: ${latencies.length} lines, p50 ${half} ms, p99 ${most} ms, worst ${worst} ms`);
  assert.ok(quantile(latencies, 0.99) <= LIMIT_MS, `${what}: p99 is ${most} ms`);
}

/** The phases are whole, in order, and agree with the clocks of the client and of the script. */
function phases(job, { sent, received }) {
  const [execution] = job.executions;
  const { queued, setup, run, cleanup } = Object.fromEntries(
    Object.entries(execution.timing).map(([phase, duration]) => [phase, millis(duration)]));
  const [created, started, finished] = [job.createdAt, job.startedAt, job.finishedAt].map(Date.parse);
  assert.ok(sent - 1 <= created && finished <= received + 1, "the run lies within the client's own times");
  near("all phases together", queued + setup + run + cleanup, finished - created, 4 / (finished - created));
  near("until the start", queued + setup, started - created, 4 / (started - created));
  const clocks = texts(job).map((text) => TICK.exec(text)).filter(Boolean).map(([, , clock]) => Number(clock) * 1000);
  const [first, last] = [clocks[0], clocks.at(-1)];
  // What the API tells is in whole milliseconds, rounded down.
  assert.ok(started <= first + 1, `user code began at ${started}, the first line is of ${first}`);
  assert.ok(last <= started + run + 2, `user code ended at ${started + run}, the last line is of ${last}`);
  return { started, run, first, last };
}

const outcome = {
  PYTHON(job, seen) {
    const [execution] = job.executions;
    assert.equal(job.status, "SUCCEEDED", job.statusReason);
    assert.equal(execution.exitCode, 0);
    const own = JSON.parse(texts(job).at(-1));
    assert.ok(own.size >= 50_000_000);
    assert.deepEqual([own.seen, own.total], [own.rows, own.expected]);
    near("the run's length", seen.run, (own.ended - own.began) * 1000, 0.1);
    assert.ok(seen.run >= SECONDS * 1000);
    near("processor time", millis(execution.cpuTime), own.cpu * 1000, 0.2);
    // The file lies in memory, and Python itself needs some.
    assert.ok(execution.peakMemoryBytes > own.size && execution.peakMemoryBytes < own.size + 100 * MIB,
      `${execution.peakMemoryBytes} bytes for a file of ${own.size}`);
  },
  NODEJS(job, seen) {
    assert.equal(job.status, "FAILED");
    assert.equal(job.executions[0].exitCode, 1);
    assert.match(job.statusReason, /exit code 1/);
    const trace = texts(job, "STDERR").join("\n");
    assert.match(trace, /TypeError: Cannot read properties of undefined \(reading 'reduce'\)\n +at total \(.*:3:\d+\)\n +at main \(.*:10:\d+\)/);
    near("the run's length", seen.run, 2500, 0.4);
  },
  BASH(job, seen) {
    assert.equal(job.status, "SUCCEEDED", job.statusReason);
    assert.equal(job.executions[0].exitCode, 0);
    const sums = Array.from({ length: 7 }, () => 0);
    for (let n = 1; n <= 100_000; n += 1) sums[n % 7] += n;
    const wanted = sums.map((sum, k) => [k, sum]).sort((a, b) => b[1] - a[1]).slice(0, 2).map((pair) => pair.join(" "));
    assert.deepEqual(texts(job).slice(-2), wanted);
    near("the run's length", seen.run, 2500, 0.4);
  },
};

describe("a plain GraphQL client", () => {
  for (const task of tasks) {
    test(`runs ${task.name} (${task.type}) and sees its lines live`, { timeout: 120_000 }, async () => {
      const target = task.memoryBytes && { container: { memoryBytes: task.memoryBytes } };
      const event = await product.createEvent({ name: task.name, type: task.type, source: task.source, target });
      const client = product.client();
      const sent = Date.now();
      const { id } = await product.run({ eventId: event.id });
      const latencies = [];
      for await (const { data, errors } of client.iterate({
        query: "subscription ($id: ID!) { jobLog(jobId: $id) { lines { text } final } }", variables: { id },
      })) {
        const now = Date.now();
        assert.ok(!errors, JSON.stringify(errors));
        for (const { text } of data.jobLog.lines) {
          const tick = TICK.exec(text);
          if (tick) latencies.push(now - Number(tick[2]) * 1000);
        }
        if (data.jobLog.final) break;
      }
      await client.dispose();
      const job = await product.finished(id);
      assert.equal(latencies.length, task.ticks);
      check(latencies, `client, ${task.type}`);
      outcome[task.type](job, phases(job, { sent, received: Date.now() }));
    });
  }
});

describe("a browser", () => {
  const main = () => page.getByRole("main");

  test("signs in", async () => {
    await page.goto(`${product.url}/en/`);
    await page.getByLabel("Email", { exact: true }).fill(product.email);
    await page.getByLabel("Password", { exact: true }).fill(product.password);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("navigation", { name: "Main" }).waitFor();
  });

  for (const task of tasks) {
    test(`makes ${task.name} (${task.type}) in the editor, runs it and shows its lines live`, { timeout: 120_000 }, async () => {
      await page.goto(`${product.url}/en/events/new`);
      await main().getByLabel("Name", { exact: true }).fill(`${task.name} from the browser`);
      await main().getByLabel("Type", { exact: true }).selectOption(task.type);
      await main().getByRole("textbox", { name: /^Source of/ }).fill(task.source);
      await page.getByRole("button", { name: /^Create event/ }).click();
      await page.waitForURL(/\/en\/events\/(?!new)[^/?]+/);
      const sent = Date.now();
      const pane = page.getByRole("region", { name: "Test run" });
      await pane.getByRole("button", { name: /^Run/ }).click();
      await pane.getByRole("link", { name: /^#\d+$/ }).click();
      await page.waitForURL(/\/en\/runs\/[^/?]+/);
      await page.evaluate(() => {
        globalThis.shown = new Map();
        const look = () => requestAnimationFrame(() => {
          const now = Date.now();
          for (const row of document.querySelectorAll(".log-lines .tx")) {
            const tick = /^tick (\d+) (\d+\.\d+)$/.exec(row.textContent);
            if (tick && !globalThis.shown.has(tick[1])) globalThis.shown.set(tick[1], [Number(tick[2]) * 1000, now]);
          }
        });
        new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
        look();
      });
      const id = decodeURIComponent(new URL(page.url()).pathname.split("/").at(-1));
      const job = await product.finished(id, SECONDS + 60);
      const received = Date.now();
      await until("the page has the last line", () =>
        page.evaluate((last) => globalThis.shown.has(last), String(task.ticks - 1)));
      const shown = await page.evaluate(() => [...globalThis.shown.values()]);
      // Lines that were printed before the page was there are not late, they are its first sight.
      const first = Math.min(...shown.map(([, now]) => now));
      const live = shown.filter(([printed]) => printed > first);
      assert.ok(live.length >= task.ticks / 2, `only ${live.length} of ${task.ticks} lines came while the page was open`);
      check(live.map(([printed, now]) => now - printed), `page, ${task.type}`);
      await main().getByText(job.status === "SUCCEEDED" ? "Succeeded" : "Failed").first().waitFor();
      outcome[task.type](job, phases(job, { sent, received }));
    });
  }
});

describe("figures of a run", () => {
  const finish = async (input) => {
    const { id } = await product.createEvent({ type: "PYTHON", ...input });
    return product.finished((await product.run({ eventId: id })).id);
  };

  test("peak memory is what the script took", async () => {
    const peak = async (name, source) => (await finish({ name, source })).executions[0].peakMemoryBytes;
    const idle = await peak("takes nothing", "pass");
    const full = await peak("takes 100 MiB", `block = b"x" * (100 << 20)\nprint(len(block))`);
    assert.ok(idle > MIB && idle < 40 * MIB, `${idle} bytes for an idle script`);
    near("memory that was taken", full - idle, 100 * MIB, 0.1);
  });

  test("processor time counts the script's children", async () => {
    const job = await finish({
      name: "burns",
      source: `import resource, subprocess, sys, time
burn = "import time\\nwhile time.process_time() < 0.6: pass"
exec(burn)
subprocess.run([sys.executable, "-c", burn], check=True)
print(sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))))
`,
    });
    const own = Number(texts(job)[0]) * 1000;
    assert.ok(own >= 1200);
    near("processor time", millis(job.executions[0].cpuTime), own, 0.2);
  });

  test("the wait for a free place is the queued phase", async () => {
    const { data } = await product.gql("{ orchestrators { capacity } }");
    const places = data.orchestrators[0].capacity;
    const { id: eventId } = await product.createEvent({ name: "holds a place", type: "BASH", source: 'echo "tick 0 $EPOCHREALTIME"; sleep 2; echo "tick 1 $EPOCHREALTIME"' });
    const holders = await Promise.all(Array.from({ length: places }, () => product.run({ eventId })));
    await until("every place is held", async () =>
      (await Promise.all(holders.map((one) => product.job(one.id)))).every((one) => one.status === "RUNNING"));
    const sent = Date.now();
    const job = await product.finished((await product.run({ eventId })).id);
    phases(job, { sent, received: Date.now() });
    const held = await Promise.all(holders.map((one) => product.job(one.id)));
    const free = Math.min(...held.map((one) => Date.parse(one.finishedAt)));
    const began = Date.parse(job.createdAt) + millis(job.timing.queued);
    assert.ok(began >= free - 1 && began <= free + 1500, `a place was free at ${free}, the job began at ${began}`);
  });
});
