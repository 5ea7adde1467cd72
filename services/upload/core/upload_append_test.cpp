#include "services/upload/testing/service_fixture.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

using namespace std::chrono_literals;

struct upload_append : service_fixture {
    std::uint64_t durable_tail(const upload_id& id) const {
        std::uint64_t end = 0;
        for (const auto& name : names_of(id)) {
            if (auto e = parse_tail_name(name)) {
                end = std::max(end, e->to);
            }
        }
        return end;
    }
};

task<> append_into(upload_service& service, access who, upload_id id, std::uint64_t offset,
                   byte_source& source, std::optional<result<upload_view>>& into) {
    into.emplace(co_await service.append(who, id, offset, source));
}

TEST_F(upload_append, small_files_are_stored_whole) {
    const auto bytes = make_bytes(1000);
    const auto id = create(bytes.size());
    EXPECT_EQ(offset_of(id), 0u);
    auto first = append(id, 0, bytes.substr(0, 300));
    ASSERT_TRUE(first.has_value()) << reason(first);
    EXPECT_EQ(first->offset, 300u);
    EXPECT_FALSE(has_file(id));
    auto last = append(id, 300, bytes.substr(300));
    ASSERT_TRUE(last.has_value()) << reason(last);
    EXPECT_EQ(last->offset, 1000u);
    EXPECT_EQ(last->info.state, upload_state::finished);
    EXPECT_EQ(file_of(id), bytes);
    EXPECT_EQ(names_of(id), (std::vector<std::string>{".hook", ".info", "original.bin"}));
    EXPECT_EQ(multiparts(), 0u);
}

TEST_F(upload_append, an_empty_file_is_finished_at_creation) {
    auto made = run(service->create(who, {0, ""}, nullptr));
    ASSERT_TRUE(made.has_value());
    EXPECT_EQ(made->info.state, upload_state::finished);
    EXPECT_TRUE(has_file(made->info.id));
    EXPECT_EQ(offset_of(made->info.id), 0u);
}

TEST_F(upload_append, pieces_of_any_size_over_several_parts_make_the_same_file) {
    const auto bytes = make_bytes(3 * part + 12'345);
    const auto id = create(bytes.size());
    std::uint64_t at = 0;
    for (std::uint64_t n : {std::uint64_t{1}, std::uint64_t{4095}, mib, part + 1, part - 77,
                            std::uint64_t{77}, bytes.size()}) {
        n = std::min<std::uint64_t>(n, bytes.size() - at);
        scripted_source source(std::string_view(bytes).substr(at, n));
        source.in_pieces_of(65'536);
        auto r = append(id, at, source);
        ASSERT_TRUE(r.has_value()) << reason(r);
        at += n;
        ASSERT_EQ(r->offset, at);
        ASSERT_EQ(offset_of(id), at);
    }
    EXPECT_TRUE(file_of(id) == bytes);
    EXPECT_EQ(names_of(id), (std::vector<std::string>{".hook", ".info", "original.bin"}));
}

TEST_F(upload_append, a_file_of_whole_parts_ends_with_a_whole_part) {
    const auto bytes = make_bytes(2 * part);
    const auto id = create(bytes.size());
    ASSERT_TRUE(append(id, 0, bytes).has_value());
    EXPECT_TRUE(file_of(id) == bytes);
}

TEST_F(upload_append, rejects_every_other_offset_and_changes_nothing) {
    const auto id = create(1000);
    ASSERT_TRUE(append(id, 0, make_bytes(300)).has_value());
    for (std::uint64_t offset : {0u, 299u, 301u, 1000u, 5000u}) {
        EXPECT_EQ(reason(append(id, offset, "y")), "upload_offset_mismatch") << offset;
    }
    EXPECT_EQ(offset_of(id), 300u);
}

TEST_F(upload_append, a_body_beyond_the_length_is_refused_before_it_is_read) {
    const auto id = create(100);
    EXPECT_EQ(reason(append(id, 0, make_bytes(101))), "body_beyond_length");
    EXPECT_EQ(observed.received_bytes, 0u);
    EXPECT_EQ(offset_of(id), 0u);
}

TEST_F(upload_append, a_body_of_unknown_length_that_goes_beyond_is_not_stored) {
    const auto bytes = make_bytes(101);
    const auto id = create(100);
    scripted_source source(bytes);
    source.announcing(std::nullopt);
    EXPECT_EQ(reason(append(id, 0, source)), "body_beyond_length");
    EXPECT_EQ(offset_of(id), 0u);
    EXPECT_FALSE(has_file(id));
    ASSERT_TRUE(append(id, 0, bytes.substr(0, 100)).has_value());
    EXPECT_EQ(file_of(id), bytes.substr(0, 100));
}

TEST_F(upload_append, a_finished_upload_takes_an_empty_body_and_no_other) {
    const auto id = create(10);
    ASSERT_TRUE(append(id, 0, "0123456789").has_value());
    auto again = append(id, 10, "");
    ASSERT_TRUE(again.has_value()) << reason(again);
    EXPECT_EQ(again->offset, 10u);
    EXPECT_EQ(reason(append(id, 10, "x")), "body_beyond_length");
    scripted_source hidden("x");
    hidden.announcing(std::nullopt);
    EXPECT_EQ(reason(append(id, 10, hidden)), "body_beyond_length");
    EXPECT_EQ(file_of(id), "0123456789");
}

TEST_F(upload_append, a_client_that_vanishes_loses_nothing_that_arrived) {
    const auto bytes = make_bytes(2 * part);
    const auto id = create(bytes.size());
    scripted_source source(std::string_view(bytes).substr(0, part + 1'234'567));
    source.announcing(bytes.size()).then_breaks();
    EXPECT_EQ(reason(append(id, 0, source)), "body_interrupted");
    EXPECT_EQ(offset_of(id), part + 1'234'567);
    restart();
    EXPECT_EQ(offset_of(id), part + 1'234'567);
    ASSERT_TRUE(append(id, part + 1'234'567, bytes.substr(part + 1'234'567)).has_value());
    EXPECT_TRUE(file_of(id) == bytes);
}

TEST_F(upload_append, an_offset_request_ends_a_stalled_writer_and_counts_its_bytes) {
    const auto bytes = make_bytes(1'000'000);
    const auto id = create(bytes.size());
    scripted_source stalled(std::string_view(bytes).substr(0, 700'000));
    stalled.announcing(bytes.size()).then_stalls();
    std::optional<result<upload_view>> first;
    spawn(append_into(*service, who, id, 0, stalled, first));
    run_until([&] { return stalled.stalled; });
    EXPECT_EQ(offset_of(id), 700'000u);
    run_until([&] { return first.has_value(); });
    EXPECT_EQ(reason(*first), "upload_taken_over");
    EXPECT_EQ(observed.takeovers, 1);
    ASSERT_TRUE(append(id, 700'000, bytes.substr(700'000)).has_value());
    EXPECT_EQ(file_of(id), bytes);
}

TEST_F(upload_append, a_new_writer_takes_a_stalled_one_over) {
    const auto bytes = make_bytes(1000);
    const auto id = create(bytes.size());
    scripted_source stalled("");
    stalled.announcing(1000).then_stalls();
    std::optional<result<upload_view>> first;
    spawn(append_into(*service, who, id, 0, stalled, first));
    run_until([&] { return stalled.stalled; });
    ASSERT_TRUE(append(id, 0, bytes).has_value());
    EXPECT_EQ(file_of(id), bytes);
    run_until([&] { return first.has_value(); });
    EXPECT_EQ(reason(*first), "upload_taken_over");
}

TEST_F(upload_append, a_stranger_cannot_stop_a_writer) {
    const auto id = create(1000);
    scripted_source stalled("abc");
    stalled.announcing(1000).then_stalls();
    std::optional<result<upload_view>> first;
    spawn(append_into(*service, who, id, 0, stalled, first));
    run_until([&] { return stalled.stalled; });
    auto stranger = who;
    stranger.subject = "bob";
    scripted_source other("xyz");
    EXPECT_EQ(reason(run(service->head(stranger, id))), "no_such_upload");
    EXPECT_EQ(reason(run(service->append(stranger, id, 0, other))), "no_such_upload");
    EXPECT_EQ(reason(run(service->terminate(stranger, id))), "no_such_upload");
    EXPECT_FALSE(first.has_value());
    EXPECT_EQ(run(service->inspect(id))->offset, 0u) << "asking from inside disturbs nobody";
    EXPECT_FALSE(first.has_value());
    stop();
}

TEST_F(upload_append, a_server_that_stops_keeps_what_arrived) {
    const auto bytes = make_bytes(500'000);
    const auto id = create(bytes.size() + 1);
    scripted_source stalled(bytes);
    stalled.announcing(bytes.size() + 1).then_stalls();
    std::optional<result<upload_view>> first;
    spawn(append_into(*service, who, id, 0, stalled, first));
    run_until([&] { return stalled.stalled; });
    restart();
    EXPECT_FALSE(first.has_value()) << "it ended as cancelled";
    EXPECT_EQ(offset_of(id), bytes.size());
}

TEST_F(upload_append, a_slow_client_becomes_durable_while_it_sends) {
    limits.append.tail_interval = 0ms;
    restart();
    const auto bytes = make_bytes(100'000);
    const auto id = create(bytes.size());
    std::uint64_t durable_midway = 0;
    scripted_source source(bytes);
    source.in_pieces_of(1000).on_piece([&](std::uint64_t at) {
        if (at == 50'000) {
            durable_midway = durable_tail(id);
        }
    });
    ASSERT_TRUE(append(id, 0, source).has_value());
    EXPECT_EQ(durable_midway, 50'000u);
    EXPECT_EQ(file_of(id), bytes) << "a hundred tails, merged on the way";
}

TEST_F(upload_append, a_stalled_clients_bytes_become_durable_without_ending_its_request) {
    limits.append.tail_interval = 5ms;
    restart();
    const auto bytes = make_bytes(600'000);
    const auto id = create(bytes.size());
    bool go_on = false;
    scripted_source source(bytes);
    source.pausing_at(500'000, go_on);
    std::optional<result<upload_view>> answer;
    spawn(append_into(*service, who, id, 0, source, answer));
    run_until([&] { return durable_tail(id) == 500'000; });
    EXPECT_FALSE(answer.has_value());
    go_on = true;
    run_until([&] { return answer.has_value(); });
    ASSERT_TRUE(answer->has_value()) << reason(*answer);
    EXPECT_EQ(file_of(id), bytes);
}

TEST_F(upload_append, many_writers_get_through_a_budget_that_is_far_too_small) {
    limits.append.growth_wait = 1ms;
    limits.open_per_reference_max = 100;
    limits.memory_bytes = 1;  // the least there is: 16 MiB for receiving
    restart();
    const auto bytes = make_bytes(5 * mib);
    constexpr int writers = 12;
    std::vector<upload_id> ids;
    std::vector<std::unique_ptr<scripted_source>> sources;
    std::vector<std::optional<result<upload_view>>> results(writers);
    for (int i = 0; i < writers; ++i) {
        ids.push_back(create(bytes.size()));
        sources.push_back(std::make_unique<scripted_source>(bytes));
        sources.back()->in_pieces_of(100'000);
    }
    for (std::size_t i = 0; i < writers; ++i) {
        spawn(append_into(*service, who, ids[i], 0, *sources[i], results[i]));
    }
    run_until(
        [&] { return std::ranges::all_of(results, [](const auto& r) { return r.has_value(); }); });
    for (std::size_t i = 0; i < writers; ++i) {
        ASSERT_TRUE(results[i]->has_value()) << reason(*results[i]);
        EXPECT_TRUE(file_of(ids[i]) == bytes) << i;
    }
}

TEST_F(upload_append, sixty_stalled_writers_do_not_hold_another_up) {
    limits.open_per_reference_max = 100;
    limits.memory_bytes = 1;
    restart();
    const auto some = make_bytes(1 * mib);
    std::vector<std::unique_ptr<scripted_source>> sources;
    std::vector<std::optional<result<upload_view>>> results(60);
    for (std::size_t i = 0; i < 60; ++i) {
        const auto id = create(2 * mib);
        sources.push_back(std::make_unique<scripted_source>(some));
        sources.back()->announcing(2 * mib).then_stalls();
        spawn(append_into(*service, who, id, 0, *sources.back(), results[i]));
    }
    run_until([&] { return std::ranges::all_of(sources, [](auto& s) { return s->stalled; }); });
    const auto bytes = make_bytes(part + 5);
    const auto id = create(bytes.size());
    ASSERT_TRUE(append(id, 0, bytes).has_value());
    EXPECT_TRUE(file_of(id) == bytes);
    stop();
}

TEST_F(upload_append, creation_with_bytes_keeps_the_upload_when_they_break_off) {
    scripted_source source("12345");
    source.announcing(10).then_breaks();
    auto made = run(service->create(who, {10, ""}, &source));
    ASSERT_TRUE(made.has_value()) << reason(made);
    EXPECT_EQ(made->offset, 5u);
    ASSERT_TRUE(append(made->info.id, 5, "67890").has_value());
    EXPECT_EQ(file_of(made->info.id), "1234567890");
}

}  // namespace
}  // namespace vora::upload
