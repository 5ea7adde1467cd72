"""The tus protocol as a stranger would speak it, and the request table that upload servers fail."""

import concurrent.futures
import os
import socket
import urllib.parse

import pytest
import requests

from harness import raw
from harness.api import TusUpload, session
from harness.wait import wait_until
from media.clips import clip

TUS = {"Tus-Resumable": "1.0.0"}
PATCH = {**TUS, "Content-Type": "application/offset+octet-stream"}


@pytest.fixture
def video(api):
    made = api.create("an upload")
    yield made
    api.call("DELETE", f"/v1/videos/{made['id']}")


@pytest.fixture
def creation(video):
    return video["upload"]["url"]


@pytest.fixture
def upload(creation):
    """An open upload of 1000 bytes."""
    made = TusUpload(creation, os.urandom(1000))
    made.create()
    return made


def create(url, length="10", expect=None, **fields):
    headers = {**TUS, "Upload-Length": length}
    headers.update({k.replace("_", "-"): v for k, v in fields.items()})
    answer = session().post(url, headers=headers, timeout=20, allow_redirects=False)
    if expect:
        assert answer.status_code == expect, answer.text
    return answer


def without_grant(url):
    return url.split("?")[0]


# -- the protocol --------------------------------------------------------------------------------


def test_options_tells_version_extensions_and_size_limit(creation):
    answer = session().options(without_grant(creation), timeout=10)
    assert answer.status_code in (200, 204)
    assert answer.headers["Tus-Version"] == "1.0.0"
    extensions = answer.headers["Tus-Extension"].split(",")
    assert {"creation", "creation-with-upload", "termination", "expiration"} <= set(extensions)
    assert int(answer.headers["Tus-Max-Size"]) > 1 << 30


def test_creation_answers_a_location_of_the_same_origin_with_a_grant(creation):
    answer = create(creation, expect=201)
    location = urllib.parse.urljoin(creation, answer.headers["Location"])
    parts, origin = urllib.parse.urlsplit(location), urllib.parse.urlsplit(creation)
    assert (parts.scheme, parts.netloc) == (origin.scheme, origin.netloc)
    assert parts.path.startswith("/files/") and "grant=" in parts.query
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert answer.headers["Upload-Expires"].endswith("GMT")


def test_every_answer_names_the_version(upload):
    for answer in (
        upload.request("HEAD", upload.location),
        upload.patch(0, b"x"),
        upload.patch(9, b"x"),
    ):
        assert answer.headers["Tus-Resumable"] == "1.0.0", answer.status_code


def test_head_tells_offset_and_length_and_may_not_be_cached(upload):
    answer = upload.request("HEAD", upload.location)
    assert answer.status_code in (200, 204)
    assert answer.headers["Upload-Offset"] == "0" and answer.headers["Upload-Length"] == "1000"
    assert answer.headers["Cache-Control"] == "no-store"


def test_patches_add_up_and_the_last_one_finishes(vora, upload):
    assert upload.patch(0, upload.data[:300]).headers["Upload-Offset"] == "300"
    assert upload.offset() == 300
    assert upload.patch(300, upload.data[300:]).headers["Upload-Offset"] == "1000"
    assert upload.offset() == 1000
    stored = vora.raw(upload.upload_id) / "original.mp4"
    assert stored.read_bytes() == upload.data


def test_a_patch_at_another_offset_is_409_and_changes_nothing(upload):
    upload.patch(0, upload.data[:300])
    for offset in (0, 299, 301, 1000, 5000):
        assert upload.patch(offset, b"y" * 10).status_code == 409, offset
    assert upload.offset() == 300


def test_a_body_past_the_length_is_refused_and_not_stored(vora, upload):
    answer = upload.patch(0, upload.data + b"more")
    assert answer.status_code in (400, 413)
    offset = upload.offset()
    assert offset <= 1000
    if offset < 1000:
        upload.send()
    assert (vora.raw(upload.upload_id) / "original.mp4").read_bytes() == upload.data


def test_a_patch_of_another_media_type_is_415(upload):
    for media_type in ("application/octet-stream", "video/mp4", ""):
        answer = upload.patch(0, b"x", **{"Content-Type": media_type})
        assert answer.status_code == 415, media_type
    assert upload.offset() == 0


def test_another_version_is_412_and_is_told_which_one_to_speak(upload, creation):
    for version in ("0.2.2", "2.0.0", "", "1.0"):
        answer = create(creation, Tus_Resumable=version)
        assert answer.status_code == 412 and answer.headers["Tus-Version"] == "1.0.0", version
        answer = upload.patch(0, b"x", **{"Tus-Resumable": version})
        assert answer.status_code == 412, version
    missing = session().post(creation, headers={"Upload-Length": "1"}, timeout=10)
    assert missing.status_code == 412
    assert upload.offset() == 0


def test_creation_with_upload_stores_the_body(vora, creation):
    data = os.urandom(5000)
    answer = session().post(
        creation, headers={**PATCH, "Upload-Length": "5000"}, data=data, timeout=20
    )
    assert answer.status_code == 201 and answer.headers["Upload-Offset"] == "5000"
    upload_id = urllib.parse.urlsplit(answer.headers["Location"]).path.rsplit("/", 1)[1]
    assert (vora.raw(upload_id) / "original.mp4").read_bytes() == data


def test_creation_with_a_part_of_the_upload_goes_on_by_patch(creation):
    data = os.urandom(5000)
    answer = session().post(
        creation, headers={**PATCH, "Upload-Length": "5000"}, data=data[:1234], timeout=20
    )
    assert answer.status_code == 201 and answer.headers["Upload-Offset"] == "1234"
    upload = TusUpload(creation, data)
    upload.location = urllib.parse.urljoin(creation, answer.headers["Location"])
    assert upload.offset() == 1234
    upload.send()


def test_post_with_a_method_override_is_a_patch(upload):
    answer = upload.request(
        "POST",
        upload.location,
        {**PATCH, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"},
        data=b"z" * 10,
    )
    assert answer.status_code == 204 and upload.offset() == 10


def test_delete_terminates_an_upload_and_its_bytes(vora, upload):
    upload.patch(0, upload.data[:500])
    assert upload.request("DELETE", upload.location).status_code == 204
    assert upload.request("HEAD", upload.location).status_code in (404, 410)
    assert upload.patch(500, b"x").status_code in (404, 410)
    kept = [p for p in vora.raw(upload.upload_id).rglob("*") if p.name not in (".info", ".hook")]
    assert not [p for p in kept if p.is_file()]


def test_an_upload_of_16_mib_in_odd_pieces_is_stored_whole(vora, creation):
    data = os.urandom((16 << 20) + 12345)
    upload = TusUpload(creation, data)
    upload.create()
    for piece in (1, 4095, 1 << 20, (8 << 20) + 1, 77):
        upload.send(until=upload.acknowledged + piece)
    upload.send()
    assert (vora.raw(upload.upload_id) / "original.mp4").read_bytes() == data


def test_a_dropped_connection_keeps_the_bytes_that_arrived(vora, creation):
    data = os.urandom(24 << 20)
    upload = TusUpload(creation, data)
    upload.create()
    parts = urllib.parse.urlsplit(upload.location)
    with socket.create_connection(vora.address) as s:
        # More than sockets buffer: when it is sent, the server has read a part of it.
        s.sendall(patch_head(parts, vora, 0, len(data)) + data[: 16 << 20])
    offset = wait_until(upload.offset, 20, "bytes of the open request are kept")
    assert offset <= 16 << 20
    upload.send()
    assert (vora.raw(upload.upload_id) / "original.mp4").read_bytes() == data


def patch_head(parts, vora, offset, length):
    return (
        f"PATCH {parts.path}?{parts.query} HTTP/1.1\r\nHost: {vora.address[0]}:{vora.address[1]}\r\n"
        f"Tus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n"
        f"Upload-Offset: {offset}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_a_stalled_writer_gives_way_to_a_new_one(vora, upload):
    parts = urllib.parse.urlsplit(upload.location)
    with socket.create_connection(vora.address) as s:
        s.sendall(patch_head(parts, vora, 0, 1000) + upload.data[:100])
        answer = wait_until(
            lambda: (
                upload.patch(upload.offset(), upload.data[upload.acknowledged :]).status_code == 204
            ),
            20,
            "the second writer succeeds while the first holds its connection open",
        )
        assert answer
    assert (vora.raw(upload.upload_id) / "original.mp4").read_bytes() == upload.data


def test_of_two_writers_at_one_offset_the_bytes_are_one_writers(vora, creation):
    bodies = [bytes([letter]) * (4 << 20) for letter in b"ab"]
    upload = TusUpload(creation, bodies[0])
    upload.create()

    def write(body):
        one = TusUpload(creation, body)
        one.location = upload.location
        try:
            return one.patch(0, body).status_code
        except requests.RequestException:
            return 0  # it was ended in favour of the other

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(write, bodies))
    assert codes.count(204) <= 1 and not [c for c in codes if c >= 500], codes
    assert upload.offset() <= 4 << 20
    if upload.acknowledged == 4 << 20:
        stored = (vora.raw(upload.upload_id) / "original.mp4").read_bytes()
        assert stored in bodies


def test_cors_lets_any_page_upload_and_read_the_answers(upload, creation):
    origin = {"Origin": "https://elsewhere.example"}
    preflight = session().options(
        creation,
        headers={
            **origin,
            "Access-Control-Request-Method": "PATCH",
            "Access-Control-Request-Headers": "tus-resumable,upload-offset,content-type",
        },
        timeout=10,
    )
    assert preflight.status_code in (200, 204)
    assert preflight.headers["Access-Control-Allow-Origin"] in ("*", "https://elsewhere.example")
    methods = preflight.headers["Access-Control-Allow-Methods"]
    assert all(m in methods for m in ("POST", "HEAD", "PATCH", "DELETE"))
    allowed = preflight.headers["Access-Control-Allow-Headers"].lower()
    names = ("tus-resumable", "upload-length", "upload-offset", "upload-metadata", "authorization")
    assert allowed == "*" or all(name in allowed for name in names)
    for answer in (
        upload.request("HEAD", upload.location, origin),
        upload.patch(5, b"x", **origin),
        session().post(without_grant(creation), headers={**TUS, **origin}, timeout=10),
    ):
        assert answer.headers["Access-Control-Allow-Origin"], answer.status_code
        exposed = answer.headers["Access-Control-Expose-Headers"].lower()
        assert "upload-offset" in exposed and "location" in exposed


# -- who may ----------------------------------------------------------------------------------------


def test_headers_suffice_on_the_bare_path_and_neither_is_401(video, creation, upload):
    bare = without_grant(creation)
    answer = session().post(
        bare, headers={**TUS, **video["upload"]["headers"], "Upload-Length": "3"}, timeout=10
    )
    assert answer.status_code == 201
    location = without_grant(urllib.parse.urljoin(bare, answer.headers["Location"]))
    granted = session().head(location, headers={**TUS, **video["upload"]["headers"]}, timeout=10)
    assert granted.status_code in (200, 204)
    for method, url in (
        ("POST", bare),
        ("HEAD", location),
        ("PATCH", location),
        ("DELETE", location),
    ):
        answer = session().request(
            method, url, headers={**PATCH, "Upload-Length": "3", "Upload-Offset": "0"}, timeout=10
        )
        assert answer.status_code == 401, method


def test_a_changed_grant_is_refused(creation, upload):
    for url in (creation, upload.location):
        changed = url[:-2] + ("AA" if not url.endswith("AA") else "BB")
        method = "POST" if url == creation else "HEAD"
        answer = session().request(
            method, changed, headers={**TUS, "Upload-Length": "1"}, timeout=10
        )
        assert answer.status_code in (401, 403), method


def test_a_grant_of_another_video_finds_nothing(api, upload):
    other = api.create("another")
    headers = other["upload"]["headers"]
    bare = without_grant(upload.location)
    fields = {**PATCH, **headers, "Upload-Offset": "0"}
    foreign = [
        session().request(m, bare, headers=fields, timeout=10) for m in ("HEAD", "PATCH", "DELETE")
    ]
    unknown = bare.rsplit("/", 1)[0] + "/" + "0" * 32
    missing = session().head(unknown, headers=fields, timeout=10)
    assert [a.status_code for a in foreign] == [404, 404, 404]
    assert missing.status_code == 404
    assert upload.offset() == 0
    api.delete(other["id"])


def test_no_upload_can_be_read_back(upload, api):
    upload.send()
    for headers in ({}, {"Authorization": f"Bearer {api.token}"}):
        answer = session().get(upload.location, headers={**TUS, **headers}, timeout=10)
        assert answer.status_code in (401, 403, 404, 405)
        assert upload.data[:20] not in answer.content


def test_a_finished_upload_cannot_be_terminated_by_its_client(vora, upload):
    upload.send()
    assert upload.request("DELETE", upload.location).status_code in (403, 409)
    assert (vora.raw(upload.upload_id) / "original.mp4").exists()


# -- the table of what servers wrongly accept -------------------------------------------------------

BAD_LENGTHS = [
    "",
    "-1",
    "+5",
    "5.0",
    "1e3",
    "0x10",
    "five",
    "9223372036854775808",
    "1" * 40,
    "5 5",
]


@pytest.mark.parametrize("length", BAD_LENGTHS)
def test_a_length_that_is_no_plain_number_is_refused(creation, length):
    answer = create(creation, length)
    assert answer.status_code in (400, 413), answer.status_code


def test_a_creation_without_length_is_refused_or_deferred_only_as_announced(creation):
    assert session().post(creation, headers=TUS, timeout=10).status_code == 400
    both = create(creation, "5", Upload_Defer_Length="1")
    assert both.status_code == 400


def test_a_length_above_the_limit_is_413_at_creation(creation):
    limit = int(session().options(without_grant(creation), timeout=10).headers["Tus-Max-Size"])
    assert create(creation, str(limit + 1)).status_code == 413


@pytest.mark.parametrize("offset", ["", "-1", "+0", "0x0", "1e1", "zero", "9" * 30])
def test_an_offset_that_is_no_plain_number_is_refused(upload, offset):
    answer = upload.request("PATCH", upload.location, {**PATCH, "Upload-Offset": offset}, data=b"x")
    assert answer.status_code in (400, 409)
    assert upload.offset() == 0


def test_a_patch_without_offset_is_400(upload):
    assert upload.request("PATCH", upload.location, PATCH, data=b"x").status_code == 400


@pytest.mark.parametrize(
    "metadata",
    [
        "filename not*base64",
        "filename YQ==,filename Yg==",
        "fil\u00e9 YQ==",
        "a b c",
        ",".join(f"key{n} YQ==" for n in range(65)),
        "big " + "QUFB" * 2800,
    ],
    ids=["not base64", "key twice", "8-bit key", "two spaces", "65 keys", "above 8 KiB"],
)
def test_metadata_outside_the_rules_is_refused(creation, metadata):
    answer = create(creation, Upload_Metadata=metadata.encode("latin-1"))
    assert answer.status_code in (400, 413, 431), answer.text


def test_metadata_within_the_rules_never_becomes_a_header(creation):
    # "a\r\nX-Injected: 1"
    answer = create(creation, Upload_Metadata="filename YQ0KWC1JbmplY3RlZDogMQ==,empty")
    assert answer.status_code in (201, 400)
    assert "X-Injected" not in answer.headers


@pytest.mark.parametrize(
    "upload_id",
    [
        "..%2f..%2fapi.token",
        "%2e%2e/api.token",
        "..",
        ".info",
        "x" * 32,
        "0" * 31,
        "0" * 33,
        "A" * 32,
        "0" * 5000,
    ],
)
def test_an_id_that_is_none_is_not_found(video, creation, upload_id):
    bare = without_grant(creation).rstrip("/")
    # requests would tidy the path, so it is sent as it is.
    prepared = requests.Request(
        "HEAD", bare, headers={**TUS, **video["upload"]["headers"]}
    ).prepare()
    prepared.url = f"{bare}/{upload_id}"
    assert session().send(prepared, timeout=10).status_code in (400, 401, 404, 431)


def test_equal_headers_with_different_values_are_refused_and_the_connection_closed(vora, creation):
    parts = urllib.parse.urlsplit(creation)
    head = (
        f"POST {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nTus-Resumable: 1.0.0\r\n"
    ).encode()
    for fields in (
        b"Upload-Length: 5\r\nUpload-Length: 6\r\n\r\n",
        b"Upload-Length: 5\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Upload-Length: 5\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n",
    ):
        found = raw.exchange(vora.address, head + fields)
        assert found.statuses == [400] and found.closed, fields


def test_a_refusal_is_a_problem_without_words_of_the_store(upload):
    answer = upload.patch(77, b"x")
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    problem = answer.json()
    assert problem["status"] == 409 and problem["code"] and problem["request_id"]
    assert "/" not in problem.get("detail", "") and "errno" not in answer.text.lower()


# -- what it means for the video --------------------------------------------------------------------


def test_an_upload_of_length_zero_is_finished_at_creation(api):
    video = api.create("empty")
    upload = TusUpload(video["upload"]["url"], b"")
    upload.create()
    assert upload.offset() == 0
    assert api.wait_state(video["id"], "FAILED")["error"]["code"] == "input_empty"


def test_a_terminated_upload_fails_its_video(api):
    video = api.create("terminated")
    upload = TusUpload(video["upload"]["url"], b"x" * 100)
    upload.create()
    upload.request("DELETE", upload.location)
    assert api.wait_state(video["id"], "FAILED")["error"]["code"] == "upload_terminated"


def test_of_several_uploads_for_one_video_the_first_that_finishes_wins(make_vora):
    server = make_vora("--metadata.settle_interval_s=1").start()
    video = server.api.create("several")
    made = [TusUpload(video["upload"]["url"], clip("tiny")) for _ in range(2)]
    for upload in made:
        upload.create()
    made[0].send(until=100)
    made[1].send()
    final = server.api.wait_state(video["id"], "READY")
    made[0].send()
    loser, winner = (server.raw(u.upload_id) / "original.mp4" for u in made)
    wait_until(lambda: not loser.exists(), 30, "the bytes of the upload that lost are collected")
    assert winner.exists()
    assert server.api.get(video["id"])["version"] == final["version"]


def test_sixty_connections_that_stall_do_not_stop_an_upload(vora, api):
    video = api.create("beside idlers")
    idle = TusUpload(video["upload"]["url"], os.urandom(10_000))
    idle.create()
    parts = urllib.parse.urlsplit(idle.location)
    sockets = []
    try:
        for _ in range(60):
            s = socket.create_connection(vora.address)
            s.sendall(patch_head(parts, vora, 0, 10_000)[:-2])
            sockets.append(s)
        api.upload_and_wait(clip("tiny"))
    finally:
        for s in sockets:
            s.close()
    api.delete(video["id"])
