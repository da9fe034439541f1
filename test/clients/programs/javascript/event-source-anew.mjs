let last = "";
let failures = 0;
// All that a student may be told: of an event that nobody listens to, the place moves on unseen.
const names = ["question_capture", "important", "teacher_presence", "new_question"];
names.push("question_like_update", "hard_alert");
// Node.js ends while an EventSource waits to come back, unless something else is to come. A page needs none of this.
const alive = setInterval(() => {}, 60_000);
function listen() {
  const url = `http://localhost:3000/ws/session/lecture-1/student/?offset=${last}`;
  const source = new EventSource(url);
  source.addEventListener("connected", ({ data, lastEventId }) => {
    if (last !== "") console.log(lastEventId === last ? "goes on" : "begins anew");
    failures = 0;
    last = lastEventId;
    console.log(last, data);
  });
  for (const name of names) {
    source.addEventListener(name, ({ data, lastEventId }) => {
      last = lastEventId;
      console.log(last, data);
    });
  }
  source.addEventListener("session_ended", ({ data, lastEventId }) => {
    source.close();
    clearInterval(alive);
    console.log(lastEventId, data);
    console.log("stays away: it has closed");
  });
  source.onerror = () => {
    // It comes back by itself from the end of a stream, but from no answer that is none: a full replica's, for one.
    if (source.readyState !== EventSource.CLOSED) return;
    const wait = Math.min(1_000 * 2 ** failures++, 30_000);
    setTimeout(listen, wait * (0.5 + Math.random()));
  };
}
listen();
