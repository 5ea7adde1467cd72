// Real deaths: the test runs itself again as a child that kills itself with SIGKILL at a fault
// point, then looks at what a new start makes of the directory.

#include "services/upload/testing/service_fixture.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

namespace vora::upload {
namespace {

constexpr std::size_t file_bytes = part + 3 * mib;
constexpr std::size_t first_request = 2 * mib;

// The child's work: two requests over two parts, then the hook.
struct DISABLED_upload_crash_child : service_fixture {};

TEST_F(DISABLED_upload_crash_child, uploads_and_tells) {
    const char* directory = std::getenv("VORA_TEST_DIR");
    ASSERT_NE(directory, nullptr);
    std::filesystem::remove_all(dir.path);
    dir.path = directory;
    restart();
    const auto bytes = make_bytes(file_bytes);
    const auto id = create(bytes.size());
    ASSERT_TRUE(append(id, 0, std::string_view(bytes).substr(0, first_request)).has_value());
    ASSERT_TRUE(
        append(id, first_request, std::string_view(bytes).substr(first_request)).has_value());
    deliver_hooks();
    _exit(0);
}

struct upload_crash : service_fixture {
    // How the child ended: its signal, or 0.
    int run_child(const std::string& fault_point) {
        const auto child = fork();
        if (child == 0) {
            setenv("VORA_TEST_DIR", dir.path.c_str(), 1);
            setenv("VORA_FAULT_POINT", fault_point.c_str(), 1);
            execl("/proc/self/exe", "upload_core_test", "--gtest_also_run_disabled_tests",
                  "--gtest_filter=DISABLED_upload_crash_child.*", nullptr);
            _exit(127);
        }
        int status = 0;
        waitpid(child, &status, 0);
        EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
        return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    void SetUp() override { restart(); }
    void expect_acknowledged_bytes_and_go_on(std::uint64_t acknowledged) {
        restart();
        const auto ids = service->with_reference("ref-1");
        ASSERT_EQ(ids.size(), 1u);
        const auto offset = offset_of(ids[0]);
        EXPECT_GE(offset, acknowledged);
        const auto bytes = make_bytes(file_bytes);
        auto rest = append(ids[0], offset, std::string_view(bytes).substr(offset));
        ASSERT_TRUE(rest.has_value()) << reason(rest);
        EXPECT_TRUE(file_of(ids[0]) == bytes);
        deliver_hooks();
        EXPECT_EQ(names_of(ids[0]), (std::vector<std::string>{".info", "original.bin"}));
        EXPECT_EQ(multiparts(), 0u);
    }
};

TEST_F(upload_crash, at_every_moment_a_part_or_tail_became_durable_nothing_is_lost) {
    ASSERT_EQ(run_child("upload.part_durable:1"), SIGKILL);
    expect_acknowledged_bytes_and_go_on(first_request);
    EXPECT_EQ(sink.delivered.size(), 1u);
}

TEST_F(upload_crash, after_a_whole_part_the_next_request_goes_on_behind_it) {
    ASSERT_EQ(run_child("upload.part_durable:2"), SIGKILL);
    expect_acknowledged_bytes_and_go_on(part);
    EXPECT_EQ(sink.delivered.size(), 1u);
}

TEST_F(upload_crash, after_the_last_part_the_new_start_finishes_by_itself) {
    ASSERT_EQ(run_child("upload.part_durable:3"), SIGKILL);
    restart();
    const auto ids = service->with_reference("ref-1");
    ASSERT_EQ(ids.size(), 1u);
    EXPECT_TRUE(has_file(ids[0])) << "without any request";
    expect_acknowledged_bytes_and_go_on(file_bytes);
    EXPECT_EQ(sink.delivered.size(), 1u);
}

TEST_F(upload_crash, before_the_hook_was_sent_it_is_sent_after_the_new_start) {
    ASSERT_EQ(run_child("upload.before_hook"), SIGKILL);
    expect_acknowledged_bytes_and_go_on(file_bytes);
    EXPECT_EQ(sink.delivered.size(), 1u);
}

TEST_F(upload_crash, after_the_hook_was_acknowledged_but_not_noted_it_is_sent_again) {
    ASSERT_EQ(run_child("upload.after_hook"), SIGKILL);
    expect_acknowledged_bytes_and_go_on(file_bytes);
    ASSERT_EQ(sink.delivered.size(), 1u);
    EXPECT_EQ(sink.delivered[0].type, upload_state::finished);
}

TEST_F(upload_crash, a_child_without_a_fault_point_ends_well) {
    EXPECT_EQ(run_child("none"), 0);
    restart();
    EXPECT_EQ(service->hooks().size(), 0u);
}

}  // namespace
}  // namespace vora::upload
