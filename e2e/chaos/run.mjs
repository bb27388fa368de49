// The long run: `node e2e/chaos/run.mjs --jobs 5000 --faults 1000 --seed 1 [--engine] [--report docs/reliability.md]`.
// `--only` names kinds of faults, with commas between them. Ends with 1 when the checker found anything.
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";

import { drive } from "./drive.mjs";
import { FAULTS } from "./faults.mjs";
import { report } from "./report.mjs";

const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "5000" },
    faults: { type: "string", default: "1000" },
    seed: { type: "string", default: process.env.CRONIUM_CHAOS_SEED ?? String(Math.floor(Math.random() * 2 ** 31)) },
    engine: { type: "boolean", default: false },
    only: { type: "string" },
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
const only = values.only?.split(",").map((name) => name.trim());
const unknown = only?.filter((name) => !(name in FAULTS));
if (unknown?.length > 0) {
  console.error(`--only: there is no ${unknown.join(", ")}; there are: ${Object.keys(FAULTS).join(", ")}`);
  process.exit(2);
}
const interrupt = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => interrupt.abort());

console.log(`seed ${seed}: ${faults} faults over ${jobs} jobs`);
const result = await drive({
  name: "chaos", seed, jobs, faults, privateEngine: values.engine, only, signal: interrupt.signal, mebibytes: 512 + Math.ceil(jobs / 2),
  say: (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`),
}).catch((error) => {
  console.error(error);
  process.exit(1);
});
for (const finding of result.findings) console.log(JSON.stringify(finding));
console.log(`outcomes: ${JSON.stringify(result.outcomes)}`);
if (values.report) await writeFile(values.report, report(result));
console.log(`${result.findings.length} findings, seed ${seed}, ${result.seconds.toFixed(0)} s`);
process.exit(result.findings.length === 0 ? 0 : 1);
