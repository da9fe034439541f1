from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.utils import timezone

# Theirs is a set in Redis.
teachers = {}


class SessionConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.session_id = self.scope["url_route"]["kwargs"]["session_id"]
        self.role = self.scope["url_route"]["kwargs"]["role"]
        self.group = f"session_{self.session_id}_{self.role}"
        here = teachers.setdefault(self.session_id, set())
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        await self.send_json(
            {
                "event": "connected",
                "session_id": self.session_id,
                "role": self.role,
                "teacher_online": self.role == "student" and len(here) > 0,
            }
        )
        if self.role == "teacher":
            here.add(self.channel_name)
            await self.tell_presence(True)

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)
        if self.role == "teacher":
            teachers[self.session_id].discard(self.channel_name)
            await self.tell_presence(len(teachers[self.session_id]) > 0)

    async def tell_presence(self, is_online):
        await self.channel_layer.group_send(
            f"session_{self.session_id}_student",
            {
                "type": "teacher_presence",
                "is_online": is_online,
                "changed_at": timezone.now().isoformat(),
            },
        )

    async def receive_json(self, content):
        if content.get("type") == "ping":
            await self.send_json({"event": "pong"})

    async def tell(self, message):
        event = message["type"].removesuffix("_message")
        fields = {name: value for name, value in message.items() if name != "type"}
        await self.send_json({"event": event, **fields})

    feedback_message = question_intent = question_capture = important_message = tell
    teacher_presence = new_question = question_like_update = hard_alert = session_ended = tell
