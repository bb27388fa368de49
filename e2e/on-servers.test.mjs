// Events that run on servers, in a real browser, in every language and by the keyboard: chosen in the editor, run on one, on
// three and on some of them, looked at live and each by itself, cancelled, repeated, and what keeps a server from being
// deleted; against hosts that are really there.
import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { until } from "./harness.mjs";
import { wrong } from "./inspect.mjs";
import { Stage } from "./people/stage.mjs";
import { Sshd } from "./sshd.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

/** The first run on a host brings the runner there. */
const PATIENT = { timeout: 60_000 };

const hosts = [];
for (let n = 0; n < 3; n += 1) hosts.push(await Sshd.start());
const stage = await Stage.open({ name: "on-servers" });
/** What scripts and tests tell each other; the hosts are this machine. */
const shared = await mkdtemp(join(tmpdir(), "cronium-on-servers-"));
after(async () => {
  await stage.close();
  for (const host of hosts) await host.stop();
  await rm(shared, { recursive: true, force: true });
});

const { product } = stage;
const ask = async (query, variables) => (await product.gql(query, variables)).data;
/** A change through the API that nobody refuses. */
async function change(name, input, selection = "") {
  const type = `${name[0].toUpperCase()}${name.slice(1)}Input`;
  const { [name]: done } = await ask(`mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code message field } } }`, { input });
  assert.deepEqual(done.userErrors, [], name);
  return done;
}
const eventOf = async (name) => (await ask(`{ events(first: 100) { nodes { id name version { number target {
  ... on ContainerTarget { memoryBytes } ... on ServerTarget { maxParallel servers { id name } } } } } } }`)).events.nodes.find((one) => one.name === name);
const jobOf = async (id) => (await ask(`query ($id: ID!) { job(id: $id) { id number status output cancellation { signalSent processGone }
  executions { id attempt status exitCode output server { id name } cancellation { signalSent processGone } log(first: 1000) { lines { seq text } } } } }`, { id })).job;
const jobsOf = async (eventId) => (await ask("query ($f: JobFilter!) { jobs(first: 20, filter: $f) { nodes { id status } } }", { f: { eventId } })).jobs.nodes;
const start = async (eventId, more = {}) => (await change("runEvent", { eventId, ...more }, "job { id }")).job;

for (const language of LANGUAGES) {
  describe(`events on servers, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    const names = ["web", "app", "db"].map((name) => `${name}-${language}`);
    const [web] = names;
    const ids = {};
    /** What the files of this language begin with. */
    const mark = join(shared, language);
    const named = (name) => `${name}-${language}`;
    let admin;

    const main = () => admin.page.getByRole("main");
    const tab = (key) => main().getByRole("navigation", { name: t("event.tabs") }).getByRole("link", { name: new RegExp(`^${t(key)}`) });
    const goTo = async (key) => {
      await admin.keys.activate(tab(key));
      await tab(key).and(admin.page.locator('[aria-current="page"]')).waitFor();
    };
    const save = () => admin.keys.press("Control+s");
    const more = async (key) => {
      await admin.keys.activate(admin.button("event.more", main()));
      await admin.keys.activate(admin.page.getByRole("menuitem", { name: t(key), exact: true }));
    };
    const head = () => admin.page.locator(".page-head");
    const status = (name) => head().getByText(t(`status.${name}`), { exact: true }).waitFor(PATIENT);
    const log = () => admin.page.locator("#log");
    const side = () => admin.page.getByRole("complementary", { name: t("run.details"), exact: true });
    const chosen = () => main().getByRole("group", { name: t("place.chosen"), exact: true });
    const choice = (name) => main().getByRole("checkbox", { name: new RegExp(`^${name}\\b`) });
    const tabs = () => admin.page.getByRole("tablist", { name: t("targets.title"), exact: true }).getByRole("tab");
    const tabOf = (name) => tabs().filter({ hasText: name });
    const see = (id, rest = "") => admin.visit(`runs/${encodeURIComponent(id)}${rest}`);
    const onPage = () => decodeURIComponent(new URL(admin.page.url()).pathname.split("/").at(-1));
    const makeEvent = (name, source, of = names, more = {}) => product.createEvent({
      name: named(name), type: "BASH", source, target: { servers: { servers: of.map((one) => ids[one]), ...more } },
    });
    /** What stands in the merged log, each line with who wrote it. */
    const merged = () => log().locator("[data-row]").evaluateAll((rows) => rows.map((row) => `${row.querySelector(".of").textContent}: ${row.querySelector(".tx").textContent}`));
    /** A process of this machine is there. */
    const runs = (pid) => {
      try {
        return process.kill(pid, 0);
      } catch {
        return false;
      }
    };

    before(async () => {
      for (const [at, name] of names.entries()) {
        const { address, port, user, privateKey, fingerprint } = hosts[at];
        const input = { name, address, port, username: user, privateKey, hostKeyFingerprint: fingerprint, checkIntervalSeconds: 0, tags: [language] };
        ids[name] = (await change("createServer", input, "server { id }")).server.id;
      }
      admin = await stage.person("on-servers", t);
      await admin.enter(product.email, product.password);
      await admin.signedIn();
    });

    test("by the keyboard, an event is put on a server, and none chosen is refused at its field", async () => {
      const { keys, page } = admin;
      const name = named("Greets");
      await admin.visit("events/new?tab=settings");
      await keys.type(page.locator("#new-name"), name);
      await keys.pick(main().getByRole("radio", { name: t("place.servers"), exact: true }));
      await admin.field("field.memory", main()).waitFor({ state: "detached" });
      await choice(web).waitFor();
      await save();
      await wrong(chosen(), t.like("fault.required"), { focused: true });
      await admin.inspect("on-servers-refused");
      const find = main().getByRole("searchbox", { name: t("place.choose"), exact: true });
      await keys.type(find, "nothing like it");
      await admin.text(t("place.none_match")).waitFor();
      await keys.type(find, web);
      await choice(names[2]).waitFor({ state: "detached" });
      await keys.tick(choice(web));
      await chosen().getByText(web, { exact: true }).waitFor();
      // What was chosen can be taken back, and the keyboard goes on beside it.
      await keys.activate(main().getByRole("button", { name: t("place.remove", { name: web }), exact: true }));
      await admin.text(t("place.none_chosen"), chosen()).waitFor();
      await keys.holds(find, "the focus went on to the search");
      await keys.tick(choice(web));
      const parallel = main().getByRole("textbox", { name: new RegExp(`^${t("place.parallel")}`) });
      await keys.type(parallel, "1000");
      await save();
      await wrong(parallel, t.like("refused.target.servers.maxParallel.invalid"), { focused: true });
      await keys.type(parallel, "");
      await admin.inspect("on-servers-settings");
      await goTo("event.tab.editor");
      const source = main().getByRole("textbox", { name: t.like("editor.source_of") });
      await source.focus();
      await keys.press("Control+A");
      const variable = `GREETING_${language.toUpperCase()}`;
      const script = `echo begun; until [ -e "${mark}-go" ]; do sleep 0.1; done; cronium_set_variable ${variable} hello
echo "value $(cronium_get_variable ${variable})"; cronium_output '{"kept": 1}'`;
      await page.keyboard.insertText(script);
      assert.equal(await source.inputValue(), script);
      await save();
      await page.waitForURL(/\/events\/(?!new)[^/?]+/);
      const { id, version } = await eventOf(name);
      assert.deepEqual(version.target, { maxParallel: null, servers: [{ id: ids[web], name: web }] });
      await admin.visit(`events/${encodeURIComponent(id)}?tab=settings`);
      await chosen().getByText(web, { exact: true }).waitFor();
      assert.ok(await choice(web).isChecked(), "what is chosen is ticked");
    });

    test("its output is seen live on the run's page, and it uses variables there", async () => {
      const { page } = admin;
      await more("event.run_now");
      await page.waitForURL(/\/runs\/[^/?]+/);
      await log().getByText("begun", { exact: true }).waitFor(PATIENT);
      await status("running");
      await head().getByRole("link", { name: web, exact: true }).waitFor();
      assert.equal(await page.getByRole("tablist").count(), 0, "one server needs no tabs");
      assert.equal(await log().getByText(/^value/).count(), 0, "the log came all at once, not live");
      await writeFile(`${mark}-go`, "");
      await log().getByText("value hello", { exact: true }).waitFor();
      await status("succeeded");
      await side().getByText('"kept"').waitFor();
      const job = await jobOf(onPage());
      assert.deepEqual(job.executions.map(({ exitCode, output, server }) => [exitCode, output, server.name]), [[0, { kept: 1 }, web]]);
      await admin.inspect("on-servers-run");
    });

    test("a test run from the editor goes to the servers too, and shows what each of them writes", async () => {
      const { keys, page } = admin;
      const { id } = await makeEvent("Tried", "echo tried", names.slice(0, 2));
      await admin.visit(`events/${encodeURIComponent(id)}`);
      const pane = page.getByRole("region", { name: t("test.title"), exact: true });
      await pane.waitFor();
      await page.locator("#source").focus();
      await keys.press("Control+Enter");
      await pane.getByText(t("status.succeeded"), { exact: true }).first().waitFor(PATIENT);
      const list = page.locator("#test-log");
      await until("both wrote", async () => (await list.getByText("tried", { exact: true }).count()) === 2);
      for (const name of names.slice(0, 2)) await list.getByText(name, { exact: true }).first().waitFor();
      await admin.inspect("on-servers-test");
    });

    test("of three servers one fails: all lines stand together, and each server by itself", async () => {
      const { dialog, keys, page } = admin;
      const name = named("Three");
      // Whoever comes first fails.
      const source = `for n in 1 2 3; do echo "line $n $CRONIUM_EXECUTION_ID"; done; cronium_output '{"lines": 3}'
if mkdir "${mark}-first" 2>/dev/null; then echo "no space" >&2; exit 3; fi`;
      const { id } = await makeEvent("Three", source);
      await admin.visit(`events?q=${encodeURIComponent(name)}`);
      await keys.open(page.getByRole("button", { name: t("events.run", { name }), exact: true }), dialog);
      for (const one of names) assert.ok(await dialog.getByRole("checkbox", { name: one, exact: true }).isChecked(), `${one} is ticked at first`);
      await admin.inspect("on-servers-dialog");
      await keys.activate(admin.button("test.run", dialog));
      await page.waitForURL(/\/runs\/[^/?]+/);
      await status("partial");
      const job = await jobOf(onPage());
      assert.equal(job.output, null, "of several each has its own");
      assert.deepEqual(job.executions.map(({ server }) => server.name), names);
      const bad = job.executions.find((one) => one.status === "FAILED");
      const failed = bad.server.name;
      const complained = bad.log.lines.find(({ text }) => text === "no space").seq;
      assert.equal(job.executions.filter((one) => one.status === "SUCCEEDED").length, 2);
      await admin.text(t("log.complete")).waitFor();
      const wanted = job.executions.flatMap(({ server, log: { lines } }) => lines.map(({ text }) => `${server.name}: ${text}`)).sort();
      assert.ok(wanted.length >= 10, `only ${wanted.length} lines were stored`);
      assert.deepEqual((await merged()).sort(), wanted, "every line of every server, each once");
      await admin.inspect("on-servers-partial");

      // The tabs are one stop of the keyboard, and the arrow keys lead from one to the next.
      assert.deepEqual(await tabs().evaluateAll((all) => all.map((one) => one.tabIndex)), [0, -1, -1, -1]);
      await keys.reach(tabs().first());
      for (const [key, at] of [["ArrowLeft", 3], ["ArrowRight", 0], ["ArrowRight", 1], ["End", 3], ["Home", 0]]) {
        await keys.press(key);
        await tabs().nth(at).and(page.locator('[aria-selected="true"]')).waitFor();
        assert.ok(await tabs().nth(at).evaluate((one) => one === document.activeElement), `${key} leads to tab ${at}`);
      }
      for (const one of names.slice(0, names.indexOf(failed) + 1)) {
        await keys.press("ArrowRight");
        await tabOf(one).and(page.locator('[aria-selected="true"]')).waitFor();
      }
      await page.waitForURL((url) => url.searchParams.get("server") === bad.server.id);
      await page.getByRole("tabpanel", { name: new RegExp(failed) }).waitFor();
      await log().getByText("no space", { exact: true }).waitFor();
      await admin.text(t("log.complete")).waitFor();
      assert.equal(await log().locator("[data-row]").count(), bad.log.lines.length, "only its own lines");
      await side().getByText("3", { exact: true }).first().waitFor();
      await side().getByText('"lines"').waitFor();
      await admin.inspect("on-servers-one");
      await page.reload();
      await tabOf(failed).and(page.locator('[aria-selected="true"]')).waitFor();

      // A line of all leads to itself in its own log.
      await keys.reach(tabOf(failed));
      await keys.press("Home");
      await log().getByRole("link", { name: t("log.line_of", { n: complained, name: failed }), exact: true }).click();
      await page.waitForURL((url) => url.searchParams.get("server") === bad.server.id && url.hash === `#L${complained}`);
      await log().locator("li.here").getByText("no space", { exact: true }).waitFor();

      // Only where it failed it is tried again.
      await keys.activate(page.getByRole("button", { name: t("run.retry_on", { name: failed }), exact: true }));
      await page.waitForURL((url) => !url.pathname.endsWith(encodeURIComponent(job.id)));
      await status("succeeded");
      assert.deepEqual((await jobOf(onPage())).executions.map(({ server }) => server.name), [failed]);
      await admin.visit(`runs?event=${encodeURIComponent(id)}&status=PARTIAL`);
      await page.getByRole("region", { name: t("nav.runs"), exact: true }).getByText(t("status.partial"), { exact: true }).first().waitFor();
    });

    test("it runs on some of the servers only, when that is asked for", async () => {
      const { dialog, keys, page } = admin;
      const name = named("Some");
      const { id } = await makeEvent("Some", "echo here");
      await admin.visit(`events?q=${encodeURIComponent(name)}`);
      await keys.open(page.getByRole("button", { name: t("events.run", { name }), exact: true }), dialog);
      await keys.activate(admin.button("targets.none", dialog));
      await keys.activate(admin.button("test.run", dialog));
      await wrong(dialog.getByRole("group", { name: t("targets.title"), exact: true }), t.like("targets.required"), { focused: true });
      assert.deepEqual(await jobsOf(id), []);
      for (const one of names.slice(1)) await keys.tick(dialog.getByRole("checkbox", { name: one, exact: true }));
      await keys.activate(admin.button("test.run", dialog));
      await page.waitForURL(/\/runs\/[^/?]+/);
      await status("succeeded");
      assert.deepEqual((await jobOf(onPage())).executions.map(({ server }) => server.name), names.slice(1));
      await head().getByText(t.n("targets.servers", 2), { exact: true }).waitFor();
    });

    test("a long run is cancelled on every server, with a receipt of each, and no process is left there", async () => {
      const { dialog, keys, page } = admin;
      const { id } = await makeEvent("Long", `echo $$ > "${mark}-$CRONIUM_EXECUTION_ID.pid"; echo begun; sleep 600`);
      const job = await start(id);
      await see(job.id);
      await until("all have begun", async () => (await log().getByText("begun", { exact: true }).count()) === 3, 60);
      const files = (await readdir(shared)).filter((name) => name.startsWith(`${language}-`) && name.endsWith(".pid"));
      const pids = await Promise.all(files.map(async (name) => Number(await readFile(join(shared, name), "utf8"))));
      assert.equal(pids.length, 3);
      for (const pid of pids) assert.ok(runs(pid), `${pid} is there before`);
      const closed = await keys.open(admin.button("run.cancel"), dialog);
      await admin.text(t("run.cancel_everywhere"), dialog).waitFor();
      await keys.activate(admin.button("run.cancel", dialog));
      await closed(page.locator("#content"));
      await status("cancelled");
      const receipts = page.getByRole("list", { name: t("run.cancel.servers"), exact: true });
      for (const name of names) {
        const receipt = receipts.getByRole("listitem").filter({ has: page.getByText(name, { exact: true }) });
        await receipt.getByRole("listitem").filter({ hasText: t("run.cancel.gone") }).getByText(t("run.step.done"), { exact: true }).waitFor();
      }
      for (const pid of pids) assert.ok(!runs(pid), `${pid} is gone`);
      for (const { cancellation } of (await jobOf(job.id)).executions) assert.deepEqual(cancellation, { signalSent: true, processGone: true });
      await admin.inspect("on-servers-cancelled");
    });

    test("a server says what runs on it, and stays while something does", async () => {
      const { dialog, keys, page } = admin;
      const event = named("Stays");
      const { id } = await makeEvent("Stays", "echo begun; sleep 600", [web]);
      const job = await start(id);
      await until("it runs", async () => (await jobOf(job.id)).status === "RUNNING", 60);
      await admin.visit(`servers/${encodeURIComponent(ids[web])}`);
      await page.getByRole("complementary", { name: t("servers.facts"), exact: true }).getByRole("link", { name: event, exact: true }).waitFor();
      await admin.inspect("on-servers-used");
      await keys.open(admin.button("servers.delete"), dialog);
      await admin.text(t("servers.delete_breaks"), dialog).waitFor();
      await dialog.getByRole("link", { name: event, exact: true }).waitFor();
      await keys.activate(admin.button("servers.delete", dialog));
      await dialog.getByRole("alert").filter({ hasText: language === "en" ? /not ended/ : t("refused.server.id.invalid") }).waitFor();
      await admin.inspect("on-servers-delete-refused");
      await change("cancelJob", { id: job.id });
      await until("it has ended", async () => (await jobOf(job.id)).status === "CANCELLED", 60);
      await keys.activate(admin.button("servers.delete", dialog));
      await admin.toast(t("servers.deleted"));
      await page.waitForURL(/\/servers\/?(\?.*)?$/);
    });

    test("an event whose server is gone still says its name, and another one takes its place", async () => {
      const { keys } = admin;
      const name = named("Stays");
      const { id } = await eventOf(name);
      await admin.visit(`events/${encodeURIComponent(id)}?tab=settings`);
      await chosen().getByText(web, { exact: true }).waitFor();
      await admin.text(t("place.gone"), chosen()).waitFor();
      await admin.inspect("on-servers-gone");
      await keys.activate(main().getByRole("button", { name: t("place.remove", { name: web }), exact: true }));
      await keys.tick(choice(names[1]));
      await save();
      await admin.toast(t("event.saved", { number: 2 }));
      const { version } = await eventOf(name);
      assert.deepEqual(version.target.servers.map((one) => one.name), [names[1]]);
      await goTo("event.tab.versions");
      const changes = main().locator(".ver-settings");
      await changes.getByText(web, { exact: true }).waitFor();
      await changes.getByText(names[1], { exact: true }).waitFor();
      await admin.inspect("on-servers-versions");
    });
  });
}

test("nothing broke on the way", () => {
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket/.test(line)), []);
});
