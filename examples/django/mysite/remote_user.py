"""
Who is signed in: mux says so, in a header. In the original arrangement Apache did, in REMOTE_USER.

Believing it is safe only because mux removes every spelling of this header from what comes in from outside, and
because nobody but mux reaches our socket.
"""

from django.conf import settings
from django.contrib.auth.backends import RemoteUserBackend
from django.contrib.auth.middleware import RemoteUserMiddleware


class MuxUserMiddleware(RemoteUserMiddleware):
    """Signs in whoever `X-Remote-User` names (`edge.identity_header` in mux.yaml), and nobody without it."""

    header = "HTTP_X_REMOTE_USER"


class MuxUserBackend(RemoteUserBackend):
    """
    Makes the account at a user's first request. Rights in the admin are the SUPERUSERS setting's alone, asked anew at
    each request: a change applies as soon as the instance is restarted, also to those who are signed in.
    """

    def authenticate(self, request, remote_user):
        return with_rights(super().authenticate(request, remote_user=remote_user))

    def get_user(self, user_id):
        return with_rights(super().get_user(user_id))


def with_rights(user):
    if user is not None:
        user.is_staff = user.is_superuser = user.get_username() in settings.SUPERUSERS
    return user
