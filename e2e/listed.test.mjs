// A server that runs listed documents only: the dashboard works, over HTTP and WebSocket, and nothing else does.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { Product, documents, launchBrowser } from "./harness.mjs";

let dir, product, browser, page;
const refused = [], sent = new Set();

before(async () => {
  dir = await mkdtemp(join(tmpdir(), "cronium-listed-"));
  await writeFile(join(dir, "manifest.json"), JSON.stringify(documents));
  product = await Product.start("listed", { CRONIUM_PERSISTED_DOCUMENTS: dir });
  browser = await launchBrowser();
  page = await browser.newPage({ locale: "en-GB" });
  page.setDefaultTimeout(20_000);
  const heard = (text) => { if (String(text).includes("DOCUMENT_NOT_LISTED")) refused.push(text); };
  const said = (text) => { for (const [, name] of String(text).matchAll(/"query":"\w+ (\w+)/g)) sent.add(name); };
  page.on("request", (request) => said(request.postData()));
  page.on("response", async (response) => {
    if (new URL(response.url()).pathname === "/graphql") heard(await response.text().catch(() => ""));
  });
  page.on("websocket", (socket) => {
    socket.on("framesent", ({ payload }) => said(payload));
    socket.on("framereceived", ({ payload }) => heard(payload));
  });
});

after(async () => {
  await browser?.close();
  await product?.stop();
  if (dir) await rm(dir, { recursive: true });
});

test("the dashboard signs in, makes an event, runs it and shows its log live", { timeout: 120_000 }, async () => {
  const main = page.getByRole("main");
  await page.goto(`${product.url}/en/events/new`);
  await page.getByLabel("Email", { exact: true }).fill(product.email);
  await page.getByLabel("Password", { exact: true }).fill(product.password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await main.getByLabel("Name", { exact: true }).fill("Listed");
  await main.getByLabel("Type", { exact: true }).selectOption("PYTHON");
  await main.getByRole("textbox", { name: /^Source of/ }).fill('print("it", "works")\n');
  const pane = page.getByRole("region", { name: "Test run" });
  await pane.getByRole("button", { name: /^Run/ }).click();
  await pane.getByText("it works").first().waitFor();
  await pane.getByText("Succeeded").first().waitFor();
  await page.getByRole("button", { name: /^Create event/ }).click();
  await page.waitForURL(/\/en\/events\/(?!new)[^/?]+/);
  for (const path of ["overview", "events", "runs", "account"]) {
    await page.goto(`${product.url}/en/${path}`);
    await main.waitFor();
    await page.waitForFunction(() => !document.querySelector('[aria-busy="true"], .skeleton'));
  }
  assert.deepEqual(refused, []);
  assert.ok(sent.size >= 10, `it sent ${[...sent].join(", ")}`);
  assert.ok(sent.has("ExecutionLog"), "over the WebSocket too");
});

test("nothing that is not on a list runs, whoever asks", async () => {
  const { errors } = await product.raw("{ viewer { id } }");
  assert.equal(errors[0].extensions.code, "DOCUMENT_NOT_LISTED");
  const { data } = await product.raw(documents.connected);
  assert.equal(data.orchestrators.length, 1);
});
