// The scripts that run while things break, and what each must have printed. Pure.
//
// Each start draws a word of its own, and says it in every line: lines of two starts can't pass for one.

/** `share`: of all jobs. `lines`: between the first and the last. `code`: of its exit. */
export const KINDS = {
  quick: { share: 36, lines: 3 },
  naps: { share: 20, lines: 12, pause: 0.15 },
  sleeps: { share: 8, lines: 2, pause: 1.2 },
  "prints 400 lines": { share: 8, lines: 400, language: "PYTHON" },
  "prints 4000 lines": { share: 4, lines: 4000, language: "PYTHON" },
  "fails with 3": { share: 7, lines: 5, code: 3 },
  "fails with 200": { share: 3, lines: 40, pause: 0.02, code: 200 },
  "is cancelled": { share: 5, lines: 300, pause: 0.2, cancelled: true },
  "is cancelled and heeds no TERM": { share: 1, lines: 300, pause: 0.2, cancelled: true, deaf: true },
  "times out": { share: 2, lines: 300, pause: 0.2, timeout: "PT2S" },
  "tells the ledger": { share: 6, lines: 10, pause: 0.1, ledger: true },
};

function bash({ lines, pause, code = 0, deaf, ledger }, address) {
  return [
    "read -r word </proc/sys/kernel/random/uuid",
    deaf ? "trap '' TERM" : "",
    ledger ? `tell() {
  for try in {1..100}; do
    if exec 3<>/dev/tcp/${address.host}/${address.port} && echo "$1 $CRONIUM_EXECUTION_ID $CRONIUM_JOB_ID $CRONIUM_ATTEMPT $word" >&3 &&
      read -r answer <&3 && [ "$answer" = ok ]; then return; fi
    sleep 0.1
  done 2>/dev/null
  echo "the ledger does not answer"; exit 97
}
tell begin` : "",
    'echo "begin $CRONIUM_EXECUTION_ID $CRONIUM_JOB_ID $CRONIUM_ATTEMPT $word"',
    `for ((n = 1; n <= ${lines}; n++)); do echo "$n $word"; ${pause ? `sleep ${pause};` : ""} done`,
    ledger ? "tell end" : "",
    'echo "end $word"',
    `exit ${code}`,
  ].filter(Boolean).join("\n");
}

const python = ({ lines, code = 0 }) => `import os, sys, uuid
word = uuid.uuid4()
say = lambda text: sys.stdout.write(f"{text} {word}\\n")
say("begin " + " ".join(os.environ["CRONIUM_" + name] for name in ("EXECUTION_ID", "JOB_ID", "ATTEMPT")))
for n in range(1, ${lines + 1}):
    say(n)
say("end")
sys.exit(${code})
`;

/** The event of this kind, as createEvent takes it. */
export function event(name, address) {
  const kind = KINDS[name];
  return {
    name,
    type: kind.language ?? "BASH",
    source: kind.language ? python(kind) : bash(kind, address),
    target: { container: { memoryBytes: 128 * 1024 * 1024, ...(kind.ledger ? { network: "BRIDGE" } : {}) } },
    ...(kind.timeout ? { timeout: kind.timeout } : {}),
  };
}

/** Names of kinds, each as often as its share. */
export const deck = Object.entries(KINDS).flatMap(([name, { share }]) => Array(share).fill(name));

/** All lines of one start, given the word that it drew. */
export function printed(name, { execution, job, attempt }, word) {
  const lines = Array.from({ length: KINDS[name].lines }, (_, n) => `${n + 1} ${word}`);
  return [`begin ${execution} ${job} ${attempt} ${word}`, ...lines, `end ${word}`];
}
