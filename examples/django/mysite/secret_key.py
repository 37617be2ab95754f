"""Each instance's own SECRET_KEY: what one instance has signed is worth nothing to another."""

import os
import tempfile

from django.core.management.utils import get_random_secret_key


def load_secret_key(path):
    """
    The key in the file at `path`, which is made (mode 0600) if there is none.

    Several processes may come here at once: the file appears whole or not at all, and whoever is second uses the
    first one's key.
    """
    try:
        return path.read_text()
    except FileNotFoundError:
        pass

    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mode 0600
    try:
        with open(handle, "w") as file:
            file.write(get_random_secret_key())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # unlike a rename, never replaces a key that is in use
        except FileExistsError:
            pass
    finally:
        os.unlink(draft)
    return path.read_text()
