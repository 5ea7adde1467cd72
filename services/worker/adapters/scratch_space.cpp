#include "services/worker/adapters/scratch_space.hpp"

#include "libs/base/crypto.hpp"

#include <poll.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

namespace vora::worker {

namespace {

namespace fs = std::filesystem;

constexpr int looks_max = 500;  // 10 ms apart

bool lies_in(const std::string& path, const std::string& directory) {
    return path == directory || path.starts_with(directory + "/");
}

// A zombie holds nothing any more, though its parent has not looked yet.
bool is_zombie(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    std::getline(in, line);
    const auto end = line.rfind(')');
    return end != std::string::npos && end + 2 < line.size() && line[end + 2] == 'Z';
}

std::vector<pid_t> processes_in(const std::string& directory) {
    std::vector<pid_t> found;
    std::error_code failed;
    for (fs::directory_iterator at("/proc", failed), end; !failed && at != end;
         at.increment(failed)) {
        const auto name = at->path().filename().string();
        pid_t pid = 0;
        const auto [last, bad] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (bad != std::errc() || last != name.data() + name.size() || pid == ::getpid()) {
            continue;
        }
        std::error_code gone;
        const auto place = fs::read_symlink(at->path() / "cwd", gone).string();
        if (!gone && lies_in(place, directory) && !is_zombie(pid)) {
            found.push_back(pid);
        }
    }
    return found;
}

class scratch_job final : public job_directory {
 public:
    scratch_job(blocking_pool& pool, std::string path) : pool_(pool), path_(std::move(path)) {}
    ~scratch_job() override {
        if (!removed_) {
            pool_.post([path = path_] {
                std::error_code ignored;
                fs::remove_all(path, ignored);
            });
        }
    }
    const std::string& path() const override { return path_; }
    task<> remove() override {
        removed_ = true;
        co_await pool_.run([path = path_] {
            std::error_code ignored;
            fs::remove_all(path, ignored);
        });
    }

 private:
    blocking_pool& pool_;
    std::string path_;
    bool removed_ = false;
};

}  // namespace

int end_strays(const std::string& directory) {
    std::error_code failed;
    const auto canonical = fs::weakly_canonical(directory, failed).string();
    if (failed || canonical.size() < 2) {
        return 0;
    }
    int ended = 0;
    for (int look = 0; look < looks_max; ++look) {
        const auto strays = processes_in(canonical);
        if (strays.empty()) {
            break;
        }
        for (const pid_t pid : strays) {
            ended += ::kill(pid, SIGKILL) == 0 && look == 0 ? 1 : 0;
        }
        ::poll(nullptr, 0, 10);
    }
    return ended;
}

scratch_space::scratch_space(blocking_pool& pool, std::string directory)
    : pool_(pool), directory_(fs::absolute(directory).lexically_normal().string()) {
    while (directory_.size() > 1 && directory_.back() == '/') {
        directory_.pop_back();
    }
}

task<result<void>> scratch_space::prepare() {
    const auto directory = directory_;
    co_return co_await pool_.run([directory]() -> result<void> {
        std::error_code failed;
        fs::create_directories(directory, failed);
        if (failed) {
            return fail(errc::unavailable, "scratch_unavailable", failed.message());
        }
        end_strays(directory);
        for (const auto& entry : fs::directory_iterator(directory, failed)) {
            std::error_code ignored;
            fs::remove_all(entry.path(), ignored);
        }
        if (failed) {
            return fail(errc::unavailable, "scratch_unavailable", failed.message());
        }
        return {};
    });
}

task<result<std::shared_ptr<job_directory>>> scratch_space::open_job() {
    const auto path = directory_ + "/job-" + random_hex(8);
    auto failed = co_await pool_.run([path] {
        std::error_code bad;
        fs::create_directories(path, bad);
        if (!bad) {
            fs::permissions(path, fs::perms::owner_all, bad);
        }
        return bad;
    });
    if (failed) {
        co_return fail(errc::unavailable, "scratch_unavailable");
    }
    co_return std::make_shared<scratch_job>(pool_, path);
}

}  // namespace vora::worker
