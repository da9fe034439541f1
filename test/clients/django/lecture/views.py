import json

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.http import HttpResponse
from django.utils import timezone

STUDENTS, TEACHERS = ["student"], ["teacher"]
BOTH = ["teacher", "student"]
# By what a view is called: whom it tells, and by which handler.
EVENTS = {
    "feedback": (TEACHERS, "feedback_message"),
    "question_intent": (TEACHERS, "question_intent"),
    "question_capture": (STUDENTS, "question_capture"),
    "important": (STUDENTS, "important_message"),
    "new_question": (BOTH, "new_question"),
    "question_like_update": (BOTH, "question_like_update"),
    "hard_alert": (BOTH, "hard_alert"),
    "session_ended": (BOTH, "session_ended"),
}
WITHOUT_A_TIME = {"question_like_update", "session_ended"}


def publish(request, session_id, name):
    """Tells the groups of a lecture what has happened, as each of the original's views does for one event."""
    roles, handler = EVENTS[name]
    message = {"type": handler, **json.loads(request.body or "{}")}
    if name not in WITHOUT_A_TIME:
        message["created_at"] = timezone.now().isoformat()
    for role in roles:
        async_to_sync(get_channel_layer().group_send)(f"session_{session_id}_{role}", message)
    return HttpResponse(status=204)
