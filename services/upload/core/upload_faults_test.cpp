// What corrupted files elsewhere must be impossible here: parts that fail out of order, crashes
// between acknowledgement and finish, multiparts purged behind the service's back, answers that
// were lost.

#include "services/upload/testing/service_fixture.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

namespace fs = std::filesystem;

struct upload_faults : service_fixture {
    // Sends from where the service says it stands, as a client does, until it is through.
    void send_through(const upload_id& id, const std::string& bytes) {
        for (int attempt = 0; attempt < 20; ++attempt) {
            auto at = head(id);
            if (!at) {
                continue;
            }
            ASSERT_GE(at->offset, acknowledged) << "the offset went back";
            acknowledged = at->offset;
            if (acknowledged == bytes.size()) {
                return;
            }
            auto r = append(id, acknowledged, std::string_view(bytes).substr(acknowledged));
            if (r) {
                ASSERT_GE(r->offset, acknowledged);
                acknowledged = r->offset;
            }
        }
        FAIL() << "not through after 20 attempts";
    }
    std::uint64_t acknowledged = 0;
};

const error refused{errc::permission_denied, "access_denied", "403 of the store, with its words"};
const error broken{errc::internal, "internal_error", "500"};
const error slow{errc::deadline_exceeded, "deadline_exceeded", {}};

TEST_F(upload_faults, a_part_that_fails_is_never_counted_whatever_part_and_error) {
    const auto bytes = make_bytes(3 * part + 1000);
    for (const auto& e : {refused, broken, slow}) {
        for (std::uint32_t number : {1u, 2u, 3u, 4u}) {
            const auto id = create(bytes.size());
            int left = 3;
            store->before = [&](const store_call& c) -> result<void> {
                if (c.name == "put_part" && c.part == number && left > 0) {
                    --left;
                    return fail(e);
                }
                return {};
            };
            scripted_source source(bytes);
            auto r = append(id, 0, source);
            EXPECT_EQ(reason(r), "storage_unavailable");
            acknowledged = 0;
            send_through(id, bytes);
            EXPECT_TRUE(file_of(id) == bytes) << number << " " << e.reason;
            store->before = nullptr;
        }
    }
}

TEST_F(upload_faults, nothing_is_counted_when_the_store_takes_nothing) {
    const auto bytes = make_bytes(part + 10);
    const auto id = create(bytes.size());
    store->before = [&](const store_call& c) -> result<void> {
        const bool writes = c.name == "put" || c.name == "put_part" || c.name == "begin";
        return writes ? result<void>(fail(errc::resource_exhausted, "store_full")) : result<void>{};
    };
    EXPECT_EQ(reason(append(id, 0, bytes)), "store_full");
    EXPECT_EQ(offset_of(id), 0u);
    store->before = nullptr;
    send_through(id, bytes);
    EXPECT_TRUE(file_of(id) == bytes);
}

TEST_F(upload_faults, a_gap_in_the_stored_parts_ends_the_offset) {
    const auto bytes = make_bytes(3 * part + 10);
    const auto id = create(bytes.size());
    ASSERT_TRUE(append(id, 0, std::string_view(bytes).substr(0, part)).has_value());
    // A part behind a gap, as a store that answers late would leave it.
    auto info = run(files->read_info(id));
    ASSERT_TRUE(info.has_value());
    ASSERT_TRUE(
        run(files->put_part(*info, 2, std::string_view(bytes).substr(2 * part, part))).has_value());
    EXPECT_EQ(offset_of(id), part);
    acknowledged = part;
    send_through(id, bytes);
    EXPECT_TRUE(file_of(id) == bytes);
}

TEST_F(upload_faults, lost_answers_of_the_store_cost_nothing_but_a_repetition) {
    const auto bytes = make_bytes(2 * part + 10);
    for (const auto* call : {"put_part", "put", "complete", "begin", "remove"}) {
        const auto id = create(bytes.size());
        ASSERT_TRUE(append(id, 0, std::string_view(bytes).substr(0, 1000)).has_value());
        int lost = 0;
        store->after = [&](const store_call& c) -> result<void> {
            if (c.name == call && lost < 2) {
                ++lost;
                return fail(slow);
            }
            return {};
        };
        acknowledged = 0;
        send_through(id, bytes);
        EXPECT_GT(lost, 0) << call;
        EXPECT_TRUE(file_of(id) == bytes) << call;
        store->after = nullptr;
    }
}

TEST_F(upload_faults, acknowledged_bytes_survive_a_crash_at_any_moment_of_the_next_request) {
    const auto bytes = make_bytes(part + 3 * mib);
    const auto id = create(bytes.size());
    ASSERT_TRUE(append(id, 0, std::string_view(bytes).substr(0, 3 * mib)).has_value());
    // The next request reaches some point in the store, then the process dies.
    for (int reached = 0; reached < 12; ++reached) {
        const auto at = run(service->inspect(id));
        ASSERT_TRUE(at.has_value()) << reason(at) << " " << reached;
        int calls = 0;
        store->before = [&](const store_call& c) -> result<void> {
            const bool counts = c.name != "list" && c.name != "open" && c.name != "list_parts";
            return counts && calls++ >= reached ? fail(slow) : result<void>{};
        };
        (void)append(id, at->offset, std::string_view(bytes).substr(at->offset));
        store->before = nullptr;
        restart();
        auto now = run(service->inspect(id));
        ASSERT_TRUE(now.has_value()) << reason(now);
        ASSERT_GE(now->offset, at->offset);
    }
    acknowledged = 3 * mib;
    send_through(id, bytes);
    EXPECT_TRUE(file_of(id) == bytes);
}

TEST_F(upload_faults, a_purged_multipart_is_gone_and_not_finished) {
    const auto bytes = make_bytes(2 * part);
    const auto id = create(bytes.size());
    ASSERT_TRUE(append(id, 0, std::string_view(bytes).substr(0, part)).has_value());
    fs::remove_all(dir.path / ".multipart");
    fs::create_directory(dir.path / ".multipart");
    auto r = head(id);
    ASSERT_FALSE(r.has_value());
    EXPECT_EQ(r.error().code, errc::data_loss);
    EXPECT_EQ(reason(append(id, part, std::string_view(bytes).substr(part))), "upload_damaged");
    restart();
    EXPECT_EQ(reason(head(id)), "upload_damaged");
    EXPECT_FALSE(has_file(id));
}

TEST_F(upload_faults, a_damaged_record_is_gone_and_not_finished) {
    const auto id = create(100);
    ASSERT_TRUE(append(id, 0, make_bytes(50)).has_value());
    const auto info = path_of(id, ".info");
    fs::resize_file(info, fs::file_size(info) - 5);
    EXPECT_EQ(reason(head(id)), "upload_damaged");
    restart();
    EXPECT_EQ(reason(head(id)), "upload_damaged");
    EXPECT_EQ(observed.background, (std::vector<std::string>{"upload_damaged"}));
}

TEST_F(upload_faults, a_finished_upload_whose_file_vanished_is_not_called_finished) {
    const auto id = create(100);
    ASSERT_TRUE(append(id, 0, make_bytes(100)).has_value());
    fs::remove(path_of(id, "original.bin"));
    EXPECT_EQ(reason(head(id)), "upload_damaged");
}

TEST_F(upload_faults, a_file_of_another_size_is_never_taken_for_the_upload) {
    const auto bytes = make_bytes(100);
    const auto id = create(bytes.size());
    std::ofstream(path_of(id, "original.bin")) << "somebody else's";
    EXPECT_EQ(reason(head(id)), "upload_damaged");
    EXPECT_EQ(reason(append(id, 0, bytes)), "upload_damaged");
}

TEST_F(upload_faults, the_offset_is_not_the_length_until_the_file_is_there) {
    const auto bytes = make_bytes(part + 5);
    const auto id = create(bytes.size());
    store->before = [&](const store_call& c) -> result<void> {
        return c.name == "complete" ? fail(broken) : result<void>{};
    };
    EXPECT_EQ(reason(append(id, 0, bytes)), "storage_unavailable");
    EXPECT_EQ(reason(head(id)), "storage_unavailable");
    EXPECT_FALSE(has_file(id));
    store->before = nullptr;
    run(service->sweep());  // nobody has to come back for it
    EXPECT_TRUE(file_of(id) == bytes);
    EXPECT_EQ(offset_of(id), bytes.size());
}

TEST_F(upload_faults, bytes_that_are_all_there_are_finished_at_the_next_start) {
    const auto bytes = make_bytes(part + 5);
    const auto id = create(bytes.size());
    store->before = [&](const store_call& c) -> result<void> {
        return c.name == "complete" ? fail(broken) : result<void>{};
    };
    EXPECT_FALSE(append(id, 0, bytes).has_value());
    restart();
    EXPECT_TRUE(file_of(id) == bytes);
    deliver_hooks();
    ASSERT_EQ(sink.delivered.size(), 1u);
    EXPECT_EQ(sink.delivered[0].id, id);
}

TEST_F(upload_faults, two_requests_that_finish_make_one_file_and_one_event) {
    const auto bytes = make_bytes(1000);
    const auto id = create(bytes.size());
    store->after = [&](const store_call& c) -> result<void> {
        return c.name == "complete" ? fail(slow) : result<void>{};
    };
    ASSERT_TRUE(append(id, 0, bytes).has_value())
        << "the file is there: the answer's loss is healed";
    store->after = nullptr;
    EXPECT_EQ(offset_of(id), 1000u);
    EXPECT_EQ(offset_of(id), 1000u);
    restart();
    deliver_hooks();
    EXPECT_EQ(sink.delivered.size(), 1u);
}

TEST_F(upload_faults, storage_that_is_away_is_unavailable_and_never_the_clients_fault) {
    const auto id = create(100);
    store->before = [](const store_call&) -> result<void> { return fail(refused); };
    for (const auto& r : {head(id), append(id, 0, "x")}) {
        ASSERT_FALSE(r.has_value());
        EXPECT_EQ(r.error().code, errc::unavailable);
        EXPECT_EQ(r.error().reason, "storage_unavailable");
    }
    EXPECT_EQ(reason(run(service->create(who, {5, ""}, nullptr))), "storage_unavailable");
    EXPECT_EQ(reason(run(service->terminate(who, id))), "storage_unavailable");
    store->before = nullptr;
    EXPECT_EQ(offset_of(id), 0u);
}

}  // namespace
}  // namespace vora::upload
