#pragma once
// A real server on a loopback port with its loop on its own thread, and a client that speaks raw
// bytes. Test code of libs/net.

#include "libs/base/encoding.hpp"
#include "libs/net/server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <functional>
#include <future>
#include <string>
#include <thread>

namespace vora::net {

class running_server {
 public:
    using setup = std::function<void(router&)>;

    explicit running_server(const setup& fill, server_options options = {}, obs::logger log = {}) {
        router routes;
        fill(routes);
        if (options.name.empty()) {
            options.name = "test";
        }
        server_ = std::make_unique<server>(loop_.executor(), std::move(options), std::move(routes),
                                           std::move(log), registry);
        auto started = server_->start();
        if (!started) {
            std::abort();
        }
        address_ = server_->address();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~running_server() {
        stop();
        loop_.stop();
        thread_.join();
    }
    running_server(const running_server&) = delete;

    // Returns when server::stop() is through.
    void stop() { begin_stop().wait(); }
    std::future<void> begin_stop() {
        auto done = std::make_shared<std::promise<void>>();
        boost::asio::co_spawn(loop_.executor(), server_->stop(),
                              [done](std::exception_ptr) { done->set_value(); });
        return done->get_future();
    }
    const std::string& address() const { return address_; }
    std::string url(const std::string& target) const { return "http://" + address_ + target; }
    std::uint16_t port() const {
        return static_cast<std::uint16_t>(
            *parse_uint(std::string_view(address_).substr(address_.rfind(':') + 1)));
    }
    // One line of the metrics page, "" when it is not there.
    std::string metric(const std::string& start) const {
        const std::string page = registry.expose();
        const std::size_t at = page.find("\n" + start);
        return at == std::string::npos ? "" : page.substr(at + 1, page.find('\n', at + 1) - at - 1);
    }

    void await_metric(const std::string& line) const {
        while (metric(line).empty()) {
            std::this_thread::yield();
        }
    }

    obs::metrics registry;

 private:
    event_loop loop_;
    std::unique_ptr<server> server_;
    std::string address_;
    std::thread thread_;
};

struct raw_answer {
    int status = 0;
    std::string head;
    std::string body;

    std::string field(const std::string& name) const {
        const std::size_t at = head.find("\r\n" + name + ": ");
        if (at == std::string::npos) {
            return "";
        }
        const std::size_t start = at + name.size() + 4;
        return head.substr(start, head.find("\r\n", start) - start);
    }
};

// Blocking; every call gives up after ten seconds.
class raw_client {
 public:
    explicit raw_client(std::uint16_t port, int receive_buffer = 0) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const timeval limit{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (receive_buffer > 0) {
            ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        }
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    }
    ~raw_client() { close(); }
    raw_client(const raw_client&) = delete;

    bool connected() const { return connected_; }
    void close() {
        if (fd_ >= 0) {
            ::close(fd_);
            fd_ = -1;
        }
    }
    void end_sending() { ::shutdown(fd_, SHUT_WR); }

    // False when the peer does not take all of it.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }

    // What else arrives until the peer closes; `reset` tells how it closed.
    std::string receive_all() {
        while (receive_some()) {
        }
        return std::exchange(buffer_, {});
    }
    // True once the peer has closed, with no byte before.
    bool closed_silently() { return receive_all().empty() && ended_; }
    bool ended() const { return ended_; }

    // The next answer. `bodiless`: it answers HEAD.
    raw_answer receive(bool bodiless = false) {
        raw_answer answer;
        std::size_t end = std::string::npos;
        while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
            if (!receive_some()) {
                return answer;
            }
        }
        answer.head = buffer_.substr(0, end + 2);
        buffer_.erase(0, end + 4);
        answer.status = std::atoi(answer.head.c_str() + 9);
        const auto length = parse_uint(answer.field("Content-Length"));
        const std::size_t size = length && !bodiless ? static_cast<std::size_t>(*length) : 0;
        while (buffer_.size() < size && receive_some()) {
        }
        answer.body = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return answer;
    }
    raw_answer ask(std::string_view bytes) {
        send(bytes);
        return receive();
    }
    // Reads and forgets; how many bytes came until the peer closed or `most` were read.
    std::uint64_t count(std::uint64_t most) {
        std::uint64_t n = buffer_.size();
        buffer_.clear();
        while (n < most && receive_some()) {
            n += buffer_.size();
            buffer_.clear();
        }
        return n;
    }

 private:
    bool receive_some() {
        char piece[65536];
        const auto n = ::recv(fd_, piece, sizeof piece, 0);
        if (n > 0) {
            buffer_.append(piece, static_cast<std::size_t>(n));
            return true;
        }
        ended_ = n == 0 || errno == ECONNRESET;
        return false;
    }

    int fd_ = -1;
    bool connected_ = false;
    bool ended_ = false;
    std::string buffer_;
};

}  // namespace vora::net
