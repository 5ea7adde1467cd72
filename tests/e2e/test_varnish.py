"""Varnish in front of the gateway: what is shared, what never is, what is forgotten, what is refused."""

import json
import os
import secrets
import signal
import subprocess
import time
import types
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import raw
from harness.api import session
from harness.cache import StubGateway, mint, open_directory
from harness.hostile import OBJECTS, hostile_requests, path_of, watch
from harness.server import Server, binary
from harness.wait import wait_until

from tools.stack.process import free_port
from tools.stack.varnish import Varnish

GONE_WITHIN_S = 1.0
SLACK = 5  # on a machine that does other things too


class Front:
    """A real `vora up`, a real Varnish before it."""

    def __init__(self, base):
        secret, port = secrets.token_hex(16), free_port()
        self.vora = Server(
            base / "data",
            base / "logs",
            [f"--public_urls.play=http://127.0.0.1:{port}"],
            {"VORA_CACHE_PURGE_URLS": f"http://127.0.0.1:{port}", "VORA_CACHE_PURGE_SECRET": secret},
        )
        self.vora.start()
        self.gateway = "{}:{}".format(*self.vora.address)
        self.ring = self.vora.data / "keys" / "grants.json"
        self.varnish = Varnish(base / "varnish", [self.gateway], self.ring, port, secret).start()
        self.http = session()

    def get(self, path, method="GET", base=None, **headers):
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.http.request(
            method, (base or self.varnish.url) + path, headers=headers, timeout=60, allow_redirects=False
        )

    def direct(self, path, method="GET", **headers):
        return self.get(path, method, self.vora.url, **headers)

    def purge(self, key="vora", **headers):
        headers = {"Vora_Purge": key, "Vora_Purge_Secret": self.varnish.purge_secret, **headers}
        return self.get("/", "PURGE", **headers)

    def grant(self, video, ttl_s=3600, cap=0, **more):
        return mint(self.ring, video["id"], int(time.time()) + ttl_s, cap, **more)

    def fetched(self):
        """Objects that the gateway has served by now."""
        return self.vora.metric("vora_gateway_answers_total", status="2xx") or 0

    def upload(self, path, **more):
        video = self.vora.api.upload_and_wait(path, **more)
        # One more change, so that all before it are heard of; then the purges for all of them have
        # passed, the second ones too.
        heard = self.vora.metric("vora_gateway_changes_total")
        self.vora.api.call("PATCH", f"/v1/videos/{video['id']}", 200, json={"title": "heard"})
        wait_until(
            lambda: self.vora.metric("vora_gateway_changes_total") > heard, 30, "the change is heard"
        )
        wait_until(
            lambda: self.vora.metric("vora_gateway_purges_pending") == 0, 30, "nothing is left to purge"
        )
        return video


@pytest.fixture(scope="module")
def front():
    with open_directory() as base:
        made = Front(base)
        yield made
        made.varnish.stop()
        made.vora.process.send_signal(signal.SIGCONT)
        assert made.vora.stop() == 0, made.vora.tail()
        made.vora.dispose()


@pytest.fixture(scope="module")
def videos(front, inputs):
    clip = inputs("pattern", "1280x720", 1)
    private = front.upload(clip)
    public = front.upload(clip, visibility="public")
    return types.SimpleNamespace(private=private, public=public)


def warm(front, path):
    """Asks until it comes from the cache."""
    wait_until(lambda: front.get(path).headers.get("X-Cache") == "hit", 30, f"{path} is in the cache")


# -- who shares what ----------------------------------------------------------------------------------


def test_what_a_signed_viewer_has_warmed_is_not_there_for_the_public(front, videos):
    for what in OBJECTS:
        warm(front, path_of(front.grant(videos.private), videos.private, what))
        for _ in range(3):
            answer = front.get(path_of("public", videos.private, what))
            assert answer.status_code == 404 and b"#EXT" not in answer.content, what
    # And the other way round: the two classes of one video are two objects.
    warm(front, path_of("public", videos.public, "720p/seg_01.ts"))
    front.purge()
    assert front.get(path_of("public", videos.public, "720p/seg_01.ts")).headers["X-Cache"] == "miss"
    signed = path_of(front.grant(videos.public), videos.public, "720p/seg_01.ts")
    assert front.get(signed).headers["X-Cache"] == "miss"


def test_hostile_traffic_costs_the_gateway_one_fetch_of_each_object_in_each_class(front, videos):
    front.purge()
    before = front.fetched()
    requests = list(hostile_requests(front.ring, videos.private, videos.public, 500))
    with ThreadPoolExecutor(6) as pool:
        parts = pool.map(watch, [front.varnish.url] * 6, [requests[n::6] for n in range(6)])
        seen = [answer for part in parts for answer in part]
    assert len(seen) == 600 and set(seen) == {(200, False, False)}
    wait_until(
        lambda: front.fetched() - before >= 2 * len(OBJECTS), 20, "the gateway has counted its answers"
    )
    assert front.fetched() - before == 2 * len(OBJECTS)


def test_a_cap_holds_for_objects_that_others_have_warmed(front, videos):
    for what in OBJECTS:
        warm(front, path_of(front.grant(videos.private), videos.private, what))
    capped = front.grant(videos.private, cap=360)
    for what, status in (
        ("master.m3u8", 200),
        ("thumbnail.jpg", 200),
        ("720p/playlist.m3u8", 403),
        ("720p/seg_01.ts", 403),
        ("360p/playlist.m3u8", 200),
        ("360p/seg_01.ts", 200),
    ):
        for _ in range(2):
            answer = front.get(path_of(capped, videos.private, what))
            assert answer.status_code == status, what
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "720p" not in front.get(path_of(capped, videos.private, "master.m3u8")).text
    # What is within the cap is the object that all share.
    assert front.get(path_of(capped, videos.private, "360p/seg_01.ts")).headers["X-Cache"] == "hit"
    # Below the smallest one: that one, as the gateway has it. The cap cannot be widened.
    low = front.grant(videos.private, cap=100)
    assert front.get(path_of(low, videos.private, "360p/seg_01.ts")).status_code == 200
    wide = capped.replace(".360.", ".0.")
    assert front.get(path_of(wide, videos.private, "720p/seg_01.ts")).status_code == 403
    # And the master of the uncapped is still whole.
    full = front.get(path_of(front.grant(videos.private), videos.private, "master.m3u8"))
    assert "720p" in full.text and full.headers["X-Cache"] == "hit"


def test_a_grant_in_the_cookie_is_read_here_and_others_share_its_objects(front, videos):
    grant, path = front.grant(videos.private), path_of("cookie", videos.private, "360p/seg_01.ts")
    warm(front, path_of(grant, videos.private, "360p/seg_01.ts"))
    for name in ("vora_play", "__Secure-vora_play"):
        answer = front.get(path, Cookie=f"a=b; {name}={grant}; x=vora_play")
        assert (answer.status_code, answer.headers["X-Cache"]) == (200, "hit"), name
    for cookie in ("", "a=b", f"xvora_play={grant}", "vora_play=", f"vora_play={grant[:-1]}"):
        assert front.get(path, Cookie=cookie).status_code == 403, cookie


# -- what is refused ----------------------------------------------------------------------------------


def attacks(front, videos):
    now, video, other = int(time.time()), videos.private, videos.public["id"]
    good = front.grant(video)
    key, expires, cap, mac = good.split(".")
    below = f"{video['id']}/720p/seg_01.ts"
    grants = [
        mint(front.ring, video["id"], now - 1),
        mint(front.ring, video["id"], now),
        mint(front.ring, other, now + 1000),
        f"{key}.{expires}.{cap}.{mac[:-1]}",
        f"{key}.{expires}.{cap}.{mac}0",
        f"{key}.{expires}.{cap}.{mac.upper()}" if mac.upper() != mac else "x",
        f"{key}.{expires}.{cap}.{'0' * 64}",
        f"{key}.{expires}.{cap}.",
        f"{key}.{expires}.{cap}",
        f"{key}.{int(expires) + 1}.{cap}.{mac}",
        f"{key}.0{expires}.{cap}.{mac}",
        f"{key}.{expires}.00.{mac}",
        f"{key}.{expires}.-1.{mac}",
        f"{key}.{expires}.{cap}.{mac}.{mac}",
        f"nokey.{expires}.{cap}.{mac}",
        f".{expires}.{cap}.{mac}",
        f"{key}.99999999999999999999.{cap}.{mac}",
        "A" * 5000,
        "0x" + mac,
        "Public",
        "PUBLIC",
        "public ",
        "signed",
    ]
    targets = [f"/play/{g}/{below}" for g in grants]
    targets += [
        f"/play/{good}/{other}/../{below}",
        f"/play/public/../{good}/../public/{below}",
        f"/play/{good}/../{good}/{video['id']}/720p/../720p/seg_01.ts",
        f"/play/public/%2e%2e/{good}/{below}",
        f"/play/public/{video['id']}%2f720p/seg_01.ts",
        f"/play/public/{video['id']}%5c720p/seg_01.ts",
        f"/play/public/{video['id']}\\720p/seg_01.ts",
        f"/play//{good}/{below}",
        f"/play/{good}//{below}",
        f"//play/{good}/{below}",
        f"/play/%252e%252e/{below}",
        f"/play/public;x={good}/{below}",
        f"/play/{good}/{below}%00",
        f"/play/{good}/{video['id'].upper()}/720p/seg_01.ts",
        f"/Play/{good}/{below}",
        f"/play/public/{below}?grant={good}",
        f"/play/public/{below}#/{good}/",
        f"/play/public/{below}",
    ]
    return targets


def test_no_attack_gets_a_byte_of_media_whether_or_not_it_is_in_the_cache(front, videos):
    for what in OBJECTS:
        warm(front, path_of(front.grant(videos.private), videos.private, what))
        warm(front, path_of("public", videos.public, what))
    for target in attacks(front, videos):
        request = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        for answer in raw.exchange(front.varnish.address, request, 30).answers:
            assert answer.status in (400, 403, 404), target
            assert b"#EXT" not in answer.body and answer.body[:1] != b"G", target
            assert len(answer.body) < 1000, target
    # The same path, plainly: it was there all the time.
    assert front.get(path_of(front.grant(videos.private), videos.private, OBJECTS[3])).status_code == 200


def test_headers_of_clients_decide_nothing(front, videos):
    path = path_of("public", videos.private, "720p/seg_01.ts")
    answer = front.get(
        path,
        X_Vora_Class="signed",
        X_Vora_Path="720p/seg_01.ts",
        Vora_Cache="class=public; ttl=100; age=1",
        X_Original_URL=path_of(front.grant(videos.private), videos.private, "720p/seg_01.ts"),
        Authorization="Bearer x",
    )
    assert answer.status_code == 404
    for method in ("POST", "PUT", "DELETE", "PATCH", "BAN", "PURGE", "TRACE"):
        answer = front.get(path, method)
        assert answer.status_code == 405 and "GET" in answer.headers["Allow"], method


def test_only_who_knows_the_secret_and_comes_himself_may_purge(front, videos):
    path = path_of("public", videos.public, "360p/seg_01.ts")
    warm(front, path)
    key = "v:" + videos.public["id"]
    for wrong in (
        {"Vora_Purge_Secret": None},
        {"Vora_Purge_Secret": ""},
        {"Vora_Purge_Secret": front.varnish.purge_secret[:-1]},
        {"X_Forwarded_For": "127.0.0.1"},
    ):
        assert front.purge(key, **wrong).status_code == 405, wrong
    assert front.get(path).headers["X-Cache"] == "hit"
    assert front.purge("v:" + videos.private["id"]).status_code == 200
    assert front.get(path).headers["X-Cache"] == "hit"
    assert front.purge(key).status_code == 200
    assert front.get(path).headers["X-Cache"] == "miss"


def test_no_grant_and_no_key_can_be_read_in_the_log(front, videos):
    grants = [front.grant(videos.private, n) for n in (500, 600)]
    for grant in grants:
        front.get(path_of(grant, videos.private, "360p/seg_01.ts") + "?x=" + grant)
        front.get(path_of("cookie", videos.private, "360p/seg_01.ts"), Cookie=f"vora_play={grant}")
        front.get(path_of(grant, videos.private, "nothing.ts"))
    log = front.varnish.request_log()
    assert f"path:/play/*/{videos.private['id']}/360p/seg_01.ts" in log
    secrets_of_ring = json.loads(front.ring.read_text())["keys"].values()
    for secret in [*grants, *(g.split(".")[3] for g in grants), *secrets_of_ring]:
        assert secret not in log
    assert front.varnish.purge_secret not in log
    assert front.varnish.directory.stat().st_mode & 0o77 == 0


# -- HTTP ---------------------------------------------------------------------------------------------

CASES = [
    ("GET", {}),
    ("HEAD", {}),
    ("GET", {"Range": "bytes=0-0"}),
    ("GET", {"Range": "bytes=100-199"}),
    ("GET", {"Range": "bytes=188-"}),
    ("GET", {"Range": "bytes=-188"}),
    ("GET", {"Range": "bytes=0-999999999"}),
    ("GET", {"Range": "bytes=99999999-"}),
    ("GET", {"Range": "bytes=5-2"}),
    ("GET", {"Range": "bytes=0-1,5-6"}),
    ("GET", {"Range": "items=0-5"}),
    ("HEAD", {"Range": "bytes=0-9"}),
    ("GET", {"If_None_Match": "*ETAG*"}),
    ("GET", {"If_None_Match": '"other"'}),
    ("GET", {"If_Match": "*ETAG*"}),
    ("GET", {"If_Match": '"other"'}),
    ("GET", {"Range": "bytes=0-9", "If_Range": "*ETAG*"}),
    ("GET", {"Range": "bytes=0-9", "If_Range": '"other"'}),
]


@pytest.mark.parametrize("what", ["720p/seg_01.ts", "master.m3u8"])
def test_ranges_and_conditions_are_answered_as_the_gateway_would_on_a_miss_and_on_a_hit(
    front, videos, what
):
    path = path_of("public", videos.public, what)
    etag = front.direct(path).headers["ETag"]
    for method, headers in CASES:
        headers = {k: v.replace("*ETAG*", etag) for k, v in headers.items()}
        expected = front.direct(path, method, **headers)
        front.purge("v:" + videos.public["id"])
        for place in ("miss", "hit"):
            answer = front.get(path, method, **headers)
            assert answer.status_code == expected.status_code, (place, method, headers)
            if answer.status_code < 400:
                assert answer.content == expected.content, (place, method, headers)
                assert answer.headers["ETag"] == etag
                assert answer.headers["X-Cache"] == place
                assert "Transfer-Encoding" not in answer.headers
            if answer.status_code in (200, 206):
                assert answer.headers["Content-Length"] == expected.headers["Content-Length"]
            if answer.status_code in (206, 416):
                assert answer.headers["Content-Range"] == expected.headers["Content-Range"]


def test_browsers_are_told_what_the_gateway_would_tell_them_and_nothing_of_the_cache(front, videos):
    for what, browser in (
        ("720p/seg_01.ts", "public, max-age=31536000, immutable"),
        ("720p/playlist.m3u8", "public, max-age=31536000, immutable"),
        ("master.m3u8", "public, max-age=10, s-maxage=10"),
        ("thumbnail.jpg", "public, max-age=86400"),
    ):
        warm(front, path_of("public", videos.public, what))
        answer = front.get(path_of("public", videos.public, what))
        assert answer.headers["Cache-Control"] == browser
        # Warmed by one with an hour left, asked for by one with a minute.
        warm(front, path_of(front.grant(videos.private), videos.private, what))
        answer = front.get(path_of(front.grant(videos.private, 60), videos.private, what))
        control = answer.headers["Cache-Control"]
        assert answer.headers["X-Cache"] == "hit" and control.startswith("private, max-age=")
        left = int(control.split("max-age=")[1].split(",")[0])
        assert left <= (10 if what == "master.m3u8" else 60) and left > 0, control
        assert ("immutable" in control) == ("immutable" in browser)
        for hidden in ("Vora-Cache", "xkey", "Age", "Via", "X-Varnish", "Server", "Vary"):
            assert hidden not in answer.headers, hidden


@pytest.mark.parametrize(
    "path,status",
    [
        ("/play/bad/7b0e5a5e-0000-4000-8000-000000000000/master.m3u8", 403),
        ("/play/cookie/7b0e5a5e-0000-4000-8000-000000000000/master.m3u8", 403),
        ("/play/public/7b0e5a5e-0000-4000-8000-000000000000/master.m3u8", 404),
        ("/play/public/a%2fb/master.m3u8", 400),
        ("/elsewhere", 404),
    ],
)
def test_a_page_of_any_origin_can_read_why_it_may_not_play(front, path, status):
    answer = front.get(path, Origin="https://elsewhere.example")
    assert answer.status_code == status
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status and answer.json()["code"]
    preflight = front.get("/play/public/x/y", "OPTIONS", Origin="https://elsewhere.example")
    assert preflight.status_code == 204 and "Range" in preflight.headers["Access-Control-Allow-Headers"]


# -- taken back ---------------------------------------------------------------------------------------


def seconds_until_gone(front, paths):
    began = time.monotonic()
    for path in paths:
        wait_until(lambda p=path: front.get(p).status_code == 404, 30, f"{path} is gone", 0.01)
    return time.monotonic() - began


def test_going_private_and_deletion_are_known_here_within_a_second(front, inputs):
    video = front.upload(inputs("pattern", "1280x720", 1), visibility="public")
    public = [path_of("public", video, what) for what in OBJECTS]
    signed = [path_of(front.grant(video), video, what) for what in OBJECTS]
    for path in public + signed:
        warm(front, path)
    front.vora.api.call("PATCH", f"/v1/videos/{video['id']}", 200, json={"visibility": "private"})
    took = seconds_until_gone(front, public)
    assert all(front.get(path).status_code == 200 for path in signed), "a grant outlives that"
    front.vora.api.delete(video["id"])
    took_deleted = seconds_until_gone(front, signed)
    print(f"private after {took * 1000:.0f} ms, deleted after {took_deleted * 1000:.0f} ms")
    assert max(took, took_deleted) < GONE_WITHIN_S * SLACK
    # And it stays so, whatever was on its way meanwhile.
    for path in (public + signed) * 2:
        assert front.get(path).status_code == 404


def keys(front, *arguments):
    command = [binary(), "keys", *arguments, "--data", str(front.vora.data)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


def test_new_keys_refuse_nobody_and_removed_ones_end(front, videos):
    def play(url):
        return front.http.get(
            urllib.parse.urljoin(url, "360p/seg_01.ts"), timeout=60, allow_redirects=False
        )

    def fresh():
        return front.vora.api.playback(videos.private["id"])["manifest_url"]

    def key_of(url):
        return urllib.parse.urlsplit(url).path.split("/")[2].split(".")[0]

    old = fresh()
    warm(front, urllib.parse.urlsplit(urllib.parse.urljoin(old, "360p/seg_01.ts")).path)
    keys(front, "rotate")
    seen = []

    def signs():
        # Varnish has not been told yet: the gateway knows the key.
        seen.append(fresh())
        return key_of(seen[-1]) != key_of(old)

    wait_until(signs, 30, "the new key signs")
    assert [play(url).status_code for url in [old, *seen]] == [200] * (len(seen) + 1)
    assert play(seen[-1]).headers["X-Cache"] == "pass"
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(front.varnish.reload)
        while not loading.done():
            assert play(seen[-1]).status_code == 200 and play(old).status_code == 200
        loading.result()
    assert play(seen[-1]).headers["X-Cache"] == "hit" and play(old).headers["X-Cache"] == "hit"
    keys(front, "remove", key_of(old))
    front.varnish.reload()
    wait_until(lambda: play(old).status_code == 403, 30, "what the removed key has signed is refused")
    assert play(seen[-1]).status_code == 200


# -- the gateway is away ------------------------------------------------------------------------------


def at_once(url, paths):
    """Status and seconds of each, all asked for at the same moment."""

    def one(path):
        began = time.monotonic()
        status = session().get(url + path, timeout=120).status_code
        return status, time.monotonic() - began

    with ThreadPoolExecutor(len(paths)) as pool:
        return list(pool.map(one, paths))


def test_a_frozen_gateway_is_504_for_all_who_wait_at_once_and_nothing_to_what_is_warm(front, videos):
    cold, hot = (path_of("public", videos.public, f"360p/{x}") for x in ("seg_01.ts", "playlist.m3u8"))
    front.purge()
    warm(front, hot)
    os.kill(front.vora.process.pid, signal.SIGSTOP)
    try:
        answers = at_once(front.varnish.url, [cold] * 12 + [hot] * 4)
        assert [status for status, _ in answers] == [504] * 12 + [200] * 4
        # One after the other they would need a minute.
        assert max(took for _, took in answers) < 5 * SLACK
        answer = front.get(cold)
        assert answer.status_code == 504 and answer.headers["Retry-After"] == "1"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    finally:
        os.kill(front.vora.process.pid, signal.SIGCONT)
    wait_until(lambda: front.get(cold).status_code == 200, 60, "it is served again")


def test_what_nobody_was_told_while_the_gateway_was_away_is_purged_when_it_is_back(front, videos):
    path = path_of("public", videos.public, "720p/playlist.m3u8")
    warm(front, path)
    assert front.vora.stop() == 0
    assert front.get(path).status_code == 200, "what is warm plays on"
    front.vora.start(listen=front.gateway)
    wait_until(lambda: front.get(path).headers.get("X-Cache") == "miss", 60, "it is asked for anew")


# -- a gateway with levers ----------------------------------------------------------------------------

VIDEO = "7b0e5a5e-0000-4000-8000-000000000000"
FIRST_BYTE_S = 3


class Levers:
    def __init__(self, base):
        self.status, self.headers, self.body = 200, {}, b"first"
        self.stub = StubGateway(lambda path: (self.status, self.headers, self.body))
        ring = base / "grants.json"
        ring.write_text(json.dumps({"signing": "k1", "keys": {"k1": "a" * 64}}))
        self.varnish = Varnish(
            base / "varnish", [self.stub.address], ring, first_byte=f"{FIRST_BYTE_S}s", connect="2s"
        ).start()
        self.http = session()

    def answer(self, body, status=200, ttl=3600, viewers="public", **headers):
        self.status, self.body = status, body
        self.headers = {"ETag": '"1"', **{k.replace("_", "-"): v for k, v in headers.items()}}
        if viewers:
            self.headers |= {
                "Vora-Cache": f"class={viewers}; ttl={ttl}; age=10",
                "xkey": f"v:{VIDEO} vora",
            }

    def get(self, path):
        return self.http.get(self.varnish.url + path, timeout=60)


@pytest.fixture(scope="module")
def levers():
    with open_directory() as base:
        made = Levers(base)
        yield made
        made.varnish.stop()
        made.stub.close()


@pytest.fixture
def new_path():
    return f"/play/public/{VIDEO}/720p/{secrets.token_hex(8)}.ts"


@pytest.mark.parametrize("viewers", [None, "signed", "everybody"])
def test_nothing_is_kept_that_the_gateway_has_not_confirmed_for_this_class(levers, new_path, viewers):
    levers.answer(b"x", viewers=viewers, Cache_Control="public, max-age=31536000")
    for n in (1, 2, 3):
        assert levers.get(new_path).status_code == 200
        assert levers.stub.asked[new_path] == n


def test_what_a_store_adds_neither_splits_objects_nor_gets_out(levers, new_path):
    added = {
        "Vary": "Origin, Accept-Encoding",
        "Server": "MinIO",
        "Set_Cookie": "a=b",
        "x_amz_request_id": "1",
        "x_amz_id_2": "2",
        "X_Ratelimit_Limit": "3",
    }
    levers.answer(b"x", **added)
    for origin in ("https://a.example", "https://b.example"):
        answer = levers.http.get(
            levers.varnish.url + new_path,
            headers={"Origin": origin, "Cookie": "c=d", "Range": "bytes=0-0"},
            timeout=60,
        )
        assert answer.status_code == 206
        for name in added:
            assert name.replace("_", "-") not in answer.headers
    assert levers.stub.asked[new_path] == 1
    seen = {name.lower() for name in levers.stub.seen[new_path]}
    assert not seen & {"cookie", "origin", "range", "authorization"}


def test_a_gateway_that_hangs_is_504_for_all_who_wait_after_one_fetch(levers, new_path):
    levers.answer(b"x")
    levers.stub.flowing.clear()
    try:
        answers = at_once(levers.varnish.url, [new_path] * 20)
    finally:
        levers.stub.flowing.set()
    assert {status for status, _ in answers} == {504}
    assert max(took for _, took in answers) < FIRST_BYTE_S * SLACK
    assert levers.stub.asked[new_path] <= 2
    wait_until(lambda: levers.get(new_path).status_code == 200, 30, "it is served again")


def test_stale_objects_are_served_while_the_gateway_hangs_or_fails_and_survive_it(levers, new_path):
    levers.answer(b"first", ttl=1)
    assert levers.get(new_path).content == b"first"
    stale = lambda: levers.get(new_path).headers["X-Cache"] == "stale"  # noqa: E731
    levers.answer(b"bad", status=500, viewers=None)
    wait_until(stale, 30, "its time is over")
    for status in (500, 503, 504, 403):
        levers.answer(b"bad", status=status, viewers=None)
        for _ in range(3):
            answer = levers.get(new_path)
            assert (answer.status_code, answer.content) == (200, b"first"), status
    levers.stub.flowing.clear()
    try:
        answers = at_once(levers.varnish.url, [new_path] * 8)
        # The fetch behind them fails, and the good object is still there.
        asked = levers.stub.asked[new_path]
        wait_until(
            lambda: levers.get(new_path).content == b"first" and levers.stub.asked[new_path] > asked,
            60,
            "another fetch is made after the first was given up",
        )
    finally:
        levers.answer(b"second")
        levers.stub.flowing.set()
    assert {status for status, _ in answers} == {200}
    assert max(took for _, took in answers) < FIRST_BYTE_S
    wait_until(lambda: levers.get(new_path).content == b"second", 30, "the new one is taken")


def test_an_object_that_is_gone_takes_its_stale_copy_with_it(levers, new_path):
    levers.answer(b"first", ttl=1)
    levers.get(new_path)
    levers.answer(b"{}", status=404, ttl=2)
    wait_until(lambda: levers.get(new_path).status_code == 404, 30, "it is gone")


def test_the_gateways_own_overload_stays_503_and_is_not_kept(levers, new_path):
    levers.answer(b"{}", status=503, viewers=None, Retry_After="1")
    answer = levers.get(new_path)
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
    levers.answer(b"x")
    wait_until(lambda: levers.get(new_path).status_code == 200, 30, "it is served")


def test_the_vcl_is_made_of_nothing_but_what_it_expects(tmp_path):
    renderer = Varnish(tmp_path, [], tmp_path / "none").renderer
    good = dict(keys={"k1": "a" * 64}, gateways=["127.0.0.1:1"], purge_secret="x" * 16)
    assert "@" not in renderer.render(**good).replace("@...@", "")
    two = renderer.render(**{**good, "gateways": ["a:1", "[::1]:2"]})
    assert "directors.round_robin" in two and '.host = "::1"' in two
    for wrong in (
        {"purge_secret": 'x" + req.url + "xxxxxxxxxx'},
        {"purge_secret": "short"},
        {"gateways": ['a";}:1']},
        {"gateways": ["a"]},
        {"purge_from": ["all of them"]},
        {"first_byte": "1s; }"},
    ):
        with pytest.raises(renderer.BadInput):
            renderer.render(**{**good, **wrong})
    ring = tmp_path / "grants.json"
    for text in ("", "{}", '{"keys": {}}', '{"keys": {"a b": "%s"}}' % ("a" * 64), '{"keys": {"k": "x"}}'):
        ring.write_text(text)
        with pytest.raises(renderer.BadInput):
            renderer.read_keys(ring)
