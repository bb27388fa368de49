// The dashboard's own words by key and language, read from its catalogues: no second table that could differ.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./harness.mjs";

const STRING = String.raw`"((?:[^"\\]|\\[\s\S])*)"`;
const PAIR = new RegExp(String.raw`\(\s*${STRING}\s*,\s*${STRING}\s*,?\s*\)`, "g");

/** A Rust string literal's value. */
const unescaped = (text) => text
  .replace(/\\\n\s*/g, "")
  .replace(/\\u\{([0-9a-fA-F]+)\}/g, (_, digits) => String.fromCodePoint(parseInt(digits, 16)))
  .replace(/\\(["\\'nt])/g, (_, letter) => ({ n: "\n", t: "\t" })[letter] ?? letter);

function catalogue(language) {
  const folder = join(root, "web/src/i18n", language);
  const texts = new Map();
  for (const file of readdirSync(folder)) {
    const source = readFileSync(join(folder, file), "utf8").replace(/^\s*\/\/.*$/gm, "");
    for (const [, key, text] of source.matchAll(PAIR)) {
      if (texts.has(key)) throw new Error(`${language}: ${key} stands twice`);
      texts.set(unescaped(key), unescaped(text));
    }
  }
  if (texts.size < 400) throw new Error(`only ${texts.size} texts were found in ${folder}`);
  return texts;
}

export const LANGUAGES = ["en", "es"];
const catalogues = Object.fromEntries(LANGUAGES.map((language) => [language, catalogue(language)]));
const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Speaks one language: `t(key, { parameter })`; a key that is not there is an error. */
export function speaker(language) {
  const text = (key) => {
    const found = catalogues[language].get(key);
    if (found === undefined) throw new Error(`no text for ${key} in ${language}`);
    return found;
  };
  const t = (key, parameters = {}) => text(key).replace(/\{(\w+)\}/g, (_, name) => {
    if (!(name in parameters)) throw new Error(`${key} needs {${name}}`);
    return String(parameters[name]);
  });
  /** The text for a count. */
  t.n = (key, n) => t(`${key}.${n === 1 ? "one" : "other"}`, { n });
  /** Matches a text that begins so, whatever its parameters are. */
  t.like = (key) => new RegExp(`^${text(key).split(/\{\w+\}/).map(escaped).join(".+")}`);
  t.language = language;
  return t;
}

// Words that English can't do without and Spanish does not have: what the API says has no place in a catalogue.
const ENGLISH = /\b(the|this|that|is|are|was|of|and|with|your|you|by|not|must)\b/i;

/** What a page shows or says that is English, if it should speak another language. */
export async function foreign(page, language) {
  if (language === "en") return [];
  const said = await page.evaluate(() => {
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_ELEMENT);
    for (let one = walker.currentNode; one; one = walker.nextNode()) {
      // Addresses, hashes and stored values are nobody's words.
      if (one.closest("script, style, template, code, pre, .mono, [lang]:not(html)") || !one.checkVisibility()) continue;
      for (const name of ["aria-label", "title", "placeholder", "alt"]) found.push(one.getAttribute(name));
      for (const node of one.childNodes) if (node.nodeType === Node.TEXT_NODE) found.push(node.data);
    }
    return found.filter((text) => text?.trim()).map((text) => text.trim());
  });
  const own = new Set(catalogues[language].values());
  const theirs = new Set([...catalogues.en.values()].filter((text) => !own.has(text)));
  return [...new Set(said.filter((text) => !own.has(text) && (theirs.has(text) || ENGLISH.test(text))))];
}
