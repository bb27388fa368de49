// Writes what a run has shown as docs/reliability.md.
import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";

import { quantile, root } from "../harness.mjs";
import { RULES } from "./checker.mjs";
import { FAULTS } from "./faults.mjs";

const said = (program, ...args) => {
  try {
    return execFileSync(program, args, { encoding: "utf8", cwd: root, stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return "unknown";
  }
};
const seconds = (ms) => (ms / 1000).toFixed(1);
const number = (value) => value.toLocaleString("en-US");
const spread = (times) => (times.length === 0 ? "– | – | –" : [quantile(times, 0.5), quantile(times, 0.99), Math.max(...times)].map(seconds).join(" | "));

export function report(result) {
  const { seed, jobs, faults, kinds, findings, outcomes, recoveries } = result;
  const changed = said("git", "status", "--porcelain", "--untracked-files=no") === "" ? "" : ", with changes";
  const rows = Object.keys(FAULTS).filter((kind) => kinds[kind]).map((kind) =>
    `| ${kind} | ${kinds[kind].count} | ${spread(kinds[kind].alone)} |`);
  const rules = Object.entries(RULES).map(([rule, text]) => `| ${text} | ${findings.filter((one) => one.rule === rule).length} |`);
  const ends = Object.entries(outcomes).sort().map(([status, count]) => `${status} ${number(count)}`).join(", ");
  const fell = Object.entries(result.fell).map(([name, times]) => `${name} ${times}×`).join(", ") || "none";
  return `# Reliability

\`just chaos\` (or \`scripts/chaos.sh\`) runs the whole product as separate processes on one machine (Postgres, Valkey, two
servers, two orchestrators on a real Docker engine), submits jobs through the public API, breaks one thing after another,
and then counts. It writes this page. A run is chosen by its seed: which faults, in which order, how long each
lasts, and which jobs. When they meet which job depends on the machine.

## This run

| | |
| --- | --- |
| Faults, jobs | **${number(faults)} faults over ${number(jobs)} jobs** in ${Math.round(result.seconds / 60)} min |
| Seed | ${seed} |
| Commit | ${said("git", "rev-parse", "--short=10", "HEAD")}${changed}, ${new Date().toISOString().slice(0, 10)} |
| Processor | ${cpus()[0].model}, ${cpus().length} cores |
| Memory | ${(totalmem() / 2 ** 30).toFixed(1)} GiB |
| Kernel | ${release()} |
| PostgreSQL | ${said("sh", "-c", "ls /usr/lib/postgresql | sort -n | tail -n 1")} |
| Docker engine | ${said("docker", "version", "--format", "{{.Server.Version}}")} |
| Ends | ${ends} |
| Requests without an answer, sent again with the same key | ${number(result.unanswered)} |
| Requests that were answered, sent again all the same | ${number(result.repeated)} |
| Log lines that were compared with what was printed | ${number(result.lines)} |
| Lines in the ledger outside | ${number(result.ledger)} |
| Processes that ended by themselves and were started again | ${fell} |

## What was broken

| fault | times | recovery alone, p50, s | p99, s | max, s |
| --- | ---: | ---: | ---: | ---: |
${rows.join("\n")}
| **all, also several at once** | **${number(faults)}** | ${spread(recoveries)} |

Recovery is counted from the end of the fault (the process is started again, the wire is whole, the disk has room) until
all of this holds: both servers are ready, both orchestrators hear a server, no lease has run out without a word about
it, and a job has come to its end since. The limit is 30 s. About a third of the faults come before the one before
is got over; those count in the last row only.
${result.lacking.length > 0 ? `\nNot in this run: ${result.lacking.join(", ")}.\n` : ""}
Clocks do not jump here: the product has no clock that can be set from outside, and gets none for this. Leases follow
Postgres' clock alone.

## What the checker found

| what would be wrong | found |
| --- | ---: |
${rules.join("\n")}

Each script prints a line for its start, numbered lines, and a last one, and in each of them a random word that it draws
when it starts: lines of two starts can't pass for one. Some tell a ledger outside of the product too, over a network
that is open for it alone. Each log is compared line by line with what that script prints. A job may be \`LOST\` only if the
container in which it ran was killed.
`;
}
