"""What the benchmarks share: a `vora up` of their own, figures out of /proc, and wrk."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("VORA_BIN", ROOT / "build" / "bin" / "vora"))
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid, children=False):
    """User and system time of a process; with `children`, of those it has waited for instead."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    at = 13 if children else 11
    return (int(fields[at]) + int(fields[at + 1])) / TICKS


def status_of(pid, name):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    return 0


def rss_mib(pid):
    return status_of(pid, "VmRSS") / 1024


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def children_of(pid):
    """{pid: name} of the direct children."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            name, rest = (entry / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except (OSError, IndexError, ValueError):
            continue
        if int(rest.split()[1]) == pid:
            found[int(entry.name)] = name
    return found


class Server:
    """A `vora up` on a temporary directory; without the event engine unless it is asked for."""

    def __init__(self, *flags, engine=False):
        flags = [f"--events.engine={'embedded' if engine else 'off'}", *flags]
        self.dir = Path(tempfile.mkdtemp(prefix="vora-bench-"))
        self.data = self.dir / "data"
        self.log = (self.dir / "stdout.log").open("w")
        started = time.monotonic()
        self.process = subprocess.Popen(
            [str(BINARY), "up", "--data", str(self.data), "--listen", "127.0.0.1:0", "--no-open", *flags],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT)
        try:
            self.wait_ready()
        except BaseException:
            self.process.kill()
            raise
        self.start_seconds = time.monotonic() - started

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        return host, int(port)

    def wait_ready(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                run = json.loads((self.data / "run.json").read_text())
                self.url, self.admin = (a if a.startswith("http") else "http://" + a
                                        for a in (run["http"], run["admin"]))
                with urllib.request.urlopen(self.url + "/readyz", timeout=2) as answer:
                    if answer.status == 200:
                        self.token = (self.data / "api.token").read_text().strip()
                        return
            except (OSError, ValueError, KeyError):
                time.sleep(0.01)
        raise SystemExit("the server did not become ready: " + (self.dir / "stdout.log").read_text())

    def engine_ready(self, timeout_s=60):
        """True as soon as the event engine answers; False when it does not within that time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            with urllib.request.urlopen(self.url + "/readyz", timeout=10) as answer:
                states = {d["name"]: d["status"] for d in json.loads(answer.read())["dependencies"]}
            if states.get("event_engine") == "ok":
                return True
            time.sleep(0.2)
        return False

    def call(self, method, path, body=None):
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def metric(self, name, *labels):
        with urllib.request.urlopen(self.admin + "/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines
                   if re.match(re.escape(name) + r"[{ ]", line) and all(label in line for label in labels))

    def cpu_seconds(self, children=False):
        return cpu_seconds(self.pid, children)

    def upload(self, path, *flags):
        return subprocess.run([str(BINARY), "upload", str(path), "--data", str(self.data), "--json", *flags],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def ready_video(self, clip):
        """Uploads a clip as a public video and waits until it is READY."""
        done = self.upload(clip, "--wait")
        if done.returncode != 0:
            raise SystemExit("the clip failed: " + done.stdout + done.stderr)
        video = json.loads(done.stdout)
        return self.call("PATCH", "/v1/videos/" + video["id"], {"visibility": "public"})

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        finally:
            if self.process.poll() is None:
                self.process.kill()
            self.log.close()
            shutil.rmtree(self.dir, ignore_errors=True)


def make_clip(path, seconds, width=1920, height=1080):
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-nostdin", "-f", "lavfi", "-i",
                    f"testsrc2=size={width}x{height}:rate=25:duration={seconds},noise=alls=8:allf=t",
                    "-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=48000:duration={seconds}",
                    "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p",
                    "-c:a", "aac", "-shortest", str(path)], check=True, stdin=subprocess.DEVNULL)


UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def wrk(url, pids, seconds=5, connections=16, script=None):
    """Load on one URL: requests/s, p99, and the CPU that the processes `pids` used meanwhile."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s"]
    if script:
        command += ["-s", str(script)]
    before = sum(cpu_seconds(pid) for pid in pids)
    started = time.monotonic()
    done = subprocess.run([*command, url], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    wall = time.monotonic() - started
    cpu = sum(cpu_seconds(pid) for pid in pids) - before
    text = done.stdout
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: (.*)", text)
    if bad or requests == 0:
        raise SystemExit(f"wrk on {url}: {text}")
    return {"requests": requests, "per_s": requests / wall, "cpu_s": cpu, "wall_s": wall,
            "p99_ms": float(p99.group(1)) * UNITS[p99.group(2)], "errors": errors.group(1) if errors else ""}


def needs(tool, package):
    """True when a tool is there; says so when not."""
    if shutil.which(tool):
        return True
    print(f"    {tool} is not here (Debian: {package}): skipped", flush=True)
    return False
