// Connections that stall or die in the middle of a body, over real sockets.

#include "libs/base/encoding.hpp"
#include "services/upload/testing/app_fixture.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace vora::upload {
namespace {

// Speaks raw bytes; blocking, so it sends no more than the kernel takes.
class raw_client {
 public:
    explicit raw_client(const std::string& address) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port =
            htons(static_cast<std::uint16_t>(*parse_uint(address.substr(address.rfind(':') + 1))));
        EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    }
    raw_client(raw_client&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~raw_client() { close(); }
    void send(const std::string& bytes) {
        EXPECT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(bytes.size()));
    }
    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

 private:
    int fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

struct tus_takeover : app_fixture {
    std::string begin(std::size_t length) { return field(create(length), "Location"); }
    std::string patch_head(const std::string& url, std::size_t offset, std::size_t length) const {
        return "PATCH " + url.substr(base().size()) + " HTTP/1.1\r\nHost: " + server->address() +
               "\r\nTus-Resumable: 1.0.0\r\nContent-Type: application/offset+octet-stream\r\n" +
               "Upload-Offset: " + std::to_string(offset) +
               "\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
    }
    std::uint64_t received() const {
        const auto text = metrics.expose();
        const std::string name = "\nvora_upload_received_bytes_total ";
        const auto at = text.find(name);
        return at == std::string::npos ? 0 : std::stoull(text.substr(at + name.size()));
    }
};

TEST_F(tus_takeover, an_offset_request_ends_a_stalled_writer_and_counts_every_byte) {
    const auto bytes = make_bytes(300'000);
    const auto url = begin(bytes.size());
    raw_client stalled(server->address());
    stalled.send(patch_head(url, 0, bytes.size()) + bytes.substr(0, 200'000));
    run_until([&] { return received() == 200'000; });
    EXPECT_EQ(offset_of(url), 200'000u);
    ASSERT_EQ(patch(url, 200'000, bytes.substr(200'000)).status, 204);
}

TEST_F(tus_takeover, a_new_writer_goes_on_while_the_old_connection_is_still_open) {
    const auto bytes = make_bytes(1000);
    const auto url = begin(bytes.size());
    raw_client stalled(server->address());
    stalled.send(patch_head(url, 0, bytes.size()) + bytes.substr(0, 50));
    run_until([&] { return received() == 50; });  // it came first, and holds the upload
    raw_client second(server->address());
    second.send(patch_head(url, 50, bytes.size() - 50) + bytes.substr(50, 50));
    run_until([&] { return received() == 100; });
    EXPECT_EQ(patch(url, 100, bytes.substr(100)).status, 204);
    EXPECT_EQ(offset_of(url), 1000u);
}

TEST_F(tus_takeover, a_connection_that_dies_keeps_its_bytes) {
    const auto bytes = make_bytes(300'000);
    const auto url = begin(bytes.size());
    {
        raw_client dying(server->address());
        dying.send(patch_head(url, 0, bytes.size()) + bytes.substr(0, 150'000));
        run_until([&] { return received() == 150'000; });
    }
    EXPECT_EQ(offset_of(url), 150'000u);
    restart();
}

TEST_F(tus_takeover, a_server_that_stops_keeps_the_bytes_of_running_requests) {
    const auto bytes = make_bytes(300'000);
    const auto location = begin(bytes.size());
    const auto path = location.substr(base().size());
    raw_client stalled(server->address());
    stalled.send(patch_head(location, 0, bytes.size()) + bytes.substr(0, 150'000));
    run_until([&] { return received() == 150'000; });
    restart();
    EXPECT_EQ(offset_of(base() + path), 150'000u);
}

TEST_F(tus_takeover, sixty_stalled_connections_do_not_stop_an_upload) {
    const auto idle = begin(10'000);
    std::vector<raw_client> stalled;
    for (int i = 0; i < 60; ++i) {
        stalled.emplace_back(server->address());
        stalled.back().send(patch_head(idle, 0, 10'000));
    }
    const auto bytes = make_bytes(part + 1000);
    const auto url = begin(bytes.size());
    ASSERT_EQ(patch(url, 0, bytes).status, 204);
    stop();
    stalled.clear();
    start();
}

}  // namespace
}  // namespace vora::upload
