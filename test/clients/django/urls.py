from django.urls import path

from lecture.views import publish

urlpatterns = [path("lectures/<session_id>/<name>/", publish)]
