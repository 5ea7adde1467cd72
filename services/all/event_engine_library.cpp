#include "services/all/event_engine_library.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "services/all/child.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

extern char** environ;

namespace vora::all {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

// What is fetched, pinned here and nowhere else. The integrity is that of the registry's record;
// npm checks its download against the registry, we check it against this.
constexpr const char* package_name = "@chdb/lib-linux-x64-gnu";
constexpr const char* package_version = "26.7.3-stable.1";
constexpr const char* package_integrity =
    "XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==";
constexpr const char* library_name = "libchdb.so";
constexpr std::uint64_t archive_bytes = 177'817'999;
constexpr std::uint64_t library_bytes = 566'330'096;
// npm keeps the download and writes the archive, then the library comes out of it.
constexpr std::uint64_t staging_bytes = 2 * archive_bytes + library_bytes;
constexpr std::uint64_t free_bytes_min = staging_bytes + (std::uint64_t{256} << 20);
constexpr auto fetch_time_max = std::chrono::minutes(60);

std::string cache_folder() {
    if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache == '/') {
        return cache;
    }
    const char* home = std::getenv("HOME");
    return home != nullptr && *home == '/' ? std::string(home) + "/.cache" : std::string();
}

std::unexpected<error> trouble(std::string words, std::string detail = {}) {
    return fail(errc::unavailable, std::move(words), std::move(detail));
}

bool is_there(const std::string& path) {
    std::error_code ec;
    return fs::is_regular_file(path, ec);
}

std::uint64_t bytes_below(const std::string& folder) {
    std::uint64_t sum = 0;
    std::error_code ec;
    auto it = fs::recursive_directory_iterator(folder, ec);
    for (; !ec && it != fs::recursive_directory_iterator(); it.increment(ec)) {
        std::error_code gone;
        if (it->is_regular_file(gone)) {
            const auto size = it->file_size(gone);
            sum += gone ? 0 : size;
        }
    }
    return sum;
}

std::string last_line(const std::string& path) {
    std::ifstream in(path);
    std::string last;
    for (std::string line; std::getline(in, line);) {
        if (!line.empty()) {
            last = line.substr(0, 200);
        }
    }
    return last;
}

// Held by the one process that fetches; the kernel lets go when it dies.
class folder_lock {
 public:
    explicit folder_lock(const std::string& path)
        : fd_(::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
        held_ = fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
    }
    ~folder_lock() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }
    folder_lock(const folder_lock&) = delete;
    bool held() const { return held_; }

 private:
    int fd_;
    bool held_ = false;
};

// Removed with all in it, however the fetch ends.
class staging_folder {
 public:
    explicit staging_folder(std::string path) : path_(std::move(path)) {
        std::error_code ec;
        fs::remove_all(path_, ec);  // of a fetch that was killed; we hold the lock
        fs::create_directories(path_, ec);
    }
    ~staging_folder() {
        std::error_code ec;
        fs::remove_all(path_, ec);
    }
    staging_folder(const staging_folder&) = delete;
    const std::string& path() const { return path_; }

 private:
    std::string path_;
};

std::vector<std::string> whole_environment() {
    std::vector<std::string> out;
    for (char** variable = environ; *variable != nullptr; ++variable) {
        out.emplace_back(*variable);
    }
    return out;
}

child_plan plan(const std::string& program, std::vector<std::string> arguments,
                const std::string& staging) {
    return {program, std::move(arguments), whole_environment(), staging, staging + "/log", 10};
}

// Everything but a slash and the first '@' stays, as npm names its archives.
std::string archive_in(const std::string& staging) {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(staging, ec)) {
        if (entry.path().extension() == ".tgz") {
            return entry.path().string();
        }
    }
    return {};
}

}  // namespace

event_engine_library::event_engine_library(blocking_pool& pool, std::string given, obs::logger log)
    : pool_(pool), given_(std::move(given)), log_(std::move(log)) {}

std::string event_engine_library::version() {
    return package_version;
}

std::string event_engine_library::path() const {
    if (!given_.empty()) {
        return given_;
    }
    const auto cache = cache_folder();
    return cache.empty() ? cache
                         : cache + "/vora/event-engine/" + package_version + "/" + library_name;
}

std::string event_engine_library::progress() const {
    return "fetching the event engine (" + std::to_string(percent_) + " %)";
}

task<result<std::string>> event_engine_library::obtain() {
    const auto target = path();
    if (target.empty()) {
        co_return trouble("no place for the event engine: set HOME or XDG_CACHE_HOME");
    }
    if (is_there(target)) {
        co_return target;
    }
    if (!given_.empty()) {
        co_return trouble("events.engine_library: there is no " + given_);
    }
#if !defined(__x86_64__) || !defined(__GLIBC__)
    co_return trouble("the embedded event engine is for x86-64 Linux with glibc only");
#endif
    const auto npm = find_program("npm");
    if (npm.empty() || find_program("node").empty()) {
        co_return trouble("the event engine cannot be fetched: npm is not installed");
    }
    auto fetched = co_await fetch(npm, fs::path(target).parent_path().string());
    if (!fetched) {
        co_return fail(fetched.error());
    }
    co_return target;
}

task<result<void>> event_engine_library::fetch(const std::string& npm, const std::string& folder) {
    std::error_code ec;
    fs::create_directories(folder, ec);
    if (ec) {
        co_return trouble("no place for the event engine: " + folder + ": " + ec.message());
    }
    const folder_lock lock(folder + "/lock");
    if (!lock.held()) {
        co_return trouble("another Vora fetches the event engine");
    }
    const auto target = folder + "/" + library_name;
    if (is_there(target)) {
        co_return result<void>{};  // by the one we waited for
    }
    struct statvfs disk{};
    if (::statvfs(folder.c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize < free_bytes_min) {
        co_return trouble("no room for the event engine: it needs " +
                          std::to_string(free_bytes_min >> 20) + " MiB in " + folder);
    }
    percent_ = 0;
    log_.info("event_engine_fetch", {{"package", package_name}, {"version", package_version}});
    const staging_folder staging(folder + "/staging");
    auto download =
        child::spawn(plan(npm,
                          {"pack", std::string(package_name) + "@" + package_version,
                           "--ignore-scripts", "--silent", "--no-update-notifier", "--cache",
                           staging.path() + "/npm", "--pack-destination", staging.path()},
                          staging.path()));
    if (!download) {
        co_return fail(download.error());
    }
    auto downloaded = co_await run(*download, staging.path(), "npm pack");
    if (!downloaded) {
        co_return fail(downloaded.error());
    }
    const auto archive = archive_in(staging.path());
    auto verified = co_await verify(archive);
    if (!verified) {
        co_return fail(verified.error());
    }
    auto unpack =
        child::spawn(plan("/bin/tar", {"-xzf", archive, "package/libchdb.so"}, staging.path()));
    if (!unpack) {
        co_return fail(unpack.error());
    }
    auto unpacked = co_await run(*unpack, staging.path(), "tar");
    if (!unpacked) {
        co_return fail(unpacked.error());
    }
    auto installed = co_await install(staging.path() + "/package/" + library_name, target);
    if (installed) {
        log_.info("event_engine_fetched", {{"path", target}});
    }
    co_return installed;
}

// Looks in from time to time. A cancellation ends the child with its owner.
task<result<void>> event_engine_library::run(child& c, const std::string& staging,
                                             const std::string& what) {
    c.close_input();
    const auto limit = steady::now() + fetch_time_max;
    while (!c.ended()) {
        if (steady::now() > limit) {
            co_return trouble("the event engine cannot be fetched: " + what + " takes too long");
        }
        std::array<char, 4096> ignored{};
        while (::read(c.output(), ignored.data(), ignored.size()) > 0) {
        }
        co_await sleep_for(250ms);
        auto bytes = co_await pool_.run([staging] { return bytes_below(staging); });
        percent_ = std::min(99, static_cast<int>(bytes * 100 / staging_bytes));
    }
    if (c.exit() != 0) {
        co_return trouble("the event engine cannot be fetched: " + what + " failed",
                          last_line(staging + "/log"));
    }
    co_return result<void>{};
}

task<result<void>> event_engine_library::verify(const std::string& archive) {
    auto digest = co_await pool_.run([archive]() -> std::string {
        std::ifstream in(archive, std::ios::binary);
        sha512_stream hash;
        std::string block(1 << 20, '\0');
        while (in.read(block.data(), static_cast<std::streamsize>(block.size())) ||
               in.gcount() > 0) {
            hash.update(std::string_view(block.data(), static_cast<std::size_t>(in.gcount())));
        }
        return hash.finish();
    });
    if (base64_encode(digest) != package_integrity) {
        co_return trouble("the event engine cannot be fetched: the package is not the pinned one");
    }
    co_return result<void>{};
}

// On the disk before it has its name: what is there under the name is whole.
task<result<void>> event_engine_library::install(const std::string& from,
                                                 const std::string& target) {
    auto done = co_await pool_.run([from, target] {
        const int file = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
        const bool synced = file >= 0 && ::fsync(file) == 0;
        if (file >= 0) {
            ::close(file);
        }
        return synced && ::rename(from.c_str(), target.c_str()) == 0;
    });
    if (!done) {
        co_return trouble("the event engine cannot be stored in " + target);
    }
    co_return result<void>{};
}

}  // namespace vora::all
