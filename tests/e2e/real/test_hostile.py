"""Traffic through the edge that tries to split the cache or to get at what is not its own."""

import time
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.cache import mint
from harness.hostile import OBJECTS, hostile_requests, path_of, watch
from harness.platform import started
from harness.wait import wait_until
from media import generated

GRANTS = 500
THREADS = 6


@pytest.fixture(scope="module")
def platform():
    with started() as made:
        yield made


def wait_quiet(platform):
    """One more change, so that the gateway has heard of all before it; then nothing is left to purge."""
    heard = platform.metric("gateway", "vora_gateway_changes_total")
    video = platform.api.create("heard")
    platform.api.call("PATCH", f"/v1/videos/{video['id']}", 200, json={"title": "heard again"})
    wait_until(
        lambda: platform.metric("gateway", "vora_gateway_changes_total") > heard, 60, "it is heard"
    )
    wait_until(
        lambda: platform.metric("gateway", "vora_gateway_purges_pending") == 0, 60, "all is purged"
    )


@pytest.fixture(scope="module")
def videos(platform, tmp_path_factory):
    """Nobody has looked at them yet, and nobody will be told to forget them."""
    clip = generated.pattern(tmp_path_factory.mktemp("clips") / "clip.mp4", "1280x720", 1)
    uploaded = [platform.api.upload(clip, visibility=v)[0] for v in ("private", "public")]
    private, public = (platform.api.wait_state(video["id"], "READY") for video in uploaded)
    wait_quiet(platform)
    return types.SimpleNamespace(private=private, public=public)


def fetched(platform):
    return platform.metric("gateway", "vora_gateway_answers_total", status="2xx")


def test_each_object_is_fetched_from_the_gateway_once_for_each_class(platform, videos):
    before = fetched(platform)
    requests = list(hostile_requests(platform.ring, videos.private, videos.public, GRANTS))
    with ThreadPoolExecutor(THREADS) as pool:
        shares = [requests[n::THREADS] for n in range(THREADS)]
        seen = [
            answer for part in pool.map(watch, [platform.url] * THREADS, shares) for answer in part
        ]
    assert len(seen) == GRANTS * 6 // 5
    assert {(status, cookie) for status, _, cookie in seen} == {(200, False)}
    wait_until(
        lambda: fetched(platform) - before >= 2 * len(OBJECTS),
        30,
        "the gateway has counted its answers",
    )
    assert fetched(platform) - before == 2 * len(OBJECTS)


def test_what_a_signed_viewer_has_warmed_is_never_the_publics(platform, videos):
    def get(grant, video, what):
        return platform.http.get(platform.url + path_of(grant, video, what), timeout=60)

    grant = mint(platform.ring, videos.private["id"], int(time.time()) + 1000)
    other = mint(platform.ring, videos.public["id"], int(time.time()) + 1000)
    for what in OBJECTS:
        wait_until(
            lambda w=what: get(grant, videos.private, w).headers.get("X-Cache") == "hit", 60, "warm"
        )
        for wrong, status in (
            ("public", 404),
            (other, 403),
            ("cookie", 403),
            (grant[:-1] + "x", 403),
        ):
            for _ in range(3):
                answer = get(wrong, videos.private, what)
                assert answer.status_code == status, (what, wrong)
                assert b"#EXT" not in answer.content and answer.content[:1] != b"\x47"
        assert get(grant, videos.private, what).status_code == 200
