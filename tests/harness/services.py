"""One of the service binaries as a child process: `vora-upload`, `vora-gateway`, ..."""

import json
import pathlib
import signal
import subprocess

import requests

from harness.server import binary, clean_environment, die_with_the_tests
from harness.wait import wait_until

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60


def program(name):
    path = pathlib.Path(binary()).parent / name
    assert path.exists(), f"no {path}: build it with -DVORA_REAL_SYSTEMS=ON"
    return str(path)


def as_flags(keys):
    return [f"--{key}={value}" for key, value in keys.items()]


def run(name, *arguments, **environment):
    """To its end, for what starts nothing."""
    return subprocess.run(
        [program(name), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        env=clean_environment(**environment),
    )


class Service:
    """Running; its addresses are those that it printed."""

    def __init__(self, name, directory, keys, *arguments, environment=None, wait=True):
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.out = directory / f"{name}.out"
        self.log = directory / f"{name}.log"
        with open(self.out, "wb") as out, open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program(name), *arguments, *as_flags(keys)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=directory,
                env=clean_environment(**(environment or {})),
                start_new_session=True,
                preexec_fn=die_with_the_tests,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self):
        self.addresses = wait_until(
            self._announced, START_TIMEOUT_S, lambda: f"{self.name} serves\n{self.tail()}"
        )
        return self

    def _announced(self):
        if self.process.poll() is not None:
            raise AssertionError(f"it ended with {self.process.returncode}\n{self.tail()}")
        text = self.out.read_text()
        return json.loads(text) if text.endswith("\n") else None

    def tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def url(self, which="public"):
        return f"http://{self.addresses[which]}"

    def get(self, path, which="public", **more):
        return requests.get(self.url(which) + path, timeout=30, **more)

    def readiness(self, which="admin"):
        """(status, {dependency: (status, detail)})"""
        answer = self.get("/readyz", which)
        listed = answer.json()["dependencies"]
        return answer.status_code, {d["name"]: (d["status"], d["detail"]) for d in listed}

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_TIMEOUT_S)

    def dispose(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_TIMEOUT_S)
