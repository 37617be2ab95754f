"""How gunicorn runs one instance. gunicorn reads this file by itself, from the directory that it is started in."""

import os

# With python3-setproctitle, `ps` then says "gunicorn: master [mux:django1]". Without it, the socket's path in the
# command line says whose process it is.
proc_name = f"mux:{os.environ.get('MUX_INSTANCE', 'by hand')}"

# One user at a time: a process with a few threads will do. WEB_CONCURRENCY=2 in the settings makes it two workers.
worker_class = "gthread"
threads = 8

# The application is loaded once, by the master, before it listens: a worker is there at once, and an application
# that doesn't load ends the start, instead of being tried again and again.
preload_app = True

# Longer than mux keeps a connection that is not used: it must be mux that closes it, or a request that is already
# on its way would be lost.
keepalive = 75

# After SIGTERM, seconds for requests to finish; less than mux waits before it kills (limits.stop).
graceful_timeout = 8

# gunicorn 25 and newer would open a socket for its own control tool under $HOME: one path for all instances.
control_socket_disable = True


def on_starting(server):
    """In the master, once, before there is a socket or a worker: nobody is served by a database without tables."""
    from mysite.prepare import prepare_database

    prepare_database()
