"""The videos API over gRPC, with stubs made from contracts/proto at test time by grpcio-tools."""

import importlib
import importlib.resources
import pathlib
import sys
import tempfile

import grpc
from google.protobuf import timestamp_pb2
from google.rpc import error_details_pb2, status_pb2

PROTO = pathlib.Path(__file__).resolve().parents[2] / "contracts" / "proto"
SERVICE = "vora.metadata.v1.VideoService"
CALL_TIMEOUT_S = 30
# No proxy of the environment stands between the test and the server.
OPTIONS = [("grpc.enable_http_proxy", 0)]


def _generate():
    from grpc_tools import protoc

    out = tempfile.mkdtemp(prefix="vora-stubs-")
    proto = "vora/metadata/v1/video_service.proto"
    well_known = importlib.resources.files("grpc_tools") / "_proto"
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={out}"]
    assert protoc.main(arguments + [f"--grpc_python_out={out}", proto]) == 0
    sys.path.insert(0, out)
    return (
        importlib.import_module("vora.metadata.v1.video_service_pb2"),
        importlib.import_module("vora.metadata.v1.video_service_pb2_grpc"),
    )


pb, pb_grpc = _generate()


class Refused(Exception):
    """A call that did not end with OK, with what its google.rpc.Status says."""

    def __init__(self, error):
        super().__init__(f"{error.code()}: {error.details()}")
        self.code = error.code().name
        self.text = error.details()
        self.trailing = dict(error.trailing_metadata() or ())
        self.reason = None
        self.domain = None
        self.request_id = None
        self.fields = []
        self.retry = False
        details = self.trailing.get("grpc-status-details-bin")
        if details:
            self._read(status_pb2.Status.FromString(details))

    def _read(self, status):
        for detail in status.details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                self.reason, self.domain = info.reason, info.domain
                self.request_id = info.metadata["request_id"]
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest()
                detail.Unpack(bad)
                self.fields = [(f.field, f.reason) for f in bad.field_violations]
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                self.retry = True


class GrpcApi:
    def __init__(self, address, token, channel=None):
        self.address = address
        self.token = token
        self.channel = channel or grpc.insecure_channel(address, options=OPTIONS)
        self.stub = pb_grpc.VideoServiceStub(self.channel)
        self.trailing = {}

    def as_token(self, token):
        return GrpcApi(self.address, token, self.channel)

    def call(self, method, request, metadata=()):
        """The answer's message; Refused else. The trailing metadata are in `trailing`."""
        fields = list(metadata)
        if self.token is not None:
            fields.append(("authorization", f"Bearer {self.token}"))
        try:
            answer, call = getattr(self.stub, method).with_call(
                request, timeout=CALL_TIMEOUT_S, metadata=fields
            )
        except grpc.RpcError as error:
            raise Refused(error) from None
        self.trailing = dict(call.trailing_metadata())
        return answer


def plain(message):
    """A message as REST's JSON has it: absent is None, times are texts, enums by name."""
    out = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            out[field.name] = dict(value)
        elif field.is_repeated:
            out[field.name] = [_plain_value(field, one) for one in value]
        elif field.has_presence and not message.HasField(field.name):
            out[field.name] = None
        else:
            out[field.name] = _plain_value(field, value)
    return out


def _plain_value(field, value):
    if isinstance(value, timestamp_pb2.Timestamp):
        return value.ToDatetime().isoformat(timespec="milliseconds") + "Z"
    if field.message_type:
        return plain(value)
    if field.enum_type:
        name = field.enum_type.values_by_number[value].name
        return name.lower() if field.enum_type.name == "Visibility" else name
    return value
