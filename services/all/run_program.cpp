#include "services/all/run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string_view>

extern char** environ;

namespace vora::all {

namespace {

constexpr std::size_t output_bytes_max = 1 << 20;
using clock = std::chrono::steady_clock;

bool is_program(const std::string& path) {
    std::error_code none;
    return std::filesystem::is_regular_file(path, none) && ::access(path.c_str(), X_OK) == 0;
}

// Until the child closes its end; false when the time is over.
bool read_all(int fd, std::string& into, clock::time_point deadline) {
    std::array<char, 16 << 10> buffer{};
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - clock::now()).count();
        pollfd wanted{fd, POLLIN, 0};
        if (left <= 0 || ::poll(&wanted, 1, static_cast<int>(left)) == 0) {
            return false;
        }
        const auto n = ::read(fd, buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return true;
        }
        const auto room = output_bytes_max - std::min(output_bytes_max, into.size());
        into.append(buffer.data(), std::min(static_cast<std::size_t>(n), room));
    }
}

}  // namespace

std::string which_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return is_program(name) ? name : "";
    }
    const char* path = std::getenv("PATH");
    std::string_view places = path == nullptr ? "/usr/bin:/bin" : path;
    while (!places.empty()) {
        const auto end = std::min(places.find(':'), places.size());
        const auto found = std::string(places.substr(0, end)) + "/" + name;
        if (end > 0 && is_program(found)) {
            return found;
        }
        places.remove_prefix(std::min(end + 1, places.size()));
    }
    return {};
}

result<program_exit> run_program(const std::vector<std::string>& words,
                                 std::chrono::milliseconds limit) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return fail(errc::unavailable, "cannot_run", std::strerror(errno));
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    std::vector<char*> arguments;
    for (const auto& word : words) {
        arguments.push_back(const_cast<char*>(word.c_str()));
    }
    arguments.push_back(nullptr);
    pid_t pid = 0;
    const int failed =
        ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    if (failed != 0) {
        ::close(ends[0]);
        return fail(errc::unavailable, "cannot_run", words.front() + ": " + std::strerror(failed));
    }
    program_exit exit;
    const bool in_time = read_all(ends[0], exit.output, clock::now() + limit);
    ::close(ends[0]);
    if (!in_time) {
        ::kill(pid, SIGKILL);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!in_time) {
        return fail(errc::deadline_exceeded, "cannot_run", words.front() + " does not end");
    }
    exit.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return exit;
}

}  // namespace vora::all
