#include "services/worker/adapters/ffmpeg_tools.hpp"

#include "services/worker/adapters/child_process.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace vora::worker {

namespace {

using namespace std::chrono_literals;

bool is_program(const std::filesystem::path& path) {
    std::error_code none;
    return std::filesystem::is_regular_file(path, none) && ::access(path.c_str(), X_OK) == 0;
}

std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return is_program(name) ? std::filesystem::absolute(name).string() : std::string();
    }
    const char* path = std::getenv("PATH");
    std::string_view places = path == nullptr ? "/usr/bin:/bin" : path;
    while (!places.empty()) {
        const auto end = std::min(places.find(':'), places.size());
        const auto found = std::filesystem::path(places.substr(0, end)) / name;
        if (end > 0 && is_program(found)) {
            return std::filesystem::absolute(found).string();
        }
        places.remove_prefix(std::min(end + 1, places.size()));
    }
    return {};
}

// "ffmpeg version 5.1.9-0+deb12u1 Copyright ..." -> "5.1.9-0+deb12u1"
std::string version_in(const std::string& text) {
    constexpr std::string_view before = " version ";
    const auto at = text.find(before);
    if (at == std::string::npos) {
        return {};
    }
    const auto begin = at + before.size();
    return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

tool_exit::how converted(child_exit::how h) {
    switch (h) {
        case child_exit::how::exited:
            return tool_exit::how::exited;
        case child_exit::how::killed:
            return tool_exit::how::killed;
        case child_exit::how::cpu_limit:
            return tool_exit::how::cpu_limit;
        case child_exit::how::wall_limit:
            return tool_exit::how::wall_limit;
        case child_exit::how::silent:
            return tool_exit::how::silent;
        case child_exit::how::stopped:
            return tool_exit::how::stopped;
        case child_exit::how::not_started:
            return tool_exit::how::not_started;
    }
    return tool_exit::how::not_started;
}

}  // namespace

// Shared by the coroutine that waits and the thread that runs the child: either may be gone first.
struct ffmpeg_tools::job {
    explicit job(executor e) : ex(std::move(e)), ended(ex) {}
    executor ex;
    wake_signal ended;
    child_spec spec;
    std::atomic<bool> stop{false};
    bool done = false;  // on the loop only
    child_exit exit;
};

ffmpeg_tools::ffmpeg_tools(blocking_pool& pool, ffmpeg_options options)
    : pool_(pool), options_(std::move(options)) {
    ffmpeg_path_ = find_program(options_.ffmpeg);
    if (!ffmpeg_path_.empty()) {
        const auto beside = std::filesystem::path(ffmpeg_path_).parent_path() / "ffprobe";
        ffprobe_path_ = is_program(beside) ? beside.string() : find_program("ffprobe");
    }
}

task<tool_exit> ffmpeg_tools::run(tool_call call, std::function<bool()> should_stop) {
    auto ex = co_await boost::asio::this_coro::executor;
    auto j = std::make_shared<job>(ex);
    auto& spec = j->spec;
    spec.program = call.which == tool::ffmpeg ? ffmpeg_path_ : ffprobe_path_;
    spec.arguments = std::move(call.arguments);
    spec.directory = std::move(call.directory);
    spec.limits.wall = call.limits.wall;
    spec.limits.cpu = call.limits.cpu;
    spec.limits.silence = call.limits.silence;
    spec.limits.stdout_bytes = call.limits.stdout_bytes_max;
    spec.limits.memory_bytes = options_.memory_bytes;
    spec.limits.file_bytes = options_.file_bytes;
    spec.limits.priority = options_.priority;
    spec.on_line = std::move(call.on_line);
    if (spec.program.empty() || stopping_) {
        tool_exit none;
        none.ended = stopping_ ? tool_exit::how::stopped : tool_exit::how::not_started;
        co_return none;
    }
    co_await wait_for(j, std::move(should_stop));
    tool_exit exit;
    exit.ended = converted(j->exit.ended);
    exit.code = j->exit.code;
    exit.signal = j->exit.signal;
    exit.cpu_s = j->exit.cpu_s;
    exit.wall_s = j->exit.wall_s;
    exit.output = std::move(j->exit.output);
    exit.errors = std::move(j->exit.errors);
    co_return exit;
}

task<> ffmpeg_tools::wait_for(std::shared_ptr<job> j, std::function<bool()> should_stop) {
    const auto place = running_.insert(running_.end(), j);
    // The thread hands its share back to the loop: the job holds a timer of the loop.
    pool_.post([j]() mutable {
        j->exit = run_child(j->spec, j->stop);
        auto ex = j->ex;
        boost::asio::post(ex, [j = std::move(j)] {
            j->done = true;
            j->ended.notify();
        });
    });
    // A cancelled wait throws out of here: the thread must still end its child.
    struct stop_on_leave {
        std::shared_ptr<job> watched;
        std::list<std::shared_ptr<job>>& list;
        std::list<std::shared_ptr<job>>::iterator at;
        ~stop_on_leave() {
            watched->stop = true;
            list.erase(at);
        }
    } const guard{j, running_, place};
    while (!j->done) {
        co_await j->ended.wait(100ms);
        if (stopping_ || (!j->done && should_stop())) {
            j->stop = true;
        }
    }
}

task<> ffmpeg_tools::discover() {
    tool_call call;
    call.which = tool::ffmpeg;
    call.arguments = {"-hide_banner", "-version"};
    call.directory = "/";
    call.limits.wall = 10s;
    call.limits.cpu = 5s;
    auto first = co_await run(call, [] { return false; });
    call.which = tool::ffprobe;
    auto second = co_await run(call, [] { return false; });
    version_ = first.code == 0 && second.code == 0 && !version_in(second.output).empty()
                   ? version_in(first.output)
                   : std::string();
}

task<> ffmpeg_tools::stop() {
    stopping_ = true;
    for (const auto& j : running_) {
        j->stop = true;
    }
    while (!running_.empty()) {
        co_await sleep_for(10ms);
    }
}

}  // namespace vora::worker
