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

/** A text of the document: what stands between backticks is code. */
const prose = (text) =>
  element("span", ...text.split("`").map((part, i) => (i % 2 === 1 ? code(part) : part)));

const sentence = (text) => prose(`${text.charAt(0).toUpperCase()}${text.slice(1)}.`);

/** What a value must be: in words, where the document has them. */
function whatIs({ description, type, const: only, anyOf }) {
  if (description !== undefined) return description;
  if (only !== undefined) return JSON.stringify(only);
  return anyOf ? anyOf.map(whatIs).join(" or ") : type;
}

function channels({ channels, servers }) {
  const rows = Object.values(channels).map(({ title, address, servers: [server] }) => {
    const { protocol, security } = servers[server.$ref.split("/").at(-1)];
    return [title, code(address), protocol, security ? "who has a token" : "anyone"];
  });
  return table(["what", "address", "protocol", "who may come in"], rows);
}

function resuming(document) {
  const rows = document["x-resuming"].map(({ by, offset, sent_back }) => [
    by,
    prose(offset),
    prose(sent_back),
  ]);
  return table(["by", "the offset of an event is", "it is sent back by"], rows);
}

/** Each message once, as a plain WebSocket has it: its JSON is the same by every protocol. */
function messages({ channels, components }) {
  const all = Object.entries(components.messages).filter(([id]) => id.startsWith("webSocket."));
  return all.map(([id, { name, summary, payload, examples }]) => {
    const heardBy = Object.entries(channels)
      .filter(([channel]) => channel.endsWith(".webSocket"))
      .filter(([, { messages }]) => messages[name]?.$ref.endsWith(`/${id}`))
      .map(([channel]) => channel.split(".")[0]);
    const fields = Object.entries(payload.properties).map(([field, { $ref, ...schema }]) => [
      code(field),
      payload.required.includes(field) ? "always" : "where it was asked for",
      prose(whatIs($ref ? components.schemas[$ref.split("/").at(-1)] : schema)),
    ]);
    const article = element(
      "article",
      element("h3", code(name)),
      element("p", sentence(summary)),
      element("p", `${name === "ping" ? "Sent" : "Heard"} by: ${heardBy.join(", ")}.`),
      table(["field", "is there", "is"], fields),
      element("pre", JSON.stringify(examples[0].payload)),
    );
    article.id = name;
    return article;
  });
}

function endings(document) {
  const rows = document["x-close-codes"].flatMap(({ code: number, client, reasons }) =>
    reasons.map(({ reason, means }) => [String(number), code(reason), prose(means), prose(client)]),
  );
  return table(["code", "reason", "means", "the client"], rows);
}

function refusals(document) {
  const rows = document["x-connect-error-codes"].map(({ code: name, means }) => [
    code(name),
    prose(means),
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
  const url = new URL(`../ws/session/${session}/${role}/`, location.href);
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

const response = await fetch("asyncapi.json");
const shown = await response.json();
page("title").textContent = shown.info.title;
page("description").append(prose(shown.info.description));
page("channels").append(channels(shown));
page("resuming").append(resuming(shown));
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
