"""The OpenAPI document against the running service: a fuzzing client finds no 5xx and no answer that the
document does not have.

The cases are the same every time. More of them, and others:
    VORA_OPENAPI_EXAMPLES=500 VORA_OPENAPI_SEED=7 python3 -m pytest tests/e2e/test_openapi.py
"""

import json
import os
import pathlib
import subprocess
import sys
import uuid

import pytest
import requests

from harness.api import TusUpload
from harness.server import ROOT, clean_environment, running

DOCUMENT = ROOT / "contracts" / "openapi" / "vora.json"
METHODS = {"get", "put", "post", "patch", "delete", "head", "options"}
FUZZ_TIMEOUT_S = 600


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS & item.keys():
            yield method, path, item[method]


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


@pytest.fixture(scope="module")
def document():
    return json.loads(DOCUMENT.read_text())


def test_what_is_served_is_the_document(vora, document):
    answer = requests.get(vora.url + "/v1/openapi.json", timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json() == document
    again = requests.get(
        vora.url + "/v1/openapi.json",
        headers={"If-None-Match": answer.headers["ETag"]},
        timeout=10,
    )
    assert (again.status_code, again.content) == (304, b"")


def test_the_document_holds_together(document):
    assert document["openapi"].startswith("3.1")
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    used = set(references(document))
    for reference in used:
        node = document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part]
    for kind, parts in document["components"].items():
        for name in parts:
            known = f"#/components/{kind}/{name}" in used
            assert known or kind == "securitySchemes", f"{kind}/{name} is used by nothing"


def test_every_operation_says_how_it_refuses(document):
    for method, path, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"] and operation["tags"], where
        codes = set(operation["responses"])
        assert "400" in codes and "500" not in codes, where
        # HEAD of tus cannot show a problem; all else does.
        for code, answer in operation["responses"].items():
            while "$ref" in answer:
                node = document
                for part in answer["$ref"].removeprefix("#/").split("/"):
                    node = node[part]
                answer = node
            if int(code) >= 400 and method != "head" and not (path == "/readyz" and code == "503"):
                assert list(answer["content"]) == ["application/problem+json"], f"{where} {code}"
        if operation.get("security", document["security"]):
            assert "401" in codes and "403" in codes, where


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    """A server of its own: the client deletes what it finds."""
    with running(tmp_path_factory.mktemp("fuzzed")) as server:
        yield server


@pytest.fixture(scope="module")
def things(fuzzed, inputs):
    """What the fuzzing client may name: videos in every state, an open upload."""
    api = fuzzed.api
    playing, _ = api.upload(inputs("pattern", "320x240", 1), title="plays", visibility="public")
    failed = api.create("fails")
    TusUpload(failed["upload"]["url"], b"").create()
    waiting = [api.create(f"waits {n}")["id"] for n in range(10)]
    open_for = api.create("is uploaded")
    upload = TusUpload(open_for["upload"]["url"], b"x" * 1000)
    upload.create()
    api.wait_state(playing["id"], "READY")
    api.wait_state(failed["id"], "FAILED")
    return {
        "kept": [playing["id"], failed["id"], open_for["id"]],
        "spent": [*waiting, str(uuid.uuid4())],
        "uploads": [upload.upload_id],
        "playing": [playing["id"]],
    }


# What the document cannot say: a condition may fail (412), a key may be another request's (422), a
# page token is opaque, text/plain has JSON in it, a bad event is dropped and counted, a bad range is
# ignored, figures are 503 as long as there is no event engine. TRACE is refused by the request gate
# with 400, before there is a path.
CONFIGURATION = """
hooks = "harness.openapi_hooks"
[phases.coverage]
unexpected-methods = ["GET", "PUT", "POST", "PATCH", "DELETE"]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422]
[checks.missing_required_header]
expected-statuses = [400, 401, 403, 412, 415]
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 412, 422]
[[operations]]
include-operation-id = "listVideos"
checks.positive_data_acceptance.expected-statuses = [200, 400]
[[operations]]
include-operation-id = "postEvents"
checks.positive_data_acceptance.expected-statuses = [204, 400]
checks.negative_data_rejection.enabled = false
[[operations]]
include-path-regex = "^/v1/analytics"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", 503]
checks.positive_data_acceptance.expected-statuses = [200, 400, 404, 503]
checks.negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 503]
[[operations]]
include-tag = "delivery"
checks.positive_data_acceptance.expected-statuses = ["2xx", "3xx", 403, 404, 416]
checks.negative_data_rejection.enabled = false
[[operations]]
include-tag = "uploads"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 410, 413, 429]
"""


def test_a_fuzzing_client_finds_nothing(fuzzed, things, tmp_path: pathlib.Path):
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(CONFIGURATION)
    seed = os.environ.get("VORA_OPENAPI_SEED", "1")
    examples = os.environ.get("VORA_OPENAPI_EXAMPLES", "8")
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings), "run"]
        + [fuzzed.url + "/v1/openapi.json", "--header", f"Authorization: Bearer {fuzzed.token}"]
        + ["--seed", seed, "--max-examples", examples, "--phases", "examples,coverage,fuzzing"]
        + ["--generation-database", "none", "--no-color", "--continue-on-failure"]
        + ["--request-timeout", "20", "--suppress-health-check", "all"],
        capture_output=True,
        text=True,
        timeout=FUZZ_TIMEOUT_S,
        cwd=tmp_path,
        env=clean_environment(
            NO_PROXY="127.0.0.1", no_proxy="127.0.0.1", PYTHONPATH=str(ROOT / "tests")
        )
        | {"VORA_OPENAPI_THINGS": json.dumps(things)},
    )
    assert done.returncode == 0, done.stdout[-50000:] + done.stderr[-2000:]
    assert fuzzed.running()
