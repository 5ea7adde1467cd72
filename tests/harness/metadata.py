"""vora-metadata by itself on a real PostgreSQL: any number of replicas, a server that is killed, stopped, frozen."""

import contextlib
import os
import pwd
import secrets
import signal
import subprocess
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from tools.stack.postgres import Postgres
from tools.stack.process import free_port

from harness import processes
from harness.api import Api
from harness.operator import vora_cli
from harness.services import Service

INTERNAL = secrets.token_hex(16)
START_TRIES_S = 60


class Issuer:
    """The platform's own issuer of tokens: a key that the CLI mints with, its public half for services."""

    def __init__(self, directory):
        self.directory = directory
        (directory / "keys").mkdir(parents=True)
        key = ed25519.Ed25519PrivateKey.generate()
        private = directory / "keys" / "issuer.pem"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        private.chmod(0o600)
        self.public = directory / "keys" / "issuer.public.pem"
        self.public.write_bytes(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def token(self, subject="admin", scope="admin"):
        words = ("token", "--subject", subject, "--scope", scope, "--ttl", "1h")
        done = vora_cli(*words, "--data", self.directory)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


class Replica(Service):
    """One vora-metadata; its engine and its upload service are away, which it works without."""

    def __init__(self, directory, issuer, database, wait=True, **more):
        keys = {
            "workflow.engine": "temporal://127.0.0.1:1/default",
            "services.upload_url": "http://127.0.0.1:1",
            "keys.grants_file": issuer.directory / "keys" / "grants.json",
            "keys.issuer_public_file": issuer.public,
            **more,
        }
        # What is secret goes by environment.
        environment = {
            "VORA_METADATA_DATABASE": database,
            "VORA_SECRETS_INTERNAL": INTERNAL,
            "VORA_SECRETS_HOOK": secrets.token_hex(16),
        }
        self.token = issuer.token()
        super().__init__("vora-metadata", directory, keys, environment=environment, wait=wait)

    @property
    def api(self):
        return Api(self.url(), self.token)

    def changes(self, epoch="", after=0, wait_s=0):
        """What a gateway hears."""
        query = {"epoch": epoch, "after": after, "wait_s": wait_s}
        bearer = {"Authorization": f"Bearer {INTERNAL}"}
        answer = self.get("/internal/playback/changes", "internal", headers=bearer, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()


def database(server):
    """A new one; its name."""
    name = "vora_" + secrets.token_hex(6)
    server.sql(f"CREATE DATABASE {name}")
    return name


def all_of(server):
    return [server.child.pid, *processes.descendants(server.child.pid)]


@contextlib.contextmanager
def frozen(server):
    """The server and each of its processes, as a disk that hangs would leave them."""
    stopped = all_of(server)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def start_again(server):
    """After a kill: the dead one's processes may hold its memory for a moment."""
    deadline = time.monotonic() + START_TRIES_S
    while True:
        try:
            return server.start()
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextlib.contextmanager
def away(server, how):
    """`how`: "killed" (SIGKILL), "stopped" (by its operator), "frozen"."""
    if how == "frozen":
        with frozen(server):
            yield
        return
    getattr(server, {"killed": "kill", "stopped": "stop"}[how])()
    try:
        yield
    finally:
        start_again(server)


class Standby(Postgres):
    """A hot standby of `primary`, which waits with each commit until it stands here too."""

    def __init__(self, directory, primary):
        super().__init__(directory, free_port(), primary.password)
        self.primary = primary
        self.directory.mkdir(parents=True)
        as_user = {}
        if self.account:
            owner = pwd.getpwnam(self.account)
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            as_user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
        command = [self.bin / "pg_basebackup", "-D", self.data, "-d", primary.dsn()]
        command += ["-R", "-X", "stream", "-c", "fast"]
        subprocess.run(
            command,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            check=True,
            capture_output=True,
            **as_user,
        )
        self.start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")

    def promote(self):
        assert self.sql("SELECT pg_promote(true, 60)") == "t"
