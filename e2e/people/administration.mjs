// What administrators do with people: roles, limits, lost factors, keys, disabling; and the log of all of it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../harness.mjs";
import { wrong } from "../inspect.mjs";

export function administration(of) {
  const change = () => of.admin.buttonFor("users.change", of.invited);

  test("a role is made, given to somebody, and not removed while somebody has it", async () => {
    const { admin, role, t } = of;
    const { dialog, keys, page } = admin;
    await admin.open("nav.roles");
    const made = await keys.open(admin.button("roles.new"), dialog);
    await keys.activate(admin.button("event.save", dialog));
    await wrong(admin.field("field.name", dialog), t.like("refused.name.required"), { focused: true });
    await keys.type(admin.field("field.name", dialog), role);
    for (const scope of ["read_events", "read_jobs", "run_events", "manage_account"]) await keys.tick(admin.field(`scope.${scope}`, dialog));
    await admin.inspect("role");
    await keys.activate(admin.button("event.save", dialog));
    await made();
    await page.getByRole("columnheader", { name: role }).waitFor();
    await admin.inspect("roles");
    await admin.open("nav.users");
    const given = await keys.open(change(), dialog);
    await keys.choose(admin.field("account.role", dialog), role);
    await keys.activate(dialog.locator("summary", { hasText: t("quota.title") }));
    await keys.choose(admin.field("quota.jobs", dialog), t("quota.at_most"));
    const most = dialog.getByLabel(`${t("quota.jobs")}: ${t("quota.at_most")}`);
    await keys.type(most, "2");
    await admin.inspect("person");
    await keys.activate(admin.button("event.save", dialog).first());
    await admin.toast(t("account.saved"));
    await keys.activate(admin.button("event.save", dialog).last());
    await given();
    await page.getByRole("cell", { name: role, exact: true }).waitFor();
    await admin.open("nav.roles");
    const kept = await keys.open(admin.buttonFor("users.change", role), dialog);
    await keys.activate(admin.button("roles.delete", dialog));
    await admin.toast(t.language === "en" ? "1 people have this role" : t("refused.any.in_use"));
    await admin.reads("a role that is in use");
    await keys.activate(admin.button("dialog.close", dialog).last());
    await kept();
    await page.getByRole("columnheader", { name: role }).waitFor();
  });

  test("an administrator learns why somebody may or may not do something", async () => {
    const { admin, product, t } = of;
    const { dialog, keys } = admin;
    await admin.visit("users");
    const closed = await keys.open(change(), dialog);
    const answer = (allowed, rule) => `${t(`explain.${allowed}`)}: ${t(`explain.${rule}`)}`;
    await keys.activate(dialog.locator("summary", { hasText: t("explain.title") }));
    await keys.choose(admin.field("explain.what", dialog), t("scope.run_events"));
    await keys.activate(admin.button("explain.ask"));
    await admin.text(answer("allowed", "permission"), dialog).waitFor();
    await keys.choose(admin.field("explain.what", dialog), t("scope.manage_settings"));
    await keys.activate(admin.button("explain.ask"));
    await admin.text(answer("denied", "missing_permission"), dialog).waitFor();
    const { data } = await product.gql("{ events(first: 1) { nodes { id } } }");
    await keys.choose(admin.field("explain.what", dialog), t("scope.run_events"));
    await keys.type(dialog.getByRole("textbox", { name: new RegExp(`^${t("explain.node")}`) }), data.events.nodes[0].id);
    await keys.activate(admin.button("explain.ask"));
    await admin.text(answer("denied", "not_owner"), dialog).or(admin.text(answer("allowed", "shared"), dialog)).waitFor();
    await admin.inspect("explain");
    await keys.escape(dialog);
    await closed();
  });

  test("a lost second factor is removed by an administrator", async () => {
    const { admin, invited, passwords, product, t } = of;
    await admin.visit("users");
    const closed = await admin.keys.open(change(), admin.dialog);
    await admin.keys.activate(admin.button("users.totp_reset"));
    await admin.toast(t("users.totp_reset_done"));
    await closed();
    const token = await product.signIn(invited, passwords[0]);
    assert.ok(token, "the password alone is enough now");
  });

  test("the encryption key is changed, and everything sealed still opens", async () => {
    const { admin, product, stage, t } = of;
    const { dialog, keys } = admin;
    await admin.visit("settings");
    const section = admin.section("keys.title");
    const old = await section.locator("code").first().textContent();
    const closed = await keys.open(admin.button("keys.change"), dialog);
    await admin.reads("a change of the key");
    await keys.activate(admin.button("keys.do_change", dialog));
    await admin.toast(t("keys.changed"));
    await closed();
    await until("another key is in use", async () => (await section.locator("li", { hasText: t("keys.present") }).locator("code").textContent()) !== old);
    const sent = () => stage.mails.filter((one) => one.to === product.email).length;
    const before = sent();
    await keys.activate(admin.button("settings.test_send"));
    await admin.toast(t("settings.test_sent"));
    await until("the mail is there", () => sent() === before + 1);
    await admin.inspect("keys");
  });

  test("a person sees their limits", async () => {
    const { guest, t } = of;
    await guest.visit("account");
    await guest.text(t("overview.of", { n: 0, all: 2 })).waitFor();
    await guest.reads("limits");
  });

  test("a person signs up by themselves where everybody may", async () => {
    const { admin, newcomer: email, stage, t } = of;
    await admin.open("nav.settings");
    await admin.keys.choose(admin.field("settings.who"), t("settings.open"));
    await admin.keys.activate(admin.button("event.save", admin.section("settings.registration")));
    await admin.toast(t("account.saved"));
    const newcomer = await stage.person("newcomer", t);
    const { keys } = newcomer;
    await newcomer.visit("sign-in");
    await keys.activate(newcomer.link("signin.new_here"));
    await newcomer.button("enter.ask_submit").waitFor();
    await keys.type(newcomer.field("field.name"), "Luis");
    await keys.type(newcomer.field("signin.email"), email);
    await newcomer.inspect("sign-up-open");
    await keys.activate(newcomer.button("enter.ask_submit"));
    await newcomer.text(t("enter.mail_sent")).waitFor();
    await newcomer.go(await stage.mailed(email, "sign-up"));
    await keys.type(newcomer.field("signin.password"), "una clave bastante larga");
    await keys.activate(newcomer.button("enter.signup_submit"));
    await newcomer.text(t("enter.active")).waitFor();
    await newcomer.enter(email, "una clave bastante larga");
    await newcomer.signedIn();
    await newcomer.visit("account");
    await newcomer.page.getByRole("heading", { name: t("totp.title") }).waitFor();
    await newcomer.inspect("account-new");
    await newcomer.leaveBrowser();
  });

  test("whoever is disabled is out at once", async () => {
    const { admin, guest, invited, newcomer, passwords, t } = of;
    assert.equal(await guest.page.getByRole("link", { name: t("nav.monitoring") }).count(), 0, "nobody is offered what their role does not include");
    const { dialog, keys, page } = admin;
    await admin.open("nav.users");
    await keys.type(page.getByRole("searchbox", { name: t("users.search") }), invited);
    await page.getByRole("cell", { name: newcomer }).first().waitFor({ state: "detached" });
    const closed = await keys.open(change(), dialog);
    await keys.choose(admin.field("overview.col.status", dialog), t("users.disabled"));
    await keys.activate(admin.button("event.save", dialog).last());
    await closed();
    await guest.field("signin.email").waitFor();
    await guest.credentials(invited, passwords[0]);
    await guest.page.locator("[aria-invalid=true], [role=alert]").first().waitFor();
    await guest.reads("a sign-in that is refused");
  });

  test("the audit log tells it all, holds, and is taken along", async () => {
    const { admin, passwords, recovery, t } = of;
    const { keys, page } = admin;
    await admin.open("nav.audit");
    for (const action of ["update_user", "update_settings", "set_quota", "create_role", "reset_password", "rotate_encryption_key", "revoke_invite"]) {
      await admin.text(t(`audit.action.${action}`)).waitFor();
    }
    await keys.activate(admin.button("audit.verify"));
    await admin.text(t.like("audit.whole")).waitFor();
    await keys.activate(page.locator("summary", { hasText: t("audit.details") }).first());
    await page.locator("details[open] dl").first().waitFor();
    await admin.inspect("audit");
    const arrival = page.waitForEvent("download");
    await keys.activate(page.getByRole("link", { name: "NDJSON" }));
    const stream = await (await arrival).createReadStream();
    let text = "";
    for await (const part of stream) text += part;
    const entries = text.trim().split("\n").map((line) => JSON.parse(line));
    assert.ok(entries.length > 20, `${entries.length} entries`);
    for (const secret of [...passwords, ...recovery]) assert.ok(!text.includes(secret), "a secret is in the log");
    await keys.activate(page.getByRole("button", { name: t("audit.outcome") }).first());
    await keys.pick(page.getByRole("radio", { name: t("audit.denied") }));
    await page.waitForURL(/outcome=DENIED/);
    await page.getByRole("cell", { name: t("scope.read_system"), exact: true }).first().waitFor();
    await keys.holds(page.getByRole("button", { name: `${t("audit.outcome")} ${t("audit.denied")}` }), "the focus is back at the filter");
    await keys.activate(admin.buttonFor("filter.clear", t("audit.outcome")));
    await page.waitForURL((url) => !url.search.includes("outcome"));
  });
}
