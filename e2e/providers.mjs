// OpenID Connect providers for tests: a certified one, and one that lies as it is told.
import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const keyPair = (kid) => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = (key) => ({ ...key.export({ format: "jwk" }), kid, use: "sig", alg: "RS256" });
  return { kid, privateKey, publicKey, secret: jwk(privateKey), open: jwk(publicKey) };
};

const listen = (server, port) => new Promise((done, fail) => {
  server.once("error", fail);
  server.listen(port, "127.0.0.1", () => done(server.address().port));
});

const close = (server) => new Promise((done) => {
  server.close(done);
  server.closeAllConnections();
});

/** The certified provider; `accounts` maps the login to what is said of it. It can go away and come back with new keys. */
export class Certified {
  constructor(accounts, client) {
    this.accounts = accounts;
    this.client = client;
  }

  async start(redirectUri) {
    this.redirectUri = redirectUri;
    const key = keyPair(`key-${Math.random()}`);
    this.server = createServer((request, response) => this.handle(request, response));
    this.port = await listen(this.server, this.port ?? 0);
    this.issuer = `http://127.0.0.1:${this.port}`;
    const provider = new Provider(this.issuer, {
      jwks: { keys: [key.secret] },
      clients: [{ client_id: this.client.id, client_secret: this.client.secret, redirect_uris: [redirectUri], grant_types: ["authorization_code"], response_types: ["code"] }],
      pkce: { required: () => true },
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
      cookies: { keys: ["only for tests"] },
      findAccount: (_, sub) => this.accounts[sub] && { accountId: sub, claims: () => ({ sub, ...this.accounts[sub] }) },
    });
    // What it says to its console on each start is for those who build with it.
    this.handle = provider.callback();
    return this.issuer;
  }

  stop() {
    return close(this.server);
  }
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A provider whose tokens are made by the test: `token({ nonce, keys, issuer })` gives the ID token. */
export class Liar {
  keys = keyPair("one");
  other = keyPair("one");
  token = (given) => this.signed(this.honest(given));
  document = {};
  /** How often its document was read. */
  asked = 0;
  /** Whether it closes a connection on which it has answered already, as any server may. */
  closes = false;
  #answered = new WeakSet();

  async start(clientId) {
    this.clientId = clientId;
    this.server = createServer((request, response) => void this.answer(request, response));
    this.issuer = `http://127.0.0.1:${await listen(this.server, 0)}`;
    return this.issuer;
  }

  stop() {
    return close(this.server);
  }

  /** What an honest provider would say of Mallory. */
  honest({ nonce }) {
    const now = Math.floor(Date.now() / 1000);
    return { iss: this.issuer, sub: "mallory", aud: this.clientId, iat: now, exp: now + 300, nonce, email: "mallory@example.org", email_verified: true, name: "Mallory" };
  }

  signed(claims, { header = { alg: "RS256", kid: "one" }, key = this.keys.privateKey } = {}) {
    const text = `${part({ typ: "JWT", ...header })}.${part(claims)}`;
    return `${text}.${sign("sha256", Buffer.from(text), key).toString("base64url")}`;
  }

  hashed(claims, secret, alg = "HS256") {
    const text = `${part({ typ: "JWT", alg })}.${part(claims)}`;
    return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
  }

  unsigned(claims) {
    return `${part({ typ: "JWT", alg: "none" })}.${part(claims)}.`;
  }

  async answer(request, response) {
    if (this.closes && this.#answered.has(request.socket)) return request.socket.destroy();
    this.#answered.add(request.socket);
    const url = new URL(request.url, this.issuer);
    const json = (value, status = 200) => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(value));
    };
    if (url.pathname === "/.well-known/openid-configuration") {
      this.asked += 1;
      return json({
        issuer: this.issuer, authorization_endpoint: `${this.issuer}/auth`, token_endpoint: `${this.issuer}/token`, jwks_uri: `${this.issuer}/jwks`,
        response_types_supported: ["code"], subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["RS256", "HS256", "none"], ...this.document,
      });
    }
    if (url.pathname === "/jwks") return json({ keys: [this.keys.open] });
    if (url.pathname === "/auth") {
      this.nonce = url.searchParams.get("nonce");
      const back = new URL(url.searchParams.get("redirect_uri"));
      back.search = new URLSearchParams({ code: "a-code", state: url.searchParams.get("state") });
      response.writeHead(302, { location: back.href });
      return response.end();
    }
    if (url.pathname === "/token") {
      request.resume();
      return json({ access_token: "an-access-token", token_type: "Bearer", expires_in: 60, id_token: this.token({ nonce: this.nonce }) });
    }
    return json({}, 404);
  }
}

/** A browser's memory of cookies, by host and port as tests need it. */
export class Jar {
  cookies = new Map();

  of(url) {
    const host = new URL(url).host;
    if (!this.cookies.has(host)) this.cookies.set(host, new Map());
    return this.cookies.get(host);
  }

  /** One request, without following where it leads. */
  async visit(url, init = {}) {
    const known = this.of(url);
    const cookie = [...known].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await fetch(url, { redirect: "manual", ...init, headers: { ...init.headers, ...(cookie ? { cookie } : {}) } });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(";").map((text) => text.trim());
      const [name, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
      const gone = attributes.some((text) => /^max-age=0$/i.test(text) || (/^expires=/i.test(text) && Date.parse(text.slice(8)) < Date.now()));
      if (gone) known.delete(name);
      else known.set(name, value);
    }
    return response;
  }

  /** Goes on as a browser and its person would, logging in as `login` where it is asked, until `end(url)`. */
  async follow(from, end, login) {
    let url = from;
    for (let step = 0; step < 20; step += 1) {
      if (end(url)) return url;
      let response = await this.visit(url);
      if (response.status === 200) {
        const prompt = /name="prompt" value="(\w+)"/.exec(await response.text())?.[1];
        if (!prompt) throw new Error(`stuck at ${url}`);
        const body = new URLSearchParams({ prompt, ...(prompt === "login" ? { login, password: "any" } : {}) });
        response = await this.visit(url, { method: "POST", body });
      }
      const to = response.headers.get("location");
      if (!to) throw new Error(`${url} answers ${response.status}: ${(await response.text()).slice(0, 300)}`);
      url = new URL(to, url).href;
    }
    throw new Error(`no end: ${url}`);
  }
}
