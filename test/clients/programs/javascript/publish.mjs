const response = await fetch("http://localhost:3000/sessions/lecture-1/events", {
  method: "POST",
  headers: { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() },
  body: JSON.stringify({ event: "important", note: "Look at this again", capture_url: null }),
});
console.log(response.status, await response.text());
