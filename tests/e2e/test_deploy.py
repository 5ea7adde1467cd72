"""What deploy/ holds: units that systemd takes, an edge that brings each path where it belongs."""

import http.server
import re
import subprocess
import sys
import threading

import pytest
from harness import raw
from harness.api import session
from harness.cache import open_directory
from harness.server import ROOT

from tools.stack.nginx import Nginx

UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
EXPOSURE_MAX = 2.0
SERVICES = ("upload", "metadata", "workflow", "worker", "gateway", "analytics", "dashboard")


def analyze(*arguments):
    return subprocess.run(
        ["systemd-analyze", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )


def test_there_is_a_unit_for_every_service():
    names = {unit.stem for unit in UNITS}
    assert {f"vora-{name}" for name in SERVICES} <= names


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    for unit in UNITS:
        # Vora is not installed here: any program stands for it.
        text = re.sub(r"^(ExecStart=)/usr/\S+", r"\1/bin/true", unit.read_text(), flags=re.M)
        (tmp_path / unit.name).write_text(text)
    done = analyze("verify", "--man=no", *(str(tmp_path / unit.name) for unit in UNITS))
    ours = [line for line in done.stdout.splitlines() if "vora" in line]
    assert done.returncode == 0 and ours == [], done.stdout
    broken = tmp_path / "vora-broken.service"
    broken.write_text("[Service]\nExecStart=/bin/true\nNoSuchSetting=yes\n")
    assert "NoSuchSetting" in analyze("verify", "--man=no", str(broken)).stdout, "it does look"


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_unit_is_confined(unit):
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    level = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout).group(1))
    assert level <= EXPOSURE_MAX, done.stdout


def test_the_renderer_of_the_vcl_stands_alone(tmp_path):
    ring, secret = tmp_path / "grants.json", tmp_path / "secret"
    ring.write_text('{"signing": "k1", "keys": {"k1": "%s"}}' % ("c" * 64))
    secret.write_text("a-secret-of-caches\n")
    program = ROOT / "deploy" / "varnish" / "vora_vcl.py"
    command = [sys.executable, "-I", str(program), "--grants", str(ring), "--gateway", "127.0.0.1:1"]
    command += ["--purge-secret-file", str(secret)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "c" * 64 in done.stdout
    written = tmp_path / "vora.vcl"
    subprocess.run([*command, "--output", str(written)], check=True, timeout=60)
    assert written.stat().st_mode & 0o7 == 0
    ring.write_text("{}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "holds no grant keys" in done.stderr and done.stdout == ""


# -- the edge -----------------------------------------------------------------------------------------


class Echo:
    """A service that answers with its name and remembers the request."""

    def __init__(self, name):
        self.seen = []
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                echo.seen.append((self.command, self.path, dict(self.headers), len(body)))
                self.send_response_only(200)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(name.encode())

            do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_OPTIONS = answer

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def edge():
    with open_directory() as base:
        services = {name: Echo(name) for name in ("metadata", "dashboard", "analytics", "play")}
        made = Nginx(base / "nginx", {name: echo.address for name, echo in services.items()}).start()
        made.echoes = services
        yield made
        made.stop()
        for echo in services.values():
            echo.close()


@pytest.fixture
def base():
    with open_directory() as directory:
        yield directory


@pytest.mark.parametrize(
    "method,path,service",
    [
        ("GET", "/", "dashboard"),
        ("GET", "/watch/x", "dashboard"),
        ("GET", "/embed/x", "dashboard"),
        ("GET", "/assets/a.js", "dashboard"),
        ("POST", "/session", "dashboard"),
        ("GET", "/analytics", "dashboard"),
        ("GET", "/v1/videos", "metadata"),
        ("PATCH", "/v1/videos/x", "metadata"),
        ("DELETE", "/v1/videos/x", "metadata"),
        ("GET", "/v1/openapi.json", "metadata"),
        ("GET", "/readyz", "metadata"),
        ("POST", "/v1/events", "analytics"),
        ("OPTIONS", "/v1/events", "analytics"),
        ("GET", "/v1/eventsx", "metadata"),
        ("GET", "/v1/analytics", "dashboard"),
        ("GET", "/v1/analytics/videos/x", "dashboard"),
        ("GET", "/play/g/v/master.m3u8", "play"),
        ("HEAD", "/play/g/v/master.m3u8", "play"),
        ("OPTIONS", "/play/g/v/master.m3u8", "play"),
    ],
)
def test_each_path_is_brought_to_its_service(edge, method, path, service):
    headers = {"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "gopher"}
    answer = session().request(method, edge.url + path + "?q=1", headers=headers, timeout=30)
    assert answer.status_code == 200
    assert method == "HEAD" or answer.text == service
    seen_method, seen_path, seen, _ = edge.echoes[service].seen[-1]
    assert (seen_method, seen_path) == (method, path + "?q=1"), "as the client wrote it"
    # Whoever stands outside does not say where he stands.
    assert seen["X-Forwarded-For"] == "127.0.0.1" and seen["X-Forwarded-Proto"] == "http"
    assert seen["Host"] == f"127.0.0.1:{edge.port}"


@pytest.mark.parametrize(
    "method,path,status",
    [
        ("GET", "/internal/playback/x", 404),
        ("GET", "/internal", 404),
        ("GET", "/metrics", 404),
        ("POST", "/play/g/v/master.m3u8", 405),
        ("PURGE", "/play/g/v/master.m3u8", 405),
        ("DELETE", "/play/g/v/master.m3u8", 405),
        ("GET", "/v1/../internal/x", 400),
        ("GET", "/play/..%2f..%2finternal", 400),
        ("GET", "/v1/%2e%2e/play/x", 400),
        ("GET", "//internal/x", 400),
        ("GET", "/v1\\x", 400),
        ("GET", "/livez", 200),
    ],
)
def test_what_is_not_for_the_world_ends_here(edge, method, path, status):
    before = {name: len(echo.seen) for name, echo in edge.echoes.items()}
    request = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    assert raw.exchange(edge.address, request, 30).statuses == [status]
    assert before == {name: len(echo.seen) for name, echo in edge.echoes.items()}


def test_sizes_are_bounded_before_a_service_is_asked(edge):
    http = session()
    for path, size, status in (
        ("/v1/events", 100_000, 200),
        ("/v1/events", 200_000, 413),
        ("/v1/videos", 200_000, 200),
        ("/v1/videos", 2_000_000, 413),
    ):
        answer = http.post(edge.url + path, data=b"x" * size, timeout=30)
        assert answer.status_code == status, (path, size)
    huge = session().get(edge.url + "/v1/videos", headers={"X-Long": "x" * 60_000}, timeout=30)
    assert huge.status_code == 400


def test_no_grant_and_no_token_gets_into_the_access_log(edge):
    http = session()
    http.get(edge.url + "/play/k1.1.0.secretgrant/v/360p/seg_01.ts?token=secretquery", timeout=30)
    http.get(edge.url + "/?token=secretlink", timeout=30)
    log = edge.access_log.read_text()
    assert "/play/*/v/360p/seg_01.ts 200" in log
    assert "secret" not in log and "secret" not in (edge.directory / "error.log").read_text()


def test_a_service_that_is_away_is_503_and_the_cache_504(base):
    nobody = "127.0.0.1:1"
    edge = Nginx(base / "nginx", dict.fromkeys(("metadata", "dashboard", "analytics", "play"), nobody))
    edge.start()
    try:
        for path, status in (("/v1/videos", 503), ("/readyz", 503), ("/play/public/v/x.ts", 504)):
            answer = session().get(edge.url + path, timeout=30)
            assert answer.status_code == answer.json()["status"] == status, path
            assert answer.headers["Retry-After"] == "1" and answer.headers["Cache-Control"] == "no-store"
            assert (answer.headers.get("Access-Control-Allow-Origin") == "*") == (status == 504)
    finally:
        edge.stop()


def test_uploads_are_handed_on_as_they_come(base):
    upload = Echo("upload")
    edge = Nginx(base / "nginx", {"upload": upload.address}, template="upload.conf").start()
    try:
        answer = session().patch(edge.url + "/files/x?grant=secret", data=b"x" * 3_000_000, timeout=60)
        assert (answer.status_code, answer.text) == (200, "upload")
        assert upload.seen[-1][3] == 3_000_000 and upload.seen[-1][1] == "/files/x?grant=secret"
        assert session().get(edge.url + "/internal/uploads", timeout=30).status_code == 404
        assert "secret" not in edge.access_log.read_text()
    finally:
        edge.stop()
        upload.close()
