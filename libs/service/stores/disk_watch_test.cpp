#include "libs/service/stores/disk_watch.hpp"

#include <gtest/gtest.h>

#include <filesystem>

namespace vora::service {
namespace {

TEST(disk_state, the_mark_and_half_of_it_divide_the_room) {
    disk_state d;
    d.mark_bytes = 100;
    for (const auto& [free, expected] :
         {std::pair<std::uint64_t, blob::room>{100, blob::room::ample},
          {99, blob::room::low},
          {50, blob::room::low},
          {49, blob::room::none},
          {0, blob::room::none}}) {
        d.free_bytes = free;
        EXPECT_EQ(d.room(), expected) << free;
    }
    d.free_bytes = 300;
    EXPECT_EQ(d.room(200), blob::room::ample);
    EXPECT_EQ(d.room(201), blob::room::low);
    EXPECT_EQ(d.room(251), blob::room::none);
    EXPECT_EQ(d.room(UINT64_MAX), blob::room::none);
}

TEST(look_at_disk, the_mark_is_the_operators_or_follows_the_size) {
    const auto path = std::filesystem::temp_directory_path().string();
    const auto own = look_at_disk(path, 12'345);
    ASSERT_TRUE(own) << own.error().detail;
    EXPECT_EQ(own->mark_bytes, 12'345u);
    EXPECT_GE(own->total_bytes, own->free_bytes);
    const auto by_size = look_at_disk(path, disk_mark_by_size);
    ASSERT_TRUE(by_size);
    EXPECT_LE(by_size->mark_bytes, std::uint64_t{1} << 30);
    EXPECT_LE(by_size->mark_bytes, by_size->total_bytes / 20);
    EXPECT_EQ(look_at_disk("/nowhere/at/all", 0).error().code, errc::not_found);
}

TEST(disk_watch, a_path_that_is_gone_stops_nobody_and_a_mark_above_everything_stops_all) {
    event_loop loop;
    blocking_pool pool{1};
    obs::metrics metrics;
    const auto temporary = std::filesystem::temp_directory_path().string();
    disk_watch gone(loop.executor(), pool, {"/nowhere/at/all"}, 1, metrics);
    EXPECT_EQ(loop.run_until_done(gone.look(0)), blob::room::ample);
    disk_watch ample(loop.executor(), pool, {temporary}, 0, metrics);
    EXPECT_EQ(loop.run_until_done(ample.look(0)), blob::room::ample);
    EXPECT_TRUE(loop.run_until_done(ample.ready()).has_value());
    disk_watch none(loop.executor(), pool, {"/nowhere/at/all", temporary}, INT64_MAX, metrics);
    EXPECT_EQ(loop.run_until_done(none.look(0)), blob::room::none);
    EXPECT_EQ(loop.run_until_done(none.ready()).error().reason, "disk_full");
    EXPECT_NE(metrics.expose().find("vora_disk_free_bytes"), std::string::npos);
}

TEST(bytes_in_words, a_person_reads_them) {
    EXPECT_EQ(bytes_in_words(0), "0 B");
    EXPECT_EQ(bytes_in_words(1536), "1.5 KiB");
    EXPECT_EQ(bytes_in_words(std::uint64_t{3} << 40), "3.0 TiB");
}

}  // namespace
}  // namespace vora::service
