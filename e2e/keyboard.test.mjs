// What the browser tests look with: each of their checks is seen to fail where it should.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchBrowser } from "./harness.mjs";
import { Keyboard } from "./keyboard.mjs";
import { foreign, speaker } from "./texts.mjs";

const PAGE = `<!doctype html><html lang="es"><style>:focus-visible { outline: 2px solid blue }</style><body>
  <a href="#content">skip</a> <button id="before">Before</button> <button id="out" tabindex="-1">Out of reach</button> <button id="after">After</button>
  <main id="content" tabindex="-1"><label>Name <input id="name"></label>
  <label>Kind <select id="kind"><option>One</option><option>Two</option><option>Three</option></select></label>
  <label><input type="checkbox" id="box"> Box</label>
  <label><input type="radio" name="r" id="r1"> R1</label><label><input type="radio" name="r" id="r2"> R2</label>
  <button id="plain" style="outline: none">No ring</button>
  <div style="position: relative"><button id="covered">Covered</button><div style="position: absolute; inset: -9px; background: white"></div></div>
  <button id="opens" onclick="show(() => { this.focus() })">Opens</button>
  <button id="forgets" onclick="show(() => {})">Forgets</button></main>
  <script>
    function show(then) {
      const dialog = document.createElement("dialog");
      dialog.innerHTML = "<button>Close</button>";
      const end = (event) => { event.preventDefault(); dialog.remove(); then(); };
      dialog.addEventListener("cancel", end);
      dialog.firstChild.addEventListener("click", end);
      document.body.append(dialog);
      dialog.showModal();
    }
  </script></body></html>`;

describe("a keyboard in the tests", () => {
  let browser, page, keys;
  const at = (id) => page.locator(`#${id}`);
  before(async () => {
    browser = await launchBrowser();
    page = await browser.newPage();
    page.setDefaultTimeout(5_000);
    keys = await Keyboard.before(page);
    await page.goto(`data:text/html,${encodeURIComponent(PAGE)}`);
  });
  after(() => browser.close());

  test("reaches what is a stop, forwards and backwards, and nothing else", async () => {
    await keys.reach(at("after"));
    await keys.reach(at("before"));
    await assert.rejects(keys.reach(at("out")), /does not reach button#out "Out of reach": passed .*Before.*After/);
  });

  test("types, chooses, ticks and picks", async () => {
    await keys.type(at("name"), "Ana");
    await keys.choose(at("kind"), "Three");
    await assert.rejects(keys.choose(at("kind"), "Four"), /no choice Four but One, Two, Three/);
    await keys.tick(at("box"));
    await keys.tick(at("box"), false);
    await keys.pick(at("r2"));
    assert.equal(await at("r2").isChecked(), true);
  });

  test("wants the focus to be seen", async () => {
    await assert.rejects(keys.reach(at("plain")), /shows no ring/);
    await assert.rejects(keys.reach(at("covered")), /is out of sight/);
  });

  test("wants the focus back after a dialog", async () => {
    for (const id of ["opens", "forgets"]) {
      // What lies on the way has no ring, which is another test's matter.
      await at("plain").evaluate((one) => one.style.removeProperty("outline"));
      const closed = await keys.open(at(id), page.getByRole("dialog"));
      await keys.escape(page.getByRole("dialog"));
      if (id === "opens") await closed();
      else await assert.rejects(closed(), /the focus is back at .*forgets.*, not at the page/);
    }
  });

  test("wants the keyboard to go on where something vanished", async () => {
    await keys.reach(at("after"));
    await at("after").evaluate((one) => one.remove());
    await keys.goesOn(at("content"));
    await keys.reach(at("before"));
    await assert.rejects(keys.goesOn(at("before")), /goes on within .*before/);
  });

  test("reads what is not in the page's language", async () => {
    const said = (words) => page.evaluate((html) => { document.body.innerHTML = html; }, words);
    await said(`<button>${speaker("es")("roles.new")}</button><code>the code is of nobody</code><p>Ana</p>`);
    assert.deepEqual(await foreign(page, "es"), []);
    await said(`<button title="This is not valid">${speaker("en")("roles.new")}</button>`);
    assert.deepEqual(await foreign(page, "es"), ["This is not valid", "New role"]);
    assert.throws(() => speaker("es")("roles.nothing"), /no text for roles.nothing in es/);
  });
});
