"""The way of a video through the real systems, each part a process: PostgreSQL, MinIO, Temporal, Varnish and the
services that the way needs, wired by hand, so that a test can take one away and give it back."""

import contextlib
import secrets

from tools.stack.minio import Minio
from tools.stack.postgres import Postgres
from tools.stack.process import free_port
from tools.stack.temporal import TemporalDev
from tools.stack.varnish import Varnish

from harness.api import Api
from harness.metadata import Issuer, database
from harness.services import Service

BUCKETS = ("bucket-raw", "bucket-processed")
STORE_DEADLINE_MS = 2000


class Pipeline:
    """`base`: a directory that the servers' own users get through to."""

    def __init__(self, base):
        self.base = base
        self.started = contextlib.ExitStack()
        self.issuer = Issuer(base / "platform")
        self.token = self.issuer.token()
        self.secrets = {"internal": secrets.token_hex(16), "hook": secrets.token_hex(16)}
        self.ports = {name: free_port() for name in ("metadata", "hooks", "files", "uploads", "play")}
        try:
            self._start_servers()
            self._start_services()
        except BaseException:
            self.stop()
            raise

    def _start_servers(self):
        self.minio = Minio(self.base / "minio")
        for bucket in BUCKETS:
            (self.minio.directory / "data" / bucket).mkdir(parents=True)
        self.postgres = Postgres(self.base / "postgres")
        self.temporal = TemporalDev(self.base / "temporal")
        for server in (self.minio, self.postgres, self.temporal):
            self.started.callback(server.stop)
            server.start()
        self.database = self.postgres.dsn(database(self.postgres))

    def _start_services(self):
        self.metadata = self.start_metadata()  # first: it makes the ring of keys
        self.upload = self.service(
            "upload",
            **self.store("raw"),
            **self.grants(),
            **{
                "server.listen": self.at("files"),
                "server.internal_listen": self.at("uploads"),
                "upload.hook_url": f"http://{self.at('hooks')}/internal/hooks/upload",
            },
        )
        self.workflow = self.service("workflow", **self.engine())
        self.worker = self.service(
            "worker",
            **self.engine(),
            **self.store("raw", "processed"),
            **{"worker.scratch_dir": self.base / "scratch", "media.preset": "ultrafast"},
        )
        self.gateway = self.service(
            "gateway",
            **self.store("processed"),
            **self.grants(),
            **{
                "services.metadata_url": f"http://{self.at('hooks')}",
                "gateway.store_deadline_ms": STORE_DEADLINE_MS,
                "cache.purge_urls": f"http://{self.at('play')}",
                "cache.purge_secret": self.secrets["internal"],
            },
        )
        self.varnish = Varnish(
            self.base / "varnish",
            [self.gateway.addresses["public"]],
            self.ring,
            self.ports["play"],
            self.secrets["internal"],
        )
        self.started.callback(self.varnish.stop)
        self.varnish.start()

    # -- what the services are told --------------------------------------------------------------

    @property
    def ring(self):
        return self.issuer.directory / "keys" / "grants.json"

    def at(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def grants(self):
        return {"keys.grants_file": self.ring}

    def engine(self):
        return {"workflow.engine": f"temporal://{self.temporal.address}/default"}

    def store(self, *buckets):
        return {
            **{f"store.{name}": f"s3:bucket-{name}" for name in buckets},
            "s3.endpoint": self.minio.url,
            "s3.access_key": self.minio.user,
            "s3.secret_key": self.minio.password,
        }

    def service(self, name, **keys):
        environment = {
            f"VORA_SECRETS_{key.upper()}": value
            for key, value in self.secrets.items()
            if key in {"upload": ("internal", "hook"), "gateway": ("internal",)}.get(name, ())
        }
        made = Service(f"vora-{name}", self.base / name, keys, environment=environment)
        self.started.callback(made.dispose)
        return made

    def start_metadata(self, **more):
        """On the same addresses as the one before."""
        keys = {
            "server.listen": self.at("metadata"),
            "server.internal_listen": self.at("hooks"),
            "services.upload_url": f"http://{self.at('uploads')}",
            "public_urls.api": f"http://{self.at('metadata')}",
            "public_urls.upload": f"http://{self.at('files')}",
            "public_urls.play": f"http://{self.at('play')}",
            "keys.issuer_public_file": self.issuer.public,
            **self.engine(),
            **self.grants(),
            **more,
        }
        environment = {
            "VORA_METADATA_DATABASE": self.database,
            "VORA_SECRETS_INTERNAL": self.secrets["internal"],
            "VORA_SECRETS_HOOK": self.secrets["hook"],
        }
        made = Service("vora-metadata", self.base / "metadata", keys, environment=environment)
        self.started.callback(made.dispose)
        return made

    @contextlib.contextmanager
    def metadata_with(self, **keys):
        """Another vora-metadata in its place, for as long as this lasts."""
        assert self.metadata.stop() == 0
        self.metadata = self.start_metadata(**keys)
        try:
            yield self.metadata
        finally:
            self.metadata.stop()
            self.metadata = self.start_metadata()

    # -- what clients do -------------------------------------------------------------------------

    @property
    def api(self):
        return Api(f"http://{self.at('metadata')}", self.token)

    @property
    def play_url(self):
        return f"http://{self.at('play')}"

    def stop(self):
        self.started.close()
