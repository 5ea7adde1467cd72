"""Tokens of an identity provider: a key set behind a URL, its rotation and its absence, and every
forgery that verifiers have fallen for."""

import base64
import datetime
import hashlib
import hmac
import http.server
import ipaddress
import json
import ssl
import threading
import time

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from harness.api import Api
from harness.server import running
from harness.wait import wait_until
from test_api import problem

ISSUER = "https://id.example/realm"
ALGORITHMS = ("RS256", "ES256", "EdDSA")


class Key:
    """A signing key of the provider."""

    def __init__(self, kid, alg):
        self.kid, self.alg = kid, alg
        self.private = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[alg]()

    def jwk(self, **more):
        public = jwt.get_algorithm_by_name(self.alg).to_jwk(self.private.public_key(), as_dict=True)
        return {**{k: v for k, v in public.items() if k != "key_ops"}, "kid": self.kid, **more}

    def pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def token(self, headers=None, **changes):
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": "vora",
            "sub": "alice",
            "scope": "openid edit",
            "iat": now,
            "exp": now + 600,
        }
        claims.update(changes)
        claims = {k: v for k, v in claims.items() if v is not None}
        return jwt.encode(claims, self.private, self.alg, {"kid": self.kid, **(headers or {})})


class Provider:
    """Serves a key set, and counts who asks."""

    def __init__(self, tls=None):
        self.keys, self.status, self.asked, self.others = [], 200, 0, 0
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if self.path != "/keys":
                    provider.others += 1
                    return self.send_error(404)
                provider.asked += 1
                body = json.dumps({"keys": provider.keys}).encode()
                self.send_response(provider.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Cache-Control", "public, max-age=86400")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                pass  # who does not trust the certificate goes away

        self.server = Listener(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.base = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def provider():
    made = Provider()
    yield made
    made.close()


@pytest.fixture(scope="module")
def keys(provider):
    made = {alg: Key(f"key-{alg}", alg) for alg in ALGORITHMS}
    provider.keys = [k.jwk() for k in made.values()]
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory, provider, keys):
    words = [
        f"--auth.jwks_url={provider.base}/keys",
        f"--auth.issuer={ISSUER}",
        "--auth.jwks_refresh_min_s=3600",
    ]
    with running(tmp_path_factory.mktemp("tokens"), words) as made:
        counts(made, keys["RS256"].token())
        yield made


def counts(server, token):
    """It does soon: a request waits for a fetch, but not for ever."""
    wait_until(lambda: status(server, token) == 200, 20, "the token counts", 0.2)


def status(server, token):
    return Api(server.url, token).call("GET", "/v1/videos").status_code


def refused(server, token):
    problem(Api(server.url, token).call("GET", "/v1/videos"), 401)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_provider_s_token_counts_whatever_it_is_signed_with(server, keys, alg):
    alice = Api(server.url, keys[alg].token())
    video = alice.create(f"by {alg}")
    assert alice.get(video["id"])["title"] == f"by {alg}"
    bob = Api(server.url, keys[alg].token(sub="bob", scope=["profile", "view"]))
    problem(bob.call("GET", f"/v1/videos/{video['id']}"), 404)
    problem(bob.call("POST", "/v1/videos", json={"title": "x"}), 403, "insufficient_scope")
    root = Api(server.url, keys[alg].token(sub="root", scope="admin", aud=["other", "vora"]))
    assert root.get(video["id"])["id"] == video["id"]


def test_tokens_of_our_own_go_on_counting(server):
    assert status(server, server.token) == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": None},
        {"iss": ISSUER + "/"},
        {"iss": "vora"},
        {"aud": None},
        {"aud": "other"},
        {"aud": ["a", "b"]},
        {"sub": None},
        {"sub": ""},
        {"scope": None},
        {"scope": "openid"},
        {"exp": None},
        {"exp": 1},
        {"exp": 1e99},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
    ],
    ids=str,
)
def test_claims_that_are_not_right_are_refused(server, keys, changes):
    refused(server, keys["ES256"].token(**changes))


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_forgeries_are_refused_and_make_nobody_fetch_anything(server, keys, provider):
    rs, es = keys["RS256"], keys["ES256"]
    head, claims, signature = rs.token().split(".")
    forged = [f"{part({'alg': a, 'kid': rs.kid})}.{claims}." for a in ("none", "None", "NONE")]
    for secret in (rs.pem(), json.dumps(rs.jwk()).encode(), b""):
        for kid in (rs.kid, es.kid):
            text = f"{part({'alg': 'HS256', 'kid': kid})}.{claims}"
            mac = hmac.new(secret, text.encode(), hashlib.sha256).digest()
            forged.append(f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}")
    es_head, es_claims, _ = es.token().split(".")
    forged.append(f"{es_head}.{es_claims}.{'A' * 86}")
    forged.append(f"{part({'alg': 'ES256', 'kid': rs.kid})}.{claims}.{signature}")
    stranger = Key(rs.kid, "RS256")
    forged.append(stranger.token())
    for more in (
        {"jku": f"{provider.base}/other"},
        {"x5u": f"{provider.base}/other"},
        {"jwk": stranger.jwk()},
        {"crit": ["exp"]},
        {"typ": "logout+jwt"},
    ):
        forged += [stranger.token(more), rs.token(more)]
    for kid in ("../../etc/passwd", "' OR 1=1 --", "k" * 4000):
        forged.append(rs.token({"kid": kid}))
    forged += [f"{head}.{claims}", f"{head}.{claims}.{signature}.x", f"{head}.{claims}.{signature}="]
    for token in forged:
        refused(server, token)
    assert provider.others == 0, "no token makes us fetch what it names"


def test_a_hundred_unknown_keys_are_one_question(server, keys, provider):
    asked = provider.asked
    for n in range(100):
        refused(server, keys["EdDSA"].token({"kid": f"unknown-{n}"}))
    assert provider.asked - asked <= 1


def test_keys_rotate_and_stay_while_the_provider_is_away(make_vora):
    provider = Provider()
    try:
        old, new = Key("old", "ES256"), Key("new", "RS256")
        provider.keys = [old.jwk()]
        server = make_vora(
            f"--auth.jwks_url={provider.base}/keys", "--auth.jwks_refresh_min_s=0"
        ).start()
        counts(server, old.token())
        provider.keys = [new.jwk()]
        counts(server, new.token())
        assert status(server, old.token()) == 200, "what was signed before the rotation still counts"
        provider.status = 500
        refused(server, Key("third", "ES256").token())
        provider.close()
        refused(server, Key("fourth", "ES256").token())
        assert status(server, new.token()) == status(server, old.token()) == 200
        assert status(server, server.token) == 200
    finally:
        provider.server.server_close()


def test_a_provider_that_is_away_at_start_is_found_later(make_vora, tmp_path):
    key, path = Key("k", "EdDSA"), tmp_path / "keys.json"
    server = make_vora(f"--auth.jwks_url=file:{path}", "--auth.jwks_refresh_min_s=0").start()
    refused(server, key.token())
    assert status(server, server.token) == 200
    path.write_text(json.dumps({"keys": [key.jwk()]}))
    wait_until(lambda: status(server, key.token()) == 200, 20, "the key is found", 0.2)
    path.write_text("nonsense")
    assert status(server, key.token()) == 200


def certificate(directory):
    """A certificate for 127.0.0.1 that signs itself, and a server's TLS with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = directory / "certificate.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = directory / "secret.pem"
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pem, secret)
    return pem, tls


def test_a_provider_behind_tls_counts_if_its_certificate_does(make_vora, tmp_path):
    pem, tls = certificate(tmp_path)
    provider = Provider(tls)
    try:
        key = Key("k", "ES256")
        provider.keys = [key.jwk()]
        url = f"--auth.jwks_url={provider.base}/keys"
        trusting = make_vora(url, f"--auth.jwks_ca_file={pem}").start()
        counts(trusting, key.token())
        asked = provider.asked
        assert trusting.stop() == 0
        doubting = make_vora(url).start()
        refused(doubting, key.token())
        assert status(doubting, doubting.token) == 200
        assert provider.asked == asked, "nothing is asked of a stranger"
    finally:
        provider.close()


def test_a_url_that_cannot_be_fetched_is_said_at_start(make_vora):
    server = make_vora("--auth.jwks_url=ldap://x/keys")
    server.start(wait=False)
    assert server.process.wait(30) == 1
    assert "auth.jwks_url" in server.tail()
