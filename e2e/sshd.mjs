// A host to be reached over SSH: the machine's own sshd on a free port of the loopback address, with keys of its own. Knows
// nothing of the product.
import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { freePort, until } from "./harness.mjs";

/** sshd starts itself anew for each connection, so it wants to be called by its whole path. */
function program() {
  const found = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/sbin/sshd", "/usr/bin/sshd"].find(existsSync);
  if (!found) throw new Error("no sshd found: run scripts/setup.sh --tests");
  return found;
}

/** Runs a program to its end, and gives what it printed. */
function run(name, args) {
  const done = spawnSync(name, args, { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${name} ${args.join(" ")}: ${done.error?.message ?? done.stderr}`);
  return done.stdout;
}

const makeKey = (path, comment) => run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path]);

/** Whether a server greets as SSH does. */
const greets = (address, port) => new Promise((done) => {
  const socket = connect(port, address);
  const end = (well) => {
    socket.destroy();
    done(well);
  };
  socket.setTimeout(2_000, () => end(false));
  socket.once("error", () => end(false));
  socket.once("data", (data) => end(data.toString().startsWith("SSH-")));
});

export class Sshd {
  address = "127.0.0.1";
  /** Makes the command line that runs a program where the host is. */
  within = (...command) => command;

  static async start(where = {}) {
    const host = Object.assign(new Sshd(), where);
    host.dir = await mkdtemp(join(tmpdir(), "cronium-sshd-"));
    host.port = await freePort();
    host.user = userInfo().username;
    makeKey(join(host.dir, "user_key"), "tests");
    makeKey(join(host.dir, "stranger_key"), "a stranger");
    host.privateKey = await readFile(join(host.dir, "user_key"), "utf8");
    host.strangerKey = await readFile(join(host.dir, "stranger_key"), "utf8");
    await writeFile(join(host.dir, "authorized_keys"), await readFile(join(host.dir, "user_key.pub")), { mode: 0o600 });
    await host.#makeHostKey();
    // Where it gives up its rights it wants this folder, which a machine without the service has not.
    if (process.getuid() === 0) await mkdir("/run/sshd", { recursive: true, mode: 0o755 });
    await host.begin();
    return host;
  }

  get keyFile() {
    return join(this.dir, "user_key");
  }

  async #makeHostKey() {
    const path = join(this.dir, "host_key");
    await rm(path, { force: true });
    await rm(`${path}.pub`, { force: true });
    makeKey(path, "host");
    this.#knowHostKey();
  }

  #knowHostKey() {
    const path = join(this.dir, "host_key");
    /** The line that a person on the host reads, and the fingerprint in it. */
    this.line = run("ssh-keygen", ["-lf", `${path}.pub`]).trim();
    this.fingerprint = this.line.split(" ")[1];
  }

  /** Begins to listen, always on the same port. What is said here overrides the usual settings. */
  async begin(settings = {}) {
    const lines = [
      ...Object.entries(settings).map(([name, value]) => `${name} ${value}`),
      `Port ${this.port}`,
      `ListenAddress ${this.address}`,
      `HostKey ${join(this.dir, "host_key")}`,
      `AuthorizedKeysFile ${join(this.dir, "authorized_keys")}`,
      "PidFile none",
      "StrictModes no",
      "UsePAM no",
      "PasswordAuthentication no",
      "KbdInteractiveAuthentication no",
      "PermitRootLogin prohibit-password",
      "AllowTcpForwarding yes",
      "MaxStartups 200",
      "MaxSessions 50",
      "LogLevel ERROR",
    ];
    const config = join(this.dir, "sshd_config");
    await writeFile(config, `${lines.join("\n")}\n`);
    const args = ["-f", config];
    // Newer ones keep whom they refused waiting; older ones do not know the word.
    const mild = [...args, "-o", "PerSourcePenalties=no"];
    const known = spawnSync(program(), ["-t", ...mild]).status === 0;
    this.said = "";
    const [command, ...rest] = this.within(program(), "-D", "-e", ...(known ? mild : args));
    this.child = spawn(command, rest, { stdio: ["ignore", "ignore", "pipe"] });
    this.child.stderr.setEncoding("utf8").on("data", (text) => (this.said += text));
    this.exit = new Promise((done) => this.child.once("exit", done));
    try {
      await until("sshd greets", () => greets(this.address === "0.0.0.0" ? "127.0.0.1" : this.address, this.port), 15);
    } catch (error) {
      throw new Error(`${error.message}\n--- sshd said\n${this.said}`);
    }
  }

  /** Ends it with all its connections, so that nobody goes on over one that stands. */
  async end() {
    if (!this.child) return;
    const { pid } = this.child;
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
    this.child.kill("SIGTERM");
    await this.exit;
    for (const one of children.split(" ").filter(Boolean)) {
      try {
        process.kill(Number(one), "SIGTERM");
      } catch {
        // It has ended by itself.
      }
    }
    this.child = null;
  }

  /** The host is installed anew: it has another key from now on. */
  async rekey() {
    await this.end();
    for (const end of ["", ".pub"]) await rename(join(this.dir, `host_key${end}`), join(this.dir, `first_key${end}`));
    await this.#makeHostKey();
    await this.begin({ LogLevel: "INFO" });
  }

  /** It has the key again that it had before. */
  async restoreKey() {
    await this.end();
    for (const end of ["", ".pub"]) await rename(join(this.dir, `first_key${end}`), join(this.dir, `host_key${end}`));
    this.#knowHostKey();
    await this.begin();
  }

  async stop() {
    await this.end();
    await rm(this.dir, { recursive: true, force: true });
  }
}
