// It comes back and resumes by itself, and stays away when it is answered 204: the session has ended.
const source = new EventSource("http://localhost:3000/ws/session/lecture-1/student/");

// Those that it listens to: it keeps its place by all, also by those that nobody listens to.
for (const name of ["connected", "important", "new_question", "hard_alert", "session_ended"]) {
  source.addEventListener(name, ({ data, lastEventId }) => console.log(lastEventId, data));
}
source.onerror = () => {
  if (source.readyState === EventSource.CLOSED) console.log("stays away: it was refused");
};
