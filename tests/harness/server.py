"""One `vora up` as a child process: started, watched, stopped, killed, started again on the same data."""

import contextlib
import ctypes
import json
import os
import pathlib
import signal
import subprocess

import requests

from harness import processes
from harness.api import Api
from harness.wait import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30


def binary():
    path = pathlib.Path(os.environ.get("VORA_BIN") or ROOT / "build" / "bin" / "vora")
    if not path.exists():
        raise RuntimeError(f"no vora binary at {path}: build it (./vora build) or set VORA_BIN")
    return str(path.resolve())


def clean_environment(**more):
    """The caller's environment without its VORA_ variables, which would be configuration here."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("VORA_")}
    env.update(more)
    return env


def as_url(address):
    return address if "://" in address else f"http://{address}"


def die_with_the_tests():
    """In the child: a test run that is itself killed leaves no server behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    def __init__(self, data, logs, arguments=(), environment=None):
        self.data = pathlib.Path(data)
        self.logs = pathlib.Path(logs)
        self.logs.mkdir(parents=True, exist_ok=True)
        self.arguments = list(arguments)
        # The event engine costs a second of CPU and 200 MB: a test that wants it asks for it.
        self.environment = {"VORA_EVENTS_ENGINE": "off", **(environment or {})}
        self.process = None
        self.runs = 0
        self.run = {}

    # -- life ------------------------------------------------------------------------------------

    def start(self, listen="127.0.0.1:0", wait=True, **environment):
        """Starts it; the environment given here holds for this one run (a fault point, say)."""
        assert self.process is None or self.process.poll() is not None, "it still runs"
        self.runs += 1
        with open(self.log_path("out"), "wb") as out, open(self.log_path("err"), "wb") as err:
            self.process = subprocess.Popen(
                [binary(), "up", "--data", str(self.data), "--listen", listen, "--no-open"]
                + self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=clean_environment(**{**self.environment, **environment}),
                start_new_session=True,
                preexec_fn=die_with_the_tests,
            )
        if wait:
            self.wait_ready()
        return self

    def log_path(self, stream, run=None):
        return self.logs / f"run-{run or self.runs}.{stream}"

    def wait_ready(self, timeout_s=START_TIMEOUT_S):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError(
                    f"vora ended with {self.process.returncode} instead of starting\n{self.tail()}"
                )
            self.run = self._read_run()
            if not self.run:
                return False
            try:
                return requests.get(self.url + "/readyz", timeout=2).status_code == 200
            except requests.RequestException:
                return False

        wait_until(ready, timeout_s, lambda: f"vora is ready\n{self.tail()}")

    def _read_run(self):
        # A run.json of an earlier run names another process.
        try:
            run = json.loads((self.data / "run.json").read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return run if run.get("pid") == self.process.pid else {}

    def stop(self, timeout_s=STOP_TIMEOUT_S):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            tail = self.tail()
            self.kill()
            raise AssertionError(f"SIGTERM did not stop vora in {timeout_s} s\n{tail}") from None

    def kill(self):
        """SIGKILL of that one process, as the out-of-memory killer would do it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
        if self.process is not None:
            self.process.wait(STOP_TIMEOUT_S)

    def wait_killed(self, timeout_s):
        """Waits for a fault point to end the process."""
        wait_until(
            lambda: self.process.poll() is not None,
            timeout_s,
            lambda: f"the fault point was reached\n{self.tail()}",
            interval_s=0.02,
        )
        assert self.process.returncode == -signal.SIGKILL, self.tail()

    def dispose(self):
        """Ends whatever is left of it, for a fixture's end; children are in its session's group."""
        if self.process is None:
            return
        children = processes.descendants(self.process.pid) if self.running() else {}
        self.kill()
        for pid in children:
            if processes.alive(pid) and processes.name_of(pid) == children[pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def running(self):
        return self.process is not None and self.process.poll() is None

    # -- what it says ----------------------------------------------------------------------------

    @property
    def url(self):
        return as_url(self.run["http"])

    @property
    def admin_url(self):
        return as_url(self.run["admin"])

    @property
    def address(self):
        host, port = self.url.split("://", 1)[1].rstrip("/").rsplit(":", 1)
        return host, int(port)

    @property
    def token(self):
        return (self.data / "api.token").read_text().strip()

    @property
    def api(self):
        return Api(self.url, self.token)

    def output(self):
        """Everything every run printed, as bytes."""
        return b"".join(path.read_bytes() for path in sorted(self.logs.glob("run-*")))

    def tail(self, lines=40):
        text = []
        for stream in ("out", "err"):
            path = self.log_path(stream)
            if path.exists():
                rows = path.read_text(errors="replace").splitlines()[-lines:]
                text += [f"--- {path.name}"] + rows
        return "\n".join(text)

    def metrics(self):
        return requests.get(self.admin_url + "/metrics", timeout=10).text

    def metric(self, name, **labels):
        """The sum of a counter or gauge over all its label sets that hold these labels."""
        total, found = 0.0, False
        for line in self.metrics().splitlines():
            if not line.startswith(name) or line.startswith("#"):
                continue
            rest = line[len(name) :]
            if rest[:1] not in (" ", "{"):
                continue
            if all(f'{k}="{v}"' in rest for k, v in labels.items()):
                total, found = total + float(line.rsplit(" ", 1)[1]), True
        return total if found else None

    # -- what it keeps ---------------------------------------------------------------------------

    def raw(self, upload_id=""):
        return self.data / "store" / "bucket-raw" / upload_id

    def processed(self, video_id=""):
        return self.data / "store" / "bucket-processed" / video_id


@contextlib.contextmanager
def running(base, arguments=(), environment=None):
    """A started Server with its data and logs in `base`. It ends with exit code 0, unless the test has
    ended it."""
    server = Server(base / "data", base / "logs", arguments, environment)
    try:
        yield server.start()
        if server.running():
            assert server.stop() == 0, server.tail()
    finally:
        server.dispose()
