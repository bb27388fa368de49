// Terminals in a real browser, in every language: on an sshd that is really there and in a container; with programs that
// draw, much output, a network that goes away, others who watch, and recordings that are played.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { output, until } from "./harness.mjs";
import { Stage } from "./people/stage.mjs";
import { Sshd } from "./sshd.mjs";
import { Term } from "./term.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

/** A terminal signs in, and may wait for an orchestrator. */
const PATIENT = { timeout: 60_000 };
const PASSWORD = "a long first password";

const host = await Sshd.start();
const stage = await Stage.open({ name: "terminals" });
after(async () => {
  await stage.close();
  await host.stop();
});

const { product } = stage;
const ask = async (query, variables) => (await product.gql(query, variables)).data;
const mended = async (name, type, input, more = "") => {
  const data = await ask(`mutation ($i: ${type}!) { ${name}(input: $i) { ${more} userErrors { code message field } } }`, { i: input });
  assert.deepEqual(data[name].userErrors, []);
  return data[name];
};
const sessions = async () => {
  const { terminalSessions } = await ask("{ terminalSessions(first: 100) { nodes { id title status statusReason owner { name } } } }");
  return terminalSessions.nodes;
};
/** Ends all that go on, also what a test that failed has left; one may end by itself meanwhile. */
async function closeAll() {
  await until("no terminal goes on", async () => {
    const open = (await sessions()).filter(({ status }) => status !== "ENDED");
    for (const { id } of open) await ask("mutation ($i: CloseTerminalInput!) { closeTerminal(input: $i) { userErrors { code } } }", { i: { id } });
    return open.length === 0;
  });
}

/** A server that everybody may use, on the sshd. */
const register = async (name) => (await mended("createServer", "CreateServerInput", {
  name, address: host.address, port: host.port, username: host.user, privateKey: host.privateKey, hostKeyFingerprint: host.fingerprint,
  shared: true, checkIntervalSeconds: 0, tags: [], allowUnreachable: false,
}, "server { id }")).server.id;

/** Makes an account with a built-in role, and gives its id. */
async function invite(email, name, role) {
  const { roles } = await ask("{ roles { id name } }");
  const roleId = roles.find((one) => one.name === role).id;
  const { invitation } = await mended("inviteUser", "InviteUserInput", { email, name, roleId }, "invitation { url }");
  const token = new URL(invitation.url).searchParams.get("token");
  await mended("signUp", "SignUpInput", { token, name, password: PASSWORD });
  const { users } = await ask("query ($t: String) { users(first: 5, filter: { text: $t }) { nodes { id email } } }", { t: email });
  return users.nodes.find((user) => user.email === email).id;
}

/** What the newest terminal has said, as it is recorded. */
async function recorded() {
  const { terminalSessions } = await ask("{ terminalSessions(first: 1) { nodes { recordingPath } } }");
  const [{ recordingPath }] = terminalSessions.nodes;
  const headers = { authorization: `Bearer ${product.token}` };
  const answer = await fetch(`${product.url}${recordingPath}`, { headers });
  assert.equal(answer.status, 200);
  const [, ...events] = (await answer.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
  return events.filter(([, kind]) => kind === "o").map(([, , text]) => text).join("");
}

/** The server's memory, in bytes. */
async function memory() {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${product.child.pid}/status`, "utf8"));
  return Number(kib) * 1024;
}

for (const language of LANGUAGES) {
  describe(`terminals, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    const name = `web-${language}`;
    let admin, guest, server, guestId;

    const says = (key, who = admin) => who.page.locator(".term-foot").getByText(t(key), { exact: true }).waitFor(PATIENT);
    const notice = (who = admin) => who.page.locator(".term-notice");
    const tabs = () => admin.page.getByRole("tab");
    const shown = async (who = admin) => {
      const text = await who.page.locator(".term-foot .num").last().innerText();
      return text.split(" × ").map(Number);
    };
    const clipboard = (who) => who.page.evaluate(() => navigator.clipboard.readText());

    /** What is in view now, in both themes; of another size, programs would draw anew. */
    async function picture(of) {
      for (const colorScheme of ["light", "dark"]) {
        await admin.page.emulateMedia({ colorScheme });
        await admin.page.screenshot({ path: join(output, `${of}-${language}-${colorScheme}.png`), animations: "disabled" });
      }
      await admin.page.emulateMedia({ colorScheme: "light" });
    }

    /** Waits until a terminal can be typed into, and makes its shell plain. */
    async function typeable(who = admin) {
      await says("terminals.connected", who);
      const found = new Term(who.page);
      await until("the terminal has the focus", () => found.hasFocus());
      await found.begin();
      return found;
    }

    /** Opens a terminal by the button of the server's page; the browser forgets those that it had. */
    async function open(who = admin) {
      await who.visit(`servers/${encodeURIComponent(server)}`);
      await who.button("terminals.button").click();
      await who.page.waitForURL(/\/terminals\?/);
      return typeable(who);
    }

    /** The beginning of a test: one terminal, and nothing that others have left. */
    async function alone() {
      await closeAll();
      return open();
    }

    /** Somebody else, who may open terminals. */
    async function another() {
      if (guest) return guest;
      const email = `terminals-${language}@example.org`;
      guestId ??= await invite(email, "Ana", "OPERATOR");
      const person = await stage.person("terminals-guest", t);
      await person.enter(email, PASSWORD);
      await person.signedIn();
      guest = person;
      return guest;
    }

    /** Closes the terminal in view. */
    async function close(who = admin) {
      await who.button("terminals.close").click();
      await who.button("terminals.close", who.dialog).click();
      await who.dialog.waitFor({ state: "detached" });
    }

    before(async () => {
      server = await register(name);
      admin = await stage.person("terminals-admin", t);
      await admin.page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
      await admin.enter(product.email, product.password);
      await admin.signedIn();
    });
    after(closeAll);

    test("nothing is open, and the page says what to do", async () => {
      await closeAll();
      await admin.visit("");
      await admin.signedIn();
      await admin.open("nav.terminals");
      await admin.text(t("terminals.none")).waitFor();
      await admin.inspect("terminals-none");
    });

    test("a terminal is opened from the server's page, and has the size that there is room for", async () => {
      const term = await alone();
      await tabs().filter({ hasText: name }).waitFor();
      assert.equal(await term.ask("whoami"), host.user);
      const fitted = await term.size();
      assert.deepEqual(await shown(), [fitted.columns, fitted.rows]);
      assert.equal((await term.rows()).length, fitted.rows);
      assert.ok(fitted.columns > 100 && fitted.rows > 30, JSON.stringify(fitted));
      await admin.inspect("terminal");
    });

    test("what is typed is shown, lines are read, and a key interrupts", async () => {
      const term = await alone();
      await term.run("echo shown-$((1+1))");
      await term.shows(/^\$ echo shown-\$\(\(1\+1\)\)$/);
      await term.shows(/^shown-2$/);
      await term.prompt();
      await term.run("printf 'who?'; read -r line; echo \"got $line.\"");
      await term.shows(/^who\?$/);
      await term.run("Ana");
      await term.shows(/^who\?Ana$/);
      await term.shows(/^got Ana\.$/);
      await term.prompt();
      await term.run("echo going; sleep 300");
      await term.shows(/^going$/);
      await admin.page.keyboard.press("Control+C");
      await term.prompt();
      assert.equal(await term.ask("echo $?"), "130", "interrupted");
    });

    test("a window of another size reaches the programs", async () => {
      const term = await alone();
      const before = await term.size();
      try {
        await admin.page.setViewportSize({ width: 1100, height: 700 });
        await until("it has fewer lines", async () => (await shown())[1] < before.rows);
        const after = await term.size();
        assert.ok(after.columns < before.columns && after.rows < before.rows, JSON.stringify({ before, after }));
        assert.deepEqual(await shown(), [after.columns, after.rows]);
      } finally {
        await admin.page.setViewportSize({ width: 1440, height: 900 });
      }
      await until("it has its lines back", async () => (await shown())[1] === before.rows);
      assert.deepEqual(await term.size(), before);
    });

    test("on a phone every tool that matters is there, and the tab in view is in sight", async () => {
      const { dialog, page } = admin;
      const term = await alone();
      try {
        await page.setViewportSize({ width: 390, height: 844 });
        const reader = admin.button("terminals.reader");
        for (const on of ["true", "false"]) {
          await reader.click();
          await until("it hears what is shown, or not", async () => (await reader.getAttribute("aria-pressed")) === on);
        }
        await admin.button("terminals.open_one").click();
        await dialog.getByRole("button", { name: new RegExp(`^${name}`) }).click();
        await until("there are two", async () => (await tabs().count()) === 2);
        await until("the second one is in sight", () => tabs().last().evaluate((tab) => {
          const [at, around] = [tab, tab.parentElement].map((one) => one.getBoundingClientRect());
          return tab.ariaSelected === "true" && at.left > around.left - 1 && at.right < around.right + 1;
        }));
        await typeable();
        await page.keyboard.type("echo ab");
        await admin.button("terminals.key_left").click();
        await page.keyboard.type("-");
        await page.keyboard.press("Enter");
        await term.shows(/^a-b$/);
        const narrow = await term.size();
        assert.ok(narrow.columns < 60, JSON.stringify(narrow));
        assert.deepEqual(await shown(), [narrow.columns, narrow.rows]);
        await picture("terminal-phone");
      } finally {
        await page.setViewportSize({ width: 1440, height: 900 });
      }
    });

    test("an editor draws, writes a file on the host, and leaves", async () => {
      const { keyboard } = admin.page;
      const term = await alone();
      const path = join(host.dir, `letter-${language}`);
      // The same on every machine: no settings of its own, and in English.
      await term.run(`LC_ALL=C.UTF-8 vim -u NONE -N -i NONE ${path}`);
      await term.shows(/^~$/);
      await term.shows(new RegExp(`letter-${language}" \\[New`));
      await keyboard.type("i");
      await term.shows(/^-- INSERT --/);
      await keyboard.type("one año\nand two");
      await term.shows(/^one año$/);
      await term.shows(/^and two$/);
      await picture("terminal-vim");
      await keyboard.press("Escape");
      await term.hides(/^-- INSERT --/);
      await term.run(":w");
      await term.shows(/ written$/);
      await term.run(":q");
      await term.prompt();
      await term.hides(/^~$/);
      assert.equal(await term.ask("echo back"), "back");
      assert.equal(await readFile(path, "utf8"), "one año\nand two\n");
    });

    test("a program that draws anew by itself shows, and ends at a key", async () => {
      const term = await alone();
      await term.run("LC_ALL=C top -d 1");
      const [, first] = await term.shows(/^top - (\S+) .*load average/);
      await term.shown("a later time", (rows) => {
        const time = rows.map((row) => /^top - (\S+) /.exec(row)?.[1]).find(Boolean);
        return time && time !== first;
      });
      await picture("terminal-top");
      await admin.page.keyboard.press("q");
      await term.prompt();
      assert.equal(await term.ask("echo back"), "back");
    });

    test("what a program asks of the clipboard is not done, and what somebody pastes is only text", async () => {
      const term = await alone();
      await admin.page.evaluate(() => navigator.clipboard.writeText("mine"));
      // The bracket as a number: what is typed is shown too, and is not what the program says.
      await term.run("printf '\\033\\13552;c;%s\\a' \"$(printf stolen | base64)\"");
      assert.equal(await term.ask("echo asked"), "asked");
      assert.equal(await clipboard(admin), "mine");
      const recording = await recorded();
      assert.match(recording, /a\d+:asked:z/);
      assert.ok(!recording.includes("]52;"), "no player does it either");
      await term.prompt();
      await admin.page.evaluate(() => navigator.clipboard.writeText("echo 'pas\u001b[201~ted'"));
      await admin.button("terminals.paste").click();
      await term.shows(/^\$ echo 'pas\[201~ted'$/);
      await term.use();
      await admin.page.keyboard.press("Enter");
      await term.shows(/^pas\[201~ted$/);
      await admin.button("terminals.copy").click();
      await admin.toast(t("copy.done"));
      assert.match(await clipboard(admin), /^pas\[201~ted$/m);
    });

    test("the keyboard gets into the terminal and out of it", async () => {
      const { keys, page } = admin;
      const term = await alone();
      for (const key of ["Tab", "Shift+Tab", "Escape", "Control+K"]) await keys.press(key);
      assert.ok(await term.hasFocus(), "these are the terminal's");
      assert.equal(await page.getByRole("dialog").count(), 0);
      const hint = await page.evaluate(() => document.getElementById(document.activeElement.getAttribute("aria-describedby")).textContent);
      assert.equal(hint, t("terminals.hint"));
      await keys.press("Control+Shift+X");
      await until("the focus is at the tools", async () => (await keys.at()).includes(t("terminals.tools")));
      await keys.reach(tabs().first());
      await keys.press("Enter");
      await until("the terminal has the focus again", () => term.hasFocus());
    });

    test("by the keyboard, another one is opened, and the tabs are turned", async () => {
      const { dialog, keys, page } = admin;
      const term = await alone();
      await term.leave();
      await keys.activate(page.getByRole("button", { name: t("terminals.open_one"), exact: true }));
      await keys.type(dialog.getByRole("searchbox", { name: t("terminals.search") }), name);
      await admin.inspect("terminal-picker");
      await keys.activate(dialog.getByRole("button", { name: new RegExp(`^${name}`) }));
      await until("there are two", async () => (await tabs().count()) === 2);
      await typeable();
      await term.run("echo the-$((1+1))nd");
      await term.shows(/^the-2nd$/);
      await term.leave();
      await keys.reach(page.locator("[role=tab][aria-selected=true]"));
      await keys.press("ArrowLeft");
      await term.hides(/^the-2nd$/);
      await keys.press("Enter");
      await until("the first one has the focus", () => term.hasFocus());
      assert.equal(await term.ask("echo first"), "first");
      await term.leave();
      await keys.reach(page.locator("[role=tab][aria-selected=true]"));
      await keys.press("ArrowRight");
      await term.shows(/^the-2nd$/);
      await close();
      await until("one is left", async () => (await tabs().count()) === 1);
    });

    test("it goes on while another page is looked at, and after a reload", async () => {
      const term = await alone();
      // Two questions to the terminal, and what it replies: that is not to be typed again when they are drawn again.
      await term.run("printf '\\033[6n\\033[c'; IFS= read -rsd c reply; echo before-$((1+1))");
      await term.shows(/^before-2$/);
      await term.leave();
      await admin.open("nav.servers");
      await admin.open("nav.terminals");
      await term.shows(/^before-2$/);
      await admin.page.reload();
      await says("terminals.connected");
      await term.shows(/^before-2$/);
      await term.prompt();
      await term.use();
      assert.equal(await term.ask("echo after"), "after", "nothing was typed that was not meant");
      await term.shows(/^\$ echo "a\S+ after\):z"$/);
      await term.prompt();
    });

    test("of two windows the one used last replies to programs and gives the size, and no key is lost", async () => {
      const term = await alone();
      const { columns, rows } = await term.size();
      const size = [columns, rows];
      assert.deepEqual(await shown(), size);
      const other = { page: await admin.page.context().newPage() };
      try {
        other.page.on("pageerror", (error) => stage.broken.push(`page: ${error.message}`));
        const sent = [];
        other.page.on("request", (request) => {
          if (request.postData()?.includes("SendTerminalInput")) sent.push(request.postData());
        });
        await other.page.setViewportSize({ width: 1000, height: 640 });
        await other.page.goto(admin.page.url());
        await says("terminals.connected", other);
        const second = new Term(other.page);
        await second.prompt();
        const question = (number) => `printf '\\033[6n'; IFS= read -rsd R reply; echo replied-$((${number}+0))`;
        for (const number of [1, 2]) {
          await term.run(question(number));
          for (const one of [term, second]) await one.shows(new RegExp(`^replied-${number}$`));
          assert.equal(await term.ask(`echo first-${number}`), `first-${number}`);
        }
        assert.deepEqual(sent, [], "nobody has used the other window");

        await second.use();
        await until("the other window gives the size", async () => (await shown(other))[0] < columns);
        assert.equal(await second.ask("echo second"), "second");
        const smaller = await second.size();
        assert.deepEqual(await shown(other), [smaller.columns, smaller.rows]);
        await until("the first window knows it", async () => (await shown())[0] === smaller.columns);
        await second.run(question(3));
        for (const one of [term, second]) await one.shows(/^replied-3$/);
        assert.equal(await second.ask("echo third"), "third");

        await term.leave();
        await term.use();
        await until("the first window has its size back", async () => (await shown()).join() === size.join());
        assert.equal(await term.ask("echo back"), "back");
        const back = await term.size();
        assert.deepEqual([back.columns, back.rows], size);
      } finally {
        await other.page.close();
      }
      assert.equal(await term.ask("echo alone"), "alone");
    });

    test("one too many is refused where it was asked for", async () => {
      const { dialog } = admin;
      await alone();
      // Five of one person is the limit.
      for (let more = 0; more < 4; more += 1) await mended("openTerminal", "OpenTerminalInput", { serverId: server });
      await admin.button("terminals.open_one").click();
      await dialog.getByRole("button", { name: new RegExp(`^${name}`) }).click();
      await dialog.getByRole("alert").filter({ hasText: t("terminals.refused.limit") }).waitFor();
      await admin.reads("a refused terminal");
      await admin.button("dialog.cancel", dialog).click();
      await dialog.waitFor({ state: "detached" });
    });

    test("somebody else watches, and only reads", async () => {
      const term = await alone();
      await term.run("echo before-$((1+1))");
      await term.shows(/^before-2$/);
      await another();
      await guest.open("nav.terminals");
      await guest.keys.activate(guest.link("terminals.view_all"));
      await guest.inspect("terminals-all");
      const going = guest.page.getByRole("row").filter({ has: guest.page.getByText(t("terminals.open"), { exact: true }) });
      await guest.keys.activate(going.getByRole("link", { name, exact: true }));
      await guest.text(t("terminals.read_only")).waitFor();
      const seen = new Term(guest.page);
      await seen.shows(/^before-2$/);
      assert.equal(await guest.button("terminals.paste").count(), 0);
      await seen.use();
      await seen.run("echo intruder");
      await term.run("echo from-$((1+1))");
      await seen.shows(/^from-2$/);
      for (const one of [seen, term]) assert.ok(!(await one.rows()).some((row) => row.includes("intruder")));
      await guest.inspect("terminal-watched");
    });

    test("who may not open terminals any more loses those that are open", async () => {
      await closeAll();
      const theirs = await open(await another());
      assert.equal(await theirs.ask("echo theirs"), "theirs");
      await mended("updateUser", "UpdateUserInput", { id: guestId, role: "VIEWER" });
      const lost = (one) => one.title === name && one.owner.name === "Ana" && one.status === "ENDED";
      const ended = await until("it has ended", async () => (await sessions()).find(lost));
      assert.match(ended.statusReason, /may not do that any more/);
      const told = [t("terminals.gone_now"), t("terminals.not_yours"), t("terminals.ended")];
      await until("the page says so", async () => {
        const text = await guest.page.locator("#content").innerText();
        return told.some((words) => text.includes(words));
      });
      await guest.leaveBrowser();
    });

    test("what has ended says why, is played, and is downloaded", async () => {
      const { keys, page } = admin;
      const term = await alone();
      await term.run("sleep 3; echo last-$((1+1)); sleep 3; exit 3");
      await notice().getByText(t("terminals.ended"), { exact: true }).waitFor(PATIENT);
      await notice().getByText("The shell ended with exit status 3.").waitFor();
      await admin.inspect("terminal-ended");
      await term.leave();
      await keys.activate(admin.button("terminals.recording", notice()));
      await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
      await page.getByText(t("terminals.exit", { code: 3 }), { exact: true }).waitFor();
      const seek = page.getByRole("slider", { name: t("terminals.seek") });
      await seek.focus();
      await keys.press("End");
      await term.shows(/^last-2$/);
      await admin.button("terminals.play").waitFor();
      await keys.press("Home");
      await until("it is at the beginning", async () => !(await term.rows()).includes("last-2"));
      await admin.button("terminals.play").click();
      await admin.button("terminals.pause").click();
      await page.getByRole("button", { name: "4×", exact: true }).click();
      const place = Number(await seek.inputValue());
      await seek.focus();
      await keys.press("ArrowRight");
      await until("an arrow key leaps", async () => Number(await seek.inputValue()) > place + 1);
      await keys.press("Space");
      await term.shows(/^last-2$/, 60);
      await admin.inspect("terminal-recording");

      const href = await admin.link("terminals.download").getAttribute("href");
      const answer = await page.request.get(`${product.url}${href}`);
      assert.equal(answer.status(), 200);
      const [head, ...events] = (await answer.text()).trimEnd().split("\n").map((line) => JSON.parse(line));
      assert.equal(head.version, 2);
      assert.ok(head.width > 0 && head.height > 0 && head.timestamp > 1_500_000_000, JSON.stringify(head));
      assert.ok(events.every(([at, kind, text]) => typeof at === "number" && ["o", "r"].includes(kind) && typeof text === "string"));
      assert.ok(events.every(([at], n) => n === 0 || at >= events[n - 1][0]), "in the order of time");
      assert.match(events.filter(([, kind]) => kind === "o").map(([, , text]) => text).join(""), /last-2\r\n/);
    });

    test("a run in a container has a terminal as long as it goes on", async () => {
      await closeAll();
      const event = await product.createEvent({ name: `Stays-${language}`, type: "BASH", source: "echo here; sleep 300" });
      const job = await product.run({ eventId: event.id });
      await admin.visit(`runs/${encodeURIComponent(job.id)}`);
      await admin.button("terminals.button").click(PATIENT);
      await admin.page.waitForURL(/\/terminals\?/);
      await says("terminals.connected");
      const term = new Term(admin.page);
      await until("it has the focus", () => term.hasFocus());
      assert.equal(await term.ask("cat /proc/[0-9]*/comm 2>/dev/null | grep -cx sleep", 60), "1", "it is beside what runs");
      const size = await term.size();
      assert.deepEqual(await shown(), [size.columns, size.rows]);
      await mended("cancelJob", "CancelJobInput", { id: job.id });
      await notice().getByText(t("terminals.ended"), { exact: true }).waitFor(PATIENT);
      assert.equal((await sessions())[0].status, "ENDED", "the newest one");
      await admin.button("terminals.close").click();
      await admin.text(t("terminals.none")).waitFor();
    });

    test("shortcuts and the palette lead there, and a terminal that has ended is opened again", async () => {
      const { keys, page } = admin;
      const elsewhere = async () => {
        await admin.visit("");
        await admin.signedIn();
        await page.getByRole("heading", { level: 1 }).first().waitFor();
      };
      await closeAll();
      await elsewhere();
      await keys.press("g");
      await keys.press("t");
      await page.waitForURL(/\/terminals/);
      await elsewhere();
      await keys.press("Control+K");
      await page.getByRole("combobox", { name: t("palette.open") }).fill(t("nav.terminals"));
      await page.getByRole("option", { name: t("nav.terminals") }).waitFor();
      await keys.press("Enter");
      await page.waitForURL(/\/terminals/);
      const term = await open();
      await term.run("exit");
      await notice().getByText(t("terminals.ended"), { exact: true }).waitFor(PATIENT);
      await admin.button("terminals.again").click();
      const next = async () => (await notice().count()) === 0 && (await tabs().count()) === 1;
      await until("the next one is there at once", next, 5);
      await typeable();
      assert.equal(await term.ask("echo again"), "again");
      await close();
      await admin.leaveBrowser();
    });
  });
}

describe("a terminal under load", { concurrency: false }, () => {
  const t = speaker("en");
  let admin, term, cut;

  const says = (key) => admin.page.locator(".term-foot").getByText(t(key), { exact: true }).waitFor(PATIENT);
  const open = async (server) => {
    await closeAll();
    await admin.visit(`servers/${encodeURIComponent(server)}`);
    await admin.button("terminals.button").click();
    await says("terminals.connected");
    term = new Term(admin.page);
    await until("the terminal has the focus", () => term.hasFocus());
    await term.begin();
  };
  after(closeAll);

  test("fifty megabytes neither freeze the page nor fill the server, and nothing of them is lost", { timeout: 300_000 }, async () => {
    admin = await stage.person("terminals-load", t);
    await admin.enter(product.email, product.password);
    await admin.signedIn();
    await open(await register("much"));
    assert.equal(await term.ask("echo ready"), "ready");
    await admin.page.evaluate(() => {
      const watched = { longest: 0, frames: 0, on: true };
      globalThis.watched = watched;
      let last = performance.now();
      const frame = () => {
        const now = performance.now();
        watched.longest = Math.max(watched.longest, now - last);
        watched.frames += 1;
        last = now;
        if (watched.on) requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
    });
    const before = await memory();
    let most = before;
    await term.run("head -c 50000000 /dev/zero | tr '\\0' x; echo; echo much-$((40+2))");
    await until("all of it came", async () => {
      most = Math.max(most, await memory());
      return (await term.rows()).includes("much-42");
    }, 240);
    const { longest, frames } = await admin.page.evaluate(() => {
      globalThis.watched.on = false;
      return globalThis.watched;
    });
    assert.ok(longest < 1_000, `the page stood still for ${longest} ms`);
    assert.ok(frames > 60, `only ${frames} frames were drawn`);
    assert.ok(most - before < 150 << 20, `the server grew by ${(most - before) >> 20} MiB`);
    assert.equal(await term.ask("echo still here"), "still here");
    assert.equal(await admin.page.getByText(t("terminals.missing"), { exact: true }).count(), 0);
    await admin.leaveBrowser();
  });

  test("what is typed while all that was shown before is drawn again arrives", { timeout: 180_000 }, async () => {
    admin = await stage.person("terminals-again", t);
    const { page } = admin;
    let holding = false;
    const held = [];
    await page.routeWebSocket("**/graphql/ws", (socket) => {
      // What was held back of the page before is nobody's any more.
      held.length = 0;
      const server = socket.connectToServer();
      server.onMessage((message) => {
        if (holding && message.includes("terminalOutput")) held.push(() => socket.send(message));
        else socket.send(message);
      });
    });
    await admin.enter(product.email, product.password);
    await admin.signedIn();
    await open(await register("again"));
    await term.run("seq -f '%0100.0f' 1 40000; echo all-$((1+1))");
    await term.shows(/^all-2$/, 120);
    await term.prompt();
    holding = true;
    await page.reload();
    await says("terminals.connected");
    await term.use();
    await until("the terminal has the focus", () => term.hasFocus());
    // A slow machine, so that drawing takes longer than typing.
    const machine = await page.context().newCDPSession(page);
    await machine.send("Emulation.setCPUThrottlingRate", { rate: 20 });
    holding = false;
    for (const send of held) send();
    await term.shows(/^0\d{99}$/);
    assert.ok(!(await term.rows()).includes("all-2"), "it is still being drawn");
    await page.keyboard.type("echo typed-$((1+1))\n");
    await machine.send("Emulation.setCPUThrottlingRate", { rate: 1 });
    await term.shows(/^all-2$/, 60);
    await term.shows(/^typed-2$/, 60);
    await term.prompt();
    await admin.leaveBrowser();
  });

  test("a network that is gone for twenty seconds loses and doubles nothing", { timeout: 180_000 }, async () => {
    const LINES = 450;
    admin = await stage.person("terminals-away", t);
    const { page } = admin;
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    let away = false;
    await page.routeWebSocket("**/graphql/ws", (socket) => {
      if (away) {
        socket.close();
        return;
      }
      const server = socket.connectToServer();
      cut = () => Promise.all([socket.close(), server.close()]);
    });
    await admin.enter(product.email, product.password);
    await admin.signedIn();
    await open(await register("away"));
    // Without an echo: what is typed meanwhile would stand among the lines.
    await term.run(`stty -echo; for i in $(seq 1 ${LINES}); do echo "line $i"; sleep 0.1; done; stty echo; echo all-$((1+1))`);
    await term.shows(/^line 20$/);
    away = true;
    await page.context().setOffline(true);
    await cut();
    await says("terminals.down");
    await page.locator(".term-foot").getByText(t.like("terminals.kept")).waitFor();
    // What is typed meanwhile is typed once, when it is possible again.
    await page.keyboard.type("echo typed-$((1+1))\n");
    // So long the network is away: that is what is tested.
    await new Promise((back) => setTimeout(back, 20_000));
    away = false;
    await page.context().setOffline(false);
    await says("terminals.connected");
    await term.shows(/^all-2$/, 60);
    await term.shows(/^typed-2$/);
    await admin.button("terminals.copy").click();
    await admin.toast(t("copy.done"));
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    const lines = copied.split("\n").filter((line) => /^line \d+$/.test(line));
    assert.deepEqual(lines, Array.from({ length: LINES }, (_, at) => `line ${at + 1}`));
    assert.equal(copied.split("\n").filter((line) => line === "typed-2").length, 1);
    await admin.leaveBrowser();
  });
});

test("nothing broke on the way", () => {
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket|ERR_INTERNET_DISCONNECTED/.test(line)), []);
});
