"""The servers of a stack as members: stores, workflow engine, cache, edge."""

import signal
import socket
import subprocess
import threading

from tools.stack import install, minio_admin, scaled, temporal_server
from tools.stack.event_engine import EventEngine
from tools.stack.kafka import Kafka
from tools.stack.layout import StackError, binary
from tools.stack.minio import Minio
from tools.stack.nginx import Nginx
from tools.stack.postgres import Postgres
from tools.stack.process import get_status
from tools.stack.supervise import Member
from tools.stack.varnish import Varnish

CACHE_BYTES = "256m"
POSTGRES_SETTINGS = {"shared_buffers": "128MB", "log_min_messages": "warning"}
# Stopped from high to low.
PHASE_SERVICE, PHASE_EDGE, PHASE_CACHE, PHASE_STORE, PHASE_DATABASE = 4, 3, 2, 1, 0
WILDCARDS = ("0.0.0.0", "::", "[::]")


class Servers:
    def __init__(self, blueprint):
        self.plan = blueprint
        self.layout = layout = blueprint.layout
        secret, port, home = layout.secret, layout.port, layout.home
        self.postgres = Postgres(
            home("postgres"),
            port("postgres"),
            secret("postgres-admin"),
            POSTGRES_SETTINGS,
            user="postgres",
        )
        self.minio = Minio(home("minio"), port("minio"), "vora-root", secret("minio-root"))
        store = {
            "host": "127.0.0.1",
            "port": self.postgres.port,
            "user": "temporal",
            "password": secret("postgres-temporal"),
        }
        ports = {name: port(f"temporal.{name}") for name in temporal_server.PORTS}
        self.temporal = temporal_server.TemporalServer(home("temporal"), ports, store)
        self.ui = temporal_server.TemporalUi(
            home("temporal-ui"), self.temporal.address, port("temporal-ui")
        )
        self.kafka = None
        if blueprint.with_kafka:
            self.kafka = Kafka(
                home("kafka"), port("kafka"), controller_port=port("kafka.controller")
            )
        self.engine = None
        self.clickhouse_port = port("clickhouse")
        self.varnish_ports = port("varnish"), port("varnish.admin")
        self.varnish = None
        self.edge = None
        self.balancer = scaled.Balancer(blueprint)

    def addresses(self):
        """Where services find each other and the stores: HOST:PORT."""
        at = {
            "postgres": f"127.0.0.1:{self.postgres.port}",
            "minio": f"127.0.0.1:{self.minio.port}",
            "temporal": self.temporal.address,
            "clickhouse": f"127.0.0.1:{self.clickhouse_port}",
            "varnish": f"127.0.0.1:{self.varnish_ports[0]}",
            "metadata.internal": self.balancer.internal("metadata"),
            "upload.internal": self.balancer.internal("upload"),
        }
        if self.kafka:
            at["kafka"] = self.kafka.bootstrap
        return at

    def public_urls(self):
        """What clients call us. A wildcard address has many names: then by that of the machine."""
        host = socket.getfqdn() if self.plan.host in WILDCARDS else self.plan.host
        edge = f"http://{host}:{self.plan.port}"
        upload = f"http://{host}:{self.balancer.upload_port()}"
        return {"api": edge, "upload": upload, "play": edge}

    # -- members ---------------------------------------------------------------------------------

    def members(self):
        all_members = [
            self._postgres(),
            self._minio(),
            self._temporal(),
            self._temporal_ui(),
            self._clickhouse(),
            self._varnish(),
            self._edge(),
        ]
        return all_members + ([self._kafka()] if self.kafka else [])

    def _postgres(self):
        return Member(
            "postgres",
            version_of("postgres"),
            self.postgres.port,
            self._logged(self.postgres, "postgres"),
            self.postgres.ready,
            phase=PHASE_DATABASE,
            prepare=self.postgres.prepare,
            settle=self._make_databases,
            stop_signal=signal.SIGINT,
            stop_s=30,
        )

    def _make_databases(self):
        """A role for each who has a database, and no way into others'."""
        for role, databases in {
            "vora": ["vora"],
            "temporal": list(temporal_server.TemporalServer.DATABASES),
        }.items():
            password = self.layout.secret(f"postgres-{role}")
            if not self.postgres.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
                self.postgres.sql(f"CREATE ROLE {role} LOGIN")
            self.postgres.sql(f"ALTER ROLE {role} PASSWORD '{password}'")
            for name in databases:
                if not self.postgres.sql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
                    self.postgres.sql(f"CREATE DATABASE {name} OWNER {role}")
                self.postgres.sql(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")

    def _minio(self):
        return Member(
            "minio",
            version_of("minio"),
            self.minio.port,
            self._logged(self.minio, "minio"),
            self.minio.ready,
            phase=PHASE_STORE,
            settle=self._make_buckets,
        )

    def _make_buckets(self):
        admin = minio_admin.MinioAdmin(self.minio.url, self.minio.user, self.minio.password)
        for bucket in ("bucket-raw", "bucket-processed"):
            admin.make_bucket(bucket)
        may, read, write = minio_admin.statements, minio_admin.READ, minio_admin.WRITE
        rights = {
            "upload": may("bucket-raw", read + write),
            "worker": may("bucket-raw", read) + may("bucket-processed", read + write),
            "gateway": may("bucket-processed", read),
        }
        admin.set_users(
            {f"vora-{n}": (self.layout.secret(f"minio-{n}"), allowed) for n, allowed in rights.items()}
        )

    def _temporal(self):
        return Member(
            "temporal",
            version_of("temporal-server"),
            self.temporal.port,
            self._logged(self.temporal, "temporal"),
            lambda: self.temporal.ready() and self.temporal.register_namespace(),
            phase=PHASE_STORE,
            needs=("postgres",),
            prepare=self._update_schema,
            start_s=600,
        )

    def _update_schema(self):
        fresh = {
            name
            for name in temporal_server.TemporalServer.DATABASES
            if not self.postgres.sql("SELECT to_regclass('schema_version')", name)
        }
        for command, environment in self.temporal.schema_commands(fresh):
            done = subprocess.run(
                [str(part) for part in command],
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
            if done.returncode != 0:
                raise StackError(f"Temporal's schema: {(done.stderr + done.stdout)[-1500:]}")

    def _temporal_ui(self):
        return Member(
            "temporal-ui",
            version_of("temporal-ui"),
            self.ui.port,
            self._logged(self.ui, "temporal-ui"),
            self.ui.ready,
            phase=PHASE_CACHE,
            required=False,
            listed=False,
        )

    def _clickhouse(self):
        program = binary("vora-event-engine")
        accounts = {
            "writer": (self.layout.secret("clickhouse-writer"), "write"),
            "reader": (self.layout.secret("clickhouse-reader"), "read"),
        }
        self.engine = EventEngine(
            self.layout.home("clickhouse"), program, self.plan.library, self.clickhouse_port, accounts
        )
        return Member(
            "clickhouse",
            self.engine.version,
            self.engine.port,
            self._logged(self.engine, "clickhouse"),
            self.engine.ready,
            phase=PHASE_STORE,
            start_s=300,
        )

    def _kafka(self):
        return Member(
            "kafka",
            version_of("kafka"),
            self.kafka.port,
            self._logged(self.kafka, "kafka"),
            self.kafka.ready,
            phase=PHASE_STORE,
            prepare=self.kafka.prepare,
            stop_s=30,
        )

    def _varnish(self):
        self.varnish = Varnish(
            self.layout.home("varnish"),
            self.plan.all("gateway"),
            self.layout.root / "keys" / "grants.json",
            port=self.varnish_ports[0],
            admin_port=self.varnish_ports[1],
            purge_secret=self.layout.secret("purge"),
            storage=CACHE_BYTES,
        )
        return Member(
            "varnish",
            version_of("varnish"),
            self.varnish.port,
            self._logged(self.varnish, "varnish"),
            self.varnish.ready,
            phase=PHASE_CACHE,
        )

    def _edge(self):
        upstream = scaled.upstream
        services = {
            "metadata": upstream(self.plan.all("metadata")),
            "dashboard": upstream(self.plan.all("dashboard")),
            "analytics": upstream(self.plan.all("analytics")),
            "play": f"127.0.0.1:{self.varnish_ports[0]}",
        }
        home = self.layout.home("edge")
        self.edge = Nginx(
            home,
            services,
            port=self.plan.port,
            host=self.plan.host,
            more=self.balancer.sites(home),
        )
        near = "127.0.0.1" if self.plan.host in WILDCARDS else self.plan.host
        return Member(
            "edge",
            version_of("nginx"),
            self.plan.port,
            self._logged(self.edge, "edge"),
            lambda: get_status(f"http://{near}:{self.plan.port}/livez", 5) == 200,
            phase=PHASE_EDGE,
        )

    def _logged(self, server, name):
        """The server's launch, its output kept with all other logs."""

        def launch():
            server.log = self.layout.log(name)
            return server.launch()

        return launch

    # -- keys that change ------------------------------------------------------------------------

    def reload_cache(self):
        """After a change of the grant keys; in a thread of its own, for it may take a second."""
        threading.Thread(target=self._reload_cache, daemon=True).start()

    def _reload_cache(self):
        try:
            self.varnish.reload()
        except Exception as error:  # it is being started again, and reads the ring then
            install.say(f"varnish did not take the new grant keys over: {error}")

    def environment(self):
        secret = self.layout.secret
        values = {
            "VORA_URL": self.plan.public["api"],
            "VORA_POSTGRES_URL": self.postgres.dsn("vora", "vora", secret("postgres-vora")),
            "VORA_POSTGRES_ADMIN_URL": self.postgres.dsn("postgres"),
            "VORA_S3_URL": self.minio.url,
            "VORA_S3_ACCESS_KEY": self.minio.user,
            "VORA_S3_SECRET_KEY": self.minio.password,
            "VORA_TEMPORAL": self.temporal.address,
            "VORA_TEMPORAL_NAMESPACE": self.temporal.namespace,
            "VORA_TEMPORAL_UI": self.ui.url,
            "VORA_CLICKHOUSE_URL": f"http://writer:{secret('clickhouse-writer')}@"
            f"127.0.0.1:{self.clickhouse_port}",
            "VORA_VARNISH_URL": f"http://127.0.0.1:{self.varnish_ports[0]}",
        }
        if self.kafka:
            values["VORA_KAFKA"] = self.kafka.bootstrap
        return "".join(f"{name}={value}\n" for name, value in values.items())


def version_of(name):
    if name in install.VERSIONS["go"]:
        version = install.VERSIONS["go"][name]["version"]
        return version.split("-")[1][:8] if version.startswith("v0.0.0-") else version.lstrip("v")
    if name in install.VERSIONS["maven"]:
        return install.VERSIONS["maven"][name]["jars"][0].rsplit(":", 1)[1]
    return debian_version(install.VERSIONS["debian"][name]["packages"][0])


def debian_version(package):
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", package],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return done.stdout.split("-")[0].split("+")[0].split(":")[-1] or "?"
