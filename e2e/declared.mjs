// A rule for graphql-inspector: a breaking change that the changelog's Unreleased section names, as `Type.field` in
// backticks, is wanted. CRONIUM_CHANGELOG is the file.
import { readFileSync } from "node:fs";

const text = readFileSync(process.env.CRONIUM_CHANGELOG, "utf8");
const [, unreleased = ""] = text.match(/^## \[Unreleased\]\n(.*?)(?=^## |(?![^]))/ms) ?? [];
const named = new Set([...unreleased.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name));

export default ({ changes }) => changes.map((change) => {
  if (change.criticality.level !== "BREAKING") return change;
  const declared = named.has(change.path);
  return {
    ...change,
    message: `${change.path}: ${change.message}${declared ? " (declared)" : ""}`,
    criticality: declared ? { ...change.criticality, level: "DANGEROUS" } : change.criticality,
  };
});
