"""One suite over REST and gRPC: the same operations, rights, refusals and objects on both sides."""

import uuid

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from harness.api import Api, TusUpload
from harness.grpc_api import SERVICE, GrpcApi, Refused, pb, plain
from test_api import mint

# REST's status as gRPC says it.
STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "FAILED_PRECONDITION",
    412: "ABORTED",
    422: "FAILED_PRECONDITION",
}


class Refusal(Exception):
    """What was refused, in one form for both: REST's status, gRPC's reason, the fields that are wrong."""

    def __init__(self, status, reason, fields):
        super().__init__(f"{status} {reason} {fields}")
        self.status, self.reason, self.fields = status, reason, fields


class Rest:
    def __init__(self, api):
        self.api = api

    def as_token(self, token):
        return Rest(self.api.as_token(token))

    def _call(self, method, path, headers=None, **more):
        answer = self.api.call(method, path, headers=headers, **more)
        self.replayed = answer.headers.get("Idempotency-Replayed") == "true"
        self.request_id = answer.headers["X-Request-Id"]
        if answer.status_code >= 400:
            body = answer.json()
            assert answer.headers["Content-Type"].startswith("application/problem+json")
            assert body["status"] == answer.status_code
            assert body["request_id"] == self.request_id
            fields = sorted((e["pointer"][1:], e["code"].upper()) for e in body["errors"])
            raise Refusal(answer.status_code, body["code"].upper(), fields)
        return answer.json() if answer.content else None

    def create(self, key=None, **body):
        return self._call(
            "POST", "/v1/videos", {"Idempotency-Key": key} if key else None, json=body
        )

    def get(self, video_id, request_id=None):
        return self._call(
            "GET", f"/v1/videos/{video_id}", {"X-Request-Id": request_id} if request_id else None
        )

    def list(self, **query):
        page = self._call("GET", "/v1/videos", params=query)
        return page["videos"], page.get("next_page_token", "")

    def update(self, video_id, version=None, **body):
        headers = {"If-Match": f'"{version}"'} if version else None
        return self._call("PATCH", f"/v1/videos/{video_id}", headers, json=body)

    def delete(self, video_id, version=None):
        headers = {"If-Match": f'"{version}"'} if version else None
        assert self._call("DELETE", f"/v1/videos/{video_id}", headers) is None

    def complete(self, video_id, upload_id):
        return self._call("POST", f"/v1/videos/{video_id}/complete", json={"upload_id": upload_id})

    def playback(self, video_id, **body):
        return self._call("POST", f"/v1/videos/{video_id}/playback", json=body)

    def cancel(self, video_id):
        return self._call("POST", f"/v1/videos/{video_id}/cancel")


class Grpc:
    def __init__(self, api):
        self.api = api

    def as_token(self, token):
        return Grpc(self.api.as_token(token))

    def _call(self, method, request, metadata=()):
        try:
            answer = self.api.call(method, request, metadata)
        except Refused as refused:
            assert refused.domain == "vora", refused
            assert refused.request_id == refused.trailing["x-request-id"]
            status = {v: k for k, v in reversed(STATUS.items())}[refused.code]
            if refused.reason == "IDEMPOTENCY_KEY_REUSED":
                status = 422
            raise Refusal(status, refused.reason, sorted(refused.fields)) from None
        self.replayed = self.api.trailing.get("idempotency-replayed") == "true"
        self.request_id = self.api.trailing["x-request-id"]
        out = plain(answer)
        if isinstance(answer, pb.Video) and out["upload"] is None:
            del out["upload"]
        return out

    @staticmethod
    def _words(body):
        body = dict(body)
        if "visibility" in body:
            values = {"private": pb.Video.PRIVATE, "public": pb.Video.PUBLIC}
            body["visibility"] = values.get(body["visibility"], 7)
        return body

    def create(self, key=None, **body):
        metadata = [("idempotency-key", key)] if key else []
        return self._call("CreateVideo", pb.CreateVideoRequest(**self._words(body)), metadata)

    def get(self, video_id, request_id=None):
        metadata = [("x-request-id", request_id)] if request_id else []
        return self._call("GetVideo", pb.GetVideoRequest(id=video_id), metadata)

    def list(self, **query):
        if "state" in query:
            query["state"] = pb.Video.State.Value(query["state"]) if query["state"].isupper() else 9
        page = self._call("ListVideos", pb.ListVideosRequest(**query))
        for video in page["videos"]:
            if video["upload"] is None:
                del video["upload"]
        return page["videos"], page["next_page_token"]

    def update(self, video_id, version=None, **body):
        return self._call(
            "UpdateVideo",
            pb.UpdateVideoRequest(id=video_id, version=version, **self._words(body)),
        )

    def delete(self, video_id, version=None):
        answer = self._call("DeleteVideo", pb.DeleteVideoRequest(id=video_id, version=version))
        assert answer == {}

    def complete(self, video_id, upload_id):
        return self._call(
            "CompleteUpload", pb.CompleteUploadRequest(id=video_id, upload_id=upload_id)
        )

    def playback(self, video_id, **body):
        return self._call("CreatePlayback", pb.CreatePlaybackRequest(id=video_id, **body))

    def cancel(self, video_id):
        return self._call("CancelVideo", pb.CancelVideoRequest(id=video_id))


@pytest.fixture(scope="module")
def channel(vora):
    with grpc.insecure_channel(vora.run["grpc"], options=[("grpc.enable_http_proxy", 0)]) as made:
        yield made


@pytest.fixture(scope="module")
def sides(vora, channel):
    return {
        "rest": Rest(Api(vora.url, vora.token)),
        "grpc": Grpc(GrpcApi(vora.run["grpc"], vora.token, channel)),
    }


@pytest.fixture(scope="module", params=["rest", "grpc"])
def side(sides, request):
    """The case's protocol, as an admin."""
    return sides[request.param]


@pytest.fixture(scope="module")
def tokens(vora):
    return {
        "anna": mint(vora, "conform-anna", "edit"),
        "bert": mint(vora, "conform-bert", "edit"),
        "viewer": mint(vora, "conform-anna", "view"),
        "pager": mint(vora, "conform-pager", "edit"),
        "pager2": mint(vora, "conform-pager2", "edit"),
        "mangled": mint(vora, "conform-anna", "edit")[:-6] + "AAAAAA",
    }


@pytest.fixture
def anna(side, tokens):
    return side.as_token(tokens["anna"])


@pytest.fixture(scope="module")
def ready(vora, inputs):
    """A public video that plays, and the id of its upload."""
    path = inputs("pattern", "320x240", 1)
    video, upload = vora.api.upload(path, title="conformance", visibility="public")
    vora.api.wait_state(video["id"], "READY")
    return video["id"], upload.upload_id


def refused(status, reason, call, *arguments, fields=None, **more):
    with pytest.raises(Refusal) as caught:
        call(*arguments, **more)
    assert (caught.value.status, caught.value.reason) == (status, reason)
    if fields is not None:
        assert caught.value.fields == sorted(fields)


# -- the same object -------------------------------------------------------------------------------


def test_a_created_video_is_the_same_field_by_field(sides):
    for maker in sides.values():
        made = maker.create(title='ä "title"', description="line\nline", visibility="public")
        shown = {name: side.get(made["id"]) for name, side in sides.items()}
        assert shown["grpc"] == shown["rest"]
        assert made == shown["rest"]
        maker.delete(made["id"])


def test_a_ready_video_is_the_same_field_by_field(sides, ready):
    rest, rpc = (sides[name].get(ready[0]) for name in ("rest", "grpc"))
    assert rest["state"] == "READY" and rest["renditions"] and rest["manifest_url"]
    assert rpc == rest


def test_a_failed_video_is_the_same_field_by_field(sides):
    made = sides["rest"].create(title="nothing")
    TusUpload(made["upload"]["url"], b"").create()  # no bytes: finished at once
    sides["rest"].api.wait_state(made["id"], "FAILED")
    failed = sides["rest"].get(made["id"])
    assert failed["error"]["code"] == "input_empty"
    assert sides["grpc"].get(made["id"]) == failed


def test_a_page_is_the_same(sides, tokens):
    rest, rpc = (side.as_token(tokens["bert"]) for side in sides.values())
    made = [rest.create(title=str(n))["id"] for n in range(3)]
    assert rpc.list() == rest.list()
    videos, token = rpc.list(page_size=2)
    assert [v["id"] for v in videos] == [made[2], made[1]]
    assert rest.list(page_size=2) == (videos, token)
    # A token of one side goes on at the other.
    assert rest.list(page_size=2, page_token=token) == rpc.list(page_size=2, page_token=token)


def test_playback_is_signed_alike(sides, ready):
    offers = [side.playback(ready[0], ttl_s=600, max_height=240) for side in sides.values()]
    assert {name for name, value in offers[0].items() if value is not None} == {
        name for name, value in offers[1].items() if value is not None
    }
    for offer in offers:
        assert sides["rest"].api.http.get(offer["manifest_url"], timeout=10).status_code == 200
        assert sides["rest"].api.http.get(offer["poster_url"], timeout=10).status_code == 200


# -- create, get, list, update, delete ---------------------------------------------------------------


def test_create_takes_its_defaults(side):
    made = side.create(title="plain")
    assert (made["state"], made["visibility"], made["description"]) == ("CREATED", "private", "")
    assert made["version"] == 1 and made["upload"]["url"]
    TusUpload(made["upload"]["url"], b"12345").create()


@pytest.mark.parametrize(
    "body, fields",
    [
        ({"title": ""}, [("title", "TOO_SHORT")]),
        ({"title": "x" * 201}, [("title", "TOO_LONG")]),
        ({"title": "a\nb"}, [("title", "BAD_CHARACTERS")]),
        ({"title": "t", "description": "x" * 5001}, [("description", "TOO_LONG")]),
        ({"title": "t", "description": "\x07"}, [("description", "BAD_CHARACTERS")]),
        ({"title": "t", "visibility": "secret"}, [("visibility", "UNKNOWN_VALUE")]),
        (
            {"title": "", "visibility": "secret"},
            [("title", "TOO_SHORT"), ("visibility", "UNKNOWN_VALUE")],
        ),
    ],
)
def test_bad_words_are_named(side, body, fields):
    refused(400, "INVALID_FIELDS", side.create, fields=fields, **body)
    made = side.create(title="t")
    refused(400, "INVALID_FIELDS", side.update, made["id"], fields=fields, **body)


def test_the_longest_words_are_taken(side):
    made = side.create(title="ä" * 200, description="🎬" * 5000)
    assert side.get(made["id"])["description"] == "🎬" * 5000


def test_unknown_and_foreign_videos_are_not_found(side, tokens):
    foreign = side.as_token(tokens["bert"]).create(title="bert's")["id"]
    anna = side.as_token(tokens["anna"])
    for video_id in (foreign, str(uuid.uuid4()), "no-id"):
        for call, arguments in (
            (anna.get, ()),
            (anna.delete, ()),
            (anna.cancel, ()),
            (anna.playback, ()),
            (anna.complete, ("u",)),
        ):
            refused(404, "VIDEO_NOT_FOUND", call, video_id, *arguments)
        refused(404, "VIDEO_NOT_FOUND", anna.update, video_id, title="mine")
        refused(404, "VIDEO_NOT_FOUND", anna.update, video_id, title="")
    assert side.get(foreign)["title"] == "bert's"


def test_pages_meet_each_video_once(side, tokens):
    pager = side.as_token(tokens["pager" if isinstance(side, Rest) else "pager2"])
    made = [pager.create(title=str(n))["id"] for n in range(5)]
    seen, token = [], ""
    while True:
        videos, token = pager.list(page_size=2, **({"page_token": token} if token else {}))
        seen += [v["id"] for v in videos]
        if not token:
            break
    assert seen == made[::-1]
    assert pager.list(state="READY") == ([], "")
    assert len(pager.list(state="CREATED")[0]) == 5
    assert len(pager.list(page_size=100000)[0]) == 5


def test_bad_questions_for_a_page(side, tokens):
    refused(400, "BAD_PAGE_SIZE", side.list, page_size=-1)
    refused(400, "BAD_PAGE_TOKEN", side.list, page_token="rubbish")
    refused(400, "BAD_STATE", side.list, state="ready")
    anna = side.as_token(tokens["anna"])
    anna.create(title="1"), anna.create(title="2")
    _, token = anna.list(page_size=1)
    refused(400, "BAD_PAGE_TOKEN", anna.list, page_token=token, state="READY")


def test_update_changes_what_is_given(anna):
    made = anna.create(title="before", description="stays")
    changed = anna.update(made["id"], title="after", visibility="public")
    assert (changed["title"], changed["description"]) == ("after", "stays")
    assert (changed["visibility"], changed["version"]) == ("public", 2)
    assert anna.update(made["id"])["version"] == 2
    assert anna.update(made["id"], description="")["description"] == ""


def test_update_and_delete_of_another_version(anna):
    made = anna.create(title="one")
    anna.update(made["id"], version=1, title="two")
    refused(412, "VERSION_MISMATCH", anna.update, made["id"], version=1, title="three")
    refused(412, "VERSION_MISMATCH", anna.delete, made["id"], version=1)
    assert anna.get(made["id"])["title"] == "two"
    anna.delete(made["id"], version=2)


def test_what_is_deleted_is_gone(anna):
    made = anna.create(title="short")
    anna.delete(made["id"])
    refused(404, "VIDEO_NOT_FOUND", anna.get, made["id"])
    refused(404, "VIDEO_NOT_FOUND", anna.delete, made["id"])


# -- complete, playback, cancel ----------------------------------------------------------------------


def test_a_notice_of_a_finished_upload_begins_processing(side, inputs):
    made = side.create(title="by notice")
    upload = TusUpload(made["upload"]["url"], inputs("pattern", "320x240", 1))
    upload.create()
    assert side.complete(made["id"], upload.upload_id)["state"] == "CREATED"  # remembered
    upload.send()
    assert side.complete(made["id"], upload.upload_id)["state"] in ("PROCESSING", "READY")
    side.delete(made["id"])


def test_a_notice_of_no_upload_of_this_video(side, ready):
    made = side.create(title="waits")
    refused(404, "UPLOAD_NOT_FOUND", side.complete, made["id"], "nosuchupload")
    refused(404, "UPLOAD_NOT_FOUND", side.complete, made["id"], ready[1])
    refused(
        400,
        "INVALID_FIELDS",
        side.complete,
        made["id"],
        "",
        fields=[("upload_id", "TOO_SHORT")],
    )


def test_playback_before_it_plays_and_with_bad_terms(side, ready):
    made = side.create(title="nothing yet")
    refused(409, "NOT_PLAYABLE", side.playback, made["id"])
    for name, value in (("ttl_s", 0), ("ttl_s", 2592001), ("max_height", 0)):
        refused(
            400,
            "INVALID_FIELDS",
            side.playback,
            ready[0],
            fields=[(name, "OUT_OF_RANGE")],
            **{name: value},
        )


def test_cancel(side, ready):
    made = side.create(title="not wanted")
    cancelled = side.cancel(made["id"])
    assert (cancelled["state"], cancelled["error"]["code"]) == ("FAILED", "cancelled")
    assert side.get(made["id"]) == cancelled
    with pytest.raises(Refusal) as caught:
        side.cancel(ready[0])
    assert caught.value.status == 409


# -- access ------------------------------------------------------------------------------------------

CALLS = {
    "create": lambda s, v: s.create(title="t"),
    "get": lambda s, v: s.get(v),
    "list": lambda s, v: s.list(),
    "update": lambda s, v: s.update(v, title="t"),
    "delete": lambda s, v: s.delete(v),
    "complete": lambda s, v: s.complete(v, "u"),
    "playback": lambda s, v: s.playback(v),
    "cancel": lambda s, v: s.cancel(v),
}
READS = ("get", "list", "playback")


@pytest.mark.parametrize("call", CALLS)
def test_every_call_needs_a_token_of_its_scope(side, tokens, call):
    video_id = side.as_token(tokens["anna"]).create(title="anna's")["id"]
    ask = CALLS[call]
    refused(401, "TOKEN_MISSING", ask, side.as_token(None), video_id)
    with pytest.raises(Refusal) as caught:
        ask(side.as_token(tokens["mangled"]), video_id)
    assert caught.value.status == 401
    viewer = side.as_token(tokens["viewer"])
    if call not in READS:
        refused(403, "INSUFFICIENT_SCOPE", ask, viewer, video_id)
    elif call == "playback":
        refused(409, "NOT_PLAYABLE", ask, viewer, video_id)
    else:
        ask(viewer, video_id)


# -- the frame ---------------------------------------------------------------------------------------


def test_the_same_request_under_one_key_is_one_video(side):
    key = str(uuid.uuid4())
    first = side.create(key=key, title="once")
    assert not side.replayed
    assert side.create(key=key, title="once") == first
    assert side.replayed
    refused(422, "IDEMPOTENCY_KEY_REUSED", side.create, key=key, title="twice")
    refused(400, "BAD_IDEMPOTENCY_KEY", side.create, key="x" * 256, title="once")


def test_a_key_holds_on_both_sides(sides):
    key = str(uuid.uuid4())
    assert sides["grpc"].create(key=key, title="o") == sides["rest"].create(key=key, title="o")


def test_the_request_id_comes_back(side, ready):
    side.get(ready[0], request_id="conformance-1")
    assert side.request_id == "conformance-1"


def test_reflection_shows_the_service(channel):
    shown = ProtoReflectionDescriptorDatabase(channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(shown.get_services())
    described = shown.FindFileContainingSymbol(SERVICE)
    methods = {m.name for s in described.service for m in s.method}
    assert methods == {m.name for m in pb.DESCRIPTOR.services_by_name["VideoService"].methods}


def test_health_is_serving(channel):
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", SERVICE):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with pytest.raises(grpc.RpcError) as caught:
        health.Check(health_pb2.HealthCheckRequest(service="other"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_what_is_no_message_or_too_large_is_refused(vora, channel):
    call = channel.unary_unary(f"/{SERVICE}/CreateVideo")
    bearer = [("authorization", f"Bearer {vora.token}")]
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\xff\xff\xff", timeout=10, metadata=bearer)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.RpcError) as caught:
        call(b"\x0a" + b"x" * (2 << 20), timeout=10, metadata=bearer)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/{SERVICE}/Nothing")(b"", timeout=10)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_calls_are_counted_by_method_and_code(vora, sides):
    def count():
        return vora.metric("vora_rpc_calls_total", method="GetVideo", code="NOT_FOUND") or 0

    before = count()
    refused(404, "VIDEO_NOT_FOUND", sides["grpc"].get, str(uuid.uuid4()))
    assert count() == before + 1


def test_it_listens_on_loopback_only(vora):
    assert vora.run["grpc"].startswith("127.0.0.1:")
