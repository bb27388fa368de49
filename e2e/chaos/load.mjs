// Submits jobs through the public API while things break, cancels some, asks again for some, and looks at all that
// are under way. What it is told it keeps; it judges nothing.
import { random } from "../harness.mjs";
import { deck, event, KINDS } from "./scripts.mjs";

/** Jobs under way at a time. */
const WINDOW = 30;
const SUBMITTERS = 4;
/** Of all jobs, those whose request is sent again later. */
const REPEATED = 0.1;
const LOOK_MS = 300;
/** Ended jobs that are looked at again with each look. */
const AGAIN = 10;

const CREATE = "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { id } userErrors { message } } }";
const RUN = "mutation ($i: RunEventInput!) { runEvent(input: $i) { job { id } userErrors { code message } } }";
const CANCEL = "mutation ($i: CancelJobInput!) { cancelJob(input: $i) { job { id } userErrors { code message } } }";
const LOOK = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Job { id status statusReason finishedAt } } }";
const WHOLE = `query ($id: ID!) { job(id: $id) { id status statusReason finishedAt
  executions { id attempt status statusReason exitCode startedAt finishedAt logLineCount logTruncated
    log(first: 10000) { lines { seq stream text } } } } }`;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A global id is a byte for the kind and the UUID. */
export function uuid(id) {
  const hex = Buffer.from(id, "base64url").subarray(1).toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export class Load {
  constructor(world, { seed, jobs }) {
    Object.assign(this, { world, seed, total: jobs });
    this.look = random(seed ^ 0x10ad);
  }

  /** All accepted jobs, by id. */
  jobs = new Map();
  open = new Set();
  ended = [];
  next = 0;
  /** Requests that got no answer, and were sent again. */
  unanswered = 0;
  repeated = 0;
  refused = [];
  over = false;
  /** So many may be accepted by now. */
  allowed = 0;

  async createEvents() {
    this.events = {};
    for (const name of Object.keys(KINDS)) {
      const { createEvent } = await this.world.gql(CREATE, { i: event(name, this.world.ledgerAddress) });
      if (!createEvent.event) throw new Error(`${name}: ${JSON.stringify(createEvent.userErrors)}`);
      this.events[name] = createEvent.event.id;
    }
  }

  start() {
    this.running = Promise.all([...Array.from({ length: SUBMITTERS }, () => this.#submit()), this.#watch()]);
    // Whoever waits for it hears of its failure.
    this.running.catch(() => {});
  }

  /** Repeats a request until it is answered, as a client does whose reply was lost. */
  async #insist(query, variables) {
    for (;;) {
      try {
        return await this.world.gql(query, variables);
      } catch (error) {
        if (this.over) throw error;
        this.unanswered += 1;
        await sleep(50 + Math.random() * 100);
      }
    }
  }

  async #submit() {
    const later = [];
    while (this.next < this.total) {
      if (this.open.size >= WINDOW || this.next >= this.allowed) {
        await sleep(20);
        continue;
      }
      const n = this.next++;
      const dice = random(this.seed * 1_000_003 + n);
      const kind = deck[Math.floor(dice() * deck.length)];
      const key = `chaos-${this.seed}-${n}`;
      const i = { eventId: this.events[kind], idempotencyKey: key };
      const { job, userErrors } = (await this.#insist(RUN, { i })).runEvent;
      if (!job) {
        this.refused.push(`job ${n}, ${kind}: ${JSON.stringify(userErrors)}`);
        continue;
      }
      const known = { n, kind, key, id: job.id, uuid: uuid(job.id), ids: new Set([uuid(job.id)]), seen: [], acceptedAt: Date.now() };
      this.jobs.set(job.id, known);
      this.open.add(job.id);
      if (KINDS[kind].cancelled) later.push(this.#cancel(known, dice() * 3000));
      if (dice() < REPEATED) later.push(this.#repeat(known, i, dice() * 5000));
    }
    await Promise.all(later);
  }

  async #cancel(job, after) {
    await sleep(after);
    job.cancelAskedAt = Date.now();
    // An ended job is a conflict; it is one too when the first reply was lost.
    await this.#insist(CANCEL, { i: { id: job.id } });
  }

  async #repeat(job, i, after) {
    await sleep(after);
    const answer = (await this.#insist(RUN, { i })).runEvent;
    this.repeated += 1;
    if (answer.job) job.ids.add(uuid(answer.job.id));
    else this.refused.push(`job ${job.n} again: ${JSON.stringify(answer.userErrors)}`);
  }

  /** Looks at what is under way, and at some that have ended. */
  async #watch() {
    while (this.next < this.total || this.open.size > 0) {
      if (this.over) return;
      const some = Array.from({ length: Math.min(AGAIN, this.ended.length) },
        () => this.ended[Math.floor(this.look() * this.ended.length)]);
      const ids = [...new Set([...this.open, ...some])].slice(0, 100);
      try {
        const { nodes } = await this.world.gql(LOOK, { ids });
        nodes.forEach((seen, at) => this.#saw(ids[at], seen));
      } catch {
        // Broken on purpose: the next look tells.
      }
      await sleep(LOOK_MS);
    }
  }

  #saw(id, seen) {
    const job = this.jobs.get(id);
    if (!seen) {
      job.seen.push({ status: "not there", at: Date.now() });
      return;
    }
    if (!seen.finishedAt) {
      // Something that had ended and goes on again is kept as a second end.
      if (job.seen.length > 0) job.seen.push(seen);
      return;
    }
    if (this.open.delete(id)) {
      this.ended.push(id);
      job.endedAt = Date.now();
    }
    const last = job.seen.at(-1);
    const same = last && ["status", "statusReason", "finishedAt"].every((field) => last[field] === seen[field]);
    if (!same) job.seen.push(seen);
  }

  /** All that the API tells of a job at the end, with every line. */
  async whole(job) {
    const { job: end } = await this.world.gql(WHOLE, { id: job.id }, { seconds: 30 });
    if (!end) return null;
    const executions = end.executions.map((one) => ({ ...one, uuid: uuid(one.id), lines: one.log.lines }));
    return { ...end, executions };
  }
}
