// Scripts that attack the machine they run on, beside a healthy one: they end, and nothing else does. What is
// told of them names the true cause.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Product, until } from "./harness.mjs";

const MIB = 1024 * 1024;
let product;
before(async () => { product = await Product.start("attacks"); });
after(() => product?.stop());

async function start(name, type, source, input = {}) {
  const { id } = await product.createEvent({ name, type, source, ...input });
  return (await product.run({ eventId: id })).id;
}

const texts = (job, stream = "STDOUT") => job.executions[0].log.lines.filter((l) => l.stream === stream).map((l) => l.text);

/** Runs an attack while a healthy script counts, and insists that the healthy one did not notice. */
async function beside(attack) {
  const healthy = await start("counts beside", "PYTHON", `import subprocess, time
for n in range(30):
    subprocess.run(["true"], check=True)
    block = b"x" * (20 << 20)
    print(n, time.time(), flush=True)
    time.sleep(0.1)
`, { target: { container: { memoryBytes: 128 * MIB, pids: 16 } } });
  await until("the healthy script runs", async () => texts(await product.job(healthy)).length > 0);
  const id = await attack();
  const job = await product.finished(id, 60);
  const untouched = await product.finished(healthy, 60);
  assert.equal(untouched.status, "SUCCEEDED", untouched.statusReason);
  const lines = texts(untouched).map((line) => line.split(" ").map(Number));
  assert.deepEqual(lines.map(([n]) => n), Array.from({ length: 30 }, (_, n) => n));
  const gaps = lines.slice(1).map(([, at], n) => at - lines[n][1]);
  assert.ok(Math.max(...gaps) < 3, `the healthy script stood still for ${Math.max(...gaps)} s`);
  assert.equal(untouched.executions.length, 1, "it ran once");
  return job;
}

/** The product itself still works, and its orchestrator never went away. */
async function unharmed() {
  const { data } = await product.gql("{ orchestrators { connected } }");
  assert.deepEqual(data.orchestrators, [{ connected: true }]);
  const job = await product.finished(await start("afterwards", "BASH", "echo fine"));
  assert.equal(job.status, "SUCCEEDED", job.statusReason);
  assert.deepEqual(texts(job), ["fine"]);
}

describe("an attack ends only its own job", () => {
  test("a fork bomb meets its process limit", { timeout: 120_000 }, async () => {
    const job = await beside(() => start("fork bomb", "PYTHON", `import os, time
born = 0
while True:
    if os.fork() == 0:
        time.sleep(600)
        os._exit(0)
    born += 1
    print("born", born, flush=True)
`, { target: { container: { pids: 40 } }, timeout: "PT20S" }));
    assert.equal(job.status, "FAILED", job.statusReason);
    assert.equal(job.executions[0].exitCode, 1);
    const born = texts(job).length;
    // The limit holds the script itself too, and leaves the runner's own threads room.
    assert.ok(born >= 38 && born <= 56, `${born} processes were born under a limit of 40`);
    assert.match(job.statusReason, /^exit code 1; its process limit was reached, [1-9]\d* new processes were refused$/);
    assert.match(texts(job, "SYSTEM").join("\n"), /^the process limit was reached: [1-9]\d* new processes or threads were refused$/);
    assert.match(texts(job, "STDERR").join("\n"), /BlockingIOError/);
    await unharmed();
  });

  test("a fork bomb that goes on forking is ended by its time limit", { timeout: 120_000 }, async () => {
    const job = await beside(() => start("endless fork bomb", "BASH",
      "bomb() { bomb | bomb & }\nbomb\nwhile true; do bomb; done 2>/dev/null", { target: { container: { pids: 40 } }, timeout: "PT3S" }));
    assert.ok(["TIMED_OUT", "FAILED"].includes(job.status), job.status);
    assert.match(job.statusReason, /; its process limit was reached/);
    if (job.status === "TIMED_OUT") assert.match(job.statusReason, /timed out after 3 s/);
    assert.match(texts(job, "SYSTEM").join("\n"), /^the process limit was reached: /);
    await unharmed();
  });

  test("a memory hog is out of memory", { timeout: 120_000 }, async () => {
    const job = await beside(() => start("memory hog", "PYTHON", `held = []
while True:
    held.append(b"x" * (8 << 20))
    print(len(held) * 8, flush=True)
`, { target: { container: { memoryBytes: 96 * MIB } }, timeout: "PT20S" }));
    assert.equal(job.status, "FAILED", job.statusReason);
    assert.match(job.statusReason, /out of memory \(limit 96 MiB\)/);
    const taken = Number(texts(job).at(-1));
    assert.match(texts(job, "SYSTEM").join("\n"), /^memory ran out: 1 processes were killed$/);
    assert.ok(taken >= 56 && taken <= 96, `${taken} MiB were taken under a limit of 96`);
    const { peakMemoryBytes } = job.executions[0];
    assert.ok(peakMemoryBytes > 88 * MIB && peakMemoryBytes <= 96 * MIB, `peak ${peakMemoryBytes}`);
    await unharmed();
  });

  test("a memory hog in a child process is named as the cause too", { timeout: 120_000 }, async () => {
    const job = await beside(() => start("hog by proxy", "BASH",
      `python3 -c 'held = [b"x" * (8 << 20) for _ in range(1000)]'`, { target: { container: { memoryBytes: 96 * MIB } }, timeout: "PT20S" }));
    assert.equal(job.status, "FAILED", job.statusReason);
    assert.match(job.statusReason, /out of memory \(limit 96 MiB\)/);
    await unharmed();
  });
});

describe("hostile output", () => {
  test("a line of 100 MB is cut, and says so", { timeout: 120_000 }, async () => {
    // One byte off, so that the cut falls into a character.
    const length = 100_000_001, limit = 64 * 1024;
    const job = await product.finished(await start("long line", "PYTHON",
      `import sys\nsys.stdout.write("x")\nfor _ in range(100):\n    sys.stdout.write("é" * 500_000)\nprint()\nprint("next")\n`));
    assert.equal(job.status, "SUCCEEDED", job.statusReason);
    const [{ log: { lines }, logTruncated }] = job.executions;
    assert.equal(logTruncated, true);
    assert.equal(lines.length, 3);
    const [cut, record, following] = lines;
    assert.equal(cut.stream, "STDOUT");
    assert.match(cut.text, /^xé+$/, "it is cut between characters");
    const kept = Buffer.byteLength(cut.text);
    assert.equal(kept, limit - 1);
    assert.deepEqual([record.stream, record.text], ["SYSTEM", `line 1 was cut: ${length - kept} bytes dropped`]);
    assert.deepEqual([following.stream, following.text], ["STDOUT", "next"]);
    await unharmed();
  });

  test("bytes that are not UTF-8 are marked, each where it stood", async () => {
    const job = await product.finished(await start("bytes", "PYTHON", `import sys, time
out = sys.stdout.buffer
out.write(b"plain\\n\\xff\\xfe middle \\xe2\\x82 end\\n")
out.write(b"euro \\xe2\\x82"); out.flush(); time.sleep(0.3); out.write(b"\\xac\\n")
out.write(b"surrogate \\xed\\xa0\\x80\\nzero\\x00byte\\n\\xf0\\x9f\\x98\\x80\\n")
`));
    assert.equal(job.status, "SUCCEEDED", job.statusReason);
    const bad = "\ufffd";
    assert.deepEqual(texts(job), ["plain", `${bad}${bad} middle ${bad} end`, "euro €", `surrogate ${bad}${bad}${bad}`, "zerobyte", "😀"]);
    await unharmed();
  });

  test("what a terminal would obey does not reach a reader", async () => {
    const job = await product.finished(await start("escapes", "BASH",
      `printf 'a\\033]52;c;ZXZpbA==\\007b\\n\\033[31mred\\033[0m\\nuser\\342\\200\\256nimda\\n'`));
    assert.deepEqual(texts(job), ["ab", "\u001b[31mred\u001b[0m", "usernimda"]);
  });
});
