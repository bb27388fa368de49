// A Docker engine of our own, which may be killed without harm to others: its own data, socket and containerd,
// no default bridge and no rules in the firewall. Job networks reach the ledger all the same: it is on this host.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import { until } from "../harness.mjs";
import { Daemon } from "./daemon.mjs";

export class Engine {
  constructor(dir, log) {
    mkdirSync(dir, { recursive: true });
    this.host = `unix://${join(dir, "docker.sock")}`;
    this.env = { ...process.env, DOCKER_HOST: this.host };
    this.daemon = new Daemon("dockerd", [
      "--host", this.host, "--data-root", join(dir, "data"), "--exec-root", join(dir, "exec"),
      "--pidfile", join(dir, "docker.pid"), "--bridge", "none", "--iptables=false", "--ip6tables=false",
      "--default-address-pool", "base=10.213.0.0/16,size=26", "--containerd-namespace", "cronium-chaos",
      "--containerd-plugins-namespace", "cronium-chaos-plugins", "--live-restore",
    ], { log });
  }

  async start(image) {
    this.daemon.start();
    await this.#up();
    const load = `docker -H unix:///var/run/docker.sock save "$0" | docker load`;
    execFileSync("sh", ["-c", load, image], { env: this.env });
  }

  #up() {
    return until("the private engine answers", () => {
      execFileSync("docker", ["version"], { env: this.env, stdio: "ignore" });
      return true;
    }, 60);
  }

  /** Kills the engine's daemon; its containers go on without it. */
  async crash() {
    await this.daemon.kill();
    this.daemon.start();
  }

  stop() {
    return this.daemon.end(30);
  }
}
