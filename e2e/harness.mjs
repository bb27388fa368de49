// Starts the real product on free ports with a data directory of its own, and speaks its API.
// Knows the command line and the public API; nothing of the server's insides.
import { spawn, spawnSync } from "node:child_process";
import { createWriteStream } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { homedir, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createClient } from "graphql-ws";
import { chromium } from "playwright-core";
import WebSocket from "ws";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const cache = process.env.CRONIUM_CACHE ?? join(homedir(), ".cache/cronium");
export const bin = process.env.CRONIUM_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(cache, "target"), "debug");
export const output = process.env.CRONIUM_TEST_OUTPUT ?? join(root, "test-output");

/** What a start asks; a product that runs listed documents only has to list them. */
const SIGN_IN = "mutation ($i: SignInInput!) { signIn(input: $i) { accessToken userErrors { message } } }";
const CONNECTED = "{ orchestrators { connected } }";
export const documents = { signIn: SIGN_IN, connected: CONNECTED };

/** Polls until `check` gives something true; its last error is the one that is thrown. */
export async function until(what, check, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  let last;
  while (Date.now() < end) {
    try {
      const value = await check();
      if (value) return value;
    } catch (error) {
      last = error;
    }
    await new Promise((wake) => setTimeout(wake, 50));
  }
  throw new Error(`waited ${seconds} s in vain: ${what}${last ? ` (${last.message})` : ""}`);
}

/** mulberry32: the same seed gives the same numbers. */
export function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The value that this share of all values does not exceed. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
}

/** Milliseconds of an ISO 8601 duration such as PT1M2.5S. */
export function millis(duration) {
  const found = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$/.exec(duration);
  if (!found) throw new Error(`not a duration: ${duration}`);
  const [hours, minutes, seconds] = found.slice(1).map((part) => Number(part ?? 0));
  return (hours * 3600 + minutes * 60 + seconds) * 1000;
}

/** A port of this machine that nobody uses. */
export function freePort() {
  return new Promise((done, fail) => {
    const probe = createServer();
    probe.once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

const masked = (text) => text.replace(/(password:\s+)\S+/g, "$1***");

export class Product {
  /** Starts `cronium serve` and signs its admin in. `name` names the log file under test-output/. */
  static async start(name, env = {}) {
    const product = new Product();
    await mkdir(output, { recursive: true });
    product.dataDir = await mkdtemp(join(tmpdir(), "cronium-e2e-"));
    await chmod(product.dataDir, 0o711); // the private Postgres runs as another user when we are root
    product.port = await freePort();
    product.url = `http://127.0.0.1:${product.port}`;
    product.env = {
      ...process.env,
      CRONIUM_LISTEN: `127.0.0.1:${product.port}`,
      CRONIUM_DATA_DIR: product.dataDir,
      CRONIUM_WEB_DIR: join(root, "web/dist"),
      CRONIUM_RUNNER: process.env.CRONIUM_RUNNER ?? join(cache, "bin/cronium-runner"),
      CRONIUM_ORCHESTRATOR: join(bin, "cronium-orchestrator"),
      CRONIUM_EXEC_IMAGE: process.env.CRONIUM_EXEC_IMAGE ?? "cronium/exec:1",
      CRONIUM_LOG: process.env.CRONIUM_LOG ?? "info",
      ...env,
    };
    delete product.env.DATABASE_URL;
    product.log = createWriteStream(join(output, `${name}-server.log`));
    try {
      await product.#serve();
      product.token = await product.signIn();
      await until("an orchestrator connects", async () => {
        const { data } = await product.gql(CONNECTED);
        return data.orchestrators.some((one) => one.connected);
      });
    } catch (error) {
      await product.stop();
      throw new Error(`${error.message}\n--- end of the server's output\n${masked(product.text).slice(-3000)}`);
    }
    return product;
  }

  text = "";

  async #serve() {
    this.child = spawn(join(bin, "cronium"), ["serve"], { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    this.exit = new Promise((done) => this.child.once("exit", (code, signal) => done(code ?? signal)));
    let ended;
    void this.exit.then((how) => (ended = how));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (chunk) => {
        this.text += chunk;
        this.log.write(masked(chunk));
      });
    }
    await until("the server is ready", async () => {
      if (ended !== undefined) return true;
      return (await fetch(`${this.url}/readyz`)).ok;
    }, 60);
    if (ended !== undefined) throw new Error(`the server ended with ${ended}`);
    await until("the first sign-in is printed", () => /^ *password: +\S+/m.test(this.text), 10);
    this.email = /^ *e-mail: +(\S+)/m.exec(this.text)[1];
    this.password = /^ *password: +(\S+)/m.exec(this.text)[1];
  }

  signIn(email = this.email, password = this.password) {
    return this.signInWith({ email, password });
  }

  async signInWith(input) {
    const { data } = await this.gql(SIGN_IN, { i: { ...input, returnToken: true } }, { token: null });
    if (!data.signIn.accessToken) throw new Error(`sign-in refused: ${JSON.stringify(data.signIn.userErrors)}`);
    return data.signIn.accessToken;
  }

  /** One request; `token: null` sends none. Gives the response's body, errors included. */
  async raw(query, variables, { token = this.token } = {}) {
    const response = await fetch(`${this.url}/graphql`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        accept: "application/graphql-response+json",
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      body: JSON.stringify({ query, variables }),
    });
    return response.json();
  }

  /** One request that must not have top-level errors. */
  async gql(query, variables, options) {
    const body = await this.raw(query, variables, options);
    if (body.errors) throw new Error(JSON.stringify(body.errors));
    return body;
  }

  async createEvent(input) {
    const { data } = await this.gql(
      "mutation ($i: CreateEventInput!) { createEvent(input: $i) { event { id name version { number } } userErrors { code message field } } }",
      { i: input },
    );
    if (!data.createEvent.event) throw new Error(JSON.stringify(data.createEvent.userErrors));
    return data.createEvent.event;
  }

  async run(input) {
    const { data } = await this.gql(
      `mutation ($i: RunEventInput!) { runEvent(input: $i) {
         userErrors { code message field }
         job { id status statusReason output executions { id exitCode status statusReason log { lines { seq stream text } } } } } }`,
      { i: input },
    );
    if (!data.runEvent.job) throw new Error(JSON.stringify(data.runEvent.userErrors));
    return data.runEvent.job;
  }

  /** A subscriber like any integrator's: the graphql-ws package as it is. */
  client(options = {}) {
    return createClient({
      url: `${this.url.replace("http", "ws")}/graphql/ws`,
      webSocketImpl: WebSocket,
      connectionParams: () => ({ authorization: `Bearer ${this.token}` }),
      ...options,
    });
  }

  /** All that the API tells of a job, with the end of its last execution's log. */
  async job(id) {
    const { data } = await this.gql(
      `query ($id: ID!) { job(id: $id) { id status statusReason createdAt startedAt finishedAt duration
         timing { queued setup run cleanup }
         executions { id attempt status statusReason exitCode cpuTime peakMemoryBytes logLineCount logTruncated startedAt finishedAt
           timing { queued setup run cleanup } log { lines { seq stream text } hasMore } } } }`,
      { id },
    );
    return data.job;
  }

  /** Waits until a job is over. */
  finished(id, seconds = 60) {
    return until(`job ${id} ends`, async () => {
      const job = await this.job(id);
      return job.finishedAt && job;
    }, seconds);
  }

  /** The id of a job's first execution, as soon as there is one. */
  executionOf(job) {
    return until("the execution is there", async () => (await this.job(job)).executions[0]?.id);
  }

  /** Kills the server as a crash would. */
  async crash() {
    this.child.kill("SIGKILL");
    await this.exit;
  }

  /** Starts the server again on the same data. */
  async restart() {
    this.child = spawn(join(bin, "cronium"), ["serve"], { env: this.env, stdio: ["ignore", "pipe", "pipe"] });
    this.exit = new Promise((done) => this.child.once("exit", (code, signal) => done(code ?? signal)));
    for (const stream of [this.child.stdout, this.child.stderr]) stream.pipe(this.log, { end: false });
    await until("the server is ready again", async () => (await fetch(`${this.url}/readyz`)).ok, 60);
  }

  /** Removes what was still running: it is kept for the next start, which a test does not have. */
  async #sweep() {
    const id = await readFile(join(this.dataDir, "orchestrator/orchestrator-id"), "utf8").catch(() => null);
    if (!id) return;
    const of = ["--filter", `label=cronium.orchestrator=${id.trim()}`];
    const kinds = [[["ps", "-aq", ...of], ["rm", "-fv"]], ...["network", "volume"].map((kind) => [[kind, "ls", "-q", ...of], [kind, "rm"]])];
    for (const [list, remove] of kinds) {
      const found = spawnSync("docker", list, { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
      if (found.length > 0) spawnSync("docker", [...remove, ...found]);
    }
  }

  /** Ends the server by TERM; KILL after 40 s, which counts as a fault of the product. */
  async stop() {
    let how;
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill("SIGTERM");
      const late = setTimeout(() => this.child.kill("SIGKILL"), 40_000);
      how = await this.exit;
      clearTimeout(late);
    }
    this.log.end();
    await this.#sweep();
    await rm(this.dataDir, { recursive: true, force: true });
    if (how === "SIGKILL") throw new Error("the server did not end within 40 s of TERM");
  }
}

/** A browser without a window. */
export const launchBrowser = () => chromium.launch({
  executablePath: browserPath(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

/** The browser's path; an error that says what to do when there is none. */
export function browserPath() {
  for (const name of [process.env.CRONIUM_BROWSER, "chromium", "chromium-browser", "google-chrome"]) {
    if (!name) continue;
    const found = spawnSync("sh", ["-c", 'command -v "$0"', name], { encoding: "utf8" }).stdout.trim();
    if (found) return found;
  }
  throw new Error("no Chromium found: run scripts/setup.sh --tests");
}
