// Shows the AsyncAPI document, and lets its reader listen to a session.
const MAX_LINES = 200;

const page = (id) => document.getElementById(id);

function element(name, ...children) {
  const made = document.createElement(name);
  made.append(...children);
  return made;
}

function table(headers, rows) {
  const head = element("tr", ...headers.map((text) => element("th", text)));
  const body = rows.map((cells) => element("tr", ...cells.map((cell) => element("td", cell))));
  return element("table", element("thead", head), element("tbody", ...body));
}

const code = (text) => element("code", text);

/** What a pattern asks for, its description says in words. */
function typeOf({ type, const: only, anyOf, minimum, maximum, $ref }) {
  if (only !== undefined) return JSON.stringify(only);
  if (anyOf) return anyOf.map(typeOf).join(" or ");
  if ($ref) return $ref.split("/").at(-1);
  return minimum === undefined ? type : `${type}, ${minimum} to ${maximum}`;
}

function channels({ channels, servers }) {
  const rows = Object.values(channels).map(({ title, address, servers: [server] }) => {
    const { protocol, security } = servers[server.$ref.split("/").at(-1)];
    return [title, code(address), protocol, security ? "with a token" : "open"];
  });
  return table(["", "address", "protocol", ""], rows);
}

/** Each message once, as a plain WebSocket has it: its JSON is the same by every protocol. */
function messages({ channels, components }) {
  const all = Object.entries(components.messages).filter(([id]) => id.startsWith("webSocket."));
  return all.map(([id, { name, summary, payload, examples }]) => {
    const heardBy = Object.entries(channels)
      .filter(([channel]) => channel.endsWith(".webSocket"))
      .filter(([, { messages }]) => messages[name]?.$ref.endsWith(`/${id}`))
      .map(([channel]) => channel.split(".")[0]);
    const fields = Object.entries(payload.properties).map(([field, schema]) => [
      code(field),
      payload.required.includes(field) ? "" : "may be missing",
      typeOf(schema),
      schema.description ?? "",
    ]);
    const article = element(
      "article",
      element("h3", code(name)),
      element("p", `${name === "ping" ? "Sent" : "Heard"} by: ${heardBy.join(", ")}. ${summary}.`),
      table(["field", "", "type", ""], fields),
      element("pre", JSON.stringify(examples[0].payload)),
    );
    article.id = name;
    return article;
  });
}

function endings(document) {
  const rows = document["x-close-codes"].flatMap(({ code: number, client, reasons }) =>
    reasons.map(({ reason, means }) => [String(number), code(reason), means, client]),
  );
  return table(["code", "reason", "means", "the client"], rows);
}

function refusals(document) {
  const rows = document["x-connect-error-codes"].map(({ code: name, means }) => [
    code(name),
    means,
  ]);
  return table(["data.code", "means"], rows);
}

/** What is open now, and how to end it. */
let current;

function log(line) {
  const heard = page("heard");
  heard.append(element("li", line));
  while (heard.childElementCount > MAX_LINES) heard.firstElementChild.remove();
  heard.lastElementChild.scrollIntoView({ block: "nearest" });
}

function listen({ session, role, by, token, names }) {
  const url = new URL(`/ws/session/${session}/${role}/`, location.href);
  if (by === "eventStream") {
    if (token !== "") url.searchParams.set("token", token);
    const source = new EventSource(url);
    for (const name of names) {
      source.addEventListener(name, ({ data, lastEventId }) => log(`${lastEventId} ${data}`));
    }
    source.addEventListener("error", () => {
      log(source.readyState === EventSource.CLOSED ? "refused, or ended" : "lost: comes back");
    });
    return { close: () => source.close() };
  }
  url.protocol = url.protocol.replace("http", "ws");
  url.searchParams.set("offset", "");
  const socket = token === "" ? new WebSocket(url) : new WebSocket(url, ["bearer", token]);
  socket.addEventListener("open", () => (page("ping").disabled = false));
  socket.addEventListener("message", ({ data }) => log(data));
  socket.addEventListener("close", ({ code: number, reason }) => {
    page("ping").disabled = true;
    log(`closed: ${number} ${reason}`);
  });
  return {
    close: () => socket.close(),
    ping: () => socket.send(JSON.stringify({ type: "ping" })),
  };
}

const response = await fetch("/docs/asyncapi.json");
const shown = await response.json();
page("title").textContent = shown.info.title;
page("description").textContent = shown.info.description;
page("channels").append(channels(shown));
page("messages").append(...messages(shown));
page("endings").append(endings(shown));
page("refusals").append(refusals(shown));

page("listen").addEventListener("submit", (event) => {
  event.preventDefault();
  current?.close();
  const names = Object.values(shown.components.messages).map(({ name }) => name);
  current = listen({ ...Object.fromEntries(new FormData(event.target)), names: new Set(names) });
});
page("ping").addEventListener("click", () => current?.ping?.());
