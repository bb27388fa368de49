// How long a first visit takes until something useful can be clicked, and what it loads: the hello world and
// the dashboard in turn, each visit in a fresh context, so with an empty cache. Prints one JSON object.
//   node first-visit.mjs <hello's URL> <the product's URL> <e-mail> <rounds>   (the password by environment)
import { chromium } from "playwright-core";
import { browserPath } from "../harness.mjs";

const [hello, product, email, rounds] = process.argv.slice(2);
const password = process.env.CRONIUM_BENCH_PASSWORD;

const browser = await chromium.launch({
  executablePath: browserPath(),
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

/** In the page: notes the moment, counted from the navigation, at which `selector` would get a click. */
function watch(selector) {
  const look = () => {
    const element = document.querySelector(selector);
    const box = element?.getBoundingClientRect();
    if (box?.width && box.height && element.checkVisibility()) {
      const hit = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      if (hit && element.contains(hit)) {
        globalThis.interactiveAt = performance.now();
        return;
      }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** One visit: milliseconds until it is interactive, and the bytes of bodies that were loaded. */
async function visit(url, selector, storageState) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: "en-GB", storageState });
  const page = await context.newPage();
  await page.addInitScript(watch, selector);
  await page.goto(url, { waitUntil: "commit" });
  await page.waitForFunction(() => globalThis.interactiveAt, null, { timeout: 30_000 });
  await page.waitForLoadState("networkidle");
  const seen = await page.evaluate(() => ({
    ms: globalThis.interactiveAt,
    bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .reduce((sum, entry) => sum + entry.encodedBodySize, 0),
  }));
  await context.close();
  return seen;
}

/** Cookies of somebody who is signed in. */
async function signedIn() {
  const context = await browser.newContext({ locale: "en-GB" });
  const page = await context.newPage();
  await page.goto(`${product}/en/sign-in`);
  await page.getByLabel("Email", { exact: true }).fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("navigation", { name: "Main" }).getByRole("link", { name: "Runs" }).waitFor();
  const { cookies } = await context.storageState();
  await context.close();
  // Cookies only: what the application kept in storage is not part of a first visit.
  return { cookies, origins: [] };
}

const visits = {
  hello: () => visit(`${hello}/`, "#main button"),
  sign_in: () => visit(`${product}/en/sign-in`, "#main form button[type=submit]"),
  overview: () => visit(`${product}/en`, "main a[href], main button", state),
};
const state = await signedIn();
const took = { hello: [], sign_in: [], overview: [] };
const bytes = {};
// The first round warms the browser and the server, and does not count.
for (let round = 0; round <= Number(rounds); round += 1) {
  for (const [name, once] of Object.entries(visits)) {
    const seen = await once();
    bytes[name] = seen.bytes;
    if (round > 0) took[name].push(seen.ms);
  }
}
console.log(JSON.stringify({ ...took, hello_bytes: bytes.hello, bytes: bytes.sign_in, browser: `Chromium ${browser.version()}, headless` }));
await browser.close();
