import json
import urllib.request
import uuid

request = urllib.request.Request(
    "http://localhost:3000/sessions/lecture-1/events",
    json.dumps({"event": "important", "note": "Look at this again", "capture_url": None}).encode(),
    {"Content-Type": "application/json", "Idempotency-Key": str(uuid.uuid4())},
)
with urllib.request.urlopen(request, timeout=10) as response:
    print(response.status, response.read().decode())
