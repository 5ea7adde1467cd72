"""What lies where in a stack's directory, and what is chosen once and kept there: ports, secrets, keys."""

import contextlib
import errno
import fcntl
import json
import os
import pwd
import random
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path

from tools.stack.install import say

ROOT = Path(__file__).resolve().parents[2]
# Who runs what refuses root, or is better not root.
ACCOUNTS = {"postgres": "postgres", "varnish": "varnish", "edge": "www-data"}
SECRETS = [
    "postgres-admin",
    "postgres-vora",
    "postgres-temporal",
    "minio-root",
    "minio-upload",
    "minio-worker",
    "minio-gateway",
    "clickhouse-writer",
    "clickhouse-reader",
    "internal",
    "hook",
    "purge",
]
TOKEN_AGE_MAX_S = 300 * 86400
# Below those that the kernel gives to connections: a port that is kept must be free when its process comes back.
KEPT_PORTS = range(20000, 32000)


class StackError(RuntimeError):
    """Why it cannot go on, in words for the user."""


def write_private(path, text):
    """Replaces the file in one step; nobody else can read it."""
    path = Path(path)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text)
    fresh.rename(path)


def read_json(path, otherwise):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return otherwise


def binary(name):
    """A program of ours. VORA_STACK_BIN names another directory than build/bin."""
    path = Path(os.environ.get("VORA_STACK_BIN") or ROOT / "build" / "bin") / name
    if not path.exists():
        raise StackError(f"there is no {path}: ./vora stack up builds it")
    return path


def is_free(port, host="127.0.0.1"):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with contextlib.closing(socket.socket(family)) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind((host, port))
        except OSError:
            return False
    return True


class Layout:
    """`open()` takes the directory for this process alone, until it ends."""

    def __init__(self, directory):
        self.root = Path(directory).absolute()
        self.state = self.root / "stack"
        self.lock = None
        self._ports = {}
        self._secrets = {}
        self._outside = None

    # -- whose it is -----------------------------------------------------------------------------

    def open(self):
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self.root = self.root.resolve()
            self.state = self.root / "stack"
            # Servers with a system user of their own must get through; what is secret is 0700 below.
            self.root.chmod(0o711 if os.geteuid() == 0 else 0o700)
            self.lock = open(self.root / "lock", "a+")
        except OSError as error:
            raise StackError(f"{self.root}: {error.strerror}") from None
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StackError(
                f"{self.root} is held by a running Vora (pid {self.holder() or '?'}): stop it first "
                f"(./vora stack stop --data {self.root}), or choose another --data"
            ) from None
        self.lock.truncate(0)
        self.lock.write(f"{os.getpid()}\n")
        self.lock.flush()
        for name in ("stack", "config", "keys", "log"):
            (self.root / name).mkdir(exist_ok=True)
            (self.root / name).chmod(0o700)
        for name in ("run.json", "stack.json"):  # of a run that was killed
            (self.root / name).unlink(missing_ok=True)
        self._ports = read_json(self.state / "ports.json", {})
        return self

    def holder(self):
        """The pid of the process that has the directory; None when there is none."""
        try:
            with open(self.root / "lock") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError as error:
                    if error.errno in (errno.EAGAIN, errno.EACCES):
                        return int(lock.read().strip() or 0) or None
        except (OSError, ValueError):
            pass
        return None

    def known(self):
        """For those who only look: the directory must be there."""
        if not self.root.is_dir():
            raise StackError(f"there is no {self.root}: name the stack's directory with --data")
        self.root = self.root.resolve()
        self.state = self.root / "stack"
        return self

    def outside(self):
        """Directories elsewhere that belong to this one."""
        kept = read_json(self.state / "outside", None)
        return [Path(kept)] if kept else []

    # -- chosen once -----------------------------------------------------------------------------

    def port(self, name):
        """The same as last time, unless somebody else has taken it."""
        kept = self._ports.get(name)
        if kept and is_free(kept):
            return kept
        taken = set(self._ports.values())
        for port in random.SystemRandom().sample(KEPT_PORTS, 2000):
            if port not in taken and is_free(port):
                self._ports[name] = port
                write_private(self.state / "ports.json", json.dumps(self._ports, indent=1) + "\n")
                return port
        raise StackError("there is no free port on this machine")

    def port_of(self, name):
        """One that is chosen already, and in use by now."""
        return self._ports[name]

    def secret(self, name):
        if not self._secrets:
            self._secrets = read_json(self.state / "secrets.json", {})
            missing = [each for each in SECRETS if len(self._secrets.get(each, "")) < 32]
            if missing:
                self._secrets.update({each: secrets.token_hex(20) for each in missing})
                write_private(
                    self.state / "secrets.json", json.dumps(self._secrets, indent=1) + "\n"
                )
        return self._secrets[name]

    def make_keys(self, vora):
        """The keys of grants and tokens, as `vora up` makes them, and an API token; all are kept."""
        keys = self.root / "keys"
        grants, issuer, public = keys / "grants.json", keys / "issuer.pem", keys / "issuer.pub.pem"
        if not grants.exists():
            ring = {"signing": "k1", "keys": {"k1": secrets.token_hex(32)}}
            write_private(grants, json.dumps(ring) + "\n")
        if not issuer.exists():
            made = run("openssl", "genpkey", "-algorithm", "ed25519")
            write_private(issuer, made)
        write_private(public, run("openssl", "pkey", "-in", issuer, "-pubout"))
        token = self.root / "api.token"
        if not token.exists() or token.stat().st_mtime < time.time() - TOKEN_AGE_MAX_S:
            minted = run(
                vora, "token", "--data", self.root, "--subject", "admin", "--scope", "admin", "--ttl", "365d"
            )
            write_private(token, minted)

    # -- places ----------------------------------------------------------------------------------

    def log(self, name):
        path = self.root / "log" / f"{name}.log"
        with contextlib.suppress(OSError):
            if path.stat().st_size > 64 << 20:
                path.rename(path.with_suffix(".log.1"))
        return path

    def config(self, name):
        return self.root / "config" / f"{name}.toml"

    def home(self, name):
        """The working directory of one process: recognised by it when we have died and it has not."""
        kind = name.split("-")[0]
        if os.geteuid() == 0 and kind in ACCOUNTS:
            home = self._reachable(name, ACCOUNTS[kind])
        else:
            home = self.root / name
        home.mkdir(mode=0o700, exist_ok=True)
        return home

    def _reachable(self, name, account):
        """Below our directory, or below one outside when the account cannot come that far."""
        closed = closed_to(self.root, account)
        if closed is None:
            return self.root / name
        if self._outside is None:
            self._outside = outside_of(self.root, self.state / "outside")
            say(
                f"{closed} is closed to the user {account}: what runs as a user of its own keeps its "
                f"files in {self._outside}"
            )
        return self._outside / name


def run(*command):
    done = subprocess.run(
        [str(part) for part in command], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise StackError(f"{Path(command[0]).name} failed: {(done.stderr or done.stdout)[-1000:]}")
    return done.stdout


def closed_to(path, account):
    """The first directory on the way to `path` that the account may not pass; None when all are open."""
    owner = pwd.getpwnam(account)
    groups = os.getgrouplist(account, owner.pw_gid)
    for directory in [*reversed(path.parents), path]:
        s = directory.stat()
        bit = stat.S_IXOTH
        if s.st_uid == owner.pw_uid:
            bit = stat.S_IXUSR
        elif s.st_gid in groups:
            bit = stat.S_IXGRP
        if not s.st_mode & bit:
            return directory
    return None


def outside_of(root, note, base="/var/tmp"):
    """A directory for `root` where everybody may pass; those of stacks that are gone are removed."""
    for other in Path(base).glob("vora-stack-*"):
        with contextlib.suppress(OSError):
            if other.stat().st_uid != os.geteuid():
                continue
            theirs = Path((other / "belongs-to").read_text())
            if read_json(theirs, None) != str(other):
                shutil.rmtree(other, ignore_errors=True)
    kept = read_json(note, None)
    if kept and Path(kept).is_dir():
        return Path(kept)
    made = Path(tempfile.mkdtemp(prefix="vora-stack-", dir=base))
    (made / "belongs-to").write_text(str(note))
    write_private(note, json.dumps(str(made)))
    made.chmod(0o711)
    return made
