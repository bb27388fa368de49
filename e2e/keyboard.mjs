// A person who has a keyboard and nothing else: goes from stop to stop, sees where they are, and types.
import assert from "node:assert/strict";

const MOST = 200;

/** What the tests ask a page about; it is there before the page's own code. */
function eyes() {
  /** What a person would call an element. */
  const named = (one) => {
    if (!one || one === document.body) return "the page";
    const label = one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent ?? "";
    return `${one.tagName.toLowerCase()}${one.id ? `#${one.id}` : ""} "${label.trim().slice(0, 60)}"`;
  };
  /** Why the focus can't be seen at an element. */
  const unseen = (one) => {
    if (!one || one === document.body) return null;
    // Of a field for date and time one of its parts has the focus, and the browser calls only that one visible.
    const parted = /^(date|time)/.test(one.type ?? "") && one.matches(":focus-within");
    if (!parted && !one.matches(":focus-visible")) return "has the focus but not :focus-visible";
    const style = getComputedStyle(one);
    const drawn = (colour) => !/, 0\)$|\/ 0\)$|^transparent$/.test(colour);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1 && drawn(style.outlineColor);
    return ring || style.boxShadow !== "none" ? null : "shows no ring";
  };
  /** Whether any of it is before everything else, within the window. */
  const open = (one) => {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    return [[x, y], [left + 2, y], [right - 2, y], [x, top + 2], [x, bottom - 2]].some(([atX, atY]) => {
      const found = document.elementFromPoint(atX, atY);
      return found && (one.contains(found) || found.contains(one));
    });
  };
  /** Asks with each drawing, for a second and a half, until the answer is what it should be. */
  const drawn = async (asked) => {
    for (let at = 0; at < 90 && !asked(); at += 1) await new Promise((next) => requestAnimationFrame(next));
    return asked();
  };
  globalThis.eyes = { named, unseen, open, drawn };
}

export class Keyboard {
  constructor(page) {
    this.page = page;
  }

  /** The keyboard before a page that was not opened yet. */
  static async before(page) {
    await page.addInitScript(eyes);
    return new Keyboard(page);
  }

  press(keys) {
    return this.page.keyboard.press(keys);
  }

  /** The name of what has the focus. */
  at() {
    return this.page.evaluate(() => globalThis.eyes.named(document.activeElement));
  }

  /** The next step towards an element, seen from where the focus is. */
  #step(one) {
    return one.evaluate((element) => {
      const active = document.activeElement;
      const { named, unseen } = globalThis.eyes;
      const fault = unseen(active);
      const here = { name: named(active), fault: fault && `${named(active)} ${fault}` };
      if (element === active) return { ...here, there: true };
      if (!element.isConnected) return { ...here, gone: true };
      const group = element.type === "radio" && active?.type === "radio" && active.name === element.name && active.form === element.form;
      // Somebody who sees the page goes towards what they want.
      const before = active && active !== document.body && (active.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_PRECEDING) !== 0;
      return { ...here, key: group ? (before ? "ArrowUp" : "ArrowDown") : before ? "Shift+Tab" : "Tab" };
    });
  }

  /** Goes to an element stop by stop; fails by its name where the keys do not lead to it, or the focus is not to be seen. */
  async reach(target) {
    await target.waitFor();
    const one = await target.elementHandle();
    await one.waitForElementState("enabled");
    const passed = [];
    let turns = 0;
    for (let at = 0; at < MOST; at += 1) {
      const step = await this.#step(one);
      assert.equal(step.gone, undefined, `${target} left the page`);
      if (at > 0) assert.equal(step.fault, null, `on the way to ${target}`);
      if (step.there) {
        await this.#seen(one, target);
        return one;
      }
      if (passed.length > 0 && passed.at(-1).key !== step.key) turns += 1;
      passed.push(step);
      // Past it on the way there and on the way back: between these two it is no stop.
      if (turns > 2) break;
      await this.press(step.key);
    }
    const name = await one.evaluate((element) => globalThis.eyes.named(element));
    assert.fail(`the keyboard does not reach ${name}: passed ${passed.slice(-4).map((step) => step.name).join(", ")}`);
  }

  /** The focus stands where it can be seen: in the window, and not wholly behind something. */
  async #seen(one, target) {
    const fault = await one.evaluate(async (element) => {
      const { drawn, open, unseen } = globalThis.eyes;
      const fault = () => unseen(element) ?? (open(element) ? null : "is out of sight");
      // Scrolling and drawing take a few frames.
      await drawn(() => fault() === null);
      return fault();
    });
    assert.equal(fault, null, `${target}: ${fault}`);
  }

  /** Goes to a button, link or summary and presses it. */
  async activate(target, key = "Enter") {
    await this.reach(target);
    await this.press(key);
  }

  /** Puts text in place of what a field holds. */
  async type(target, text) {
    const one = await this.reach(target);
    await this.press("Control+A");
    await this.press("Delete");
    await this.page.keyboard.type(text);
    assert.equal(await one.inputValue(), text, `${target} holds what was typed`);
  }

  /** Turns a select to one of its choices, by its words. */
  async choose(target, words) {
    const one = await this.reach(target);
    const state = () => one.evaluate((select, words) => ({
      at: select.selectedIndex, to: [...select.options].findIndex((option) => option.text === words), all: [...select.options].map((option) => option.text),
    }), words);
    const { to, all } = await state();
    assert.ok(to >= 0, `${target} has no choice ${words} but ${all.join(", ")}`);
    for (let tries = 0; tries < all.length; tries += 1) {
      const { at } = await state();
      if (at === to) return;
      await this.press(at < to ? "ArrowDown" : "ArrowUp");
    }
    assert.equal((await state()).at, to, `the arrow keys turn ${target} to ${words}`);
  }

  /** Ticks a box or takes the tick away. */
  async tick(target, on = true) {
    const one = await this.reach(target);
    if ((await one.isChecked()) !== on) await this.press("Space");
    assert.equal(await one.isChecked(), on, `${target} by the space key`);
  }

  /** Turns a radio button on. The arrow keys turn on what they lead to, and a menu may close at that. */
  async pick(target) {
    await target.waitFor();
    const one = await target.elementHandle();
    for (let at = 0; at < MOST; at += 1) {
      if (await one.isChecked()) return;
      const step = await this.#step(one);
      if (at > 0) assert.equal(step.fault, null, `on the way to ${target}`);
      await this.press(step.there ? "Space" : step.key);
    }
    assert.fail(`the keyboard does not pick ${target}: it is at ${await this.at()}`);
  }

  /**
   * Opens a dialog by a button. Gives what waits until it is closed, whatever closed it, and asserts that the focus is
   * where it was; or, where that is gone by then, that it is within `instead`.
   */
  async open(button, dialog) {
    const opener = await this.reach(button);
    await this.press("Enter");
    await dialog.waitFor();
    await this.holds(dialog, `the focus is in the dialog that ${button} opened`);
    return async (instead) => {
      await dialog.waitFor({ state: "detached" });
      if (instead) return this.holds(instead, `the focus went on to ${instead}`);
      const back = await opener.evaluate((one) => globalThis.eyes.drawn(() => document.activeElement === one));
      assert.ok(back, `the focus is back at ${button}, not at ${await this.at()}`);
      await this.#seen(opener, button);
    };
  }

  /** Asserts that the focus is, or comes, within a part of the page. */
  async holds(target, says) {
    const inside = await (await target.elementHandle()).evaluate((one) => globalThis.eyes.drawn(() => one.contains(document.activeElement)));
    assert.ok(inside, `${says}; it is at ${await this.at()}`);
  }

  /** What had the focus left the page: the next stop is within this part, not at the page's beginning. */
  async goesOn(part) {
    await this.press("Tab");
    await this.holds(part, `the keyboard goes on within ${part}`);
  }

  /** Jumps over the navigation. */
  async skip(words) {
    await this.activate(this.page.getByRole("link", { name: words, exact: true }));
    await this.holds(this.page.locator("#content"), "the skip link leads to the content");
  }

  /** Closes by Escape. */
  async escape(target) {
    await this.press("Escape");
    await target.waitFor({ state: "detached" });
  }
}
