// Variables and secrets in a real browser, in every language and by the keyboard alone: made, found, changed, taken from
// a file and into one, and removed with what uses them in view.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "./harness.mjs";
import { wrong } from "./inspect.mjs";
import { Stage } from "./people/stage.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

const stage = await Stage.open();
after(() => stage.close());

const { product } = stage;
/** Makes an account that may look and no more. */
async function invite(email, password) {
  const { data: { roles } } = await product.gql("{ roles { id name } }");
  const roleId = roles.find(({ name }) => name === "VIEWER").id;
  const { data } = await product.gql("mutation ($i: InviteUserInput!) { inviteUser(input: $i) { invitation { url } } }", { i: { email, name: "Ana", roleId } });
  const token = new URL(data.inviteUser.invitation.url).searchParams.get("token");
  const used = await product.gql("mutation ($i: SignUpInput!) { signUp(input: $i) { userErrors { message } } }", { i: { token, name: "Ana", password } });
  assert.deepEqual(used.data.signUp.userErrors, []);
}

const list = async () => (await product.gql("{ variables(first: 100) { nodes { id key scope value secret } } }")).data.variables.nodes;

for (const language of LANGUAGES) {
  describe(`variables, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    const password = "correct horse battery staple";
    let admin, guest;

    const row = (key) => admin.page.getByRole("row").filter({ has: admin.page.getByRole("button", { name: key, exact: true }) });

    before(async () => {
      for (const { id } of await list()) await product.gql("mutation ($id: ID!) { deleteVariable(input: { id: $id }) { userErrors { code } } }", { id });
      admin = await stage.person("variables-admin", t);
      await admin.enter(product.email, product.password);
      await admin.signedIn();
    });

    test("nothing is there, and the page says what to do", async () => {
      await admin.open("nav.variables");
      await admin.text(t("vars.none")).waitFor();
      await admin.inspect("variables-none");
    });

    test("a variable is made, and a wrong key is explained at its field", async () => {
      const { dialog, keys } = admin;
      const made = await keys.open(admin.button("vars.new").first(), dialog);
      await keys.type(admin.field("vars.key", dialog), "api-url");
      await keys.type(admin.field("vars.value", dialog), "https://api.example.org/v2");
      await keys.activate(admin.button("event.save", dialog));
      await wrong(admin.field("vars.key", dialog), t.like("refused.key.invalid"), { focused: true });
      await keys.type(admin.field("vars.key", dialog), "API_URL");
      await keys.type(dialog.getByRole("textbox", { name: new RegExp(`^${t("roles.description")}`) }), language === "en" ? "Where the shop answers" : "Donde responde la tienda");
      await admin.inspect("variable-new");
      await keys.activate(admin.button("event.save", dialog));
      await admin.toast(t("vars.saved"));
      await made();
      await row("API_URL").getByText("https://api.example.org/v2").waitFor();
    });

    test("a secret is never shown again, and keeps its value while the rest is changed", async () => {
      const { dialog, keys } = admin;
      const made = await keys.open(admin.button("vars.new").first(), dialog);
      await keys.type(admin.field("vars.key", dialog), "DB_PASSWORD");
      await keys.choose(admin.field("vars.scope", dialog), t("vars.scope.shared"));
      await keys.type(admin.field("vars.value", dialog), password);
      await keys.tick(admin.field("vars.is_secret", dialog));
      await keys.activate(admin.button("event.save", dialog));
      await admin.toast(t("vars.saved"));
      await made();
      await row("DB_PASSWORD").getByText(t("vars.secret"), { exact: true }).waitFor();
      assert.ok(!(await admin.page.content()).includes(password), "the secret is on the page");
      const changed = await keys.open(admin.page.getByRole("button", { name: "DB_PASSWORD", exact: true }), dialog);
      assert.equal(await admin.field("vars.value", dialog).inputValue(), "");
      await keys.tick(admin.field("vars.is_secret", dialog), false);
      await keys.activate(admin.button("event.save", dialog));
      await wrong(admin.field("vars.value", dialog), /./, { focused: true });
      await keys.tick(admin.field("vars.is_secret", dialog));
      await keys.type(dialog.getByRole("textbox", { name: new RegExp(`^${t("roles.description")}`) }), "Postgres");
      await keys.activate(admin.button("event.save", dialog));
      await changed();
      const [kept] = (await list()).filter(({ key }) => key === "DB_PASSWORD");
      assert.deepEqual([kept.secret, kept.value], [true, null]);
      const file = await exported("SHARED");
      assert.ok(file.includes(password), "the secret is the same after the change");
    });

    /** What the API exports, secrets and all. */
    const exported = async (scope) => (await product.gql(
      "mutation ($scope: VariableScope!) { exportVariables(input: { format: DOTENV, scope: $scope, includeSecrets: true }) { content } }", { scope },
    )).data.exportVariables.content;

    test("what uses a variable is in view, and leads to the event", async () => {
      const { dialog, keys, page } = admin;
      await product.createEvent({ name: `Nightly-${language}`, type: "BASH", source: "curl \"$API_URL\"" });
      const closed = await keys.open(page.getByRole("button", { name: "API_URL", exact: true }), dialog);
      await dialog.getByRole("link", { name: `Nightly-${language}` }).waitFor();
      await admin.inspect("variable");
      await keys.escape(dialog);
      await closed();
    });

    test("a file is tried first, and each bad line is named", async () => {
      const { dialog, keys, page } = admin;
      const closed = await keys.open(admin.button("vars.import"), dialog);
      const file = admin.field("vars.content", dialog);
      await keys.type(file, "GOOD=1\nbad-key=2\nno sign");
      await keys.activate(admin.button("vars.preview", dialog));
      await dialog.getByRole("alert").getByText(language === "en" ? /^Line 3: / : /^Línea 3: /).waitFor();
      await file.and(page.locator('[aria-invalid="true"]')).waitFor();
      await admin.inspect("variables-import-wrong");
      await keys.type(file, "API_URL=https://api.example.org/v3\nTIMEOUT=30\nMOTTO='two words' # said");
      await keys.activate(admin.button("vars.preview", dialog));
      await dialog.getByText(t("vars.skipped"), { exact: true }).first().waitFor();
      await keys.tick(admin.field("vars.overwrite", dialog));
      assert.equal(await admin.button("vars.import", dialog).count(), 0, "what was not tried is not taken");
      await keys.activate(admin.button("vars.preview", dialog));
      await dialog.getByText(t("vars.updated"), { exact: true }).first().waitFor();
      await admin.inspect("variables-import");
      await keys.activate(admin.button("vars.import", dialog));
      await admin.toast(t("vars.imported"));
      await closed();
      await row("MOTTO").getByText("two words").waitFor();
      await row("API_URL").getByText("https://api.example.org/v3").waitFor();
      assert.ok(!(await list()).some(({ key }) => key === "GOOD"), "nothing of the bad file was taken");
    });

    test("a chosen file is read, whatever it is written in", async () => {
      const { dialog, keys, page } = admin;
      const closed = await keys.open(admin.button("vars.import"), dialog);
      const chooser = page.waitForEvent("filechooser");
      await keys.activate(admin.button("vars.file", dialog));
      await (await chooser).setFiles({ name: "vars.json", mimeType: "application/json", buffer: Buffer.from('{ "FROM_FILE": "yes" }') });
      await until("the file is in the field", async () => (await admin.field("vars.content", dialog).inputValue()).includes("FROM_FILE"));
      assert.equal(await admin.field("vars.format", dialog).inputValue(), "JSON");
      await keys.activate(admin.button("vars.preview", dialog));
      await keys.activate(admin.button("vars.import", dialog));
      await admin.toast(t("vars.imported"));
      await closed();
      await row("FROM_FILE").waitFor();
    });

    test("variables are taken along, secrets only when that is asked for", async () => {
      const { dialog, keys, page } = admin;
      for (const [secrets, expected] of [[false, false], [true, true]]) {
        const closed = await keys.open(admin.button("vars.export"), dialog);
        await keys.choose(admin.field("vars.scope", dialog), t("vars.scope.shared"));
        if (secrets) await keys.tick(admin.field("vars.with_secrets", dialog));
        if (secrets) await admin.inspect("variables-export");
        const arrival = page.waitForEvent("download");
        await keys.activate(admin.button("vars.download", dialog));
        const stream = await (await arrival).createReadStream();
        let text = "";
        for await (const part of stream) text += part;
        await admin.toast(t("vars.exported"));
        await closed();
        assert.ok(text.includes("DB_PASSWORD"));
        assert.equal(text.includes(password), expected);
      }
    });

    test("the list is narrowed by the address", async () => {
      const { keys, page } = admin;
      await admin.inspect("variables");
      await keys.activate(page.getByRole("button", { name: t("vars.scope") }).first());
      await keys.pick(page.getByRole("radio", { name: t("vars.scope.shared") }));
      await page.waitForURL(/scope=SHARED/);
      await row("API_URL").waitFor({ state: "detached" });
      await row("DB_PASSWORD").waitFor();
      await keys.activate(admin.buttonFor("filter.clear", t("vars.scope")));
      await keys.type(page.getByRole("searchbox", { name: t("vars.search") }), "time");
      await page.waitForURL(/q=time/);
      await row("API_URL").waitFor({ state: "detached" });
      await row("TIMEOUT").waitFor();
      await admin.visit("variables?q=nothing-like-it");
      await admin.text(t("vars.none_match")).waitFor();
      await admin.visit("variables");
    });

    test("a variable is removed with what uses it in view", async () => {
      const { dialog, keys } = admin;
      const closed = await keys.open(admin.buttonFor("vars.delete", "API_URL"), dialog);
      await dialog.getByRole("link", { name: `Nightly-${language}` }).waitFor();
      await admin.inspect("variable-delete");
      await keys.activate(admin.button("vars.delete", dialog));
      await admin.toast(t("vars.deleted"));
      await closed(admin.page.getByRole("region", { name: t("nav.variables") }));
      await row("API_URL").waitFor({ state: "detached" });
      assert.ok(!(await list()).some(({ key }) => key === "API_URL"));
    });

    test("who may only look sees values, no secrets, and nothing to change", async () => {
      const email = `looker-${language}@example.org`;
      await invite(email, "a long first password");
      guest = await stage.person("variables-guest", t);
      await guest.enter(email, "a long first password");
      await guest.signedIn();
      await guest.open("nav.variables");
      const { dialog, keys, page } = guest;
      await page.getByRole("button", { name: "DB_PASSWORD", exact: true }).waitFor();
      assert.equal(await page.getByRole("button", { name: "TIMEOUT", exact: true }).count(), 0, "what is somebody's own is not there");
      for (const key of ["vars.new", "vars.import"]) assert.equal(await guest.button(key).count(), 0);
      const closed = await keys.open(page.getByRole("button", { name: "DB_PASSWORD", exact: true }), dialog);
      await guest.text(t("vars.never_shown"), dialog).waitFor();
      assert.equal(await dialog.getByRole("textbox").count(), 0);
      await guest.inspect("variable-read");
      await keys.escape(dialog);
      await closed();
    });
  });
}

test("nothing broke on the way", () => {
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket/.test(line)), []);
});
