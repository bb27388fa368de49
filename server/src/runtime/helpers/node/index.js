// What a Cronium job may ask and say while it runs. Needs nothing but Node.js itself and no network: calls go
// through a local socket.
"use strict";

const http = require("http");

const PREFIX = "/runtime/v1";

class CroniumError extends Error {
  constructor(code, message, retryAfter = null, field = null) {
    super(`${code}: ${message}`);
    this.name = "CroniumError";
    this.code = code;
    this.reason = message;
    this.retryAfter = retryAfter;
    this.field = field;
  }
}

function send(method, path, body) {
  const socketPath = process.env.CRONIUM_SOCKET;
  if (!socketPath) {
    const message = "CRONIUM_SOCKET is not set: there is no runtime API here";
    return Promise.reject(new CroniumError("UNAVAILABLE", message));
  }
  return new Promise((resolve, reject) => {
    const lost = (problem) =>
      reject(new CroniumError("UNAVAILABLE", `the runtime API does not answer: ${problem.message}`));
    const headers = { "content-length": body === undefined ? 0 : Buffer.byteLength(body) };
    const request = http.request({ socketPath, method, path: PREFIX + path, headers, agent: false }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("error", lost);
      response.on("end", () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
    });
    request.on("error", lost);
    request.end(body);
  });
}

async function call(method, path, value) {
  let body;
  if (value !== undefined) {
    try {
      body = JSON.stringify(value);
    } catch (problem) {
      throw new CroniumError("INVALID", `this is no JSON value: ${problem.message}`);
    }
    if (body === undefined) throw new CroniumError("INVALID", "this is no JSON value");
  }
  const { status, text } = await send(method, path, body);
  const told = text ? JSON.parse(text) : null;
  if (status < 400) return told;
  const error = (told && told.error) || {};
  throw new CroniumError(
    error.code || "INTERNAL",
    error.message || "no reason was given",
    error.retryAfterSeconds ?? null,
    error.field ?? null,
  );
}

const variable = (key) => `/variables/${encodeURIComponent(key)}`;

async function unlessMissing(promise, otherwise) {
  try {
    return await promise;
  } catch (problem) {
    if (problem instanceof CroniumError && problem.code === "NOT_FOUND") return otherwise;
    throw problem;
  }
}

const input = () => call("GET", "/input");

const output = async (value) => {
  await call("PUT", "/output", value === undefined ? null : value);
};

const event = () => call("GET", "/event");

const getVariable = (key, fallback = null) =>
  unlessMissing(
    call("GET", variable(key)).then((found) => found.value),
    fallback,
  );

const setVariable = async (key, value, options = {}) => {
  if (typeof value !== "string" && typeof value !== "number") {
    throw new TypeError("a variable is a text or a number");
  }
  const body = { value: String(value) };
  if (options.secret !== undefined) body.secret = options.secret;
  await call("PUT", variable(key), body);
};

const deleteVariable = (key) =>
  unlessMissing(
    call("DELETE", variable(key)).then(() => true),
    false,
  );

const incrementVariable = async (key, by = 1) => (await call("POST", `${variable(key)}/increment`, { by })).value;

const setCondition = async (value) => {
  await call("PUT", "/condition", { value });
};

const log = async (message, fields = {}, level = "info") => {
  await call("POST", "/log", { level, message, fields });
};

module.exports = {
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
};
