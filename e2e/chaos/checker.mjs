// Says what is wrong with a run, given all that was seen of it. Pure: it asks nobody, and changes nothing.
import { KINDS, printed } from "./scripts.mjs";

/** Each rule that a finding can name, and what it says. */
export const RULES = {
  missing: "a job that was accepted is not there",
  doubled: "one request made more than one job",
  stray: "a job is there that nobody asked for",
  forgotten: "the key of a request leads to another job or to none",
  unfinished: "a job has no end",
  changed: "a final state changed",
  starts: "user code started more often than it may",
  ungranted: "user code started without permission",
  log: "a log has a gap, a line twice, or another text than was printed",
  cut: "the log of a script that ran to its end is not complete",
  end: "a job ended in a way that neither its script nor a fault explains",
  ledger: "the ledger and the product tell different things",
  lease: "something that has ended still has a lease",
  leftover: "something was left behind",
  recovery: "it did not recover in time",
  stop: "a process did not end when it was told to",
};

const FINAL = new Set(["SUCCEEDED", "FAILED", "TIMED_OUT", "CANCELLED", "LOST"]);

/** How a script of this kind ends when nothing comes in between. */
function expectation(kind) {
  const { code = 0, cancelled, timeout } = KINDS[kind];
  if (cancelled) return { status: "CANCELLED" };
  if (timeout) return { status: "TIMED_OUT" };
  return { status: code === 0 ? "SUCCEEDED" : "FAILED", exitCode: code };
}

const ranToItsEnd = (kind, { status, exitCode }) => {
  const wanted = expectation(kind);
  return wanted.exitCode !== undefined && wanted.status === status && wanted.exitCode === exitCode;
};

/** The log of one execution. `lines`: seq, stream and text of all that is stored. */
export function checkLog(kind, execution, lines, count = lines.length, killed = false) {
  const found = [];
  const say = (rule, what) => found.push({ rule, what });
  const broken = lines.findIndex(({ seq }, at) => seq !== at + 1);
  if (broken >= 0) say("log", `line ${broken + 1} has the number ${lines[broken].seq}`);
  if (count !== lines.length) say("log", `${count} lines are counted and ${lines.length} are there`);
  const said = lines.filter(({ stream }) => stream === "STDOUT").map(({ text }) => text);
  if (said.length > 0) {
    const word = said[0].split(" ").at(-1);
    const wanted = printed(kind, execution, word);
    const other = said.findIndex((text, at) => text !== wanted[at]);
    if (other >= 0) say("log", `what was printed as line ${other + 1} is ${JSON.stringify(said[other])}, not ${JSON.stringify(wanted[other])}`);
    const words = new Set(said.map((text) => text.split(" ").at(-1)));
    if (words.size > 1) say("starts", `its log has lines of ${words.size} starts`);
  }
  const whole = KINDS[kind].lines + 2;
  // Lines that were not delivered yet die with their container, and then it says that some are missing.
  const excused = killed && execution.logTruncated && said.length < whole;
  if (ranToItsEnd(kind, execution) && said.length !== whole && !excused) say("cut", `${said.length} of ${whole} lines`);
  return found;
}

/**
 * One job. `job`: what the driver knows (kind, ids that its request was answered with, when it asked to cancel, the
 * end that was seen first, other ends that were seen). `end`: what the API says at the end, or null, with executions
 * and their lines. `hits`: faults that hit an execution, by its id. `faulted`: whether any fault fell into its life.
 */
export function checkJob(job, end, hits, faulted) {
  const found = [];
  const say = (rule, what) => found.push({ rule, what });
  if (job.ids.size > 1) say("doubled", `its key gave ${[...job.ids].join(", ")}`);
  if (!end) return [...found, { rule: "missing", what: "the API does not know it" }];
  const over = FINAL.has(end.status) && end.finishedAt;
  if (!over) say("unfinished", `it is ${end.status} (${end.statusReason})`);
  for (const seen of job.seen) {
    for (const field of ["status", "statusReason", "finishedAt"]) {
      if (seen[field] !== end[field]) say("changed", `${field} was ${seen[field]} once and is ${end[field]}`);
    }
  }
  const hit = end.executions.flatMap(({ uuid }) => hits.get(uuid) ?? []);
  const last = end.executions.at(-1);
  if (!last) return [...found, { rule: "missing", what: "it has no execution" }];
  if (last.status !== end.status) say("end", `the job is ${end.status}, its last execution ${last.status}`);
  const explained = !over || explain(job, end, last, hit, faulted);
  if (explained !== true) say("end", explained);
  for (const execution of end.executions) {
    const facts = { ...execution, execution: execution.uuid, job: job.uuid };
    for (const { rule, what } of checkLog(job.kind, facts, execution.lines, execution.logLineCount, hits.has(execution.uuid))) {
      say(rule, `execution ${execution.uuid}: ${what}`);
    }
  }
  return found;
}

/** True, or what is wrong about this end. */
function explain(job, { status, statusReason }, { exitCode, startedAt }, hit, faulted) {
  const wanted = expectation(job.kind);
  const said = `${status}, exit code ${exitCode}, ${JSON.stringify(statusReason)}`;
  if (status !== "SUCCEEDED" && !statusReason) return `${said}: no reason is given`;
  if (status === wanted.status && (wanted.exitCode === undefined || wanted.exitCode === exitCode)) return true;
  if (status === "CANCELLED" && job.cancelAskedAt) return true;
  // What runs in a container that was killed is lost, and nothing else is. What was about to run in it fails.
  const gone = status === "LOST" || (status === "FAILED" && exitCode === null);
  if (gone && hit.length > 0) return true;
  if (status === "LOST") return `${said}, but nothing that was killed ran it`;
  // Work that was never started may be given up after several tries: the script has done nothing.
  if (gone && !startedAt) return faulted || `${said}, without any fault`;
  return `${said}, where ${wanted.status}${wanted.exitCode === undefined ? "" : ` with ${wanted.exitCode}`} was due`;
}

/**
 * The whole run. `jobs`: as above, each with `end`, or with `findings` where its log was checked on the way.
 * `rows`: what the database holds: jobs, keys, executions. `ledger`: lines of the ledger. `left`: names of what was
 * left behind, by what it is. `recoveries`: of faults, in ms, and the limit. `stops`: what did not end when told to.
 */
export function check({ seed, jobs, rows, ledger, left, hits = new Map(), recoveries = [], limit, stops = [] }) {
  const found = [];
  const say = (rule, what, job) => found.push({ rule, what, seed, ...(job ? { job: job.uuid, kind: job.kind, n: job.n } : {}) });
  const byId = new Map(jobs.map((job) => [job.uuid, job]));
  for (const job of jobs) {
    const findings = job.findings ?? checkJob(job, job.end, hits, job.faulted);
    for (const { rule, what } of findings) say(rule, what, job);
  }

  const stored = new Set(rows.jobs);
  for (const job of jobs) if (!stored.has(job.uuid)) say("missing", "it has no row", job);
  for (const id of stored) if (!byId.has(id)) say("stray", `job ${id}`);
  for (const job of jobs) {
    const kept = rows.keys.get(job.key);
    if (kept !== job.uuid) say("forgotten", `key ${job.key} leads to ${kept ?? "nothing"}`, job);
  }

  const executions = new Map(rows.executions.map((row) => [row.id, row]));
  for (const { id, job, starts, maxStarts, leased, status } of executions.values()) {
    if (starts > maxStarts) say("starts", `execution ${id} was granted ${starts} starts of ${maxStarts}`, byId.get(job));
    if (leased && FINAL.has(status)) say("lease", `execution ${id} is ${status}`, byId.get(job));
  }

  const starts = new Map();
  const ends = new Map();
  for (const { what, execution, word } of ledger) {
    const of = what === "begin" ? starts : ends;
    // A word that is told twice is one start whose first answer was lost.
    of.set(execution, (of.get(execution) ?? new Set()).add(word));
  }
  for (const [execution, words] of starts) {
    const row = executions.get(execution);
    const job = byId.get(row?.job);
    if (!row) { say("stray", `execution ${execution} is in the ledger only`); continue; }
    if (words.size > row.maxStarts) say("starts", `execution ${execution} began ${words.size} times by the ledger`, job);
    if (row.starts === 0) say("ungranted", `execution ${execution} began, and no start of it was granted`, job);
  }
  for (const { id, job, status, ledger: tells } of executions.values()) {
    if (tells && status === "SUCCEEDED" && !(starts.has(id) && ends.has(id))) {
      say("ledger", `execution ${id} succeeded, and the ledger has ${starts.has(id) ? "no end" : "no start"} of it`, byId.get(job));
    }
  }

  for (const [what, names] of Object.entries(left)) for (const name of names) say("leftover", `${what} ${name}`);
  for (const { fault, ms } of recoveries) if (ms > limit) say("recovery", `${ms} ms after: ${fault}`);
  for (const what of stops) say("stop", what);
  return found;
}
