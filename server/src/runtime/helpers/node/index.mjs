// The same module for `import`.
import cronium from "./index.js";

export const {
  CroniumError,
  input,
  output,
  event,
  getVariable,
  setVariable,
  deleteVariable,
  incrementVariable,
  setCondition,
  log,
} = cronium;
export default cronium;
