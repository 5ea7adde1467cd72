#include "services/all/demo.hpp"

#include "cli/connection.hpp"
#include "cli/tus_upload.hpp"
#include "services/all/data_dir.hpp"
#include "services/all/run_program.hpp"

#include <nlohmann/json.hpp>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>

extern char** environ;

namespace vora::all {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Marks that the directory has its sample, whatever became of it.
std::string marker_of(const std::string& data_dir) {
    return data_dir + "/demo.json";
}

// A moving picture with a counter burnt in (testsrc2 shows its time) and a tone: 10 s of 720p.
result<void> make_sample(const std::string& ffmpeg, const std::string& path) {
    const auto made = run_program({ffmpeg,
                                   "-nostdin",
                                   "-v",
                                   "error",
                                   "-y",
                                   "-f",
                                   "lavfi",
                                   "-i",
                                   "testsrc2=size=1280x720:rate=25:duration=10",
                                   "-f",
                                   "lavfi",
                                   "-i",
                                   "sine=frequency=440:beep_factor=4:duration=10",
                                   "-c:v",
                                   "libx264",
                                   "-preset",
                                   "ultrafast",
                                   "-pix_fmt",
                                   "yuv420p",
                                   "-c:a",
                                   "aac",
                                   "-shortest",
                                   "-movflags",
                                   "+faststart",
                                   path},
                                  std::chrono::minutes(5));
    if (!made) {
        return fail(made.error());
    }
    if (made->code != 0) {
        return fail(errc::unavailable, "demo_not_made", ffmpeg + " could not make the sample");
    }
    return {};
}

task<result<std::string>> upload_sample(net::client& client, cli::connection server,
                                        std::string path) {
    auto video = co_await cli::call(
        client, server, "POST", "/v1/videos",
        {{"title", "Demo: a test picture"},
         {"description", "Made by `vora up --demo`. Delete it whenever you like."},
         {"visibility", "public"}});
    if (!video) {
        co_return fail(video.error());
    }
    const auto id = (*video)["id"].get<std::string>();
    const cli::upload_target target{(*video)["upload"]["url"],
                                    (*video)["upload"]["headers"]["Authorization"]};
    const auto size = fs::file_size(path);
    auto location = co_await cli::tus_create(client, target, size, "demo.mp4");
    if (!location) {
        co_return fail(location.error());
    }
    auto sent =
        co_await cli::tus_send(client, *location, path, size, 0, [](const cli::tus_progress&) {});
    if (!sent) {
        co_return fail(sent.error());
    }
    auto told = co_await cli::call(client, server, "POST", "/v1/videos/" + id + "/complete",
                                   {{"upload_id", cli::upload_id_of(*location)}});
    if (!told) {
        co_return fail(told.error());
    }
    co_return id;
}

int complain(const error& e) {
    std::fprintf(stderr, "vora: no demo: %s\n", cli::in_words(e).c_str());
    return 1;
}

}  // namespace

pid_t start_demo(const demo_options& options) {
    std::error_code none;
    if (fs::exists(marker_of(options.data_dir), none)) {
        return 0;
    }
    const auto self = fs::read_symlink("/proc/self/exe", none).string();
    std::array<std::string, 6> words{self,       "demo",        "--data", options.data_dir,
                                     "--ffmpeg", options.ffmpeg};
    std::array<char*, 7> arguments{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        arguments[i] = words[i].data();
    }
    pid_t pid = 0;
    const int failed =
        ::posix_spawn(&pid, self.c_str(), nullptr, nullptr, arguments.data(), environ);
    return failed == 0 ? pid : 0;
}

void end_demo(pid_t child) {
    if (child > 0) {
        ::kill(child, SIGTERM);
        ::waitpid(child, nullptr, 0);
    }
}

int run_demo(const demo_options& options) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::error_code none;
    if (fs::exists(marker_of(options.data_dir), none)) {
        return 0;
    }
    const auto server = cli::find_server(options.data_dir);
    if (!server) {
        return complain(server.error());
    }
    const auto path = options.data_dir + "/demo.mp4";
    auto made = make_sample(options.ffmpeg, path);
    if (!made) {
        return complain(made.error());
    }
    event_loop loop;
    net::client client(loop.executor());
    const auto id = loop.run_until_done(upload_sample(client, *server, path));
    fs::remove(path, none);
    if (!id) {
        return complain(id.error());
    }
    const auto url = server->url + "/watch/" + *id;
    if (auto r =
            write_private_file(marker_of(options.data_dir), json{{"video_id", *id}}.dump() + "\n");
        !r) {
        return complain(r.error());
    }
    std::printf("  Demo       %s   (being processed)\n\n", url.c_str());
    std::fflush(stdout);
    return 0;
}

}  // namespace vora::all
