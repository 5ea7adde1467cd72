"""PostgreSQL 15 on a data directory of its own."""

import os
import pwd
import signal
import subprocess
from pathlib import Path

from tools.stack import install
from tools.stack.process import Child, free_port


class Postgres:
    """start() makes the cluster at first, with one superuser and his password; dsn(database) names it."""

    def __init__(self, directory, port=None, password="vora-test", settings=None, user="vora"):
        self.directory = Path(directory)
        self.data = self.directory / "data"
        self.port = port or free_port()
        self.user = user
        self.password = password
        self.settings = settings or {}
        self.log = self.directory / "postgres.log"
        self.child = None
        # PostgreSQL refuses to run as root.
        self.account = "postgres" if os.geteuid() == 0 else None

    @property
    def bin(self):
        return install.ensure("postgres").parent

    def prepare(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.account:
            owner = pwd.getpwnam(self.account)
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()

    def launch(self):
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            **self.settings,
        }
        arguments = [part for key, value in options.items() for part in ("-c", f"{key}={value}")]
        self.child = Child(
            "postgres",
            [self.bin / "postgres", "-D", self.data, *arguments],
            self.log,
            user=self.account,
            cwd=self.directory,
        )
        return self.child

    def start(self):
        self.prepare()
        self.launch().wait_until(self.ready)
        return self

    def _initialise(self):
        secret = self.directory / "password"
        secret.write_text(self.password + "\n")
        as_user = {}
        if self.account:
            owner = pwd.getpwnam(self.account)
            os.chown(secret, owner.pw_uid, owner.pw_gid)
            as_user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        secret.chmod(0o600)
        command = [self.bin / "initdb", "-D", self.data, "-U", self.user, "--pwfile", secret]
        command += ["-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            command, cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True, text=True, **as_user
        )
        secret.unlink()
        if done.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{done.stdout}\n{done.stderr}")

    def ready(self):
        command = [self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, stdin=subprocess.DEVNULL).returncode == 0

    def dsn(self, database="postgres", user=None, password=None):
        return (
            f"postgresql://{user or self.user}:{password or self.password}@127.0.0.1:{self.port}/{database}"
        )

    def sql(self, text, database="postgres"):
        """Runs statements; returns what they print, unaligned, without headers."""
        done = subprocess.run(
            [self.bin / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.dsn(database)],
            input=text,
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr}")
        return done.stdout.strip()

    def kill(self):
        """SIGKILL of the server; its children see it and end."""
        self.child.kill()

    def stop(self):
        if self.child:
            self.child.stop(number=signal.SIGINT)

    def environment(self):
        return {"VORA_TEST_POSTGRES": self.dsn()}
