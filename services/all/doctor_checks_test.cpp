#include "services/all/doctor_checks.hpp"

#include "libs/base/crypto.hpp"
#include "services/all/run_program.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace vora::all {
namespace {

using namespace std::chrono_literals;

TEST(doctor_processes, who_holds_a_lock_and_who_listens) {
    const auto path = std::filesystem::temp_directory_path() / ("vora_lock_" + random_hex(8));
    const int file = ::open(path.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    EXPECT_TRUE(lock_holders(path.string()).empty());
    ASSERT_EQ(::flock(file, LOCK_EX), 0);
    EXPECT_EQ(lock_holders(path.string()), std::vector<pid_t>{::getpid()});
    ::close(file);
    std::filesystem::remove(path);
    EXPECT_TRUE(lock_holders(path.string()).empty());

    const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::bind(listening, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listening, 1), 0);
    socklen_t size = sizeof address;
    ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
    EXPECT_EQ(listener_of(ntohs(address.sin_port)), ::getpid());
    doctor_facts facts;
    facts.listen = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    const auto found = check_port(facts);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].code, "port_in_use");
    ::close(listening);
}

TEST(doctor_system, an_address_that_is_none_is_said_so) {
    doctor_facts facts;
    facts.listen = "no such host.:80";
    const auto found = check_port(facts);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].code, "bad_address");
}

TEST(run_program, output_code_and_signal_come_back) {
    const auto said = run_program({"sh", "-c", "echo words; echo more >&2; exit 3"}, 10s);
    ASSERT_TRUE(said) << said.error().detail;
    EXPECT_EQ(said->output, "words\n");
    EXPECT_EQ(said->code, 3);
    EXPECT_EQ(run_program({"sh", "-c", "kill -9 $$"}, 10s)->code, 137);
    EXPECT_EQ(run_program({"no-such-program-at-all"}, 10s).error().reason, "cannot_run");
}

TEST(run_program, a_program_that_does_not_end_is_killed) {
    const auto said = run_program({"sleep", "1000"}, 50ms);
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error().code, errc::deadline_exceeded);
}

TEST(run_program, output_is_bounded) {
    const auto said = run_program({"sh", "-c", "head -c 3000000 /dev/zero"}, 20s);
    ASSERT_TRUE(said);
    EXPECT_EQ(said->output.size(), 1u << 20);
    EXPECT_EQ(said->code, 0);
}

}  // namespace
}  // namespace vora::all
