"""
The settings that all instances share. What makes one of them itself comes from the environment that mux gives it
(`settings:` in mux.yaml), or from a module of its own that starts from this one, such as `django3_settings`.

For Django 3.2 and for 5: nothing here is deprecated in the one or unknown to the other.
"""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from mysite.secret_key import load_secret_key


def names(text):
    """`a, b` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


if "MUX_DATA" not in os.environ:
    raise ImproperlyConfigured(
        "MUX_DATA is not set. It is this instance's own directory, and mux sets it; by hand, for django1:"
        " MUX_DATA=.mux/data/django1 python3 manage.py ..."
    )

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = Path(os.environ["MUX_DATA"]).resolve()
INSTANCE = os.environ.get("MUX_INSTANCE")
TITLE = os.environ.get("TITLE", "Notes")

SECRET_KEY = load_secret_key(DATA / "secret_key")
DEBUG = False

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        # A relative name is inside DATA; an absolute one stands as it is.
        "NAME": str(DATA / os.environ.get("DATABASE_NAME", "db.sqlite3")),
        # Seconds to wait for a lock: during a restart, the old process and the new one have the file open together.
        "OPTIONS": {"timeout": 20},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# mux passes on the Host that the browser sent. The names that people may reach you by, or anybody could make pages
# with links to a host of their own choice.
ALLOWED_HOSTS = names(os.environ.get("ALLOWED_HOSTS", "localhost, 127.0.0.1, [::1]"))

# Believing a header is safe only because mux overwrites it on every request, and nobody but mux reaches our socket.
# CSRF protection and absolute links depend on it. Host is right already: no USE_X_FORWARDED_HOST.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

AUTHENTICATION_BACKENDS = ["mysite.remote_user.MuxUserBackend"]
# Who may use /admin/ here.
SUPERUSERS = names(os.environ.get("SUPERUSERS", ""))

# The session holds no more than who is signed in, so it fits into the cookie. In the database, each request of a
# client without cookies would leave a row behind.
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "notes",
]
MIDDLEWARE = [
    "mysite.health.answer_ping",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "mysite.remote_user.MuxUserMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
STATIC_URL = "/static/"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

# To standard error, which mux keeps in this instance's log (`mux instance logs NAME`). Without this, Django says
# nothing at all about an error when DEBUG is off.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django": {"handlers": ["console"], "level": "WARNING"}},
}
