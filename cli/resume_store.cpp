#include "cli/resume_store.hpp"

#include "libs/base/clock.hpp"
#include "libs/base/crypto.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/file.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

namespace vora::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t life_ms = 7LL * 24 * 3600 * 1000;

std::string state_dir() {
    if (const char* dir = std::getenv("XDG_STATE_HOME"); dir != nullptr && *dir == '/') {
        return std::string(dir) + "/vora";
    }
    const char* home = std::getenv("HOME");
    return std::string(home == nullptr ? "/tmp" : home) + "/.local/state/vora";
}

nlohmann::json read_records(const std::string& path) {
    std::ifstream in(path);
    auto records = nlohmann::json::parse(in, nullptr, false);
    return records.is_object() ? records : nlohmann::json::object();
}

// Holds a lock over read, change and replace, so that two uploads at once keep each other's
// records.
void change(const std::string& path, const std::function<void(nlohmann::json&)>& f) {
    std::error_code ignored;
    fs::create_directories(fs::path(path).parent_path(), ignored);
    const int lock = open((path + ".lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    if (lock < 0) {
        return;  // no resume without a writable home; the upload itself still works
    }
    flock(lock, LOCK_EX);
    auto records = read_records(path);
    f(records);
    const auto now = to_unix_ms(system_clock_source().now());
    for (auto it = records.begin(); it != records.end();) {
        it = it->value("saved_ms", std::int64_t{0}) + life_ms < now ? records.erase(it)
                                                                    : std::next(it);
    }
    const auto temporary = path + ".new";
    {
        const int file = open(temporary.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
        const auto text = records.dump(1);
        if (file >= 0) {
            const bool whole =
                write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
            close(file);
            if (whole) {
                fs::rename(temporary, path, ignored);
            }
        }
    }
    close(lock);
}

}  // namespace

std::string resume_store::key_of(const std::string& server_url, const std::string& path) {
    const auto absolute = fs::absolute(path).lexically_normal().string();
    const auto modified = fs::last_write_time(path).time_since_epoch().count();
    return sha256_hex(server_url + "\n" + absolute + "\n" + std::to_string(fs::file_size(path)) +
                      "\n" + std::to_string(modified));
}

resume_store::resume_store() : path_(state_dir() + "/uploads.json") {}

std::optional<upload_record> resume_store::find(const std::string& key) const {
    const auto records = read_records(path_);
    if (!records.contains(key)) {
        return std::nullopt;
    }
    const auto& record = records[key];
    return upload_record{record.value("video_id", ""), record.value("location", "")};
}

void resume_store::save(const std::string& key, const upload_record& record) {
    change(path_, [&](nlohmann::json& records) {
        records[key] = {{"video_id", record.video_id},
                        {"location", record.location},
                        {"saved_ms", to_unix_ms(system_clock_source().now())}};
    });
}

void resume_store::forget(const std::string& key) {
    change(path_, [&](nlohmann::json& records) { records.erase(key); });
}

}  // namespace vora::cli
