// What can break, and how it is mended. Each fault injects itself, and is over when its promise is fulfilled; what it
// did not see to by then, the product has to. All choices come from the dice.
import { send } from "./daemon.mjs";
import { sleep } from "./load.mjs";

/** Seconds after which a lease is over that nobody renews (docs/architecture.md). */
const LEASE_S = 15;

const pick = (dice, list) => list[Math.floor(dice() * list.length)];
const between = (dice, low, high) => low + dice() * (high - low);

async function killed(daemon, dice) {
  await daemon.kill();
  await sleep(between(dice, 0, 300));
  daemon.start();
}

async function stopped(daemon, ms) {
  const goOn = daemon.pause();
  await sleep(ms);
  goOn();
}

async function broken(wire, dice) {
  const how = pick(dice, ["cut", "block", "hold"]);
  wire[how]();
  await sleep(how === "cut" ? 0 : between(dice, 200, 2500));
  wire.heal();
  return how;
}

async function full(disk, dice) {
  disk.fill();
  await sleep(between(dice, 300, 2000));
  disk.free();
}

/** What runs in a container: by its label, or by the record of the orchestrator that took it. */
async function inside(world, id) {
  const format = '{{.Name}} {{index .Config.Labels "cronium.execution"}}';
  const { stdout } = await world.docker("inspect", "--format", format, id).catch(() => ({ stdout: "" }));
  const [name, labelled] = stdout.trim().replace(/^\//, "").split(" ");
  return { name, execution: labelled || world.records().get(name) };
}

/** Kills a container with its runner, and notes whom that hit. */
async function killContainer({ world, dice, hits }) {
  const running = (await world.owned("container", "{{.ID}} {{.State}}")).filter((line) => line.endsWith(" running"));
  if (running.length === 0) return "no container runs";
  const [id] = pick(dice, running).split(" ");
  const before = await inside(world, id);
  const hit = new Set([before.execution]);
  const killed = world.docker("kill", id).catch(() => {});
  let over = false;
  void killed.then(() => { over = true; });
  // One that waits may be taken until it is dead, and the record of its run is gone soon after its end.
  for (let last = false; !last;) {
    last = over;
    if (before.name) hit.add(world.records().get(before.name));
    await sleep(5);
  }
  for (const execution of [...hit].filter(Boolean)) {
    hits.set(execution, [...(hits.get(execution) ?? []), "its container was killed"]);
  }
  return before.execution ? `with execution ${before.execution}` : "nothing known in it";
}

/**
 * Kinds of faults. `share`: how often each is dealt. `needs`: what the world must have for it. `run` may give a word on
 * what it did.
 */
export const FAULTS = {
  "server killed": { share: 8, run: ({ world, dice }) => killed(pick(dice, world.servers), dice) },
  "orchestrator killed": { share: 8, run: ({ world, dice }) => killed(pick(dice, world.orchestrators), dice) },
  "Postgres killed": {
    share: 5,
    async run({ world, dice }) {
      await world.postgres.kill();
      await sleep(between(dice, 0, 500));
      await world.startPostgres();
    },
  },
  "a backend of Postgres killed": {
    share: 3,
    async run({ world, dice }) {
      const found = await world.rows("SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");
      const [pid] = pick(dice, found) ?? [];
      if (!pid) return "there is none";
      send([Number(pid)], "SIGKILL");
      await world.startPostgres();
    },
  },
  "server stopped": { share: 5, run: ({ world, dice }) => stopped(pick(dice, world.servers), between(dice, 300, 3000)) },
  "orchestrator stopped": { share: 5, run: ({ world, dice }) => stopped(pick(dice, world.orchestrators), between(dice, 300, 4000)) },
  "orchestrator stopped for longer than its lease": {
    share: 1,
    run: ({ world, dice }) => stopped(pick(dice, world.orchestrators), 1000 * between(dice, LEASE_S + 1, LEASE_S + 6)),
  },
  "Postgres stopped": { share: 3, run: ({ world, dice }) => stopped(world.postgres, between(dice, 300, 2500)) },
  "agent channel broken": { share: 8, run: ({ world, dice }) => broken(pick(dice, world.orchestrators).agent, dice) },
  "wire from a server to Postgres broken": { share: 6, run: ({ world, dice }) => broken(pick(dice, world.servers).database, dice) },
  "wire from an orchestrator to Postgres broken": { share: 2, run: ({ world, dice }) => broken(pick(dice, world.orchestrators).database, dice) },
  "replies of the API lost": {
    share: 6,
    async run({ world, dice }) {
      world.api.loseReplies();
      await sleep(between(dice, 150, 700));
      world.api.heal();
    },
  },
  "wire to Valkey broken": { share: 3, needs: "valkey", run: ({ world, dice }) => broken(pick(dice, world.servers).valkey, dice) },
  "Valkey killed": { share: 3, needs: "valkey", run: ({ world, dice }) => killed(world.valkey, dice) },
  "Valkey stopped": { share: 2, needs: "valkey", run: ({ world, dice }) => stopped(world.valkey, between(dice, 300, 3000)) },
  "container killed": { share: 8, run: killContainer },
  "disk of an orchestrator full": { share: 3, needs: "mount", run: ({ world, dice }) => full(pick(dice, world.orchestrators).disk, dice) },
  "disk of Postgres full": {
    share: 2,
    needs: "mount",
    async run({ world, dice }) {
      await full(world.postgres.disk, dice);
      await world.startPostgres();
    },
  },
  "Docker engine killed": { share: 3, needs: "engine", run: ({ world }) => world.engine.crash() },
};

/** Kinds in the order in which they come: each as often as its share, shuffled, again and again. */
export function* deal(dice, has, only = Object.keys(FAULTS)) {
  const kinds = Object.entries(FAULTS).filter(([name, { needs }]) => only.includes(name) && (!needs || has[needs]));
  if (kinds.length === 0) throw new Error("no kind of fault can be had here");
  // The first deal has each kind once, so that a short run meets all of them.
  let deck = kinds.map(([name]) => name);
  for (;;) {
    while (deck.length > 0) yield deck.splice(Math.floor(dice() * deck.length), 1)[0];
    deck = kinds.flatMap(([name, { share }]) => Array(share).fill(name));
  }
}
