vcl 4.1;

# Varnish 7.1 in front of the Streaming Gateway. A template: vora_vcl.py fills in what stands between
# @...@ (gateways, keys of grants, purge). Needs varnish-modules (xkey, var) and varnish-vmod-digest.
#
# A URL is /play/{grant}/{video}/{path}. The grant is checked here at every request, hits included,
# and never becomes part of what is looked up: all who hold a good one share one object. Two classes
# of objects that never mix:
#   public   asked for under /play/public, and the gateway has said with it that the video is public
#   signed   asked for under a grant (in the path, or in the cookie of /play/cookie)
# What the gateway does not advise about (header Vora-Cache) is not kept. It checks each grant again.
#
# Nothing secret is put into a header: what VCL sets there can be read with varnishlog. vmod_var is
# for that. Start varnishd with the vsl_mask of vora-varnish.service: the log then holds no URL.

import digest;
import std;
import var;
import xkey;

@BACKENDS@

acl purgers {
@PURGERS@
}

# -- the grant ----------------------------------------------------------------------------------------

# Sets var "verdict": "good", "bad", or "unknown" for a key that this VCL does not have (yet). Texts
# are compared by the digests of their digests, so that time tells nothing about the right one.
sub vora_check_mac {
    var.set("verdict", "unknown");
    var.set("given", digest.hmac_sha256("@BLIND@", "0x" + var.get("mac")));
    if (var.get("given") !~ "^0x[0-9a-f]{64}$") {
        return (synth(503, "no_digest"));
    }
@KEYS@
}

# From var "grant" and the video's id: {key id}.{expiry}.{max_height}.{hex MAC}.
sub vora_check_grant {
    if (var.get("grant") !~ "^[A-Za-z0-9_-]{1,32}\.(0|[1-9][0-9]{0,11})\.(0|[1-9][0-9]{0,4})\.[0-9a-f]{64}$") {
        return (synth(403, "grant_malformed"));
    }
    var.set("kid", regsub(var.get("grant"), "^([^.]+)\..*$", "\1"));
    var.set("exp", regsub(var.get("grant"), "^[^.]+\.([^.]+)\..*$", "\1"));
    var.set("cap", regsub(var.get("grant"), "^[^.]+\.[^.]+\.([^.]+)\..*$", "\1"));
    var.set("mac", regsub(var.get("grant"), "^.*\.", ""));
    var.set("text", "vora1|play|" + var.get("kid") + "|" + var.get("exp") + "|" + var.get("cap") + "|"
                    + req.http.X-Vora-Video);
    call vora_check_mac;
    if (var.get("verdict") == "bad") {
        return (synth(403, "grant_bad_signature"));
    }
    if (std.integer(var.get("exp"), 0) <= std.time2integer(now, 0)) {
        return (synth(403, "grant_expired"));
    }
}

# -- requests -----------------------------------------------------------------------------------------

sub vora_purge {
    # Not through a proxy: Varnish itself has set X-Forwarded-For to the one address it sees.
    if (client.ip !~ purgers || req.http.X-Forwarded-For ~ "," || !req.http.Vora-Purge-Secret
        || digest.hmac_sha256("@BLIND@", req.http.Vora-Purge-Secret) != digest.hmac_sha256("@BLIND@", "@PURGE_SECRET@")) {
        return (synth(405, "method_not_allowed"));
    }
    # Hard: a soft purge would still serve the old copy for as long as its grace lasts.
    if (xkey.purge(req.http.Vora-Purge) < 0) {
        return (synth(500, "purge_failed"));
    }
    return (synth(200, "purged"));
}

sub vcl_recv {
    unset req.http.X-Vora-Class;
    unset req.http.X-Vora-Video;
    unset req.http.X-Vora-Path;
    unset req.http.X-Vora-Cap;
    unset req.http.Authorization;
    set req.backend_hint = @BACKEND@;

    if (req.method == "PURGE") {
        call vora_purge;
    }
    unset req.http.Vora-Purge;
    unset req.http.Vora-Purge-Secret;
    if (req.method != "GET" && req.method != "HEAD" && req.method != "OPTIONS") {
        return (synth(405, "method_not_allowed"));
    }
    if (req.url == "/livez") {
        return (synth(200, "alive"));
    }
    # Before anything looks at the path. Nothing under /play needs an escape; the query is dropped.
    var.set("path", regsub(req.url, "\?.*$", ""));
    if (var.get("path") ~ "(\.\.|//|\\|%|;|#)") {
        return (synth(400, "bad_target"));
    }
    if (var.get("path") !~ "^/play/") {
        return (synth(404, "not_found"));
    }
    if (req.method == "OPTIONS") {
        return (synth(204, "preflight"));
    }
    if (var.get("path") !~ "^/play/[^/]+/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/[A-Za-z0-9_./-]{1,64}$") {
        return (synth(404, "not_found"));
    }
    set req.http.X-Vora-Video = regsub(var.get("path"), "^/play/[^/]+/([^/]+)/.*$", "\1");
    set req.http.X-Vora-Path = regsub(var.get("path"), "^/play/[^/]+/[^/]+/", "");
    var.set("grant", regsub(var.get("path"), "^/play/([^/]+)/.*$", "\1"));
    # What varnishncsa may write: no grant, no query.
    std.log("path:/play/*/" + req.http.X-Vora-Video + "/" + req.http.X-Vora-Path);

    if (var.get("grant") == "public") {
        set req.http.X-Vora-Class = "public";
    } else {
        if (var.get("grant") == "cookie") {
            call vora_read_cookie;
        }
        call vora_check_grant;
        set req.http.X-Vora-Class = "signed";
        call vora_apply_cap;
    }
    unset req.http.Cookie;
    set req.url = "/play/" + var.get("grant") + "/" + req.http.X-Vora-Video + "/" + req.http.X-Vora-Path;
    call vora_normalise_range;
    if (var.get("verdict") == "unknown") {
        # Signed with a newer key than this VCL has: the gateway knows it already. Nothing is kept.
        unset req.http.X-Vora-Class;
        return (pass);
    }
    return (hash);
}

# The first of the two names that is there, as the gateway reads it.
sub vora_read_cookie {
    if (req.http.Cookie ~ "(^|;)\s*__Secure-vora_play=[^;\s]") {
        var.set("grant", regsub(req.http.Cookie, "^(|.*?;)\s*__Secure-vora_play=([^;\s]*).*$", "\2"));
    } elseif (req.http.Cookie ~ "(^|;)\s*vora_play=[^;\s]") {
        var.set("grant", regsub(req.http.Cookie, "^(|.*?;)\s*vora_play=([^;\s]*).*$", "\2"));
    } else {
        return (synth(403, "cookie_missing"));
    }
}

# A cap on height changes the master, so the master is kept once for each cap. Renditions are named
# by their height: one within the cap is the same object for all. One beyond it is the gateway's to
# decide (the smallest is always allowed), and that answer is kept apart.
sub vora_apply_cap {
    if (var.get("cap") == "0") {
        return;
    }
    if (req.http.X-Vora-Path == "master.m3u8") {
        set req.http.X-Vora-Cap = var.get("cap");
    } elseif (req.http.X-Vora-Path ~ "/"
              && (req.http.X-Vora-Path !~ "^[1-9][0-9]{0,4}p/"
                  || std.integer(regsub(req.http.X-Vora-Path, "p/.*$", ""), 1000000) > std.integer(var.get("cap"), 0))) {
        set req.http.X-Vora-Cap = var.get("cap");
    }
}

# Several ranges, other units and what is no range are answered with the whole, as the gateway does.
sub vora_normalise_range {
    if (!req.http.Range) {
        return;
    }
    if (req.method != "GET" || req.http.Range !~ "(?i)^\s*bytes=\s*([0-9]{1,15}\s*-\s*[0-9]{0,15}|-\s*[0-9]{1,15})\s*$") {
        unset req.http.Range;
        return;
    }
    set req.http.Range = "bytes=" + regsub(regsuball(req.http.Range, "\s", ""), "^.*=", "");
    if (req.http.Range ~ "=[0-9]+-[0-9]+$"
        && std.integer(regsub(req.http.Range, "^bytes=([0-9]+)-.*$", "\1"), 0)
           > std.integer(regsub(req.http.Range, "^.*-", ""), 0)) {
        unset req.http.Range;
    }
}

sub vcl_hash {
    hash_data(req.http.X-Vora-Class + "|" + req.http.X-Vora-Video + "|" + req.http.X-Vora-Path + "|"
              + req.http.X-Vora-Cap);
    return (lookup);
}

# -- the gateway --------------------------------------------------------------------------------------

sub vcl_backend_fetch {
    # A miss fetches the whole object, whatever part of it its first viewer wants.
    if (!bereq.uncacheable) {
        unset bereq.http.Range;
        unset bereq.http.If-Range;
        unset bereq.http.If-Match;
    }
    unset bereq.http.X-Vora-Path;
    unset bereq.http.X-Vora-Cap;
    unset bereq.http.Origin;
    unset bereq.http.Referer;
    return (fetch);
}

sub vcl_backend_response {
    # The cache's own; a key of it must not tell anybody what else there is.
    unset beresp.http.Vary;
    unset beresp.http.Set-Cookie;
    unset beresp.http.Server;
    unset beresp.http.X-Request-Id;
    unset beresp.http.Strict-Transport-Security;
    unset beresp.http.x-amz-request-id;
    unset beresp.http.x-amz-id-2;
    unset beresp.http.x-amz-version-id;
    unset beresp.http.x-amz-meta-mtime;
    unset beresp.http.x-amz-bucket-region;
    unset beresp.http.X-Ratelimit-Limit;
    unset beresp.http.X-Ratelimit-Remaining;

    # A fetch behind a viewer's back that fails must leave the good object where it is; 403 is about
    # the grant of the one who caused it.
    if (bereq.is_bgfetch && (beresp.status >= 500 || beresp.status == 403)) {
        return (abandon);
    }
    if (bereq.uncacheable) {
        return (deliver);
    }
    set beresp.keep = 0s;
    if (beresp.status >= 500) {
        # Kept for a moment: else all who wait for it would be served one after the other.
        set beresp.ttl = 1s;
        set beresp.grace = 0s;
        return (deliver);
    }
    if ((beresp.status == 200 || beresp.status == 404) && beresp.http.xkey
        && beresp.http.Vora-Cache ~ "^class=(public|signed); ttl=[0-9]{1,9}; age=[0-9]{1,9}$"
        && regsub(beresp.http.Vora-Cache, "^class=([a-z]+);.*$", "\1") == bereq.http.X-Vora-Class) {
        set beresp.ttl = std.duration(regsub(beresp.http.Vora-Cache, "^.*; ttl=([0-9]+);.*$", "\1") + "s", 0s);
        set beresp.grace = @GRACE@;
        if (beresp.status == 404) {
            set beresp.grace = 0s;
        }
        return (deliver);
    }
    # No advice, or for another class: for this viewer only. Who waits for it asks for himself.
    set beresp.uncacheable = true;
    set beresp.ttl = 1s;
    set beresp.grace = 0s;
    unset beresp.http.xkey;
    return (deliver);
}

# The gateway does not answer: 504 for all who wait, at once.
sub vcl_backend_error {
    if (bereq.is_bgfetch) {
        return (abandon);
    }
    set beresp.status = 504;
    set beresp.reason = "Gateway Timeout";
    set beresp.http.Content-Type = "application/problem+json";
    set beresp.http.Cache-Control = "no-store";
    set beresp.http.Retry-After = "1";
    set beresp.body = {"{"type":"urn:vora:problem:gateway_unavailable","title":"Gateway Timeout","status":504,"detail":"the gateway did not answer in time","code":"gateway_unavailable","errors":[]}"};
    set beresp.ttl = 1s;
    set beresp.grace = 0s;
    set beresp.keep = 0s;
    return (deliver);
}

# -- answers ------------------------------------------------------------------------------------------

sub vora_open_to_all_origins {
    set resp.http.Access-Control-Allow-Origin = "*";
    set resp.http.Access-Control-Expose-Headers = "Accept-Ranges, Cache-Control, Content-Length, Content-Range, ETag, Retry-After, X-Cache, X-Request-Id";
    set resp.http.Cross-Origin-Resource-Policy = "cross-origin";
    set resp.http.Timing-Allow-Origin = "*";
    set resp.http.X-Content-Type-Options = "nosniff";
    set resp.http.X-Request-Id = req.xid;
    unset resp.http.X-Varnish;
    unset resp.http.Via;
}

# Of an object that many share, a browser may keep what its own grant allows.
sub vora_private_lifetime {
    var.set_int("left", std.integer(var.get("exp"), 0) - std.time2integer(now, 0));
    if (var.get_int("left") > std.integer(regsub(resp.http.Vora-Cache, "^.*; age=", ""), 0)) {
        var.set_int("left", std.integer(regsub(resp.http.Vora-Cache, "^.*; age=", ""), 0));
    }
    if (var.get_int("left") < 0) {
        var.set_int("left", 0);
    }
    if (resp.http.Cache-Control ~ "immutable") {
        set resp.http.Cache-Control = "private, max-age=" + var.get_int("left") + ", immutable";
    } else {
        set resp.http.Cache-Control = "private, max-age=" + var.get_int("left");
    }
}

sub vcl_deliver {
    if (req.http.If-Match && req.http.If-Match != "*" && req.http.X-Vora-Class && resp.http.ETag
        && !std.strstr(req.http.If-Match, resp.http.ETag)) {
        return (synth(412, "precondition_failed"));
    }
    if (req.http.X-Vora-Class == "signed" && resp.status != 404 && resp.http.Vora-Cache) {
        call vora_private_lifetime;
    }
    if (!req.http.X-Vora-Class) {
        set resp.http.X-Cache = "pass";
    } elseif (obj.hits == 0) {
        set resp.http.X-Cache = "miss";
    } elseif (obj.ttl <= 0s) {
        set resp.http.X-Cache = "stale";
    } else {
        set resp.http.X-Cache = "hit";
    }
    # Lifetimes above count from now: whoever purges this cache needs no browser to know its age.
    unset resp.http.Age;
    unset resp.http.Vora-Cache;
    unset resp.http.xkey;
    call vora_open_to_all_origins;
    return (deliver);
}

sub vora_problem {
    set resp.http.Content-Type = "application/problem+json";
    set resp.body = {"{"type":"urn:vora:problem:"} + var.get("code") + {"","title":""} + resp.reason
        + {"","status":"} + resp.status + {","detail":""} + var.get("detail") + {"","code":""} + var.get("code")
        + {"","request_id":""} + req.xid + {"","errors":[]}"};
}

sub vcl_synth {
    call vora_open_to_all_origins;
    set resp.http.Cache-Control = "no-store";
    unset resp.http.Server;
    unset resp.http.Retry-After;
    var.set("code", resp.reason);
    if (resp.status == 204) {
        set resp.reason = "No Content";
        set resp.http.Allow = "GET, HEAD, OPTIONS";
        set resp.http.Access-Control-Allow-Methods = "GET, HEAD, OPTIONS";
        set resp.http.Access-Control-Allow-Headers = "Range, If-Match, If-None-Match, If-Range, CMCD-Object, CMCD-Request, CMCD-Session, CMCD-Status";
        set resp.http.Access-Control-Max-Age = "86400";
        return (deliver);
    }
    if (resp.status == 200) {
        set resp.reason = "OK";
        set resp.http.Content-Type = "text/plain";
        set resp.body = var.get("code");
        return (deliver);
    }
    if (resp.status == 400) {
        set resp.reason = "Bad Request";
        var.set("detail", "the path is not written plainly");
    } elseif (resp.status == 403) {
        set resp.reason = "Forbidden";
        var.set("detail", "this grant does not play");
    } elseif (resp.status == 404) {
        set resp.reason = "Not Found";
        set resp.http.Cache-Control = "max-age=0, s-maxage=2";
        var.set("detail", "there is nothing under this path");
    } elseif (resp.status == 405) {
        set resp.reason = "Method Not Allowed";
        set resp.http.Allow = "GET, HEAD, OPTIONS";
        var.set("detail", "this path does not take this method");
    } elseif (resp.status == 412) {
        set resp.reason = "Precondition Failed";
        var.set("detail", "If-Match names another version");
    } else {
        set resp.status = 503;
        set resp.reason = "Service Unavailable";
        set resp.http.Retry-After = "1";
        var.set("code", "overloaded");
        var.set("detail", "the cache cannot answer now");
    }
    call vora_problem;
    return (deliver);
}
