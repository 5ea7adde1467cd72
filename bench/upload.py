"""Uploads beside tusd's file store: the same client, the same file, in turns, in one run.

What a kernel charges for a byte that goes into its page cache depends on whether that memory was used
before (on a virtual machine the first touch can cost ten times as much), so every round runs both, and the
least of the rounds counts: it is the figure that the machine disturbed least.
"""

import http.client
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from urllib.parse import urlsplit

import measure

TUSD = "github.com/tus/tusd/v2/cmd/tusd@v2.9.1"
TUS = {"Tus-Resumable": "1.0.0"}


def tusd_binary():
    """Path of tusd: TUSD_BIN, else built once from its Go module; None where that is not possible."""
    if os.environ.get("TUSD_BIN"):
        return os.environ["TUSD_BIN"]
    binary = measure.ROOT / "build" / "peers" / "tusd"
    if binary.exists():
        return str(binary)
    if not shutil.which("go"):
        print("    tusd: no Go here: skipped", flush=True)
        return None
    print("    building tusd (once, some minutes)", flush=True)
    done = subprocess.run(["go", "install", TUSD], env={**os.environ, "GOBIN": str(binary.parent)},
                          stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        print("    tusd: not built: skipped: " + done.stderr.strip()[-300:], flush=True)
        return None
    return str(binary)


class Tusd:
    def __init__(self, binary, directory):
        directory.mkdir()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.address = s.getsockname()
        self.log = (directory.parent / "tusd.log").open("w")
        self.process = subprocess.Popen(
            [binary, "-host", "127.0.0.1", "-port", str(self.address[1]), "-upload-dir", str(directory)],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        for _ in range(500):
            try:
                socket.create_connection(self.address).close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("tusd did not start")

    def creation_url(self):
        return "/files/", None

    def forget(self, _, location):
        connection = http.client.HTTPConnection(*self.address)
        connection.request("DELETE", urlsplit(location).path, headers=TUS)
        connection.getresponse().read()

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=20)
        self.log.close()


class Vora:
    def __init__(self, server):
        self.server, self.address, self.pid = server, server.address, server.pid

    def creation_url(self):
        video = self.server.call("POST", "/v1/videos", {"title": "bench"})
        url = urlsplit(video["upload"]["url"])
        return f"{url.path}?{url.query}", video["id"]

    def forget(self, video_id, _):
        request = urllib.request.Request(self.server.url + "/v1/videos/" + video_id, method="DELETE",
                                         headers={"Authorization": "Bearer " + self.server.token})
        urllib.request.urlopen(request, timeout=60).read()


def tus_upload(address, creation, path):
    """One creation and one PATCH of the whole file, by sendfile. Returns the Location."""
    size = os.path.getsize(path)
    connection = http.client.HTTPConnection(*address)
    connection.request("POST", creation, headers={**TUS, "Upload-Length": str(size), "Content-Length": "0"})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 201:
        raise SystemExit(f"creation: {answer.status}")
    location = answer.getheader("Location")
    url = urlsplit(location)
    head = (f"PATCH {url.path}{'?' + url.query if url.query else ''} HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\n"
            f"Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
            f"Content-Length: {size}\r\n\r\n")
    with socket.create_connection(address) as s, open(path, "rb") as source:
        s.sendall(head.encode())
        s.sendfile(source)
        answer = s.recv(65536)
    if b" 204 " not in answer.split(b"\r\n")[0]:
        raise SystemExit(f"PATCH: {answer[:200]}")
    return location


def one_round(target, source):
    creation, reference = target.creation_url()
    before = measure.cpu_seconds(target.pid)
    started = time.monotonic()
    location = tus_upload(target.address, creation, source)
    wall = time.monotonic() - started
    cpu = measure.cpu_seconds(target.pid) - before
    target.forget(reference, location)
    return cpu, wall


def plain_copy(source, target):
    """The floor: read, write, fsync; one process."""
    before = os.times()
    with open(source, "rb") as a, open(target, "wb") as b:
        while block := a.read(1 << 20):
            b.write(block)
        b.flush()
        os.fsync(b.fileno())
    after = os.times()
    os.unlink(target)
    return after.user + after.system - before.user - before.system


def make_file(path, gib):
    block = os.urandom(16 << 20)
    with path.open("wb") as out:
        for _ in range(int(gib * 64)):
            out.write(block)


def bench(rounds=5, gib=1):
    server = measure.Server()
    tusd = None
    try:
        source = server.dir / "source"
        make_file(source, gib)
        targets = {"vora": Vora(server)}
        binary = tusd_binary()
        if binary:
            tusd = targets["tusd"] = Tusd(binary, server.dir / "tusd")
        runs = {name: [] for name in targets}
        copies = []
        for _ in range(rounds):
            for name, target in targets.items():
                runs[name].append(one_round(target, source))
            copies.append(plain_copy(source, server.dir / "copy"))
        figures = {}
        for name, done in runs.items():
            cpu = sorted(c for c, _ in done)
            figures[f"cpu_s_per_gib_{name}"] = round(cpu[0] / gib, 2)
            figures[f"cpu_s_per_gib_{name}_median"] = round(cpu[len(cpu) // 2] / gib, 2)
            figures[f"wall_s_{name}"] = round(min(w for _, w in done), 2)
            figures[f"rounds_cpu_s_{name}"] = [round(c, 2) for c, _ in done]
            figures[f"rss_after_mib_{name}"] = round(measure.rss_mib(targets[name].pid), 1)
        figures["cpu_s_per_gib_plain_copy"] = round(min(copies) / gib, 2)
        if tusd:
            figures["cpu_ratio_to_tusd"] = round(
                figures["cpu_s_per_gib_vora"] / max(figures["cpu_s_per_gib_tusd"], 1e-9), 2)
        return figures
    finally:
        if tusd:
            tusd.stop()
        server.stop()
