// Signing in by an OpenID Connect provider: a certified one, and one that lies.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Product } from "./harness.mjs";
import { inBrowser } from "./oidc/browser.mjs";
import { Certified, Jar, Liar } from "./providers.mjs";
import { step as stepOf, totp } from "./totp.mjs";

const CLIENT = { id: "cronium", secret: "a-secret-of-the-provider-and-nobody-else" };
const SAVE = "mutation ($i: SaveOidcProviderInput!) { saveOidcProvider(input: $i) { provider { issuer hasClientSecret version role { name } } userErrors { code field message } } }";

const accounts = {
  ana: { email: "ana@example.org", email_verified: true, name: "Ana" },
  ben: { email: "ben@example.org", email_verified: true, name: "Ben" },
  "ben-again": { email: "ben@example.org", email_verified: true, name: "Another Ben" },
  cleo: { email: "cleo@example.org", email_verified: true, name: "Cleo" },
  dan: { email: "dan@example.org", email_verified: false, name: "Dan" },
  eve: { email: "eve@elsewhere.example", email_verified: true, name: "Eve" },
  fay: { email: "fay@example.org", email_verified: true, name: "Fay" },
  gus: { name: "Gus" },
  hal: { email: "hal@example.org", email_verified: true, name: "Hal" },
};

const product = await Product.start("oidc", { CRONIUM_RATE_LIMIT_ANONYMOUS: "100000" });
const certified = new Certified(accounts, CLIENT);
const liar = new Liar();
const callback = `${product.url}/auth/oidc/callback`;
await certified.start(callback);
await liar.start(CLIENT.id);

after(async () => {
  await product.stop();
  await certified.stop();
  await liar.stop();
});

const provider = (input = {}) => ({
  issuer: certified.issuer, clientId: CLIENT.id, clientSecret: CLIENT.secret, label: "Example ID", registration: "OPEN", ...input,
});

async function save(input) {
  const { data } = await product.gql(SAVE, { i: provider(input) });
  assert.deepEqual(data.saveOidcProvider.userErrors, []);
  return data.saveOidcProvider.provider;
}

const ours = (url) => url.startsWith(`${product.url}/`) && !url.includes("/auth/oidc/");

/** Where a sign-in ends, and the browser that made it. */
async function signIn(login, { jar = new Jar(), query = "" } = {}) {
  const end = new URL(await jar.follow(`${product.url}/auth/oidc/start${query}`, ours, login));
  return { jar, end, error: end.searchParams.get("error"), proof: new URLSearchParams(end.hash.slice(1)).get("proof") };
}

async function viewer(jar) {
  const response = await jar.visit(`${product.url}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: product.url },
    body: JSON.stringify({ query: "{ viewer { id email name status hasPassword locale assignedRole { name } oidcLinks { id issuer email } } }" }),
  });
  return (await response.json()).data.viewer;
}

async function graphql(jar, query, variables) {
  const response = await jar.visit(`${product.url}/graphql`, {
    method: "POST", headers: { "content-type": "application/json", origin: product.url }, body: JSON.stringify({ query, variables }),
  });
  return (await response.json()).data;
}

async function userId(email) {
  const { data } = await product.gql("query ($t: String!) { users(first: 1, filter: { text: $t }) { nodes { id } } }", { t: email });
  return data.users.nodes[0]?.id;
}

const setStatus = (id, status) => product.gql("mutation ($i: UpdateUserInput!) { updateUser(input: $i) { userErrors { message } } }", { i: { id, status } });

async function invite(email, role) {
  const { data } = await product.gql("mutation ($i: InviteUserInput!) { inviteUser(input: $i) { userErrors { message } } }", { i: { email, role } });
  assert.deepEqual(data.inviteUser.userErrors, []);
}

describe("the provider's settings", () => {
  test("nobody signs in by a provider that is not set", async () => {
    const { error } = await signIn("ana");
    assert.equal(error, "NOT_CONFIGURED");
    const { data } = await product.gql("{ serverInfo { signInMethods oidc { label } } }", {}, { token: null });
    assert.deepEqual(data.serverInfo, { signInMethods: ["PASSWORD"], oidc: null });
  });

  test("each problem stands at its field, and nothing is stored", async () => {
    const wrong = { issuer: "http://id.example.com", clientId: "", label: "x".repeat(41), scopes: ["a b"], allowedDomains: ["@"] };
    const { data } = await product.gql(SAVE, { i: provider(wrong) });
    const fields = data.saveOidcProvider.userErrors.map((error) => error.field.join("."));
    assert.deepEqual(fields, ["issuer", "clientId", "label", "scopes.0", "allowedDomains.0"]);
    const { data: still } = await product.gql("{ oidcSettings { callbackUrl provider { issuer } } }");
    assert.deepEqual(still.oidcSettings, { callbackUrl: callback, provider: null });
  });

  test("a provider is saved, tried, and shown to everybody without its secret", async () => {
    const saved = await save();
    assert.deepEqual(saved, { issuer: certified.issuer, hasClientSecret: true, version: 1, role: { name: "VIEWER" } });
    const { data } = await product.gql("mutation { testOidcProvider { usable userErrors { message } } }");
    assert.deepEqual(data.testOidcProvider, { usable: true, userErrors: [] });
    const { data: open } = await product.gql("{ serverInfo { signInMethods oidc { label startUrl } } }", {}, { token: null });
    assert.deepEqual(open.serverInfo, { signInMethods: ["PASSWORD", "OIDC"], oidc: { label: "Example ID", startUrl: "/auth/oidc/start" } });
    const { data: log } = await product.gql("{ auditLog(first: 50) { nodes { action before after } } }");
    const entry = log.auditLog.nodes.find((one) => one.action === "UPDATE_OIDC_PROVIDER");
    assert.equal(entry.after.hasClientSecret, true);
    assert.ok(!JSON.stringify(log).includes(CLIENT.secret));
    const { data: stale } = await product.gql(SAVE, { i: provider({ expectedVersion: 0 }) });
    assert.deepEqual(stale.saveOidcProvider.userErrors.map((error) => [error.code, error.field]), [["CONFLICT", ["expectedVersion"]]]);
  });

  test("a test says what is wrong", async () => {
    const trial = async (input) => {
      await save(input);
      const { data } = await product.gql("mutation { testOidcProvider { usable userErrors { code field message } } }");
      return data.testOidcProvider.userErrors[0];
    };
    const nobody = await trial({ issuer: "http://127.0.0.1:1" });
    assert.deepEqual([nobody.code, nobody.field], ["UNREACHABLE", ["issuer"]]);
    const slash = await trial({ issuer: `${certified.issuer}/` });
    assert.match(slash.message, /issuer/i);
    liar.document = { token_endpoint: "http://example.com/token", authorization_endpoint: "http://example.com/auth" };
    const plain = await trial({ issuer: liar.issuer });
    liar.document = {};
    await save();
    assert.match(plain.message, /not https/);
  });
});

describe("people whom the provider vouches for", () => {
  test("somebody new gets an account and comes back to where they were headed", async () => {
    await save({ registration: "OPEN" });
    const { jar, end } = await signIn("ana", { query: "?returnTo=/es/jobs?status=FAILED&locale=es" });
    assert.equal(end.href, `${product.url}/es/jobs?status=FAILED`);
    const me = await viewer(jar);
    assert.deepEqual(
      [me.email, me.name, me.hasPassword, me.locale, me.assignedRole.name, me.oidcLinks.map((link) => [link.issuer, link.email])],
      ["ana@example.org", "Ana", false, "es", "VIEWER", [[certified.issuer, "ana@example.org"]]],
    );
    const again = await signIn("ana");
    assert.equal((await viewer(again.jar)).id, me.id);
    assert.notEqual(again.jar.of(product.url).get("cronium"), jar.of(product.url).get("cronium"));
  });

  test("the session's cookie is new, closed to scripts, and bound to the site", async () => {
    const jar = new Jar();
    jar.of(product.url).set("cronium", "planted-by-somebody-else");
    const from = `${product.url}/auth/oidc/start`;
    const back = await jar.follow(from, (url) => url.startsWith(callback), "ana");
    const response = await jar.visit(back);
    const lines = response.headers.getSetCookie();
    const session = lines.find((line) => line.startsWith("cronium="));
    assert.match(session, /; Path=\/; HttpOnly; SameSite=Lax/);
    assert.ok(!session.includes("planted"));
    assert.ok(lines.some((line) => /^cronium-oidc=;.*Max-Age=0/.test(line)), "the cookie of the way is gone");
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.get("referrer-policy"), "no-referrer");
  });

  test("nobody new gets in where accounts are closed, or without an invitation", async () => {
    await save({ registration: "CLOSED" });
    assert.equal((await signIn("ben")).error, "CLOSED");
    await save({ registration: "INVITE_ONLY" });
    assert.equal((await signIn("ben")).error, "NEEDS_INVITATION");
    assert.equal(await userId("ben@example.org"), undefined);
  });

  test("an invitation gives its role, once", async () => {
    await save({ registration: "INVITE_ONLY" });
    await invite("ben@example.org", "EDITOR");
    const { jar } = await signIn("ben");
    assert.equal((await viewer(jar)).assignedRole.name, "EDITOR");
    const { data } = await product.gql('{ invites(first: 10, filter: { text: "ben@", status: OPEN }) { nodes { id } } }');
    assert.deepEqual(data.invites.nodes, []);
  });

  test("an account has one link: another account of the provider with its address is refused", async () => {
    assert.equal((await signIn("ben-again")).error, "LINKED_ELSEWHERE");
  });

  test("an account that waits for approval is told so, and let in afterwards", async () => {
    await save({ registration: "APPROVAL" });
    assert.equal((await signIn("cleo")).error, "PENDING");
    assert.equal((await signIn("cleo")).error, "PENDING");
    await setStatus(await userId("cleo@example.org"), "ACTIVE");
    assert.equal((await viewer((await signIn("cleo")).jar)).email, "cleo@example.org");
  });

  test("a disabled account stays closed", async () => {
    const id = await userId("cleo@example.org");
    await setStatus(id, "DISABLED");
    assert.equal((await signIn("cleo")).error, "DISABLED");
    await setStatus(id, "ACTIVE");
  });

  test("an address that the provider has not proven, or of another domain, opens nothing", async () => {
    await save({ registration: "OPEN", allowedDomains: ["example.org"] });
    assert.equal((await signIn("dan")).error, "EMAIL_UNVERIFIED");
    assert.equal((await signIn("eve")).error, "DOMAIN_NOT_ALLOWED");
    await save({ registration: "OPEN" });
    assert.equal((await signIn("dan")).error, "EMAIL_UNVERIFIED");
    assert.equal((await signIn("gus")).error, "NO_EMAIL");
    for (const email of ["dan@", "eve@", "gus@"]) assert.equal(await userId(email), undefined);
  });

  test("an account with a password is linked by its address, and the password still works", async () => {
    await save({ registration: "CLOSED" });
    accounts.boss = { email: product.email.toUpperCase(), email_verified: true, name: "Boss" };
    const { jar } = await signIn("boss");
    assert.equal((await viewer(jar)).email, product.email);
    await product.signIn();
    const mine = (await viewer(jar)).oidcLinks[0];
    const removed = await graphql(jar, "mutation ($i: RemoveOidcLinkInput!) { removeOidcLink(input: $i) { link { id } userErrors { code } } }", { i: { id: mine.id } });
    assert.deepEqual(removed.removeOidcLink, { link: { id: mine.id }, userErrors: [] });
    assert.deepEqual((await viewer(jar)).oidcLinks, []);
  });

  test("the last way in can't be removed by oneself", async () => {
    const { jar } = await signIn("ana");
    const [link] = (await viewer(jar)).oidcLinks;
    const kept = await graphql(jar, "mutation ($i: RemoveOidcLinkInput!) { removeOidcLink(input: $i) { link { id } userErrors { code } } }", { i: { id: link.id } });
    assert.deepEqual(kept.removeOidcLink, { link: null, userErrors: [{ code: "CONFLICT" }] });
    const { data } = await product.gql("query ($id: ID!) { node(id: $id) { ... on OidcLink { email } } }", { id: link.id });
    assert.equal(data.node.email, "ana@example.org");
  });

  test("an account without a password opens to no password", async () => {
    for (const password of ["", " ", "ana"]) {
      const { data } = await product.gql("mutation ($i: SignInInput!) { signIn(input: $i) { viewer { id } userErrors { code } } }", { i: { email: "ana@example.org", password } }, { token: null });
      assert.equal(data.signIn.viewer, null);
      assert.equal(data.signIn.userErrors.length, 1);
    }
  });
});

let recovery;

describe("a second factor", () => {
  const FINISH = "mutation ($i: FinishOidcSignInInput!) { finishOidcSignIn(input: $i) { viewer { email } userErrors { code field } } }";
  let secret;

  before(async () => {
    await save({ registration: "OPEN" });
    const { data } = await product.gql("mutation ($i: InviteUserInput!) { inviteUser(input: $i) { invitation { url } } }", { i: { email: "fay@example.org" } });
    const token = new URL(data.inviteUser.invitation.url).searchParams.get("token");
    const password = "a long password of Fay's";
    await product.gql("mutation ($i: SignUpInput!) { signUp(input: $i) { userErrors { message } } }", { i: { token, name: "Fay", password } }, { token: null });
    const session = await product.signIn("fay@example.org", password);
    const begun = await product.gql("mutation { beginTotp { secret } }", {}, { token: session });
    secret = begun.data.beginTotp.secret;
    // The step before this one, so that the present one is still unused afterwards.
    const code = totp(secret, stepOf() - 1);
    const confirmed = await product.gql("mutation ($i: ConfirmTotpInput!) { confirmTotp(input: $i) { recoveryCodes userErrors { message } } }", { i: { password, code } }, { token: session });
    assert.deepEqual(confirmed.data.confirmTotp.userErrors, []);
    recovery = confirmed.data.confirmTotp.recoveryCodes;
  });

  test("is asked for, though the provider vouches", async () => {
    const step = stepOf();
    const { jar, proof, end } = await signIn("fay", { query: "?returnTo=/en/events" });
    assert.equal(end.pathname, "/en/sign-in");
    assert.equal(end.searchParams.get("back"), "/en/events");
    assert.equal(await viewer(jar), null);
    const wrong = await graphql(jar, FINISH, { i: { proof, code: "000000" } });
    assert.deepEqual(wrong.finishOidcSignIn, { viewer: null, userErrors: [{ code: "INVALID", field: ["code"] }] });
    const none = await graphql(jar, FINISH, { i: { proof, code: "" } });
    assert.deepEqual(none.finishOidcSignIn.userErrors, [{ code: "REQUIRED", field: ["code"] }]);
    const forged = await graphql(jar, FINISH, { i: { proof: `${proof.slice(0, -4)}AAAA`, code: totp(secret, step) } });
    assert.deepEqual(forged.finishOidcSignIn.userErrors, [{ code: "INVALID", field: ["proof"] }]);
    const right = await graphql(jar, FINISH, { i: { proof, code: totp(secret, step) } });
    assert.deepEqual(right.finishOidcSignIn, { viewer: { email: "fay@example.org" }, userErrors: [] });
    assert.equal((await viewer(jar)).email, "fay@example.org");
    const twice = await graphql(new Jar(), FINISH, { i: { proof, code: totp(secret, step) } });
    assert.equal(twice.finishOidcSignIn.viewer, null);
  });

  test("is left to the provider where the settings say so", async () => {
    await save({ registration: "OPEN", trustsSecondFactor: true });
    const { jar } = await signIn("fay");
    assert.equal((await viewer(jar)).email, "fay@example.org");
    await save({ registration: "OPEN" });
  });
});

describe("whoever comes back", () => {
  const begin = async (jar = new Jar()) => {
    const back = await jar.follow(`${product.url}/auth/oidc/start`, (url) => url.startsWith(callback), "ana");
    return { jar, back };
  };
  const outcome = async (jar, url) => {
    const to = new URL((await jar.visit(url)).headers.get("location"), product.url);
    return to.searchParams.get("error") ?? "in";
  };

  test("with another state is not signed in, and may still come back with the right one", async () => {
    const { jar, back } = await begin();
    const other = new URL(back);
    other.searchParams.set("state", "A".repeat(43));
    assert.equal(await outcome(jar, other.href), "STALE");
    other.searchParams.delete("state");
    assert.equal(await outcome(jar, other.href), "STALE");
    assert.equal(await outcome(jar, back), "in");
  });

  test("in another browser is not signed in: nobody is led into somebody else's account", async () => {
    const { back } = await begin();
    assert.equal(await outcome(new Jar(), back), "STALE");
    const victim = new Jar();
    await victim.follow(`${product.url}/auth/oidc/start`, (url) => url.startsWith(certified.issuer), "ben");
    assert.equal(await outcome(victim, back), "STALE");
  });

  test("a second time is not signed in, even with the cookie kept", async () => {
    const { jar, back } = await begin();
    const kept = new Map(jar.of(product.url));
    assert.equal(await outcome(jar, back), "in");
    const thief = new Jar();
    thief.cookies.set(new URL(product.url).host, kept);
    assert.equal(await outcome(thief, back), "STALE");
  });

  test("from another issuer is not signed in", async () => {
    const { jar, back } = await begin();
    const other = new URL(back);
    other.searchParams.set("iss", "https://id.attacker.example");
    assert.equal(await outcome(jar, other.href), "STALE");
  });

  test("after saying no is told so", async () => {
    const { jar, back } = await begin();
    const no = new URL(back);
    no.searchParams.delete("code");
    no.searchParams.set("error", "access_denied");
    assert.equal(await outcome(jar, no.href), "DENIED");
  });

  test("is sent to no other site, whatever was asked for", async () => {
    for (const evil of ["//evil.example", "/\\evil.example", "https://evil.example", "/en/\t/evil", "/en%0d%0aset-cookie:a=b", "javascript:alert(1)"]) {
      const { end } = await signIn("ana", { query: `?returnTo=${encodeURIComponent(evil)}` });
      assert.equal(end.origin, product.url, evil);
    }
  });
});

describe("a provider that lies", () => {
  const attempt = async (token) => {
    liar.token = token;
    const { error, jar } = await signIn("mallory");
    return error ?? ((await viewer(jar)) ? "in" : "out");
  };

  before(() => save({ issuer: liar.issuer, registration: "OPEN" }));

  test("is believed while it is honest, or nothing below would mean anything", async () => {
    assert.equal(await attempt((given) => liar.signed(liar.honest(given))), "in");
  });

  const lies = {
    "another nonce": (given) => liar.signed({ ...liar.honest(given), nonce: "another" }),
    "no nonce": (given) => liar.signed({ ...liar.honest(given), nonce: undefined }),
    "another audience": (given) => liar.signed({ ...liar.honest(given), aud: "another-client" }),
    "an audience beside ours": (given) => liar.signed({ ...liar.honest(given), aud: [CLIENT.id, "another-client"] }),
    "another issuer": (given) => liar.signed({ ...liar.honest(given), iss: certified.issuer }),
    "an end that is past": (given) => liar.signed({ ...liar.honest(given), exp: Math.floor(Date.now() / 1000) - 5 }),
    "no signature": (given) => liar.unsigned(liar.honest(given)),
    "a hash by the client's secret": (given) => liar.hashed(liar.honest(given), CLIENT.secret),
    "a hash by the public key": (given) => liar.hashed(liar.honest(given), liar.keys.publicKey.export({ type: "spki", format: "pem" })),
    "a signature by a key that is not the provider's": (given) => liar.signed(liar.honest(given), { key: liar.other.privateKey }),
    "a signature by a key that nobody knows": (given) => liar.signed(liar.honest(given), { header: { alg: "RS256", kid: "nobody's" } }),
    "claims that were changed": (given) => {
      const [header, , signature] = liar.signed(liar.honest(given)).split(".");
      const claims = { ...liar.honest(given), sub: "the-administrator", email: product.email };
      return `${header}.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.${signature}`;
    },
    "a token of another type": (given) => liar.signed(liar.honest(given), { header: { alg: "RS256", kid: "one", typ: "at+jwt" } }),
    "nothing at all": () => undefined,
  };
  for (const [what, token] of Object.entries(lies)) {
    test(`is not believed: ${what}`, async () => assert.equal(await attempt(token), "UNUSABLE"));
  }
});

describe("in a browser", () => inBrowser({ callback, certified, client: CLIENT, product, recovery: () => recovery.shift() }));

describe("many at a time", () => {
  test("the provider is asked once, however many set out, and whoever comes too often waits", async () => {
    await save({ issuer: liar.issuer, registration: "OPEN", label: "Asked once" });
    liar.asked = 0;
    const starts = await Promise.all(Array.from({ length: 50 }, () => new Jar().visit(`${product.url}/auth/oidc/start`)));
    assert.deepEqual([...new Set(starts.map((one) => one.status))], [303]);
    assert.equal(liar.asked, 1);
  });
});

describe("a provider that comes and goes", () => {
  test("signs with new keys after a while, and is believed at once", async () => {
    await save({ registration: "OPEN" });
    assert.ok(await viewer((await signIn("ana")).jar));
    await certified.stop();
    await certified.start(callback);
    assert.ok(await viewer((await signIn("ana")).jar));
  });

  test("that is away is said to be away", async () => {
    const jar = new Jar();
    const back = await jar.follow(`${product.url}/auth/oidc/start`, (url) => url.startsWith(callback), "ana");
    await certified.stop();
    const to = new URL((await jar.visit(back)).headers.get("location"), product.url);
    assert.equal(to.searchParams.get("error"), "UNREACHABLE");
    await certified.start(callback);
  });

  test("that closes its connections is asked on new ones", async () => {
    await save({ issuer: liar.issuer });
    liar.closes = true;
    try {
      for (let at = 0; at < 2; at += 1) {
        const { data } = await product.gql("mutation { testOidcProvider { usable userErrors { message } } }");
        assert.deepEqual(data.testOidcProvider, { usable: true, userErrors: [] });
      }
    } finally {
      liar.closes = false;
      await save();
    }
  });

  test("that is removed lets nobody in, and those who are in stay", async () => {
    const { jar } = await signIn("ana");
    const { data } = await product.gql("mutation { removeOidcProvider(input: {}) { removed userErrors { message } } }");
    assert.deepEqual(data.removeOidcProvider, { removed: true, userErrors: [] });
    assert.equal((await signIn("ana")).error, "NOT_CONFIGURED");
    assert.ok(await viewer(jar));
  });
});
