// Servers in a real browser, in every language: added with the mouse and by the keyboard alone, compared, confirmed,
// checked live, changed and removed, against an sshd that is really there.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { freePort, until } from "./harness.mjs";
import { wrong } from "./inspect.mjs";
import { Stage } from "./people/stage.mjs";
import { Sshd } from "./sshd.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

/** A check signs in, and may wait for an orchestrator. */
const PATIENT = { timeout: 60_000 };

const host = await Sshd.start();
const stage = await Stage.open({ name: "servers" });
after(async () => {
  await stage.close();
  await host.stop();
});

const { product } = stage;
const ask = async (query, variables) => (await product.gql(query, variables)).data;
const servers = async () => (await ask("{ servers(first: 100) { nodes { id name status version hostKeyFingerprint jumpServer { name } } } }")).servers.nodes;
const called = async (name) => (await servers()).find((one) => one.name === name);
const check = async (id) => (await ask("mutation ($id: ID!) { checkServer(input: { id: $id }) { server { status } userErrors { code } } }", { id })).checkServer.server.status;

/** Removes all, those first that are reached through others. */
async function clear() {
  for (let left = await servers(); left.length > 0; left = await servers()) {
    const free = left.filter(({ name }) => !left.some(({ jumpServer }) => jumpServer?.name === name));
    for (const { id } of free) await ask("mutation ($id: ID!) { deleteServer(input: { id: $id }) { userErrors { code } } }", { id });
  }
}

/** Makes an account that may look and no more. */
async function invite(email, password) {
  const { roles } = await ask("{ roles { id name } }");
  const roleId = roles.find(({ name }) => name === "VIEWER").id;
  const { inviteUser } = await ask("mutation ($i: InviteUserInput!) { inviteUser(input: $i) { invitation { url } } }", { i: { email, name: "Ana", roleId } });
  const token = new URL(inviteUser.invitation.url).searchParams.get("token");
  const { signUp } = await ask("mutation ($i: SignUpInput!) { signUp(input: $i) { userErrors { message } } }", { i: { token, name: "Ana", password } });
  assert.deepEqual(signUp.userErrors, []);
}

for (const language of LANGUAGES) {
  describe(`servers, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    const [first, second, away] = ["web", "db", "away"].map((name) => `${name}-${language}`);
    let admin;

    const head = () => admin.page.locator(".page-head");
    const stands = (key) => head().getByText(t(`servers.status.${key}`), { exact: true }).waitFor(PATIENT);
    const row = (name) => admin.page.getByRole("row").filter({ has: admin.page.getByRole("link", { name, exact: true }) });
    const heading = (key) => admin.page.getByRole("heading", { name: t(key), exact: true });
    const pasted = (within = admin.page) => within.getByRole("textbox", { name: t.like("servers.pasted") });
    const address = () => admin.field("servers.address");
    /** The page of a server that is there. */
    async function see(name, more = "") {
      await admin.visit(`servers/${encodeURIComponent((await called(name)).id)}${more}`);
      await admin.page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
    }
    /** The page of a server that was just made. */
    const made = () => admin.page.waitForURL((url) => /\/servers\/(?!new)[^/?]+/.test(url.pathname), PATIENT);
    /** Waits for the focus. */
    const focused = (words) => until(`the focus is at ${words}`, async () => (await admin.keys.at()).includes(words));

    before(async () => {
      await clear();
      admin = await stage.person("servers-admin", t);
      await admin.enter(product.email, product.password);
      await admin.signedIn();
    });

    test("nothing is there, and the page says what to do", async () => {
      await admin.open("nav.servers");
      await admin.text(t("servers.none")).waitFor();
      await admin.inspect("servers-none");
    });

    test("what is missing is said at its field before the host is asked", async () => {
      await admin.page.getByRole("main").getByRole("link", { name: t("nav.new_server"), exact: true }).first().click();
      await admin.button("servers.go_on").click();
      await wrong(address(), t.like("fault.required"), { focused: true });
      await wrong(admin.field("servers.private_key"), t.like("fault.required"));
      await admin.field("servers.port").fill("70000");
      await admin.button("servers.go_on").click();
      await wrong(admin.field("servers.port"), t.like("refused.smtp.port.invalid"));
      await admin.inspect("server-new");
    });

    test("with the mouse, a server is added after its key was compared", async () => {
      const { page } = admin;
      await address().fill(`${host.user}@${host.address}:${host.port}`);
      await admin.field("servers.port").focus();
      await until("what was pasted is taken apart", async () => (await address().inputValue()) === host.address);
      assert.equal(await admin.field("servers.port").inputValue(), String(host.port));
      assert.equal(await admin.field("servers.username").inputValue(), host.user);
      assert.equal(await admin.field("field.name").inputValue(), host.address, "the name follows the host");
      const chooser = page.waitForEvent("filechooser");
      await admin.button("vars.file").click();
      await (await chooser).setFiles(host.keyFile);
      await until("the key is in its field", async () => (await admin.field("servers.private_key").inputValue()) === host.privateKey);
      await admin.field("field.name").fill(first);
      await page.getByLabel(t.like("field.tags")).fill("web, prod");
      await admin.button("servers.go_on").click();
      await heading("servers.step_key").waitFor(PATIENT);
      await page.getByText(host.fingerprint, { exact: true }).waitFor();
      assert.equal(await admin.field("servers.on_the_host").inputValue(), "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
      await admin.inspect("server-key");
      await admin.button("servers.confirm_add").click();
      await wrong(pasted(), t.like("servers.key_uncompared"), { focused: true });
      await pasted().fill("256 SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA root@elsewhere (ED25519)");
      await admin.text(t("servers.key_other")).waitFor();
      await admin.button("servers.confirm_add").click();
      await wrong(pasted(), t.like("servers.key_differs"), { focused: true });
      assert.equal(await called(first), undefined, "nothing is kept of a host that was not confirmed");
      await pasted().fill(host.line);
      await admin.text(t("servers.key_same")).waitFor();
      await admin.button("servers.confirm_add").click();
      await made();
      await stands("online");
      assert.equal((await called(first)).hostKeyFingerprint, host.fingerprint);
      await page.getByRole("table").getByText(t("servers.check_good"), { exact: true }).first().waitFor(PATIENT);
      assert.ok(!(await page.content()).includes("PRIVATE KEY"), "the private key is on the page");
      await admin.inspect("server");
    });

    test("by the keyboard, another one is added that is reached through the first", async () => {
      const { keys, page } = admin;
      await admin.open("nav.servers");
      await row(first).waitFor();
      await keys.activate(page.getByRole("main").getByRole("link", { name: t("nav.new_server"), exact: true }));
      await keys.type(address(), host.address);
      await keys.type(admin.field("servers.port"), String(host.port));
      await keys.type(admin.field("servers.username"), host.user);
      const hop = page.getByRole("combobox", { name: t.like("servers.hop") });
      await keys.type(hop, first.slice(0, 3));
      await page.getByRole("option", { name: new RegExp(`^${first}`) }).waitFor();
      await keys.press("Enter");
      await until("the server on the way is chosen", async () => (await hop.inputValue()) === first);
      await keys.type(admin.field("servers.private_key"), host.privateKey);
      await keys.type(admin.field("field.name"), second);
      await keys.choose(admin.field("servers.interval"), t.n("servers.every_minutes", 5));
      await keys.activate(admin.button("servers.go_on"));
      await heading("servers.step_key").waitFor(PATIENT);
      await focused(t("servers.step_key"));
      await keys.tick(admin.field("servers.key_compared"));
      await keys.activate(admin.button("servers.confirm_add"));
      await made();
      await stands("online");
      assert.equal((await called(second)).jumpServer.name, first);
      await page.getByRole("complementary", { name: t("servers.facts"), exact: true }).getByRole("link", { name: first, exact: true }).waitFor();
    });

    test("a host that does not answer is refused, with all that was typed still there, and kept when told so", async () => {
      const { keys } = admin;
      const port = String(await freePort());
      await admin.visit("servers/new");
      await keys.type(address(), host.address);
      await keys.type(admin.field("servers.port"), port);
      await keys.type(admin.field("servers.username"), host.user);
      await keys.type(admin.field("servers.private_key"), host.privateKey);
      await keys.type(admin.field("field.name"), away);
      await keys.activate(admin.button("servers.go_on"));
      await admin.page.getByRole("alert").filter({ hasText: t("servers.trouble.refused") }).waitFor(PATIENT);
      assert.equal(await called(away), undefined);
      assert.equal(await admin.field("servers.private_key").inputValue(), host.privateKey);
      assert.equal(await admin.field("servers.port").inputValue(), port);
      await admin.inspect("server-unreached");
      await keys.tick(admin.field("servers.anyway"));
      await keys.activate(admin.button("servers.save_anyway"));
      await made();
      await stands("unconfirmed");
      await admin.inspect("server-unconfirmed");
    });

    test("who is not let in is told so at the fields, and goes on without comparing again", async () => {
      const name = `key-${language}`;
      await admin.visit("servers/new");
      await address().fill(host.address);
      await admin.field("servers.port").fill(String(host.port));
      await admin.field("servers.username").fill(host.user);
      await admin.field("servers.private_key").fill(host.strangerKey);
      await admin.field("field.name").fill(name);
      await admin.button("servers.go_on").click();
      await pasted().fill(host.fingerprint, PATIENT);
      await admin.button("servers.confirm_add").click();
      await admin.field("servers.private_key").and(admin.page.locator('[aria-invalid="true"]')).waitFor(PATIENT);
      await wrong(admin.field("servers.username"), /./, { focused: true });
      assert.equal(await called(name), undefined);
      await admin.inspect("server-denied");
      await admin.field("servers.private_key").fill(host.privateKey);
      await admin.button("servers.go_on").click();
      await made();
      await stands("online");
      const { id } = await called(name);
      await ask("mutation ($id: ID!) { deleteServer(input: { id: $id }) { userErrors { code } } }", { id });
    });

    test("what is unsaved is not left by accident", async () => {
      const { dialog, keys } = admin;
      await admin.visit("servers/new");
      await keys.type(address(), "db.example.org");
      await keys.activate(admin.link("nav.events", admin.page.getByRole("navigation", { name: t("nav.main") })));
      await dialog.waitFor();
      await keys.activate(admin.button("event.stay", dialog));
      assert.equal(await address().inputValue(), "db.example.org");
      await keys.activate(admin.link("nav.events", admin.page.getByRole("navigation", { name: t("nav.main") })));
      await keys.activate(admin.button("event.leave", dialog));
      await admin.page.waitForURL(/\/events/);
    });

    test("a change keeps the secrets that are not given again", async () => {
      const { keys } = admin;
      await see(second);
      await keys.activate(admin.link("event.tab.settings", admin.page.getByRole("navigation", { name: t("servers.tabs"), exact: true })));
      assert.equal(await admin.field("servers.private_key").inputValue(), "");
      await admin.inspect("server-settings");
      await keys.type(admin.page.getByLabel(t.like("field.tags")), "db");
      await keys.activate(admin.button("event.save"));
      await admin.toast(t("servers.saved"));
      await head().getByRole("link", { name: "db", exact: true }).waitFor();
      assert.equal(await check((await called(second)).id), "ONLINE", "it still signs in");
    });

    test("somebody else's change is not overwritten", async () => {
      const { keys } = admin;
      await see(second, "?tab=settings");
      const { id, version } = await called(second);
      const other = `${second}-2`;
      await keys.type(admin.page.getByLabel(t.like("field.tags")), "mine");
      const input = { id, expectedVersion: version, name: other };
      const { updateServer } = await ask("mutation ($input: UpdateServerInput!) { updateServer(input: $input) { userErrors { code } } }", { input });
      assert.deepEqual(updateServer.userErrors, []);
      await keys.activate(admin.button("event.save"));
      await admin.alert(t("servers.conflict"));
      assert.equal(await admin.page.getByLabel(t.like("field.tags")).inputValue(), "mine");
      await keys.activate(admin.button("event.conflict_reload"));
      await until("the form has what is saved", async () => (await admin.field("field.name").inputValue()) === other);
      await keys.type(admin.field("field.name"), second);
      await keys.activate(admin.button("event.save"));
      await admin.toast(t("servers.saved"));
    });

    test("the list is narrowed by the address, and follows what happens", async () => {
      const { keys, page } = admin;
      await admin.open("nav.servers");
      await row(first).waitFor();
      await admin.inspect("servers");
      await keys.activate(page.getByRole("button", { name: t("runs.status") }).first());
      await keys.pick(page.getByRole("checkbox", { name: t("servers.status.unconfirmed"), exact: true }));
      await page.waitForURL(/status=UNCONFIRMED/);
      await row(first).waitFor({ state: "detached" });
      await row(away).waitFor();
      await admin.visit("servers?tag=prod");
      await row(first).waitFor();
      assert.equal(await row(second).count(), 0);
      await keys.type(page.getByRole("searchbox", { name: t("servers.search") }), "nothing-like-it");
      await page.waitForURL(/q=nothing-like-it/);
      await admin.text(t("servers.none_match")).waitFor();
      await admin.visit("servers");
      await row(first).waitFor();
      await host.end();
      assert.equal(await check((await called(first)).id), "UNREACHABLE");
      await row(first).getByText(t("servers.status.unreachable"), { exact: true }).first().waitFor(PATIENT);
      await admin.inspect("servers-attention");
      await host.begin();
      await keys.activate(row(first).getByRole("button", { name: `${t("servers.check_now")}: ${first}`, exact: true }));
      await admin.toast(t("servers.answered", { name: first }));
      await row(first).getByText(t("servers.status.online"), { exact: true }).first().waitFor(PATIENT);
    });

    test("a host with another key is not spoken to until the new one was compared", async () => {
      const { dialog, keys } = admin;
      const before = host.fingerprint;
      await host.rekey();
      assert.notEqual(host.fingerprint, before);
      await see(first);
      await keys.activate(admin.button("servers.check_now"));
      await stands("key_changed");
      await admin.inspect("server-key-changed");
      const closed = await keys.open(admin.button("servers.compare"), dialog);
      await dialog.getByText(before, { exact: true }).waitFor();
      await dialog.getByText(host.fingerprint, { exact: true }).waitFor(PATIENT);
      await admin.inspect("server-key-compare");
      await keys.activate(admin.button("servers.confirm_pin", dialog));
      await wrong(pasted(dialog), t.like("servers.key_uncompared"), { focused: true });
      await keys.type(pasted(dialog), host.line);
      await keys.activate(admin.button("servers.confirm_pin", dialog));
      await admin.toast(t("servers.pinned"));
      await closed(admin.page.locator("#content"));
      await stands("online");
      assert.equal((await called(first)).hostKeyFingerprint, host.fingerprint);
    });

    test("the way to another server is not deleted, and a server that nobody needs is", async () => {
      const { dialog, keys, page } = admin;
      await see(first);
      const closed = await keys.open(admin.button("servers.delete"), dialog);
      await dialog.getByRole("link", { name: second, exact: true }).waitFor();
      assert.equal(await admin.button("servers.delete", dialog).count(), 0);
      await admin.inspect("server-delete-refused");
      await keys.escape(dialog);
      await closed();
      for (const name of [second, first]) {
        await see(name);
        await keys.open(admin.button("servers.delete"), dialog);
        if (name === second) await admin.inspect("server-delete");
        await keys.activate(admin.button("servers.delete", dialog));
        await admin.toast(t("servers.deleted"));
        await page.waitForURL(/\/servers\/?(\?.*)?$/);
      }
      assert.deepEqual((await servers()).map(({ name }) => name), [away]);
    });

    test("a shortcut and the palette lead there", async () => {
      const { keys, page } = admin;
      await admin.visit("");
      await admin.signedIn();
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      await keys.press("g");
      await keys.press("s");
      await page.waitForURL(/\/servers/);
      await keys.press("Control+K");
      await page.getByRole("combobox", { name: t("palette.open") }).fill(away);
      await page.getByRole("option", { name: away }).waitFor();
      await keys.press("Enter");
      await page.getByRole("heading", { level: 1, name: away, exact: true }).waitFor();
    });

    test("who may only look sees shared servers, and nothing to change", async () => {
      const { id, version } = await called(away);
      const input = { id, expectedVersion: version, shared: true };
      const { updateServer } = await ask("mutation ($input: UpdateServerInput!) { updateServer(input: $input) { userErrors { code } } }", { input });
      assert.deepEqual(updateServer.userErrors, []);
      const email = `servers-${language}@example.org`;
      await invite(email, "a long first password");
      const guest = await stage.person("servers-guest", t);
      await guest.enter(email, "a long first password");
      await guest.signedIn();
      await guest.open("nav.servers");
      await guest.page.getByRole("row").getByRole("link", { name: away, exact: true }).waitFor();
      assert.equal(await guest.link("nav.new_server").count(), 0);
      await guest.inspect("servers-read");
      await guest.keys.activate(guest.page.getByRole("row").getByRole("link", { name: away, exact: true }));
      await guest.page.getByRole("heading", { level: 1, name: away, exact: true }).waitFor();
      for (const key of ["servers.check_now", "servers.delete", "servers.compare"]) assert.equal(await guest.button(key).count(), 0, key);
      await guest.visit("servers/new");
      await guest.text(t("servers.not_yours")).waitFor();
      await guest.leaveBrowser();
    });
  });
}

test("nothing broke on the way", () => {
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket/.test(line)), []);
});
