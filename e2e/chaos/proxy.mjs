// A wire between two processes that can be cut, blocked and held. Knows bytes; nothing of what they say.
import { connect, createServer } from "node:net";

export class Proxy {
  /** Passes each connection on to one of these ports of this machine: in turn, past those that refuse. */
  static async listen(ports) {
    const proxy = new Proxy();
    proxy.#ports = ports;
    proxy.#server = createServer((near) => proxy.#accept(near));
    await new Promise((done) => proxy.#server.listen(0, "127.0.0.1", done));
    proxy.port = proxy.#server.address().port;
    return proxy;
  }

  #ports;
  #server;
  #turn = 0;
  #pairs = new Set();
  /** All ends that are open, of pairs or not yet. */
  #ends = new Set();
  #held = false;
  #blocked = false;
  #deaf = false;
  /** When the other side last said something, in ms since the Unix epoch. */
  heardAt = 0;

  #keep(socket) {
    this.#ends.add(socket);
    socket.once("close", () => this.#ends.delete(socket));
    return socket;
  }

  #accept(near) {
    this.#keep(near).on("error", () => near.destroy());
    if (this.#blocked) return near.resetAndDestroy();
    near.pause();
    this.#reach(near, this.#turn++, this.#ports.length);
  }

  #reach(near, turn, left) {
    if (near.destroyed || left === 0) return near.resetAndDestroy();
    const far = this.#keep(connect(this.#ports[turn % this.#ports.length], "127.0.0.1"));
    const refused = () => this.#reach(near, turn + 1, left - 1);
    far.once("error", refused);
    far.once("connect", () => {
      far.off("error", refused);
      this.#join(near, far);
    });
  }

  #join(near, far) {
    const pair = [near, far];
    this.#pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      const over = () => {
        this.#pairs.delete(pair);
        for (const end of pair) end.destroy();
      };
      socket.on("error", over);
      socket.on("close", over);
    }
    if (this.#blocked || near.destroyed) return pair.forEach((socket) => socket.destroy());
    this.#pass(near, far);
    this.#pass(far, near, () => {
      if (this.#deaf) pair.forEach((socket) => socket.resetAndDestroy());
      this.heardAt = Date.now();
      return !this.#deaf;
    });
    if (!this.#held) pair.forEach((socket) => socket.resume());
  }

  #pass(from, to, may = () => true) {
    from.pause();
    from.on("data", (bytes) => {
      if (!may() || to.write(bytes)) return;
      from.pause();
      to.once("drain", () => { if (!this.#held) from.resume(); });
    });
    from.on("end", () => to.end());
  }

  /** Breaks all connections; new ones are passed on. */
  cut() {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy();
  }

  /** Breaks all connections, and refuses new ones until `heal`. */
  block() {
    this.#blocked = true;
    this.cut();
  }

  /** Lets nothing through until `heal`, and breaks nothing: what a dead switch looks like. */
  hold() {
    this.#held = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Breaks a connection when the other side answers: the request was taken, its reply is lost. Until `heal`. */
  loseReplies() {
    this.#deaf = true;
  }

  heal() {
    this.#held = this.#blocked = this.#deaf = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  close() {
    this.#server.close();
    this.block();
    for (const socket of this.#ends) socket.destroy();
  }
}
