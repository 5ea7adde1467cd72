#include "services/worker/adapters/child_process.hpp"

#include "services/worker/adapters/scratch_space.hpp"
#include "services/worker/testing/media_bench.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <thread>

namespace vora::worker {
namespace {

using namespace std::chrono_literals;

const std::atomic<bool> never{false};

child_spec script(std::string text, const std::string& directory = "/") {
    child_spec spec;
    spec.program = "/bin/sh";
    spec.arguments = {"-c", std::move(text)};
    spec.directory = directory;
    return spec;
}

TEST(run_child, gives_output_errors_and_exit_code) {
    auto exit = run_child(script("echo out; echo err >&2; exit 3"), never);
    EXPECT_EQ(exit.ended, child_exit::how::exited);
    EXPECT_EQ(exit.code, 3);
    EXPECT_EQ(exit.output, "out\n");
    EXPECT_EQ(exit.errors, "err\n");
}

TEST(run_child, passes_lines_as_they_come) {
    std::vector<std::string> lines;
    auto spec = script("echo one; echo two; printf three");
    spec.on_line = [&](std::string_view line) { lines.emplace_back(line); };
    run_child(spec, never);
    EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "three"}));
}

TEST(run_child, hands_down_no_environment_and_no_descriptors) {
    ::setenv("SOME_SECRET", "do-not-pass-on", 1);
    const int leaked = ::open("/etc/hostname", O_RDONLY);  // without close-on-exec
    auto exit = run_child(script("env; ls /proc/self/fd"), never);
    ::close(leaked);
    EXPECT_EQ(exit.output.find("SOME_SECRET"), std::string::npos);
    const auto fds = exit.output.substr(exit.output.find("\n0\n"));
    EXPECT_EQ(fds, "\n0\n1\n2\n3\n") << "3 is ls's own";
}

TEST(run_child, works_in_its_directory_with_nothing_on_stdin) {
    temporary_directory place;
    auto exit = run_child(script("pwd; cat", place.path()), never);
    EXPECT_EQ(exit.output, place.path() + "\n");
}

TEST(run_child, is_ended_by_the_wall_clock_with_all_its_children) {
    temporary_directory place;
    auto spec = script("trap '' TERM; sleep 600 & sleep 600", place.path());
    spec.limits.wall = 200ms;
    auto exit = run_child(spec, never);
    EXPECT_EQ(exit.ended, child_exit::how::wall_limit);
    EXPECT_LT(exit.wall_s, 30);
    EXPECT_EQ(end_strays(place.path()), 0) << "nothing of the group lives on";
}

TEST(run_child, is_ended_by_silence) {
    auto spec = script("echo begun; sleep 600");
    spec.limits.silence = 200ms;
    EXPECT_EQ(run_child(spec, never).ended, child_exit::how::silent);
}

TEST(run_child, is_ended_by_stop) {
    std::atomic<bool> stop{false};
    auto spec = script("echo begun; sleep 600");
    spec.on_line = [&](std::string_view) { stop = true; };
    EXPECT_EQ(run_child(spec, stop).ended, child_exit::how::stopped);
}

TEST(run_child, is_ended_by_the_kernel_when_its_cpu_time_is_used_up) {
    auto spec = script("while :; do :; done");
    spec.limits.cpu = 1s;
    auto exit = run_child(spec, never);
    EXPECT_EQ(exit.ended, child_exit::how::cpu_limit);
    EXPECT_LT(exit.cpu_s, 3);
}

TEST(run_child, may_not_write_large_files) {
    temporary_directory place;
    auto spec = script("head -c 2000000 /dev/zero > big", place.path());
    spec.limits.file_bytes = 1'000'000;
    auto exit = run_child(spec, never);
    EXPECT_FALSE(exit.ended == child_exit::how::exited && exit.code == 0);
    EXPECT_LE(read_file(place / "big").size(), 1'000'000u);
}

TEST(run_child, tells_a_crash_from_an_exit) {
    auto exit = run_child(script("kill -SEGV $$"), never);
    EXPECT_EQ(exit.ended, child_exit::how::killed);
    EXPECT_EQ(exit.signal, SIGSEGV);
}

TEST(run_child, says_when_the_program_is_not_there) {
    child_spec spec;
    spec.program = "/nonexistent/ffmpeg";
    spec.directory = "/";
    EXPECT_EQ(run_child(spec, never).ended, child_exit::how::not_started);
}

TEST(run_child, keeps_the_first_and_the_last_errors_of_a_flood) {
    auto exit = run_child(script("echo first >&2; i=0; while [ $i -lt 20000 ]; do echo flood >&2; "
                                 "i=$((i+1)); done; echo last >&2"),
                          never);
    EXPECT_LT(exit.errors.size(), 64u * 1024);
    EXPECT_TRUE(exit.errors.starts_with("first\n"));
    EXPECT_TRUE(exit.errors.ends_with("last\n"));
}

TEST(run_child, keeps_no_more_output_than_allowed) {
    auto spec = script("head -c 1000000 /dev/zero");
    spec.limits.stdout_bytes = 1000;
    EXPECT_EQ(run_child(spec, never).output.size(), 1000u);
}

TEST(end_strays, kills_what_works_inside_and_nothing_else) {
    temporary_directory place;
    temporary_directory elsewhere;
    std::atomic<bool> stop{false};
    child_exit inside;
    child_exit outside;
    std::atomic<int> begun{0};
    const auto start = [&](child_exit& into, const std::string& where) {
        auto spec = script("echo begun; sleep 600", where);
        spec.on_line = [&](std::string_view) { ++begun; };
        into = run_child(spec, stop);
    };
    std::thread a([&] { start(inside, place.path()); });
    std::thread b([&] { start(outside, elsewhere.path()); });
    while (begun < 2) {
        std::this_thread::yield();
    }
    EXPECT_GE(end_strays(place.path()), 1);
    a.join();
    EXPECT_EQ(inside.ended, child_exit::how::killed);
    stop = true;
    b.join();
    EXPECT_EQ(outside.ended, child_exit::how::stopped) << "it was still there";
}

TEST(scratch_space, is_emptied_at_start_and_removes_what_jobs_leave) {
    temporary_directory place;
    event_loop loop;
    blocking_pool pool(1);
    shell("mkdir -p " + place.path() + "/scratch/job-old && touch " + place.path() +
          "/scratch/job-old/x");
    scratch_space scratch(pool, place / "scratch");
    ASSERT_TRUE(loop.run_until_done(scratch.prepare()));
    EXPECT_EQ(shell("ls " + place.path() + "/scratch"), "");
    std::string dropped;
    {
        auto job = loop.run_until_done(scratch.open_job());
        ASSERT_TRUE(job);
        dropped = (*job)->path();
        write_file(dropped + "/file", "x");
        EXPECT_NE(shell("ls " + place.path() + "/scratch"), "");
    }
    pool.join();
    EXPECT_EQ(shell("ls " + place.path() + "/scratch"), "");
}

}  // namespace
}  // namespace vora::worker
