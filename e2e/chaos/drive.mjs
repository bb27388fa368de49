// One run from start to end: load, faults one after another, recovery after each, quiet, and what the checker says.
import { quantile, random, until } from "../harness.mjs";
import { check, checkJob } from "./checker.mjs";
import { canMount } from "./disk.mjs";
import { deal, FAULTS } from "./faults.mjs";
import { Load, sleep } from "./load.mjs";
import { KINDS } from "./scripts.mjs";
import { World } from "./world.mjs";

/** After a fault, everything is to be well again within this time. */
export const LIMIT_MS = 30_000;
/** Beyond this nothing is waited for any more. */
const GIVE_UP_S = 120;
/** Faults that come before the one before is got over, of all. */
const COMPOUND = 0.3;
/** What a disconnected execution is told to be: it is known to be cut off. */
const CUT_OFF = "Contact with the orchestrator is lost%";
/** After a fault its effects may show for so long: a lease, and the sweep that finds it. */
const AFTERMATH_MS = 25_000;

export async function drive({ name, seed, jobs, faults, privateEngine = false, only, mebibytes, signal, say = console.log }) {
  const began = Date.now();
  const interrupted = new Promise((_, fail) => signal?.addEventListener("abort", () => fail(new Error("interrupted"))));
  interrupted.catch(() => {});
  const world = await World.start({ name, mebibytes, privateEngine });
  const load = new Load(world, { seed, jobs });
  try {
    const run = new Run({ world, load, seed, faults, only, say });
    await load.createEvents();
    await Promise.race([run.go(), interrupted]);
    const seen = await Promise.race([run.observe(), interrupted]);
    return { ...run.summary(), seconds: (Date.now() - began) / 1000, findings: check(seen) };
  } catch (error) {
    error.message = `seed ${seed}: ${error.message}`;
    throw error;
  } finally {
    load.over = true;
    await world.stop();
  }
}

class Run {
  constructor({ world, load, seed, faults, only, say }) {
    Object.assign(this, { world, load, seed, faults, say });
    this.dice = random(seed);
    const has = { valkey: world.valkey, mount: canMount(), engine: world.engine };
    this.kinds = deal(this.dice, has, only);
    const lacking = Object.entries(FAULTS).filter(([, { needs }]) => needs && !has[needs]);
    this.lacking = lacking.map(([name, { needs }]) => `${name} (${needs})`);
  }

  /** Each fault: what, when, until when, and how long everything took to be well again. */
  history = [];
  hits = new Map();
  stops = [];

  async go() {
    const { load } = this;
    load.start();
    let open = [];
    for (let n = 0; n < this.faults; n += 1) {
      // Jobs and faults come to their ends together.
      load.allowed = Math.ceil(((n + 1) * load.total) / this.faults);
      const due = Math.floor((n * load.total) / this.faults);
      await this.#while("jobs are accepted", () => load.next >= Math.min(due, load.total - 1));
      await sleep(this.dice() * 400);
      const fault = { kind: this.kinds.next().value, at: Date.now(), alone: open.length === 0 };
      this.history.push(fault);
      const over = this.#inject(fault);
      // Heard of below, when its turn comes.
      over.catch(() => {});
      open.push(over);
      if (this.dice() < COMPOUND && n + 1 < this.faults) continue;
      await Promise.all(open);
      open = [];
      await this.#recovered(fault);
      this.#progress(n + 1);
    }
    load.allowed = load.total;
    await this.#while("all jobs are accepted", () => load.jobs.size + load.refused.length >= load.total);
    await this.#while("all jobs have an end", () => load.open.size === 0, { may: true });
    load.over = load.open.size > 0;
    await load.running;
  }

  async #inject(fault) {
    const { world, dice, hits } = this;
    fault.did = await FAULTS[fault.kind].run({ world, dice: random(Math.floor(dice() * 2 ** 31)), hits });
    fault.healedAt = Date.now();
  }

  /** Waits for something that has to happen; `may`: the checker tells of it if it doesn't. */
  async #while(what, check, { may = false } = {}) {
    try {
      await until(what, check, GIVE_UP_S);
    } catch (error) {
      if (!may) throw new Error(`${error.message}; open: ${this.load.open.size}, last fault: ${this.history.at(-1)?.kind}`);
    }
  }

  /** Well again: servers ready, agents heard, no lapsed lease that nobody speaks of, and work that comes to its end. */
  async #recovered(fault) {
    const { world } = this;
    const since = Date.now();
    await this.#while(`recovery after "${fault.kind}"`, async () => {
      const ready = await Promise.all(world.servers.map((server) => world.ready(server)));
      if (!ready.every(Boolean) || !world.orchestrators.every(({ agent }) => agent.heardAt > since)) return false;
      const [[lapsed, ended, unfinished]] = await world.rows(
        `SELECT count(*) FILTER (WHERE status IN ('DISPATCHING', 'RUNNING') AND lease_until < now()
             AND coalesce(status_reason, '') NOT LIKE '${CUT_OFF}'),
           count(*) FILTER (WHERE finished_at > to_timestamp(${since / 1000})), count(*) FILTER (WHERE finished_at IS NULL
             AND coalesce(status_reason, '') NOT LIKE '${CUT_OFF}')
         FROM executions`);
      if (lapsed === "0" && (ended !== "0" || unfinished === "0")) return true;
      return sleep(100);
    });
    fault.recoveredMs = Date.now() - since;
  }

  #progress(n) {
    const { load } = this;
    if (n < this.faults && n - (this.shown ?? 0) < Math.max(5, this.faults / 50)) return;
    this.shown = n;
    const times = this.history.map((one) => one.recoveredMs).filter((ms) => ms !== undefined);
    this.say(`${n} of ${this.faults} faults, ${load.jobs.size} of ${load.total} jobs accepted, ${load.ended.length} ended, ` +
      `${load.unanswered} requests sent again, recovery p50 ${quantile(times, 0.5)} ms, max ${Math.max(...times)} ms`);
  }

  /** All that there is to see once everything is quiet. */
  async observe() {
    const { world, load, seed } = this;
    const jobs = [...load.jobs.values()];
    for (const job of jobs) {
      const until = job.endedAt ?? Date.now();
      job.faulted = this.history.some(({ at, healedAt }) => at < until && healedAt + AFTERMATH_MS > job.acceptedAt);
    }
    await this.#judge(jobs);
    await this.#settled();
    for (const daemon of [...world.orchestrators]) {
      if (!await daemon.end(40)) this.stops.push(`${daemon.name} did not end within 40 s of TERM`);
    }
    const [rowsOfJobs, keys, executions] = await Promise.all([
      world.rows("SELECT id FROM jobs"),
      world.rows("SELECT key, job_id FROM idempotency_keys"),
      world.rows(`SELECT e.id, e.job_id, starts, max_starts, lease_until IS NOT NULL, e.status, j.title FROM executions e
        JOIN jobs j ON j.id = e.job_id`),
    ]);
    return {
      seed,
      jobs,
      rows: {
        jobs: rowsOfJobs.map(([id]) => id),
        keys: new Map(keys),
        executions: executions.map(([id, job, starts, maxStarts, leased, status, title]) => ({
          id, job, status, starts: Number(starts), maxStarts: Number(maxStarts), leased: leased === "t",
          ledger: KINDS[title]?.ledger === true,
        })),
      },
      ledger: world.ledger,
      left: {
        container: await world.owned("container", "{{.Names}}"),
        network: await world.owned("network"),
        "record of": [...world.records().keys()],
        "request that was refused": load.refused,
      },
      recoveries: this.history.filter((one) => one.recoveredMs !== undefined).map((one) => ({ fault: one.kind, ms: one.recoveredMs })),
      limit: LIMIT_MS,
      stops: this.stops,
    };
  }

  /** Looks at each job with its log, some at a time, and keeps only what is wrong. */
  async #judge(jobs) {
    this.outcomes = {};
    this.lines = 0;
    const left = [...jobs];
    await Promise.all(Array.from({ length: 6 }, async () => {
      for (let job = left.pop(); job; job = left.pop()) {
        const end = await this.load.whole(job);
        job.findings = checkJob(job, end, this.hits, job.faulted);
        if (!end) continue;
        this.outcomes[end.status] = (this.outcomes[end.status] ?? 0) + 1;
        this.lines += end.executions.reduce((sum, one) => sum + one.logLineCount, 0);
      }
    }));
  }

  /** A sweep goes round each minute: what is left after that stays. Containers that wait ahead are no left-overs yet. */
  async #settled() {
    const { world } = this;
    await this.#while("everything of ended executions is gone", async () => {
      const containers = await world.owned("container", '{{.Names}} {{.Label "cronium.ahead"}}');
      const networks = await world.owned("network");
      return containers.every((one) => one.endsWith(" true")) && networks.length === 0 && world.records().size === 0;
    }, { may: true });
  }

  summary() {
    const { load, history, world, seed, lines, outcomes, lacking } = this;
    const kinds = {};
    for (const { kind, recoveredMs, alone } of history) {
      kinds[kind] ??= { count: 0, alone: [] };
      kinds[kind].count += 1;
      if (alone && recoveredMs !== undefined) kinds[kind].alone.push(recoveredMs);
    }
    return {
      seed, lines, outcomes, kinds, lacking, jobs: load.jobs.size, faults: history.length, repeated: load.repeated,
      unanswered: load.unanswered, fell: world.fell(), ledger: world.ledger.length, hits: this.hits.size,
      recoveries: history.map((one) => one.recoveredMs).filter((ms) => ms !== undefined),
    };
  }
}
