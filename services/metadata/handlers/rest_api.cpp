#include "services/metadata/handlers/rest_api.hpp"

#include "libs/base/crypto.hpp"
#include "libs/net/problem.hpp"
#include "services/metadata/handlers/input.hpp"
#include "services/metadata/handlers/playback_offer.hpp"

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

// The id of the path; what is none names no video.
result<video_id> id_of(const net::request& r) {
    const auto text = r.param("id");
    if (!is_uuid(text)) {
        return fail(errc::not_found, "video_not_found", "there is no such video");
    }
    return video_id{std::string(text)};
}

}  // namespace

net::response problem_of(const net::request& r, const error& e) {
    if (e.reason == "version_mismatch") {
        return net::problem(r, 412, e.reason, e.detail);
    }
    if (e.code == errc::unavailable || e.code == errc::deadline_exceeded) {
        auto answer = net::problem(r, 503, e.reason, "not possible right now; try again shortly");
        answer.headers.set("Retry-After", "1");
        answer.log_detail = e.detail;
        return answer;
    }
    return net::problem(r, e);
}

rest_api::rest_api(videos& all, completion& uploads, progress_reader& progress, authenticator& who,
                   const auth::grant_keys& keys, const clock_source& clock, public_urls urls,
                   obs::logger log, obs::metrics& metrics)
    : videos_(all),
      completion_(uploads),
      progress_(progress),
      who_(who),
      keys_(keys),
      clock_(clock),
      urls_{without_slash(std::move(urls.upload)), without_slash(std::move(urls.play)),
            without_slash(std::move(urls.api))},
      log_(std::move(log)),
      created_(metrics.counter("vora_metadata_videos_created_total", "videos created")),
      deleted_(metrics.counter("vora_metadata_videos_deleted_total", "deletions asked for")) {}

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
    out.headers.set("ETag", "\"" + std::to_string(v.version) + "\"");
    co_return out;
}

task<net::response> rest_api::create(net::request& r) {
    auto who = who_.authenticate(r, auth::scope::edit);
    if (!who) {
        co_return std::move(who.error());
    }
    auto body = co_await net::read_all(*r.body, body_bytes_max);
    if (!body) {
        co_return net::problem(r, body.error());
    }
    auto input = parse_create(*body);
    if (!input) {
        co_return refused(r, input.error());
    }
    input->owner = who->subject;
    auto made = co_await videos_.create(std::move(*input));
    if (!made) {
        co_return problem_of(r, made.error());
    }
    created_.add();
    log_.info("video_created", {{"video", made->id.value}, {"request_id", r.request_id}});
    const auto location = "/v1/videos/" + made->id.value;
    auto out = co_await answer(r, 201, std::move(*made));
    out.headers.set("Location", location);
    co_return out;
}

task<net::response> rest_api::list(net::request& r) {
    auto who = who_.authenticate(r, auth::scope::view);
    if (!who) {
        co_return std::move(who.error());
    }
    auto filter = parse_filter(r);
    if (!filter) {
        co_return refused(r, filter.error());
    }
    auto page = co_await videos_.list(caller_of(*who), std::move(*filter));
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
    auto who = who_.authenticate(r, auth::scope::view);
    if (!who) {
        co_return std::move(who.error());
    }
    auto id = id_of(r);
    if (!id) {
        co_return problem_of(r, id.error());
    }
    auto found = co_await videos_.get(caller_of(*who), std::move(*id));
    if (!found) {
        co_return problem_of(r, found.error());
    }
    auto out = co_await answer(r, 200, std::move(*found));
    co_return out;
}

task<net::response> rest_api::update(net::request& r) {
    auto who = who_.authenticate(r, auth::scope::edit);
    if (!who) {
        co_return std::move(who.error());
    }
    auto id = id_of(r);
    if (!id) {
        co_return problem_of(r, id.error());
    }
    auto body = co_await net::read_all(*r.body, body_bytes_max);
    if (!body) {
        co_return net::problem(r, body.error());
    }
    auto patch = parse_patch(*body);
    if (!patch) {
        // Whether the video is the caller's comes before what is wrong with his words.
        auto seen = co_await videos_.get(caller_of(*who), std::move(*id));
        co_return seen ? refused(r, patch.error()) : problem_of(r, seen.error());
    }
    std::optional<std::vector<std::int64_t>> versions;
    if (const auto header = r.headers.get("If-Match")) {
        versions = parse_if_match(*header);
    }
    auto changed = co_await videos_.update(caller_of(*who), std::move(*id), std::move(*patch),
                                           std::move(versions));
    if (!changed) {
        co_return problem_of(r, changed.error());
    }
    auto out = co_await answer(r, 200, std::move(*changed));
    co_return out;
}

task<net::response> rest_api::remove(net::request& r) {
    auto who = who_.authenticate(r, auth::scope::edit);
    if (!who) {
        co_return std::move(who.error());
    }
    auto id = id_of(r);
    if (!id) {
        co_return problem_of(r, id.error());
    }
    auto removed = co_await videos_.remove(caller_of(*who), *id);
    if (!removed) {
        co_return problem_of(r, removed.error());
    }
    deleted_.add();
    log_.info("video_deleting", {{"video", id->value}, {"request_id", r.request_id}});
    co_return net::response::empty(202);
}

task<net::response> rest_api::complete(net::request& r) {
    auto who = who_.authenticate(r, auth::scope::edit);
    if (!who) {
        co_return std::move(who.error());
    }
    auto id = id_of(r);
    if (!id) {
        co_return problem_of(r, id.error());
    }
    auto body = co_await net::read_all(*r.body, body_bytes_max);
    if (!body) {
        co_return net::problem(r, body.error());
    }
    auto upload = parse_complete(*body);
    if (!upload) {
        auto seen = co_await videos_.get(caller_of(*who), std::move(*id));
        co_return seen ? refused(r, upload.error()) : problem_of(r, seen.error());
    }
    auto video = co_await completion_.notice(caller_of(*who), std::move(*id), std::move(*upload));
    if (!video) {
        co_return problem_of(r, video.error());
    }
    auto out = co_await answer(r, 202, std::move(*video));
    co_return out;
}

task<net::response> rest_api::playback(net::request& r) {
    auto who = who_.authenticate(r, auth::scope::view);
    if (!who) {
        co_return std::move(who.error());
    }
    auto id = id_of(r);
    if (!id) {
        co_return problem_of(r, id.error());
    }
    auto body = co_await net::read_all(*r.body, body_bytes_max);
    if (!body) {
        co_return net::problem(r, body.error());
    }
    auto found = co_await videos_.get(caller_of(*who), std::move(*id));
    if (!found) {
        co_return problem_of(r, found.error());
    }
    auto terms = parse_playback(*body);
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
