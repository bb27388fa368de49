// A host of its own as far as the network goes: a namespace that one pair of interfaces joins to ours, whose packets can be
// dropped. Knows nothing of what runs there. Making one takes the rights of root.
import { spawnSync } from "node:child_process";

/** Addresses that are kept for documentation (RFC 5737): nobody has them, and no job network of Docker's is there. */
const NET = "203.0.113";
/** Addresses of a pair: network, ours, its own, broadcast. */
const PAIR = 4;
let made = 0;

function run(...args) {
  const command = process.getuid() === 0 ? args : ["sudo", "-n", ...args];
  const done = spawnSync(command[0], command.slice(1), { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`${command.join(" ")}: ${done.error?.message ?? done.stderr}`);
  return done.stdout;
}

export class Namespace {
  static make() {
    const one = new Namespace();
    const number = made;
    made += 1;
    one.name = `cronium-${process.pid}-${number}`;
    one.near = `cr${process.pid}.${number}`;
    const [here, there] = [1, 2].map((n) => `${NET}.${number * PAIR + n}`);
    one.address = there;
    run("ip", "netns", "add", one.name);
    try {
      run("ip", "link", "add", one.near, "type", "veth", "peer", "name", "eth0", "netns", one.name);
      run("ip", "address", "add", `${here}/30`, "dev", one.near);
      run("ip", "link", "set", one.near, "up");
      run("ip", "-n", one.name, "address", "add", `${there}/30`, "dev", "eth0");
      run("ip", "-n", one.name, "link", "set", "eth0", "up");
      run("ip", "-n", one.name, "link", "set", "lo", "up");
    } catch (error) {
      one.remove();
      throw error;
    }
    return one;
  }

  /** The command line that runs a program there. */
  within(...command) {
    return ["ip", "netns", "exec", this.name, ...command];
  }

  /** From now on nothing goes in or out, and nobody is told: as with a cable that was pulled. */
  cut() {
    for (const [chain, direction] of [["INPUT", "-i"], ["OUTPUT", "-o"]]) {
      run(...this.within("iptables", "-I", chain, direction, "eth0", "-j", "DROP"));
    }
  }

  mend() {
    run(...this.within("iptables", "-F"));
  }

  remove() {
    run("ip", "netns", "delete", this.name);
  }
}
