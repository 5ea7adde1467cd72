"""docs/metrics.md lists what there is: no more and no less."""

import re

from harness.server import ROOT
from harness.wait import wait_until
from media.clips import clip

NAME = re.compile(r"`(vora_[a-z0-9_]+)`")
# A metric's name stands whole in the sources, as the first argument of what makes it.
MADE = re.compile(r'\b(?:counter|gauge|histogram)\w*\(\s*"(vora_[a-z0-9_]+)"')


def documented():
    return set(NAME.findall((ROOT / "docs" / "metrics.md").read_text()))


def is_product(path):
    return not re.search(r"_(test|fuzz|fixture)\.|/testing/", str(path))


def made():
    names = set()
    for folder in ("libs", "services"):
        for path in (ROOT / folder).rglob("*.[ch]pp"):
            if is_product(path):
                names |= set(MADE.findall(path.read_text()))
    return names


def families(text):
    return {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}


def test_the_page_lists_what_the_sources_make():
    assert len(made()) > 50
    assert made() - documented() == set(), "not in docs/metrics.md"
    assert documented() - made() == set(), "only in docs/metrics.md"


def test_a_server_shows_requests_latency_errors_and_queues_of_every_service(vora):
    video = vora.api.upload_and_wait(clip("tiny"), visibility="public")
    vora.api.http.get(vora.api.get(video["id"])["manifest_url"], timeout=10)
    vora.api.call("GET", "/v1/videos/nonsense", 404)
    vora.api.call("POST", "/v1/events", json={"events": []})
    # Some are counted after the answer, some once a second.
    wanted = {
        "vora_http_requests_total",
        "vora_http_request_seconds",
        "vora_disk_free_bytes",
        "vora_upload_stored_bytes_total",
        "vora_upload_hooks_pending",
        "vora_metadata_outbox_pending",
        "vora_metadata_videos_settled_total",
        "vora_durable_activities_waiting",
        "vora_durable_activity_attempts_total",
        "vora_worker_encode_seconds",
        "vora_gateway_first_byte_seconds",
        "vora_analytics_events_spooled",
    }
    missing = lambda: wanted - families(vora.metrics())  # noqa: E731
    wait_until(lambda: not missing(), 20, lambda: f"shown: {missing()}")
    for route in ("/files", "/v1/videos", "/play/{grant}", "/v1/events"):
        wait_until(lambda: f'route="{route}' in vora.metrics(), 20, f"requests of {route}")
    path = "/v1/videos/{id}"
    refused = lambda: vora.metric("vora_http_requests_total", route=path, status="4xx")  # noqa: E731
    wait_until(lambda: (refused() or 0) >= 1, 20, "the refused request is counted")
    assert families(vora.metrics()) - documented() == set(), "not in docs/metrics.md"
