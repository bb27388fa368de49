// What every page is held to: it fits its window, axe finds nothing, in both themes, on a desk and on a phone.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { output } from "./harness.mjs";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Waits until skeletons are gone and nothing moves. */
async function settled(page) {
  await page.waitForFunction(() => !document.querySelector('[aria-busy="true"], .skeleton'), null, { timeout: 20_000 });
  // Asked again and again: what is in a closed `details` is frozen, and its animation would never be over.
  await page.waitForFunction(() => !document.getAnimations().some((a) => a.playState === "running" && a.effect?.getComputedTiming().iterations !== Infinity), null, { timeout: 20_000 });
}

/** Takes pictures under `name`, and asserts that nothing is wrong with them. */
export async function inspect(page, name) {
  const found = [];
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1440, 390]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 900 });
      await settled(page);
      await page.screenshot({ path: join(output, `${name}-${width}-${colorScheme}.png`), animations: "disabled" });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (wide > 0) found.push(`${width} ${colorScheme}: the page is ${wide} px too wide`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
      for (const v of violations) {
        found.push(`${width} ${colorScheme}: ${v.id} (${v.impact}) ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(" | ")}`);
      }
    }
  }
  await page.setViewportSize({ width: 1440, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
  assert.deepEqual(found, [], name);
}

/** Asserts that a field is marked as wrong, says why to a screen reader, and has the focus if it should. */
export async function wrong(field, says, { focused = false } = {}) {
  await field.and(field.page().locator('[aria-invalid="true"]')).waitFor();
  const found = await field.evaluate(async (one) => {
    // The focus follows with the next drawing.
    for (let at = 0; at < 60 && document.activeElement !== one; at += 1) await new Promise((drawn) => requestAnimationFrame(drawn));
    const notes = (one.getAttribute("aria-describedby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "");
    return { note: notes.join(" "), focused: document.activeElement === one };
  });
  assert.match(found.note, says);
  if (focused) assert.ok(found.focused, `the focus is not at the field that says ${says}`);
}
