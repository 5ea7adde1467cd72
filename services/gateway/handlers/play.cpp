#include "services/gateway/handlers/play.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/problem.hpp"
#include "services/gateway/handlers/cache_headers.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace vora::gateway {

namespace {

constexpr auto methods = "GET, HEAD, OPTIONS";

// On every answer. A page of any origin may play, and may read why it cannot.
void open_to_all_origins(net::response& answer) {
    answer.headers.set("Access-Control-Allow-Origin", "*");
    answer.headers.set("Access-Control-Expose-Headers",
                       "Accept-Ranges, Cache-Control, Content-Length, Content-Range, ETag, "
                       "Retry-After, X-Request-Id");
    answer.headers.set("Cross-Origin-Resource-Policy", "cross-origin");
    answer.headers.set("Timing-Allow-Origin", "*");
    answer.headers.set("X-Content-Type-Options", "nosniff");
}

net::response refusal(const net::request& r, int status, const std::string& code,
                      const std::string& detail) {
    auto answer = net::problem(r, status, code, detail);
    if (status == 404) {
        // Without a lifetime a shared cache would keep it for as long as it likes.
        answer.headers.set("Cache-Control", "max-age=0, s-maxage=2");
    }
    if (status >= 500) {
        answer.headers.set("Retry-After", "1");
    }
    return answer;
}

net::response unknown(const net::request& r) {
    return refusal(r, 404, "not_found", "there is nothing under this path");
}

net::response overloaded(const net::request& r) {
    return refusal(r, 503, "overloaded", "too many requests are being served");
}

task<net::response> answer_preflight(net::request&) {
    auto answer = net::response::empty(204);
    open_to_all_origins(answer);
    answer.headers.set("Allow", methods);
    answer.headers.set("Access-Control-Allow-Methods", methods);
    answer.headers.set("Access-Control-Allow-Headers",
                       "Range, If-Match, If-None-Match, If-Range, CMCD-Object, CMCD-Request, "
                       "CMCD-Session, CMCD-Status");
    answer.headers.set("Access-Control-Max-Age", "86400");
    co_return answer;
}

task<net::response> refuse_method(net::request& r) {
    auto answer = refusal(r, 405, "method_not_allowed", "this path does not take this method");
    answer.headers.set("Allow", methods);
    open_to_all_origins(answer);
    co_return answer;
}

task<net::response> answer_unknown(net::request& r) {
    auto answer = unknown(r);
    open_to_all_origins(answer);
    co_return answer;
}

// The request gate refuses any of these that stands twice.
conditions conditions_of(const net::request& r) {
    const auto value = [&](std::string_view name) {
        return std::string(r.headers.get(name).value_or(""));
    };
    conditions c{value("If-Match"), value("If-None-Match"), value("If-Range"), {}};
    if (r.method == "GET") {  // a range means nothing to other methods
        c.range = value("Range");
    }
    return c;
}

std::string content_range(const blob::byte_range& range, std::uint64_t size_bytes) {
    return "bytes " + std::to_string(range.offset) + "-" +
           std::to_string(range.offset + range.length - 1) + "/" + std::to_string(size_bytes);
}

// Content-Length of a HEAD answer; never read.
class no_bytes final : public net::body_source {
 public:
    task<result<std::size_t>> read(std::span<char>) override { co_return std::size_t{0}; }
};

}  // namespace

struct play_handler::permission {
    viewer who;
    std::optional<seconds> left;  // of the grant
};

struct play_handler::target {
    permission allowed;
    std::string video_id;
    media_path path;
};

struct play_handler::meters {
    explicit meters(obs::metrics& m)
        : sent_bytes(m.counter("vora_gateway_sent_bytes_total", "media bytes handed to clients")),
          stale(m.counter("vora_gateway_stale_answers_total",
                          "requests decided on what metadata said before it went away")),
          refused_grants(m.counter("vora_gateway_refused_grants_total", "bad or expired grants")),
          missing(m.counter("vora_gateway_missing_objects_total",
                            "objects a ready video should have and the store does not")),
          cut(m.counter("vora_gateway_cut_answers_total",
                        "answers cut because the store failed after the first byte")),
          open(m.gauge("vora_gateway_open_answers", "requests being served")) {
        const std::vector<double> buckets{.001, .0025, .005, .01, .025, .05,
                                          .1,   .25,   .5,   1,   2.5,  5};
        for (const auto kind : {object_kind::master, object_kind::playlist, object_kind::segment,
                                object_kind::thumbnail}) {
            const obs::labels l{{"object", std::string(to_string(kind))}};
            const auto at = static_cast<std::size_t>(kind);
            first_byte[at] = &m.histogram("vora_gateway_first_byte_seconds",
                                          "from the request to the first byte in hand", buckets, l);
            for (std::size_t c = 0; c < answers[at].size(); ++c) {
                auto with_status = l;
                with_status["status"] = std::to_string(c + 1) + "xx";
                answers[at][c] = &m.counter("vora_gateway_answers_total", "answers", with_status);
            }
        }
    }
    obs::counter& sent_bytes;
    obs::counter& stale;
    obs::counter& refused_grants;
    obs::counter& missing;
    obs::counter& cut;
    obs::gauge& open;
    std::array<obs::histogram*, 4> first_byte{};
    std::array<std::array<obs::counter*, 5>, 4> answers{};
};

// One request's place among those served at once, held until its last byte is sent.
class play_handler::slot {
 public:
    explicit slot(play_handler& owner) : owner_(&owner) {
        ++owner.answers_;
        owner.meters_->open.add(1);
    }
    slot(slot&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    slot& operator=(slot&&) = delete;
    ~slot() {
        if (owner_ != nullptr) {
            --owner_->answers_;
            owner_->meters_->open.add(-1);
        }
    }

 private:
    play_handler* owner_;
};

class play_handler::object_source final : public net::body_source {
 public:
    object_source(play_handler& owner, opened_object object, std::uint64_t length, slot s)
        : owner_(owner), object_(std::move(object)), left_(length), slot_(std::move(s)) {}

    task<result<std::size_t>> read(std::span<char> into) override {
        into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_)));
        if (into.empty()) {
            co_return std::size_t{0};
        }
        if (at_ < object_.first.size()) {
            const std::size_t n = std::min(into.size(), object_.first.size() - at_);
            std::memcpy(into.data(), object_.first.data() + at_, n);
            at_ += n;
            co_return count(n);
        }
        std::string().swap(object_.first);
        at_ = 0;
        auto n = co_await owner_.store_.read(*object_.stream, into);
        if (!n || *n == 0) {
            owner_.meters_->cut.add();
            co_return fail(n ? error{errc::data_loss, "object_too_short", {}} : n.error());
        }
        co_return count(*n);
    }

 private:
    std::size_t count(std::size_t n) {
        left_ -= n;
        owner_.meters_->sent_bytes.add(static_cast<double>(n));
        return n;
    }

    play_handler& owner_;
    opened_object object_;
    std::size_t at_ = 0;
    std::uint64_t left_;
    slot slot_;
};

play_handler::play_handler(delivery& delivery, store_gate& store, auth::grant_keys keys,
                           const clock_source& clock, obs::logger log, obs::metrics& metrics,
                           std::size_t answers_max)
    : delivery_(delivery),
      store_(store),
      keys_(std::move(keys)),
      clock_(clock),
      log_(std::move(log)),
      meters_(std::make_unique<meters>(metrics)),
      answers_max_(answers_max) {}

play_handler::~play_handler() = default;

net::router play_handler::routes() {
    const std::string media = "/play/{grant}/{video_id}/{path...}";
    const std::string rest = "/play/{path...}";
    net::router routes;
    routes.add("GET", media, [this](net::request& r) { return get(r); });
    routes.add("GET", rest, answer_unknown);
    for (const auto& pattern : {media, rest}) {
        routes.add("OPTIONS", pattern, answer_preflight);
        for (const auto* method : {"POST", "PUT", "PATCH", "DELETE"}) {
            routes.add(method, pattern, refuse_method);
        }
    }
    return routes;
}

result<play_handler::permission> play_handler::check_grant(std::string_view grant,
                                                           std::string_view video_id) const {
    if (grant == "public") {
        return permission{};
    }
    const auto now = clock_.now();
    const auto verified = auth::verify_playback_grant(keys_, grant, video_id, now);
    if (!verified) {
        return fail(verified.error());
    }
    return permission{{true, verified->max_height},
                      std::chrono::floor<seconds>(verified->expires - now)};
}

task<net::response> play_handler::get(net::request& r) {
    const auto began = std::chrono::steady_clock::now();
    const auto permitted = check_grant(r.param("grant"), r.param("video_id"));
    if (!permitted) {
        meters_->refused_grants.add();
        auto answer = refusal(r, 403, permitted.error().reason, permitted.error().detail);
        open_to_all_origins(answer);
        co_return answer;
    }
    const auto path = parse_media_path(r.param("path"));
    // One text per object: nothing under /play needs an escape, so a URL with one names nothing.
    if (!path || !is_uuid(r.param("video_id")) || r.raw_path.find('%') != std::string::npos) {
        auto answer = unknown(r);
        open_to_all_origins(answer);
        co_return answer;
    }
    target t{*permitted, std::string(r.param("video_id")), *path};
    auto answer = co_await serve(r, t);
    open_to_all_origins(answer);
    const auto kind = static_cast<std::size_t>(t.path.kind);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    meters_->first_byte[kind]->observe(took.count());
    meters_->answers[kind][static_cast<std::size_t>(answer.status / 100 - 1)]->add();
    co_return answer;
}

task<net::response> play_handler::serve(net::request& r, target& t) {
    if (answers_ >= answers_max_) {
        co_return overloaded(r);
    }
    slot s(*this);
    auto found = co_await delivery_.locate(t.allowed.who, t.video_id, t.path);
    if (!found) {
        const auto& e = found.error();
        switch (e.code) {
            case errc::not_found:
                co_return unknown(r);
            case errc::permission_denied:
                co_return refusal(r, 403, e.reason, e.detail);
            case errc::resource_exhausted:
                co_return overloaded(r);
            default:
                co_return refusal(r, 503, "metadata_unavailable",
                                  "whether this may be played cannot be told now");
        }
    }
    if (found->stale) {
        meters_->stale.add();
    }
    if (auto* master = std::get_if<master_text>(&found->what)) {
        co_return serve_master(r, t, std::move(master->text));
    }
    auto key = std::move(std::get<stored_object>(found->what).key);
    auto answer = co_await serve_object(r, t, std::move(key), std::move(s));
    co_return answer;
}

namespace {

// All that is said about an object, whatever the status.
net::response described(const net::request& r, const verdict& v, std::string_view etag,
                        object_kind kind, std::optional<seconds> left, std::uint64_t size_bytes) {
    if (v.status == 412) {
        return refusal(r, 412, "precondition_failed", "If-Match names another version");
    }
    if (v.status == 416) {
        auto answer =
            refusal(r, 416, "range_not_satisfiable", "the range begins beyond the last byte");
        answer.headers.set("Content-Range", "bytes */" + std::to_string(size_bytes));
        return answer;
    }
    auto answer = net::response::empty(v.status);
    answer.headers.set("Cache-Control", cache_control(kind, left));
    answer.headers.set("ETag", etag);
    answer.headers.set("Accept-Ranges", "bytes");
    if (v.status == 304) {
        return answer;
    }
    answer.headers.set("Content-Type", content_type(kind));
    if (v.status == 206) {
        answer.headers.set("Content-Range", content_range(v.range, size_bytes));
    }
    return answer;
}

bool has_content(const net::response& answer) {
    return answer.status == 200 || answer.status == 206;
}

}  // namespace

net::response play_handler::serve_master(const net::request& r, const target& t, std::string text) {
    const std::string etag = "\"" + sha256_hex(text).substr(0, 32) + "\"";
    const auto v = evaluate(conditions_of(r), etag, text.size());
    auto answer = described(r, v, etag, t.path.kind, t.allowed.left, text.size());
    if (has_content(answer)) {
        answer.body = v.status == 206 ? text.substr(v.range.offset, v.range.length) : text;
    }
    return answer;
}

net::response play_handler::store_failure(const net::request& r, const target& t,
                                          const std::string& key, const error& e) {
    log_.warn("object_not_served",
              {{"key", key}, {"reason", e.reason}, {"kind", to_string(t.path.kind)}});
    switch (e.code) {
        case errc::not_found:
            meters_->missing.add();
            return unknown(r);
        case errc::resource_exhausted:
            return overloaded(r);
        case errc::deadline_exceeded:
        case errc::unavailable:
            return refusal(r, 504, e.reason, e.detail);
        default:
            return refusal(r, 500, "object_damaged", "the stored object cannot be read");
    }
}

task<net::response> play_handler::serve_object(const net::request& r, const target& t,
                                               std::string key, slot s) {
    const auto c = conditions_of(r);
    verdict v;
    std::string etag;
    if (r.method == "HEAD" || c.any()) {
        auto info = co_await store_.head(key);
        if (!info) {
            co_return store_failure(r, t, key, info.error());
        }
        v = evaluate(c, info->etag, info->size_bytes);
        etag = info->etag;
        auto answer = described(r, v, etag, t.path.kind, t.allowed.left, info->size_bytes);
        if (r.method == "HEAD" && has_content(answer)) {
            answer.stream = std::make_unique<no_bytes>();
            answer.stream_length = info->size_bytes;
        }
        if (r.method == "HEAD" || !has_content(answer)) {
            co_return answer;
        }
    }
    const auto range = v.status == 206 ? std::optional(v.range) : std::nullopt;
    auto object = co_await store_.open(key, range);
    if (object && !etag.empty() && object->info.etag != etag) {
        // Objects never change; one that did between two looks is no basis for part of an answer.
        object = fail(errc::data_loss, "object_changed", "the object changed");
    }
    if (!object) {
        co_return store_failure(r, t, key, object.error());
    }
    const auto size_bytes = object->info.size_bytes;
    auto answer = described(r, v, object->info.etag, t.path.kind, t.allowed.left, size_bytes);
    answer.stream_length = range ? range->length : size_bytes;
    answer.stream = std::make_unique<object_source>(*this, std::move(*object), answer.stream_length,
                                                    std::move(s));
    co_return answer;
}

}  // namespace vora::gateway
