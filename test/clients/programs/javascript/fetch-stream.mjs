const url = "http://localhost:3000/ws/session/lecture-1/student/";
const headers = { Accept: "text/event-stream" };

/** One stream to its end; whether there may be another. */
async function listen() {
  const response = await fetch(url, { headers });
  if (response.status === 204) return false; // the session has ended
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  let unread = "";
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (unread + text).split("\n\n");
    unread = blocks.pop();
    for (const block of blocks) {
      const field = (name) => block.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
      const event = field("data");
      if (event === undefined) continue; // a comment, that the stream lives
      const offset = field("id");
      if (offset !== undefined) headers["Last-Event-ID"] = offset;
      console.log(offset, event);
    }
  }
  return true;
}

for (let mayListen = true; mayListen;) {
  mayListen = await listen().catch((error) => {
    console.log(error.message);
    return true;
  });
  if (mayListen) await new Promise((resolve) => setTimeout(resolve, 500 + 1_000 * Math.random()));
}
console.log("stays away: 204");
