// The dashboard in a real browser, found by role and label as a person or a screen reader finds it.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { Product, launchBrowser, output } from "./harness.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
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
const button = (name) => page.getByRole("button", { name });

async function go(path) {
  await page.goto(`${product.url}${path}`);
  await main().waitFor();
}

/** Waits until skeletons are gone and nothing moves. */
async function settled() {
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"], .skeleton'), null, { timeout: PATIENCE });
  await page.evaluate(() => Promise.all(document.getAnimations().filter((a) => a.effect?.getComputedTiming().iterations !== Infinity).map((a) => a.finished.catch(() => {}))));
}

async function look(name) {
  const found = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await settled();
      await page.screenshot({ path: join(output, `${name}-${width}-${colorScheme}.png`), animations: "disabled" });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) found.push(`${width} ${colorScheme}: the page is ${wide} px too wide`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      for (const v of violations.filter((one) => ["serious", "critical"].includes(one.impact))) {
        found.push(`${width} ${colorScheme}: ${v.id} (${v.impact}) ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(" | ")}`);
      }
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  assert.deepEqual(found, []);
}

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
    await page.getByRole("alert").first().waitFor();
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
    await main().getByLabel("Language", { exact: true }).selectOption("PYTHON");
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
    // Answers of 401 and the like are logged by the browser itself; what matters is code and policy.
    assert.deepEqual(broken.filter((text) => !/Failed to load resource/.test(text)), []);
  });
});
