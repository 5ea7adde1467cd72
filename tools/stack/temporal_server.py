"""Temporal's server on PostgreSQL, all four of its services in one process, and its UI."""

import json
import os
import urllib.request
from pathlib import Path

from tools.stack import install
from tools.stack.layout import write_private
from tools.stack.process import Child, answers, get_json

# What a broken client may do at most. A video's history is far below (reliability: 16 KiB a payload, 2,000 events).
LIMITS = {
    "limit.blobSize.warn": 64 * 1024,
    "limit.blobSize.error": 1024 * 1024,
    "limit.historySize.error": 20 * 1024 * 1024,
    "limit.historyCount.error": 20_000,
    "limit.maxIDLength": 255,
    # A namespace that was just made is known everywhere this soon.
    "system.namespaceCacheRefreshInterval": "1s",
    # Idle pollers of task queues that are used by few processes.
    "matching.numTaskqueueReadPartitions": 2,
    "matching.numTaskqueueWritePartitions": 2,
}
# Chosen once: it can never change for a database. One machine does with few.
HISTORY_SHARDS = 16
RETENTION = "259200s"
PARTS = ("frontend", "history", "matching", "worker")
# Each with two ports, and HTTP, metrics.
PORTS = [f"{part}-{kind}" for part in PARTS for kind in ("grpc", "membership")] + ["http", "metrics"]


class TemporalServer:
    """`ports` maps PORTS to numbers; `store` has host, port, user, password and two databases of its own."""

    DATABASES = {"temporal": "temporal", "temporal_visibility": "visibility"}

    def __init__(self, directory, ports, store, namespace="vora"):
        self.directory = Path(directory)
        self.ports = ports
        self.store = store
        self.namespace = namespace
        self.log = self.directory / "temporal.log"
        self.child = None

    @property
    def port(self):
        return self.ports["frontend-grpc"]

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.ports['http']}"

    def schema_commands(self, fresh):
        """What brings the databases to this server's schema: [(command, environment)]. `fresh` names the empty ones."""
        tool = install.ensure("temporal-sql")
        environment = {**os.environ, "SQL_PASSWORD": self.store["password"]}
        commands = []
        for database, schema in self.DATABASES.items():
            base = [tool, "--plugin", "postgres12", "--endpoint", self.store["host"]]
            base += ["--port", self.store["port"], "--user", self.store["user"], "--database", database]
            if database in fresh:
                commands.append(([*base, "setup-schema", "--version", "0.0"], environment))
            name = f"postgresql/v12/{schema if schema == 'visibility' else 'temporal'}"
            commands.append(([*base, "update-schema", "--schema-name", name], environment))
        return commands

    def _datastore(self, database, connections):
        return {
            "sql": {
                "pluginName": "postgres12",
                "databaseName": database,
                "connectAddr": f"{self.store['host']}:{self.store['port']}",
                "connectProtocol": "tcp",
                "user": self.store["user"],
                "password": self.store["password"],
                "maxConns": connections,
                "maxIdleConns": connections,
                "maxConnLifetime": "1h",
            }
        }

    def configuration(self):
        services = {}
        for part in PARTS:
            rpc = {
                "grpcPort": self.ports[f"{part}-grpc"],
                "membershipPort": self.ports[f"{part}-membership"],
                "bindOnLocalHost": True,
            }
            if part == "frontend":
                rpc["httpPort"] = self.ports["http"]
            services[part] = {"rpc": rpc}
        return {
            "log": {"stdout": True, "level": "warn"},
            "persistence": {
                "defaultStore": "main",
                "visibilityStore": "visibility",
                "numHistoryShards": HISTORY_SHARDS,
                "datastores": {
                    "main": self._datastore("temporal", 20),
                    "visibility": self._datastore("temporal_visibility", 5),
                },
            },
            "global": {
                "membership": {"maxJoinDuration": "30s", "broadcastAddress": "127.0.0.1"},
                "metrics": {
                    "prometheus": {
                        "framework": "tally",
                        "timerType": "histogram",
                        "listenAddress": f"127.0.0.1:{self.ports['metrics']}",
                    }
                },
            },
            "services": services,
            "clusterMetadata": {
                "enableGlobalNamespace": False,
                "failoverVersionIncrement": 10,
                "masterClusterName": "active",
                "currentClusterName": "active",
                "clusterInformation": {
                    "active": {
                        "enabled": True,
                        "initialFailoverVersion": 1,
                        "rpcName": "frontend",
                        "rpcAddress": self.address,
                    }
                },
            },
            "dcRedirectionPolicy": {"policy": "noop"},
            "dynamicConfigClient": {
                "filepath": str(self.directory / "limits.yaml"),
                "pollInterval": "60s",
            },
        }

    def launch(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        # JSON is YAML.
        limits = {key: [{"value": value}] for key, value in LIMITS.items()}
        write_private(self.directory / "limits.yaml", json.dumps(limits, indent=2) + "\n")
        configuration = self.directory / "server.yaml"
        write_private(configuration, json.dumps(self.configuration(), indent=2) + "\n")
        self.child = Child(
            "temporal",
            [install.ensure("temporal-server"), "--config-file", configuration, "--allow-no-auth", "start"],
            self.log,
            cwd=self.directory,
        )
        return self.child

    def ready(self):
        return get_json(f"{self.http}/api/v1/system-info") is not None

    def register_namespace(self):
        """True once the namespace is there and all parts of the server know it."""
        base = f"{self.http}/api/v1/namespaces"
        if get_json(f"{base}/{self.namespace}") is None:
            body = {
                "namespace": self.namespace,
                "workflowExecutionRetentionPeriod": RETENTION,
                "description": "Vora's videos",
            }
            request = urllib.request.Request(
                base,
                data=json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            get_json(request, 10)
        return get_json(f"{base}/{self.namespace}/workflows?pageSize=1") is not None


class TemporalUi:
    def __init__(self, directory, temporal_address, port, namespace="vora"):
        self.directory = Path(directory)
        self.temporal_address = temporal_address
        self.port = port
        self.namespace = namespace
        self.log = self.directory / "temporal-ui.log"
        self.child = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def launch(self):
        (self.directory / "config").mkdir(parents=True, exist_ok=True)
        settings = {
            "temporalGrpcAddress": self.temporal_address,
            "host": "127.0.0.1",
            "port": self.port,
            "enableUi": True,
            "defaultNamespace": self.namespace,
            "notifyOnNewVersion": False,
            "refreshInterval": "1m",
            "cors": {"allowOrigins": [self.url]},
            "auth": {"enabled": False},
        }
        path = self.directory / "config" / "vora.yaml"
        path.write_text(json.dumps(settings, indent=2) + "\n")
        program = install.ensure("temporal-ui")
        self.child = Child(
            "temporal-ui",
            [program, "--root", self.directory, "--config", "config", "--env", "vora", "start"],
            self.log,
            cwd=self.directory,
        )
        return self.child

    def ready(self):
        return answers(self.port)
