// People in a real browser, in every language and by the keyboard alone: invited, signed up, with a second factor,
// limited, disabled; and the log of all of it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { account } from "./people/account.mjs";
import { administration } from "./people/administration.mjs";
import { arrival } from "./people/arrival.mjs";
import { Stage } from "./people/stage.mjs";
import { LANGUAGES, speaker } from "./texts.mjs";

const stage = await Stage.open();
after(() => stage.close());

for (const language of LANGUAGES) {
  describe(`people, in ${language}`, { concurrency: false }, () => {
    const t = speaker(language);
    const address = (name) => `${name}-${language}@example.org`;
    const of = {
      product: stage.product, stage, t,
      invited: address("ana"), other: address("bea"), newcomer: address("luis"), role: { en: "Reporter", es: "Informes" }[language],
      // The present one stands first.
      passwords: ["a long first password"],
    };

    before(async () => {
      of.admin = await stage.person("admin", t);
      of.guest = await stage.person("guest", t);
      const { data } = await stage.product.gql("mutation { updateSettings(input: { registration: INVITE_ONLY, smtp: null }) { userErrors { message } } }");
      assert.deepEqual(data.updateSettings.userErrors, []);
    });

    arrival(of);
    account(of);
    administration(of);
  });
}

test("nothing broke on the way", () => {
  // A sign-in that is refused and a token that no longer works answer with 200; only these may be noted.
  assert.deepEqual(stage.broken.filter((line) => !/status of 40[13]|WebSocket/.test(line)), []);
});
