#include "services/metadata/handlers/grpc_video_service.hpp"

#include "libs/base/crypto.hpp"
#include "services/metadata/handlers/grpc_messages.hpp"
#include "services/metadata/handlers/grpc_status.hpp"

#include <algorithm>

namespace vora::metadata {

namespace {

// Clients take 4 MiB by default; a page of the longest descriptions is more.
constexpr std::size_t page_bytes_max = 3'500'000;
// Progress of a page: asked as long as it stays quick.
constexpr milliseconds page_progress_max{300};

// The one value of that name; empty when there is none or more than one.
std::optional<std::string> field(const rpc::call& c, std::string_view name) {
    std::optional<std::string> value;
    for (const auto& [key, text] : c.metadata) {
        if (key == name) {
            value = value ? std::string() : text;
        }
    }
    return value;
}

std::optional<std::string> idempotency_key_of(const rpc::call& c) {
    return field(c, "idempotency-key");
}

template <class Message>
result<Message> read(const rpc::call& c) {
    Message m;
    if (!m.ParseFromString(c.request)) {
        return fail(errc::invalid_argument, "bad_message", "not a " + m.GetTypeName());
    }
    return m;
}

// What is no id names no video.
result<video_id> id_of(const std::string& text) {
    if (!is_uuid(text)) {
        return fail(errc::not_found, "video_not_found", "there is no such video");
    }
    return video_id{text};
}

rpc::answer answer_of(const google::protobuf::Message& m) {
    rpc::answer a;
    a.message = m.SerializeAsString();
    return a;
}

}  // namespace

grpc_video_service::grpc_video_service(videos& all, commands& changes, progress_reader& progress,
                                       authenticator& who, const auth::grant_keys& keys,
                                       const clock_source& clock, url_bases bases, obs::logger log,
                                       obs::metrics& metrics)
    : videos_(all),
      changes_(changes),
      progress_(progress),
      who_(who),
      keys_(keys),
      clock_(clock),
      bases_(std::move(bases)),
      log_(std::move(log)),
      created_(metrics.counter("vora_metadata_videos_created_total", "videos created")),
      deleted_(metrics.counter("vora_metadata_videos_deleted_total", "deletions asked for")),
      cancelled_(metrics.counter("vora_metadata_videos_cancelled_total", "videos cancelled")),
      replayed_(metrics.counter("vora_metadata_idempotent_replays_total",
                                "answers given again under the same idempotency key")) {}

rpc::service grpc_video_service::service() {
    return {"vora.metadata.v1.VideoService",
            {{"CreateVideo", [this](rpc::call& c) { return create(c); }},
             {"GetVideo", [this](rpc::call& c) { return get(c); }},
             {"ListVideos", [this](rpc::call& c) { return list(c); }},
             {"UpdateVideo", [this](rpc::call& c) { return update(c); }},
             {"DeleteVideo", [this](rpc::call& c) { return remove(c); }},
             {"CompleteUpload", [this](rpc::call& c) { return complete(c); }},
             {"CreatePlayback", [this](rpc::call& c) { return playback(c); }},
             {"CancelVideo", [this](rpc::call& c) { return cancel(c); }}}};
}

task<result<caller>> grpc_video_service::admit(const rpc::call& c, auth::scope needed) const {
    const auto header = field(c, "authorization");
    std::string token;
    if (header) {
        token = auth::bearer_token(*header);
        if (token.empty()) {
            co_return fail(errc::unauthenticated, "token_malformed",
                           "authorization must be one \"Bearer TOKEN\"");
        }
    }
    auto who = co_await who_.authenticate(std::move(token), needed);
    if (!who) {
        co_return fail(std::move(who.error()));
    }
    co_return caller{who->subject, who->allows(auth::scope::admin)};
}

rpc::answer grpc_video_service::refuse(const rpc::call& c, const error& e) const {
    if (e.code == errc::internal || e.code == errc::data_loss || e.code == errc::unavailable) {
        log_.warn("rpc_refused", {{"method", c.method},
                                  {"reason", e.reason},
                                  {"detail", e.detail},
                                  {"request_id", c.request_id}});
    }
    return refusal_of(c, e);
}

// Bad words about a video: whether the video is the caller's comes first.
task<rpc::answer> grpc_video_service::refuse_words(const rpc::call& c, caller who, std::string id,
                                                   const bad_input& why) {
    auto named = id_of(id);
    if (!named) {
        co_return refuse(c, named.error());
    }
    auto seen = co_await videos_.get(std::move(who), std::move(*named));
    co_return seen ? refusal_of(c, why) : refuse(c, seen.error());
}

rpc::answer grpc_video_service::rendered(const rpc::call& c, const video& v,
                                         const std::optional<ingest_progress>& progress) const {
    proto::Video m;
    if (auto r = read_rendered(render_video(v, progress, bases_, keys_), m); !r) {
        return refuse(c, r.error());
    }
    return answer_of(m);
}

task<rpc::answer> grpc_video_service::answer(const rpc::call& c, video v) {
    auto progress = co_await progress_.of(v.id, v.generation, v.state);
    co_return rendered(c, v, progress);
}

task<rpc::answer> grpc_video_service::answer(const rpc::call& c, change_answer done) {
    if (!idempotency_key_of(c)) {
        auto fresh = co_await answer(c, std::move(done.video));
        co_return fresh;
    }
    // The same message however often it is asked for: progress as it is when processing begins.
    const auto progress = done.video.state == video_state::processing
                              ? std::optional(ingest_progress{"queued", 0, std::nullopt})
                              : std::nullopt;
    auto out = rendered(c, done.video, progress);
    if (done.replayed) {
        out.trailing.emplace_back("idempotency-replayed", "true");
        replayed_.add();
    }
    co_return out;
}

task<rpc::answer> grpc_video_service::create(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::edit);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::CreateVideoRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto input = new_video_of(*m);
    if (!input) {
        co_return refusal_of(c, input.error());
    }
    input->owner = who->subject;
    auto made = co_await changes_.create(std::move(*input), idempotency_key_of(c));
    if (!made) {
        co_return refuse(c, made.error());
    }
    if (!made->replayed) {
        created_.add();
        log_.info("video_created", {{"video", made->video.id.value}, {"request_id", c.request_id}});
    }
    auto out = co_await answer(c, std::move(*made));
    co_return out;
}

task<rpc::answer> grpc_video_service::get(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::view);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::GetVideoRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto id = id_of(m->id());
    if (!id) {
        co_return refuse(c, id.error());
    }
    auto found = co_await videos_.get(std::move(*who), std::move(*id));
    if (!found) {
        co_return refuse(c, found.error());
    }
    auto out = co_await answer(c, std::move(*found));
    co_return out;
}

task<rpc::answer> grpc_video_service::list(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::view);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::ListVideosRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto filter = filter_of(*m);
    if (!filter) {
        co_return refusal_of(c, filter.error());
    }
    for (;; filter->page_size /= 2) {
        auto page = co_await videos_.list(*who, *filter);
        if (!page) {
            co_return refuse(c, page.error());
        }
        proto::ListVideosResponse out;
        out.set_next_page_token(page->next_page_token);
        const auto began = std::chrono::steady_clock::now();
        for (const auto& v : page->videos) {
            std::optional<ingest_progress> progress;
            if (std::chrono::steady_clock::now() - began < page_progress_max) {
                progress = co_await progress_.of(v.id, v.generation, v.state);
            }
            auto r = read_rendered(render_video(v, progress, bases_, keys_), *out.add_videos());
            if (!r) {
                co_return refuse(c, r.error());
            }
        }
        if (out.ByteSizeLong() <= page_bytes_max || filter->page_size <= 1) {
            co_return answer_of(out);
        }
    }
}

task<rpc::answer> grpc_video_service::update(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::edit);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::UpdateVideoRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto patch = patch_of(*m);
    if (!patch) {
        auto out = co_await refuse_words(c, std::move(*who), m->id(), patch.error());
        co_return out;
    }
    auto id = id_of(m->id());
    if (!id) {
        co_return refuse(c, id.error());
    }
    auto changed = co_await videos_.update(std::move(*who), std::move(*id), std::move(*patch),
                                           versions_of(*m));
    if (!changed) {
        co_return refuse(c, changed.error());
    }
    auto out = co_await answer(c, std::move(*changed));
    co_return out;
}

task<rpc::answer> grpc_video_service::remove(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::edit);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::DeleteVideoRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto id = id_of(m->id());
    if (!id) {
        co_return refuse(c, id.error());
    }
    auto removed = co_await videos_.remove(std::move(*who), std::move(*id), versions_of(*m));
    if (!removed) {
        co_return refuse(c, removed.error());
    }
    deleted_.add();
    log_.info("video_deleting", {{"video", m->id()}, {"request_id", c.request_id}});
    co_return answer_of(proto::DeleteVideoResponse());
}

task<rpc::answer> grpc_video_service::complete(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::edit);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::CompleteUploadRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto upload = upload_of(*m);
    if (!upload) {
        auto out = co_await refuse_words(c, std::move(*who), m->id(), upload.error());
        co_return out;
    }
    auto id = id_of(m->id());
    if (!id) {
        co_return refuse(c, id.error());
    }
    auto done = co_await changes_.complete(std::move(*who), std::move(*id), std::move(*upload),
                                           idempotency_key_of(c));
    if (!done) {
        co_return refuse(c, done.error());
    }
    auto out = co_await answer(c, std::move(*done));
    co_return out;
}

task<rpc::answer> grpc_video_service::playback(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::view);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::CreatePlaybackRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto terms = terms_of(*m);
    if (!terms) {
        auto out = co_await refuse_words(c, std::move(*who), m->id(), terms.error());
        co_return out;
    }
    auto id = id_of(m->id());
    if (!id) {
        co_return refuse(c, id.error());
    }
    auto found = co_await videos_.get(std::move(*who), std::move(*id));
    if (!found) {
        co_return refuse(c, found.error());
    }
    auto offer = offer_playback(*found, *terms, bases_, keys_, clock_.now());
    if (!offer) {
        co_return refuse(c, offer.error());
    }
    proto::Playback out;
    if (auto r = read_rendered(render_playback(*offer), out); !r) {
        co_return refuse(c, r.error());
    }
    co_return answer_of(out);
}

task<rpc::answer> grpc_video_service::cancel(rpc::call& c) {
    auto who = co_await admit(c, auth::scope::edit);
    if (!who) {
        co_return refuse(c, who.error());
    }
    auto m = read<proto::CancelVideoRequest>(c);
    if (!m) {
        co_return refuse(c, m.error());
    }
    auto id = id_of(m->id());
    if (!id) {
        co_return refuse(c, id.error());
    }
    auto done = co_await changes_.cancel(std::move(*who), std::move(*id), idempotency_key_of(c));
    if (!done) {
        co_return refuse(c, done.error());
    }
    if (!done->replayed) {
        cancelled_.add();
        log_.info("video_cancelled",
                  {{"video", done->video.id.value}, {"request_id", c.request_id}});
    }
    auto out = co_await answer(c, std::move(*done));
    co_return out;
}

}  // namespace vora::metadata
