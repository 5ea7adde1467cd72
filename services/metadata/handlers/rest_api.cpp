#include "services/metadata/handlers/rest_api.hpp"

#include "libs/base/crypto.hpp"
#include "libs/net/problem.hpp"
#include "services/metadata/handlers/input.hpp"
#include "services/metadata/handlers/playback_offer.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

// Progress of a page: asked as long as it stays quick.
constexpr milliseconds page_progress_max{300};

caller caller_of(const auth::principal& p) {
    return {p.subject, p.allows(auth::scope::admin)};
}

net::response refused(const net::request& r, const bad_input& e) {
    return net::problem(r, 400, e.code, e.detail, e.errors);
}

std::string without_slash(std::string url) {
    while (url.ends_with('/')) {
        url.pop_back();
    }
    return url;
}

net::response json_answer(int status, std::string body) {
    auto answer = net::response::json(status, std::move(body));
    answer.headers.set("Cache-Control", "no-store");  // it may carry grants
    return answer;
}

// The id of the path; what is none names no video. Empty when the path has no id.
result<video_id> id_of(const net::request& r) {
    const auto found = std::ranges::find(r.params, "id", [](const auto& p) { return p.first; });
    if (found == r.params.end()) {
        return video_id{};
    }
    if (!is_uuid(found->second)) {
        return fail(errc::not_found, "video_not_found", "there is no such video");
    }
    return video_id{found->second};
}

bool has_body(const net::request& r) {
    return r.method == "POST" || r.method == "PATCH";
}

// Two of them are as bad as an empty one.
std::optional<std::string> idempotency_key_of(const net::request& r) {
    const auto key = r.headers.get("Idempotency-Key");
    if (!key) {
        return std::nullopt;
    }
    return r.headers.count("Idempotency-Key") == 1 ? std::string(*key) : std::string();
}

std::optional<std::vector<std::int64_t>> wanted_versions(const net::request& r) {
    const auto header = r.headers.get("If-Match");
    return header ? parse_if_match(*header) : std::nullopt;
}

std::string tag_of(const video& v) {
    return "\"" + std::to_string(v.version) + "\"";
}

}  // namespace

net::response problem_of(const net::request& r, const error& e) {
    if (e.reason == "version_mismatch") {
        return net::problem(r, 412, e.reason, e.detail);
    }
    if (e.reason == "idempotency_key_reused") {
        return net::problem(r, 422, e.reason, e.detail);
    }
    if (e.reason == "request_in_flight") {
        auto answer = net::problem(r, 409, e.reason, e.detail);
        answer.headers.set("Retry-After", "1");
        return answer;
    }
    if (e.code == errc::unavailable || e.code == errc::deadline_exceeded) {
        auto answer = net::problem(r, 503, e.reason, "not possible right now; try again shortly");
        answer.headers.set("Retry-After", "1");
        answer.log_detail = e.detail;
        return answer;
    }
    return net::problem(r, e);
}

rest_api::rest_api(videos& all, commands& changes, progress_reader& progress, authenticator& who,
                   const auth::grant_keys& keys, const clock_source& clock, public_urls urls,
                   obs::logger log, obs::metrics& metrics)
    : videos_(all),
      changes_(changes),
      progress_(progress),
      who_(who),
      keys_(keys),
      clock_(clock),
      urls_{without_slash(std::move(urls.upload)), without_slash(std::move(urls.play)),
            without_slash(std::move(urls.api))},
      log_(std::move(log)),
      created_(metrics.counter("vora_metadata_videos_created_total", "videos created")),
      deleted_(metrics.counter("vora_metadata_videos_deleted_total", "deletions asked for")),
      cancelled_(metrics.counter("vora_metadata_videos_cancelled_total", "videos cancelled")),
      replayed_(metrics.counter("vora_metadata_idempotent_replays_total",
                                "answers given again under the same idempotency key")) {}

net::router rest_api::routes() {
    net::route_options body;
    body.body_bytes_max = body_bytes_max;
    net::router router;
    router.add("POST", "/v1/videos", [this](net::request& r) { return create(r); }, body);
    router.add("GET", "/v1/videos", [this](net::request& r) { return list(r); }, body);
    router.add("GET", "/v1/videos/{id}", [this](net::request& r) { return get(r); }, body);
    router.add("PATCH", "/v1/videos/{id}", [this](net::request& r) { return update(r); }, body);
    router.add("DELETE", "/v1/videos/{id}", [this](net::request& r) { return remove(r); }, body);
    router.add(
        "POST", "/v1/videos/{id}/complete", [this](net::request& r) { return complete(r); }, body);
    router.add(
        "POST", "/v1/videos/{id}/cancel", [this](net::request& r) { return cancel(r); }, body);
    router.add(
        "POST", "/v1/videos/{id}/playback", [this](net::request& r) { return playback(r); }, body);
    return router;
}

url_bases rest_api::bases(const net::request& r) const {
    const auto origin = r.scheme + "://" + r.host;
    return {urls_.upload.empty() ? origin : urls_.upload, urls_.play.empty() ? origin : urls_.play,
            urls_.api.empty() ? origin : urls_.api};
}

task<net::response> rest_api::answer(net::request& r, int status, video v) {
    auto progress = co_await progress_.of(v.id, v.generation, v.state);
    auto out = json_answer(status, render_video(v, progress, bases(r), keys_));
    out.headers.set("ETag", tag_of(v));
    co_return out;
}

task<net::response> rest_api::answer(net::request& r, int status, change_answer done) {
    if (!r.headers.get("Idempotency-Key")) {
        auto fresh = co_await answer(r, status, std::move(done.video));
        co_return fresh;
    }
    // The same text however often it is asked for: progress as it is when processing begins.
    const auto& v = done.video;
    const auto progress = v.state == video_state::processing
                              ? std::optional(ingest_progress{"queued", 0, std::nullopt})
                              : std::nullopt;
    auto out = json_answer(status, render_video(v, progress, bases(r), keys_));
    out.headers.set("ETag", tag_of(v));
    if (done.replayed) {
        out.headers.set("Idempotency-Replayed", "true");
        replayed_.add();
    }
    co_return out;
}

task<std::expected<rest_api::admitted, net::response>> rest_api::admit(net::request& r,
                                                                       auth::scope needed) {
    auto who = co_await who_.authenticate(r, needed);
    if (!who) {
        co_return std::unexpected(std::move(who.error()));
    }
    auto id = id_of(r);
    if (!id) {
        co_return std::unexpected(problem_of(r, id.error()));
    }
    admitted in{caller_of(*who), std::move(*id), {}};
    if (has_body(r)) {
        auto body = co_await net::read_all(*r.body, body_bytes_max);
        if (!body) {
            co_return std::unexpected(net::problem(r, body.error()));
        }
        in.body = std::move(*body);
    }
    co_return in;
}

task<net::response> rest_api::refuse_words(net::request& r, admitted in, const bad_input& why) {
    auto seen = co_await videos_.get(std::move(in.who), std::move(in.id));
    co_return seen ? refused(r, why) : problem_of(r, seen.error());
}

task<net::response> rest_api::create(net::request& r) {
    auto in = co_await admit(r, auth::scope::edit);
    if (!in) {
        co_return std::move(in.error());
    }
    auto input = parse_create(in->body);
    if (!input) {
        co_return refused(r, input.error());
    }
    input->owner = in->who.subject;
    auto made = co_await changes_.create(std::move(*input), idempotency_key_of(r));
    if (!made) {
        co_return problem_of(r, made.error());
    }
    const auto id = made->video.id.value;
    if (!made->replayed) {
        created_.add();
        log_.info("video_created", {{"video", id}, {"request_id", r.request_id}});
    }
    auto out = co_await answer(r, 201, std::move(*made));
    out.headers.set("Location", "/v1/videos/" + id);
    co_return out;
}

task<net::response> rest_api::list(net::request& r) {
    auto in = co_await admit(r, auth::scope::view);
    if (!in) {
        co_return std::move(in.error());
    }
    auto filter = parse_filter(r);
    if (!filter) {
        co_return refused(r, filter.error());
    }
    auto page = co_await videos_.list(std::move(in->who), std::move(*filter));
    if (!page) {
        co_return problem_of(r, page.error());
    }
    const auto base = bases(r);
    const auto began = std::chrono::steady_clock::now();
    std::vector<std::string> rendered;
    for (const auto& v : page->videos) {
        std::optional<ingest_progress> progress;
        if (std::chrono::steady_clock::now() - began < page_progress_max) {
            progress = co_await progress_.of(v.id, v.generation, v.state);
        }
        rendered.push_back(render_video(v, progress, base, keys_));
    }
    co_return json_answer(200, render_page(rendered, page->next_page_token));
}

task<net::response> rest_api::get(net::request& r) {
    auto in = co_await admit(r, auth::scope::view);
    if (!in) {
        co_return std::move(in.error());
    }
    auto found = co_await videos_.get(std::move(in->who), std::move(in->id));
    if (!found) {
        co_return problem_of(r, found.error());
    }
    // While processing the progress changes and the version does not.
    const auto known = r.headers.get("If-None-Match");
    if (known && found->state != video_state::processing && names_version(*known, found->version)) {
        auto same = net::response::empty(304);
        same.headers.set("ETag", tag_of(*found));
        same.headers.set("Cache-Control", "no-store");
        co_return same;
    }
    auto out = co_await answer(r, 200, std::move(*found));
    co_return out;
}

task<net::response> rest_api::update(net::request& r) {
    auto in = co_await admit(r, auth::scope::edit);
    if (!in) {
        co_return std::move(in.error());
    }
    auto patch = parse_patch(in->body);
    if (!patch) {
        auto out = co_await refuse_words(r, std::move(*in), patch.error());
        co_return out;
    }
    auto changed = co_await videos_.update(std::move(in->who), std::move(in->id), std::move(*patch),
                                           wanted_versions(r));
    if (!changed) {
        co_return problem_of(r, changed.error());
    }
    auto out = co_await answer(r, 200, std::move(*changed));
    co_return out;
}

task<net::response> rest_api::remove(net::request& r) {
    auto in = co_await admit(r, auth::scope::edit);
    if (!in) {
        co_return std::move(in.error());
    }
    const auto id = in->id.value;
    auto removed =
        co_await videos_.remove(std::move(in->who), std::move(in->id), wanted_versions(r));
    if (!removed) {
        co_return problem_of(r, removed.error());
    }
    deleted_.add();
    log_.info("video_deleting", {{"video", id}, {"request_id", r.request_id}});
    co_return net::response::empty(202);
}

task<net::response> rest_api::complete(net::request& r) {
    auto in = co_await admit(r, auth::scope::edit);
    if (!in) {
        co_return std::move(in.error());
    }
    auto upload = parse_complete(in->body);
    if (!upload) {
        auto out = co_await refuse_words(r, std::move(*in), upload.error());
        co_return out;
    }
    auto done = co_await changes_.complete(std::move(in->who), std::move(in->id),
                                           std::move(*upload), idempotency_key_of(r));
    if (!done) {
        co_return problem_of(r, done.error());
    }
    auto out = co_await answer(r, 202, std::move(*done));
    co_return out;
}

task<net::response> rest_api::cancel(net::request& r) {
    auto in = co_await admit(r, auth::scope::edit);
    if (!in) {
        co_return std::move(in.error());
    }
    if (auto wrong = check_empty(in->body)) {
        auto out = co_await refuse_words(r, std::move(*in), *wrong);
        co_return out;
    }
    auto done =
        co_await changes_.cancel(std::move(in->who), std::move(in->id), idempotency_key_of(r));
    if (!done) {
        co_return problem_of(r, done.error());
    }
    if (!done->replayed) {
        cancelled_.add();
        log_.info("video_cancelled",
                  {{"video", done->video.id.value}, {"request_id", r.request_id}});
    }
    auto out = co_await answer(r, 202, std::move(*done));
    co_return out;
}

task<net::response> rest_api::playback(net::request& r) {
    auto in = co_await admit(r, auth::scope::view);
    if (!in) {
        co_return std::move(in.error());
    }
    auto found = co_await videos_.get(std::move(in->who), std::move(in->id));
    if (!found) {
        co_return problem_of(r, found.error());
    }
    auto terms = parse_playback(in->body);
    if (!terms) {
        co_return refused(r, terms.error());
    }
    const auto offer = offer_playback(*found, *terms, bases(r), keys_, clock_.now());
    if (!offer) {
        co_return net::problem(r, 409, offer.error().reason, offer.error().detail);
    }
    co_return json_answer(201, render_playback(*offer));
}

}  // namespace vora::metadata
