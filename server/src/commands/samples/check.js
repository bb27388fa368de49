// Checks a list of settings and fails with exit code 3 when one is missing: see how a failure looks.
const settings = { region: "eu-west", retries: 3, endpoint: null };

const missing = [];
for (const [name, value] of Object.entries(settings)) {
  if (value === null) {
    missing.push(name);
    console.error(`\x1b[31m✗\x1b[0m ${name} is not set`);
  } else {
    console.log(`\x1b[32m✓\x1b[0m ${name} = ${value}`);
  }
}

if (missing.length > 0) {
  console.error(`Set ${missing.join(", ")} and run this again.`);
  process.exit(3);
}
