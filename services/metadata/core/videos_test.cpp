#include "services/metadata/core/videos.hpp"

#include "services/metadata/testing/world.hpp"

#include <gtest/gtest.h>

namespace vora::metadata {
namespace {

const caller anna{"anna", false};
const caller bert{"bert", false};
const caller admin{"root", true};

TEST(videos, are_seen_by_their_owner_and_an_admin_only) {
    world w;
    const auto v = w.create("anna");
    EXPECT_EQ(w.run(w.all.get(anna, v.id))->id, v.id);
    EXPECT_EQ(w.run(w.all.get(admin, v.id))->id, v.id);
    const auto foreign = w.run(w.all.get(bert, v.id));
    const auto unknown = w.run(w.all.get(bert, video_id{random_uuid()}));
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().code, errc::not_found);
    EXPECT_EQ(foreign.error().reason, unknown.error().reason);
    EXPECT_EQ(foreign.error().detail, unknown.error().detail);
}

TEST(videos, are_not_changed_or_deleted_by_others) {
    world w;
    const auto v = w.create("anna");
    EXPECT_EQ(w.run(w.all.update(bert, v.id, {"mine", {}, {}}, std::nullopt)).error().code,
              errc::not_found);
    EXPECT_EQ(w.run(w.all.remove(bert, v.id)).error().code, errc::not_found);
    EXPECT_EQ(w.stored(v.id), v);
}

TEST(videos, an_update_with_a_version_that_has_passed_is_refused) {
    world w;
    const auto v = w.create();
    ASSERT_TRUE(w.run(w.all.update(anna, v.id, {"first", {}, {}}, std::vector{v.version})));
    const auto second = w.run(w.all.update(anna, v.id, {"second", {}, {}}, std::vector{v.version}));
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().reason, "version_mismatch");
    EXPECT_EQ(w.stored(v.id).title, "first");
    EXPECT_FALSE(w.run(w.all.update(anna, v.id, {"x", {}, {}}, std::vector<std::int64_t>{})));
}

task<> update_and_count(world& w, video v, int n, int* won, int* lost) {
    auto r = co_await w.all.update(anna, v.id, {"writer " + std::to_string(n), {}, {}},
                                   std::vector{v.version});
    ++*(r ? won : lost);
}

TEST(videos, of_many_writers_with_one_version_exactly_one_wins) {
    world w;
    const auto v = w.create();
    int won = 0;
    int lost = 0;
    task_group group(w.loop.executor());
    for (int i = 0; i < 50; ++i) {
        group.spawn(update_and_count(w, v, i, &won, &lost));
    }
    w.run(group.join());
    EXPECT_EQ(won, 1);
    EXPECT_EQ(lost, 49);
    EXPECT_EQ(w.stored(v.id).version, v.version + 1);
}

TEST(videos, a_deleted_one_is_gone_at_once_and_its_saga_is_started_once) {
    world w;
    const auto v = w.create();
    ASSERT_TRUE(w.run(w.all.remove(anna, v.id)));
    EXPECT_EQ(w.outbox_written, 1);
    EXPECT_EQ(w.run(w.all.get(admin, v.id)).error().code, errc::not_found);
    EXPECT_EQ(w.run(w.all.remove(anna, v.id)).error().code, errc::not_found);
    EXPECT_EQ(w.run(w.all.update(anna, v.id, {"x", {}, {}}, std::nullopt)).error().code,
              errc::not_found);
    EXPECT_EQ(w.count("SELECT count(*) FROM Outbox WHERE step = 2"), 1);
    ASSERT_TRUE(w.run(w.relay.run_once()));
    ASSERT_EQ(w.engine.started.size(), 1u);
    EXPECT_EQ(w.engine.started[0].workflow_id, "delete-" + v.id.value);
}

TEST(videos, deleting_takes_back_a_start_that_nobody_has_begun) {
    world w;
    const auto v = w.create();
    w.uploads.put("u1", v.id, upload_status::finished);
    ASSERT_TRUE(w.run(w.ends.notice(anna, v.id, upload_id{"u1"})));
    ASSERT_TRUE(w.run(w.all.remove(anna, v.id)));
    while (w.run(w.relay.run_once())->more) {
    }
    ASSERT_EQ(w.engine.started.size(), 1u);
    EXPECT_EQ(w.engine.started[0].workflow_type, "delete_video");
}

TEST(videos, a_page_has_a_token_until_the_end) {
    world w;
    for (int i = 0; i < 5; ++i) {
        w.create();
        w.clock.advance(1ms);
    }
    video_filter filter;
    filter.page_size = 2;
    std::vector<std::size_t> sizes;
    do {
        const auto page = w.run(w.all.list(anna, filter)).value();
        sizes.push_back(page.videos.size());
        filter.page_token = page.next_page_token;
    } while (!filter.page_token.empty());
    EXPECT_EQ(sizes, (std::vector<std::size_t>{2, 2, 1}));
}

TEST(videos, a_token_of_another_persons_listing_is_refused) {
    world w;
    w.create("anna");
    w.create("anna");
    video_filter filter;
    filter.page_size = 1;
    filter.page_token = w.run(w.all.list(anna, filter))->next_page_token;
    EXPECT_EQ(w.run(w.all.list(bert, filter)).error().reason, "bad_page_token");
}

}  // namespace
}  // namespace vora::metadata
