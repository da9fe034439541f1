import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django = get_asgi_application()

from lecture.consumer import SessionConsumer  # noqa: E402

SESSION = r"^ws/session/(?P<session_id>[^/]+)/(?P<role>teacher|student)/$"
application = ProtocolTypeRouter(
    {"http": django, "websocket": URLRouter([re_path(SESSION, SessionConsumer.as_asgi())])}
)
