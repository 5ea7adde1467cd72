"""What the fuzzing client has to be told of Vora: the media type of tus bodies, and which ids there are.

test_openapi names this module in schemathesis.toml and passes the ids in VORA_OPENAPI_THINGS.
"""

import json
import os
import re
import zlib

import schemathesis

THINGS = json.loads(os.environ.get("VORA_OPENAPI_THINGS", "{}"))
# What a generated value has to look like for a known one to take its place: bad ones stay bad.
SANE = {
    "id": re.compile(r"[0-9a-f-]{36}"),
    "video_id": re.compile(r"[0-9a-f-]{36}"),
    "upload_id": re.compile(r"[A-Za-z0-9_-]{1,128}"),
    "grant": re.compile(r"[A-Za-z0-9_.-]+"),
    "rendition": re.compile(r"[0-9]+p"),
    "segment": re.compile(r"seg_[0-9]+\.ts"),
}
ENDING = {"deleteVideo", "cancelVideo"}


@schemathesis.serializer("application/offset+octet-stream")
def serialize_octets(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode()


def known_values(operation_id, name):
    if name == "id":
        return THINGS["spent"] if operation_id in ENDING else THINGS["kept"]
    return {
        "video_id": THINGS["playing"],
        "upload_id": THINGS["uploads"],
        "grant": ["public", "public", "cookie"],
        "rendition": ["240p"],
        "segment": ["seg_01.ts"],
    }[name]


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Four of five times a path names something that exists; which, the case itself decides."""
    draw = zlib.crc32(repr((case.path_parameters, case.query, case.headers, case.body)).encode())
    if not THINGS or not case.path_parameters or draw % 5 == 0:
        return
    operation_id = case.operation.definition.raw.get("operationId")
    for name, value in case.path_parameters.items():
        if name in SANE and isinstance(value, str) and SANE[name].fullmatch(value):
            known = known_values(operation_id, name)
            case.path_parameters[name] = known[draw // 5 % len(known)]
