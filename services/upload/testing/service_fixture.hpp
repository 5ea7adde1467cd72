#pragma once
// The service over a real directory, with its surroundings under control.

#include "libs/base/crypto.hpp"
#include "libs/blob/file/file_store.hpp"
#include "services/upload/core/upload_service.hpp"
#include "services/upload/testing/fakes.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

namespace vora::upload {

inline constexpr std::uint64_t mib = 1 << 20;
inline constexpr std::uint64_t part = 8 * mib;  // of a file of up to 80 GB

// Bytes that differ at every offset, so that a shifted or repeated block shows.
std::string make_bytes(std::size_t n, unsigned seed = 1);

struct temp_dir {
    std::filesystem::path path;
    temp_dir();
    ~temp_dir();
};

class service_fixture : public testing::Test {
 protected:
    service_fixture() { start(); }

    // A crash and a new start: everything in memory is gone.
    void restart() {
        stop();
        start();
        auto done = run(service->recover());
        EXPECT_TRUE(done.has_value());
    }
    void stop();
    void start();

    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    // Starts a coroutine and lets it go on beside others.
    void spawn(task<> t) { group->spawn(std::move(t)); }
    // Runs the loop until the condition holds.
    void run_until(const std::function<bool()>& holds);

    upload_id create(std::uint64_t length);
    result<upload_view> append(const upload_id& id, std::uint64_t offset, std::string_view bytes);
    result<upload_view> append(const upload_id& id, std::uint64_t offset, byte_source& source) {
        return run(service->append(who, id, offset, source));
    }
    result<upload_view> head(const upload_id& id) { return run(service->head(who, id)); }
    std::uint64_t offset_of(const upload_id& id);

    std::filesystem::path path_of(const upload_id& id, const std::string& name) const {
        return dir.path / id.value / name;
    }
    bool has_file(const upload_id& id) const {
        return std::filesystem::exists(path_of(id, "original.bin"));
    }
    std::string file_of(const upload_id& id) const;
    // Names in the upload's directory.
    std::vector<std::string> names_of(const upload_id& id) const;
    std::size_t multiparts() const;
    // One round of the hook loop's work.
    void deliver_hooks();

    static std::string reason(const auto& r) { return r ? "ok" : r.error().reason; }

    temp_dir dir;
    event_loop loop;
    blocking_pool pool{2};
    manual_clock clock;
    recording_observer observed;
    fake_hook_sink sink;
    fake_free_space space;
    upload_limits limits;
    hook_backoff backoff{std::chrono::milliseconds(1), std::chrono::milliseconds(4)};
    access who{
        .subject = "ann", .reference = "ref-1", .by_grant = true, .admin = false, .length_max = {}};

    std::unique_ptr<blob::file_store> files_on_disk;
    std::unique_ptr<faulty_store<blob::file_store>> store;
    std::unique_ptr<upload_files> files;
    std::unique_ptr<upload_service> service;
    std::unique_ptr<task_group> group;
};

}  // namespace vora::upload
