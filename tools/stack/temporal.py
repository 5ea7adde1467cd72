"""Temporal: the CLI's development server, with its histories in one SQLite file."""

import subprocess
from pathlib import Path

from tools.stack import install
from tools.stack.process import Child, free_port


class TemporalDev:
    """For tests. Namespace `default` exists at once; everything survives kill() and start()."""

    def __init__(self, directory, port=None):
        self.directory = Path(directory)
        self.port = port or free_port()
        self.http_port = free_port()
        self.metrics_port = free_port()
        self.child = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.child = Child(
            "temporal",
            [install.ensure("temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
            + ["--port", self.port, "--http-port", self.http_port, "--metrics-port", self.metrics_port]
            + ["--db-filename", self.directory / "temporal.db", "--log-level", "warn"],
            self.directory / "temporal.log",
            environment={"HOME": str(self.directory)},
        )
        self.child.wait_until(self.ready)
        return self

    def ready(self):
        command = [install.ensure("temporal"), "operator", "namespace", "describe", "-n", "default"]
        done = subprocess.run(
            [*command, "--address", self.address],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return done.returncode == 0

    def kill(self):
        self.child.kill()

    def stop(self):
        if self.child:
            self.child.stop()

    def environment(self):
        return {"VORA_TEST_TEMPORAL": self.address}
