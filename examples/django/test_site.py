#!/usr/bin/python3
"""
Tests of the site as mux runs it: real gunicorns on real Unix sockets, with nothing in their environment but what mux
puts there. Run it with the Python that has Django and gunicorn: `/usr/bin/python3 test_site.py`.
"""

import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

PACKAGES = {
    "django": "Django 3.2 or newer (Debian: python3-django; otherwise: pip install Django)",
    "gunicorn": "gunicorn 20 or newer (Debian: gunicorn; otherwise: pip install gunicorn)",
}
MISSING = [what for module, what in PACKAGES.items() if importlib.util.find_spec(module) is None]
if MISSING:
    sys.exit(f"test_site.py cannot run: {sys.executable} is missing\n  " + "\n  ".join(MISSING))

HERE = Path(__file__).resolve().parent
WAIT = 120  # seconds, for anything: what a busy machine takes for it comes nowhere near
INHERITED = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TZ", "TMPDIR") if name in os.environ}


class Connection(HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=WAIT)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WAIT)
        self.sock.connect(self.path)


class Instance:
    """One instance, under gunicorn, as mux would boot it."""

    def __init__(self, directory, name, data=None, socket_name=None, **settings):
        self.data = data or directory / "data" / name
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket = directory / (socket_name or f"{name}.sock")
        self.log = directory / f"{self.socket.name}.log"
        self.env = {
            **INHERITED,
            "MUX_INSTANCE": name,
            "MUX_DATA": str(self.data),
            "MUX_SOCKET": str(self.socket),
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            **settings,
        }
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "mysite.wsgi", "--bind", f"unix:{self.socket}"],
                cwd=HERE,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def ready(self):
        """Waits until it answers its health check; fails at once when it has died."""
        deadline = time.monotonic() + WAIT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                if self.ask("/ping").status == 204:
                    return self
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"it is not ready:\n{self.log.read_text()}")

    def ask(self, path, method="GET", user=None, body=None, headers=None):
        connection = Connection(self.socket)
        sent = {"X-Remote-User": user} if user is not None else {}
        if body is not None:
            body = urlencode(body)
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        with closing(connection):
            connection.request(method, path, body, {**sent, **(headers or {})})
            response = connection.getresponse()
            response.text = response.read().decode()
        return response

    def whoami(self, user=None, **headers):
        response = self.ask("/whoami", user=user, headers=headers)
        assert response.status == 200, f"{response.status}\n{self.log.read_text()}"
        return json.loads(response.text)

    def browser(self, user, **headers):
        return Browser(self, user, headers)

    def members(self):
        """The processes of its session that are alive, as {pid: command line}."""
        listing = subprocess.run(
            ["ps", "-o", "pid=,args=", "-s", str(self.process.pid)], capture_output=True, text=True, timeout=WAIT
        )
        lines = (line.split(None, 1) for line in listing.stdout.splitlines())
        return {int(pid): command.strip() for pid, command in lines}

    def has_processes(self, count):
        """Waits until there are so many: gunicorn starts its workers one after another."""
        deadline = time.monotonic() + WAIT
        while len(self.members()) != count and time.monotonic() < deadline:
            time.sleep(0.02)
        return len(self.members()) == count

    def stop(self):
        """As mux stops it: the signal to the whole group, and SIGKILL if that is not enough. Returns the exit code."""
        try:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGTERM)
            return self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(WAIT)


class Browser:
    """Keeps cookies and fills in the form, as a browser does."""

    def __init__(self, instance, user, headers):
        self.instance, self.user, self.headers, self.cookies = instance, user, headers, {}

    def ask(self, path, method="GET", body=None):
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**self.headers, **({"Cookie": cookie} if cookie else {})}
        response = self.instance.ask(path, method, self.user, body, headers)
        for line in response.headers.get_all("Set-Cookie", []):
            name, value = line.split(";")[0].split("=", 1)
            self.cookies[name] = value
        return response

    def add(self, text):
        page = self.ask("/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page).group(1)
        return self.ask("/", "POST", {"csrfmiddlewaretoken": token, "text": text})


class Site(unittest.TestCase):
    """Gives each test class a directory, and leaves neither files nor processes behind."""

    @classmethod
    def setUpClass(cls):
        cls.directory = Path(tempfile.mkdtemp(prefix="site-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)

    @classmethod
    def boot(cls, name, **options):
        """An instance for the whole class (when called from setUpClass) that may not be ready yet."""
        instance = Instance(cls.directory, name, **options)
        cls.addClassCleanup(instance.stop)
        return instance


class ThreeInstances(Site):
    """The original arrangement: one application, three instances, each with settings and a database of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = cls.boot("django1")
        cls.two = cls.boot("django2", DATABASE_NAME="brian.sqlite3", TITLE="Brian's notes", SUPERUSERS="brian")
        cls.three = cls.boot("django3", DJANGO_SETTINGS_MODULE="mysite.django3_settings")
        for instance in (cls.one, cls.two, cls.three):
            instance.ready()

    def test_whoami_says_who_asks_and_which_instance_answers(self):
        answer = self.one.whoami(user="graham")
        self.assertEqual(
            list(answer),
            ["user", "instance", "database", "pid", "parent_pid", "booted", "title", "settings_module"]
            + ["settings_came_first", "notes"],
        )
        self.assertEqual((answer["user"], answer["instance"]), ("graham", "django1"))
        self.assertEqual(answer["parent_pid"], self.one.process.pid)
        self.assertIn(answer["pid"], self.one.members())
        self.assertRegex(answer["booted"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_each_is_itself_by_environment_or_by_a_settings_module_of_its_own(self):
        one, two, three = (instance.whoami() for instance in (self.one, self.two, self.three))
        self.assertEqual(one["database"], str(self.one.data / "db.sqlite3"))
        self.assertEqual(two["database"], str(self.two.data / "brian.sqlite3"))
        self.assertEqual(three["database"], str(self.three.data / "malcolm.sqlite3"))
        self.assertEqual([who["title"] for who in (one, two, three)], ["Notes", "Brian's notes", "Malcolm's notes"])
        self.assertEqual(two["settings_module"], "mysite.settings")
        self.assertEqual(three["settings_module"], "mysite.django3_settings")

    def test_a_note_is_in_the_database_of_its_instance_and_in_no_other(self):
        before = [instance.whoami()["notes"] for instance in (self.two, self.three)]
        added = self.one.browser("graham").add("only graham's")
        self.assertEqual((added.status, added.headers["Location"]), (302, "/"))
        self.assertIn("only graham&#x27;s", self.one.browser("graham").ask("/").text)
        self.assertEqual([instance.whoami()["notes"] for instance in (self.two, self.three)], before)

    def test_what_one_instance_has_signed_is_worth_nothing_to_another(self):
        keys = {(instance.data / "secret_key").read_text() for instance in (self.one, self.two, self.three)}
        self.assertEqual(len(keys), 3)

    def test_ps_shows_which_process_is_whose(self):
        named = importlib.util.find_spec("setproctitle") is not None
        for instance, name in ((self.one, "django1"), (self.two, "django2"), (self.three, "django3")):
            self.assertTrue(instance.has_processes(2), "a master and a worker")
            for command in instance.members().values():
                self.assertIn(f"[mux:{name}]" if named else f"{name}.sock", command)

    def test_the_settings_were_read_before_the_application_was_loaded(self):
        for instance in (self.one, self.two, self.three):
            self.assertIs(instance.whoami()["settings_came_first"], True)

    def test_the_proof_of_that_can_fail(self):
        code = "import notes; print(notes.SETTINGS_CAME_FIRST)"
        early = subprocess.run([sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(early.stdout, "False\n", early.stderr)


class Users(Site):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.instance = cls.boot("django1", SUPERUSERS="graham, brian").ready()

    def test_a_request_without_the_header_is_nobodys(self):
        self.assertIsNone(self.instance.whoami()["user"])
        self.assertIsNone(self.instance.whoami(user="")["user"])
        self.assertEqual(self.instance.ask("/").status, 403)

    def test_a_header_of_another_name_names_nobody(self):
        self.assertIsNone(self.instance.whoami(**{"Remote-User": "graham", "X-User": "graham"})["user"])

    def test_a_session_does_not_outlive_the_header(self):
        browser = self.instance.browser("graham")
        browser.ask("/")
        self.assertIn("sessionid", browser.cookies)
        self.assertIsNone(self.instance.whoami(Cookie=f"sessionid={browser.cookies['sessionid']}")["user"])

    def test_another_user_with_the_same_cookies_is_another_user(self):
        browser = self.instance.browser("graham")
        browser.ask("/")
        browser.user = "eve"
        self.assertIn("<strong>eve</strong>", browser.ask("/").text)

    def test_the_admin_is_open_to_the_superusers_of_the_settings_only(self):
        self.assertEqual(self.instance.browser("graham").ask("/admin/").status, 200)
        self.assertEqual(self.instance.browser("eve").ask("/admin/").status, 302)
        self.assertIn('href="/admin/"', self.instance.browser("brian").ask("/").text)
        self.assertNotIn("/admin/", self.instance.browser("eve").ask("/").text)

    def test_the_admin_adds_a_note_in_the_name_of_who_adds_it(self):
        browser = self.instance.browser("brian")
        form = browser.ask("/admin/notes/note/add/").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form).group(1)
        added = browser.ask("/admin/notes/note/add/", "POST", {"csrfmiddlewaretoken": token, "text": "by the admin"})
        self.assertEqual(added.status, 302)
        with closing(sqlite3.connect(self.instance.data / "db.sqlite3")) as database:
            query = "select username from notes_note join auth_user on auth_user.id = author_id where text = ?"
            self.assertEqual(database.execute(query, ["by the admin"]).fetchall(), [("brian",)])

    def test_a_right_that_is_taken_away_is_gone_after_a_restart_even_from_an_open_session(self):
        first = self.boot("django7", SUPERUSERS="eve").ready()
        browser = first.browser("eve")
        self.assertEqual(browser.ask("/admin/").status, 200)
        first.stop()
        browser.instance = self.boot("django7", data=first.data, SUPERUSERS="").ready()
        self.assertEqual(browser.ask("/admin/").status, 302)


class Requests(Site):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.instance = cls.boot("django1", ALLOWED_HOSTS="notes.example, localhost").ready()

    def test_the_page_escapes_what_users_wrote_and_lets_no_script_run(self):
        browser = self.instance.browser("eve<b>")
        browser.add("<script>alert(1)</script>")
        page = browser.ask("/")
        self.assertIn("&lt;script&gt;", page.text)
        self.assertNotRegex(page.text, "<script|<b>")
        self.assertIn("default-src 'none'", page.headers["Content-Security-Policy"])
        self.assertIn("no-store", page.headers["Cache-Control"])

    def test_an_empty_note_is_refused_with_a_reason(self):
        before = self.instance.whoami()["notes"]
        answer = self.instance.browser("graham").add("  ")
        self.assertEqual(answer.status, 422)
        self.assertIn('role="alert"', answer.text)
        self.assertEqual(self.instance.browser("graham").add("x" * 2001).status, 422)
        self.assertEqual(self.instance.whoami()["notes"], before)

    def test_a_form_from_elsewhere_is_refused(self):
        self.assertEqual(self.instance.ask("/", "POST", user="graham", body={"text": "forged"}).status, 403)

    def test_forms_work_behind_https_and_only_from_the_pages_own_origin(self):
        https = {"Host": "notes.example", "X-Forwarded-Host": "notes.example", "X-Forwarded-Proto": "https"}
        ours = {"Origin": "https://notes.example", "Referer": "https://notes.example/"}
        theirs = {"Origin": "https://evil.example", "Referer": "https://evil.example/"}
        self.assertEqual(self.instance.browser("graham", **https, **ours).add("over TLS").status, 302)
        self.assertEqual(self.instance.browser("graham", **https, **theirs).add("over TLS").status, 403)

    def test_a_host_that_is_not_ours_is_refused_but_the_health_check_is_not(self):
        elsewhere = {"Host": "evil.example"}
        self.assertEqual(self.instance.ask("/whoami", user="graham", headers=elsewhere).status, 400)
        self.assertEqual(self.instance.ask("/ping", headers=elsewhere).status, 204)

    def test_style_sheets_are_served_and_nothing_else_of_the_disk(self):
        for path in ("/static/notes/style.css", "/static/admin/css/base.css"):
            answer = self.instance.ask(path)
            self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/css"))
        for path in ("/static/../mysite/settings.py", "/static/%2e%2e/mysite/settings.py", "/static/notes/"):
            self.assertIn(self.instance.ask(path).status, (400, 404))

    def test_an_error_is_in_the_log_and_not_in_the_answer(self):
        broken = self.boot("django8").ready()
        with closing(sqlite3.connect(broken.data / "db.sqlite3")) as database:
            database.execute("drop table notes_note")
        answer = broken.ask("/whoami", user="graham")
        self.assertEqual(answer.status, 500)
        self.assertNotIn("notes_note", answer.text)
        self.assertIn("no such table: notes_note", broken.log.read_text())

    def test_errors_of_users_leave_no_trace_of_the_settings(self):
        self.assertNotIn("SECRET_KEY", self.instance.ask("/nothing", user="graham").text)


class Life(Site):
    def test_a_new_instance_has_its_tables_before_it_answers_with_any_number_of_workers(self):
        instance = self.boot("django1", WEB_CONCURRENCY="3").ready()
        self.assertEqual(instance.browser("graham").add("first").status, 302)
        self.assertTrue(instance.has_processes(4))
        self.assertEqual(stat.S_IMODE((instance.data / "secret_key").stat().st_mode), 0o600)
        leftovers = {path.name for path in instance.data.iterdir()} - {"db.sqlite3-wal", "db.sqlite3-shm"}
        self.assertEqual(leftovers, {"db.sqlite3", "db.sqlite3.lock", "secret_key"})

    def test_starts_at_the_same_moment_make_one_database_and_one_key(self):
        data = self.directory / "data" / "shared"
        instances = [self.boot("django2", data=data, socket_name=f"same-{n}.sock") for n in range(3)]
        with ThreadPoolExecutor() as pool:
            list(pool.map(Instance.ready, instances))
        instances[0].browser("brian").add("seen by all")
        self.assertEqual([instance.whoami()["notes"] for instance in instances], [1, 1, 1])
        browser = instances[0].browser("brian")
        browser.ask("/")
        browser.instance = instances[2]
        self.assertEqual(browser.add("signed by one, read by another").status, 302)

    def test_a_restart_keeps_notes_key_and_session(self):
        old = self.boot("django3").ready()
        browser = old.browser("malcolm")
        browser.add("before")
        session, key = browser.cookies["sessionid"], (old.data / "secret_key").read_text()
        new = self.boot("django3", data=old.data, socket_name="next.sock").ready()
        old.stop()
        browser.instance = new
        self.assertIn("before", browser.ask("/").text)
        self.assertEqual((browser.cookies["sessionid"], (new.data / "secret_key").read_text()), (session, key))

    def test_sigterm_ends_the_whole_tree_with_0_and_leaves_no_socket(self):
        for to_group in (True, False):
            with self.subTest(to_group=to_group):
                instance = self.boot("django4", WEB_CONCURRENCY="2").ready()
                self.assertTrue(instance.has_processes(3))
                if not to_group:
                    instance.process.terminate()
                    instance.process.wait(WAIT)
                self.assertEqual(instance.stop(), 0)
                self.assertEqual(instance.members(), {})
                self.assertFalse(instance.socket.exists())

    def test_a_request_in_hand_is_finished_after_sigterm(self):
        instance = self.boot("django10").ready()
        token = "a" * 32
        body = urlencode({"csrfmiddlewaretoken": token, "text": "late"}).encode()
        head = (
            "POST / HTTP/1.1\r\nHost: localhost\r\nX-Remote-User: brian\r\nExpect: 100-continue\r\n"
            f"Cookie: csrftoken={token}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        connection = Connection(instance.socket)
        connection.connect()
        with closing(connection):
            connection.sock.sendall(head.encode())
            self.assertEqual(connection.sock.recv(99), b"HTTP/1.1 100 Continue\r\n\r\n")
            os.killpg(instance.process.pid, signal.SIGTERM)
            deadline = time.monotonic() + WAIT
            while "Handling signal: term" not in instance.log.read_text() and time.monotonic() < deadline:
                time.sleep(0.02)
            connection.sock.sendall(body)
            self.assertTrue(connection.sock.recv(99).startswith(b"HTTP/1.1 302 "))
        self.assertEqual(instance.process.wait(WAIT), 0)
        with closing(sqlite3.connect(instance.data / "db.sqlite3")) as database:
            self.assertEqual(database.execute("select text from notes_note").fetchall(), [("late",)])

    def test_a_start_that_is_interrupted_leaves_nothing_that_the_next_one_stumbles_over(self):
        data = self.directory / "data" / "django5"
        data.mkdir(mode=0o700, parents=True)
        with closing(sqlite3.connect(data / "db.sqlite3", isolation_level=None)) as database:
            database.execute("begin exclusive")  # so that migrating does not come to its end
            interrupted = self.boot("django5")
            deadline = time.monotonic() + WAIT
            while not (data / "db.sqlite3.lock").exists() and time.monotonic() < deadline:  # it appears as migrating begins
                time.sleep(0.02)
            self.assertEqual(interrupted.stop(), -signal.SIGTERM)
        self.assertEqual(interrupted.members(), {})
        self.assertEqual(self.boot("django5").ready().browser("graham").add("after all").status, 302)

    def test_without_a_data_directory_it_says_what_is_missing_and_does_not_start(self):
        instance = self.boot("django6", MUX_DATA="/nonexistent/data")
        self.assertNotEqual(instance.process.wait(WAIT), 0)
        env = {name: value for name, value in instance.env.items() if name != "MUX_DATA"}
        command = [sys.executable, "manage.py", "check"]
        answer = subprocess.run(command, cwd=HERE, env=env, capture_output=True, text=True, timeout=WAIT)
        self.assertEqual(answer.returncode, 1)
        self.assertIn("MUX_DATA is not set", answer.stderr)

    def test_settings_and_migrations_are_in_order(self):
        instance = self.boot("django9").ready()
        for command in (["check", "--fail-level", "WARNING"], ["makemigrations", "--check", "--dry-run"]):
            answer = subprocess.run(
                [sys.executable, "-W", "error::DeprecationWarning:mysite", "manage.py", *command],
                cwd=HERE,
                env=instance.env,
                capture_output=True,
                text=True,
                timeout=WAIT,
            )
            self.assertEqual(answer.returncode, 0, answer.stdout + answer.stderr)
            self.assertNotIn("Deprecat", answer.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
