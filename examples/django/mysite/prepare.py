"""Gives an instance its tables: all of them at the first start, and what is missing at any later one."""

import fcntl
import time
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

LOCK_WAIT = 20  # seconds; less than mux waits for an instance to become ready (limits.start)


def prepare_database():
    """Applies the migrations that are not applied yet, each in a transaction: what is interrupted has not happened."""
    with only_one(f"{settings.DATABASES['default']['NAME']}.lock", LOCK_WAIT):
        call_command("migrate", interactive=False, verbosity=0)
        # Remembered by the file: readers and a writer then don't wait for each other.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = WAL")
    # A SQLite connection must not be carried over a fork, and gunicorn forks its workers next.
    connections.close_all()


@contextmanager
def only_one(path, wait):
    """
    Keeps other processes out while it lasts; TimeoutError after `wait` seconds. The lock goes with the process,
    however it ends; the file stays.
    """
    deadline = time.monotonic() + wait
    with open(path, "a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another process has been migrating for {wait} s: it holds {path}") from None
                time.sleep(0.05)
        yield
