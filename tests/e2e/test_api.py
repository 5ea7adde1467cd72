"""The videos API: who may do what, what is refused and how, and that every notice may come twice."""

import concurrent.futures
import datetime
import subprocess
import uuid

import pytest

from harness.api import Api, TusUpload
from harness.server import binary, clean_environment
from harness.wait import wait_until
from media.clips import clip


def mint(vora, subject, scope, ttl="1h"):
    command = [binary(), "token", "--subject", subject, "--scope", scope, "--ttl", ttl]
    done = subprocess.run(
        command + ["--data", str(vora.data)],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
        env=clean_environment(),
    )
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def people(vora):
    """Clients by name: two editors, a viewer, and no one."""
    made = {
        "anna": vora.api.as_token(mint(vora, "anna", "edit")),
        "bert": vora.api.as_token(mint(vora, "bert", "edit")),
        "viewer": vora.api.as_token(mint(vora, "anna", "view")),
        "nobody": Api(vora.url, None),
    }
    return made


@pytest.fixture
def video(api):
    made = api.create("the title", description="the description")
    yield made
    api.call("DELETE", f"/v1/videos/{made['id']}")


def problem(answer, status, code=None):
    assert answer.status_code == status, answer.text[:400]
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status
    assert body["type"] and body["title"] and body["code"] and body["request_id"]
    if code:
        assert body["code"] == code
    return body


# -- who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "x",
        "a.b.c",
        "e30.e30.",
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsInNjb3BlIjoiYWRtaW4ifQ.",
    ],
    ids=["none", "empty", "a word", "three words", "empty parts", "alg none"],
)
@pytest.mark.parametrize(
    "method,path", [("GET", ""), ("POST", ""), ("GET", "/{id}"), ("DELETE", "/{id}")]
)
def test_without_a_valid_token_everything_is_401(vora, video, token, method, path):
    client = Api(vora.url, token)
    path = "/v1/videos" + path.format(id=video["id"])
    answer = client.call(method, path, json={"title": "x"} if method == "POST" else None)
    problem(answer, 401)
    assert answer.headers.get("WWW-Authenticate", "").startswith("Bearer")


def test_a_token_with_a_changed_signature_or_payload_is_401(vora):
    head, payload, signature = vora.token.split(".")
    swapped = "A" if signature[10] != "A" else "B"
    for token in (
        f"{head}.{payload}.{signature[:10]}{swapped}{signature[11:]}",
        f"{head}.{payload[:-4]}AAAA.{signature}",
        f"{head}.{payload}.",
        f"{head}.{payload}",
        f"{head}.{payload}.{signature}.x",
    ):
        problem(Api(vora.url, token).call("GET", "/v1/videos"), 401)


def test_an_expired_token_is_401(vora):
    token = mint(vora, "late", "admin", ttl="1s")
    client = Api(vora.url, token)
    assert client.call("GET", "/v1/videos").status_code == 200
    # A leeway of at most a minute is allowed.
    wait_until(
        lambda: client.call("GET", "/v1/videos").status_code == 401, 75, "the token is refused", 0.5
    )


def test_a_token_in_the_query_counts_for_nothing(vora):
    problem(Api(vora.url, None).call("GET", f"/v1/videos?token={vora.token}"), 401)


def test_others_videos_are_not_found_whatever_is_done_to_them(api, people):
    of_anna = people["anna"].create("anna's")
    path = f"/v1/videos/{of_anna['id']}"
    attempts = [
        ("GET", path, None),
        ("PATCH", path, {"title": "mine now"}),
        ("DELETE", path, None),
        ("POST", path + "/complete", {"upload_id": "0" * 32}),
        ("POST", path + "/playback", {}),
    ]
    for method, where, body in attempts:
        problem(people["bert"].call(method, where, json=body), 404)
    unknown = problem(people["bert"].call("GET", f"/v1/videos/{uuid.uuid4()}"), 404)
    foreign = problem(people["bert"].call("GET", path), 404)
    assert unknown["code"] == foreign["code"] and unknown["title"] == foreign["title"]
    assert people["anna"].get(of_anna["id"])["title"] == "anna's"
    assert of_anna["id"] not in [v["id"] for v in people["bert"].all_videos()]
    assert of_anna["id"] in [v["id"] for v in people["anna"].all_videos()]
    assert api.get(of_anna["id"])["title"] == "anna's", "an admin sees all"
    people["anna"].delete(of_anna["id"])


def test_a_viewer_reads_and_changes_nothing(people):
    of_anna = people["anna"].create("look only")
    path = f"/v1/videos/{of_anna['id']}"
    assert people["viewer"].call("GET", path).status_code == 200
    for method, where, body in (
        ("POST", "/v1/videos", {"title": "x"}),
        ("PATCH", path, {"title": "x"}),
        ("DELETE", path, None),
        ("POST", path + "/complete", {"upload_id": "0" * 32}),
    ):
        problem(people["viewer"].call(method, where, json=body), 403)
    people["anna"].delete(of_anna["id"])


# -- creating -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"title"',
        b"null",
        b"{}",
        b'{"title": ""}',
        b'{"title": 5}',
        b'{"title": null}',
        b'{"title": "x", "title": "y"}',
        b'{"title": "' + b"x" * 201 + b'"}',
        b'{"title": "line\\nbreak"}',
        b'{"title": "nul\\u0000"}',
        b'{"title": "\xff\xfe"}',
        b'{"title": "x", "visibility": "secret"}',
        b'{"title": "x", "description": "' + b"d" * 5001 + b'"}',
        b'{"title": "x", "unknown": 1}',
        b'{"title": "x"} more',
    ],
)
def test_a_body_outside_the_rules_is_400(api, body):
    answer = api.call("POST", "/v1/videos", data=body, headers={"Content-Type": "application/json"})
    problem(answer, 400)


def test_a_refused_field_is_named(api):
    answer = api.call("POST", "/v1/videos", json={"title": "", "visibility": "no"})
    pointers = [e["pointer"] for e in problem(answer, 400)["errors"]]
    assert "/title" in pointers


@pytest.mark.parametrize(
    "field,value",
    [
        ("state", "READY"),
        ("owner", "bert"),
        ("generation", 7),
        ("version", 7),
        ("id", "7b0e5a5e-0000-4000-8000-000000000000"),
        ("manifest_url", "http://127.0.0.1/"),
        ("playable_at", "2020-01-01T00:00:00Z"),
    ],
)
def test_what_only_the_platform_decides_cannot_be_set(api, video, field, value):
    problem(api.call("POST", "/v1/videos", json={"title": "x", field: value}), 400)
    problem(api.call("PATCH", f"/v1/videos/{video['id']}", json={field: value}), 400)
    assert api.get(video["id"])["version"] == video["version"]


def test_a_body_that_is_too_large_is_413(api):
    body = b'{"title": "x", "description": "' + b"d" * (3 << 20) + b'"}'
    answer = api.call("POST", "/v1/videos", data=body, headers={"Content-Type": "application/json"})
    problem(answer, 413)


@pytest.mark.parametrize(
    "title",
    [
        "'; DROP TABLE Videos; --",
        "<script>alert(1)</script>",
        "снег ❄ 雪",
        'a "quoted" \\ one',
        "%s %n {0}",
    ],
)
def test_a_title_comes_back_as_it_was_given(api, title):
    video = api.create(title, description=title)
    again = api.get(video["id"])
    assert (again["title"], again["description"]) == (title, title)
    assert title in [v["title"] for v in api.all_videos()]
    api.delete(video["id"])


def test_an_id_is_a_uuid_and_times_are_rfc_3339(video):
    assert str(uuid.UUID(video["id"])) == video["id"]
    for name in ("created_at", "updated_at"):
        datetime.datetime.fromisoformat(video[name].replace("Z", "+00:00"))
    expires = datetime.datetime.fromisoformat(video["upload"]["expires_at"].replace("Z", "+00:00"))
    left = expires - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(hours=23) < left < datetime.timedelta(hours=25)


@pytest.mark.parametrize(
    "video_id", ["x", "0", "7B0E5A5E", "%00", "7b0e5a5e-0000-4000-8000-00000000000g"]
)
def test_an_id_that_is_none_is_not_found(api, video_id):
    assert api.call("GET", f"/v1/videos/{video_id}").status_code in (400, 404)


# -- changing -----------------------------------------------------------------------------------------


def test_patch_changes_the_three_fields_and_counts_the_version(api, video):
    path = f"/v1/videos/{video['id']}"
    answer = api.call(
        "PATCH", path, 200, json={"title": "new", "description": "", "visibility": "public"}
    )
    changed = answer.json()
    assert (changed["title"], changed["description"], changed["visibility"]) == (
        "new",
        "",
        "public",
    )
    assert changed["version"] == video["version"] + 1
    assert answer.headers["ETag"] == f'"{changed["version"]}"'
    assert changed["created_at"] == video["created_at"]
    read = api.call("GET", path, 200)
    assert read.json()["title"] == "new" and read.headers["ETag"] == answer.headers["ETag"]


def test_if_match_lets_only_one_of_two_writers_through(api, video):
    path, etag = f"/v1/videos/{video['id']}", f'"{video["version"]}"'
    api.call("PATCH", path, 200, json={"title": "first"}, headers={"If-Match": etag})
    answer = api.call("PATCH", path, json={"title": "second"}, headers={"If-Match": etag})
    problem(answer, 412)
    assert api.get(video["id"])["title"] == "first"
    api.call("PATCH", path, 200, json={"title": "any"}, headers={"If-Match": "*"})


def test_of_ten_writers_with_one_etag_exactly_one_wins(vora, video):
    path, etag = f"/v1/videos/{video['id']}", f'"{video["version"]}"'

    def write(n):
        return vora.api.call(
            "PATCH", path, json={"title": f"writer {n}"}, headers={"If-Match": etag}
        ).status_code

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        codes = sorted(pool.map(write, range(10)))
    assert codes == [200] + [412] * 9
    assert vora.api.get(video["id"])["version"] == video["version"] + 1


def test_methods_and_paths_that_are_not_there_say_so(api, video):
    assert api.call("PUT", f"/v1/videos/{video['id']}", json={}).status_code == 405
    assert "GET" in api.call("PUT", f"/v1/videos/{video['id']}", json={}).headers["Allow"]
    problem(api.call("GET", "/v1/nothing"), 404)
    problem(api.call("POST", f"/v1/videos/{video['id']}/reprocess"), 404)
    for path in (
        "/internal/uploads/" + "0" * 32,
        f"/internal/playback/{video['id']}",
        "/internal/hooks/upload",
    ):
        assert api.call("GET", path).status_code == 404, "internal paths are not outside"
        assert api.call("POST", path).status_code in (404, 405)


def test_what_is_not_due_yet_is_absent(api, video):
    for method, path in (("POST", f"/v1/videos/{video['id']}/reprocess"), ("GET", "/v1/webhooks")):
        problem(api.call(method, path, json={}), 404)


# -- listing -----------------------------------------------------------------------------------------


def test_a_list_pages_through_everything_newest_first(vora):
    anna = vora.api.as_token(mint(vora, "pager", "edit"))
    made = [anna.create(f"page {n}")["id"] for n in range(7)]
    first = anna.call("GET", "/v1/videos?page_size=3", 200).json()
    assert [v["id"] for v in first["videos"]] == made[:3:-1]
    between = anna.create("made between two pages")["id"]
    rest, token = [], first["next_page_token"]
    while token:
        page = anna.call(
            "GET", "/v1/videos", 200, params={"page_size": 3, "page_token": token}
        ).json()
        rest += [v["id"] for v in page["videos"]]
        token = page.get("next_page_token")
    assert rest == made[3::-1], "a page is neither shifted nor doubled by what is new"
    assert "next_page_token" not in page
    for video_id in made + [between]:
        anna.delete(video_id)
    assert anna.all_videos() == []


def test_a_list_can_be_narrowed_to_a_state(api, video):
    assert video["id"] in [v["id"] for v in api.all_videos(state="CREATED")]
    assert video["id"] not in [v["id"] for v in api.all_videos(state="READY")]


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=-1",
        "page_size=x",
        "page_size=201",
        "state=LOST",
        "page_token=nonsense",
    ],
)
def test_a_question_that_makes_no_sense_is_400(api, query):
    answer = api.call("GET", f"/v1/videos?{query}")
    # A size above the maximum may be answered with the maximum instead.
    assert answer.status_code == 400 or (query == "page_size=201" and answer.status_code == 200)


# -- completing --------------------------------------------------------------------------------------


def test_completion_before_after_and_again_makes_one_video(vora, api):
    video = api.create("told often")
    upload = TusUpload(video["upload"]["url"], clip("tiny"))
    upload.create()
    early = api.complete(video["id"], upload.upload_id).json()
    assert early["state"] == "CREATED", "not finished is remembered, no more"
    upload.send()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: vora.api.complete(video["id"], upload.upload_id), range(8)))
    final = api.wait_state(video["id"], "READY")
    late = api.complete(video["id"], upload.upload_id).json()
    assert late["state"] == "READY" and late["version"] == final["version"]
    assert late["generation"] == 1


def test_a_video_becomes_ready_with_no_notice_but_the_hook(api):
    video, _ = api.upload(clip("tiny"), complete=False)
    assert api.wait_state(video["id"], "READY")


def test_completing_with_an_unknown_or_foreign_upload_is_404(api, video):
    problem(api.complete(video["id"], "0" * 32, None), 404)
    problem(api.complete(video["id"], "nonsense", None), 404)
    other = api.create("other")
    upload = TusUpload(other["upload"]["url"], b"x" * 10)
    upload.create()
    problem(api.complete(video["id"], upload.upload_id, None), 404)
    assert api.get(video["id"])["state"] == "CREATED"
    api.delete(other["id"])


@pytest.mark.parametrize(
    "body", [{}, {"upload_id": 5}, {"upload_id": None}, {"upload_id": "", "x": 1}]
)
def test_completing_without_an_upload_is_400(api, video, body):
    answer = api.call("POST", f"/v1/videos/{video['id']}/complete", json=body)
    problem(answer, 400)


# -- playing and deleting -----------------------------------------------------------------------------


def test_playback_before_it_is_playable_is_409(api, video):
    problem(api.call("POST", f"/v1/videos/{video['id']}/playback", json={}), 409)


def test_playback_has_an_end_that_the_caller_chooses(api):
    video = api.upload_and_wait(clip("tiny"))
    now = datetime.datetime.now(datetime.timezone.utc)
    for ttl_s, body in ((86400, {}), (600, {"ttl_s": 600})):
        made = api.playback(video["id"], **body)
        expires = datetime.datetime.fromisoformat(made["expires_at"].replace("Z", "+00:00"))
        assert abs((expires - now).total_seconds() - ttl_s) < 60
        assert made["manifest_url"].endswith(f"/{video['id']}/master.m3u8")
    for ttl_s in (0, -5, "x", 1e12, None):
        problem(api.call("POST", f"/v1/videos/{video['id']}/playback", json={"ttl_s": ttl_s}), 400)


def test_a_deleted_video_is_gone_everywhere(vora, api):
    video, upload = api.upload(clip("tiny"), visibility="public")
    api.wait_state(video["id"], "READY")
    grant = api.playback(video["id"])["manifest_url"]
    public = api.get(video["id"])["manifest_url"]
    assert vora.processed(video["id"]).exists() and vora.raw(upload.upload_id).exists()
    api.delete(video["id"])
    path = f"/v1/videos/{video['id']}"
    for method, where, body in (
        ("GET", path, None),
        ("DELETE", path, None),
        ("PATCH", path, {"title": "x"}),
        ("POST", path + "/playback", {}),
        ("POST", path + "/complete", {"upload_id": upload.upload_id}),
    ):
        problem(api.call(method, where, json=body), 404)
    assert video["id"] not in [v["id"] for v in api.all_videos()]
    for url in (grant, public):
        wait_until(lambda: api.http.get(url, timeout=10).status_code == 404, 5, "playback is 404")

    def files():
        found = []
        for place in (vora.processed(video["id"]), vora.raw(upload.upload_id)):
            found += [p for p in place.rglob("*") if p.is_file()]
        return found

    wait_until(lambda: not files(), 60, lambda: f"its objects are removed: {files()}")


def test_a_video_can_be_deleted_while_it_is_processed(vora, api, inputs):
    video, _ = api.upload(inputs("repeated", "bunny", 20))
    wait_until(lambda: api.get(video["id"])["state"] == "PROCESSING", 20, "it is processed")
    api.delete(video["id"])
    assert api.call("GET", f"/v1/videos/{video['id']}").status_code == 404

    def files():
        return [p for p in vora.processed(video["id"]).rglob("*") if p.is_file()]

    # The run is ended, so what it would still write does not come back.
    wait_until(lambda: not files(), 60, "its objects are removed")
    api.upload_and_wait(clip("tiny"))
    assert not files()


def test_a_created_video_can_be_deleted_and_its_upload_url_dies(api):
    video = api.create("never used")
    upload = TusUpload(video["upload"]["url"], b"x" * 100)
    upload.create()
    upload.send(until=50)
    api.delete(video["id"])
    wait_until(
        lambda: upload.request("HEAD", upload.location).status_code in (404, 410),
        60,
        "the upload of a deleted video is gone",
    )
