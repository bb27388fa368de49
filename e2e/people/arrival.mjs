// How people come in: mail is set up, they are invited, and make their account.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../harness.mjs";
import { wrong } from "../inspect.mjs";

export function arrival(of) {
  test("mail is set up, refused at its field, and tried out; signing up waits for it", async () => {
    const { admin, product, stage, t } = of;
    const { keys } = admin;
    await admin.enter(product.email, product.password);
    await admin.signedIn();
    await admin.open("nav.settings");
    await keys.choose(admin.field("settings.who"), t("settings.open"));
    await keys.activate(admin.button("event.save", admin.section("settings.registration")));
    await wrong(admin.field("settings.who"), t.like("refused.smtp.required"), { focused: true });
    const mail = admin.section("settings.mail");
    await keys.type(admin.field("settings.host"), "127.0.0.1");
    await keys.type(admin.field("settings.port"), "no port");
    await keys.choose(admin.field("settings.security"), t("settings.no_tls"));
    await keys.type(admin.field("settings.from"), "cronium@example.org");
    await keys.activate(admin.button("event.save", mail));
    await wrong(admin.field("settings.port"), t.like("refused.smtp.port.invalid"), { focused: true });
    await admin.reads("a refused setting");
    await keys.type(admin.field("settings.port"), String(stage.smtpPort));
    await keys.activate(admin.button("event.save", mail));
    await admin.toast(t("account.saved"));
    const to = `somebody-${t.language}@example.org`;
    await keys.type(admin.field("settings.test_to"), to);
    await keys.activate(admin.button("settings.test_send"));
    await admin.toast(t("settings.test_sent"));
    await until("the mail is there", () => stage.mails.some((one) => one.to === to));
    await admin.inspect("settings");
  });

  test("terminals are given other limits: refused at their fields, and never over somebody else's", async () => {
    const { admin, product, t } = of;
    const { keys } = admin;
    const section = admin.section("settings.terminals");
    const field = (name) => admin.field(`settings.terminal_${name}`, section);
    const [idle, longest, days] = ["idle", "longest", "days"].map(field);
    const save = () => keys.activate(admin.button("event.save", section));
    const limits = async () => {
      const { data } = await product.gql("{ settings { terminals { idleMinutes maxMinutes recordingDays } } }");
      return data.settings.terminals;
    };
    const shown = async () => ({
      idleMinutes: Number(await idle.inputValue()),
      maxMinutes: Number(await longest.inputValue()),
      recordingDays: Number(await days.inputValue()),
    });
    await admin.visit("settings");
    assert.deepEqual(await shown(), await limits());
    await keys.type(idle, "1441");
    await keys.type(days, "for ever");
    await save();
    await wrong(idle, t.like("refused.terminals.idleMinutes.invalid"), { focused: true });
    await wrong(days, t.like("refused.terminals.recordingDays.invalid"));
    await admin.inspect("settings-terminals");
    // The languages share one product: each sets what is not there yet.
    const wanted = {
      en: { idleMinutes: 20, maxMinutes: 600, recordingDays: 45 },
      es: { idleMinutes: 25, maxMinutes: 720, recordingDays: 60 },
    }[t.language];
    await keys.type(idle, String(wanted.idleMinutes));
    await keys.type(longest, String(wanted.maxMinutes));
    await keys.type(days, String(wanted.recordingDays));
    await save();
    await admin.toast(t("account.saved"));
    assert.deepEqual(await limits(), wanted);

    const theirs = { ...wanted, maxMinutes: 30 };
    const { data } = await product.gql(
      "mutation ($i: UpdateSettingsInput!) { updateSettings(input: $i) { userErrors { message } } }",
      { i: { terminals: theirs } },
    );
    assert.deepEqual(data.updateSettings.userErrors, []);
    await keys.type(idle, "40");
    await save();
    await admin.alert(t.language === "en" ? "The settings were changed meanwhile" : t("refused.any.conflict"));
    await admin.reads("settings that somebody else has changed");
    assert.deepEqual(await limits(), theirs);
    await admin.visit("settings");
    assert.deepEqual(await shown(), theirs);
    await keys.type(idle, "40");
    await save();
    await admin.toast(t("account.saved"));
    assert.deepEqual(await limits(), { ...theirs, idleMinutes: 40 });
  });

  test("somebody is invited", async () => {
    const { admin, invited, t } = of;
    const { dialog, keys } = admin;
    await admin.open("nav.users");
    await admin.visit("users");
    await keys.skip(t("app.skip"));
    const closed = await keys.open(admin.button("users.invite"), dialog);
    await keys.type(admin.field("signin.email"), "nobody");
    await keys.press("Enter");
    await wrong(admin.field("signin.email"), t.like("refused.email.invalid"), { focused: true });
    await keys.type(admin.field("signin.email"), invited);
    await admin.inspect("invite");
    await keys.activate(admin.button("invite.send", dialog));
    const link = await admin.field("invite.link").inputValue();
    assert.match(link, new RegExp(`/${t.language}/sign-up\\?token=`));
    await keys.activate(admin.button("tokens.done"));
    await closed();
    await admin.inspect("users");
  });

  test("a dialog is left by Escape, and nothing was done", async () => {
    const { admin, t } = of;
    const closed = await admin.keys.open(admin.button("users.invite"), admin.dialog);
    await admin.keys.type(admin.field("signin.email"), "never@example.org");
    await admin.keys.escape(admin.dialog);
    await closed();
    assert.equal(await admin.page.getByText("never@example.org").count(), 0);
    await admin.text(t.n("invites.open", 1)).waitFor();
  });

  test("an invitation is sent again with a new link, and another is taken back", async () => {
    const { admin, guest, invited, other, product, stage, t } = of;
    const { dialog, keys } = admin;
    const first = await stage.mailed(invited, "sign-up");
    const { data } = await product.gql("mutation ($i: InviteUserInput!) { inviteUser(input: $i) { userErrors { message } } }", { i: { email: other, locale: t.language } });
    assert.deepEqual(data.inviteUser.userErrors, []);
    await admin.visit("users");
    await admin.text(t.n("invites.open", 2)).waitFor();
    await admin.inspect("invites");
    const closed = await keys.open(admin.buttonFor("invites.again", invited), dialog);
    const link = await admin.field("invite.link").inputValue();
    await keys.activate(admin.button("tokens.done", dialog));
    await closed();
    await until("the mail with the new link is there", async () => link.endsWith((await stage.mailed(invited, "sign-up")).split("?")[1]));
    await keys.activate(admin.buttonFor("invites.revoke", other));
    await admin.toast(t("invites.revoked"));
    await admin.text(t.n("invites.open", 1)).waitFor();
    await keys.goesOn(admin.page.locator("#content"));
    for (const gone of [first, await stage.mailed(other, "sign-up")]) {
      await guest.go(gone);
      await guest.keys.type(guest.field("field.name"), "Anybody");
      await guest.keys.type(guest.field("signin.password"), "a password for nothing");
      await guest.keys.activate(guest.button("enter.signup_submit"));
      await guest.alert(t("refused.token.invalid"));
    }
  });

  test("the invitation's link makes an account, once", async () => {
    const { guest, invited, passwords, stage, t } = of;
    const { keys } = guest;
    const link = await stage.mailed(invited, "sign-up");
    await guest.go(link);
    await keys.type(guest.field("field.name"), "Ana");
    await keys.type(guest.field("signin.password"), "short");
    await keys.activate(guest.button("enter.signup_submit"));
    await wrong(guest.field("signin.password"), /12/, { focused: true });
    await guest.inspect("sign-up");
    await keys.type(guest.field("signin.password"), passwords[0]);
    await keys.activate(guest.button("enter.signup_submit"));
    await guest.text(t("enter.active")).waitFor();
    await keys.activate(guest.link("enter.back"));
    await guest.field("signin.email").waitFor();
    await guest.go(link);
    await keys.type(guest.field("signin.password"), "another long password");
    await keys.activate(guest.button("enter.signup_submit"));
    await guest.alert(t("refused.token.invalid"));
    await guest.enter(invited, passwords[0]);
    await guest.signedIn();
    assert.equal(await guest.link("nav.users").count(), 0, "a viewer is not offered the administration");
  });
}
