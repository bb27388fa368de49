// People in a real browser: invited, signed up, with a second factor, limited, disabled; and the log of all of it.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { SMTPServer } from "smtp-server";
import { Product, launchBrowser, output, until } from "./harness.mjs";
import { inspect, wrong } from "./inspect.mjs";

const mails = [];
const smtp = new SMTPServer({
  authOptional: true,
  disabledCommands: ["STARTTLS", "AUTH"],
  onData(stream, session, done) {
    const parts = [];
    stream.on("data", (part) => parts.push(part));
    stream.on("end", () => {
      const text = Buffer.concat(parts).toString().replace(/=\r\n/g, "").replace(/=3D/g, "=");
      mails.push({ to: session.envelope.rcptTo[0].address, text });
      done();
    });
  },
});
await new Promise((listening) => smtp.listen(0, "127.0.0.1", listening));

const broken = [];
const product = await Product.start("people");
const browser = await launchBrowser();

async function person(locale = "en-GB") {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale, colorScheme: "light" });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  page.on("pageerror", (error) => broken.push(`page: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error" || /content security policy/i.test(message.text())) broken.push(message.text());
  });
  return page;
}

const admin = await person();
const guest = await person();
const INVITED = "ana@example.org";
const passwords = { [INVITED]: "a long first password" };

after(async () => {
  await admin.screenshot({ path: join(output, "people-admin-last.png") }).catch(() => {});
  await guest.screenshot({ path: join(output, "people-guest-last.png") }).catch(() => {});
  await browser.close();
  await product.stop();
  await new Promise((closed) => smtp.close(closed));
});

const go = (page, path) => page.goto(`${product.url}${path}`);
const field = (page, name) => page.getByLabel(name, { exact: true });
const button = (page, name) => page.getByRole("button", { name, exact: true });
const dialog = (page) => page.getByRole("dialog");
const toast = (page, text) => page.locator(".toast", { hasText: text }).first().waitFor();

async function enter(page, email, password) {
  await go(page, "/en/sign-in");
  await field(page, "Email").fill(email);
  await field(page, "Password").fill(password);
  await button(page, "Sign in").click();
}

const signedIn = (page) => page.getByRole("button", { name: /^Account of/ }).waitFor();

async function leave(page) {
  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await field(page, "Email").waitFor();
}

/** The path of the newest link that was mailed to somebody. */
const mailed = (to, path) => until(`a mail with ${path} reaches ${to}`, () => {
  const found = mails.filter((mail) => mail.to === to).map((mail) => new RegExp(`https?://[^/\\s]+(/[a-z]{2}/${path}\\?token=\\S+)`).exec(mail.text)?.[1]);
  return found.filter(Boolean).at(-1);
});

/** RFC 6238 with what authenticator apps take for granted: SHA-1, six digits, 30 s. */
function totp(secret, at = Date.now()) {
  const bits = [...secret].map((letter) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".indexOf(letter).toString(2).padStart(5, "0")).join("");
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(at / 30_000)));
  const digest = createHmac("sha1", key).update(counter).digest();
  const offset = digest.at(-1) & 15;
  return String((digest.readUInt32BE(offset) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

describe("people", { concurrency: false }, () => {
  let recovery;

  test("mail is set up, refused at its field, and tried out", async () => {
    await enter(admin, product.email, product.password);
    await signedIn(admin);
    await admin.getByRole("link", { name: "Settings" }).click();
    await field(admin, "SMTP server").fill("127.0.0.1");
    await field(admin, "Port").fill("no port");
    await admin.getByLabel(/^Sender/).fill("cronium@example.org");
    await admin.getByLabel(/^Security/).selectOption("NONE");
    const save = admin.locator("section", { has: admin.getByRole("heading", { name: "Mail", exact: true }) }).getByRole("button", { name: "Save" });
    await save.click();
    await wrong(field(admin, "Port"), /port/i, { focused: true });
    await field(admin, "Port").fill(String(smtp.server.address().port));
    await save.click();
    await toast(admin, "Saved");
    await field(admin, "To").fill("somebody@example.org");
    await button(admin, "Send").click();
    await toast(admin, "The mail server took it");
    await until("the mail is there", () => mails.some((mail) => mail.to === "somebody@example.org"));
    await inspect(admin, "settings");
  });

  test("somebody is invited by the keyboard alone", async () => {
    await admin.getByRole("link", { name: "Users" }).click();
    await admin.getByRole("button", { name: "Invite", exact: true, disabled: false }).focus();
    await admin.keyboard.press("Enter");
    await dialog(admin).waitFor();
    const reach = async (target) => {
      for (let at = 0; at < 12; at += 1) {
        if (await target.evaluate((one) => one === document.activeElement)) return;
        await admin.keyboard.press("Tab");
      }
      assert.fail("the keyboard does not reach it");
    };
    await reach(field(admin, "Email"));
    await admin.keyboard.type("nobody");
    await admin.keyboard.press("Enter");
    await wrong(field(admin, "Email"), /email address/, { focused: true });
    await admin.keyboard.press("Control+A");
    await admin.keyboard.type(INVITED);
    await inspect(admin, "invite");
    await admin.keyboard.press("Enter");
    const link = await field(admin, "Link").inputValue();
    assert.match(link, /\/en\/sign-up\?token=/);
    await reach(button(admin, "Done"));
    await admin.keyboard.press("Enter");
    await dialog(admin).waitFor({ state: "detached" });
    await inspect(admin, "users");
  });

  test("an invitation is sent again with a new link, and another is taken back", async () => {
    const first = await mailed(INVITED, "sign-up");
    const { data } = await product.gql('mutation { inviteUser(input: { email: "bea@example.org" }) { userErrors { message } } }');
    assert.deepEqual(data.inviteUser.userErrors, []);
    await go(admin, "/en/users");
    await admin.getByText("2 open invitations").waitFor();
    await inspect(admin, "invites");
    await button(admin, `Send again: ${INVITED}`).click();
    const link = await field(admin, "Link").inputValue();
    await dialog(admin).getByRole("button", { name: "Done" }).click();
    await until("the mail with the new link is there", async () => link.endsWith((await mailed(INVITED, "sign-up")).split("?")[1]));
    await button(admin, "Take back: bea@example.org").click();
    await toast(admin, "Invitation taken back");
    await admin.getByText("1 open invitation").waitFor();
    for (const gone of [first, await mailed("bea@example.org", "sign-up")]) {
      await go(guest, gone);
      await field(guest, "Name").fill("Anybody");
      await field(guest, "Password").fill("a password for nothing");
      await button(guest, "Create account").click();
      await guest.getByRole("alert").filter({ hasText: "This link was used" }).waitFor();
    }
  });

  test("the invitation's link makes an account, once", async () => {
    const link = await mailed(INVITED, "sign-up");
    await go(guest, link);
    await field(guest, "Name").fill("Ana");
    await field(guest, "Password").fill("short");
    await button(guest, "Create account").click();
    await wrong(field(guest, "Password"), /12/, { focused: true });
    await inspect(guest, "sign-up");
    await field(guest, "Password").fill(passwords[INVITED]);
    await button(guest, "Create account").click();
    await guest.getByText("Your account is ready").waitFor();
    await go(guest, link);
    await field(guest, "Password").fill("another long password");
    await button(guest, "Create account").click();
    await guest.getByRole("alert").filter({ hasText: "This link was used" }).waitFor();
    await enter(guest, INVITED, passwords[INVITED]);
    await signedIn(guest);
    assert.equal(await guest.getByRole("link", { name: "Users" }).count(), 0, "a viewer is not offered the administration");
  });

  test("a second factor is set up, asked for, and replaced by a recovery code", async () => {
    await go(guest, "/en/account");
    await button(guest, "Set up…").click();
    await guest.getByRole("img", { name: "QR code for the authenticator app" }).waitFor();
    const secret = await dialog(guest).locator("code").textContent();
    await dialog(guest).getByRole("textbox", { name: "Code" }).fill("000000");
    await dialog(guest).getByLabel("Password").fill(passwords[INVITED]);
    await button(guest, "Turn on").click();
    await wrong(dialog(guest).getByRole("textbox", { name: "Code" }), /code/i, { focused: true });
    await inspect(guest, "second-factor");
    await dialog(guest).getByRole("textbox", { name: "Code" }).fill(totp(secret));
    await button(guest, "Turn on").click();
    await dialog(guest).getByRole("listitem").first().waitFor();
    recovery = await dialog(guest).getByRole("listitem").allTextContents();
    assert.ok(recovery.length >= 8, `${recovery.length} recovery codes`);
    await inspect(guest, "recovery-codes");
    await button(guest, "I have kept them").click();
    await guest.getByText("Signing in asks for a code").waitFor();
    await leave(guest);
    await enter(guest, INVITED, passwords[INVITED]);
    await field(guest, "Code").waitFor();
    assert.equal(await field(guest, "Code").evaluate((one) => one === document.activeElement), true);
    await field(guest, "Code").fill("123");
    await button(guest, "Sign in").click();
    await wrong(field(guest, "Code"), /wrong/);
    await inspect(guest, "sign-in-code");
    await field(guest, "Code").fill(recovery[0]);
    await button(guest, "Sign in").click();
    await signedIn(guest);
  });

  test("an API token does what it was made for, and nothing once revoked", async () => {
    await go(guest, "/en/account");
    await button(guest, "New token").click();
    await button(guest, "Create").click();
    await wrong(dialog(guest).getByLabel("Name"), /./, { focused: true });
    await dialog(guest).getByLabel("Name").fill("nightly report");
    await dialog(guest).getByLabel("All that I may do").uncheck();
    await dialog(guest).getByLabel("See events").check();
    await inspect(guest, "token");
    await button(guest, "Create").click();
    const token = await field(guest, "Token").inputValue();
    await button(guest, "Done").click();
    const events = await product.raw("{ events(first: 1) { totalCount } }", {}, { token });
    assert.equal(events.errors, undefined);
    const jobs = await product.raw("{ jobs(first: 1) { totalCount } }", {}, { token });
    assert.equal(jobs.errors[0].extensions.code, "FORBIDDEN");
    await guest.getByRole("button", { name: "Revoke: nightly report" }).click();
    await toast(guest, "Token revoked");
    const after = await product.raw("{ events(first: 1) { totalCount } }", {}, { token });
    assert.equal(after.errors[0].extensions.code, "UNAUTHENTICATED");
  });

  test("another session is ended from the list", async () => {
    const elsewhere = await person();
    await enter(elsewhere, INVITED, passwords[INVITED]);
    await field(elsewhere, "Code").fill(recovery[1]);
    await button(elsewhere, "Sign in").click();
    await signedIn(elsewhere);
    await go(guest, "/en/account");
    await inspect(guest, "account");
    await guest.getByRole("button", { name: /^Sign out: Chrome/ }).first().click();
    await toast(guest, "The session is ended");
    // Whoever sits there learns it without a click: its socket closes, and with it the page.
    await field(elsewhere, "Email").waitFor();
    await elsewhere.context().close();
  });

  test("all other sessions are ended at once", async () => {
    for (let at = 0; at < 2; at += 1) await product.signInWith({ email: INVITED, password: passwords[INVITED], code: recovery[3 + at] });
    await go(guest, "/en/account");
    await button(guest, "Sign out everywhere else").click();
    await toast(guest, "2 sessions ended");
    await button(guest, "Sign out everywhere else").waitFor({ state: "detached" });
    await signedIn(guest);
  });

  test("a forgotten password is set anew by mail", async () => {
    await leave(guest);
    await guest.getByRole("link", { name: "Forgot your password?" }).click();
    await field(guest, "Email").fill(INVITED);
    await inspect(guest, "forgotten");
    await button(guest, "Send link").click();
    await guest.getByText("If this address is known here").waitFor();
    await go(guest, await mailed(INVITED, "reset-password"));
    passwords[INVITED] = "a long second password";
    await field(guest, "New password").fill(passwords[INVITED]);
    await inspect(guest, "new-password");
    await button(guest, "Set password").click();
    await guest.getByText("Your new password is set").waitFor();
    await enter(guest, INVITED, passwords[INVITED]);
    await field(guest, "Code").fill(recovery[2]);
    await button(guest, "Sign in").click();
    await signedIn(guest);
  });

  test("a role is made, given to somebody, and not removed while somebody has it", async () => {
    await admin.getByRole("link", { name: "Roles" }).click();
    await button(admin, "New role").click();
    await dialog(admin).getByLabel("Name").fill("");
    await dialog(admin).getByRole("button", { name: "Save" }).click();
    await wrong(dialog(admin).getByLabel("Name"), /./, { focused: true });
    await dialog(admin).getByLabel("Name").fill("Reporter");
    for (const scope of ["See events", "See runs and logs", "Run events", "Own account"]) await dialog(admin).getByLabel(scope).check();
    await inspect(admin, "role");
    await dialog(admin).getByRole("button", { name: "Save" }).click();
    await admin.getByRole("columnheader", { name: /Reporter/ }).waitFor();
    await inspect(admin, "roles");
    await admin.getByRole("link", { name: "Users" }).click();
    await admin.getByRole("button", { name: `Change: ${INVITED}` }).click();
    await dialog(admin).getByLabel("Role").selectOption({ label: "Reporter" });
    await dialog(admin).getByText("Limits", { exact: true }).click();
    const runs = dialog(admin).getByLabel("Runs a month", { exact: true });
    await runs.selectOption("number");
    await dialog(admin).getByLabel("Runs a month: At most").fill("2");
    await inspect(admin, "person");
    await dialog(admin).getByRole("button", { name: "Save" }).first().click();
    await toast(admin, "Saved");
    await dialog(admin).getByRole("button", { name: "Save" }).last().click();
    await dialog(admin).waitFor({ state: "detached" });
    await admin.getByRole("cell", { name: "Reporter" }).waitFor();
    await admin.getByRole("link", { name: "Roles" }).click();
    await admin.getByRole("button", { name: "Change: Reporter" }).click();
    await dialog(admin).getByRole("button", { name: "Delete" }).click();
    await admin.locator(".toast").first().waitFor();
    await dialog(admin).getByRole("button", { name: "Close" }).last().click();
    await admin.getByRole("columnheader", { name: /Reporter/ }).waitFor();
  });

  test("an administrator learns why somebody may or may not do something", async () => {
    await go(admin, "/en/users");
    await admin.getByRole("button", { name: `Change: ${INVITED}` }).click();
    await dialog(admin).getByText("Why may or may not this person").click();
    await dialog(admin).getByLabel("Permission").selectOption({ label: "Run events" });
    await button(admin, "Explain").click();
    await dialog(admin).getByText("Allowed: the role allows it").waitFor();
    await dialog(admin).getByLabel("Permission").selectOption({ label: "Manage settings" });
    await button(admin, "Explain").click();
    await dialog(admin).getByText("Not allowed: the role does not allow it").waitFor();
    const { data } = await product.gql("{ events(first: 1) { nodes { id } } }");
    await dialog(admin).getByLabel("Permission").selectOption({ label: "Run events" });
    await dialog(admin).getByLabel(/^On what/).fill(data.events.nodes[0].id);
    await button(admin, "Explain").click();
    await dialog(admin).getByText(/^(Not allowed: it is somebody else's|Allowed: it is shared)/).waitFor();
    await inspect(admin, "explain");
    await admin.keyboard.press("Escape");
  });

  test("a lost second factor is removed by an administrator", async () => {
    await go(admin, "/en/users");
    await admin.getByRole("button", { name: `Change: ${INVITED}` }).click();
    await button(admin, "Remove the second factor").click();
    await toast(admin, "Second factor removed");
    await dialog(admin).waitFor({ state: "detached" });
    const token = await product.signIn(INVITED, passwords[INVITED]);
    assert.ok(token, "the password alone is enough now");
  });

  test("the encryption key is changed, and everything sealed still opens", async () => {
    await go(admin, "/en/settings");
    const keys = admin.locator("section", { has: admin.getByRole("heading", { name: "Encryption keys" }) });
    const old = await keys.locator("code").first().textContent();
    await button(admin, "Change the key…").click();
    await dialog(admin).getByRole("button", { name: "Change it now" }).click();
    await toast(admin, "Key changed");
    await until("another key is in use", async () => (await keys.locator("li", { hasText: "In use" }).locator("code").textContent()) !== old);
    await button(admin, "Send").click();
    await toast(admin, "The mail server took it");
    await inspect(admin, "keys");
  });

  test("a person sees their limits", async () => {
    await go(guest, "/en/account");
    await guest.getByText("0 of 2").waitFor();
  });

  test("a person signs up by themselves where everybody may, in Spanish", async () => {
    await admin.getByRole("link", { name: "Settings" }).click();
    await field(admin, "Who gets an account").selectOption("OPEN");
    await button(admin, "Save").first().click();
    await toast(admin, "Saved");
    const newcomer = await person("es-ES");
    await go(newcomer, "/es/sign-in");
    await newcomer.getByRole("link", { name: "Crear una cuenta" }).click();
    await field(newcomer, "Nombre").fill("Luis");
    await newcomer.locator("#email").fill("luis@example.org");
    await inspect(newcomer, "sign-up-es");
    await newcomer.locator("button[type=submit]").click();
    await go(newcomer, await mailed("luis@example.org", "sign-up"));
    await newcomer.locator("#password").fill("una contraseña larga");
    await newcomer.locator("button[type=submit]").click();
    await newcomer.getByText("Su cuenta está lista").waitFor();
    await go(newcomer, "/es/sign-in");
    await newcomer.locator("#email").fill("luis@example.org");
    await newcomer.locator("#password").fill("una contraseña larga");
    await newcomer.locator("button[type=submit]").click();
    await newcomer.locator('button[popovertarget="menu-account"]').waitFor();
    await go(newcomer, "/es/account");
    await newcomer.getByRole("heading", { name: "Segundo factor" }).waitFor();
    await inspect(newcomer, "account-es");
    await newcomer.context().close();
  });

  test("whoever is disabled is out at once", async () => {
    await admin.getByRole("link", { name: "Users" }).click();
    await admin.getByRole("searchbox", { name: "Find people" }).fill("ana@");
    await admin.getByRole("cell", { name: /luis@/ }).first().waitFor({ state: "detached" });
    await admin.getByRole("button", { name: `Change: ${INVITED}` }).click();
    await dialog(admin).getByLabel("Status").selectOption("DISABLED");
    await dialog(admin).getByRole("button", { name: "Save" }).first().click();
    await field(guest, "Email").waitFor();
    await field(guest, "Email").fill(INVITED);
    await field(guest, "Password").fill(passwords[INVITED]);
    await button(guest, "Sign in").click();
    await guest.locator("[aria-invalid=true], [role=alert]").first().waitFor();
  });

  test("the audit log tells it all, holds, and is taken along", async () => {
    await admin.getByRole("link", { name: "Audit log" }).click();
    for (const what of ["Account changed", "Settings changed", "Limits set", "Role created", "Password reset", "Encryption key changed", "Invitation taken back"]) {
      await admin.getByText(what, { exact: true }).first().waitFor();
    }
    await button(admin, "Verify").click();
    await admin.getByText(/^All \d+ entries are as they were written/).waitFor();
    await admin.getByText("Details").first().click();
    await inspect(admin, "audit");
    const arrival = admin.waitForEvent("download");
    await admin.getByRole("link", { name: "NDJSON" }).click();
    const stream = await (await arrival).createReadStream();
    let text = "";
    for await (const part of stream) text += part;
    const entries = text.trim().split("\n").map((line) => JSON.parse(line));
    assert.ok(entries.length > 20, `${entries.length} entries`);
    for (const secret of [...Object.values(passwords), ...recovery]) assert.ok(!text.includes(secret), "a secret is in the log");
    await admin.getByRole("button", { name: /Outcome/ }).first().click();
    await admin.getByRole("radio", { name: "Refused" }).check();
    await admin.waitForURL(/outcome=DENIED/);
  });

  test("the administration speaks Spanish", async () => {
    for (const [path, heading] of [["users", "Usuarios"], ["roles", "Roles"], ["settings", "Ajustes"], ["audit", "Registro de auditoría"]]) {
      await go(admin, `/es/${path}`);
      await admin.getByRole("heading", { name: heading, level: 1 }).waitFor();
      await inspect(admin, `${path}-es`);
    }
  });

  test("nothing broke on the way", () => {
    // A sign-in that is refused and a token that no longer works answer with 200; only these may be noted.
    assert.deepEqual(broken.filter((line) => !/status of 40[13]|WebSocket/.test(line)), []);
  });
});
