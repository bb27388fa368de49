// Signing in by a provider in a browser, by the keyboard alone. Only the provider's own pages may be clicked.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { launchBrowser } from "../harness.mjs";
import { wrong } from "../inspect.mjs";
import { Person } from "../person.mjs";
import { LANGUAGES, speaker } from "../texts.mjs";

const LABEL = "Example ID";

/** `of.recovery()` takes a recovery code of Fay's. */
export function inBrowser(of) {
  const { callback, certified, client, product } = of;
  const stage = { product, broken: [], persons: new Set() };
  before(async () => {
    stage.browser = await launchBrowser();
  });
  after(() => stage.browser.close());

  const atProvider = async ({ page }, login) => {
    await page.locator('input[name="login"]').fill(login);
    await page.locator('input[name="password"]').fill("any");
    await page.keyboard.press("Enter");
    await page.locator('button[type="submit"]').press("Enter");
  };

  for (const language of LANGUAGES) {
    describe(`in ${language}`, () => {
      const t = speaker(language);
      const somebody = (name) => Person.enterBrowser(stage, name, t);
      const way = ({ page }) => page.getByRole("link", { name: t("signin.continue_with", { name: LABEL }), exact: true });
      const path = ({ page }) => new URL(page.url()).pathname;

      before(() => product.gql("mutation { removeOidcProvider(input: {}) { removed } }"));

      test("an administrator sets the provider up and tries it", async () => {
        const admin = await somebody("admin");
        const { keys, page } = admin;
        await admin.visit(`sign-in?back=/${language}/settings`);
        await admin.field("signin.email").waitFor();
        assert.equal(await page.getByRole("link", { name: t.like("signin.continue_with") }).count(), 0);
        await admin.credentials(product.email, product.password);
        const issuer = admin.field("oidc.issuer");
        await keys.type(issuer, "http://id.example.com");
        await keys.press("Enter");
        await wrong(issuer, t.like("refused.issuer.invalid"), { focused: true });
        await admin.inspect("oidc-settings-wrong");
        const secret = page.getByLabel(new RegExp(`^${t("oidc.secret")}`));
        await keys.type(issuer, certified.issuer);
        await keys.type(admin.field("oidc.client"), client.id);
        await keys.type(secret, client.secret);
        await keys.type(admin.field("oidc.label"), LABEL);
        await keys.press("Enter");
        await admin.button("oidc.test").waitFor();
        assert.equal(await admin.field("oidc.callback").inputValue(), callback);
        assert.equal(await secret.inputValue(), "");
        await keys.activate(admin.button("oidc.test"));
        await admin.toast(t("oidc.usable"));
        await admin.inspect("oidc-settings");
        await admin.leaveBrowser();
      });

      test("a person goes to the provider and comes back to their page", async () => {
        const ana = await somebody("ana");
        await ana.visit("events");
        await way(ana).waitFor();
        await ana.inspect("oidc-sign-in");
        await ana.keys.activate(way(ana));
        await atProvider(ana, "ana");
        await ana.signedIn();
        assert.equal(path(ana), `/${language}/events`);
        await ana.visit("account");
        await ana.text(certified.issuer).waitFor();
        await ana.text(t("links.only")).waitFor();
        await ana.inspect("oidc-account");
        await ana.keys.activate(ana.buttonFor("links.remove", certified.issuer));
        await ana.toast(language === "en" ? "only way to sign in" : t("refused.any.conflict"));
        await ana.reads("a link that stays");
        await ana.buttonFor("links.remove", certified.issuer).waitFor();
        await ana.leaveBrowser();
      });

      test("whoever is refused reads why", async () => {
        const hal = await somebody("hal");
        await hal.visit("sign-in");
        await hal.keys.activate(way(hal));
        await atProvider(hal, "hal");
        await hal.alert(t("oidc.needs_invitation"));
        assert.match(hal.page.url(), new RegExp(`/${language}/sign-in\\?error=NEEDS_INVITATION$`));
        await hal.inspect("oidc-refused");
        await hal.leaveBrowser();
      });

      test("whoever owes a code may go back instead", async () => {
        const fay = await somebody("fay");
        await fay.visit("sign-in");
        await fay.keys.activate(way(fay));
        await atProvider(fay, "fay");
        await fay.page.getByRole("heading", { name: t("signin.code_title") }).waitFor();
        await fay.keys.activate(fay.page.getByRole("link", { name: t("enter.back") }));
        await fay.field("signin.password").waitFor();
        await fay.leaveBrowser();
      });

      test("a second factor is asked for after the provider, and its code signs in", async () => {
        const fay = await somebody("fay");
        await fay.visit(`sign-in?back=/${language}/events`);
        await fay.keys.activate(way(fay));
        await atProvider(fay, "fay");
        await fay.page.getByRole("heading", { name: t("signin.code_title") }).waitFor();
        await fay.inspect("oidc-code");
        const code = fay.field("signin.code");
        await fay.keys.type(code, "000000");
        await fay.keys.press("Enter");
        await wrong(code, t.like("refused.code.invalid"), { focused: true });
        await fay.code(of.recovery());
        await fay.signedIn();
        assert.equal(path(fay), `/${language}/events`);
        assert.ok(!fay.page.url().includes("proof"), "the proof stays in no address");
        await fay.leaveBrowser();
      });
    });
  }

  test("nothing broke on the way", () => assert.deepEqual(stage.broken, []));
}
