#include "libs/blob/s3/s3_bucket.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "libs/blob/s3/s3_xml.hpp"
#include "libs/net/tls.hpp"

#include <algorithm>
#include <cstring>

namespace vora::blob {

namespace {

using std::chrono::steady_clock;

constexpr double repeat_budget_max = 100;
constexpr double repeat_cost = 1;
constexpr double success_gain = 0.1;

std::uint64_t object_bytes(const s3_call& c) {
    return c.source ? c.source_bytes : c.memory.size();
}

// What this call may take beyond a small one.
milliseconds sending_time(const s3_call& c) {
    return milliseconds(object_bytes(c) * 1000 >> 20) + c.extra_time;
}

bool is_bucket_name(std::string_view name) {
    return name.size() >= 3 && name.size() <= 63 && std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
           });
}

// Peers must not repeat in step.
milliseconds random_below(milliseconds limit) {
    std::uint64_t x = 0;
    const auto bytes = random_bytes(sizeof x);
    std::memcpy(&x, bytes.data(), sizeof x);
    return milliseconds(x % static_cast<std::uint64_t>(std::max<std::int64_t>(limit.count(), 1)));
}

struct slot {
    explicit slot(std::shared_ptr<std::size_t> n) : count(std::move(n)) { ++*count; }
    ~slot() { --*count; }
    slot(const slot&) = delete;
    std::shared_ptr<std::size_t> count;
};

}  // namespace

result<void> check_key(std::string_view key) {
    if (!is_valid_key(key)) {
        return fail(errc::invalid_argument, "bad_key");
    }
    return {};
}

result<std::shared_ptr<s3_bucket>> s3_bucket::make(executor ex, const clock_source& clock,
                                                   s3_options o) {
    const auto bad = [](const char* what) {
        return fail(errc::invalid_argument, "bad_s3_options", what);
    };
    if (o.endpoint.ends_with('/')) {
        o.endpoint.pop_back();
    }
    const bool secure = o.endpoint.starts_with("https://");
    if (!secure && !o.endpoint.starts_with("http://")) {
        return bad("the endpoint is not http://HOST[:PORT] or https://HOST[:PORT]");
    }
    const auto host = std::string_view(o.endpoint).substr(secure ? 8 : 7);
    if (host.empty() || host.find_first_of("/?#@ ") != host.npos) {
        return bad("the endpoint has a path, an argument or a user");
    }
    if (!is_bucket_name(o.bucket)) {
        return bad("not a bucket name");
    }
    if (o.access_key.empty() || o.secret_key.empty() || o.region.empty()) {
        return bad("access key, secret key or region is missing");
    }
    if (o.calls_max == 0 || o.attempts_max < 1) {
        return bad("a limit is zero");
    }
    std::shared_ptr<net::transport_security> security;
    if (secure) {
        auto made = net::make_tls(o.ca_file);
        if (!made) {
            return fail(made.error());
        }
        security = std::move(*made);
    }
    return std::shared_ptr<s3_bucket>(
        new s3_bucket(std::move(ex), clock, std::move(o), std::move(security)));
}

s3_bucket::s3_bucket(executor ex, const clock_source& clock, s3_options options,
                     std::shared_ptr<net::transport_security> security)
    : options_(std::move(options)),
      clock_(clock),
      client_(std::move(ex), options_.calls_max, std::move(security)),
      signer_(options_.access_key, options_.secret_key, options_.region, "s3"),
      gate_(options_.calls_max),
      counts_(options_.metrics),
      repeat_budget_(repeat_budget_max) {
    const auto scheme = options_.endpoint.find("://") + 3;
    host_ = options_.endpoint.substr(scheme);
    if (options_.path_style) {
        base_path_ = '/' + options_.bucket;
    } else {
        host_ = options_.bucket + '.' + host_;
    }
    base_url_ = options_.endpoint.substr(0, scheme) + host_;
}

std::shared_ptr<void> s3_bucket::take_stream_slot() {
    return *streams_ < options_.streams_max ? std::make_shared<slot>(streams_) : nullptr;
}

net::client_request s3_bucket::request_for(const s3_call& c) {
    const auto now = clock_.now();
    const bool has_small_body = !c.source && c.memory.data() == nullptr;
    sigv4_request s{c.method, base_path_ + (c.key.empty() ? "" : '/' + c.key), c.query, c.headers,
                    has_small_body ? sha256_hex(c.body) : std::string(unsigned_payload)};
    if (s.path.empty()) {
        s.path = "/";
    }
    s.headers.emplace_back("host", host_);
    s.headers.emplace_back("x-amz-date", to_amz_date(now));
    s.headers.emplace_back("x-amz-content-sha256", s.payload_hash);

    net::client_request r;
    r.method = c.method;
    r.url = base_url_ + s.path;
    if (!s.query.empty()) {
        r.url += '?' + canonical_query(s.query);
    }
    for (const auto& [name, value] : s.headers) {
        r.headers.add(name, value);
    }
    r.headers.add("authorization", signer_.authorization(s, now));
    if (has_small_body) {
        r.body = c.body;
    }
    r.memory = c.memory;
    r.stall = options_.stall;
    // Repeated in repeat() alone, which remembers that the first may have taken effect.
    r.repeats_on_dead_connection = false;
    return r;
}

task<result<s3_answer>> s3_bucket::try_once(const s3_call& c, bool streams, milliseconds deadline) {
    auto r = request_for(c);
    r.deadline = deadline;
    std::unique_ptr<net::body_source> source;
    if (c.source) {
        source = c.source();
        r.stream = source.get();
        r.stream_length = c.source_bytes;
    }
    const auto began = steady_clock::now();
    auto head = co_await client_.open(std::move(r));
    counts_.attempted(op_of(c), head ? std::optional((*head)->status()) : std::nullopt,
                      steady_clock::now() - began);
    if (!head) {
        // Of a transport, except what the source says.
        const auto& e = head.error();
        if (e.code == errc::unavailable || e.code == errc::resource_exhausted) {
            co_return fail(errc::unavailable, "storage_unavailable", e.reason + ": " + e.detail);
        }
        co_return fail(e);
    }
    s3_answer answer{(*head)->status(), std::move(*head), {}, false};
    if (streams && answer.status / 100 == 2) {
        co_return answer;
    }
    const auto left = std::chrono::ceil<milliseconds>(began + deadline - steady_clock::now());
    auto body = co_await with_deadline(net::read_all(*answer.head, s3_xml_bytes_max),
                                       std::max(left, milliseconds(1)));
    if (!body) {
        co_return fail(body.error().code == errc::deadline_exceeded ? errc::deadline_exceeded
                                                                    : errc::unavailable,
                       body.error().code == errc::deadline_exceeded ? "deadline_exceeded"
                                                                    : "storage_unavailable",
                       "the answer's body: " + body.error().reason);
    }
    answer.body = std::move(*body);
    co_return answer;
}

milliseconds s3_bucket::backoff_before(int attempt) const {
    const auto most =
        std::min(options_.backoff * (1 << std::min(attempt - 1, 10)), options_.backoff_max);
    return most / 2 + random_below(most / 2);
}

task<result<s3_answer>> s3_bucket::repeat(const s3_call& c, bool streams,
                                          steady_clock::time_point until) {
    bool uncertain = false;
    for (int attempt = 1;; ++attempt) {
        const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
        auto r = co_await try_once(c, streams,
                                   std::min(left, options_.attempt_deadline + sending_time(c)));
        std::optional<error> e;
        if (!r) {
            e = r.error();
        } else if (r->status / 100 != 2) {
            e = s3_error(r->status, s3_error_code(r->body));
        }
        if (!e || !is_passing(*e)) {
            if (r) {
                r->uncertain = uncertain;
                repeat_budget_ = std::min(repeat_budget_ + success_gain, repeat_budget_max);
            }
            co_return r;
        }
        uncertain = uncertain || !e->detail.starts_with("connect_failed");
        const auto pause = backoff_before(attempt);
        if (attempt >= options_.attempts_max || repeat_budget_ < repeat_cost ||
            steady_clock::now() + pause >= until) {
            co_return fail(*e);
        }
        repeat_budget_ -= repeat_cost;
        counts_.repeated(op_of(c));
        co_await sleep_for(pause);
    }
}

task<result<s3_answer>> s3_bucket::call(s3_call c, bool streams) {
    const auto limit = options_.call_deadline + sending_time(c);
    const auto until = steady_clock::now() + limit;
    auto place = co_await gate_.enter(limit);
    if (!place) {
        co_return fail(place.error());
    }
    auto r = co_await repeat(c, streams, until);
    note(r);
    if (r && r->status / 100 == 2) {
        counts_.sent(object_bytes(c));
    }
    co_return r;
}

task<result<s3_answer>> s3_bucket::done(s3_call c, bool streams) {
    auto r = co_await call(std::move(c), streams);
    if (r && r->status / 100 != 2) {
        co_return fail(s3_error(r->status, s3_error_code(r->body)));
    }
    co_return r;
}

// Readiness tells what no repetition mends.
void s3_bucket::note(const result<s3_answer>& r) {
    if (!r) {
        return;
    }
    const auto e = s3_error(r->status, s3_error_code(r->body));
    if (r->status / 100 == 2) {
        trouble_.clear();
    } else if (e.code == errc::internal) {
        trouble_ = e.reason;
    }
}

task<result<object_info>> s3_bucket::head(std::string key) {
    if (auto ok = check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await done({.method = "HEAD", .key = key});
    if (!r) {
        co_return fail(r.error());
    }
    const auto size = parse_uint(r->header("Content-Length"));
    auto info = size ? info_of(*r, key, *size) : std::nullopt;
    if (!info) {
        co_return fail(errc::unavailable, "storage_bad_answer", "HEAD without size, etag or time");
    }
    co_return std::move(*info);
}

std::optional<object_info> info_of(const s3_answer& a, std::string key, std::uint64_t size_bytes) {
    const auto etag = a.header("ETag");
    const auto modified = from_http_date(a.header("Last-Modified"));
    if (etag.size() < 3 || !etag.starts_with('"') || !etag.ends_with('"') || !modified) {
        return std::nullopt;
    }
    return object_info{std::move(key), size_bytes, std::string(etag), *modified};
}

bool is_passing(const error& e) {
    return e.code == errc::unavailable || e.code == errc::deadline_exceeded;
}

error s3_error(int status, std::string_view code) {
    const std::string detail = "the store answered " + std::to_string(status) + ' ' +
                               (code.empty() ? "without a code" : std::string(code));
    if (code == "RequestTimeTooSkewed") {
        return {errc::internal, "storage_clock_skewed", detail};
    }
    if (code == "NoSuchBucket") {
        return {errc::internal, "storage_no_such_bucket", detail};
    }
    switch (status) {
        case 401:
        case 403:
            return {errc::internal, "storage_forbidden", detail};
        case 404:
            return code == "NoSuchUpload" ? error{errc::not_found, "no_such_multipart", detail}
                                          : error{errc::not_found, "no_such_object", detail};
        case 409:
            // Another conditional write of this key is under way.
            if (code == "ConditionalRequestConflict" || code == "OperationAborted") {
                return {errc::unavailable, "storage_unavailable", detail};
            }
            [[fallthrough]];
        case 412:
            return {errc::already_exists, "object_exists", detail};
        case 416:
            return {errc::out_of_range, "range_not_satisfiable", detail};
        case 429:
            return {errc::unavailable, "storage_unavailable", detail};
        case 507:
            return {errc::resource_exhausted, "store_full", detail};
        default:
            break;
    }
    if (code == "InvalidPart" || code == "InvalidPartOrder" || code == "EntityTooSmall") {
        return {errc::failed_precondition, "part_mismatch", detail};
    }
    // The bytes were damaged on the way to it.
    if (code == "BadDigest" || code == "XAmzContentChecksumMismatch") {
        return {errc::unavailable, "storage_unavailable", detail};
    }
    // A store in trouble blames the client: MinIO answers so when its disk is full.
    if (code == "IncompleteBody" || code == "RequestTimeout" || code == "SlowDown" ||
        (status >= 500 && status != 501)) {
        return {errc::unavailable, "storage_unavailable", detail};
    }
    return {errc::internal, "storage_refused", detail};
}

}  // namespace vora::blob
