// A terminal on a page, as somebody sees it: the lines in view, and what is typed into it. Knows the markup of the library
// that draws it; knows nothing of the product.
import { until } from "./harness.mjs";

/** Of the whole process: several may show one shell, and its screen has the answers of all. */
let asked = 0;

export class Term {
  constructor(page) {
    this.page = page;
  }

  get pane() {
    return this.page.locator(".term-pane");
  }

  /** The lines in view. */
  rows() {
    return this.page.evaluate(() => {
      const rows = [...document.querySelectorAll(".term-pane .xterm-rows > div")];
      return rows.map((row) => row.textContent.replaceAll("\u00a0", " ").trimEnd());
    });
  }

  /** Waits until the lines in view, up to the last that is not empty, are what they should be; gives what says so. */
  async shown(what, check, seconds = 30) {
    let text = "";
    try {
      return await until(`the terminal shows ${what}`, async () => {
        text = (await this.rows()).join("\n").trimEnd();
        return check(text.split("\n"));
      }, seconds);
    } catch (error) {
      throw new Error(`${error.message}\n--- it shows\n${text}`);
    }
  }

  /** Waits until a line in view matches, and gives what was found. */
  shows(pattern, seconds) {
    return this.shown(pattern, (rows) => rows.map((row) => pattern.exec(row)).find(Boolean), seconds);
  }

  /** Gives it the focus. */
  use() {
    return this.pane.locator(".xterm-screen").click();
  }

  hasFocus() {
    return this.page.evaluate(() => Boolean(document.activeElement?.closest(".term-pane")));
  }

  /** Takes the focus out of it, by its key, if it has it: inside, Tab is the terminal's. */
  async leave() {
    if (await this.hasFocus()) await this.page.keyboard.press("Control+Shift+X");
    await until("the focus is outside the terminal", async () => !(await this.hasFocus()));
  }

  /** Makes every shell the same: whatever the host greets with, its prompt is `$`, on an empty screen. */
  async begin() {
    const plain = ["set -o emacs", "unset HISTFILE PROMPT_COMMAND", "PS1='$ '", "cd"];
    await this.run(`${plain.join("; ")}; printf '\\033[H\\033[2J\\033[3J'`);
    await this.shown("an empty screen with a prompt", (rows) => rows.length === 1 && rows[0] === "$");
  }

  /** Waits until the shell asks for the next command: its prompt is the last that is in view. */
  prompt(seconds) {
    return this.shown("a prompt", (rows) => rows.at(-1) === "$", seconds);
  }

  /** Waits until no line in view matches. */
  hides(pattern, seconds) {
    return this.shown(`no ${pattern}`, (rows) => !rows.some((row) => pattern.test(row)), seconds);
  }

  async run(command) {
    await this.page.keyboard.type(command);
    await this.page.keyboard.press("Enter");
  }

  /** What a command says in one line. What is typed is not what it is asked for, so its echo is not taken for the answer. */
  async ask(command, seconds) {
    asked += 1;
    await this.run(`echo "a$((${asked}+0)):$(${command}):z"`);
    const [, said] = await this.shows(new RegExp(`^a${asked}:(.*):z$`), seconds);
    return said;
  }

  /** Lines and characters a line, as the program there knows them. */
  async size() {
    const [rows, columns] = (await this.ask("stty size")).split(" ").map(Number);
    return { rows, columns };
  }
}
