#include "services/upload/handlers/tus_handlers.hpp"

#include "libs/base/encoding.hpp"
#include "libs/net/problem.hpp"
#include "services/upload/handlers/problems.hpp"
#include "services/upload/handlers/tus_headers.hpp"

#include <utility>

namespace vora::upload {

namespace {

constexpr std::string_view allowed_methods = "OPTIONS, POST, HEAD, PATCH, DELETE";

class request_source final : public byte_source {
 public:
    explicit request_source(net::body_reader& body) : body_(body) {}
    task<result<std::size_t>> read(std::span<char> into) override { return body_.read(into); }
    std::optional<std::uint64_t> length() const override { return body_.length(); }

 private:
    net::body_reader& body_;
};

// Any page may upload: what counts is the grant, not the origin; cookies play no part.
void decorate(net::response& answer) {
    auto& h = answer.headers;
    h.set("Tus-Resumable", tus_version);
    h.set("Access-Control-Allow-Origin", "*");
    h.set("Access-Control-Expose-Headers",
          "Location, Upload-Offset, Upload-Length, Upload-Metadata, Upload-Expires, Tus-Resumable, "
          "Tus-Version, Tus-Extension, Tus-Max-Size, Retry-After, X-Request-Id");
    if (!h.get("Cache-Control")) {
        h.set("Cache-Control", "no-store");
    }
}

void describe(net::response& answer, const upload_view& view) {
    answer.headers.set("Upload-Offset", std::to_string(view.offset));
    if (view.info.state == upload_state::open) {
        answer.headers.set("Upload-Expires", to_http_date(view.info.expires));
    }
}

bool carries_bytes(const net::request& r) {
    const auto type = r.headers.get("Content-Type");
    return type && *type == offset_content_type;
}

}  // namespace

tus_handlers::tus_handlers(upload_service& service, const authorizer& who_may,
                           std::string public_url)
    : service_(service), who_may_(who_may), public_url_(std::move(public_url)) {
    while (public_url_.ends_with('/')) {
        public_url_.pop_back();
    }
}

net::router tus_handlers::routes() {
    net::router r;
    for (const auto* pattern : {"/files", "/files/"}) {
        r.add("OPTIONS", pattern, [this](net::request& q) { return options(q); });
        add(r, "POST", pattern, &tus_handlers::create);
    }
    const std::string one = "/files/{upload_id}";
    r.add("OPTIONS", one, [this](net::request& q) { return options(q); });
    add(r, "HEAD", one, &tus_handlers::head);
    add(r, "PATCH", one, &tus_handlers::patch);
    add(r, "DELETE", one, &tus_handlers::terminate);
    add(r, "GET", one, &tus_handlers::refuse_read);
    // Refused here and not by the router, so that the refusal too can be read by a page.
    add(r, "POST", one, &tus_handlers::refuse_read);
    return r;
}

void tus_handlers::add(net::router& to, std::string verb, std::string pattern, method m) {
    net::route_options options;
    options.streams_body = true;
    options.method_override = true;
    to.add(
        std::move(verb), std::move(pattern), [this, m](net::request& r) { return answer(r, m); },
        options);
}

task<net::response> tus_handlers::answer(net::request& r, method m) {
    auto a = co_await answer_undecorated(r, m);
    decorate(a);
    co_return a;
}

task<net::response> tus_handlers::answer_undecorated(net::request& r, method m) {
    const auto version = r.headers.get("Tus-Resumable");
    if (!version || *version != tus_version) {
        auto refusal =
            net::problem(r, 412, "unsupported_tus_version", "Tus-Resumable must be 1.0.0");
        refusal.headers.set("Tus-Version", tus_version);
        co_return refusal;
    }
    auto by = who_may_.authorize(r);
    if (!by) {
        auto refusal = net::problem(r, by.error());
        if (by.error().code == errc::unauthenticated) {
            refusal.headers.set("WWW-Authenticate", "Bearer");
        }
        co_return refusal;
    }
    co_return co_await (this->*m)(r, std::move(*by));
}

task<net::response> tus_handlers::options(net::request&) {
    auto a = net::response::empty(204);
    decorate(a);
    a.headers.set("Tus-Version", tus_version);
    a.headers.set("Tus-Extension", tus_extensions);
    a.headers.set("Tus-Max-Size", std::to_string(service_.limits().size_max_bytes));
    a.headers.set("Access-Control-Allow-Methods", allowed_methods);
    a.headers.set("Access-Control-Allow-Headers",
                  "Authorization, Content-Type, Tus-Resumable, Upload-Length, Upload-Offset, "
                  "Upload-Metadata, X-HTTP-Method-Override, X-Request-Id, X-Requested-With");
    a.headers.set("Access-Control-Max-Age", "86400");
    co_return a;
}

task<net::response> tus_handlers::create(net::request& r, authorized by) {
    for (const auto* absent : {"Upload-Defer-Length", "Upload-Concat", "Upload-Checksum"}) {
        if (r.headers.get(absent)) {
            co_return net::problem(r, 400, "extension_not_supported",
                                   std::string(absent) + " is of an extension that is not offered");
        }
    }
    auto length = number_field(r.headers, "Upload-Length");
    if (!length) {
        co_return net::problem(r, length.error());
    }
    const auto metadata = r.headers.get("Upload-Metadata").value_or("");
    if (auto pairs = parse_metadata(metadata); !pairs) {
        co_return net::problem(r, pairs.error());
    }
    const bool with_upload = carries_bytes(r);
    if (!with_upload && r.body->length().value_or(0) > 0) {
        co_return net::problem(r, 415, "bad_content_type",
                               "a body must be application/offset+octet-stream");
    }
    request_source body(*r.body);
    auto made = co_await service_.create(by.who, {*length, std::string(metadata)},
                                         with_upload ? &body : nullptr);
    if (!made) {
        co_return to_response(r, made.error());
    }
    auto a = net::response::empty(201);
    a.headers.set("Location", location_of(r, made->info.id, by.grant));
    describe(a, *made);
    co_return a;
}

task<net::response> tus_handlers::head(net::request& r, authorized by) {
    if (!is_upload_id(r.param("upload_id"))) {
        co_return to_response(r, {errc::not_found, "no_such_upload", {}});
    }
    auto view = co_await service_.head(by.who, upload_id{std::string(r.param("upload_id"))});
    if (!view) {
        co_return to_response(r, view.error());
    }
    auto a = net::response::empty(200);
    describe(a, *view);
    a.headers.set("Upload-Length", std::to_string(view->info.length));
    if (!view->info.metadata.empty()) {
        a.headers.set("Upload-Metadata", view->info.metadata);  // as it was checked at creation
    }
    co_return a;
}

task<net::response> tus_handlers::patch(net::request& r, authorized by) {
    if (!is_upload_id(r.param("upload_id"))) {
        co_return to_response(r, {errc::not_found, "no_such_upload", {}});
    }
    if (!carries_bytes(r)) {
        co_return net::problem(r, 415, "bad_content_type",
                               "Content-Type must be application/offset+octet-stream");
    }
    if (r.headers.get("Upload-Checksum")) {
        co_return net::problem(r, 400, "extension_not_supported",
                               "Upload-Checksum is of an extension that is not offered");
    }
    auto offset = number_field(r.headers, "Upload-Offset");
    if (!offset) {
        co_return net::problem(r, offset.error());
    }
    request_source body(*r.body);
    auto view = co_await service_.append(by.who, upload_id{std::string(r.param("upload_id"))},
                                         *offset, body);
    if (!view) {
        co_return to_response(r, view.error());
    }
    auto a = net::response::empty(204);
    describe(a, *view);
    co_return a;
}

task<net::response> tus_handlers::terminate(net::request& r, authorized by) {
    if (!is_upload_id(r.param("upload_id"))) {
        co_return to_response(r, {errc::not_found, "no_such_upload", {}});
    }
    auto done = co_await service_.terminate(by.who, upload_id{std::string(r.param("upload_id"))});
    if (!done) {
        co_return to_response(r, done.error());
    }
    co_return net::response::empty(204);
}

task<net::response> tus_handlers::refuse_read(net::request& r, authorized) {
    auto a = net::problem(r, 405, "method_not_allowed", "an upload cannot be read back");
    a.headers.set("Allow", "OPTIONS, HEAD, PATCH, DELETE");
    co_return a;
}

std::string tus_handlers::location_of(const net::request& r, const upload_id& id,
                                      const std::string& grant) const {
    auto url = public_url_.empty() ? r.scheme + "://" + r.host : public_url_;
    url += "/files/" + id.value;
    if (!grant.empty()) {
        url += "?grant=" + percent_encode(grant);
    }
    return url;
}

}  // namespace vora::upload
