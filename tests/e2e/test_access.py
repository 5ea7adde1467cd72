"""Who may: every operation of contracts/openapi and contracts/proto, asked with no token, with another
owner's, with an expired one, with one for somebody else's service and with too small a scope. An operation
that is in neither table below fails here: whoever adds one says who may call it."""

import json
import pathlib
import time
import urllib.parse

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from harness.api import Api, TusUpload
from harness.grpc_api import SERVICE, GrpcApi, Refused, pb
from harness.server import ROOT
from harness.wait import wait_until
from test_api import mint, problem

CONTRACT = json.loads((ROOT / "contracts" / "openapi" / "vora.json").read_text())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path)
    for path, item in CONTRACT["paths"].items()
    for method, operation in item.items()
    if method in ("get", "post", "put", "patch", "delete", "head", "options")
}

# Operations that a token opens: the scope they need, whether the path names somebody's video, a body.
BY_TOKEN = {
    "createVideo": ("edit", False, {"title": "x"}),
    "listVideos": ("view", False, None),
    "getVideo": ("view", True, None),
    "updateVideo": ("edit", True, {"title": "x"}),
    "deleteVideo": ("edit", True, None),
    "completeUpload": ("edit", True, {"upload_id": "0" * 32}),
    "cancelVideo": ("edit", True, {}),
    "createPlayback": ("view", True, {}),
    "getAnalytics": ("view", False, None),
    "getVideoAnalytics": ("view", True, None),
}
# Operations that an upload grant (or a token) opens: what they are asked with.
TUS = {"Tus-Resumable": "1.0.0"}
BY_UPLOAD_GRANT = {
    "createUpload": {"Upload-Length": "5", **TUS},
    "createUploadSlash": {"Upload-Length": "5", **TUS},
    "getUpload": TUS,
    "appendToUpload": {
        "Upload-Offset": "0",
        "Content-Type": "application/offset+octet-stream",
        **TUS,
    },
    "terminateUpload": TUS,
}
# Operations that the grant in their path opens.
BY_PLAYBACK_GRANT = {"getMaster", "getPlaylist", "getSegment", "getThumbnail"}
OPEN = {
    "postEvents",
    "getOpenapi",
    "getLivez",
    "getReadyz",
    "describeUploads",
    "describeUploadsSlash",
    "describeUpload",
}

GRPC = {
    "CreateVideo": ("edit", lambda v: pb.CreateVideoRequest(title="x"), False),
    "GetVideo": ("view", lambda v: pb.GetVideoRequest(id=v), True),
    "ListVideos": ("view", lambda v: pb.ListVideosRequest(), False),
    "UpdateVideo": ("edit", lambda v: pb.UpdateVideoRequest(id=v), True),
    "DeleteVideo": ("edit", lambda v: pb.DeleteVideoRequest(id=v), True),
    "CompleteUpload": (
        "edit",
        lambda v: pb.CompleteUploadRequest(id=v, upload_id="0" * 32),
        True,
    ),
    "CreatePlayback": ("view", lambda v: pb.CreatePlaybackRequest(id=v), True),
    "CancelVideo": ("edit", lambda v: pb.CancelVideoRequest(id=v), True),
}


def test_every_operation_of_the_contracts_is_covered():
    covered = set(BY_TOKEN) | set(BY_UPLOAD_GRANT) | BY_PLAYBACK_GRANT | OPEN
    assert set(OPERATIONS) == covered
    methods = pb.DESCRIPTOR.services_by_name[SERVICE.rsplit(".", 1)[1]].methods
    assert {m.name for m in methods} == set(GRPC)
    # What the contract says is open is open here too, and nothing else.
    for name, (method, path) in OPERATIONS.items():
        declared = CONTRACT["paths"][path][method.lower()].get("security")
        assert (declared == []) == (name in OPEN | BY_PLAYBACK_GRANT), name


def signed_by_us(vora, **changes):
    """A token of the local issuer itself, wrong in what is given."""
    pem = (pathlib.Path(vora.data) / "keys" / "issuer.pem").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    kid = jwt.get_unverified_header(vora.token)["kid"]
    now = int(time.time())
    claims = {"iss": "vora", "aud": "vora", "sub": "anna", "scope": "admin", "exp": now + 600}
    return jwt.encode({**claims, **changes}, key, "EdDSA", {"kid": kid})


@pytest.fixture(scope="module")
def tokens(vora):
    made = {
        "anna": mint(vora, "anna", "edit"),
        "other owner": mint(vora, "bert", "edit"),
        "view": mint(vora, "anna", "view"),
        "expired": signed_by_us(vora, exp=int(time.time()) - 120),
        "wrong audience": signed_by_us(vora, aud="another-service"),
        "wrong issuer": signed_by_us(vora, iss="https://elsewhere.example"),
        "no scope": signed_by_us(vora, scope="nothing"),
    }
    # They are refused for that one thing, not because the test cannot sign.
    assert Api(vora.url, signed_by_us(vora)).call("GET", "/v1/videos").status_code == 200
    return made


@pytest.fixture(scope="module")
def video(vora, tokens):
    anna = Api(vora.url, tokens["anna"])
    made = anna.create("anna's")
    yield made
    assert anna.get(made["id"])["version"] == made["version"], "nobody has changed it"
    anna.delete(made["id"])


UNAUTHENTICATED = (None, "expired", "wrong audience", "wrong issuer", "no scope")


@pytest.mark.parametrize("name", BY_TOKEN)
def test_an_operation_wants_a_token_its_owner_and_its_scope(vora, tokens, video, name):
    scope, is_of_a_video, body = BY_TOKEN[name]
    method, path = OPERATIONS[name]
    path = path.replace("{id}", video["id"])

    def ask(who):
        client = Api(vora.url, tokens.get(who))
        return client.call(method, path, **({} if body is None else {"json": body}))

    for who in UNAUTHENTICATED:
        answer = ask(who)
        problem(answer, 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    if scope != "view":
        problem(ask("view"), 403, "insufficient_scope")
    else:
        assert ask("view").status_code not in (401, 403), "the smallest scope is enough"
    if is_of_a_video:
        problem(ask("other owner"), 404)


@pytest.mark.parametrize("name", GRPC)
def test_the_same_over_grpc(vora, tokens, video, name):
    scope, request, is_of_a_video = GRPC[name]

    def code(who):
        try:
            GrpcApi(vora.run["grpc"], tokens.get(who)).call(name, request(video["id"]))
        except Refused as refused:
            return refused.code
        return "OK"

    for who in UNAUTHENTICATED:
        assert code(who) == "UNAUTHENTICATED", who
    if scope != "view":
        assert code("view") == "PERMISSION_DENIED"
    else:
        assert code("view") not in ("UNAUTHENTICATED", "PERMISSION_DENIED")
    if is_of_a_video:
        assert code("other owner") == "NOT_FOUND"


@pytest.mark.parametrize("name", BY_UPLOAD_GRANT)
def test_an_upload_wants_its_own_grant(vora, tokens, name):
    method, path = OPERATIONS[name]
    video = Api(vora.url, tokens["anna"]).create("anna's, with an upload")
    upload = TusUpload(video["upload"]["url"], b"12345")
    upload.create()
    path = path.replace("{upload_id}", upload.upload_id)
    headers, body = BY_UPLOAD_GRANT[name], b"12345" if name == "appendToUpload" else None

    def ask(token=None, grant=None):
        query = "?" + urllib.parse.urlencode({"grant": grant}) if grant else ""
        client = Api(vora.url, token)
        return client.call(method, path + query, headers=headers, data=body).status_code

    playback_like = tokens["anna"].split(".")[0] + ".public." + tokens["anna"].split(".")[2]
    assert ask() == 401
    for who in ("expired", "wrong audience", "wrong issuer", "no scope"):
        assert ask(tokens[who]) == 401, who
    assert ask(tokens["view"]) == 403
    for grant in ("x", playback_like, tokens["anna"], tampered(grant_of(video))):
        assert ask(grant=grant) in (401, 403), grant[:20]
    if "{upload_id}" in OPERATIONS[name][1]:
        others = Api(vora.url, tokens["other owner"]).create("bert's")
        assert ask(grant=grant_of(others)) in (403, 404)
        assert ask(others["upload"]["headers"]["Authorization"].split(" ")[1]) in (403, 404)
        assert ask(tokens["other owner"]) in (403, 404)
    assert upload.offset() == 0, "nobody has touched it"
    upload.request("DELETE", upload.location)


def grant_of(video):
    query = urllib.parse.urlsplit(video["upload"]["url"]).query
    return urllib.parse.parse_qs(query)["grant"][0]


def tampered(text):
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


@pytest.mark.parametrize("name", sorted(BY_PLAYBACK_GRANT))
def test_playback_wants_a_grant_for_that_video(vora, tokens, playable, name):
    video, other, expired = playable
    _, path = OPERATIONS[name]

    def status(grant):
        target = (
            path.replace("{grant}", urllib.parse.quote(grant, safe=""))
            .replace("{video_id}", video["id"])
            .replace("{rendition}", "720p")
            .replace("{segment}", "seg_01.ts")
        )
        return Api(vora.url, None).call("GET", target).status_code

    good = play_grant(vora.api.playback(video["id"])["manifest_url"])
    assert status(good) == 200
    refused = {
        "none": "public",
        "another video's": other,
        "expired": expired,
        "tampered": tampered(good),
        "an upload's": grant_of(vora.api.create("grant of another kind")),
        "a token": tokens["anna"],
        "a cookie that is not there": "cookie",
    }
    for what, grant in refused.items():
        assert status(grant) in (403, 404), what
    capped = play_grant(vora.api.playback(video["id"], max_height=360)["manifest_url"])
    # Too small a grant: for no more than 360 lines.
    assert status(capped) == (200 if name in ("getMaster", "getThumbnail") else 403)


@pytest.fixture(scope="module")
def playable(vora, inputs):
    video = vora.api.upload_and_wait(inputs("pattern", "1280x720", 1))
    other = vora.api.upload_and_wait(inputs("pattern", "320x240", 1))
    expired = play_grant(vora.api.playback(video["id"], ttl_s=1)["manifest_url"])
    time_over = time.time() + 1.1
    wait_until(lambda: time.time() > time_over, 30, "the grant's time is over")
    return video, play_grant(vora.api.playback(other["id"])["manifest_url"]), expired


def play_grant(manifest_url):
    return urllib.parse.unquote(urllib.parse.urlsplit(manifest_url).path.split("/")[2])


@pytest.mark.parametrize("name", sorted(OPEN))
def test_what_is_open_asks_for_nothing(vora, video, name):
    method, path = OPERATIONS[name]
    more = {"json": {"events": []}} if name == "postEvents" else {}
    path = path.replace("{upload_id}", "0" * 32)
    for token in (None, "nonsense"):
        answer = Api(vora.url, token).call(method, path, **more)
        assert answer.status_code not in (401, 403), answer.text[:200]
