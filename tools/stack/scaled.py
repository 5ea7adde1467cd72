"""Several instances of one service behind one address: what the edge's nginx does then, and only then."""

from pathlib import Path

from tools.stack.nginx import fill_in

# Between services: what the other instance can answer, it answers.
INSIDE = """\
upstream vora_{service}_inside {{ server {servers}; keepalive 16; }}
server {{
    listen {address};
    access_log off;
    error_log {home}/error.log crit;
    client_max_body_size 2m;
    location / {{
        proxy_pass http://vora_{service}_inside;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_connect_timeout 1s;
        proxy_read_timeout 120s;
        proxy_buffering off;
        proxy_next_upstream error;
    }}
}}
"""
# One upload stays on one instance while that lives: its creation comes to any, all that names its id to the same.
UPLOAD_KEY = """\
map $request_uri $vora_upload_key {
    default $request_id;
    "~^/files/(?<vora_upload_id>[^/?]+)" $vora_upload_id;
}
"""


def upstream(addresses):
    """For `server ...;` of a template: all of them; one that fails is left alone for two seconds."""
    if len(addresses) == 1:
        return addresses[0]
    return "; server ".join(f"{address} max_fails=1 fail_timeout=2s" for address in addresses)


class Balancer:
    def __init__(self, blueprint):
        self.plan = blueprint

    def internal(self, service):
        """Where other services ask this one."""
        addresses = self.plan.all(service, "internal_listen")
        if len(addresses) == 1:
            return addresses[0]
        return f"127.0.0.1:{self.plan.layout.port(f'{service}.internal')}"

    def upload_port(self):
        addresses = self.plan.all("upload")
        if len(addresses) == 1:
            return int(addresses[0].rsplit(":", 1)[1])
        return self.plan.layout.port("upload.shared")

    def sites(self, home):
        """More server blocks for the edge."""
        home = Path(home)
        texts = []
        for service in ("metadata", "upload"):
            addresses = self.plan.all(service, "internal_listen")
            if len(addresses) > 1:
                texts.append(
                    INSIDE.format(
                        service=service,
                        servers=upstream(addresses),
                        address=self.internal(service),
                        home=home,
                    )
                )
        uploads = self.plan.all("upload")
        if len(uploads) > 1:
            site = fill_in(
                "upload.conf",
                {
                    "LISTEN": f"{self.plan.host}:{self.upload_port()}",
                    "UPLOAD": f"{upstream(uploads)}; hash $vora_upload_key consistent",
                    "ACCESS_LOG": home / "upload.log",
                    "ERROR_LOG": home / "error.log",
                },
            )
            texts += [UPLOAD_KEY, site]
        return "\n".join(texts)
