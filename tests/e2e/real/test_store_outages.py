"""MinIO or PostgreSQL away while videos are processed and watched."""

import contextlib
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.api import session
from harness.cache import open_directory
from harness.metadata import frozen, start_again
from harness.pipeline import STORE_DEADLINE_MS, Pipeline
from harness.wait import wait_until

SLACK = 5  # on a machine that does other things too
VIEWERS = 12


@pytest.fixture(scope="module")
def pipeline():
    with open_directory() as base:
        made = Pipeline(base)
        try:
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def video(pipeline, inputs):
    """READY and public; nothing of it was played yet."""
    return pipeline.api.upload_and_wait(inputs("pattern", "640x360", 18), visibility="public")


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def without_minio(pipeline):
    pipeline.minio.kill()
    try:
        yield
    finally:
        start_again(pipeline.minio)


def uploaded(pipeline, clip):
    """A video in PROCESSING of which nothing was processed yet; its worker must not run."""
    made, _ = pipeline.api.upload(clip)
    return pipeline.api.wait_state(made["id"], "PROCESSING")


def test_a_store_that_is_gone_beyond_the_retry_budget_fails_the_video_and_one_that_is_back_in_time_does_not(
    pipeline, inputs
):
    clip = inputs("pattern", "320x180", 1)
    with stopped(pipeline.worker.process.pid):
        with pipeline.metadata_with(**{"workflow.retry_budget_s": 2}):
            lost = uploaded(pipeline, clip)
        kept = uploaded(pipeline, clip)
        pipeline.minio.kill()
    try:
        failed = pipeline.api.wait_state(lost["id"], "FAILED")
        assert failed["error"]["code"] == "storage_unavailable", failed["error"]
        assert pipeline.api.get(kept["id"])["state"] == "PROCESSING"
    finally:
        start_again(pipeline.minio)
    ready = pipeline.api.wait_state(kept["id"], "READY")
    assert [r["name"] for r in ready["renditions"]] == ["180p"]


def path_of(video, what):
    return f"/play/public/{video['id']}/{what}"


def at_once(base, paths):
    """[(status, seconds)]"""

    def one(path):
        began = time.monotonic()
        status = session().get(base + path, timeout=120).status_code
        return status, time.monotonic() - began

    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(one, paths))


def get(base, path):
    return session().get(base + path, timeout=120)


def warm(pipeline, path):
    wait_until(
        lambda: get(pipeline.play_url, path).headers.get("X-Cache") == "hit",
        60,
        f"{path} is in the cache",
    )


def test_while_minio_hangs_what_is_warm_plays_and_what_is_cold_is_504_for_all_at_once(pipeline, video):
    hot, cold = (path_of(video, f"360p/seg_0{n}.ts") for n in (1, 2))
    warm(pipeline, hot)
    limit_s = STORE_DEADLINE_MS / 1000 * SLACK
    with stopped(pipeline.minio.child.pid):
        answers = at_once(pipeline.play_url, [cold] * VIEWERS + [hot] * 4)
        assert [status for status, _ in answers] == [504] * VIEWERS + [200] * 4
        # One after the other they would need more than twice as long.
        assert max(took for _, took in answers) <= limit_s
        # The same without the cache in front.
        answers = at_once(pipeline.gateway.url(), [cold] * VIEWERS)
        assert [status for status, _ in answers] == [504] * VIEWERS
        assert max(took for _, took in answers) <= limit_s
    wait_until(
        lambda: get(pipeline.play_url, cold).status_code == 200, 60, "it is served again"
    )


def test_while_minio_is_gone_what_is_warm_plays_and_what_is_cold_is_504(pipeline, video):
    hot, cold = path_of(video, "360p/seg_01.ts"), path_of(video, "360p/seg_03.ts")
    warm(pipeline, hot)
    with without_minio(pipeline):
        assert get(pipeline.play_url, cold).status_code == 504
        assert get(pipeline.play_url, hot).status_code == 200
    wait_until(lambda: get(pipeline.play_url, cold).status_code == 200, 60, "it is served again")


@pytest.mark.parametrize("how, cold", [("frozen", "360p/seg_04.ts"), ("killed", "360p/seg_05.ts")])
def test_while_postgres_is_away_playback_goes_on(pipeline, video, how, cold):
    paths = ["master.m3u8", "360p/playlist.m3u8", "360p/seg_01.ts", "thumbnail.jpg"]
    for what in paths:
        warm(pipeline, path_of(video, what))

    def plays():
        for what in [*paths, cold]:  # the gateway knows the video, not this object of it
            for base in (pipeline.play_url, pipeline.gateway.url()):
                answer = get(base, path_of(video, what))
                assert answer.status_code == 200, f"{what} of {base}: {answer.status_code} {answer.text[:200]}"

    with contextlib.ExitStack() as away:
        if how == "frozen":
            away.enter_context(frozen(pipeline.postgres))
        else:
            pipeline.postgres.kill()
            away.callback(start_again, pipeline.postgres)
        assert pipeline.api.call("GET", f"/v1/videos/{video['id']}").status_code == 503
        plays()
    wait_until(
        lambda: pipeline.api.call("GET", f"/v1/videos/{video['id']}").status_code == 200,
        60,
        "the API is back",
    )
