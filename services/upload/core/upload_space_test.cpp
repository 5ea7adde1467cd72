// What the service does when the disk fills up.

#include "services/upload/testing/service_fixture.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

using upload_space = service_fixture;

TEST_F(upload_space, nothing_new_is_begun_below_the_mark) {
    space.free = space.low - 1;
    auto refused = run(service->create(who, {10, ""}, nullptr));
    EXPECT_EQ(reason(refused), "insufficient_storage");
    EXPECT_EQ(service->size(), 0u);
    space.free = space.low;
    EXPECT_TRUE(run(service->create(who, {10, ""}, nullptr)).has_value());
}

TEST_F(upload_space, a_file_larger_than_what_is_left_is_refused_at_creation) {
    space.free = space.low + 10 * mib;
    EXPECT_EQ(reason(run(service->create(who, {space.free - space.none + 1, ""}, nullptr))),
              "insufficient_storage");
    EXPECT_TRUE(run(service->create(who, {space.free - space.none, ""}, nullptr)).has_value());
}

TEST_F(upload_space, what_is_under_way_may_end_between_the_marks) {
    const auto bytes = make_bytes(2 * part + 5);
    const auto id = create(bytes.size());
    space.free = space.low - 1;
    EXPECT_EQ(reason(append(id, 0, bytes)), "ok");
    EXPECT_TRUE(file_of(id) == bytes);
}

TEST_F(upload_space, an_append_stops_at_the_lower_mark_and_keeps_what_it_has) {
    const auto bytes = make_bytes(3 * part + 5);
    const auto id = create(bytes.size());
    scripted_source source(bytes);
    source.in_pieces_of(mib).on_piece([&](std::uint64_t delivered) {
        if (delivered == part + mib) {  // in the middle of the second part
            space.free = space.none - 1;
        }
    });
    EXPECT_EQ(reason(append(id, 0, source)), "insufficient_storage");
    EXPECT_EQ(offset_of(id), 2 * part);

    EXPECT_EQ(reason(append(id, 2 * part, std::string_view(bytes).substr(2 * part))),
              "insufficient_storage");
    EXPECT_EQ(offset_of(id), 2 * part) << "not one byte more";

    space.free = UINT64_MAX;
    EXPECT_EQ(reason(append(id, 2 * part, std::string_view(bytes).substr(2 * part))), "ok");
    EXPECT_TRUE(file_of(id) == bytes);
}

}  // namespace
}  // namespace vora::upload
