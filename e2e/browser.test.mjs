// The dashboard in a real browser, found by role and label as a person or a screen reader finds it.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Product, launchBrowser, output, until } from "./harness.mjs";
import { inspect, wrong } from "./inspect.mjs";

const PATIENCE = 20_000;

const broken = [];
const product = await Product.start("browser");
const browser = await launchBrowser();
const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", colorScheme: "light" });
context.setDefaultTimeout(PATIENCE);
const page = await context.newPage();
page.on("pageerror", (error) => broken.push(`page: ${error.message}`));
page.on("console", (message) => {
  if (message.type() === "error" || /content security policy/i.test(message.text())) broken.push(message.text());
});
after(async () => {
  await page.screenshot({ path: join(output, "last.png") }).catch(() => {});
  await browser.close();
  await product.stop();
});

const main = () => page.getByRole("main");
const log = () => page.locator("#log");
const button = (name) => page.getByRole("button", { name });

async function go(path) {
  await page.goto(`${product.url}${path}`);
  await main().waitFor();
}

const look = (name) => inspect(page, name);

/** Scrolls the log from end to end, a step a frame; gives the lengths of frames in ms, sorted. */
const sweep = (steps) => log().evaluate(async (list, count) => {
  const frames = [];
  let last = performance.now();
  for (let at = 0; at < count; at += 1) {
    list.scrollTop = ((list.scrollHeight - list.clientHeight) * at) / count;
    await new Promise((drawn) => requestAnimationFrame(drawn));
    const now = performance.now();
    frames.push(now - last);
    last = now;
  }
  return frames.sort((a, b) => a - b);
}, steps);

const firstLine = () => log().evaluate((list) => {
  const top = list.getBoundingClientRect().top;
  const rows = [...list.querySelectorAll("[data-row]")];
  return Number(rows.find((row) => row.getBoundingClientRect().bottom > top + 4)?.querySelector("a").textContent);
});

async function signIn() {
  await page.getByLabel("Email", { exact: true }).fill(product.email);
  await page.getByLabel("Password", { exact: true }).fill(product.password);
  await button("Sign in").click();
}

describe("the dashboard", () => {
  test("a stranger is led to the sign-in page", async () => {
    await page.goto(`${product.url}/en/runs`);
    await page.getByLabel("Email", { exact: true }).waitFor();
    await page.waitForURL(/\/en\/sign-in/);
    await look("sign-in");
  });

  test("a wrong password is refused and the entries stay", async () => {
    await page.getByLabel("Email", { exact: true }).fill(product.email);
    await page.getByLabel("Password", { exact: true }).fill("not the password");
    await button("Sign in").click();
    await wrong(page.getByLabel("Password", { exact: true }), /password is wrong/, { focused: true });
    assert.equal(await page.getByLabel("Email", { exact: true }).inputValue(), product.email);
  });

  test("signing in leads back to where one was headed", async () => {
    await signIn();
    await page.waitForURL(/\/en\/runs/);
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Runs" }).waitFor();
  });

  test("an event is made in the editor, test-run with its log live, and saved", async () => {
    await go("/en/events/new");
    await main().getByLabel("Name", { exact: true }).fill("Counts to five");
    await main().getByLabel("Type", { exact: true }).selectOption("PYTHON");
    await main().getByRole("textbox", { name: /^Source of/ }).fill(
      'import time\nfor i in range(5):\n    print("count", i + 1, flush=True)\n    time.sleep(0.4)\n');
    const pane = page.getByRole("region", { name: "Test run" });
    await pane.getByRole("button", { name: /^Run/ }).click();
    await pane.getByText("count 1").first().waitFor();
    assert.equal(await pane.getByText("count 5").count(), 0, "the log came all at once, not live");
    await pane.getByText("count 5").first().waitFor();
    await pane.getByText("Succeeded").first().waitFor();
    await button(/^Create event/).click();
    await page.waitForURL(/\/en\/events\/(?!new)[^/?]+/);
    await look("event");
  });

  test("what the API refuses stands at its field of the event's form", async () => {
    await go("/en/events/new");
    await main().getByRole("button", { name: /^Create event/ }).click();
    await wrong(main().getByLabel("Name", { exact: true }), /needed/, { focused: true });
    await main().getByLabel("Name", { exact: true }).fill("Refused at first");
    await main().getByRole("link", { name: "Settings" }).click();
    await main().getByLabel("Memory, MiB").fill("16");
    await main().getByLabel("Minutes").fill("90000");
    await main().getByRole("button", { name: "Add a variable" }).click();
    await main().getByLabel("Name of variable 1").fill("1BAD");
    await main().getByLabel(/^Input schema/).fill('{"type": 5}');
    await main().getByRole("link", { name: "Editor" }).click();
    await main().getByRole("button", { name: /^Create event/ }).click();
    await wrong(main().getByLabel("Memory, MiB"), /From 32 MiB to 64 GiB/, { focused: true });
    await wrong(main().getByLabel("Minutes"), /From 1 second to 24 hours/);
    await wrong(main().getByLabel("Name of variable 1"), /not beginning with a digit/);
    await wrong(main().getByLabel(/^Input schema/), /not a JSON Schema/);
    await look("event-refused");
    await main().getByLabel("Memory, MiB").fill("128");
    await main().getByLabel("Minutes").fill("1");
    await main().getByLabel("Name of variable 1").fill("GOOD");
    await main().getByLabel(/^Input schema/).fill(
      '{"type": "object", "required": ["day"], "properties": {"day": {"type": "string", "title": "Day"}, "limit": {"type": "integer", "title": "Limit", "default": 5}}}');
    await main().getByRole("button", { name: /^Create event/ }).click();
    await page.waitForURL(/\/en\/events\/(?!new)[^/?]+/);
  });

  test("a run's input is asked for by its schema and refused at its field", async () => {
    await go("/en/events");
    await main().getByRole("button", { name: "Run Refused at first" }).click();
    const dialog = page.getByRole("dialog", { name: "Run Refused at first" });
    assert.equal(await dialog.getByLabel(/^Limit/).inputValue(), "5");
    await dialog.getByLabel(/^Limit/).fill("many");
    await dialog.getByRole("button", { name: "Run" }).click();
    await wrong(dialog.getByLabel("Day"), /needed/, { focused: true });
    await wrong(dialog.getByLabel(/^Limit/), /not of type "integer"/);
    await look("run-input");
    await dialog.getByLabel("Day").fill("2026-03-16");
    await dialog.getByLabel(/^Limit/).fill("7");
    await dialog.getByRole("button", { name: "Run" }).click();
    await page.waitForURL(/\/en\/runs\/[^/?]+/);
    await main().getByText('"2026-03-16"').first().waitFor();
  });

  test("the account page changes name and password, and refuses at the field", async () => {
    await go("/en/account");
    await main().getByLabel("Current password").fill("not the password");
    await main().getByLabel("New password").fill("short");
    await button("Change password").click();
    await wrong(main().getByLabel("New password"), /at least 12/i, { focused: true });
    await main().getByLabel("New password").fill("a much longer password");
    await button("Change password").click();
    await wrong(main().getByLabel("Current password"), /not your current password/, { focused: true });
    await look("account");
    await main().getByLabel("Current password").fill(product.password);
    await button("Change password").click();
    await page.getByRole("status").filter({ hasText: "The password is changed" }).waitFor();
    product.password = "a much longer password";
    product.token = await product.signIn(); // the change ended every other session
    await main().getByLabel("Name", { exact: true }).fill("Marta");
    await button("Save").click();
    await button(/^Account of Marta/).waitFor();
  });

  test("the events list shows it", async () => {
    await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Events" }).click();
    await main().getByText("Counts to five").first().waitFor();
    await look("events");
  });

  test("a run's page shows its status, its exit and its whole log", async () => {
    const { id } = await product.createEvent({ name: "Prints and fails", type: "BASH", source: "echo before; echo oops >&2; exit 3" });
    const job = await product.run({ eventId: id, waitSeconds: 60 });
    await go(`/en/runs/${encodeURIComponent(job.id)}`);
    await main().getByText("Failed").first().waitFor();
    await main().getByText("before").first().waitFor();
    await main().getByText("oops").first().waitFor();
    await main().getByText(/exit(ed)?( with)?( code)? 3|code 3/i).first().waitFor();
    await look("run");
  });

  test("a running run is cancelled from its page", async () => {
    const { id } = await product.createEvent({ name: "Waits", type: "BASH", source: "echo waiting; sleep 600" });
    const job = await product.run({ eventId: id });
    await go(`/en/runs/${encodeURIComponent(job.id)}`);
    await main().getByText("waiting", { exact: true }).first().waitFor();
    await main().getByRole("button", { name: /^Cancel run/ }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Cancel run" }).click();
    await main().getByText("Cancelled").first().waitFor();
  });

  test("the runs list lives: a run made elsewhere appears", async () => {
    await go("/en/runs");
    await main().getByText("Prints and fails").first().waitFor();
    const { id } = await product.createEvent({ name: "Made elsewhere", type: "BASH", source: "true" });
    await product.run({ eventId: id });
    await main().getByText("Made elsewhere").first().waitFor();
    await look("runs");
  });

  test("filters live in the address, and a change of language keeps them", async () => {
    await go("/en/runs?status=FAILED&q=prints");
    await main().getByText("Prints and fails").first().waitFor();
    assert.equal(await main().getByText("Made elsewhere").count(), 0);
    await main().getByRole("button", { name: "Trigger" }).click();
    await main().getByRole("checkbox", { name: "API" }).check();
    await page.waitForURL(/trigger=API/);
    await page.keyboard.press("Escape");
    await button(/^Language/).click();
    await page.getByRole("menuitem", { name: "Español" }).click();
    await page.waitForURL(/\/es\/runs\?.*status=FAILED.*q=prints.*trigger=API/);
    await main().getByText("Prints and fails").first().waitFor();
    assert.equal(await page.getByRole("searchbox").inputValue(), "prints");
    await page.goBack();
    await page.waitForURL(/\/en\/runs/);
  });

  test("everything is reached by the keyboard", async () => {
    await go("/en/runs");
    const searched = () => page.getByRole("searchbox").evaluate((field) => field === document.activeElement);
    await until("the search has the focus", async () => {
      if (await searched()) return true;
      await page.keyboard.press("/");
      return searched();
    }, 10);
    await page.keyboard.press("Control+k");
    const palette = page.getByRole("dialog", { name: "Commands" });
    await palette.getByRole("combobox").fill("counts to");
    await palette.getByRole("option", { name: "Counts to five", exact: false }).first().waitFor();
    await look("palette");
    await page.keyboard.press("Escape");
    await palette.waitFor({ state: "hidden" });
    await page.keyboard.press("Control+k");
    await page.keyboard.type("counts to");
    await palette.getByRole("option", { name: "Counts to five", exact: false }).first().waitFor();
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/en\/events\/(?!new)[^/?]+/);
    await main().getByRole("heading", { name: "Counts to five" }).waitFor();
    await main().getByRole("link", { name: "Editor" }).focus();
    await page.keyboard.press("r");
    await page.getByRole("region", { name: "Test run" }).getByText("count 1").first().waitFor();
    await page.keyboard.press("?");
    const sheet = page.getByRole("dialog", { name: "Keyboard shortcuts" });
    await sheet.waitFor();
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    await page.keyboard.press("g");
    await page.keyboard.press("r");
    await page.waitForURL(/\/en\/runs/);
    // Every stop of the Tab key can be seen.
    const unseen = [];
    await page.locator("body").evaluate(() => document.activeElement?.blur());
    for (let stop = 0; stop < 30; stop += 1) {
      await page.keyboard.press("Tab");
      const [seen, what] = await page.evaluate(() => {
        const one = document.activeElement;
        const style = getComputedStyle(one);
        return [one === document.body || style.outlineStyle !== "none" || style.boxShadow !== "none", one.outerHTML.slice(0, 80)];
      });
      if (!seen) unseen.push(what);
    }
    assert.deepEqual(unseen, []);
  });

  test("a log of 120,000 lines scrolls smoothly, is searched, filtered, linked and fetched", async () => {
    const LINES = 120_000;
    const { id } = await product.createEvent({ name: "Writes much", type: "BASH",
      source: `seq 1 ${LINES - 1} | sed 's/^/row /'; printf '\\033[31mthe red end\\033[0m %s\\n' "$(seq -s' ' 1 200)" >&2` });
    const job = await product.run({ eventId: id, waitSeconds: 60 });
    await go(`/en/runs/${encodeURIComponent(job.id)}#L120`);
    const here = log().locator("li.here");
    await here.getByText("row 120", { exact: true }).waitFor();
    await main().getByText("Complete · nothing dropped").waitFor({ timeout: 60_000 });
    assert.ok(await here.isVisible(), "the linked line left the view while the log came");
    const frames = await sweep(120);
    const at = (share) => Math.round(frames[Math.floor(frames.length * share)]);
    console.log(`    frames while scrolling ${LINES} lines: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, longest ${Math.round(frames.at(-1))} ms`);
    assert.ok(at(0.5) < 50 && frames.at(-1) < 400, "scrolling is not smooth");
    assert.ok(await log().locator("[data-row]").count() < 150, "more rows are drawn than are near the view");

    await page.keyboard.press("/");
    await page.keyboard.type("row 77777");
    await main().getByText("1 of 1", { exact: true }).waitFor();
    await log().locator("mark").getByText("row 77777").waitFor();
    await page.keyboard.press("Escape");
    await main().getByRole("button", { name: /^Errors/ }).click();
    await log().getByText("the red end").waitFor();
    assert.equal(await log().locator("[data-row]").count(), 1);
    const red = log().locator(".a-r").getByText("the red end");
    assert.notEqual(await red.evaluate((one) => getComputedStyle(one).color), await log().evaluate((one) => getComputedStyle(one).color));
    const height = () => log().locator("[data-row]").evaluate((row) => row.getBoundingClientRect().height);
    assert.ok(await height() > 30, "a long line is not wrapped");
    await button("Wrap lines").click();
    await page.waitForFunction(() => document.querySelector("#log [data-row]").getBoundingClientRect().height < 30);
    await button("Wrap lines").click();
    await button("Timestamps").click();
    await page.waitForFunction(() => !document.querySelector("#log time"));
    await button("Timestamps").click();
    await main().getByRole("button", { name: "All", exact: true }).click();

    // A reload keeps the place; a link to a line leads there again.
    await log().evaluate((list) => { list.scrollTop = list.scrollHeight / 2; });
    await page.waitForFunction(() => Number(document.querySelector("#log [data-row] a")?.textContent) > 50_000);
    const before = await firstLine();
    await page.reload();
    await page.waitForFunction((line) => [...document.querySelectorAll("#log [data-row] a")].some((a) => a.textContent === String(line)), before, { timeout: 60_000 });
    await main().getByText("Complete · nothing dropped").waitFor({ timeout: 60_000 });
    assert.ok(Math.abs(await firstLine() - before) <= 2, `the place was ${before} and became ${await firstLine()}`);
    for (const [name, ending] of [["Download as text", "txt"], ["Download as NDJSON", "ndjson"]]) {
      const address = await main().getByRole("link", { name }).getAttribute("href");
      assert.match(address, new RegExp(`\\.${ending}$`));
      const answer = await page.request.get(`${product.url}${address}`);
      assert.equal((await answer.text()).trimEnd().split("\n").length, LINES);
    }
  });

  test("a log loses and doubles nothing when the connection drops", async () => {
    const LINES = 80;
    const { id } = await product.createEvent({ name: "Goes on", type: "BASH", source: `for i in $(seq 1 ${LINES}); do echo "step $i"; sleep 0.1; done` });
    let socket;
    await page.routeWebSocket("**/graphql/ws", (one) => {
      socket = one;
      one.connectToServer();
    });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const job = await product.run({ eventId: id });
    await go(`/en/runs/${encodeURIComponent(job.id)}`);
    await log().getByText("step 5", { exact: true }).waitFor();
    await button("Pause following").click();
    await button("Jump to live").click();
    await context.setOffline(true);
    await socket.close({ code: 1006 }).catch(() => socket.close());
    await page.getByRole("status").filter({ hasText: "The server is not reachable" }).waitFor();
    await context.setOffline(false);
    await page.getByText("The server is not reachable").waitFor({ state: "hidden" });
    await main().getByText("Complete · nothing dropped").waitFor({ timeout: 40_000 });
    await button("Copy the lines shown").click();
    await page.getByText("Copied", { exact: true }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(copied, Array.from({ length: LINES }, (_, at) => `step ${at + 1}\n`).join(""));
    await page.unrouteAll();
  });

  test("an API that does not answer is told honestly, and a new try works", async () => {
    await page.route("**/graphql", (route) => route.abort());
    await page.goto(`${product.url}/en/events`);
    await page.getByText("The server did not answer.").waitFor();
    const tried = page.waitForRequest("**/graphql");
    await button("Try again").click();
    await tried;
    await page.getByText("The server did not answer.").waitFor();
    await page.unroute("**/graphql");
    // It is found by itself, or by the button, whichever comes first.
    await main().getByText("Counts to five").first().waitFor();
  });

  test("the theme is there before the first paint, and the wait has its bar", async () => {
    await go("/en/account");
    await main().getByRole("button", { name: "Dark", exact: true }).click();
    let release;
    const held = new Promise((done) => (release = done));
    await page.route("**/*.wasm", async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${product.url}/en/account`, { waitUntil: "commit" });
    await page.getByRole("progressbar", { name: "Cronium" }).waitFor();
    assert.equal(await page.locator("html").getAttribute("data-theme"), "dark");
    release();
    await main().getByRole("button", { name: "System", exact: true }).click();
    await page.unroute("**/*.wasm");
    assert.equal(await page.locator("html").getAttribute("data-theme"), null);
  });

  test("on a phone the test run has a tab of its own", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await go("/en/events/new");
    await main().getByRole("link", { name: "Test run" }).click();
    const pane = page.getByRole("region", { name: "Test run" });
    await pane.getByRole("button", { name: /^Run/ }).click();
    await pane.getByText(/hello from/).first().waitFor();
    assert.equal(await page.getByRole("region", { name: "Script" }).count(), 0);
    // A log behind another tab does not keep the page busy.
    await main().getByRole("link", { name: "Editor" }).click();
    await page.getByRole("textbox", { name: /^Source of/ }).waitFor();
    await main().getByRole("link", { name: "Test run" }).click();
    await pane.getByText(/hello from/).first().waitFor();
    await look("phone-test");
  });

  test("overview, monitoring and first steps show themselves", async () => {
    for (const [name, path] of [["overview", "/en/"], ["monitoring", "/en/monitoring"], ["first-run", "/en/first-run"]]) {
      await go(path);
      await look(name);
    }
  });

  test("the language changes in place", async () => {
    await go("/en/events");
    await button(/^Language/).click();
    await page.getByRole("menuitem", { name: "Español" }).click();
    await page.waitForURL(/\/es\/events/);
    assert.equal(await page.locator("html").getAttribute("lang"), "es");
    await page.getByRole("link", { name: "Eventos" }).first().waitFor();
  });

  test("an address that leads nowhere says so", async () => {
    await page.goto(`${product.url}/en/no/such/page`);
    await page.getByRole("heading", { name: "There is no such page" }).waitFor();
    await look("not-found");
  });

  test("signing out ends the session", async () => {
    await go("/en/");
    await button(/^Account of/).click();
    await page.getByRole("menuitem", { name: "Sign out" }).click();
    await page.getByLabel("Email", { exact: true }).waitFor();
    await page.goto(`${product.url}/en/events`);
    await page.getByLabel("Email", { exact: true }).waitFor();
  });

  test("nothing broke on the way", () => {
    // Answers of 401 and the network that was taken away are logged by the browser itself; what matters is
    // code and policy.
    assert.deepEqual(broken.filter((text) => !/Failed to load resource|ERR_INTERNET_DISCONNECTED/.test(text)), []);
  });
});
