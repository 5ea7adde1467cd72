"""What stands in front of a gateway: grants made by hand, and a gateway of a few lines with levers."""

import collections
import contextlib
import hashlib
import hmac
import http.server
import json
import pathlib
import tempfile
import threading


@contextlib.contextmanager
def open_directory():
    """A directory that the servers' own users get through to: pytest closes its ones."""
    with tempfile.TemporaryDirectory(prefix="vora-front-", ignore_cleanup_errors=True) as name:
        pathlib.Path(name).chmod(0o711)
        yield pathlib.Path(name)


def mint(ring, video_id, expires, cap=0, key_id=None):
    """A playback grant, written from libs/auth/grant.cpp; `ring` is the path of keys/grants.json."""
    keys = json.loads(ring.read_text())
    key_id = key_id or keys["signing"]
    text = f"vora1|play|{key_id}|{expires}|{cap}|{video_id}"
    mac = hmac.new(keys["keys"][key_id].encode(), text.encode(), hashlib.sha256).hexdigest()
    return f"{key_id}.{expires}.{cap}.{mac}"


class StubGateway:
    """Answers what `answer` says: a function of the path to (status, headers, body). While `hold` is
    cleared it takes requests for media and says nothing; the probe of Varnish is answered always."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = collections.Counter()
        self.seen = {}  # the last headers of each path
        self.flowing = threading.Event()
        self.flowing.set()
        stub = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                if self.path == "/play/probe":
                    return self.send(404, {}, b"")
                stub.asked[self.path] += 1
                stub.seen[self.path] = dict(self.headers)
                stub.flowing.wait(60)
                self.send(*stub.answer(self.path))

            def send(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

            def handle_error(self, request, client_address):
                pass  # Varnish has given up on a held one

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.server.server_port}"

    def close(self):
        self.flowing.set()
        self.server.shutdown()
        self.server.server_close()
