#include "services/worker/core/progress.hpp"

#include <gtest/gtest.h>

namespace vora::worker {
namespace {

TEST(encode_progress, turns_reports_into_per_cent_and_time_left) {
    encode_progress p(20);
    EXPECT_EQ(p.percent(), 0);
    EXPECT_EQ(p.eta_s(5), -1);
    EXPECT_FALSE(p.line("frame=125"));
    EXPECT_FALSE(p.line("out_time_us=5000000"));
    EXPECT_FALSE(p.line("out_time_ms=5000000"));
    EXPECT_TRUE(p.line("progress=continue"));
    EXPECT_EQ(p.percent(), 25);
    EXPECT_EQ(p.frames(), 125);
    EXPECT_EQ(p.eta_s(10), 30);
    p.line("out_time_us=N/A");
    p.line("out_time_us=99000000");
    EXPECT_EQ(p.percent(), 99.9) << "not done before it says so";
    EXPECT_TRUE(p.line("progress=end"));
    EXPECT_EQ(p.percent(), 100);
    EXPECT_EQ(p.eta_s(10), 0);
}

TEST(encode_progress, knows_nothing_without_a_length) {
    encode_progress p(0);
    p.line("out_time_us=5000000");
    EXPECT_EQ(p.percent(), 0);
    EXPECT_EQ(p.eta_s(10), -1);
}

}  // namespace
}  // namespace vora::worker
