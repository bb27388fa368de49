// What the flows of people stand on: the product, a browser and a mail server.
import assert from "node:assert/strict";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";
import { Product, launchBrowser, output, until } from "../harness.mjs";
import { Person } from "../person.mjs";

/** One product for all languages. `name` is that of its log, `env` what it is started with besides. */
export class Stage {
  mails = [];
  broken = [];
  persons = new Set();

  static async open({ name = "people", env = {} } = {}) {
    const stage = new Stage();
    stage.smtp = new SMTPServer({
      authOptional: true,
      disabledCommands: ["STARTTLS", "AUTH"],
      onData(stream, session, done) {
        const parts = [];
        stream.on("data", (part) => parts.push(part));
        stream.on("end", () => {
          const text = Buffer.concat(parts).toString().replace(/=\r\n/g, "").replace(/=3D/g, "=");
          stage.mails.push({ to: session.envelope.rcptTo[0].address, text });
          done();
        });
      },
    });
    await new Promise((listening) => stage.smtp.listen(0, "127.0.0.1", listening));
    stage.product = await Product.start(name, env);
    // The name that the first administrator is given is English; a person has one of their own.
    const { data } = await stage.product.gql('mutation { updateProfile(input: { name: "Marta" }) { userErrors { message } } }');
    assert.deepEqual(data.updateProfile.userErrors, []);
    stage.browser = await launchBrowser();
    return stage;
  }

  get smtpPort() {
    return this.smtp.server.address().port;
  }

  async close() {
    for (const person of this.persons) await person.page.screenshot({ path: join(output, `people-last-${person.name}.png`) }).catch(() => {});
    await this.browser.close();
    await this.product.stop();
    await new Promise((closed) => this.smtp.close(closed));
  }

  person(name, t) {
    return Person.enterBrowser(this, name, t);
  }

  /** The path of the newest link that was mailed to somebody. */
  mailed(to, path) {
    return until(`a mail with ${path} reaches ${to}`, () => {
      const found = this.mails.filter((mail) => mail.to === to).map((mail) => new RegExp(`https?://[^/\\s]+(/[a-z]{2}/${path}\\?token=\\S+)`).exec(mail.text)?.[1]);
      return found.filter(Boolean).at(-1);
    });
  }
}
