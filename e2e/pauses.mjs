// When the machine itself stood still: a process of its own, which does next to nothing, notes when its timer came late or
// a byte took long to reach the disk. What was under way meanwhile is not late by the product's fault.
import { spawn } from "node:child_process";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const EVERY_MS = 20;
/** Less is what any busy machine does. */
const LATE_MS = 50;
const SLOW_DISK_MS = 250;

export class Pauses {
  #found = [];
  #child;

  static async start() {
    const pauses = new Pauses();
    pauses.#child = spawn(process.execPath, [fileURLToPath(import.meta.url)], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = createInterface({ input: pauses.#child.stdout });
    await new Promise((ready) => lines.once("line", ready));
    lines.on("line", (line) => pauses.#found.push(line.split(" ").map(Number)));
    return pauses;
  }

  /** How much of the time between two moments (ms of the wall clock) the machine stood still; once what it says is there. */
  within(from, to) {
    let sum = 0, until = from;
    for (const [begun, ended] of [...this.#found].sort((a, b) => a[0] - b[0])) {
      const [a, b] = [Math.max(begun, until), Math.min(ended, to)];
      if (b > a) [sum, until] = [sum + b - a, b];
    }
    return sum;
  }

  /** All that it noted so far is known. */
  async settle() {
    const before = this.#found.length;
    this.#child.stdin.write("\n");
    while (this.#found.length === before || this.#found.at(-1)[0] !== 0) await new Promise((next) => setImmediate(next));
    this.#found = this.#found.filter(([begun]) => begun !== 0);
  }

  async stop() {
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.stdin.end();
    await ended;
  }
}

async function watch() {
  const dir = await mkdtemp(join(tmpdir(), "cronium-pauses-"));
  const file = await open(join(dir, "byte"), "w");
  let open_ = true;
  process.stdin.on("data", () => console.log("0 0"));
  process.stdin.on("end", () => { open_ = false; });
  const say = (from, to) => console.log(`${from} ${to}`);
  const disk = async () => {
    while (open_) {
      const from = Date.now();
      await file.write("x", 0);
      await file.datasync();
      if (Date.now() - from > SLOW_DISK_MS) say(from, Date.now());
      await new Promise((next) => setTimeout(next, EVERY_MS * 5));
    }
  };
  const timer = async () => {
    while (open_) {
      const from = Date.now();
      await new Promise((next) => setTimeout(next, EVERY_MS));
      if (Date.now() - from > EVERY_MS + LATE_MS) say(from, Date.now());
    }
  };
  console.log("ready");
  await Promise.all([disk(), timer()]);
  await file.close();
  await rm(dir, { recursive: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await watch();
