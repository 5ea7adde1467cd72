"""Playback over HTTP: ranges, conditions, cache headers, grants, and what is not found."""

import urllib.parse

import pytest
import requests

from harness import raw
from harness.wait import wait_until
from media.clips import clip


class Played:
    """One READY video with its addresses."""

    def __init__(self, vora):
        self.vora = vora
        self.video = vora.api.upload_and_wait(clip("tiny"), visibility="public")
        self.public = self.video["manifest_url"]
        self.grant = vora.api.playback(self.video["id"])["manifest_url"]
        self.name = self.video["renditions"][0]["name"]

    def url(self, what, signed=False):
        base = self.grant if signed else self.public
        names = {
            "master": "master.m3u8",
            "playlist": f"{self.name}/playlist.m3u8",
            "segment": f"{self.name}/seg_01.ts",
            "poster": "thumbnail.jpg",
        }
        return urllib.parse.urljoin(base, names.get(what, what))

    def stored(self, what):
        return (
            self.vora.processed(self.video["id"])
            / {
                "playlist": f"{self.name}/playlist.m3u8",
                "segment": f"{self.name}/seg_01.ts",
                "poster": "thumbnail.jpg",
            }[what]
        )


@pytest.fixture(scope="module")
def played(vora):
    return Played(vora)


def get(url, method="GET", **headers):
    headers = {k.replace("_", "-"): v for k, v in headers.items()}
    return requests.request(method, url, headers=headers, timeout=10, allow_redirects=False)


TYPES = {
    "master": "application/vnd.apple.mpegurl",
    "playlist": "application/vnd.apple.mpegurl",
    "segment": "video/mp2t",
    "poster": "image/jpeg",
}


@pytest.mark.parametrize("what", sorted(TYPES))
@pytest.mark.parametrize("signed", [False, True], ids=["public", "grant"])
def test_each_object_has_its_type_length_tag_and_open_cors(played, what, signed):
    answer = get(played.url(what, signed), Origin="https://elsewhere.example")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].split(";")[0] == TYPES[what]
    assert int(answer.headers["Content-Length"]) == len(answer.content) > 0
    assert "Transfer-Encoding" not in answer.headers
    assert answer.headers["ETag"].startswith('"')
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in answer.headers and "Vary" not in answer.headers
    if what != "master":
        assert answer.content == played.stored(what).read_bytes()


@pytest.mark.parametrize("what", sorted(TYPES))
def test_head_is_get_without_a_body(played, what):
    url = played.url(what)
    full, head = get(url), get(url, "HEAD")
    assert head.status_code == 200 and head.content == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Cache-Control"):
        assert head.headers[name] == full.headers[name], name


# -- ranges and conditions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec,first,last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=100-199", 100, 199),
        ("bytes=188-", 188, None),
        ("bytes=-188", -188, None),
        ("bytes=0-999999999", 0, None),
        ("bytes=-999999999", 0, None),
    ],
)
def test_a_range_is_206_with_those_bytes(played, spec, first, last):
    data = played.stored("segment").read_bytes()
    first = first if first >= 0 else len(data) + first
    last = len(data) - 1 if last is None else last
    answer = get(played.url("segment"), Range=spec)
    assert answer.status_code == 206
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(data)}"
    assert answer.content == data[first : last + 1]
    assert answer.headers.get("Accept-Ranges") == "bytes"


@pytest.mark.parametrize("spec", ["bytes=99999999-", "bytes=-0"])
def test_a_range_outside_is_416_and_tells_the_size(played, spec):
    answer = get(played.url("segment"), Range=spec)
    assert answer.status_code == 416
    size = played.stored("segment").stat().st_size
    assert answer.headers["Content-Range"] == f"bytes */{size}"


@pytest.mark.parametrize(
    "spec", ["bytes=5-2", "bytes=x", "items=0-5", "bytes=0-1,5-6", "bytes=", "0-5"]
)
def test_a_range_that_is_none_or_several_is_the_whole(played, spec):
    answer = get(played.url("segment"), Range=spec)
    assert answer.status_code == 200
    assert answer.content == played.stored("segment").read_bytes()


def test_conditions_answer_304_412_and_ranges_of_the_same_tag_only(played):
    url = played.url("segment")
    etag = get(url).headers["ETag"]
    for value in (etag, f'"other", {etag}', "*", "W/" + etag):
        answer = get(url, If_None_Match=value)
        assert answer.status_code == 304 and answer.content == b"", value
        assert answer.headers["ETag"] == etag and answer.headers["Cache-Control"]
    assert get(url, If_None_Match='"other"').status_code == 200
    assert get(url, If_Match='"other"').status_code == 412
    assert get(url, If_Match=etag).status_code == 200
    assert get(url, Range="bytes=0-9", If_Range=etag).status_code == 206
    assert get(url, Range="bytes=0-9", If_Range='"other"').status_code == 200


# -- caches -------------------------------------------------------------------------------------------


def directives(answer):
    found = {}
    for part in answer.headers["Cache-Control"].split(","):
        name, _, value = part.strip().partition("=")
        found[name] = value
    return found


def test_public_objects_that_never_change_are_immutable(played):
    for what in ("playlist", "segment"):
        found = directives(get(played.url(what)))
        assert "public" in found and "immutable" in found and int(found["max-age"]) >= 86400


def test_a_public_master_lives_shortly(played):
    found = directives(get(played.url("master")))
    assert "public" in found and int(found["max-age"]) <= 60


def test_under_a_grant_a_browser_keeps_it_no_longer_than_the_grant(played):
    url = played.vora.api.playback(played.video["id"], ttl_s=120)["manifest_url"]
    for what in ("master.m3u8", f"{played.name}/playlist.m3u8", f"{played.name}/seg_01.ts"):
        found = directives(get(urllib.parse.urljoin(url, what)))
        assert "private" in found and "public" not in found and int(found["max-age"]) <= 120


def test_what_is_refused_is_not_kept(played):
    not_found = directives(get(played.url(f"{played.name}/seg_99.ts")))
    assert int(not_found.get("s-maxage", 0)) <= 5 and "immutable" not in not_found
    bad = played.grant.replace("/play/", "/play/x")
    assert "no-store" in directives(get(bad))


# -- grants -------------------------------------------------------------------------------------------


def grant_of(url):
    return urllib.parse.urlsplit(url).path.split("/")[2]


def with_grant(url, grant):
    return url.replace(grant_of(url), grant, 1)


def test_a_changed_cut_or_made_up_grant_is_403(played):
    good = grant_of(played.grant)
    middle = len(good) // 2
    swapped = good[:middle] + ("A" if good[middle] != "A" else "B") + good[middle + 1 :]
    for grant in (swapped, good[:-1], good + "A", "x", "a.b.c.d", "Public", "cookie", good.upper()):
        answer = get(with_grant(played.grant, grant))
        assert answer.status_code == 403, grant
        assert answer.headers["Content-Type"].startswith("application/problem+json")
        assert good not in answer.text


def test_a_grant_of_one_video_does_not_open_another(vora, played):
    other = vora.api.upload_and_wait(clip("tiny"))
    mine = vora.api.playback(other["id"])["manifest_url"]
    stolen = mine.replace(grant_of(mine), grant_of(played.grant))
    assert get(stolen).status_code == 403
    assert get(mine).status_code == 200


def test_a_grant_ends(vora, played):
    url = vora.api.playback(played.video["id"], ttl_s=1)["manifest_url"]
    wait_until(lambda: get(url).status_code == 403, 15, "the grant has ended", 0.2)
    segment = urllib.parse.urljoin(url, f"{played.name}/seg_01.ts")
    assert get(segment).status_code == 403, "segments are checked too"


def test_private_is_the_same_as_unknown_without_a_grant(vora):
    private = vora.api.upload_and_wait(clip("tiny"))
    answers = [
        get(f"{vora.url}/play/public/{video_id}/master.m3u8")
        for video_id in (private["id"], "7b0e5a5e-0000-4000-8000-000000000000")
    ]
    assert [a.status_code for a in answers] == [404, 404]
    assert answers[0].json()["code"] == answers[1].json()["code"]


def test_going_private_and_public_takes_effect_within_seconds(vora):
    video = vora.api.upload_and_wait(clip("tiny"), visibility="public")
    url = video["manifest_url"]
    assert get(url).status_code == 200
    for visibility, status in (("private", 404), ("public", 200)):
        vora.api.call("PATCH", f"/v1/videos/{video['id']}", 200, json={"visibility": visibility})
        wait_until(lambda: get(url).status_code == status, 5, f"{visibility} is {status}")


# -- what is not there ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what",
    [
        "master.m3u",
        "playlist.m3u8",
        "9999p/playlist.m3u8",
        "{name}/seg_1.ts",
        "{name}/seg_00.ts",
        "{name}/seg_99.ts",
        "{name}/seg_0000001.ts",
        "{name}/seg_-1.ts",
        "{name}/seg_01.tsx",
        "{name}/seg_01.ts/",
        "{name}/",
        "{name}",
        ".tmp",
        "thumbnail.png",
        "g1/master.m3u8",
        "",
    ],
)
def test_what_is_not_in_the_layout_is_404(played, what):
    answer = get(played.url("x")[:-1] + what.format(name=played.name))
    assert answer.status_code == 404, what


@pytest.mark.parametrize(
    "path",
    [
        "/play/public/{id}/../{id}/master.m3u8",
        "/play/public/{id}/%2e%2e/{id}/master.m3u8",
        "/play/public/{id}/{name}/../../../../api.token",
        "/play/public/{id}/{name}%2fseg_01.ts",
        "/play/public/{id}/{name}%5cseg_01.ts",
        "/play/public/{id}/{name}/..%2fmaster.m3u8",
        "/play/public/{id}//master.m3u8",
        "/play/public/{id}/{name}/seg_01.ts%00",
        "/play/public/{id}/{name}/seg_01.ts;x",
        "/play/public/%252e%252e/{id}/master.m3u8",
        "/play//{id}/master.m3u8",
    ],
)
def test_a_path_that_climbs_is_refused(vora, played, path):
    target = path.format(id=played.video["id"], name=played.name)
    head = f"GET {target} HTTP/1.1\r\nHost: {vora.address[0]}\r\nConnection: close\r\n\r\n"
    found = raw.exchange(vora.address, head.encode())
    assert len(found.answers) == 1 and found.statuses[0] in (400, 403, 404), found.statuses
    assert b"#EXTM3U" not in found.answers[0].body


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_playback_only_reads(played, method):
    answer = get(played.url("segment"), method)
    assert answer.status_code == 405 and "GET" in answer.headers["Allow"]


def test_a_preflight_allows_ranges_from_any_page(played):
    answer = get(
        played.url("segment"),
        "OPTIONS",
        Origin="https://elsewhere.example",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="range",
    )
    assert answer.status_code in (200, 204)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "range" in answer.headers["Access-Control-Allow-Headers"].lower()


def test_refusals_have_cors_too_so_that_a_player_can_read_them(played):
    for url in (with_grant(played.grant, "x"), played.url("nothing.ts")):
        assert (
            get(url, Origin="https://elsewhere.example").headers["Access-Control-Allow-Origin"]
            == "*"
        )


def test_playback_survives_a_restart_and_another_port(make_vora):
    server = make_vora().start()
    video = server.api.upload_and_wait(clip("tiny"))
    url = server.api.playback(video["id"])["manifest_url"]
    before = get(url).text
    path = urllib.parse.urlsplit(url).path
    assert server.stop() == 0
    server.start()
    assert get(server.url + path).text == before
