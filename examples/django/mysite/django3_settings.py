"""
The settings of django3, as a module of its own: everything that mysite.settings says, but for what follows.

In mux.yaml: `DJANGO_SETTINGS_MODULE: "mysite.{instance}_settings"`.
"""

from mysite.settings import *  # noqa: F403
from mysite.settings import DATA, DATABASES

DATABASES["default"]["NAME"] = str(DATA / "malcolm.sqlite3")
TITLE = "Malcolm's notes"
TIME_ZONE = "Europe/London"
SUPERUSERS = ["malcolm"]
