// The fault driver: that its checker sees what is wrong, and a short run of it. The long one is `just chaos`.
import assert from "node:assert/strict";
import { test } from "node:test";

import { check, checkLog, RULES } from "./chaos/checker.mjs";
import { drive } from "./chaos/drive.mjs";
import { printed } from "./chaos/scripts.mjs";
import { World } from "./chaos/world.mjs";
import { until } from "./harness.mjs";

const seed = Number(process.env.CRONIUM_CHAOS_SEED ?? 20260301);
const JOBS = 90;
const FAULTS = 24;

const WORD = "0b5e55ed";

/** What is seen of a run in which nothing is wrong: one job of each of these kinds. */
function seen(kinds = ["quick", "fails with 3", "tells the ledger"]) {
  const jobs = kinds.map((kind, n) => {
    const [job, execution] = [`job-${n}`, `execution-${n}`];
    const exitCode = kind === "fails with 3" ? 3 : 0;
    const end = { status: exitCode ? "FAILED" : "SUCCEEDED", statusReason: exitCode ? "exit code 3" : null, finishedAt: "then" };
    const text = printed(kind, { execution, job, attempt: 1 }, WORD);
    const lines = text.map((text, at) => ({ seq: at + 1, stream: "STDOUT", text }));
    const executions = [{ uuid: execution, attempt: 1, status: end.status, exitCode, startedAt: "before", logLineCount: lines.length, lines }];
    return { n, kind, key: `key-${n}`, uuid: job, ids: new Set([job]), seen: [{ ...end }], faulted: true, end: { ...end, executions } };
  });
  const row = ({ n, uuid, kind, end }) =>
    ({ id: `execution-${n}`, job: uuid, starts: 1, maxStarts: 1, leased: false, status: end.status, ledger: kind === "tells the ledger" });
  const told = jobs.filter(({ kind }) => kind === "tells the ledger").flatMap(({ n, uuid }) =>
    ["begin", "end"].map((what) => ({ what, execution: `execution-${n}`, job: uuid, attempt: 1, word: WORD })));
  return {
    seed: 1, jobs, ledger: told, hits: new Map(), left: {}, recoveries: [{ fault: "server killed", ms: 900 }], limit: 30_000,
    rows: { jobs: jobs.map(({ uuid }) => uuid), keys: new Map(jobs.map(({ key, uuid }) => [key, uuid])), executions: jobs.map(row) },
  };
}

const lost = (all) => {
  const [job] = all.jobs;
  for (const one of [job.end, job.end.executions[0], job.seen[0], all.rows.executions[0]]) one.status = "LOST";
  job.end.statusReason = job.seen[0].statusReason = "the runner was lost after the start";
  job.end.executions[0].exitCode = null;
};
const log = (all) => all.jobs[0].end.executions[0].lines;

// What is done to a run, and the rules that it breaks.
const WRONG = {
  "a job that the API does not know": [["missing"], (all) => { all.jobs[0].end = null; }],
  "a job without a row": [["missing"], (all) => { all.rows.jobs.shift(); }],
  "two jobs for one key": [["doubled"], (all) => { all.jobs[0].ids.add("another"); }],
  "a job that nobody asked for": [["stray"], (all) => { all.rows.jobs.push("another"); }],
  "a key that is gone": [["forgotten"], (all) => { all.rows.keys.delete("key-0"); }],
  "a key that leads to another job": [["forgotten"], (all) => { all.rows.keys.set("key-0", "job-1"); }],
  "a job that still runs": [["unfinished"], (all) => {
    Object.assign(all.jobs[0].end, { status: "RUNNING", finishedAt: null });
    Object.assign(all.jobs[0].end.executions[0], { status: "RUNNING", exitCode: null });
    all.jobs[0].seen = [];
  }],
  "a final state that became another": [["changed"], (all) => { all.jobs[0].seen.unshift({ ...all.jobs[0].seen[0], status: "LOST" }); }],
  "an end that was moved": [["changed"], (all) => { all.jobs[0].seen[0].finishedAt = "earlier"; }],
  "two starts by the rows": [["starts"], (all) => { all.rows.executions[0].starts = 2; }],
  "two starts by the ledger": [["starts"], (all) => { all.ledger.push({ ...all.ledger[0], word: "another" }); }],
  "two starts by the log": [["log", "starts"], (all) => { log(all)[2].text = "2 another"; }],
  "a start that was not granted": [["ungranted"], (all) => { all.rows.executions[2].starts = 0; }],
  "a success that the ledger does not know": [["ledger"], (all) => { all.ledger.pop(); }],
  "a gap in the log": [["log", "cut"], (all) => { log(all).splice(2, 1); }],
  "a line that is there twice": [["log", "cut"], (all) => { log(all).splice(2, 0, log(all)[1]); }],
  "a line with another text": [["log"], (all) => { log(all)[1].text = `7 ${WORD}`; }],
  "a log without its last line": [["cut"], (all) => { log(all).pop(); all.jobs[0].end.executions[0].logLineCount -= 1; }],
  "a job that was lost for no reason": [["end"], lost],
  "a failure without a reason": [["end", "changed"], (all) => { all.jobs[1].end.statusReason = null; }],
  "another exit code than the script's": [["end"], (all) => { all.jobs[1].end.executions[0].exitCode = 4; }],
  "a lease of something that has ended": [["lease"], (all) => { all.rows.executions[0].leased = true; }],
  "a container that is left": [["leftover"], (all) => { all.left = { container: ["cronium-x-1"] }; }],
  "a fault that was not got over": [["recovery"], (all) => { all.recoveries[0].ms = 31_000; }],
  "a process that does not end": [["stop"], (all) => { all.stops = ["server 0"]; }],
};

test("the checker finds nothing in a run in which nothing is wrong", () => {
  assert.deepEqual(check(seen()), []);
});

test("a job whose container was killed may be lost, one that was cancelled may be cancelled", () => {
  const all = seen();
  lost(all);
  all.hits.set("execution-0", ["its container was killed"]);
  assert.deepEqual(check(all), []);
  const cut = printed("is cancelled", { execution: "e", job: "j", attempt: 1 }, WORD).slice(0, 9);
  const lines = cut.map((text, at) => ({ seq: at + 1, stream: "STDOUT", text }));
  assert.deepEqual(checkLog("is cancelled", { execution: "e", job: "j", attempt: 1, status: "CANCELLED", exitCode: null }, lines), []);
});

for (const [what, [rules, spoil]] of Object.entries(WRONG)) {
  test(`the checker finds ${what}`, () => {
    const all = seen();
    spoil(all);
    const found = check(all);
    assert.ok(found.length > 0, "it found nothing");
    assert.deepEqual(new Set(found.map(({ rule }) => rule)), new Set(rules), JSON.stringify(found));
    for (const finding of found) assert.equal(finding.seed, 1);
  });
}

test("each rule of the checker is broken by a case above", () => {
  const broken = new Set(Object.values(WRONG).flatMap(([rules]) => rules));
  assert.deepEqual(Object.keys(RULES).filter((rule) => !broken.has(rule)), []);
});

test("a server that comes before its database waits for it", async () => {
  const world = await World.start({ name: "chaos-early" });
  try {
    const [, server] = world.servers;
    assert.ok(await server.end(15));
    server.database.block();
    server.start();
    await until("it says what it waits for", () => server.text.includes("the database can't be reached yet"));
    server.database.heal();
    await until("it is ready", () => world.ready(server));
    assert.equal(server.fell, 0, "it did not end");
  } finally {
    await world.stop();
  }
});

test("while everything breaks, no job is lost, started twice or told wrongly", { timeout: 300_000 }, async ({ signal }) => {
  console.log(`seed ${seed}: CRONIUM_CHAOS_SEED=${seed} chooses the same faults`);
  const { findings, jobs, faults, outcomes, kinds, seconds, lacking } = await drive({ name: "chaos-short", seed, jobs: JOBS, faults: FAULTS, signal });
  console.log(`${faults} faults over ${jobs} jobs in ${seconds.toFixed(0)} s: ${JSON.stringify(outcomes)}; not here: ${lacking.join(", ") || "nothing"}`);
  console.log(JSON.stringify(Object.fromEntries(Object.entries(kinds).map(([kind, { count, alone }]) => [kind, [count, ...alone]]))));
  assert.deepEqual(findings, []);
  assert.equal(jobs, JOBS);
});
