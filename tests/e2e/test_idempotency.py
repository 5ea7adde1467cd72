"""Asking twice: idempotency keys, cancelling, and conditions on versions."""

import concurrent.futures
import json
import select
import socket
import time
import uuid

import pytest

from harness import processes
from harness.api import Api, TusUpload
from harness.raw import parse
from harness.wait import wait_until
from test_api import mint, problem


def keyed(key):
    return {"Idempotency-Key": key}


def create(api, key, body, expect=None):
    return api.call("POST", "/v1/videos", expect, headers=keyed(key), json=body)


def titled(api, title):
    return [v for v in api.all_videos() if v["title"] == title]


@pytest.fixture
def title():
    return f"once {uuid.uuid4()}"


# -- the key ---------------------------------------------------------------------------------------


def test_the_same_request_again_gets_the_first_answer(api, title):
    first = create(api, title, {"title": title, "visibility": "public"}, 201)
    assert "Idempotency-Replayed" not in first.headers
    api.call("PATCH", first.headers["Location"], 200, json={"description": "changed since"})
    # The words count, not the bytes they are written with.
    again = api.call(
        "POST",
        "/v1/videos",
        201,
        headers={**keyed(title), "Content-Type": "application/json"},
        data='{ "visibility":"public",\n "title": ' + json.dumps(title) + ', "description":"" }',
    )
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    for name in ("Location", "ETag", "Content-Type", "Cache-Control"):
        assert again.headers[name] == first.headers[name], name
    assert len(titled(api, title)) == 1


def test_another_request_under_the_key_is_422_and_changes_nothing(api, title):
    create(api, title, {"title": title}, 201)
    for other in ({"title": title + "x"}, {"title": title, "visibility": "public"}):
        problem(create(api, title, other), 422, "idempotency_key_reused")
    assert len(titled(api, title)) == 1 and not titled(api, title + "x")


def test_a_key_belongs_to_its_caller_and_its_operation(vora, api, title):
    mine = create(api, title, {"title": title}, 201).json()
    anna = vora.api.as_token(mint(vora, "anna", "edit"))
    hers = create(anna, title, {"title": title}, 201)
    assert "Idempotency-Replayed" not in hers.headers and hers.json()["id"] != mine["id"]
    cancelled = api.call("POST", f"/v1/videos/{mine['id']}/cancel", 202, headers=keyed(title))
    assert cancelled.json()["state"] == "FAILED"


def test_what_failed_may_be_asked_again_under_the_same_key(api, title):
    problem(create(api, title, {"title": ""}), 400)
    create(api, title, {"title": title}, 201)
    assert len(titled(api, title)) == 1


@pytest.mark.parametrize(
    "key", ["", "x" * 256, "tab\there", "\u00e4".encode(), b"\x80"], ids=lambda k: repr(k)[:12]
)
def test_a_key_is_1_to_255_printable_ascii_characters(api, title, key):
    answer = create(api, key, {"title": title})
    assert answer.status_code == 400, answer.text
    assert not titled(api, title)


def test_the_longest_and_the_plainest_key_are_taken(api, title):
    for key in ("k" * 191 + title.replace(" ", "-")[:41] + "~" * 23, f"a b!~ {title}"):
        assert len(key) <= 255
        create(api, key, {"title": title}, 201)
        assert create(api, key, {"title": title}, 201).headers["Idempotency-Replayed"] == "true"
    assert len(titled(api, title)) == 2


def test_a_thousand_at_once_make_one_video(vora, api, title):
    body = json.dumps({"title": title}).encode()
    request = (
        f"POST /v1/videos HTTP/1.1\r\nHost: {vora.address[0]}:{vora.address[1]}\r\n"
        f"Authorization: Bearer {vora.token}\r\nIdempotency-Key: {title}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    count = 1000
    connections = []
    try:
        for _ in range(count):
            s = socket.create_connection(vora.address, timeout=30)
            s.sendall(request[:-1])
            connections.append(s)
        for s in connections:
            s.sendall(request[-1:])
        answers = read_answers(connections, 60)
    finally:
        for s in connections:
            s.close()
    assert len(answers) == count
    made = [a for a in answers if a.status == 201]
    others = [a for a in answers if a.status != 201]
    assert made and len({a.body for a in made}) == 1
    assert sum("idempotency-replayed" not in a.headers for a in made) == 1
    for a in others:
        assert a.status == 409 and int(a.headers["retry-after"]) >= 1, a
        assert json.loads(a.body)["code"] == "request_in_flight"
    again = create(api, title, {"title": title}, 201)
    assert again.json()["id"] == json.loads(made[0].body)["id"]
    assert len(titled(api, title)) == 1


def read_answers(connections, timeout_s):
    """One answer of each connection."""
    waiting = {s.fileno(): (s, bytearray()) for s in connections}
    poll = select.poll()
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    answers, deadline = [], time.monotonic() + timeout_s
    while waiting and time.monotonic() < deadline:
        for fd, _ in poll.poll(1000):
            s, received = waiting[fd]
            block = s.recv(65536)
            received += block
            found, _ = parse(bytes(received))
            if found or not block:
                answers += found[:1]
                poll.unregister(fd)
                del waiting[fd]
    return answers


def test_the_answer_outlives_the_process(make_vora, title):
    vora = make_vora().start()
    first = create(vora.api, title, {"title": title}, 201).json()
    vora.kill()
    vora.start()
    again = create(vora.api, title, {"title": title}, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["id"] == first["id"] and again.json()["version"] == first["version"]
    assert len(vora.api.all_videos()) == 1


def test_an_answer_is_forgotten_after_its_time(make_vora, title):
    vora = make_vora("--metadata.idempotency_ttl_s=1").start()
    first = create(vora.api, title, {"title": title}, 201).json()

    def made_anew():
        return create(vora.api, title, {"title": title}, 201).json()["id"] != first["id"]

    wait_until(made_anew, 20, "the key is free again", 0.2)


def test_a_completion_under_a_key_is_answered_again(api):
    video = api.create("completed once")
    upload = TusUpload(video["upload"]["url"], b"no video at all " * 100)
    upload.create()
    upload.send()
    path, body = f"/v1/videos/{video['id']}/complete", {"upload_id": upload.upload_id}
    key = str(uuid.uuid4())
    first = api.call("POST", path, 202, headers=keyed(key), json=body)
    assert api.wait_state(video["id"], "FAILED")["error"]["code"] == "input_not_video"
    again = api.call("POST", path, 202, headers=keyed(key), json=body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()
    problem(
        api.call("POST", path, headers=keyed(key), json={"upload_id": "0" * 32}),
        422,
        "idempotency_key_reused",
    )


# -- cancel ----------------------------------------------------------------------------------------


def test_a_new_video_is_cancelled_at_once(api):
    video = api.create("never mind")
    path = f"/v1/videos/{video['id']}/cancel"
    answer = api.call("POST", path, 202)
    assert answer.json()["state"] == "FAILED"
    assert answer.json()["error"]["code"] == "cancelled"
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    assert api.get(video["id"])["error"]["code"] == "cancelled"
    problem(api.call("POST", path), 409, "not_cancellable")
    api.delete(video["id"])
    problem(api.call("POST", path), 404)


def test_cancel_ends_the_run_and_its_encoder(own_vora, inputs):
    vora, api = own_vora, own_vora.api
    video, upload = api.upload(inputs("pattern", "1280x720", 20))
    wait_until(lambda: encoders(vora), 60, "an encoder runs")
    answer = api.call("POST", f"/v1/videos/{video['id']}/cancel", 202, json={})
    assert answer.json()["error"]["code"] == "cancelled"
    wait_until(lambda: not encoders(vora), 30, "the encoder is gone")
    wait_until(
        lambda: not list(vora.processed(video["id"]).rglob("*.ts")), 30, "its output is removed"
    )
    now = api.get(video["id"])
    assert now["state"] == "FAILED" and now["error"]["code"] == "cancelled"
    assert now["progress"] is None and now["version"] == answer.json()["version"]
    # The notice of the upload that won changes nothing any more.
    assert api.complete(video["id"], upload.upload_id).json()["state"] == "FAILED"
    api.delete(video["id"])
    wait_until(lambda: not vora.raw(upload.upload_id).exists(), 60, "the original is removed")


def encoders(vora):
    return [n for n in processes.descendants(vora.process.pid).values() if n.startswith("ffmpeg")]


def test_cancel_takes_no_words(api, title):
    video = api.create(title)
    path = f"/v1/videos/{video['id']}/cancel"
    problem(api.call("POST", path, json={"reason": "x"}), 400)
    problem(api.call("POST", path, data="x"), 400)
    assert api.get(video["id"])["state"] == "CREATED"
    api.call("POST", path, 202, json={})


# -- versions --------------------------------------------------------------------------------------


def test_delete_keeps_to_if_match(api, title):
    video = api.create(title)
    path = f"/v1/videos/{video['id']}"
    for tag in ('"2"', 'W/"1"', "1", "x", '"0"'):
        problem(api.call("DELETE", path, headers={"If-Match": tag}), 412, "version_mismatch")
    assert api.get(video["id"])["version"] == 1
    api.call("DELETE", path, 202, headers={"If-Match": '"7", "1"'})
    problem(api.call("GET", path), 404)
    other = api.create(title)
    api.call("DELETE", f"/v1/videos/{other['id']}", 202, headers={"If-Match": "*"})


def test_get_answers_304_to_who_knows_the_version(api, title):
    video = api.create(title)
    path = f"/v1/videos/{video['id']}"
    for tag in ('"1"', 'W/"1"', '"9", "1"', "*"):
        answer = api.call("GET", path, 304, headers={"If-None-Match": tag})
        assert answer.headers["ETag"] == '"1"' and not answer.content
    for tag in ('"2"', "1", "x"):
        api.call("GET", path, 200, headers={"If-None-Match": tag})
    api.call("PATCH", path, 200, json={"title": title + "!"}, headers={"If-Match": '"1"'})
    api.call("GET", path, 200, headers={"If-None-Match": '"1"'})
    problem(api.call("PATCH", path, json={"title": "x"}, headers={"If-Match": 'W/"2"'}), 412)


def test_of_many_changes_to_one_version_one_is_made(vora, api, title):
    video = api.create(title)
    path = f"/v1/videos/{video['id']}"

    def change(n):
        client = Api(vora.url, vora.token)
        return client.call(
            "PATCH", path, json={"title": f"{title} {n}"}, headers={"If-Match": '"1"'}
        ).status_code

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        statuses = sorted(pool.map(change, range(32)))
    assert statuses == [200] + [412] * 31
    assert api.get(video["id"])["version"] == 2
