"""The service binaries, each as a process of its own with what it may have and nothing else."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from tools.stack.minio import Minio

from harness.services import Service, as_flags, run
from harness.wait import wait_until

INTERNAL = "0123456789abcdef0123456789abcdef"
HOOK = "fedcba9876543210fedcba9876543210"
RING = {"signing": "k1", "keys": {"k1": "a1" * 32}}
SERVICES = ["upload", "metadata", "worker", "gateway", "analytics", "dashboard"]


@pytest.fixture
def ring(tmp_path):
    path = tmp_path / "grants.json"
    path.write_text(json.dumps(RING))
    path.chmod(0o600)
    return path


@pytest.fixture
def start(tmp_path):
    started = []

    def make(name, keys, *arguments, environment=None):
        directory = tmp_path / f"run-{len(started)}"
        service = Service(f"vora-{name}", directory, keys, *arguments, environment=environment)
        started.append(service)
        return service

    yield make
    for service in started:
        service.dispose()


@pytest.fixture(scope="module")
def minio(tmp_path_factory):
    server = Minio(tmp_path_factory.mktemp("minio"))
    (server.directory / "data" / "bucket-processed").mkdir(parents=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def hook():
    """Receives hooks: [(headers, body)]."""
    heard = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((dict(self.headers.items()), body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    server.heard = heard
    server.url = f"http://127.0.0.1:{server.server_port}/internal/hooks/upload"
    yield server
    server.shutdown()
    server.server_close()
    thread.join(30)


def upload_keys(tmp_path, ring, **more):
    return {"store.raw": f"file:{tmp_path}/raw", "keys.grants_file": ring, **more}


def gateway_keys(minio, ring, **more):
    return {
        "store.processed": "s3:bucket-processed",
        "s3.endpoint": minio.url,
        "s3.access_key": minio.user,
        "s3.secret_key": minio.password,
        "keys.grants_file": ring,
        "services.metadata_url": "http://127.0.0.1:1",
        "secrets.internal": INTERNAL,
        **more,
    }


def analytics_keys(tmp_path):
    return {"events.engine": "http://127.0.0.1:1", "events.spool_dir": f"{tmp_path}/spool"}


def upload_grant(reference, length_max=None):
    content = {"r": reference, "s": "anna", "e": int((time.time() + 600) * 1000)}
    if length_max is not None:
        content["m"] = length_max
    payload = base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()
    key = RING["keys"]["k1"].encode()
    mac = hmac.new(key, f"vora1|upload|k1|{payload}".encode(), hashlib.sha256).hexdigest()
    return f"vg1.k1.{payload}.{mac}"


@pytest.mark.parametrize("name", SERVICES)
def test_help_lists_the_keys_and_the_version_is_told(name):
    told = run(f"vora-{name}", "--help")
    assert told.returncode == 0
    assert f"vora-{name}: " in told.stdout
    for key in ("server.admin_listen", "log.file"):
        assert f"  {key} = " in told.stdout
    assert ("server.listen" in told.stdout) == (name != "worker")
    assert run(f"vora-{name}", "--version").stdout.startswith(f"vora-{name} ")


def test_each_service_knows_only_the_keys_of_what_it_may_have():
    keys = {name: run(f"vora-{name}", "--help").stdout for name in SERVICES}
    having = lambda key: {name for name in SERVICES if f"  {key} = " in keys[name]}  # noqa: E731
    assert having("metadata.database") == {"metadata"}
    assert having("keys.issuer_file") == {"dashboard"}
    assert having("store.raw") == {"upload", "worker"}
    assert having("store.processed") == {"worker", "gateway"}
    assert having("events.engine") == {"analytics", "dashboard"}
    assert having("workflow.engine") == {"metadata", "worker"}
    assert having("secrets.hook") == {"upload", "metadata"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_mistake_of_a_configuration_is_told_at_once_with_its_place(name, tmp_path):
    file = tmp_path / "service.toml"
    file.write_text('[server]\nadmin_lisen = "127.0.0.1:0"\nblocking_threads = "none"\n')
    told = run(f"vora-{name}", "--config", str(file), "--log.level=loud")
    assert told.returncode == 1
    assert 'did you mean "server.admin_listen"?' in told.stderr
    assert "service.toml line 2" in told.stderr
    assert "server.blocking_threads (service.toml line 3)" in told.stderr
    assert "log.level must be" in told.stderr
    assert told.stdout == ""


def test_what_is_needed_and_missing_is_named_before_anything_starts(tmp_path):
    told = run("vora-gateway", "--check")
    assert told.returncode == 1
    for key in ("services.metadata_url", "store.processed", "keys.grants_file", "secrets.internal"):
        assert f"{key} is needed" in told.stderr
    assert "SECRET" not in run("vora-gateway", "--help", VORA_S3_SECRET_KEY="SECRET").stdout
    valid = run("vora-analytics", "--check", *as_flags(analytics_keys(tmp_path)))
    assert (valid.returncode, valid.stdout) == (0, "The configuration is valid.\n")
    for arguments in (["--verbose"], ["serve"], ["--config"]):
        assert run("vora-analytics", *arguments).returncode == 2
    absent = run("vora-analytics", "--config", str(tmp_path / "absent.toml"))
    assert absent.returncode == 1 and "there is no such file" in absent.stderr


def test_a_port_in_use_and_a_store_of_another_kind_end_the_start(tmp_path, minio, ring):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for key in ("server.listen", "server.internal_listen", "server.admin_listen"):
            told = run("vora-upload", *as_flags(upload_keys(tmp_path, ring, **{key: address})))
            assert told.returncode == 1
            assert f"{key}: {address} is in use" in told.stderr
    assert not (tmp_path / "raw").exists(), "nothing was touched"
    keys = gateway_keys(minio, ring, **{"store.processed": f"file:{tmp_path}/processed"})
    told = run("vora-gateway", *as_flags(keys))
    assert told.returncode == 1
    assert "store.processed must be s3:BUCKET" in told.stderr
    told = run("vora-upload", *as_flags(upload_keys(tmp_path, tmp_path / "no-ring.json")))
    assert told.returncode == 1
    assert "keys.grants_file" in told.stderr
    assert not (tmp_path / "no-ring.json").exists(), "verifying with a ring of its own is no use"


def test_upload_alone_takes_a_file_by_grant_and_tells_its_hook(tmp_path, start, ring, hook):
    keys = upload_keys(
        tmp_path,
        ring,
        **{
            "upload.hook_url": hook.url,
            "upload.object_name": "original.mp4",
            "log.file": tmp_path / "upload.jsonl",
        },
    )
    secrets = {"VORA_SECRETS_HOOK": HOOK, "VORA_SECRETS_INTERNAL": INTERNAL}
    upload = start("upload", keys, environment=secrets)
    status, listed = upload.readiness("public")
    assert status == 200 and listed["raw_store"] == ("ok", "answers"), listed

    body = bytes(range(256)) * 40
    grant = upload_grant("some-reference", len(body))
    tus = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {grant}"}
    files = upload.url() + "/files"
    too_long = requests.post(
        files, headers={**tus, "Upload-Length": str(len(body) + 1)}, timeout=30
    )
    assert too_long.status_code == 413
    made = requests.post(files, headers={**tus, "Upload-Length": str(len(body))}, timeout=30)
    assert made.status_code == 201, made.text
    where = requests.compat.urljoin(files, made.headers["Location"])
    upload_id = where.rsplit("/", 1)[1].split("?")[0]
    chunk = {**tus, "Content-Type": "application/offset+octet-stream"}
    for first, last in ((0, 5000), (5000, len(body))):
        sent = requests.patch(
            where,
            headers={**chunk, "Upload-Offset": str(first)},
            data=body[first:last],
            timeout=30,
        )
        assert (sent.status_code, sent.headers["Upload-Offset"]) == (204, str(last))
    assert (tmp_path / "raw" / upload_id / "original.mp4").read_bytes() == body

    wait_until(lambda: hook.heard, 30, lambda: f"the hook is called\n{upload.tail()}")
    headers, told = hook.heard[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + told
    heard = json.loads(told)
    assert (heard["type"], heard["upload_id"]) == ("finished", upload_id)
    assert (heard["reference"], heard["size_bytes"]) == ("some-reference", len(body))
    macs = {
        base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for key in (HOOK.encode(), bytes.fromhex(HOOK))
    }
    assert headers["webhook-signature"].removeprefix("v1,") in macs

    # The other services ask inside, with the secret; outside there is no such door.
    path = f"/internal/uploads/{upload_id}"
    bearer = {"Authorization": f"Bearer {INTERNAL}"}
    assert upload.get(path, "internal", headers=bearer).json()["state"] == "finished"
    assert upload.get(path, "internal", headers=tus).status_code == 401
    assert upload.get(path, headers=bearer).status_code == 404
    metrics = upload.get("/metrics", "admin").text
    assert "vora_upload_stored_bytes_total" in metrics
    assert upload.get("/metrics").status_code == 404
    assert upload.stop() == 0
    log = (tmp_path / "upload.jsonl").read_text()
    assert '"event":"listening"' in log and '"event":"stopped"' in log
    for secret in (HOOK, INTERNAL, grant):
        assert secret not in log


def test_upload_keeps_its_files_in_s3_when_told_so(start, minio, ring):
    (minio.directory / "data" / "bucket-raw").mkdir(exist_ok=True)
    keys = gateway_keys(minio, ring, **{"store.raw": "s3:bucket-raw"})
    for key in ("store.processed", "services.metadata_url"):
        del keys[key]
    upload = start("upload", keys)
    assert upload.readiness()[1]["raw_store"] == ("ok", "s3")
    tus = {"Tus-Resumable": "1.0.0", "Authorization": f"Bearer {upload_grant('r')}"}
    made = requests.post(
        upload.url() + "/files",
        headers={
            **tus,
            "Upload-Length": "5",
            "Content-Type": "application/offset+octet-stream",
        },
        data=b"hello",
        timeout=60,
    )
    assert (made.status_code, made.headers.get("Upload-Offset")) == (201, "5"), made.text
    assert upload.stop() == 0


def test_a_gateway_names_the_bucket_that_is_not_there(start, minio, ring):
    right = start("gateway", gateway_keys(minio, ring))
    status, listed = right.readiness("public")
    assert status == 200, listed
    assert listed["processed_store"] == ("ok", "s3")
    assert listed["metadata"][0] == "degraded"
    metrics = right.get("/metrics", "admin").text
    assert "vora_gateway_" in metrics
    assert 'vora_s3_requests_total{class="2xx",op="list"}' in metrics
    wrong = start("gateway", gateway_keys(minio, ring, **{"store.processed": "s3:another-bucket"}))
    status, listed = wrong.readiness()
    assert (status, listed["processed_store"]) == (503, ("down", "storage_no_such_bucket"))
    assert wrong.get("/livez").status_code == 200
    assert (right.stop(), wrong.stop()) == (0, 0)


def test_analytics_takes_events_without_its_store_and_dashboard_serves_its_page(tmp_path, start):
    analytics = start("analytics", analytics_keys(tmp_path))
    status, listed = analytics.readiness()
    assert status == 200 and listed["event_engine"][0] == "degraded"
    taken = requests.post(analytics.url() + "/v1/events", json={"events": []}, timeout=30)
    assert taken.status_code in (204, 400)
    assert "vora_analytics_spool_bytes" in analytics.get("/metrics", "admin").text
    keys = {
        "services.metadata_url": "http://127.0.0.1:1",
        "keys.issuer_file": tmp_path / "issuer.pem",
    }
    dashboard = start("dashboard", keys)
    assert (tmp_path / "issuer.pem").stat().st_mode & 0o777 == 0o600
    assert dashboard.readiness("public")[0] == 200
    assert "text/html" in dashboard.get("/").headers["Content-Type"]
    assert dashboard.get("/v1/videos").status_code == 404
    assert (analytics.stop(), dashboard.stop()) == (0, 0)
