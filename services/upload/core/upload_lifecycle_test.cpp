#include "services/upload/testing/service_fixture.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

using namespace std::chrono_literals;

struct upload_lifecycle : service_fixture {
    std::vector<std::string> told() const {
        std::vector<std::string> out;
        for (const auto& e : sink.delivered) {
            out.push_back(std::string(to_string(e.type)));
        }
        return out;
    }
};

TEST_F(upload_lifecycle, a_finished_upload_is_told_with_its_reference_size_and_key) {
    const auto id = create(5);
    ASSERT_TRUE(append(id, 0, "12345").has_value());
    deliver_hooks();
    ASSERT_EQ(sink.delivered.size(), 1u);
    const auto& e = sink.delivered[0];
    EXPECT_EQ(e.type, upload_state::finished);
    EXPECT_EQ(e.reference, "ref-1");
    EXPECT_EQ(e.size_bytes, 5u);
    EXPECT_EQ(e.object_key, id.value + "/original.bin");
    EXPECT_EQ(e.occurred, clock.now());
    EXPECT_EQ(names_of(id), (std::vector<std::string>{".info", "original.bin"}));
}

TEST_F(upload_lifecycle, a_hook_is_repeated_with_the_same_id_until_it_is_acknowledged) {
    sink.failures_left = 4;
    const auto id = create(5);
    ASSERT_TRUE(append(id, 0, "12345").has_value());
    deliver_hooks();
    ASSERT_EQ(sink.tried.size(), 5u);
    for (const auto& e : sink.tried) {
        EXPECT_EQ(e.event_id, sink.tried[0].event_id);
    }
    EXPECT_EQ(told(), (std::vector<std::string>{"finished"}));
    EXPECT_EQ(observed.hooks_failed, 4);
}

TEST_F(upload_lifecycle, a_hook_that_was_not_acknowledged_is_found_again_after_a_restart) {
    const auto id = create(5);
    ASSERT_TRUE(append(id, 0, "12345").has_value());
    restart();
    EXPECT_EQ(service->hooks().size(), 1u);
    deliver_hooks();
    EXPECT_EQ(told(), (std::vector<std::string>{"finished"}));
    restart();
    EXPECT_EQ(service->hooks().size(), 0u);
}

TEST_F(upload_lifecycle, a_crash_before_the_acknowledgement_is_noted_tells_it_again) {
    const auto id = create(5);
    ASSERT_TRUE(append(id, 0, "12345").has_value());
    bool lost = false;
    store->before = [&](const store_call& c) -> result<void> {
        if (c.name == "remove" && c.key.ends_with(".hook") && !lost) {
            lost = true;
            return fail(errc::unavailable, "x");
        }
        return {};
    };
    deliver_hooks();
    ASSERT_EQ(sink.delivered.size(), 2u);
    EXPECT_EQ(sink.delivered[0].event_id, sink.delivered[1].event_id);
}

TEST_F(upload_lifecycle,
       hooks_of_one_upload_do_not_stop_those_of_others_when_its_record_is_damaged) {
    const auto bad = create(5);
    ASSERT_TRUE(append(bad, 0, "12345").has_value());
    const auto good = create(5);
    ASSERT_TRUE(append(good, 0, "12345").has_value());
    std::ofstream(path_of(bad, ".info")) << "{";
    task_group hooks(loop.executor());
    hooks.spawn(service->hooks().run());
    run_until([&] { return sink.delivered.size() == 1; });
    EXPECT_EQ(sink.delivered[0].id, good);
    run_until([&] { return observed.hooks_failed >= 2; });
    struct stopper {
        static task<> stop(task_group& g) { co_await g.stop(); }
    };
    run(stopper::stop(hooks));
}

TEST_F(upload_lifecycle, termination_removes_the_bytes_and_tells) {
    const auto bytes = make_bytes(part + 1000);
    const auto id = create(2 * part);
    ASSERT_TRUE(append(id, 0, bytes).has_value());
    ASSERT_TRUE(run(service->terminate(who, id)).has_value());
    EXPECT_EQ(names_of(id), (std::vector<std::string>{".hook", ".info"}));
    EXPECT_EQ(multiparts(), 0u);
    EXPECT_EQ(reason(head(id)), "upload_terminated");
    EXPECT_EQ(reason(append(id, part + 1000, "x")), "upload_terminated");
    EXPECT_EQ(reason(run(service->terminate(who, id))), "upload_terminated");
    deliver_hooks();
    EXPECT_EQ(told(), (std::vector<std::string>{"terminated"}));
}

TEST_F(upload_lifecycle, a_finished_upload_cannot_be_terminated) {
    const auto id = create(5);
    ASSERT_TRUE(append(id, 0, "12345").has_value());
    EXPECT_EQ(reason(run(service->terminate(who, id))), "upload_finished");
    EXPECT_EQ(file_of(id), "12345");
}

TEST_F(upload_lifecycle, an_upload_that_is_not_finished_in_time_expires) {
    limits.expiry = 3600s;
    restart();
    const auto id = create(2 * part);
    ASSERT_TRUE(append(id, 0, make_bytes(part + 1000)).has_value());
    const auto done = create(3);
    ASSERT_TRUE(append(done, 0, "abc").has_value());
    clock.advance(3599s);
    run(service->sweep());
    EXPECT_EQ(offset_of(id), part + 1000);
    clock.advance(2s);
    run(service->sweep());
    EXPECT_EQ(reason(head(id)), "upload_expired");
    EXPECT_EQ(names_of(id), (std::vector<std::string>{".hook", ".info"}));
    EXPECT_EQ(multiparts(), 0u);
    EXPECT_EQ(offset_of(done), 3u) << "finished ones stay";
    deliver_hooks();
    EXPECT_EQ(told().size(), 2u);
    EXPECT_EQ(run(service->inspect(id))->info.state, upload_state::expired);
}

TEST_F(upload_lifecycle, an_upload_whose_time_is_over_answers_so_before_any_sweep) {
    limits.expiry = 60s;
    restart();
    const auto id = create(10);
    clock.advance(61s);
    EXPECT_EQ(reason(append(id, 0, "x")), "upload_expired");
    EXPECT_EQ(run(service->inspect(id))->info.state, upload_state::expired);
}

TEST_F(upload_lifecycle, an_upload_that_lost_its_parts_still_expires) {
    limits.expiry = 60s;
    restart();
    const auto id = create(2 * part);
    ASSERT_TRUE(append(id, 0, make_bytes(part)).has_value());
    std::filesystem::remove_all(dir.path / ".multipart");
    std::filesystem::create_directory(dir.path / ".multipart");
    clock.advance(61s);
    run(service->sweep());
    deliver_hooks();
    EXPECT_EQ(told(), (std::vector<std::string>{"expired"}));
}

TEST_F(upload_lifecycle, a_crash_between_the_marker_and_the_record_still_ends_the_upload) {
    const auto id = create(10);
    ASSERT_TRUE(append(id, 0, "12345").has_value());
    ASSERT_TRUE(run(files->put_marker(id, {upload_state::terminated, clock.now()})).has_value());
    restart();
    EXPECT_EQ(reason(head(id)), "upload_terminated");
    deliver_hooks();
    EXPECT_EQ(told(), (std::vector<std::string>{"terminated"}));
}

TEST_F(upload_lifecycle, bytes_that_could_not_be_removed_go_at_the_next_start) {
    const auto id = create(2 * part);
    ASSERT_TRUE(append(id, 0, make_bytes(part + 1000)).has_value());
    store->before = [](const store_call& c) -> result<void> {
        return c.name == "abort" ? fail(errc::unavailable, "x") : result<void>{};
    };
    ASSERT_TRUE(run(service->terminate(who, id)).has_value());
    EXPECT_EQ(multiparts(), 1u);
    restart();
    EXPECT_EQ(multiparts(), 0u);
    EXPECT_EQ(names_of(id), (std::vector<std::string>{".hook", ".info"}));
}

TEST_F(upload_lifecycle, tombstones_go_when_they_are_old_and_their_end_was_told) {
    limits.tombstone = 3600s;
    restart();
    const auto id = create(10);
    ASSERT_TRUE(run(service->terminate(who, id)).has_value());
    clock.advance(3601s);
    run(service->sweep());
    EXPECT_EQ(names_of(id).size(), 2u) << "not told yet";
    deliver_hooks();
    run(service->sweep());
    EXPECT_TRUE(names_of(id).empty());
    EXPECT_EQ(reason(head(id)), "no_such_upload");
    EXPECT_EQ(service->size(), 0u);
}

TEST_F(upload_lifecycle, removal_takes_bytes_and_state_in_every_state_and_twice) {
    const auto open = create(2 * part);
    ASSERT_TRUE(append(open, 0, make_bytes(part + 10)).has_value());
    const auto done = create(3);
    ASSERT_TRUE(append(done, 0, "abc").has_value());
    const auto dead = create(3);
    ASSERT_TRUE(run(service->terminate(who, dead)).has_value());
    for (const auto& id : {open, done, dead, make_upload_id()}) {
        EXPECT_TRUE(run(service->remove(id)).has_value());
        EXPECT_TRUE(run(service->remove(id)).has_value());
        EXPECT_TRUE(names_of(id).empty());
        EXPECT_EQ(reason(head(id)), "no_such_upload");
    }
    EXPECT_EQ(multiparts(), 0u);
    EXPECT_EQ(service->size(), 0u);
    EXPECT_EQ(service->hooks().size(), 0u);
}

TEST_F(upload_lifecycle, a_removal_that_was_cut_short_is_ended_at_the_next_start) {
    const auto id = create(3);
    ASSERT_TRUE(append(id, 0, "abc").has_value());
    std::filesystem::remove(path_of(id, ".info"));
    std::filesystem::create_directory(dir.path / "not-an-upload");
    std::ofstream(dir.path / "not-an-upload" / "file") << "stays";
    restart();
    EXPECT_TRUE(names_of(id).empty());
    EXPECT_TRUE(std::filesystem::exists(dir.path / "not-an-upload" / "file"));
}

TEST_F(upload_lifecycle, uploads_are_found_by_reference_also_after_a_restart) {
    const auto a = create(10);
    who.reference = "ref-2";
    const auto b = create(10);
    const auto c = create(10);
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(service->with_reference("ref-1"), (std::vector<upload_id>{a}));
        auto two = service->with_reference("ref-2");
        std::ranges::sort(two);
        auto expected = std::vector<upload_id>{b, c};
        std::ranges::sort(expected);
        EXPECT_EQ(two, expected);
        EXPECT_TRUE(service->with_reference("ref-3").empty());
        restart();
    }
}

TEST_F(upload_lifecycle, only_so_many_uploads_of_one_reference_are_open_at_a_time) {
    limits.open_per_reference_max = 2;
    restart();
    const auto first = create(3);
    create(3);
    EXPECT_EQ(reason(run(service->create(who, {3, ""}, nullptr))), "too_many_uploads");
    auto other = who;
    other.reference = "ref-2";
    EXPECT_TRUE(run(service->create(other, {3, ""}, nullptr)).has_value());
    ASSERT_TRUE(append(first, 0, "abc").has_value());
    EXPECT_TRUE(run(service->create(who, {3, ""}, nullptr)).has_value());
}

TEST_F(upload_lifecycle, the_smaller_of_the_two_limits_counts_at_creation) {
    limits.size_max_bytes = 1000;
    restart();
    EXPECT_EQ(reason(run(service->create(who, {1001, ""}, nullptr))), "upload_too_large");
    who.length_max = 10;
    EXPECT_EQ(reason(run(service->create(who, {11, ""}, nullptr))), "upload_too_large");
    EXPECT_TRUE(run(service->create(who, {10, ""}, nullptr)).has_value());
}

TEST_F(upload_lifecycle, without_a_receiver_nothing_is_kept_to_be_told) {
    limits.hooks = false;
    restart();
    const auto id = create(3);
    ASSERT_TRUE(append(id, 0, "abc").has_value());
    EXPECT_EQ(names_of(id), (std::vector<std::string>{".info", "original.bin"}));
}

}  // namespace
}  // namespace vora::upload
