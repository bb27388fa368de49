// What scripts call while they run, in the running product: each language without a network, a secret that
// nobody but the script sees, and a server that is killed while scripts count.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Product, until } from "./harness.mjs";

const product = await Product.start("runtime");
after(() => product.stop());

const SECRET = "correct horse battery";

const scripts = {
  PYTHON: `import cronium
cronium.set_variable("KEY_PYTHON", "${SECRET}".replace("correct", "Correct"), secret=True)
key = cronium.get_variable("KEY_PYTHON")
print(cronium.input()["n"], cronium.event()["eventName"], cronium.increment_variable("ALL"))
print("the key is", key, key.encode().hex())
cronium.log("used", key=key)
cronium.set_condition(True)
cronium.output({"key": key, "n": 20})
`,
  NODEJS: `const cronium = require("cronium");
(async () => {
  await cronium.setVariable("KEY_NODEJS", "${SECRET}".replace("correct", "Correct"), { secret: true });
  const key = await cronium.getVariable("KEY_NODEJS");
  console.log((await cronium.input()).n, (await cronium.event()).eventName, await cronium.incrementVariable("ALL"));
  console.log("the key is", key, Buffer.from(key).toString("hex"));
  await cronium.log("used", { key });
  await cronium.setCondition(true);
  await cronium.output({ key, n: 20 });
})();
`,
  MODULE: `import { event, getVariable, incrementVariable, input, log, output, setCondition, setVariable } from "cronium";
await setVariable("KEY_MODULE", "${SECRET}".replace("correct", "Correct"), { secret: true });
const key = await getVariable("KEY_MODULE");
console.log((await input()).n, (await event()).eventName, await incrementVariable("ALL"));
console.log("the key is", key, encodeURIComponent(key));
await log("used", { key });
await setCondition(true);
await output({ key, n: 20 });
`,
  BASH: `set -euo pipefail
words="${SECRET}"
cronium_set_variable KEY_BASH "C\${words:1}" --secret
key=$(cronium_get_variable KEY_BASH)
echo "$(cronium_input | tr -dc 0-9) $(cronium_event eventName) $(cronium_increment_variable ALL)"
echo "the key is $key $(printf %s "$key" | base64)"
cronium_log info used "{\\"key\\":\\"$key\\"}"
cronium_set_condition true
cronium_output "{\\"key\\":\\"$key\\",\\"n\\":20}"
`,
};

test("each language calls without a network, and its secret stays its own", async () => {
  let count = 0;
  for (const [name, source] of Object.entries(scripts)) {
    const type = name === "MODULE" ? "NODEJS" : name;
    const event = await product.createEvent({ name: `of ${name}`, type, source });
    const { id } = await product.run({ eventId: event.id, input: { n: 20 } });
    const job = await product.finished(id);
    const lines = job.executions[0].log.lines;
    assert.equal(job.status, "SUCCEEDED", `${name}: ${JSON.stringify(lines)}`);
    count += 1;
    const texts = lines.map((line) => line.text).sort();
    assert.deepEqual(texts, [
      `20 of ${name} ${count}`,
      'INFO used {"key":"***"}',
      "the key is *** ***",
    ].sort(), name);
    const told = await product.gql("query ($id: ID!) { job(id: $id) { output condition } }", { id });
    assert.deepEqual(told.data.job, { output: { key: "***", n: 20 }, condition: true }, name);
  }
});

test("counters are exact though the server is killed meanwhile", async () => {
  const source = `import cronium
for n in range(150):
    cronium.increment_variable("COUNTED")
    if n % 50 == 0: print("at", n, flush=True)
`;
  const event = await product.createEvent({ name: "counts", type: "PYTHON", source });
  const jobs = await Promise.all([1, 2, 3].map(() => product.run({ eventId: event.id })));
  await until("they count", async () => (await product.job(jobs[0].id)).executions[0]?.log.lines.length > 0);
  await product.crash();
  await product.restart();
  for (const { id } of jobs) {
    const job = await product.finished(id, 90);
    assert.equal(job.status, "SUCCEEDED", JSON.stringify(job));
  }
  const reader = await product.createEvent({
    name: "reads",
    type: "BASH",
    source: "cronium_get_variable COUNTED",
  });
  const job = await product.finished((await product.run({ eventId: reader.id })).id);
  assert.equal(job.executions[0].log.lines[0].text, "450");
});
