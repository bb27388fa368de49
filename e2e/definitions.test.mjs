// Events as copies and as files, in every language and by the keyboard alone: forked, exported, tried and imported.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "./harness.mjs";
import { Stage } from "./people/stage.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

const stage = await Stage.open();
after(() => stage.close());

const { product } = stage;
const names = async () => (await product.gql("{ events(first: 100, orderBy: { field: NAME, direction: ASC }) { nodes { id name } } }")).data.events.nodes;

for (const language of LANGUAGES) {
  describe(`definitions, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    let admin, file;

    const row = (name) => admin.page.getByRole("row").filter({ has: admin.page.getByRole("link", { name, exact: true }) });
    /** The text of the file that this makes. */
    const saved = async (act) => {
      const arrival = admin.page.waitForEvent("download");
      await act();
      const download = await arrival;
      let text = "";
      for await (const part of await download.createReadStream()) text += part;
      return [download.suggestedFilename(), text];
    };

    before(async () => {
      for (const { id } of await names()) await product.gql("mutation ($id: ID!) { deleteEvent(input: { id: $id }) { userErrors { code } } }", { id });
      await product.createEvent({ name: "Backup", type: "BASH", source: "set -e\necho backup\n", retry: { attempts: 3 } });
      await product.createEvent({ name: "Report", type: "PYTHON", source: "print(42)", tags: ["reports"] });
      admin = await stage.person("definitions", t);
      await admin.enter(product.email, product.password);
      await admin.signedIn();
    });

    test("an event is forked from its page, and the copy opens", async () => {
      const { keys, page } = admin;
      await admin.open("nav.events");
      await keys.activate(page.getByRole("link", { name: "Backup", exact: true }));
      await page.getByRole("heading", { level: 1, name: "Backup", exact: true }).waitFor();
      await keys.activate(admin.button("event.more"));
      await admin.inspect("definitions-menu");
      await keys.activate(page.getByRole("menuitem", { name: t("defs.fork"), exact: true }));
      await page.getByRole("heading", { level: 1, name: "Backup (copy)", exact: true }).waitFor();
      await admin.toast("Backup (copy)");
      assert.deepEqual((await names()).map(({ name }) => name), ["Backup", "Backup (copy)", "Report"]);
    });

    test("one event is taken along from its page", async () => {
      const { dialog, keys, page } = admin;
      await keys.activate(admin.button("event.more"));
      await keys.activate(page.getByRole("menuitem", { name: t("defs.export"), exact: true }));
      await dialog.waitFor();
      await keys.choose(admin.field("vars.format", dialog), "JSON");
      const [name, text] = await saved(() => keys.activate(admin.button("vars.download", dialog)));
      assert.equal(name, "backup-copy.json");
      assert.deepEqual(JSON.parse(text).events.map((event) => [event.name, event.status]), [["Backup (copy)", "DRAFT"]]);
      await dialog.waitFor({ state: "detached" });
    });

    test("chosen events, or all in the list, become one file", async () => {
      const { dialog, keys, page } = admin;
      await admin.open("nav.events");
      await row("Report").waitFor();
      const all = await keys.open(admin.button("defs.export"), dialog);
      const [name, text] = await saved(() => keys.activate(admin.button("vars.download", dialog)));
      await all();
      assert.deepEqual([name, text.match(/^ {2}- name: .*$/gm).length], ["cronium-events.yaml", 3]);
      await keys.tick(page.getByRole("checkbox", { name: t("defs.choose", { name: "Backup" }), exact: true }));
      await keys.tick(page.getByRole("checkbox", { name: t("defs.choose", { name: "Report" }), exact: true }));
      const opener = page.getByRole("button", { name: t("defs.export_n", { n: 2 }), exact: true });
      const two = await keys.open(opener, dialog);
      await admin.inspect("definitions-export");
      [, file] = await saved(() => keys.activate(admin.button("vars.download", dialog)));
      await two();
      assert.match(file, /^cronium: 1\nevents:\n {2}- name: Backup\n[^]*\n {2}- name: Report\n[^]*print\(42\)"\n$/);
      await admin.inspect("definitions-list");
    });

    test("each problem of a file is named at its path, and nothing is taken", async () => {
      const { dialog, keys, page } = admin;
      const closed = await keys.open(admin.button("defs.import"), dialog);
      const field = admin.field("defs.content", dialog);
      const chooser = page.waitForEvent("filechooser");
      await keys.activate(admin.button("vars.file", dialog));
      const wrong = file.replace("attempts: 3", "attempts: many").replace("type: PYTHON", "type: PITHON");
      await (await chooser).setFiles({ name: "events.yaml", mimeType: "application/yaml", buffer: Buffer.from(wrong) });
      await until("the file is in the field", async () => (await field.inputValue()).includes("PITHON"));
      await keys.activate(admin.button("defs.preview", dialog));
      const alert = dialog.getByRole("alert");
      await alert.getByText("events[0].retry.attempts", { exact: true }).waitFor();
      await alert.getByText("events[1].type", { exact: true }).waitFor();
      await alert.getByText(language === "en" ? /Line \d+, column \d+: / : /Línea \d+, columna \d+: /).first().waitFor();
      await field.and(page.locator('[aria-invalid="true"]')).waitFor();
      await admin.inspect("definitions-wrong");
      await keys.type(field, "cronium: 1\nevents:\n  - name: [");
      await keys.activate(admin.button("defs.preview", dialog));
      await alert.getByText(/YAML|columna/).first().waitFor();
      await keys.escape(dialog);
      await closed();
      assert.equal((await names()).length, 3);
    });

    test("a file is tried, says what it would do, and is taken as it was tried", async () => {
      const { dialog, keys } = admin;
      const closed = await keys.open(admin.button("defs.import"), dialog);
      const field = admin.field("defs.content", dialog);
      await field.fill(file.replace("attempts: 3", "attempts: 4"));
      await keys.activate(admin.button("defs.preview", dialog));
      await dialog.getByRole("alert").getByText("events[0].name", { exact: true }).waitFor();
      await keys.choose(admin.field("defs.conflict", dialog), t("defs.conflict.update"));
      await keys.activate(admin.button("defs.preview", dialog));
      await dialog.getByText("retry.attempts", { exact: true }).waitFor();
      await dialog.getByText(t("defs.unchanged"), { exact: true }).first().waitFor();
      await admin.inspect("definitions-plan");
      await keys.choose(admin.field("defs.conflict", dialog), t("defs.conflict.rename"));
      assert.equal(await admin.button("defs.import", dialog).count(), 0, "what was not tried is not taken");
      await keys.activate(admin.button("defs.preview", dialog));
      await dialog.getByText("Report (copy)").waitFor();
      await keys.activate(admin.button("defs.import", dialog));
      await admin.toast(t("defs.imported"));
      await closed();
      await row("Report (copy)").waitFor();
      assert.deepEqual((await names()).map(({ name }) => name), ["Backup", "Backup (copy 2)", "Backup (copy)", "Report", "Report (copy)"]);
    });
  });
}

test("nothing broke on the way", () => {
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket/.test(line)), []);
});
