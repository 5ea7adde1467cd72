// The service's core on a real object store: the same records, parts and tails as on files.

#include "libs/blob/s3/s3_store.hpp"
#include "services/upload/testing/service_fixture.hpp"

#include <cstdlib>

namespace vora::upload {
namespace {

blob::s3_options minio() {
    const auto value = [](const char* name) {
        const char* text = std::getenv(name);
        if (text == nullptr) {
            throw std::runtime_error(std::string(name) +
                                     " is not set: run by tools.stack.with_servers minio");
        }
        return std::string(text);
    };
    blob::s3_options o;
    o.endpoint = value("VORA_TEST_S3_URL");
    o.access_key = value("VORA_TEST_S3_ACCESS_KEY");
    o.secret_key = value("VORA_TEST_S3_SECRET_KEY");
    o.bucket = "upload-" + random_hex(8);
    o.attempt_deadline = 60s;
    o.call_deadline = 120s;
    return o;
}

struct upload_on_s3 : testing::Test {
    upload_on_s3() {
        auto made = blob::s3_store::make(loop.executor(), pool, wall_clock, minio());
        if (!made) {
            throw std::runtime_error(made.error().detail);
        }
        store = std::move(*made);
        const auto bucket = run(store->make_bucket());
        if (!bucket) {
            throw std::runtime_error(bucket.error().detail);
        }
        start();
    }
    // A crash and a new start: everything in memory is gone.
    void start() {
        service.reset();
        files = std::make_unique<upload_files>(*store, *store, *store);
        service = std::make_unique<upload_service>(loop.executor(), *files, sink, clock, observed,
                                                   limits, hook_backoff{1ms, 4ms}, &space);
        EXPECT_TRUE(run(service->recover()).has_value());
    }
    template <class T>
    T run(task<T> t) {
        return loop.run_until_done(std::move(t));
    }
    std::string append(const upload_id& id, std::uint64_t offset, std::string_view bytes) {
        scripted_source source(bytes);
        auto view = run(service->append(who, id, offset, source));
        return view ? std::to_string(view->offset) : view.error().reason;
    }

    event_loop loop;
    blocking_pool pool{2};
    system_clock_source wall_clock;
    manual_clock clock;
    recording_observer observed;
    fake_hook_sink sink;
    fake_free_space space;
    upload_limits limits;
    access who{
        .subject = "ann", .reference = "ref-1", .by_grant = true, .admin = false, .length_max = {}};
    std::unique_ptr<blob::s3_store> store;
    std::unique_ptr<upload_files> files;
    std::unique_ptr<upload_service> service;
};

TEST_F(upload_on_s3, several_parts_and_tails_with_restarts_between_make_the_file) {
    const auto bytes = make_bytes(2 * part + 12'345);
    auto made = run(service->create(who, {bytes.size(), ""}, nullptr));
    ASSERT_TRUE(made.has_value()) << made.error().reason;
    const auto id = made->info.id;
    const std::uint64_t first = 1'000'000;
    const std::uint64_t second = part + 2'000'000;
    const std::string_view all = bytes;
    EXPECT_EQ(append(id, 0, all.substr(0, first)), std::to_string(first));
    start();
    EXPECT_EQ(append(id, 0, all), "upload_offset_mismatch");
    EXPECT_EQ(append(id, first, all.substr(first, second - first)), std::to_string(second));
    start();
    EXPECT_EQ(append(id, second, all.substr(second)), std::to_string(bytes.size()));
    auto stored = run(blob::read_object(*store, id.value + "/original.bin", bytes.size()));
    ASSERT_TRUE(stored.has_value()) << stored.error().reason;
    EXPECT_TRUE(*stored == bytes);
}

TEST_F(upload_on_s3, a_terminated_upload_leaves_no_bytes) {
    const auto bytes = make_bytes(part + 5);
    auto made = run(service->create(who, {2 * part, ""}, nullptr));
    ASSERT_TRUE(made.has_value());
    EXPECT_EQ(append(made->info.id, 0, bytes), std::to_string(bytes.size()));
    ASSERT_TRUE(run(service->terminate(who, made->info.id)).has_value());
    auto left = run(store->list(made->info.id.value + "/", "", 100));
    ASSERT_TRUE(left.has_value());
    for (const auto& o : *left) {
        EXPECT_EQ(o.key.find("/.tail-"), std::string::npos) << o.key;
        EXPECT_FALSE(o.key.ends_with("/original.bin")) << o.key;
    }
}

}  // namespace
}  // namespace vora::upload
