// Somebody who uses the dashboard in their language, and by the keyboard alone.
import assert from "node:assert/strict";
import { inspect } from "./inspect.mjs";
import { Keyboard } from "./keyboard.mjs";
import { foreign } from "./texts.mjs";

/** `stage` has the product, a browser, what broke in pages, and the persons that are there. */
export class Person {
  static async enterBrowser(stage, name, t) {
    const person = new Person();
    const locale = { en: "en-GB", es: "es-ES" }[t.language];
    const context = await stage.browser.newContext({ viewport: { width: 1440, height: 900 }, locale, colorScheme: "light" });
    context.setDefaultTimeout(15_000);
    const page = await context.newPage();
    page.on("pageerror", (error) => stage.broken.push(`page: ${error.message}`));
    page.on("console", (message) => {
      // What another site's pages say is theirs.
      if (/^https?:/.test(message.location().url) && !message.location().url.startsWith(stage.product.url)) return;
      if (message.type() === "error" || /content security policy/i.test(message.text())) stage.broken.push(message.text());
    });
    Object.assign(person, { stage, name: `${name}-${t.language}`, t, page, keys: await Keyboard.before(page) });
    stage.persons.add(person);
    return person;
  }

  async leaveBrowser() {
    this.stage.persons.delete(this);
    await this.page.context().close();
  }

  /** Types an address into the browser. */
  go(path) {
    return this.page.goto(`${this.stage.product.url}${path}`);
  }

  /** The same, of a page in this person's language. */
  visit(path) {
    return this.go(`/${this.t.language}/${path}`);
  }

  field(key, within = this.page) {
    return within.getByLabel(this.t(key), { exact: true });
  }

  button(key, within = this.page) {
    return within.getByRole("button", { name: this.t(key), exact: true });
  }

  /** A button that says what it does to whom. */
  buttonFor(key, whom) {
    return this.page.getByRole("button", { name: `${this.t(key)}: ${whom}`, exact: true });
  }

  link(key, within = this.page) {
    return within.getByRole("link", { name: this.t(key), exact: true });
  }

  get dialog() {
    return this.page.getByRole("dialog");
  }

  section(key) {
    return this.page.locator("section", { has: this.page.getByRole("heading", { name: this.t(key), exact: true }) });
  }

  text(words, within = this.page) {
    return within.getByText(words, { exact: typeof words === "string" }).first();
  }

  async toast(words) {
    try {
      await this.page.locator(".toast", { hasText: words }).first().waitFor();
    } catch (error) {
      const said = await this.page.locator(".toast, [role=alert]").allInnerTexts();
      assert.fail(`${error.message}\nThe page says ${JSON.stringify(said)}, and the focus is at ${await this.keys.at()}`);
    }
  }

  alert(words) {
    return this.page.getByRole("alert").filter({ hasText: words }).waitFor();
  }

  /** Opens a page by the navigation. */
  async open(key) {
    await this.keys.activate(this.link(key, this.page.getByRole("navigation", { name: this.t("nav.main") })));
    await this.page.getByRole("heading", { level: 1, name: this.t(key), exact: true }).waitFor();
  }

  async enter(email, password) {
    await this.visit("sign-in");
    await this.credentials(email, password);
  }

  async credentials(email, password) {
    await this.keys.type(this.field("signin.email"), email);
    await this.keys.type(this.field("signin.password"), password);
    await this.keys.activate(this.button("signin.submit"));
  }

  async code(code) {
    await this.keys.type(this.field("signin.code"), code);
    await this.keys.activate(this.button("signin.submit"));
  }

  get account() {
    return this.page.getByRole("button", { name: this.t.like("account.title") });
  }

  signedIn() {
    return this.account.waitFor();
  }

  async leave() {
    await this.keys.activate(this.account);
    await this.keys.activate(this.page.getByRole("menuitem", { name: this.t("account.sign_out") }));
    await this.field("signin.email").waitFor();
  }

  /** Asks the API as the person who is signed in. */
  ask(query) {
    return this.page.evaluate(async (query) => {
      const response = await fetch("/graphql", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ query }) });
      return (await response.json()).data;
    }, query);
  }

  /** No word of another language is on the page. */
  async reads(what) {
    assert.deepEqual(await foreign(this.page, this.t.language), [], `${what} in ${this.t.language}`);
  }

  /** Everything a page is held to, in this person's language. */
  async inspect(name) {
    await this.reads(name);
    await inspect(this.page, this.t.language === "en" ? name : `${name}-${this.t.language}`);
  }
}
