import asyncio
import json
import random

import websockets

last = ""


async def listen():
    """One connection to its end; how it was closed."""
    global last
    url = f"ws://localhost:3000/ws/session/lecture-1/student/?offset={last}"
    # It asks for a sign of life by itself, by pings of the WebSocket protocol.
    async with websockets.connect(url) as socket:
        await socket.send('{"type":"ping"}')
        try:
            async for text in socket:
                event = json.loads(text)
                offset = event.pop("offset", None)
                if event["event"] == "connected" and last:
                    print("goes on" if offset == last else "begins anew", flush=True)
                last = offset or last  # a pong has none
                print(offset, json.dumps(event), flush=True)
        except websockets.ConnectionClosedError:
            pass
        return socket.close_code, socket.close_reason


async def main():
    while True:
        try:
            code, reason = await listen()
            if code in (1000, 1008):
                print("stays away:", code, reason)
                return
        except (OSError, websockets.InvalidHandshake) as error:
            print(error, flush=True)
        await asyncio.sleep(0.5 + random.random())


asyncio.run(main())
