import json

import socketio

last = None


def auth():
    """Asked at each attempt. The `pid` is session and role, each with a dot behind it."""
    return {"pid": "lecture-1.student.", "offset": last} if last else {}


client = socketio.Client()


@client.on("*")
def heard(name, event, offset=None):
    global last
    if name == "connected" and last:
        print("goes on" if offset == last else "begins anew", flush=True)
    last = offset or last  # a pong has none
    print(offset, json.dumps(event), flush=True)


@client.event
def connect():
    client.emit("ping")


client.connect(
    "http://localhost:3000", socketio_path="ws/session/lecture-1/student/", auth=auth
)
client.wait()  # until the server sends it away
print("stays away: disconnected")
