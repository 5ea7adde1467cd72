"""The figures of the dashboard against a count by hand, on the real engine; who may see them; what is said without one."""

import datetime
import json
import os
import random
import signal
import time
import uuid

import pytest
from test_api import mint, problem

from harness import processes
from harness.api import Api
from harness.wait import wait_until

DAY_MS = 86_400_000
POINTS = 60
KINDS = ["play", "pause", "buffer", "heartbeat", "heartbeat", "heartbeat", "seek", "ended"]
KINDS += ["rendition", "error"]


# -- the figures, computed the slow way ------------------------------------------------------------


def count(events, start, end):
    """What api.md says of these events in [start, end) ms."""
    inside = [e for e in events if start <= e["event_time"] < end]
    sessions = {}
    for number, e in enumerate(inside):
        name = e.get("session_id") or e.get("user_id") or ("itself", number)
        sessions.setdefault((e["video_id"], name), []).append(e)

    def part(e):
        return (e["event_time"] - start) * POINTS // (end - start)

    def total(kind):
        return sum(e.get("value", 0) for e in inside if e["event_type"] == kind)

    plays, watch = [0] * POINTS, [0] * POINTS
    startups, parts = [], [[] for _ in range(POINTS)]
    viewers = {e["user_id"] for e in inside if e.get("user_id")}
    rated = rated_time = 0
    for name, its in sessions.items():
        its.sort(key=lambda e: (e["event_time"], e["seq"]))
        first = next((e for e in its if e["event_type"] == "play"), None)
        if first:
            plays[part(first)] += 1
        if first and first.get("value"):
            startups.append(first["value"])
            parts[part(first)].append(first["value"])
        if not any(e.get("user_id") for e in its):
            viewers.add(name)
        rate = 0
        for e in its:
            if e["event_type"] == "rendition":
                rate = e["value"]
            elif e["event_type"] == "heartbeat" and rate:
                rated += rate * e["value"]
                rated_time += e["value"]
    for e in inside:
        if e["event_type"] == "heartbeat":
            watch[part(e)] += e["value"]
    stalled, watched = total("buffer"), total("heartbeat")
    return {
        "plays": sum(plays),
        "viewers": len(viewers),
        "watch_time_s": watched / 1000,
        "startup_ms": quantiles(startups),
        "rebuffer_count": sum(e["event_type"] == "buffer" for e in inside),
        "rebuffer_ratio": stalled / (stalled + watched),
        "average_bitrate": rated / rated_time,
        "errors": sum(e["event_type"] == "error" for e in inside),
        "series": list(zip(plays, [ms / 1000 for ms in watch], strict=True)),
        "startups": [quantiles(values) for values in parts],
    }


def quantiles(values):
    values = sorted(values)

    def at(level):
        return values[min(int(len(values) * level), len(values) - 1)] if values else None

    return {"p50": at(0.5), "p95": at(0.95)}


def sessions_of(seed, videos, how_many, start, end):
    """Sessions of all kinds: with and without names, overlapping, some across the edges of the time."""
    dice = random.Random(seed)
    events = []
    for number in range(how_many):
        named = dice.random() < 0.6
        viewer = f"user-{dice.randrange(how_many // 4)}" if dice.random() < 0.6 else None
        video = dice.choice(videos)
        at = dice.randrange(start - DAY_MS // 24, end)
        for seq in range(dice.randrange(1, 16)):
            kind = dice.choice(KINDS)
            at += dice.randrange(12_000)
            event = {"event_type": kind, "video_id": video, "event_time": at, "seq": seq + 1}
            if named:
                event["session_id"] = f"session-{number}"
            if viewer:
                event["user_id"] = viewer
            value = {
                "play": dice.choice([None, dice.randrange(50, 4000)]),
                "buffer": dice.randrange(10, 5000),
                "heartbeat": dice.randrange(10_000),
                "rendition": dice.choice([800_000, 2_400_000, 5_000_000]),
            }.get(kind)
            if value is not None:
                event["value"] = value
            events.append(event)
    dice.shuffle(events)
    return events


def post(api, events):
    for i in range(0, len(events), 200):
        api.call("POST", "/v1/events", 204, json={"events": events[i : i + 200]})


def time_of(ms):
    return datetime.datetime.fromtimestamp(ms / 1000, datetime.UTC).isoformat()


def ask(api, video=None, start=None, end=None, expect=200):
    path = f"/v1/analytics/videos/{video}" if video else "/v1/analytics"
    times = {"from": start and time_of(start), "to": end and time_of(end)}
    return api.call("GET", path, expect, params={k: v for k, v in times.items() if v}).json()


def assert_same(found, expected):
    series = [(p["plays"], pytest.approx(p["watch_time_s"])) for p in found["series"]]
    assert series == expected["series"]
    assert [p["startup_ms"] for p in found["quality"]] == expected["startups"]
    for name in ("watch_time_s", "rebuffer_ratio", "average_bitrate"):
        assert found[name] == pytest.approx(expected[name]), name
    for name in ("plays", "viewers", "startup_ms", "rebuffer_count", "errors"):
        assert found[name] == expected[name], name


# -- the tests -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def anna(vora_events):
    return vora_events.api.as_token(mint(vora_events, "anna", "edit"))


@pytest.fixture(scope="module")
def known(vora_events, anna):
    """(anna's videos, events of them, now): posted and arrived."""
    videos = [anna.create(f"figures {n}")["id"] for n in range(2)]
    now = int(time.time() * 1000)
    events = sessions_of(20261123, videos, 1000, now - 6 * DAY_MS, now - DAY_MS // 2)
    post(anna, events)
    beats = sum(e.get("value", 0) for e in events if e["event_type"] == "heartbeat") / 1000

    def arrived():
        answer = anna.call("GET", "/v1/analytics")
        return answer.status_code == 200 and answer.json()["watch_time_s"] >= beats - 0.001

    wait_until(arrived, 60, "all events can be asked for", 0.1)
    return videos, events, now


def test_figures_equal_a_count_by_hand(anna, known):
    videos, events, now = known
    times = [
        (now - 7 * DAY_MS, now),
        (now - 5 * DAY_MS - 12_345, now - 2 * DAY_MS + 7),
        (now - 3 * DAY_MS, now - 3 * DAY_MS + 7_200_000),
    ]
    for start, end in times:
        for video in videos:
            own = [e for e in events if e["video_id"] == video]
            assert_same(ask(anna, video, start, end), count(own, start, end))
        assert_same(ask(anna, None, start, end), count(events, start, end))


def test_the_last_seven_days_are_the_default_and_cut_into_sixty(anna, known):
    videos, events, _ = known
    found = ask(anna, videos[0])
    start, end = (datetime.datetime.fromisoformat(found[n]) for n in ("from", "to"))
    assert end - start == datetime.timedelta(days=7)
    assert abs((datetime.datetime.now(datetime.UTC) - end).total_seconds()) < 30
    assert len(found["series"]) == len(found["quality"]) == POINTS
    points = [datetime.datetime.fromisoformat(p["t"]) for p in found["series"]]
    assert points[0] == start
    step = datetime.timedelta(days=7) / POINTS
    for i, t in enumerate(points):
        assert abs(t - start - i * step) <= datetime.timedelta(milliseconds=1)
    own = [e for e in events if e["video_id"] == videos[0]]
    assert found["errors"] == sum(e["event_type"] == "error" for e in own)


def test_events_show_within_two_seconds(vora_events, anna):
    """Measured and printed; the limit here leaves room for a machine that is busy with other things."""
    video = anna.create("seen at once")["id"]
    assert ask(anna, video)["plays"] == 0
    began = time.monotonic()
    post(anna, [{"event_type": "play", "video_id": video, "session_id": "s", "value": 321}])
    wait_until(lambda: ask(anna, video)["plays"] == 1, 15, "the play is counted", 0.02)
    print(f"\nvisible after {time.monotonic() - began:.2f} s")
    assert ask(anna, video)["startup_ms"] == {"p50": 321, "p95": 321}
    assert ask(anna, video)["series"][-1]["plays"] == 1


def test_a_client_whose_clock_is_ahead_is_counted_now(anna):
    video = anna.create("ahead")["id"]
    ahead = int(time.time() * 1000) + 120_000
    post(anna, [{"event_type": "play", "video_id": video, "user_id": "u", "event_time": ahead}])
    wait_until(lambda: ask(anna, video)["plays"] == 1, 15, "the play is counted", 0.05)
    assert ask(anna, video)["series"][-1]["plays"] == 1


def test_figures_are_for_the_owner_and_for_admins(vora_events, anna, known):
    videos, _, _ = known
    path = f"/v1/analytics/videos/{videos[0]}"
    admin = vora_events.api
    viewer = admin.as_token(mint(vora_events, "anna", "view"))
    bert = admin.as_token(mint(vora_events, "bert", "edit"))
    assert viewer.call("GET", path, 200).json()["plays"] > 0
    assert admin.call("GET", path, 200).json()["plays"] > 0
    problem(bert.call("GET", path), 404)
    problem(bert.call("GET", f"/v1/analytics/videos/{uuid.uuid4()}"), 404)
    problem(bert.call("GET", "/v1/analytics/videos/nothing"), 404)
    problem(Api(admin.url, None).call("GET", path), 401)
    problem(Api(admin.url, None).call("GET", "/v1/analytics"), 401)
    problem(Api(admin.url, "nonsense").call("GET", path), 401)
    assert bert.call("GET", "/v1/analytics", 200).json()["plays"] == 0
    everything = admin.call("GET", "/v1/analytics", 200).json()
    assert everything["plays"] >= anna.call("GET", "/v1/analytics", 200).json()["plays"] > 0


def test_an_admin_sees_events_of_ids_that_metadata_does_not_know(vora_events):
    admin = vora_events.api
    unknown = f"clip-{uuid.uuid4()}"
    post(admin, [{"event_type": "error", "video_id": unknown, "detail": "x"}])
    wait_until(lambda: ask(admin, unknown)["errors"] == 1, 15, "it is counted", 0.05)


def test_the_session_of_a_browser_counts_too(vora_events, known):
    link = vora_events.api.call("POST", "/session/links", 201).json()["url"]
    http = vora_events.api.http
    signed_in = http.get(vora_events.url + link, allow_redirects=False, timeout=5)
    cookie = {"Cookie": signed_in.headers["Set-Cookie"].split(";")[0]}
    nobody = Api(vora_events.url, None)
    assert nobody.call("GET", "/v1/analytics", headers=cookie).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        {"from": "yesterday"},
        {"to": "1700000000"},
        {"from": "2026-11-20T00:00:00Z", "to": "2026-11-20T00:00:00Z"},
        {"from": "2026-11-20T00:00:00Z", "to": "2026-11-19T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z", "to": "2026-11-19T00:00:00Z"},
        {"from": "0001-01-01T00:00:00Z", "to": "0001-01-02T00:00:00Z"},
        {"from": "2026-11-20T00:00:00Z' OR 1"},
    ],
    ids=json.dumps,
)
def test_times_that_make_no_sense_are_refused(vora, query):
    for path in ("/v1/analytics", f"/v1/analytics/videos/{uuid.uuid4()}"):
        problem(vora.api.call("GET", path, params=query), 400, "bad_time_range")


def test_an_engine_that_hangs_is_not_waited_for(vora_events, known):
    """503 after dashboard.query_timeout_ms (1.5 s); the rest answers meanwhile, the figures come back."""
    engines = [
        pid
        for pid, name in processes.descendants(vora_events.process.pid).items()
        if name.startswith("vora-event")
    ]
    assert len(engines) == 1, engines
    os.kill(engines[0], signal.SIGSTOP)
    try:
        began = time.monotonic()
        answer = vora_events.api.call("GET", "/v1/analytics")
        took = time.monotonic() - began
        assert vora_events.api.call("GET", "/v1/videos", 200)
    finally:
        os.kill(engines[0], signal.SIGCONT)
    problem(answer, 503, "analytics_unavailable")
    print(f"\n503 after {took:.2f} s")
    assert took < 7, took
    wait_until(
        lambda: vora_events.api.call("GET", "/v1/analytics").status_code == 200,
        60,
        "the figures are back",
        0.1,
    )


def test_without_the_engine_only_the_figures_are_missing(vora):
    """The shared server has none."""
    video = vora.api.create("without figures")["id"]
    for path in ("/v1/analytics", f"/v1/analytics/videos/{video}"):
        began = time.monotonic()
        answer = vora.api.call("GET", path)
        took = time.monotonic() - began
        problem(answer, 503, "analytics_unavailable")
        assert int(answer.headers["Retry-After"]) >= 1
        assert took < 2, took
    assert vora.api.call("GET", "/session", 200).json()["scope"] == "admin"
    assert vora.api.http.get(vora.url + "/analytics", timeout=5).status_code == 200
    assert vora.api.get(video)["id"] == video
    vora.api.delete(video)
