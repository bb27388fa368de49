// The whole product as several processes on this machine, with a wire between each two of them: Postgres, Valkey
// when there is one, two servers, two orchestrators on a real Docker engine, and a ledger outside of it all.
// Knows command lines, ports and files; nothing of faults, and nothing of what is checked.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createWriteStream, existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { bin, output, root, until } from "../harness.mjs";
import { Daemon } from "./daemon.mjs";
import { Disk } from "./disk.mjs";
import { Engine } from "./engine.mjs";
import { Proxy } from "./proxy.mjs";

const run = promisify(execFile);
const cache = process.env.CRONIUM_CACHE ?? join(homedir(), ".cache/cronium");
const image = process.env.CRONIUM_EXEC_IMAGE ?? "cronium/exec:1";
const secret = () => randomBytes(32).toString("hex");
const SIGN_IN = "mutation ($i: SignInInput!) { signIn(input: $i) { accessToken } }";

/** The directory with initdb and postgres, newest version first. */
function postgresPrograms() {
  const versions = existsSync("/usr/lib/postgresql") ? readdirSync("/usr/lib/postgresql") : [];
  const found = versions.sort((a, b) => b - a).map((version) => `/usr/lib/postgresql/${version}/bin`);
  const here = spawnSync("sh", ["-c", "dirname \"$(command -v initdb)\""], { encoding: "utf8" }).stdout.trim();
  const dir = [...found, here].find((one) => existsSync(join(one, "initdb")));
  if (!dir) throw new Error("Postgres is missing: run scripts/setup.sh");
  return dir;
}

/** A Valkey or Redis server, or null. The same search as in scripts/lib.sh. */
function valkeyProgram() {
  const script = `. "$0/scripts/lib.sh"; valkey_program`;
  const found = spawnSync("bash", ["-c", script, root], { encoding: "utf8" });
  return process.env.CRONIUM_TEST_VALKEY || (found.status === 0 && found.stdout.trim()) || null;
}

/** The host's end of Docker's own bridge: the same for every job, and opened to them for the ledger alone. */
function gateway() {
  const script = 'while read -r _ to via _; do if [ "$to" = 00000000 ]; then echo "$via"; fi; done </proc/net/route';
  const hex = execFileSync("docker", ["run", "--rm", "--network", "bridge", image, "bash", "-c", script], { encoding: "utf8" });
  return hex.trim().match(/../g).reverse().map((byte) => parseInt(byte, 16)).join(".");
}

/** Ids of the account that Postgres runs as: it refuses to be root. */
function account() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

/** A port that nobody else is given: below those that the kernel takes for outgoing connections, so that a listener
 * that is away for a moment finds its port free again. */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    const free = await new Promise((done) => {
      probe.once("error", () => done(false)).listen(port, "127.0.0.1", () => probe.close(() => done(true)));
    });
    if (free) return port;
  }
}

export class World {
  /** `capacity`: executions at a time of each orchestrator. `mebibytes`: of Postgres' disk. */
  static async start({ name, capacity = 4, mebibytes = 512, privateEngine = false }) {
    const world = new World();
    await mkdir(output, { recursive: true });
    world.log = createWriteStream(join(output, `${name}.log`));
    world.log.setMaxListeners(100);
    world.dir = await mkdtemp(join(tmpdir(), "cronium-chaos-"));
    await chmod(world.dir, 0o711);
    try {
      await world.#start(capacity, mebibytes, privateEngine);
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  servers = [];
  orchestrators = [];
  disks = [];
  proxies = [];
  /** Lines of the ledger: what, execution, job, attempt, word, and when. */
  ledger = [];
  #callers = new Set();

  async #start(capacity, mebibytes, privateEngine) {
    if (privateEngine) {
      this.engine = new Engine(join(this.dir, "engine"), this.log);
      await this.engine.start(image);
    }
    await this.#openLedger();
    await this.#startPostgres(mebibytes);
    await this.#startValkey();
    await this.#startServers();
    await this.#startOrchestrators(capacity);
    await until("both orchestrators are connected", async () => {
      const { orchestrators } = await this.gql("{ orchestrators { connected } }");
      return orchestrators.filter((one) => one.connected).length === 2;
    });
  }

  async #wire(ports) {
    const proxy = await Proxy.listen(ports);
    this.proxies.push(proxy);
    return proxy;
  }

  /** A line of TCP for each thing that a script says; it is told "ok" once the line is kept. */
  async #openLedger() {
    const host = this.engine?.address ?? gateway();
    this.book = createServer((socket) => {
      let text = "";
      this.#callers.add(socket);
      socket.once("close", () => this.#callers.delete(socket));
      socket.setEncoding("utf8").on("error", () => {}).on("data", (said) => {
        text += said;
        if (!text.includes("\n")) return;
        const [what, execution, job, attempt, word] = text.trim().split(" ");
        this.ledger.push({ what, execution, job, attempt: Number(attempt), word, at: Date.now() });
        socket.end("ok\n");
      });
    });
    await new Promise((done, fail) => this.book.once("error", fail).listen(0, host, done));
    this.ledgerAddress = { host, port: this.book.address().port };
  }

  async #startPostgres(mebibytes) {
    const programs = postgresPrograms();
    const disk = new Disk(join(this.dir, "postgres"), mebibytes);
    this.disks.push(disk);
    const ids = account();
    const [data, file] = [join(disk.path, "data"), join(disk.path, "password")];
    await mkdir(data);
    const password = secret();
    execFileSync("sh", ["-c", "umask 077; printf %s \"$0\" >\"$1\"", password, file]);
    if (ids.uid !== undefined) execFileSync("chown", [`${ids.uid}:${ids.gid}`, data, file]);
    execFileSync(join(programs, "initdb"), ["-D", data, "-U", "postgres", "-A", "scram-sha-256", `--pwfile=${file}`,
      "-E", "UTF8", "--locale=C.UTF-8"], { ...ids, cwd: disk.path, stdio: "ignore" });
    await rm(file);
    this.postgresPort = await freePort();
    this.postgres = new Daemon(join(programs, "postgres"), ["-D", data, "-p", String(this.postgresPort),
      "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=200",
      "-c", "shared_buffers=64MB", "-c", "max_wal_size=96MB", "-c", "min_wal_size=32MB", "-c", "random_page_cost=1.1",
      "-c", "log_min_messages=warning"], { ...ids, cwd: disk.path, log: this.log });
    Object.assign(this.postgres, { name: "Postgres", disk });
    this.psql = { program: join(programs, "psql"), env: { ...process.env, PGPASSWORD: password } };
    this.databaseUrl = (port, user = "postgres", word = password) =>
      `postgres://${user}:${word}@127.0.0.1:${port}/postgres`;
    await this.startPostgres();
  }

  /** Starts Postgres and waits until it answers. Right after a kill its old processes hold the data for a moment, and a
   * new one ends: then it is started again. */
  startPostgres() {
    this.postgres.start();
    return until("Postgres answers", async () => await this.sql("SELECT 1") === "1", 120);
  }

  /** How often each process ended by itself. */
  fell() {
    const all = [...this.servers, ...this.orchestrators, this.postgres];
    return Object.fromEntries(all.filter(({ fell }) => fell > 0).map(({ name, fell }) => [name, fell]));
  }

  /** Asks the database itself, past all that may be broken. */
  async sql(text) {
    const { stdout } = await run(this.psql.program, ["-X", "-At", "-F", "\t", "-v", "ON_ERROR_STOP=1",
      "-h", "127.0.0.1", "-p", String(this.postgresPort), "-U", "postgres", "-c", text],
    { env: this.psql.env, maxBuffer: 256 << 20, timeout: 20_000 });
    return stdout.trim();
  }

  async rows(text) {
    const found = await this.sql(text);
    return found === "" ? [] : found.split("\n").map((line) => line.split("\t"));
  }

  async #startValkey() {
    const program = valkeyProgram();
    if (!program) return;
    this.valkeyPort = await freePort();
    const options = ["--port", String(this.valkeyPort), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    this.valkey = new Daemon(program, options, { cwd: this.dir, log: this.log });
    this.valkey.start();
  }

  async #startServers() {
    const [master, internal] = [secret(), secret()];
    this.internalKey = internal;
    const ports = [await freePort(), await freePort()];
    for (const [n, port] of ports.entries()) {
      const database = await this.#wire([this.postgresPort]);
      const valkey = this.valkey && await this.#wire([this.valkeyPort]);
      const env = {
        ...process.env,
        CRONIUM_LISTEN: `127.0.0.1:${port}`,
        CRONIUM_DATA_DIR: join(this.dir, `server-${n}`),
        CRONIUM_WEB_DIR: join(root, "web/dist"),
        CRONIUM_NO_ORCHESTRATOR: "true",
        CRONIUM_MASTER_KEY: master,
        INTERNAL_API_KEY: internal,
        CRONIUM_RATE_LIMIT: "0",
        CRONIUM_RATE_LIMIT_ANONYMOUS: "0",
        CRONIUM_LOG: process.env.CRONIUM_LOG ?? "info",
        DATABASE_URL: this.databaseUrl(database.port),
        ...(valkey ? { VALKEY_URL: `redis://127.0.0.1:${valkey.port}` } : {}),
      };
      const server = new Daemon(join(bin, "cronium"), ["serve"], { env, log: this.log });
      Object.assign(server, { name: `server ${n}`, port, database, valkey });
      this.servers.push(server);
      server.start();
      await until(`server ${n} is ready`, () => this.ready(server), 60);
    }
    this.api = await this.#wire(ports);
    this.agentPorts = ports;
    const said = await until("the first sign-in is printed", () => /^ *password: +(\S+)/m.exec(this.servers[0].text), 10);
    const email = /^ *e-mail: +(\S+)/m.exec(this.servers[0].text)[1];
    const { signIn } = await this.gql(SIGN_IN, { i: { email, password: said[1], returnToken: true } });
    this.token = signIn.accessToken;
  }

  async ready(server) {
    const answer = await fetch(`http://127.0.0.1:${server.port}/readyz`, { signal: AbortSignal.timeout(3000) });
    await answer.text();
    return answer.ok;
  }

  async #startOrchestrators(capacity) {
    const password = secret();
    // The same role as the server gives to its own child: it sees nothing but wake-ups.
    await this.sql(`CREATE ROLE cronium_orchestrator LOGIN PASSWORD '${password}';
      GRANT USAGE ON SCHEMA apalis TO cronium_orchestrator;
      GRANT ALL ON ALL TABLES IN SCHEMA apalis TO cronium_orchestrator;
      GRANT ALL ON ALL SEQUENCES IN SCHEMA apalis TO cronium_orchestrator;
      GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA apalis TO cronium_orchestrator;`);
    const { host, port } = this.ledgerAddress;
    for (const n of [0, 1]) {
      const disk = new Disk(join(this.dir, `orchestrator-${n}`), 2);
      this.disks.push(disk);
      const agent = await this.#wire(n === 0 ? this.agentPorts : [...this.agentPorts].reverse());
      const database = await this.#wire([this.postgresPort]);
      const env = {
        ...(this.engine?.env ?? process.env),
        CRONIUM_AGENT_URL: `ws://127.0.0.1:${agent.port}/agent`,
        INTERNAL_API_KEY: this.internalKey,
        CRONIUM_APALIS_URL: this.databaseUrl(database.port, "cronium_orchestrator", password),
        CRONIUM_STATE_DIR: disk.path,
        CRONIUM_NAME: `chaos-${n}`,
        CRONIUM_CAPACITY: String(capacity),
        CRONIUM_RUNNER: process.env.CRONIUM_RUNNER ?? join(cache, "bin/cronium-runner"),
        CRONIUM_EXEC_IMAGE: image,
        CRONIUM_NETWORK_ALLOW: `${host}:${port}`,
        CRONIUM_LOG: process.env.CRONIUM_LOG ?? "info",
      };
      delete env.DATABASE_URL;
      const orchestrator = new Daemon(join(bin, "cronium-orchestrator"), [], { env, log: this.log });
      Object.assign(orchestrator, { name: `orchestrator ${n}`, disk, agent, database });
      this.orchestrators.push(orchestrator);
      orchestrator.start();
      const file = join(disk.path, "orchestrator-id");
      orchestrator.id = await until("the orchestrator has an identity", () => existsSync(file) && readFileSync(file, "utf8").trim());
    }
  }

  /** One request through the wire of the API; fails when the reply is lost, late or an error. */
  async gql(query, variables, { seconds = 10 } = {}) {
    const response = await fetch(`http://127.0.0.1:${this.api.port}/graphql`, {
      method: "POST",
      signal: AbortSignal.timeout(seconds * 1000),
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json",
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
      },
      body: JSON.stringify({ query, variables }),
    });
    const body = await response.json();
    if (body.errors) throw new Error(JSON.stringify(body.errors));
    return body.data;
  }

  docker(...args) {
    return run("docker", args, { env: this.engine?.env ?? process.env, timeout: 60_000 });
  }

  /** Names of all containers, networks or volumes of our orchestrators; a format of `docker … ls`. */
  async owned(kind, format = "{{.Name}}") {
    const found = [];
    for (const { id } of this.orchestrators) {
      const { stdout } = await this.docker(kind, "ls", ...(kind === "container" ? ["-a"] : []), "--no-trunc",
        "--filter", `label=cronium.orchestrator=${id}`, "--format", format);
      found.push(...stdout.split("\n").filter(Boolean));
    }
    return found;
  }

  /** Records of runs that orchestrators keep: container → execution. */
  records() {
    const found = new Map();
    for (const { disk } of this.orchestrators) {
      const dir = join(disk.path, "runs");
      for (const name of existsSync(dir) ? readdirSync(dir) : []) {
        try {
          found.set(name.replace(/\.json$/, ""), JSON.parse(readFileSync(join(dir, name), "utf8")).claim.execution_id);
        } catch {
          // Being written or removed at this moment.
          found.set(name, null);
        }
      }
    }
    return found;
  }

  async stop() {
    const problems = [];
    for (const [daemons, seconds] of [[this.orchestrators, 30], [this.servers, 15]]) {
      const ended = await Promise.all(daemons.map((one) => one.end(seconds)));
      daemons.filter((_, n) => !ended[n]).forEach((one) => problems.push(`${one.name} did not end by TERM`));
    }
    for (const [kind, remove] of [["container", ["rm", "-fv"]], ["network", ["network", "rm"]], ["volume", ["volume", "rm"]]]) {
      const found = this.orchestrators.length > 0 ? await this.owned(kind, kind === "container" ? "{{.ID}}" : "{{.Name}}").catch(() => []) : [];
      if (found.length > 0) await this.docker(...remove, ...found).catch(() => {});
    }
    await this.valkey?.end(5);
    await this.postgres?.end(20, "SIGINT");
    await this.engine?.stop();
    for (const proxy of this.proxies) proxy.close();
    this.book?.close();
    // The network of a container that was killed may be gone before its goodbye: that end would stay open for ever.
    for (const socket of this.#callers) socket.destroy();
    for (const disk of this.disks) disk.remove();
    for (const daemon of [...this.orchestrators, ...this.servers, this.valkey, this.postgres]) daemon?.close();
    this.log.end();
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
    return problems;
  }
}
