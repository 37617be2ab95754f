import os
from datetime import datetime, timezone

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

import notes
from notes.forms import NoteForm
from notes.models import Note

LIST_LIMIT = 200
BOOTED = datetime.now(timezone.utc)
PAGE_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def index(request):
    """The page: the notes, and a form for another one."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    posted = request.method == "POST"
    form = NoteForm(request.POST if posted else None)
    if posted and form.is_valid():
        form.instance.author = request.user
        form.save()
        return redirect("index")
    context = {
        "who": identity(request),
        "form": form,
        "newest": Note.objects.select_related("author")[:LIST_LIMIT],
        "limit": LIST_LIMIT,
        "booted": BOOTED,
        "database": "/".join(connection.settings_dict["NAME"].split("/")[-2:]),
    }
    response = render(request, "notes/index.html", context, status=422 if posted else 200)
    response["Content-Security-Policy"] = PAGE_POLICY
    return response


@never_cache
@require_safe
def whoami(request):
    return JsonResponse(identity(request))


def identity(request):
    """Who asks, and who answers. Other programs read these keys: none is renamed or taken away."""
    return {
        "user": request.user.get_username() or None,
        "instance": settings.INSTANCE,
        "database": connection.settings_dict["NAME"],
        "pid": os.getpid(),
        "parent_pid": os.getppid(),
        "booted": BOOTED.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "title": settings.TITLE,
        "settings_module": settings.SETTINGS_MODULE,
        "settings_came_first": notes.SETTINGS_CAME_FIRST,
        "notes": Note.objects.count(),
    }
