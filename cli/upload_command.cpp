#include "cli/upload_command.hpp"

#include "cli/connection.hpp"
#include "cli/progress.hpp"
#include "cli/resume_store.hpp"
#include "cli/tus_upload.hpp"
#include "libs/base/clock.hpp"

#include <cstdio>
#include <filesystem>

namespace vora::cli {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

class upload_session {
 public:
    upload_session(executor ex, connection server, const upload_options& options)
        : client_(ex),
          server_(std::move(server)),
          options_(options),
          progress_(!options.json),
          size_bytes_(fs::file_size(options.file)),
          key_(resume_store::key_of(server_.url, options.file)) {}

    task<result<json>> run() {
        auto begun = co_await resume_or_create();
        if (!begun) {
            co_return fail(begun.error());
        }
        auto sent = co_await send();
        if (!sent) {
            co_return fail(sent.error());
        }
        auto video =
            co_await call(client_, server_, "POST", "/v1/videos/" + video_id_ + "/complete",
                          {{"upload_id", upload_id_of(location_)}});
        if (!video) {
            co_return fail(video.error());
        }
        store_.forget(key_);
        progress_.clear();
        if (options_.wait) {
            co_return co_await wait_for_end(std::move(*video));
        }
        co_return std::move(*video);
    }

 private:
    task<result<void>> resume_or_create() {
        if (const auto record = store_.find(key_)) {
            auto offset = co_await tus_offset(client_, record->location);
            if (offset) {
                video_id_ = record->video_id;
                location_ = record->location;
                offset_ = *offset;
                if (!options_.json && offset_ > 0) {
                    std::fprintf(stderr, "resuming at %s\n",
                                 bytes_in_words(static_cast<double>(offset_)).c_str());
                }
                co_return result<void>{};
            }
            // Gone, or the grant in its URL no longer counts: the file is uploaded anew.
            const auto why = offset.error().code;
            if (why != errc::not_found && why != errc::unauthenticated &&
                why != errc::failed_precondition) {
                co_return fail(offset.error());
            }
            store_.forget(key_);
        }
        co_return co_await create();
    }

    task<result<void>> create() {
        const auto name = fs::path(options_.file).filename().string();
        json body{{"title", options_.title.empty() ? name : options_.title},
                  {"visibility", options_.is_public ? "public" : "private"}};
        if (!options_.description.empty()) {
            body["description"] = options_.description;
        }
        auto video = co_await call(client_, server_, "POST", "/v1/videos", std::move(body));
        if (!video) {
            co_return fail(video.error());
        }
        video_id_ = (*video)["id"].get<std::string>();
        const upload_target target{
            (*video)["upload"]["url"].get<std::string>(),
            (*video)["upload"]["headers"]["Authorization"].get<std::string>()};
        auto location = co_await tus_create(client_, target, size_bytes_, name);
        if (!location) {
            co_return fail(location.error());
        }
        location_ = *location;
        store_.save(key_, {video_id_, location_});
        co_return result<void>{};
    }

    task<result<void>> send() {
        transfer_meter meter(offset_, size_bytes_);
        auto show = [&](const tus_progress& p) {
            progress_.show(p.waiting ? "the server is away, trying again at " +
                                           bytes_in_words(static_cast<double>(p.bytes))
                                     : meter.line(p.bytes));
        };
        co_return co_await tus_send(client_, location_, options_.file, size_bytes_, offset_, show);
    }

    task<result<json>> wait_for_end(json video) {
        int failures = 0;
        while (video["state"] != "READY" && video["state"] != "FAILED") {
            show_processing(video);
            co_await sleep_for(milliseconds(500));
            auto next = co_await call(client_, server_, "GET", "/v1/videos/" + video_id_);
            if (next) {
                video = std::move(*next);
                failures = 0;
            } else if (next.error().code == errc::not_found || ++failures > 120) {
                co_return fail(next.error());  // deleted, or the server is away for a minute
            }
        }
        progress_.clear();
        co_return video;
    }

    void show_processing(const json& video) {
        std::string text = "processing";
        if (const auto& p = video["progress"]; p.is_object()) {
            char percent[64];
            std::snprintf(percent, sizeof percent, "  %s %.0f %%", p.value("stage", "").c_str(),
                          p.value("percent", 0.0));
            text += percent;
            if (p.contains("eta_s") && p["eta_s"].is_number() && p["eta_s"].get<double>() >= 0) {
                text += "  ETA " + seconds_in_words(p["eta_s"].get<double>());
            }
        }
        progress_.show(text);
    }

    net::client client_;
    connection server_;
    const upload_options& options_;
    progress_line progress_;
    resume_store store_;
    std::uint64_t size_bytes_;
    std::string key_;
    std::string video_id_;
    std::string location_;
    std::uint64_t offset_ = 0;
};

}  // namespace

int run_upload(const upload_options& options) {
    std::error_code ec;
    if (!fs::is_regular_file(options.file, ec)) {
        std::fprintf(stderr, "vora: no such file: %s\n", options.file.c_str());
        return 1;
    }
    auto server = find_server(options.data_dir);
    if (!server) {
        std::fprintf(stderr, "vora: %s\n", in_words(server.error()).c_str());
        return 1;
    }
    event_loop loop;
    upload_session session(loop.executor(), *server, options);
    const auto video = loop.run_until_done(session.run());
    if (!video) {
        std::fprintf(stderr, "vora: %s\n", in_words(video.error()).c_str());
        if (video.error().code == errc::unavailable) {
            std::fprintf(stderr, "The same command resumes where this one stopped.\n");
        }
        return 1;
    }
    const bool failed = (*video)["state"] == "FAILED";
    if (options.json) {
        std::printf("%s\n", video->dump(2).c_str());
    } else if (failed) {
        const auto& e = (*video)["error"];
        std::fprintf(stderr, "vora: the video failed: %s: %s\n", e.value("code", "").c_str(),
                     e.value("detail", "").c_str());
    } else {
        std::printf("%s/watch/%s\n", server->url.c_str(),
                    (*video)["id"].get<std::string>().c_str());
    }
    return failed ? 1 : 0;
}

}  // namespace vora::cli
