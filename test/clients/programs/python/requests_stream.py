import random
import time

import requests

headers = {"Accept": "text/event-stream"}


def listen():
    """One stream to its end; whether there may be another."""
    url = "http://localhost:3000/ws/session/lecture-1/student/"
    # Longer than PING_INTERVAL_MS of the server, which then sends a comment.
    with requests.get(url, headers=headers, stream=True, timeout=30) as response:
        response.raise_for_status()
        if response.status_code == 204:
            return False  # the session has ended
        # One byte at a time, else the last event waits for the next one.
        for line in response.iter_lines(chunk_size=1):
            name, _, value = line.decode().partition(": ")
            if name == "id":
                headers["Last-Event-ID"] = value
            if name == "data":
                print(headers.get("Last-Event-ID"), value, flush=True)
    return True


may_listen = True
while may_listen:
    try:
        may_listen = listen()
    except requests.RequestException as error:
        print(error, flush=True)
    if may_listen:
        time.sleep(0.5 + random.random())
print("stays away: 204")
