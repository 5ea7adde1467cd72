"""A running stack as its directory shows it: processes, addresses, and what the real systems say."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import requests
from tools.stack.minio_admin import MinioAdmin

from harness.api import Api, session
from harness.processes import alive, descendants
from harness.server import ROOT, clean_environment, die_with_the_tests
from harness.wait import wait_until

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 200
# What a stack without --scale runs, and each of which may die.
PROCESSES = (
    *("upload", "metadata", "workflow", "worker", "gateway", "analytics", "dashboard"),
    *("postgres", "minio", "temporal", "clickhouse", "varnish", "edge"),
)
# With several threads the encoder's rate control depends on their timing: two runs differ a little.
SAME_PICTURES = "--media.encoder_threads=1"


class Platform:
    """`directory` is the stack's --data."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.run = json.loads((self.directory / "run.json").read_text())
        self.url = f"http://{self.run['http']}"
        self.token = (self.directory / "api.token").read_text().strip()
        self.api = Api(self.url, self.token)
        self.http = session()
        self.ports = json.loads((self.directory / "stack" / "ports.json").read_text())
        lines = (self.directory / "stack.env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines)
        self.ring = self.directory / "keys" / "grants.json"

    # -- processes -------------------------------------------------------------------------------

    def entries(self):
        """{name: entry}, with state and admin address."""
        text = (self.directory / "stack" / "processes.json").read_text()
        return {entry["name"]: entry for entry in json.loads(text)}

    def pid(self, name):
        return self.entries()[name]["pid"]

    def kill(self, name):
        """SIGKILL; returns the pid that has died."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_back(self, name, pid, timeout_s=60):
        """Another process of this name is up."""

        def back():
            entry = self.entries()[name]
            return entry["pid"] != pid and entry["state"] == "up"

        wait_until(back, timeout_s, lambda: f"{name} is back\n{self.tail(name)}")

    def wait_all_up(self, timeout_s=90):
        """Everything runs, and every service says that it is ready."""
        waiting = {}

        def up():
            waiting.clear()
            for name, entry in self.entries().items():
                if entry["state"] != "up" or not alive(entry["pid"]):
                    waiting[name] = entry["state"]
                elif entry["admin"] and self.readiness(entry["admin"]) != 200:
                    waiting[name] = "not ready"
            return not waiting

        wait_until(
            up,
            timeout_s,
            lambda: "\n".join(f"{n}: {s}\n{self.tail(n)}" for n, s in waiting.items()),
        )
        wait_until(lambda: self.readiness(self.run["http"]) == 200, 60, "the edge is ready")

    def readiness(self, address):
        try:
            return self.http.get(f"http://{address}/readyz", timeout=10).status_code
        except requests.RequestException:
            return 0

    @contextlib.contextmanager
    def frozen(self, name):
        """It neither answers nor ends, nor does what has come from it."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGSTOP)  # first: from now on it has no more children
        everybody = [pid, *descendants(pid)]
        try:
            for each in everybody[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGSTOP)
            yield
        finally:
            for each in everybody:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)

    @contextlib.contextmanager
    def down(self, name):
        """It is dead and stays so: who would start it again stands still."""
        os.kill(self.run["pid"], signal.SIGSTOP)
        try:
            pid = self.kill(name)
            wait_until(lambda: not alive(pid), 30, f"{name} has died")
            yield
        finally:
            os.kill(self.run["pid"], signal.SIGCONT)
        self.wait_back(name, pid)

    def tail(self, name, lines=15):
        path = self.directory / "log" / f"{name}.log"
        if not path.exists():
            return ""
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])

    def metric(self, name, metric, **labels):
        """The sum over all label sets of one process that hold these labels."""
        text = self.http.get(f"http://{self.entries()[name]['admin']}/metrics", timeout=30).text
        total = 0.0
        for line in text.splitlines():
            if line.startswith(metric) and line[len(metric)] in " {":
                if all(f'{k}="{v}"' in line for k, v in labels.items()):
                    total += float(line.rsplit(" ", 1)[1])
        return total

    # -- the real systems ------------------------------------------------------------------------

    def runs(self, video_id):
        """Status of every run that Temporal has for a video, whatever its generation."""
        base = f"http://127.0.0.1:{self.ports['temporal.http']}/api/v1/namespaces/vora/workflows"
        answer = self.http.get(
            base, params={"query": f"WorkflowId STARTS_WITH 'video-{video_id}-'"}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        listed = answer.json().get("executions", [])
        return [run["status"].removeprefix("WORKFLOW_EXECUTION_STATUS_") for run in listed]

    def terminate(self, workflow_id):
        """As an operator would do it by hand."""
        base = f"http://127.0.0.1:{self.ports['temporal.http']}/api/v1/namespaces/vora/workflows"
        answer = self.http.post(f"{base}/{workflow_id}/terminate", json={"reason": "x"}, timeout=30)
        assert answer.status_code == 200, answer.text

    def raw(self, key):
        """The bytes of an object that was uploaded."""
        return self._object(f"/bucket-raw/{key}")

    def processed(self, key):
        """The bytes of an object that was published."""
        return self._object(f"/bucket-processed/{key}")

    def _object(self, path):
        access, secret = (self.env[f"VORA_S3_{n}_KEY"] for n in ("ACCESS", "SECRET"))
        status, body = MinioAdmin(self.env["VORA_S3_URL"], access, secret).call("GET", path)
        assert status == 200, f"{path}: {status} {body[:300]}"
        return body

    def written(self, video_id):
        """What MinIO has on its disk for a video's output, with when it was written."""
        base = self.directory / "minio" / "data" / "bucket-processed" / video_id
        found = {
            str(path.relative_to(base)): path.stat() for path in base.rglob("*") if path.is_file()
        }
        assert found, f"there is nothing in {base}"
        return {name: (stat.st_mtime_ns, stat.st_size) for name, stat in found.items()}

    def ask_events(self, sql):
        answer = self.http.post(self.env["VORA_CLICKHOUSE_URL"], data=sql.encode(), timeout=60)
        if answer.status_code == 404 and "UNKNOWN_" in answer.text:
            return []  # neither table nor database before the first event
        assert answer.status_code == 200, answer.text
        return [tuple(line.split("\t")) for line in answer.text.splitlines()]


@contextlib.contextmanager
def started(*arguments):
    """A stack of one's own, in a directory that the servers' own users get through to."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="vora-stack-test-"))
    base.chmod(0o711)
    log = base / "stack.log"
    command = [sys.executable, "-m", "tools.stack.stack", "up", "--data", str(base / "data")]
    command += ["--listen", "127.0.0.1:0", "--no-open", *arguments]
    with open(log, "wb") as out:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment(),
            start_new_session=True,
            preexec_fn=die_with_the_tests,
        )

    def is_up():
        assert process.poll() is None, f"the stack ended\n{log.read_text()}"
        return (base / "data" / "run.json").exists()

    def told():
        logs = sorted((base / "data" / "log").glob("*.log"))
        last = (f"-- {path.stem}\n{path.read_text(errors='replace')[-800:]}" for path in logs)
        return f"the stack is up\n{log.read_text()}\n" + "\n".join(last)

    try:
        wait_until(is_up, START_TIMEOUT_S, told)
        yield Platform(base / "data")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(30)
        shutil.rmtree(base, ignore_errors=True)


def environment():
    """Ours, without configuration; which programs are tested is no configuration."""
    programs = os.environ.get("VORA_STACK_BIN")
    return clean_environment(**({"VORA_STACK_BIN": programs} if programs else {}))
