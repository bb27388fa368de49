// The explorer: runs documents as the session's user, watches subscriptions, shows the schema.
const byId = (id) => document.getElementById(id);
const state = byId("state");
const show = (value) => { byId("result").textContent = JSON.stringify(value, null, 2); };
let socket;

async function post(body) {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

function watch(payload) {
  const url = new URL("/graphql/ws", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url, "graphql-transport-ws");
  socket.onopen = () => socket.send(JSON.stringify({ type: "connection_init" }));
  socket.onclose = ({ code, reason }) => { state.textContent = `Closed: ${code} ${reason}`; };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "connection_ack") {
      state.textContent = "Watching";
      socket.send(JSON.stringify({ id: "1", type: "subscribe", payload }));
    }
    if (message.type === "next") show(message.payload);
    if (message.type === "error") show({ errors: message.payload });
    if (message.type === "complete") socket.close(1000);
  };
}

async function run() {
  if (socket) { socket.onclose = null; socket.close(1000); socket = undefined; }
  const query = byId("query").value;
  let variables;
  try { variables = JSON.parse(byId("variables").value || "{}"); } catch { state.textContent = "The variables are not JSON"; return; }
  if (/^\s*subscription\b/m.test(query)) { watch({ query, variables }); return; }
  state.textContent = "Running";
  const begin = performance.now();
  try {
    show(await post({ query, variables }));
    state.textContent = `${Math.round(performance.now() - begin)} ms`;
  } catch (error) { state.textContent = String(error); }
}

const REF = "kind name ofType { kind name ofType { kind name ofType { kind name } } }";
const SCHEMA = `{ __schema { types { kind name description
  fields { name description args { name description type { ${REF} } } type { ${REF} } }
  inputFields { name description type { ${REF} } }
  enumValues { name description } } } }`;

function named(type) {
  if (type.kind === "NON_NULL") return `${named(type.ofType)}!`;
  return type.kind === "LIST" ? `[${named(type.ofType)}]` : type.name;
}

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

function describe(types, wanted) {
  const docs = byId("docs");
  docs.replaceChildren();
  const find = wanted.trim().toLowerCase();
  for (const type of types) {
    const members = [...(type.fields ?? []), ...(type.inputFields ?? []), ...(type.enumValues ?? [])];
    const found = [type, ...members].some(({ name }) => name.toLowerCase().includes(find));
    if (type.name.startsWith("__") || !found) continue;
    const details = element("details", "", docs);
    element("summary", `${type.name} (${type.kind.toLowerCase().replace("_", " ")})`, details);
    if (type.description) element("p", type.description, details);
    for (const member of members) {
      const args = member.args?.length ? `(${member.args.map((a) => `${a.name}: ${named(a.type)}`).join(", ")})` : "";
      const line = element("p", "", details);
      element("code", `${member.name}${args}${member.type ? `: ${named(member.type)}` : ""}`, line);
      if (member.description) element("span", ` ${member.description}`, line);
    }
  }
}

byId("run").addEventListener("click", run);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); }
});
const { data, errors } = await post({ query: SCHEMA });
if (data) {
  const types = data.__schema.types.sort((a, b) => a.name.localeCompare(b.name));
  describe(types, "");
  byId("search").addEventListener("input", (event) => describe(types, event.target.value));
} else {
  byId("docs").textContent = errors[0].message;
}
