#include "services/gateway/handlers/play.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/browser.hpp"
#include "libs/net/held_body.hpp"
#include "services/gateway/handlers/answers.hpp"
#include "services/gateway/handlers/cache_headers.hpp"

#include <utility>

namespace vora::gateway {

namespace {

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
    std::shared_ptr<const playback_info> basis = nullptr;  // of the decision to serve it
};

// One request's place among those served at once, held until its last byte is sent.
class play_handler::slot {
 public:
    explicit slot(play_handler& owner) : owner_(&owner) {
        ++owner.answers_;
        owner.meters_.open.add(1);
    }
    slot(slot&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    slot& operator=(slot&&) = delete;
    ~slot() {
        if (owner_ != nullptr) {
            --owner_->answers_;
            owner_->meters_.open.add(-1);
        }
    }

 private:
    play_handler* owner_;
};

class play_handler::object_source final : public net::held_body {
 public:
    object_source(play_handler& owner, std::unique_ptr<object_reader> object, slot s)
        : owner_(owner), object_(std::move(object)), slot_(std::move(s)) {}

    task<result<std::size_t>> read(std::span<char> into) override {
        auto n = co_await object_->read(into);
        if (n) {
            owner_.meters_.sent_bytes.add(static_cast<double>(*n));
        } else {
            owner_.meters_.cut.add();
        }
        co_return n;
    }
    std::string_view held() const override { return object_->held(); }
    void sent(std::size_t bytes) override {
        object_->skip(bytes);
        owner_.meters_.sent_bytes.add(static_cast<double>(bytes));
    }

 private:
    play_handler& owner_;
    std::unique_ptr<object_reader> object_;
    slot slot_;
};

play_handler::play_handler(delivery& delivery, store_gate& store, object_cache& objects,
                           auth::grant_keys keys, const clock_source& clock, obs::logger log,
                           play_meters& meters, std::size_t answers_max)
    : delivery_(delivery),
      store_(store),
      objects_(objects),
      keys_(std::move(keys)),
      clock_(clock),
      log_(std::move(log)),
      meters_(meters),
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
    const auto now = clock_.now();
    const auto verified = auth::verify_playback_grant(keys_, grant, video_id, now);
    if (!verified) {
        return fail(verified.error());
    }
    return permission{{true, verified->max_height},
                      std::chrono::floor<seconds>(verified->expires - now)};
}

result<play_handler::permission> play_handler::check_cookie(const net::request& r,
                                                            std::string_view video_id) const {
    for (const auto name : {auth::playback_cookie_secure, auth::playback_cookie}) {
        const auto grant = net::cookie_value(r.headers, name);
        if (!grant.empty()) {
            return check_grant(grant, video_id);
        }
    }
    return fail(errc::unauthenticated, "cookie_missing",
                "this address plays with the cookie that goes with it");
}

result<play_handler::permission> play_handler::permit(const net::request& r) const {
    const auto grant = r.param("grant");
    const auto video_id = r.param("video_id");
    if (grant == "public") {
        return permission{};
    }
    return grant == "cookie" ? check_cookie(r, video_id) : check_grant(grant, video_id);
}

task<net::response> play_handler::get(net::request& r) {
    const auto began = std::chrono::steady_clock::now();
    const auto permitted = permit(r);
    if (!permitted) {
        meters_.refused_grants.add();
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
    if (advise_) {
        advise(answer, t);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    meters_.answered(t.path.kind, answer.status, took.count());
    co_return answer;
}

// Without advice the cache keeps nothing: errors, and what was decided before a change and is only
// now on its way. A purge for that change may have passed already.
void play_handler::advise(net::response& answer, const target& t) const {
    const bool found = answer.status == 200;
    if ((!found && answer.status != 404) ||
        (found && !delivery_.still_stands(t.video_id, t.basis))) {
        return;
    }
    answer.headers.set("Vora-Cache",
                       advice_for(t.path.kind, t.allowed.who.has_grant, found).text());
    answer.headers.set("xkey", "v:" + t.video_id + " vora");
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
        meters_.stale.add();
    }
    t.basis = found->basis;
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
            meters_.missing.add();
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

// By validators alone, from what is known or what the store says; then nothing has been opened.
task<result<blob::object_info>> play_handler::facts_of(std::string key) {
    if (auto known = objects_.known(key)) {
        co_return std::move(*known);
    }
    auto info = co_await store_.head(std::move(key));
    co_return info;
}

task<net::response> play_handler::serve_object(const net::request& r, const target& t,
                                               std::string key, slot s) {
    const auto c = conditions_of(r);
    const bool head_only = r.method == "HEAD";
    std::string etag;
    if (head_only || c.validates()) {
        auto info = co_await facts_of(key);
        if (!info) {
            co_return store_failure(r, t, key, info.error());
        }
        etag = info->etag;
        const auto v = evaluate(c, etag, info->size_bytes);
        auto answer = described(r, v, etag, t.path.kind, t.allowed.left, info->size_bytes);
        if (head_only && has_content(answer)) {
            answer.stream = std::make_unique<no_bytes>();
            answer.stream_length = info->size_bytes;
        }
        if (head_only || !has_content(answer)) {
            co_return answer;
        }
    }
    auto object = co_await objects_.open(key);
    if (object && !etag.empty() && (*object)->info().etag != etag) {
        // Objects never change; one that did between two looks is no basis for part of an answer.
        object = fail(errc::data_loss, "object_changed", "the object changed");
    }
    if (!object) {
        co_return store_failure(r, t, key, object.error());
    }
    auto answer = co_await serve_open(r, t, c, std::move(*object), std::move(s));
    co_return answer;
}

task<net::response> play_handler::serve_open(const net::request& r, const target& t,
                                             const conditions& c,
                                             std::unique_ptr<object_reader> object, slot s) {
    const auto& info = object->info();
    const auto v = evaluate(c, info.etag, info.size_bytes);
    auto answer = described(r, v, info.etag, t.path.kind, t.allowed.left, info.size_bytes);
    if (!has_content(answer)) {
        co_return answer;
    }
    const auto part = v.status == 206 ? v.range : blob::byte_range{0, info.size_bytes};
    auto begun = co_await object->begin(part);
    if (!begun) {
        co_return store_failure(r, t, info.key, begun.error());
    }
    answer.stream_length = part.length;
    answer.stream = std::make_unique<object_source>(*this, std::move(object), std::move(s));
    co_return answer;
}

}  // namespace vora::gateway
