// Runs and what runs them, in a real browser, in every language and by the keyboard: chosen and cancelled or retried by
// the dozen, attempts, repeats and receipts, what waits and for what, and orchestrators that drain and go.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { bin, until } from "./harness.mjs";
import { Stage } from "./people/stage.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

const stage = await Stage.open();
const { product } = stage;
const started = [];
after(async () => {
  for (const one of started) await one.stop();
  await stage.close();
});

const ask = async (query, variables) => (await product.gql(query, variables)).data;
/** A change through the API that nobody refuses. */
async function change(name, input, selection = "") {
  const type = `${name[0].toUpperCase()}${name.slice(1)}Input`;
  const { [name]: done } = await ask(`mutation ($input: ${type}!) { ${name}(input: $input) { ${selection} userErrors { code message } } }`, { input });
  assert.deepEqual(done.userErrors, [], name);
  return done;
}
const start = async (eventId, more = {}) => (await change("runEvent", { eventId, ...more }, "job { id number }")).job;
const orchestrators = async () => (await ask("{ orchestrators { id name connected draining running } }")).orchestrators;
async function drain(draining) {
  for (const { id } of await orchestrators()) await change("setOrchestratorDraining", { id, draining });
}
/** Runs so many, twenty with a request. */
async function startMany(eventId, count) {
  const jobs = [];
  while (jobs.length < count) {
    const names = Array.from({ length: Math.min(20, count - jobs.length) }, (_, n) => `j${n}`);
    const data = await ask(`mutation ($input: RunEventInput!) { ${names.map((name) => `${name}: runEvent(input: $input) { job { id number } }`).join(" ")} }`, { input: { eventId } });
    jobs.push(...names.map((name) => data[name].job));
  }
  return jobs;
}
const jobOf = async (id) => (await ask(
  `query ($id: ID!) { job(id: $id) { number status statusReason retries { id number } cancellation { requestedBy { name } signalSent escalated processGone }
     executions { attempt status exitCode orchestrator imageDigest payloadSha256 } } }`, { id })).job;
const openCount = async (eventId) => (await ask(
  "query ($f: JobFilter!) { jobs(first: 1, filter: $f) { totalCount } }", { f: { eventId, status: ["QUEUED", "DISPATCHING", "RUNNING"] } })).jobs.totalCount;

/** A second orchestrator, as on another machine. */
class Worker {
  static async start(name, labels) {
    const worker = new Worker();
    worker.dir = await mkdtemp(join(tmpdir(), "cronium-worker-"));
    const key = (await readFile(join(product.dataDir, "internal-api.key"), "utf8")).trim();
    const env = { ...product.env, CRONIUM_AGENT_URL: `${product.url.replace("http", "ws")}/agent`, INTERNAL_API_KEY: key, CRONIUM_STATE_DIR: worker.dir,
      CRONIUM_NAME: name, CRONIUM_LABELS: labels, CRONIUM_CAPACITY: "2", CRONIUM_AHEAD: "0" };
    worker.child = spawn(join(bin, "cronium-orchestrator"), [], { env, stdio: "ignore" });
    worker.exit = new Promise((done) => worker.child.once("exit", done));
    started.push(worker);
    await until(`${name} is connected`, async () => (await orchestrators()).some((one) => one.name === name && one.connected));
    return worker;
  }

  async stop() {
    this.child.kill("SIGKILL");
    await this.exit;
    const id = (await readFile(join(this.dir, "orchestrator-id"), "utf8").catch(() => "")).trim();
    if (id) {
      for (const [kind, remove] of [["container", ["rm", "-fv"]], ["network", ["network", "rm"]], ["volume", ["volume", "rm"]]]) {
        const list = spawnSync("docker", [kind, "ls", "-q", ...(kind === "container" ? ["-a"] : []), "--filter", `label=cronium.orchestrator=${id}`], { encoding: "utf8" });
        const found = list.stdout.split("\n").filter(Boolean);
        if (found.length > 0) spawnSync("docker", [...remove, ...found]);
      }
    }
    await rm(this.dir, { recursive: true, force: true });
  }
}

for (const language of LANGUAGES) {
  describe(`runs, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    let admin;

    const event = async (name, source, more = {}) => (await product.createEvent({ name: `${name}-${language}`, type: "BASH", source, ...more })).id;
    const list = () => admin.page.getByRole("region", { name: t("nav.runs"), exact: true });
    const boxIn = (place, { number }) => place.getByRole("checkbox", { name: t("runs.select", { number: `#${number}` }), exact: true });
    const box = (job) => boxIn(list(), job);
    const head = () => list().getByRole("checkbox", { name: t("runs.select_all"), exact: true });
    const ticked = async (jobs) => Promise.all(jobs.map((job) => box(job).isChecked()));
    const row = (job) => list().getByRole("row").filter({ has: boxIn(admin.page, job) });
    const bar = () => admin.page.getByRole("toolbar", { name: t("runs.selected_runs"), exact: true });
    const selected = (count) => bar().getByText(t.n("runs.selected", count), { exact: true }).waitFor();
    const part = (key) => admin.page.getByRole("region", { name: t(key), exact: true });
    const side = () => admin.page.getByRole("complementary", { name: t("run.details"), exact: true });
    const see = (id, more = "") => admin.visit(`runs/${encodeURIComponent(id)}${more}`);
    const status = (name) => admin.page.locator(".page-head").getByText(t(`status.${name}`), { exact: true }).waitFor({ timeout: 60_000 });

    before(async () => {
      await drain(false);
      await change("cancelJobs", { filter: {} });
      admin = await stage.person("runs-admin", t);
      await admin.enter(product.email, product.password);
      await admin.signedIn();
    });

    test("a run that starts later says when, in the list and on its page", async () => {
      const eventId = await event("Later", "true");
      const job = await start(eventId, { runAt: new Date(Date.now() + 2 * 3_600_000).toISOString() });
      await admin.visit(`runs?event=${encodeURIComponent(eventId)}`);
      await row(job).getByText(t.like("runs.starts_at")).first().waitFor();
      await row(job).getByText(t("runs.starts_in", { time: "1h 59m" })).waitFor();
      await admin.inspect("runs-scheduled");
      await see(job.id);
      await part("run.wait").getByText(t.like("run.wait.start")).waitFor();
      await part("run.wait").getByText(t("run.wait.left", { time: "1h 59m" })).waitFor();
      await admin.inspect("run-scheduled");
      const closed = await admin.keys.open(admin.button("run.cancel"), admin.dialog);
      await admin.keys.activate(admin.button("run.cancel", admin.dialog));
      await closed(admin.page.locator("#content"));
      await part("run.cancellation").getByText(t("run.cancel.asked_by", { name: "Marta" })).waitFor();
      await part("run.cancellation").getByText(t("run.step.needless")).first().waitFor();
      assert.equal((await jobOf(job.id)).status, "CANCELLED");
    });

    test("rows are chosen by click, by range and by keys, and stay so while the list lives", async () => {
      const { keys, page } = admin;
      await drain(true);
      const eventId = await event("Row", "sleep 300");
      const jobs = await startMany(eventId, 6);
      const newest = [...jobs].reverse();
      // The list asks again once it hears the news: what begins before that answer is in it, and behind no button.
      await page.goto("about:blank");
      let answers = 0;
      const count = (response) => (answers += (response.request().postData() ?? "").includes("query RunsQuery"));
      page.on("response", count);
      await admin.visit(`runs?event=${encodeURIComponent(eventId)}`);
      await until("the list was asked for again", () => answers > 1);
      page.off("response", count);
      await keys.tick(box(newest[1]));
      await selected(1);
      assert.ok(await head().evaluate((one) => one.indeterminate), "the box above all is neither on nor off");
      for (let n = 0; n < 2; n += 1) await keys.press("Shift+ArrowDown");
      await selected(3);
      await keys.press("ArrowDown");
      await keys.press("Space");
      await selected(4);
      await keys.press("Space");
      await selected(3);
      await box(newest[5]).click({ modifiers: ["Shift"] });
      await selected(5);
      assert.deepEqual(await ticked(newest), [false, true, true, true, true, true], "the range began at the last choice");
      await box(newest[4]).click({ modifiers: ["Shift"] });
      await selected(3);
      // A new run waits behind its button, and one that changes stays chosen.
      await start(eventId);
      await page.getByRole("button", { name: t.n("runs.newer", 1) }).waitFor();
      await change("cancelJob", { id: newest[2].id });
      await row(newest[2]).getByText(t("status.cancelled")).first().waitFor();
      await selected(3);
      await bar().getByRole("button", { name: t("runs.cancel_some", { n: 2 }), exact: true }).waitFor();
      await bar().getByRole("button", { name: t("runs.retry_some", { n: 1 }), exact: true }).waitFor();
      await admin.inspect("runs-selected");
      await keys.activate(page.getByRole("button", { name: t.n("runs.newer", 1) }));
      await page.getByRole("button", { name: t.n("runs.newer", 1) }).waitFor({ state: "detached" });
      await selected(3);
      await keys.reach(box(newest[1]));
      await keys.press("Control+A");
      await selected(7);
      assert.ok(await head().isChecked());
      await keys.press("Escape");
      await bar().waitFor({ state: "detached" });
      await keys.activate(head(), "Space");
      await selected(7);
      await keys.activate(admin.button("runs.clear", bar()));
      await bar().waitFor({ state: "detached" });
      await keys.holds(head(), "the focus goes on in the list");
    });

    test("chosen runs are cancelled together, and the others are left alone", async () => {
      const { dialog, keys } = admin;
      const eventId = await event("Stop", "sleep 300");
      const jobs = await startMany(eventId, 4);
      await change("cancelJob", { id: jobs[0].id });
      await admin.visit(`runs?event=${encodeURIComponent(eventId)}`);
      await keys.tick(head());
      const closed = await keys.open(bar().getByRole("button", { name: t("runs.cancel_some", { n: 3 }), exact: true }), dialog);
      await dialog.getByText(t.n("runs.bulk.ended", 1)).waitFor();
      await admin.inspect("runs-cancel");
      await keys.activate(dialog.getByRole("button", { name: t.n("runs.bulk.cancel_do", 3), exact: true }));
      await dialog.getByText(t.n("runs.bulk.cancelled", 3)).waitFor();
      await keys.holds(dialog, "the focus stays in the dialog");
      await keys.activate(admin.button("dialog.close", dialog.locator(".dialog-foot")));
      await closed(admin.page.locator("#content"));
      await bar().waitFor({ state: "detached" });
      for (const { id } of jobs) assert.equal((await jobOf(id)).status, "CANCELLED");
    });

    test("all that match are cancelled, more than the page shows, and what is left is said", async () => {
      const { dialog, keys } = admin;
      await drain(true);
      const eventId = await event("Flood", "sleep 300");
      // More than one step of a thousand, in one of the languages.
      const count = language === "en" ? 1_003 : 55;
      await startMany(eventId, count);
      await admin.visit(`runs?event=${encodeURIComponent(eventId)}&status=QUEUED,FAILED`);
      await keys.tick(head());
      await selected(50);
      const closed = await keys.open(admin.button("runs.matching", bar()), dialog);
      const figure = (n) => n.toLocaleString("en-US");
      await dialog.getByText(t.n("runs.matching.count", count).replace(String(count), figure(count))).waitFor();
      await admin.inspect("runs-matching");
      const step = Math.min(count, 1_000);
      const confirm = t.n("runs.bulk.cancel_do", step).replace(String(step), figure(step));
      await keys.activate(dialog.getByRole("button", { name: confirm, exact: true }));
      if (count > step) {
        await dialog.getByText(t.n("runs.matching.left", count - step)).waitFor({ timeout: 60_000 });
        assert.equal(await openCount(eventId), count - step, "what is said to be left is left");
        await admin.inspect("runs-matching-left");
        await keys.activate(dialog.getByRole("button", { name: t.n("runs.matching.next", count - step), exact: true }));
      }
      const done = t.n("runs.bulk.cancelled", count).replace(String(count), figure(count));
      await dialog.getByText(done).waitFor({ timeout: 60_000 });
      await dialog.getByText(t.n("runs.matching.left", count - step)).waitFor({ state: "detached" });
      assert.equal(await openCount(eventId), 0);
      await keys.activate(admin.button("dialog.close", dialog.locator(".dialog-foot")));
      await closed(admin.page.locator("#content"));
    });

    test("chosen runs are retried once each though an answer is lost, and a refusal says why", async () => {
      const { dialog, keys, page } = admin;
      await change("cancelJobs", { filter: {} });
      await drain(false);
      const [failing, archived] = [await event("Again-fails", "exit 3"), await event("Again-archived", "exit 3")];
      const jobs = [await start(failing), await start(failing), await start(archived)];
      for (const { id } of jobs) await product.finished(id);
      await change("setEventStatus", { id: archived, status: "ARCHIVED" });
      await admin.visit(`runs?q=Again-&status=FAILED`);
      for (const job of jobs) await keys.tick(box(job));
      // One retry is done, and its answer never comes back.
      let lost;
      await page.route("**/graphql", async (route) => {
        const body = route.request().postData() ?? "";
        if (lost || !body.includes("retryJob") || !body.includes(jobs[0].id)) return route.continue();
        lost = (await (await route.fetch()).json()).data.retryJob.job;
        return route.abort();
      });
      const closed = await keys.open(bar().getByRole("button", { name: t("runs.retry_some", { n: 3 }), exact: true }), dialog);
      await admin.inspect("runs-retry");
      await keys.activate(dialog.getByRole("button", { name: t.n("runs.bulk.retry_do", 3), exact: true }));
      await dialog.getByText(t.n("runs.bulk.retried", 2)).waitFor();
      await dialog.getByText(t.n("runs.bulk.refused", 1)).waitFor();
      await page.unroute("**/graphql");
      assert.ok(lost, "the answer that was lost was of a run that had been made");
      const undone = dialog.getByRole("list", { name: t("runs.bulk.undone") });
      await undone.getByText(`#${jobs[2].number}`).waitFor();
      await undone.getByText(language === "en" ? /archived: activate it first/ : t("refused.any.conflict")).waitFor();
      for (const job of jobs.slice(0, 2)) {
        const { retries } = await jobOf(job.id);
        assert.equal(retries.length, 1, `#${job.number} was retried once`);
        await dialog.getByRole("link", { name: `#${retries[0].number}`, exact: true }).waitFor();
      }
      assert.deepEqual((await jobOf(jobs[2].id)).retries, []);
      await admin.inspect("runs-retried");
      await keys.activate(admin.button("dialog.close", dialog.locator(".dialog-foot")));
      await closed(admin.page.locator("#content"));
      await selected(1);
      assert.ok(await box(jobs[2]).isChecked(), "what was refused stays chosen");
      stage.broken.splice(0, stage.broken.length, ...stage.broken.filter((line) => !/ERR_FAILED/.test(line)));
    });

    test("attempts are shown with how each ended, and one is chosen for its log", async () => {
      const { keys, page } = admin;
      const retry = { attempts: 2, initialDelay: "PT25S", factor: 1, jitter: false, exitCodes: [7] };
      const eventId = await event("Flaky", 'echo "at $EPOCHREALTIME"; exit 7', { retry });
      const job = await start(eventId);
      await see(job.id);
      const attempts = part("run.attempts");
      const attempt = (n) => attempts.getByRole("row").filter({ has: page.getByRole("link", { name: t("run.attempt", { n }), exact: true }) });
      await part("run.wait").getByText(t.like("run.wait.again")).waitFor();
      await attempt(2).getByText(t.like("runs.starts_in")).waitFor();
      await attempt(1).getByRole("cell", { name: "7", exact: true }).waitFor();
      const log = page.locator("#log");
      await log.getByText(/^at \d/).waitFor();
      const first = await log.getByText(/^at \d/).textContent();
      await admin.inspect("run-retry-waits");
      // The next attempt is followed by itself.
      await until("the second attempt's log is in view", async () => {
        const line = log.getByText(/^at \d/);
        return (await line.count()) === 1 && (await line.textContent()) !== first;
      }, 60);
      await status("failed");
      await part("run.wait").waitFor({ state: "detached" });
      await keys.activate(attempt(1).getByRole("link"));
      await page.waitForURL(/attempt=1/);
      await log.getByText(first, { exact: true }).waitFor();
      await page.reload();
      await log.getByText(first, { exact: true }).waitFor();
      assert.equal(await attempt(1).getAttribute("aria-selected"), "true");
      await keys.activate(side().getByText(t("run.identity"), { exact: true }));
      const [execution] = (await jobOf(job.id)).executions;
      const found = side().getByTitle(`sha256:${execution.payloadSha256}`, { exact: true });
      await found.waitFor();
      await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await keys.activate(side().getByRole("button", { name: `${t("run.copy")}: ${t("run.payload")}`, exact: true }));
      await admin.toast(t("copy.done"));
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), `sha256:${execution.payloadSha256}`);
      await side().getByText(t("run.condition.unset"), { exact: true }).waitFor();
      await side().getByRole("heading", { name: t("run.all_attempts") }).waitFor();
      await admin.inspect("run-attempts");
      await keys.activate(attempt(2).getByRole("link"));
      await page.waitForURL((url) => !url.search.includes("attempt"));
    });

    test("an answer that is older than the news is not what is shown", async () => {
      const { page } = admin;
      // Asks for a page, and keeps its answer as it was at the time until the page has heard that the run was cancelled.
      // Whatever else it asks for waits until the check is over.
      const late = async (operation, job, look, check) => {
        let held;
        let heard = false;
        let release;
        let finish;
        const released = new Promise((done) => (release = done));
        const finished = new Promise((done) => (finish = done));
        const told = ({ payload }) => (heard ||= String(payload).includes(job.id) && String(payload).includes('"status":"CANCELLED"'));
        // The page before may ask for the same.
        await page.goto("about:blank");
        // So that its end is told after the page has begun to listen.
        await until("it runs", async () => (await jobOf(job.id)).status === "RUNNING");
        page.once("websocket", (socket) => socket.on("framereceived", told));
        await page.route("**/graphql", async (route) => {
          if (!(route.request().postData() ?? "").includes(operation)) return route.continue();
          if (held) return finished.then(() => route.continue());
          const response = await route.fetch();
          held = await response.json();
          await released;
          return route.fulfill({ response, json: held });
        });
        await look();
        await until("the answer is held", () => held);
        await change("cancelJob", { id: job.id });
        assert.match(JSON.stringify(held), /"status":"(QUEUED|DISPATCHING|RUNNING)"/, "it was asked for before the end");
        await until("the page has heard of the end", () => heard);
        const answered = page.waitForResponse((response) => (response.request().postData() ?? "").includes(operation));
        release();
        await (await answered).finished();
        await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
        await check();
        finish();
        await page.unrouteAll({ behavior: "wait" });
      };
      const eventId = await event("Late", "sleep 300");
      const first = await start(eventId);
      await late("query JobQuery", first, () => see(first.id), async () => {
        assert.equal(await page.locator(".page-head").getByText(t("status.cancelled"), { exact: true }).count(), 1);
      });
      const second = await start(eventId);
      const visit = () => admin.visit(`runs?event=${encodeURIComponent(eventId)}`);
      await late("query RunsQuery", second, visit, () => row(second).getByText(t("status.cancelled"), { exact: true }).first().waitFor());
      const third = await start(eventId);
      const tab = () => admin.visit(`events/${encodeURIComponent(eventId)}?tab=runs`);
      await late("query RunsQuery", third, tab, async () => {
        const runs = page.getByRole("region", { name: t("event.tab.runs"), exact: true });
        const cancelled = runs.getByRole("row").filter({ has: page.getByText(t("status.cancelled"), { exact: true }) });
        await until("all three are told as cancelled", async () => (await cancelled.count()) === 3);
      });
    });

    test("a page that is told of a failure of the server's asks for news again", async () => {
      const page = await admin.page.context().newPage();
      const asked = [];
      await page.routeWebSocket("**/graphql/ws", (socket) => {
        const server = socket.connectToServer();
        const failure = { message: "The database is away", extensions: { code: "UNAVAILABLE" } };
        socket.onMessage((text) => {
          const { id, type, payload } = JSON.parse(text);
          if (type !== "subscribe" || !payload.query.includes("jobUpdated")) return server.send(text);
          asked.push(id);
          return asked.length === 1 ? socket.send(JSON.stringify({ id, type: "error", payload: [failure] })) : server.send(text);
        });
      });
      const job = await start(await event("Told", "sleep 300"));
      await page.goto(`${product.url}/${language}/runs/${encodeURIComponent(job.id)}`);
      await until("news are asked for again", () => asked.length === 2);
      await change("cancelJob", { id: job.id });
      await page.locator(".page-head").getByText(t("status.cancelled"), { exact: true }).waitFor();
      await page.close();
    });

    test("a chain of repeats leads from run to run", async () => {
      const { keys, page } = admin;
      const eventId = await event("Chain", "exit 3");
      const first = await start(eventId);
      await product.finished(first.id);
      const { job: second } = await change("retryJob", { id: first.id }, "job { id number }");
      await product.finished(second.id);
      await see(second.id);
      await keys.activate(admin.button("run.retry"));
      await page.waitForURL((url) => !url.pathname.endsWith(encodeURIComponent(second.id)));
      const [{ id, number }] = (await jobOf(second.id)).retries;
      await product.finished(id);
      await status("failed");
      const facts = page.locator(".page-head .facts");
      await facts.getByText(t("run.kin.of")).waitFor();
      const chain = side().getByRole("listitem").filter({ hasText: "#" });
      await until("the chain is whole", async () => (await chain.allTextContents()).map((text) => /#\d+/.exec(text)[0]).join() ===
        [first.number, second.number, number].map((one) => `#${one}`).join());
      await admin.inspect("run-lineage");
      await keys.activate(facts.getByRole("link", { name: `#${second.number}`, exact: true }));
      await facts.getByText(t("run.kin.again")).waitFor();
      await facts.getByRole("link", { name: `#${number}`, exact: true }).waitFor();
    });

    test("a cancellation shows who asked and what was done, from the request to the end", async () => {
      const { dialog, keys } = admin;
      const eventId = await event("Deaf", "trap '' TERM; echo deaf; while true; do sleep 1; done");
      const job = await start(eventId);
      await see(job.id);
      await admin.page.locator("#log").getByText("deaf", { exact: true }).waitFor();
      const receipt = part("run.cancellation");
      assert.equal(await receipt.count(), 0, "nobody has asked yet");
      const closed = await keys.open(admin.button("run.cancel"), dialog);
      await keys.activate(admin.button("run.cancel", dialog));
      await receipt.getByText(t("run.cancel.asked_by", { name: "Marta" })).waitFor();
      await receipt.getByText(t("run.step.pending")).first().waitFor();
      assert.equal((await jobOf(job.id)).status, "RUNNING", "it is shown before the end");
      await closed(admin.page.locator("#content"));
      await status("cancelled");
      const step = (key) => receipt.getByRole("listitem").filter({ hasText: t(key) });
      for (const key of ["run.cancel.signal", "run.cancel.escalated", "run.cancel.gone"]) await step(key).getByText(t("run.step.done"), { exact: true }).waitFor();
      assert.equal(await receipt.getByText(t("run.step.pending")).count(), 0);
      await admin.inspect("run-cancelled");
    });

    test("an orchestrator is drained with what follows in view, what is new waits, and it takes runs again", async () => {
      const { dialog, keys, page } = admin;
      const long = await start(await event("Long", "echo on; sleep 300"));
      await until("it runs", async () => (await jobOf(long.id)).status === "RUNNING");
      await admin.open("nav.monitoring");
      const [{ name }] = (await orchestrators()).filter((one) => one.connected);
      const table = part("overview.orchestrators");
      const line = table.getByRole("row").filter({ has: page.getByText(name, { exact: true }) }).filter({ has: page.getByRole("button") });
      await line.getByText(t("monitoring.connected"), { exact: true }).waitFor();
      await line.getByText(t("overview.of", { n: 1, all: 4 }), { exact: true }).waitFor({ timeout: 30_000 });
      await admin.inspect("monitoring-busy");
      let closed = await keys.open(admin.buttonFor("monitoring.drain", name), dialog);
      await dialog.getByText(t.n("monitoring.drain_running", 1)).waitFor();
      await dialog.getByText(t("monitoring.drain_last")).waitFor();
      await admin.inspect("monitoring-drain");
      await keys.activate(admin.button("dialog.cancel", dialog));
      await closed();
      assert.ok((await orchestrators()).every((one) => !one.draining), "nothing is done before it is confirmed");
      closed = await keys.open(admin.buttonFor("monitoring.drain", name), dialog);
      await keys.activate(admin.button("monitoring.drain_do", dialog));
      await admin.toast(t("monitoring.drained_toast"));
      await closed();
      await line.getByText(t.n("monitoring.draining_note", 1)).waitFor();
      const waiting = await start(await event("Waits", "echo here"));
      await see(waiting.id);
      await part("run.wait").getByText(t("run.wait.draining")).waitFor();
      await admin.inspect("run-waiting");
      await change("cancelJob", { id: long.id });
      await admin.open("nav.monitoring");
      await line.getByText(t("monitoring.drained"), { exact: true }).waitFor({ timeout: 30_000 });
      await admin.inspect("monitoring-drained");
      closed = await keys.open(admin.buttonFor("monitoring.resume", name), dialog);
      await dialog.getByText(t.n("monitoring.waiting", 1)).waitFor({ timeout: 30_000 });
      await admin.inspect("monitoring-resume");
      await keys.activate(admin.button("monitoring.resume_do", dialog));
      await admin.toast(t("monitoring.resumed"));
      await closed();
      await line.getByText(t("monitoring.connected"), { exact: true }).waitFor();
      assert.equal((await product.finished(waiting.id)).status, "SUCCEEDED");
    });

    test("an orchestrator that is not heard of any more says since when", async () => {
      const name = `worker-${language}`;
      const worker = await Worker.start(name, "gpu,region=eu-1");
      await admin.visit("monitoring");
      const line = part("overview.orchestrators").getByRole("row").filter({ hasText: name });
      for (const label of ["gpu", "region=eu-1"]) await line.getByText(label, { exact: true }).waitFor();
      await line.getByText(t("overview.of", { n: 0, all: 2 }), { exact: true }).waitFor();
      await admin.inspect("monitoring-labels");
      worker.child.kill("SIGKILL");
      await line.getByText(t("monitoring.away"), { exact: true }).waitFor({ timeout: 40_000 });
      await line.getByText(t.like("monitoring.since")).waitFor();
      assert.equal(await line.getByText(t("overview.of", { n: 0, all: 2 }), { exact: true }).count(), 0, "figures of nobody are not shown");
      await admin.inspect("monitoring-away");
    });

    test("who may only look is offered nothing to do", async () => {
      const { roles } = await ask("{ roles { id name } }");
      let role = roles.find((one) => one.name === "Lookers");
      role ??= (await change("saveRole", { name: "Lookers", permissions: ["READ_EVENTS", "READ_JOBS", "READ_SYSTEM", "ALL_RESOURCES", "MANAGE_ACCOUNT"] }, "role { id }")).role;
      const email = `looker-${language}@example.org`;
      const { invitation } = await change("inviteUser", { email, name: "Ana", roleId: role.id }, "invitation { url }");
      const token = new URL(invitation.url).searchParams.get("token");
      await change("signUp", { token, name: "Ana", password: "a long first password" });
      const guest = await stage.person("runs-guest", t);
      await guest.enter(email, "a long first password");
      await guest.signedIn();
      await guest.open("nav.runs");
      const rows = guest.page.getByRole("region", { name: t("nav.runs"), exact: true });
      await rows.getByRole("link").first().waitFor();
      assert.equal(await rows.getByRole("checkbox").count(), 0);
      assert.equal(await rows.getByRole("button").count(), 0);
      assert.equal(await guest.link("runs.run_event").count(), 0);
      await guest.inspect("runs-read");
      await guest.open("nav.monitoring");
      const table = guest.page.getByRole("region", { name: t("overview.orchestrators"), exact: true });
      await table.getByText(t("monitoring.connected"), { exact: true }).first().waitFor();
      assert.equal(await table.getByRole("button").count(), 0);
    });
  });
}

test("nothing broke on the way", () => {
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket/.test(line)), []);
});
