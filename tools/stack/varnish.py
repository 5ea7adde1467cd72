"""Varnish in front of gateways, with deploy/varnish/default.vcl."""

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from pathlib import Path

from tools.stack import install
from tools.stack.process import Child, answers, free_port

ROOT = Path(__file__).resolve().parents[2]

# The shared memory log holds no URL and no header, so that no grant can be read there.
LOG_MASK = "-ReqURL,-ReqHeader,-ReqUnset,-BereqURL,-BereqHeader,-BereqUnset,-HttpGarbage,-ReqStart"


def load_renderer():
    """deploy/varnish/vora_vcl.py stands alone: it is installed without the rest of the tree."""
    path = ROOT / "deploy" / "varnish" / "vora_vcl.py"
    spec = importlib.util.spec_from_file_location("vora_vcl", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Varnish:
    """`grants` is the ring of grant keys; `gateways` are HOST:PORT. start() needs both to be there."""

    def __init__(self, directory, gateways, grants, port=None, purge_secret=None, storage="128m", admin_port=None, **timeouts):
        self.directory = Path(directory)
        self.gateways = list(gateways)
        self.grants = Path(grants)
        self.port = port or free_port()
        self.admin_port = admin_port or free_port()
        self.purge_secret = purge_secret or secrets.token_hex(16)
        self.storage = storage
        self.timeouts = timeouts
        self.renderer = load_renderer()
        self.log = self.directory / "varnish.log"
        self.child = None
        # As root it runs as a user of its own.
        self.account = "varnish" if os.geteuid() == 0 else None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self):
        return "127.0.0.1", self.port

    @property
    def vcl(self):
        return self.directory / "vora.vcl"

    @property
    def instance(self):
        return self.directory / "work"

    def launch(self):
        program = install.ensure("varnish")
        self.directory.mkdir(parents=True, exist_ok=True)
        # What it compiles holds the keys.
        self.directory.chmod(0o700)
        secret = self.directory / "admin-secret"
        secret.write_text(secrets.token_hex(32) + "\n")
        self._hand_over(self.directory, secret)
        self.write_vcl()
        self.child = Child(
            "varnish",
            [program, "-F", "-n", self.instance, "-f", self.vcl, "-j", "none"]
            + ["-a", f"127.0.0.1:{self.port}", "-T", f"127.0.0.1:{self.admin_port}", "-S", secret]
            + ["-s", f"default=malloc,{self.storage}", "-s", "Transient=malloc,32m"]
            + ["-p", f"vsl_mask={LOG_MASK}", "-p", "thread_pool_min=20"],
            self.log,
            user=self.account,
            cwd=self.directory,
        )
        return self.child

    def start(self):
        self.launch().wait_until(self.ready)
        return self

    def _hand_over(self, *paths):
        for path in paths:
            if self.account:
                owner = pwd.getpwnam(self.account)
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def write_vcl(self):
        keys = self.renderer.read_keys(self.grants)
        text = self.renderer.render(keys, self.gateways, self.purge_secret, **self.timeouts)
        self.renderer.write_private(self.vcl, text)
        self._hand_over(self.vcl)

    def reload(self):
        """Takes over the ring as it is now, without losing a request."""
        self.write_vcl()
        self.renderer.load(self.instance, self.vcl)

    def ready(self):
        return answers(self.port)

    def command(self, *words):
        return self.renderer.varnishadm(self.instance, *words)

    def counter(self, name):
        """One of varnishstat's, "MAIN.cache_hit"."""
        done = subprocess.run(
            ["varnishstat", "-n", str(self.instance), "-1", "-f", name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout.split()[1])

    def request_log(self):
        """All that is in the shared memory log."""
        command = ["varnishlog", "-n", str(self.instance), "-d", "-g", "raw"]
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, check=True
        ).stdout.decode(errors="replace")

    def kill(self):
        """SIGKILL of the manager; the cache process sees it and ends."""
        self.child.kill()

    def stop(self):
        if self.child:
            self.child.stop()
            shutil.rmtree(self.instance, ignore_errors=True)
