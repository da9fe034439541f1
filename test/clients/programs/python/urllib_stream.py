import http.client
import random
import time
import urllib.request

headers = {"Accept": "text/event-stream"}


def listen():
    """One stream to its end; whether there may be another."""
    url = "http://localhost:3000/ws/session/lecture-1/student/"
    # Longer than PING_INTERVAL_MS of the server, which then sends a comment.
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=30) as stream:
        if stream.status == 204:
            return False  # the session has ended
        for line in stream:
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name == "id":
                headers["Last-Event-ID"] = value
            if name == "data":
                print(headers.get("Last-Event-ID"), value, flush=True)
    return True


may_listen = True
while may_listen:
    try:
        may_listen = listen()
    except (OSError, http.client.HTTPException) as error:
        print(error, flush=True)
    if may_listen:
        time.sleep(0.5 + random.random())
print("stays away: 204")
