// The editor of an event in a real browser, in every language and by the keyboard: a request against a server of the
// test's own, policies, versions and what differs between them, the counter, runs at a moment to come, and what
// whoever may not change it sees.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { output, until } from "./harness.mjs";
import { wrong } from "./inspect.mjs";
import { Stage } from "./people/stage.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

/** Answers with what it was asked, and keeps it. */
const asked = [];
const other = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const { method, url, headers } = request;
    asked.push({ method, url, headers, body });
    response.writeHead(url.startsWith("/orders") ? 201 : 200, { "content-type": "application/json" });
    response.end(JSON.stringify({ heard: body || url }));
  });
});
await new Promise((ready) => other.listen(0, "127.0.0.1", ready));
const { port } = other.address();

const stage = await Stage.open({
  name: "editor",
  env: { CRONIUM_NETWORK_ALLOW: `127.0.0.1:${port}`, CRONIUM_LABELS: "region=eu-1" },
});
after(async () => {
  await stage.close();
  other.close();
});

const { product } = stage;
const event = async (name) => {
  const { data } = await product.gql(`{ events(first: 100) { nodes { id name status maxExecutions countedRuns version {
    number comment idempotent overlap maxConcurrent labels retry { attempts initialDelay maxDelay factor jitter on exitCodes }
    http { method url headers { name value } body expectedStatus maxRedirects verifyTls } } } } }`);
  return data.events.nodes.find((one) => one.name === name);
};
const jobs = async (eventId) => (await product.gql(
  "query ($f: JobFilter) { jobs(first: 100, filter: $f) { nodes { id number status runAt priority trigger } } }", { f: { eventId } },
)).data.jobs.nodes;

async function invite(email, password) {
  const { data: { roles } } = await product.gql("{ roles { id name } }");
  const roleId = roles.find(({ name }) => name === "VIEWER").id;
  const { data } = await product.gql("mutation ($i: InviteUserInput!) { inviteUser(input: $i) { invitation { url } } }", { i: { email, name: "Ana", roleId } });
  const token = new URL(data.inviteUser.invitation.url).searchParams.get("token");
  const used = await product.gql("mutation ($i: SignUpInput!) { signUp(input: $i) { userErrors { message } } }", { i: { token, name: "Ana", password } });
  assert.deepEqual(used.data.signUp.userErrors, []);
}

/** A moment as a field for date and time takes it, in the zone of this machine. */
const local = (at) => new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 16);

for (const language of LANGUAGES) {
  describe(`the editor, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    const name = { en: "Order by request", es: "Pedido por petición" }[language];
    let admin;

    const main = () => admin.page.getByRole("main");
    const field = (key) => admin.field(key, main());
    /** A field that need not be filled in says so in its label. */
    const maybe = (key) => main().getByRole("textbox", { name: new RegExp(`^${t(key)}`) });
    const summary = (key, within = admin.page) => within.locator("summary").filter({ has: admin.page.getByText(t(key), { exact: true }) });
    const tab = (key) => main().getByRole("navigation", { name: t("event.tabs") }).getByRole("link", { name: new RegExp(`^${t(key)}`) });
    const goTo = async (key) => {
      await admin.keys.activate(tab(key));
      await tab(key).and(admin.page.locator('[aria-current="page"]')).waitFor();
    };
    const save = () => admin.keys.press("Control+s");
    const saved = (number) => admin.toast(t("event.saved", { number }));
    const disclose = async (key) => {
      await admin.keys.activate(summary(key));
      await main().locator("details[open]").filter({ has: summary(key) }).waitFor();
    };
    const more = async (key) => {
      await admin.keys.activate(admin.button("event.more", main()));
      await admin.keys.activate(admin.page.getByRole("menuitem", { name: t(key), exact: true }));
    };

    before(async () => {
      admin = await stage.person("editor-admin", t);
      await admin.enter(product.email, product.password);
      await admin.signedIn();
    });

    test("a request takes the script's place, and what is wrong stands at its field", async () => {
      const { keys } = admin;
      await admin.visit("events/new");
      await keys.type(field("field.name"), name);
      await keys.choose(field("events.type"), "HTTP");
      assert.equal(await main().getByRole("textbox", { name: t.like("editor.source_of") }).count(), 0);
      await save();
      await wrong(field("http.url"), t.like("fault.required"), { focused: true });
      // What the server alone knows, in its own words where they are those of the page.
      for (const [url, says] of [["ftp://example.org", /begins with http/], ["http://127.0.0.1/{{ input.id", /template can't be read/]]) {
        await keys.type(field("http.url"), url);
        await save();
        await wrong(field("http.url"), language === "en" ? says : t.like("refused.http.url.invalid"), { focused: true });
      }
      await keys.activate(admin.button("http.add", main()));
      await keys.type(main().getByLabel(t("http.name_of", { n: 1 })), "not a name");
      await keys.type(field("http.redirects"), "many");
      await keys.type(field("http.url"), `http://127.0.0.1:${port}/orders/{{ input.id }}`);
      await save();
      await wrong(field("http.redirects"), t.like("fault.whole"), { focused: true });
      await keys.type(field("http.redirects"), "99");
      await save();
      await wrong(field("http.redirects"), language === "en" ? /0 and 20/ : t.like("refused.http.maxRedirects.invalid"));
      await wrong(main().getByLabel(t("http.name_of", { n: 1 })), language === "en" ? /not a header's name/ : t.like("refused.http.headers.name.invalid"), { focused: true });
      await admin.inspect("editor-http-refused");
    });

    test("a request is sent as it stands, and its answer is the output", async () => {
      const { keys, page } = admin;
      await keys.type(field("http.redirects"), "0");
      await keys.type(main().getByLabel(t("http.name_of", { n: 1 })), "X-Name");
      await keys.type(main().getByLabel(t("http.value_of", { n: 1 })), "{{ input.name }}");
      await keys.choose(field("http.method"), "POST");
      await keys.choose(field("http.sent_as"), "JSON");
      assert.equal(await main().getByLabel(t("http.name_of", { n: 2 })).inputValue(), "Content-Type");
      await keys.type(main().getByRole("textbox", { name: t("http.body"), exact: true }), '{"order": {{ input | tojson }}}');
      await keys.type(field("http.expected"), "201");
      await keys.type(page.locator("#test-input"), '{"id": 7, "name": "Ann"}');
      await keys.press("Control+Enter");
      const pane = page.getByRole("region", { name: t("test.title") });
      await pane.getByText(t("status.succeeded")).first().waitFor();
      await pane.locator("pre").filter({ hasText: '"status": 201' }).waitFor();
      const heard = asked.at(-1);
      assert.deepEqual([heard.method, heard.url, heard.headers["x-name"], heard.headers["content-type"]], ["POST", "/orders/7", "Ann", "application/json"]);
      assert.deepEqual(JSON.parse(heard.body), { order: { id: 7, name: "Ann" } });
      await admin.inspect("editor-http");
      await save();
      await page.waitForURL(/\/events\/(?!new)[^/?]+/);
      await page.reload();
      await field("http.url").waitFor();
      assert.equal(await field("http.url").inputValue(), `http://127.0.0.1:${port}/orders/{{ input.id }}`);
      assert.equal(await field("http.method").inputValue(), "POST");
      const { version } = await event(name);
      assert.deepEqual(version.http, {
        method: "POST", url: `http://127.0.0.1:${port}/orders/{{ input.id }}`,
        headers: [{ name: "X-Name", value: "{{ input.name }}" }, { name: "Content-Type", value: "application/json" }],
        body: '{"order": {{ input | tojson }}}', expectedStatus: "201", maxRedirects: 0, verifyTls: true,
      });
    });

    test("policies are one line each until they are opened, and are refused at their field", async () => {
      const { keys } = admin;
      await goTo("event.tab.settings");
      await summary("policy.retry").filter({ hasText: t("policy.never") }).waitFor();
      await admin.inspect("editor-settings");
      await disclose("policy.retry");
      await keys.type(field("retry.attempts"), "99");
      await save();
      await wrong(field("retry.attempts"), t.like("refused.retry.attempts.invalid"), { focused: true });
      await keys.type(field("retry.attempts"), "3");
      await keys.type(field("retry.initial"), "soon");
      await save();
      await wrong(field("retry.initial"), t.like("fault.time"), { focused: true });
      await keys.type(field("retry.initial"), "2s");
      await keys.type(field("retry.longest"), "1s");
      for (const key of ["retry.on_infrastructure", "retry.on_timeout", "retry.on_status"]) await keys.tick(field(key), false);
      await save();
      await wrong(field("retry.longest"), t.like("refused.retry.maxDelay.invalid"));
      await wrong(main().getByRole("group", { name: t("retry.on") }), t.like("refused.retry.on.required"), { focused: true });
      await keys.type(field("retry.longest"), "1m 30s");
      await keys.type(field("retry.factor"), language === "en" ? "1.5" : "1,5");
      await keys.tick(field("retry.on_status"));
      await keys.tick(field("retry.jitter"), false);
      await keys.type(maybe("retry.statuses"), "429, 503");
      await admin.text(t("retry.waits", { times: "2s, 3s" })).waitFor();
    });

    test("policies and labels are found again after a reload", async () => {
      const { keys, page } = admin;
      await disclose("policy.overlap");
      await keys.pick(main().getByRole("radio", { name: t("overlap.skip"), exact: true }));
      await keys.type(maybe("policy.concurrent"), "2");
      await disclose("policy.lost");
      await keys.tick(field("policy.idempotent"));
      await disclose("policy.limit");
      await keys.type(maybe("policy.executions"), "3");
      await keys.type(maybe("field.labels"), "gpu");
      await admin.text(t("labels.nobody")).waitFor();
      await admin.inspect("editor-policies");
      for (const width of [1440, 390]) {
        await page.setViewportSize({ width, height: 2600 });
        await page.screenshot({ path: join(output, `editor-policies-whole-${width}-${language}.png`) });
      }
      await page.setViewportSize({ width: 1440, height: 900 });
      const known = main().getByRole("button", { name: "region=eu-1", exact: true });
      await keys.activate(known);
      assert.equal(await maybe("field.labels").inputValue(), "gpu, region=eu-1");
      await keys.type(maybe("field.labels"), "Not!");
      await save();
      await wrong(maybe("field.labels"), t.like("refused.labels.invalid"), { focused: true });
      await keys.type(maybe("field.labels"), "region=eu-1");
      await admin.text(t("labels.nobody")).waitFor({ state: "detached" });
      await keys.type(maybe("field.comment"), { en: "Careful", es: "Con cuidado" }[language]);
      await save();
      await saved(2);
      const { version, maxExecutions } = await event(name);
      assert.deepEqual([version.overlap, version.maxConcurrent, version.idempotent, version.labels, maxExecutions], ["SKIP", 2, true, ["region=eu-1"], 3]);
      assert.deepEqual(version.retry, { attempts: 3, initialDelay: "PT2S", maxDelay: "PT1M30S", factor: 1.5, jitter: false, on: ["EXIT_CODE"], exitCodes: [429, 503] });
      await page.reload();
      await summary("policy.retry").filter({ hasText: t.n("policy.attempts", 3) }).waitFor();
      await summary("policy.overlap").filter({ hasText: t("policy.now_skip", { n: 2 }) }).waitFor();
      await summary("policy.lost").filter({ hasText: t("policy.lost_again") }).waitFor();
      await disclose("policy.retry");
      assert.equal(await field("retry.longest").inputValue(), "1m 30s");
      assert.equal(await maybe("retry.statuses").inputValue(), "429, 503");
    });

    test("a new name makes no version, and says so", async () => {
      const { keys } = admin;
      await keys.type(admin.page.locator("#f-tags"), "shop");
      await main().getByRole("button", { name: new RegExp(`^${t("event.save")}(?! v)`) }).waitFor();
      await save();
      await admin.toast(t("account.saved"));
      assert.equal((await event(name)).version.number, 2);
    });

    test("versions are compared in the request and in every setting, and one is restored", async () => {
      const { keys, page } = admin;
      await goTo("event.tab.editor");
      await keys.choose(field("http.method"), "PUT");
      await keys.tick(field("http.tls"), false);
      await admin.text(t("http.tls_off")).waitFor();
      await save();
      await saved(3);
      await goTo("event.tab.versions");
      const changes = main().locator(".ver-settings");
      await changes.getByText(t("http.tls")).waitFor();
      const [was, is] = [main().locator(".diff .tx.was"), main().locator(".diff .tx.is")];
      assert.match(await was.first().textContent(), /^POST http/);
      assert.match(await is.first().textContent(), /^PUT http/);
      await admin.inspect("editor-versions-request");
      await keys.activate(main().getByRole("link", { name: /^v2/ }));
      for (const key of ["retry.attempts", "retry.longest", "retry.on", "retry.codes", "overlap.title", "policy.concurrent", "policy.idempotent", "field.labels"]) {
        await changes.locator("dt").filter({ hasText: t(key) }).first().waitFor();
      }
      assert.equal(await changes.locator("dd").first().locator("ins").count(), 1);
      await admin.inspect("editor-versions");
      await keys.activate(main().getByRole("link", { name: /^v1/ }));
      await keys.activate(main().getByRole("button", { name: t("versions.restore", { number: 1 }), exact: true }));
      await admin.toast(t("versions.restored", { number: 1 }));
      await goTo("event.tab.editor");
      assert.equal(await field("http.method").inputValue(), "POST");
      const { version } = await event(name);
      assert.deepEqual([version.number, version.http.method, version.http.verifyTls, version.retry.attempts], [4, "POST", true, 1]);
      await page.waitForFunction(() => !document.querySelector(".toast"), null, { timeout: 20_000 });
    });

    test("the counter is shown and set back, and the last run pauses", async () => {
      const { dialog, keys, page } = admin;
      const { id } = await event(name);
      const input = { id: 1, name: "Bea" };
      await product.run({ eventId: id, input, waitSeconds: 30 });
      await product.run({ eventId: id, input, waitSeconds: 30 });
      await goTo("event.tab.settings");
      await disclose("policy.limit");
      await admin.text(t("counter.used", { n: 2, most: 3 })).waitFor();
      let closed = await keys.open(admin.button("counter.reset", main()), dialog);
      await admin.inspect("editor-counter");
      await keys.activate(admin.button("counter.reset", dialog));
      await admin.toast(t("counter.done"));
      await closed(page.locator("#content"));
      await admin.text(t("counter.used", { n: 0, most: 3 })).waitFor();
      assert.equal((await event(name)).countedRuns, 0);
      for (let run = 0; run < 3; run += 1) await product.run({ eventId: id, input, waitSeconds: 30 });
      await page.reload();
      await disclose("policy.limit");
      await admin.text(t("counter.reached")).waitFor();
      await main().getByText(t("events.status.paused"), { exact: true }).waitFor();
      closed = await keys.open(admin.button("counter.reset", main()), dialog);
      await keys.activate(admin.button("counter.activate", dialog));
      await closed(page.locator("#content"));
      await main().getByText(t("events.status.active"), { exact: true }).waitFor();
      const { status, countedRuns } = await event(name);
      assert.deepEqual([status, countedRuns], ["ACTIVE", 0]);
    });

    test("a run is put off to a moment of the person's own clock", async () => {
      const { dialog, keys, page } = admin;
      const { id } = await event(name);
      const before = (await jobs(id)).length;
      await more("later.open");
      await dialog.waitFor();
      const at = admin.field("later.at", dialog);
      await admin.text(new RegExp(Intl.DateTimeFormat().resolvedOptions().timeZone), dialog).waitFor();
      const submit = admin.button("later.schedule", dialog);
      // In which order its parts are typed is a matter of the browser's own language.
      const set = async (moment) => {
        await keys.reach(at);
        await at.fill(local(moment));
      };
      await set(Date.now() - 3_600_000);
      await keys.activate(submit);
      await wrong(at, t.like("later.passed"), { focused: true });
      await set(Date.now() + 800 * 86_400_000);
      await keys.activate(submit);
      await wrong(at, t.like("refused.runAt.invalid"), { focused: true });
      const moment = Date.now() + 86_400_000;
      await set(moment);
      await keys.choose(admin.field("later.priority", dialog), t("priority.high"));
      await keys.type(dialog.locator("textarea"), '{"id": 9, "name": "Cy"}');
      await admin.inspect("editor-later");
      // The answer is lost on the way: asking again starts nothing twice.
      let lost = 0;
      await page.route("**/graphql", async (route) => {
        if (lost > 0 || !route.request().postData()?.includes("StartEvent")) return route.continue();
        lost += 1;
        await route.fetch();
        return route.abort();
      });
      await keys.activate(submit);
      await until("the answer was lost", () => lost === 1);
      await admin.toast(t("events.run_failed"));
      await keys.activate(submit);
      await page.waitForURL(/\/runs\/[^/?]+/);
      await page.unroute("**/graphql");
      await main().getByText(t("status.queued")).first().waitFor();
      const waiting = (await jobs(id)).filter(({ runAt }) => runAt);
      assert.deepEqual([waiting.length, (await jobs(id)).length], [1, before + 1]);
      assert.deepEqual([waiting[0].status, waiting[0].priority], ["QUEUED", "HIGH"]);
      assert.equal(Date.parse(waiting[0].runAt), Math.floor(moment / 60_000) * 60_000);
    });

    test("unsaved changes of a request are not left by accident, and outlive a reload", async () => {
      const { dialog, keys, page } = admin;
      const { id } = await event(name);
      await admin.visit(`events/${id}`);
      await keys.type(field("http.expected"), "204");
      await keys.activate(admin.link("nav.runs", page.getByRole("navigation", { name: t("nav.main") })));
      await dialog.waitFor();
      await keys.activate(admin.button("event.stay", dialog));
      await page.evaluate(() => { window.onbeforeunload = null; });
      page.once("dialog", (asks) => asks.accept());
      await page.reload();
      await admin.text(t("event.restored_draft")).waitFor();
      assert.equal(await field("http.expected").inputValue(), "204");
      await keys.activate(admin.button("event.discard", main()));
      assert.equal(await field("http.expected").inputValue(), "201");
    });

    test("who may only look sees everything and changes nothing", async () => {
      const { id } = await event(name);
      await product.gql("mutation ($i: UpdateEventInput!) { updateEvent(input: $i) { userErrors { message } } }", { i: { id, expectedVersion: 4, shared: true } });
      const email = `editor-looker-${language}@example.org`;
      await invite(email, "a long first password");
      const guest = await stage.person("editor-guest", t);
      await guest.enter(email, "a long first password");
      await guest.signedIn();
      await guest.visit(`events/${id}`);
      await guest.text(t("event.read_only")).waitFor();
      const inside = guest.page.getByRole("main");
      for (const key of ["http.method", "http.url", "http.expected", "http.tls"]) {
        assert.ok(await guest.field(key, inside).isDisabled(), `${key} can be changed`);
      }
      await guest.inspect("editor-guest-request");
      await guest.visit(`events/${id}?tab=settings`);
      for (const key of ["policy.retry", "policy.limit"]) {
        await guest.keys.activate(inside.locator("summary").filter({ has: guest.page.getByText(t(key), { exact: true }) }));
      }
      assert.ok(await guest.field("retry.attempts", inside).isDisabled());
      await guest.text(t("counter.used", { n: 1, most: 3 })).waitFor();
      assert.equal(await guest.button("counter.reset", inside).count(), 0);
      await guest.inspect("editor-guest");
      await guest.leaveBrowser();
    });

    test("an event is set aside, and begins as a draft if that is asked for", async () => {
      const { keys, page } = admin;
      await admin.visit("events/new?tab=settings");
      const draft = { en: "Half done", es: "A medias" }[language];
      await keys.type(page.locator("#new-name"), draft);
      await keys.tick(field("field.as_draft"));
      await save();
      await page.waitForURL(/\/events\/(?!new)[^/?]+/);
      assert.equal((await event(draft)).status, "DRAFT");
      await more("event.archive");
      await main().getByText(t("events.status.archived"), { exact: true }).waitFor();
      assert.equal((await event(draft)).status, "ARCHIVED");
      await more("event.activate");
      await main().getByText(t("events.status.active"), { exact: true }).waitFor();
    });
  });
}

test("nothing broke on the way", () => {
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket|ERR_FAILED/.test(line)), []);
});
