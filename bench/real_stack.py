"""A `./vora stack up` of its own for the benchmarks of the real systems."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import measure

START_TIMEOUT_S = 300


class Stack:
    """Running until stop(). The servers must be installed (`./vora stack up` once, or `./vora test`)."""

    def __init__(self, *flags):
        self.dir = Path(tempfile.mkdtemp(prefix="vora-bench-"))
        self.dir.chmod(0o755)  # PostgreSQL and Varnish run as users of their own
        self.data = self.dir / "data"
        self.log = (self.dir / "stdout.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.stack.stack", "up", "--data", str(self.data), "--listen", "127.0.0.1:0",
             "--no-open", "--no-supervise", *flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, cwd=measure.ROOT)
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise

    def wait_ready(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.url = json.loads((self.data / "run.json").read_text())["http"]
                if not self.url.startswith("http"):
                    self.url = "http://" + self.url
                with urllib.request.urlopen(self.url + "/readyz", timeout=5) as answer:
                    if answer.status == 200:
                        self.token = (self.data / "api.token").read_text().strip()
                        return
            except (OSError, ValueError, KeyError):
                time.sleep(0.1)
        raise SystemExit("the stack did not become ready: " + (self.dir / "stdout.log").read_text()[-3000:])

    @property
    def members(self):
        return {m["name"]: m for m in json.loads((self.data / "stack.json").read_text())}

    def address(self, name):
        return f"http://127.0.0.1:{self.members[name]['port']}"

    def pid(self, name):
        return self.members[name]["pid"]

    @property
    def environment(self):
        lines = (self.data / "stack.env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return {key: value.strip("'\"") for key, value in pairs}

    call = measure.Server.call
    upload = measure.Server.upload
    ready_video = measure.Server.ready_video

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=120)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.log.close()
            shutil.rmtree(self.dir, ignore_errors=True)
