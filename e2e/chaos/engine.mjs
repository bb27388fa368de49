// A Docker engine of our own, which may be killed without harm to others: its own data, socket and containerd, in a
// network namespace of its own with all of its bridges and firewall rules. Needs root.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

import { until } from "../harness.mjs";
import { Daemon, send } from "./daemon.mjs";

const ip = (text) => execFileSync("ip", text.split(" "), { stdio: ["ignore", "ignore", "pipe"] });

export class Engine {
  constructor(dir, log) {
    mkdirSync(dir, { recursive: true });
    this.dir = dir;
    this.name = `chaos${process.pid}`;
    // Ours of the two ends of the wire that leads into the namespace. The ledger listens here.
    this.address = "10.213.0.1";
    this.host = `unix://${join(dir, "docker.sock")}`;
    this.env = { ...process.env, DOCKER_HOST: this.host };
    // Not by `ip netns exec`, which would hide the control groups.
    this.daemon = new Daemon("nsenter", [`--net=/run/netns/${this.name}`, "dockerd",
      "--host", this.host, "--data-root", join(dir, "data"), "--exec-root", join(dir, "exec"),
      "--pidfile", join(dir, "docker.pid"), "--live-restore",
      "--containerd-namespace", this.name, "--containerd-plugins-namespace", `${this.name}-plugins`,
    ], { log });
  }

  /** Starts it with the image that the shared engine has. */
  async start(image) {
    const { name } = this;
    ip(`netns add ${name}`);
    ip(`link add ${name} type veth peer name eth0 netns ${name}`);
    ip(`address add ${this.address}/30 dev ${name}`);
    ip(`link set ${name} up`);
    for (const text of ["link set lo up", "address add 10.213.0.2/30 dev eth0", "link set eth0 up", `route add default via ${this.address}`]) {
      ip(`-n ${name} ${text}`);
    }
    this.daemon.start();
    await until("the private engine answers", () => {
      execFileSync("docker", ["version"], { env: this.env, stdio: "ignore" });
      return true;
    }, 60);
    execFileSync("sh", ["-c", 'docker save "$0" | DOCKER_HOST="$1" docker load', image, this.host], { stdio: "ignore" });
  }

  /** Kills the engine's daemon; its containers go on without it. */
  async crash() {
    await this.daemon.kill();
    // Its containerd dies with it, a moment later, and may be a zombie for longer: a successor would take that one to be
    // alive, and wait for it in vain.
    await until("its containerd is gone", () => this.#processes("containerd.toml").length === 0, 10);
    rmSync(join(this.dir, "exec", "containerd", "containerd.pid"), { force: true });
    this.daemon.start();
  }

  /** Ids of processes that were started with our directory and this word. */
  #processes(word) {
    const found = spawnSync("pgrep", ["-f", "--", `${this.dir}.*${word}`], { encoding: "utf8" }).stdout;
    return found.split("\n").filter(Boolean).map(Number).filter((pid) => pid !== process.pid);
  }

  async stop() {
    await this.daemon.end(30);
    send([...this.#processes("containerd.toml"), ...this.#processes("containerd.sock")], "SIGKILL");
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n").map((line) => line.split(" ")[4] ?? "");
    for (const path of mounts.reverse().filter((path) => path.startsWith(`${this.dir}/`))) {
      spawnSync("umount", ["--lazy", path]);
    }
    // The link goes with the namespace.
    ip(`netns delete ${this.name}`);
  }
}
