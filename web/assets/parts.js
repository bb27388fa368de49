// Fetches parts of the program when they are first needed. The build adds, at the end, one loader for each part under
// the name that the main module imports; see pages/parts.rs.
import { initSync } from './cronium.js';

const shared = {};

async function fetchPart(file, needs) {
  await Promise.all(needs.map((need) => need()));
  // Already initialised: this gives the exports of the main module.
  const main = initSync(undefined, undefined);
  const imports = { ...main, ...shared };
  const { instance } = await WebAssembly.instantiateStreaming(fetch(new URL(file, import.meta.url)), {
    env: { memory: main.memory },
    __wasm_split: imports,
  });
  Object.assign(shared, instance.exports);
}

function part(file, needs) {
  let arrival;
  return (callback, data) => {
    arrival ??= fetchPart(file, needs);
    const told = arrival.then(
      () => true,
      (error) => {
        console.error(error);
        return false;
      },
    );
    // Another part waits for this one and has no callback: it is to see the failure itself.
    if (callback === undefined) return arrival;
    return told.then((well) => initSync(undefined, undefined).__indirect_function_table.get(callback)(data, well));
  };
}
