// What people do with their own account: second factor, tokens, sessions, password.
import assert from "node:assert/strict";
import { test } from "node:test";
import { wrong } from "../inspect.mjs";
import { totp } from "../totp.mjs";

export function account(of) {
  test("a second factor is set up, asked for, and replaced by a recovery code", async () => {
    const { guest, invited, passwords, t } = of;
    const { dialog, keys } = guest;
    await guest.visit("account");
    const closed = await keys.open(guest.button("totp.set_up"), dialog);
    await guest.page.getByRole("img", { name: t("totp.qr") }).waitFor();
    const secret = await dialog.locator("code").textContent();
    const code = dialog.getByRole("textbox", { name: t("signin.code"), exact: true });
    await keys.type(code, "000000");
    await keys.type(guest.field("signin.password", dialog), passwords[0]);
    await keys.activate(guest.button("totp.turn_on", dialog));
    await wrong(code, t.like("refused.code.invalid"), { focused: true });
    await guest.inspect("second-factor");
    await keys.type(code, totp(secret));
    await keys.activate(guest.button("totp.turn_on", dialog));
    await dialog.getByRole("listitem").first().waitFor();
    of.recovery = await dialog.getByRole("listitem").allTextContents();
    assert.ok(of.recovery.length >= 8, `${of.recovery.length} recovery codes`);
    await guest.inspect("recovery-codes");
    await keys.activate(guest.button("totp.kept"));
    await closed(guest.section("totp.title"));
    await guest.text(t("totp.on")).waitFor();
    await guest.leave();
    await guest.enter(invited, passwords[0]);
    await guest.field("signin.code").waitFor();
    await guest.page.waitForFunction(() => document.activeElement?.id === "code");
    await guest.code("123");
    await wrong(guest.field("signin.code"), t.like("refused.code.invalid"), { focused: true });
    await guest.inspect("sign-in-code");
    await guest.code(of.recovery[0]);
    await guest.signedIn();
  });

  test("an API token does what it was made for, and nothing once revoked", async () => {
    const { guest, product, t } = of;
    const { dialog, keys } = guest;
    await guest.visit("account");
    const closed = await keys.open(guest.button("tokens.new"), dialog);
    await keys.activate(guest.button("tokens.make", dialog));
    await wrong(guest.field("field.name", dialog), t.like("refused.name.required"), { focused: true });
    await keys.type(guest.field("field.name", dialog), "nightly report");
    await keys.choose(guest.field("tokens.expires", dialog), t("tokens.days_30"));
    await keys.tick(guest.field("tokens.all", dialog), false);
    await keys.tick(guest.field("scope.read_events", dialog));
    await guest.inspect("token");
    await keys.activate(guest.button("tokens.make", dialog));
    const token = await guest.field("tokens.secret").inputValue();
    await keys.activate(guest.button("tokens.done", dialog));
    await closed();
    const events = await product.raw("{ events(first: 1) { totalCount } }", {}, { token });
    assert.equal(events.errors, undefined);
    const jobs = await product.raw("{ jobs(first: 1) { totalCount } }", {}, { token });
    assert.equal(jobs.errors[0].extensions.code, "FORBIDDEN");
    const { viewer } = await guest.ask("{ viewer { apiTokens(first: 10) { nodes { name expiresAt } } } }");
    const days = (Date.parse(viewer.apiTokens.nodes.find((one) => one.name === "nightly report").expiresAt) - Date.now()) / 86_400_000;
    assert.ok(days > 29 && days <= 30, `it lasts ${days} days`);
    await keys.activate(guest.buttonFor("tokens.revoke", "nightly report"));
    await guest.toast(t("tokens.revoked"));
    await guest.buttonFor("tokens.revoke", "nightly report").waitFor({ state: "detached" });
    await keys.goesOn(guest.section("tokens.title"));
    const after = await product.raw("{ events(first: 1) { totalCount } }", {}, { token });
    assert.equal(after.errors[0].extensions.code, "UNAUTHENTICATED");
  });

  test("another session is ended from the list", async () => {
    const { guest, invited, passwords, recovery, stage, t } = of;
    const elsewhere = await stage.person("elsewhere", t);
    await elsewhere.enter(invited, passwords[0]);
    await elsewhere.code(recovery[1]);
    await elsewhere.signedIn();
    await guest.visit("account");
    await guest.inspect("account");
    await guest.keys.activate(guest.page.getByRole("button", { name: new RegExp(`^${t("sessions.end")}: Chrome`) }).first());
    await guest.toast(t("sessions.ended"));
    // Whoever sits there learns it without a key: its socket closes, and with it the page.
    await elsewhere.field("signin.email").waitFor();
    await elsewhere.text(t("signin.ended")).waitFor();
    await elsewhere.leaveBrowser();
  });

  test("all other sessions are ended at once", async () => {
    const { guest, invited, passwords, product, recovery, t } = of;
    for (let at = 0; at < 2; at += 1) await product.signInWith({ email: invited, password: passwords[0], code: recovery[3 + at] });
    await guest.visit("account");
    await guest.keys.activate(guest.button("sessions.end_others"));
    await guest.toast(t.n("sessions.ended_n", 2));
    await guest.button("sessions.end_others").waitFor({ state: "detached" });
    await guest.keys.goesOn(guest.page.locator("#content"));
    await guest.signedIn();
  });

  test("a forgotten password is set anew by mail", async () => {
    const { guest, invited, passwords, recovery, stage, t } = of;
    const { keys } = guest;
    await guest.leave();
    await keys.activate(guest.link("signin.forgotten"));
    await guest.button("enter.ask_submit").waitFor();
    await keys.type(guest.field("signin.email"), invited);
    await guest.inspect("forgotten");
    await keys.activate(guest.button("enter.ask_submit"));
    await guest.text(t("enter.mail_sent")).waitFor();
    const link = await stage.mailed(invited, "reset-password");
    assert.ok(link.startsWith(`/${t.language}/`), "the mail speaks the person's language");
    await guest.go(link);
    passwords.unshift("a long second password");
    await keys.type(guest.field("account.new"), passwords[0]);
    await guest.inspect("new-password");
    await keys.activate(guest.button("enter.reset_submit"));
    await guest.text(t("enter.reset_done")).waitFor();
    await guest.enter(invited, passwords[0]);
    await guest.code(recovery[2]);
    await guest.signedIn();
  });
}
