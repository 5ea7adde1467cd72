"""A system that is away for a while, as the clients of the edge see it: who notices, what they are told and how
soon, and that all which was taken in meanwhile is done once it is back."""

import contextlib
import time
import types
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.api import session
from harness.journeys import Clip, Events, Journey, Undisturbed
from harness.platform import SAME_PICTURES, started
from harness.wait import wait_until

# The gateway gives the store 4 s, Varnish gives the gateway 5 s.
COLD_WITHIN_S = 5
ANSWERED_WITHIN_S = 2
SLACK = 5  # on a machine that does other things too
VIEWERS = 12


@pytest.fixture(scope="module")
def platform():
    with started(SAME_PICTURES) as made:
        yield made


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    directory = tmp_path_factory.mktemp("clips")
    return [Clip(directory, number) for number in (1, 2)]


@pytest.fixture(scope="module")
def undisturbed(platform, clips, tmp_path_factory):
    return Undisturbed(platform, clips, tmp_path_factory.mktemp("decoded"))


@pytest.fixture(scope="module")
def video(platform, clips):
    """One to play: `warm` is a segment that Varnish has, `cold` another that it has not."""
    journey = Journey(platform, clips[0]).whole_way()
    ready = journey.wait_state("READY")
    return types.SimpleNamespace(
        journey=journey, id=ready["id"], name=ready["renditions"][0]["name"]
    )


def manifest(platform, video_id):
    return platform.api.playback(video_id)["manifest_url"]


def warm(platform, video):
    """A URL that comes from Varnish from now on."""
    url = urllib.parse.urljoin(manifest(platform, video.id), f"{video.name}/seg_01.ts")
    get = lambda: platform.http.get(url, timeout=60).headers.get("X-Cache")  # noqa: E731
    wait_until(lambda: get() == "hit", 60, "it is in the cache")
    return url


def cold(platform, clips):
    """URLs of a video that nobody has looked at."""
    ready = Journey(platform, clips[1]).whole_way().wait_state("READY")
    base, name = manifest(platform, ready["id"]), ready["renditions"][0]["name"]
    return [urllib.parse.urljoin(base, f"{name}/{what}") for what in ("seg_01.ts", "playlist.m3u8")]


def at_once(urls):
    """(status, seconds, headers) of each, all asked for at the same moment."""

    def one(url):
        began = time.monotonic()
        answer = session().get(url, timeout=120)
        return answer.status_code, time.monotonic() - began, answer.headers

    with ThreadPoolExecutor(len(urls)) as pool:
        return list(pool.map(one, urls))


@pytest.mark.parametrize("how", ["frozen", "down"])
def test_without_the_store_what_is_warm_plays_and_what_is_cold_is_504_for_all_at_once(
    platform, clips, video, how
):
    hot, unseen = warm(platform, video), cold(platform, clips)
    with getattr(platform, how)("minio"):
        answers = at_once([hot] * 4 + [unseen[0]] * VIEWERS + [unseen[1]] * VIEWERS)
        again = at_once([hot])
    assert [status for status, _, _ in answers] == [200] * 4 + [504] * 2 * VIEWERS
    # One after the other they would need a minute or two.
    assert max(took for _, took, _ in answers) < COLD_WITHIN_S * SLACK
    assert all(h["Access-Control-Allow-Origin"] == "*" for _, _, h in answers)
    assert again[0][0] == 200
    for url in unseen:
        wait_until(lambda u=url: at_once([u])[0][0] == 200, 60, "it is served again", 0.2)
    platform.wait_all_up()


@pytest.mark.parametrize("how", ["frozen", "down"])
def test_without_clickhouse_nobody_notices_and_its_events_come_later_once(
    platform, clips, undisturbed, video, how
):
    hot = warm(platform, video)
    journey = Journey(platform, clips[0])
    with getattr(platform, how)("clickhouse"):
        with Events(platform) as events:
            journey.whole_way().wait_state("READY")
            assert at_once([hot])[0][0] == 200
            wait_until(lambda: len(events.acknowledged) >= 200, 60, "events are taken in")
        assert not events.unknown, "each was answered with 204"
        assert not journey.refusals
    events.check()
    undisturbed.check(platform, journey)
    platform.wait_all_up()


def test_without_temporal_videos_are_taken_in_and_processed_when_it_is_back(
    platform, clips, undisturbed
):
    journeys = [Journey(platform, clip) for clip in clips]
    with platform.down("temporal"):
        for journey in journeys:
            journey.whole_way()
            assert journey.look()["state"] == "PROCESSING"
            assert not journey.refusals, "nobody was told to wait"
    for journey in journeys:
        journey.wait_state("READY")
        undisturbed.check(platform, journey)
    platform.wait_all_up()


def test_a_video_whose_run_was_ended_by_hand_fails(platform, clips):
    journey = Journey(platform, clips[0])
    with platform.frozen("worker"):
        journey.whole_way()
        run = f"video-{journey.video['id']}-g1"
        wait_until(
            lambda: platform.runs(journey.video["id"]) == ["RUNNING"], 60, "its run has begun"
        )
        platform.terminate(run)
        failed = journey.wait_state("FAILED")
    assert failed["error"]["code"] == "internal_error"
    assert platform.runs(journey.video["id"]) == ["TERMINATED"]
    platform.wait_all_up()


@pytest.mark.parametrize("how", ["frozen", "down"])
def test_without_postgres_calls_are_503_in_time_and_playback_goes_on(platform, clips, video, how):
    hot = warm(platform, video)
    journey = Journey(platform, clips[0]).create()
    path = f"/v1/videos/{video.id}"
    calls = [
        ("GET", "/v1/videos", {}),
        ("GET", path, {}),
        ("POST", "/v1/videos", {"json": {"title": "x"}}),
        ("PATCH", path, {"json": {"title": "y"}}),
        ("POST", f"/v1/videos/{journey.video['id']}/playback", {"json": {}}),
    ]

    def ask(call):
        method, path, more = call
        began = time.monotonic()
        # One connection each: they are asked at the same moment.
        answer = type(platform.api)(platform.url, platform.token).call(method, path, **more)
        return answer, time.monotonic() - began

    def all_in_time():
        with ThreadPoolExecutor(len(calls)) as pool:
            answers = list(pool.map(ask, calls))
        for answer, _ in answers:
            assert answer.status_code == 503, f"{answer.status_code}: {answer.text}"
            assert int(answer.headers["Retry-After"]) >= 1
        return max(took for _, took in answers) <= ANSWERED_WITHIN_S

    before = platform.api.get(video.id)
    with getattr(platform, how)("postgres"):
        wait_until(all_in_time, 60, "each is answered in time")
        assert at_once([hot])[0][0] == 200
        with contextlib.suppress(AssertionError):  # it may be told to wait, and does so
            journey.begin()
    journey.send().tell().wait_state("READY")
    assert platform.api.get(video.id) == before, "nothing of what was refused was done"
    platform.wait_all_up()
