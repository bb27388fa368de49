// The long run: `node e2e/chaos/run.mjs --jobs 5000 --faults 1000 --seed 1 [--engine] [--report docs/reliability.md]`.
// Ends with 1 when the checker found anything.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { drive } from "./drive.mjs";
import { report } from "./report.mjs";

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "5000" },
    faults: { type: "string", default: "1000" },
    seed: { type: "string", default: process.env.CRONIUM_CHAOS_SEED ?? String(Math.floor(Math.random() * 2 ** 31)) },
    engine: { type: "boolean", default: false },
    report: { type: "string" },
  },
});
const [jobs, faults, seed] = ["jobs", "faults", "seed"].map((name) => {
  const number = Number(values[name]);
  if (!Number.isSafeInteger(number) || number < (name === "seed" ? 0 : 1)) {
    console.error(`--${name} must be a whole number`);
    process.exit(2);
  }
  return number;
});
// Ends by `exit`, which takes all that was started along.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(130));

console.log(`seed ${seed}: ${faults} faults over ${jobs} jobs`);
const result = await drive({
  name: "chaos", seed, jobs, faults, privateEngine: values.engine, mebibytes: 512 + Math.ceil(jobs / 2),
  say: (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`),
});
for (const finding of result.findings) console.log(JSON.stringify(finding));
console.log(`outcomes: ${JSON.stringify(result.outcomes)}`);
if (values.report) await writeFile(values.report, report(result));
console.log(`${result.findings.length} findings, seed ${seed}, ${result.seconds.toFixed(0)} s`);
process.exit(result.findings.length === 0 ? 0 : 1);
