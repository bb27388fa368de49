// A process that is killed, stopped and started again. Knows nothing of what it does.
import { execFileSync, spawn } from "node:child_process";

/** After this a supervisor starts again what has ended by itself. */
const SUPERVISOR_MS = 300;

/** What still runs when this process ends, by whatever way it can notice. */
const living = new Set();
process.on("exit", () => {
  for (const daemon of living) daemon.kill("SIGKILL");
});

/** A signal to processes; those that are gone are passed. */
export function send(pids, signal) {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  }
}

export class Daemon {
  /** `options`: as of `spawn`, and `log`, a stream that takes what it says. */
  constructor(program, args, { log, ...options }) {
    Object.assign(this, { program, args, log, options });
  }

  /** How often it ended by itself, and was started again, as a supervisor does. */
  fell = 0;
  #meant = true;
  #pipes = new Set();

  /** The first 64 KiB of what it said since it was first started. */
  text = "";
  child = null;

  get runs() {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  start() {
    if (this.runs) return;
    this.#meant = false;
    // In a group of its own, so that the terminal's Ctrl-C leaves its end to us.
    const child = spawn(this.program, this.args, { ...this.options, stdio: ["ignore", "pipe", "pipe"], detached: true });
    this.child = child;
    living.add(this);
    this.ended = new Promise((done) => {
      child.once("exit", () => {
        if (this.child === child) {
          living.delete(this);
          if (!this.#meant) setTimeout(() => this.#again(), SUPERVISOR_MS);
        }
        done();
      });
      child.once("error", done);
    });
    for (const stream of [child.stdout, child.stderr]) {
      this.#pipes.add(stream);
      stream.once("close", () => this.#pipes.delete(stream));
      stream.setEncoding("utf8").on("data", (said) => {
        if (this.text.length < 65536) this.text += said;
        this.log.write(said.replace(/(password:\s+)\S+/g, "$1***"));
      });
    }
  }

  #again() {
    if (this.#meant || this.runs) return;
    this.fell += 1;
    this.start();
  }

  signal(signal) {
    if (this.runs) this.child.kill(signal);
  }

  /** The process and its children, as they are now. */
  family() {
    if (!this.runs) return [];
    const { pid } = this.child;
    try {
      const children = execFileSync("pgrep", ["-P", String(pid)], { encoding: "utf8" });
      return [pid, ...children.trim().split("\n").map(Number)];
    } catch {
      return [pid];
    }
  }

  /** Stops the process and its children as they are now; gives what lets just these go on. */
  pause() {
    const family = this.family();
    send(family, "SIGSTOP");
    return () => send(family, "SIGCONT");
  }

  /** KILL; it stays down until it is started. */
  kill(signal = "SIGKILL") {
    this.#meant = true;
    this.signal(signal);
    return this.ended;
  }

  /** TERM, and KILL after some seconds; whether TERM did it. */
  async end(seconds, signal = "SIGTERM") {
    this.#meant = true;
    if (!this.runs) return true;
    this.signal("SIGCONT");
    this.signal(signal);
    let late = false;
    const timer = setTimeout(() => { late = true; this.signal("SIGKILL"); }, seconds * 1000);
    await this.ended;
    clearTimeout(timer);
    return !late;
  }

  /** Hears no more of it, nor of children of it that still hold its output. */
  close() {
    for (const stream of this.#pipes) stream.destroy();
  }
}
