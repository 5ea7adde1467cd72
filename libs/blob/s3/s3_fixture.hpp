#pragma once
// Stores that misbehave on purpose. Test code of libs/blob/s3; blocking sockets on threads.

#include "libs/base/encoding.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vora::blob {

class listening_socket {
 public:
    listening_socket() {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        ::bind(fd_, reinterpret_cast<sockaddr*>(&at), size);
        ::listen(fd_, 64);
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = ntohs(at.sin_port);
    }
    ~listening_socket() { ::close(fd_); }
    listening_socket(const listening_socket&) = delete;

    int accept() const { return ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC); }
    void end() const { ::shutdown(fd_, SHUT_RDWR); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
    int fd_ = -1;
    int port_ = 0;
};

// Closes so that the peer sees a reset.
inline void reset_connection(int fd) {
    const linger now{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    ::close(fd);
}

inline bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

// Answers request after request with prepared bytes, one connection each. An answer may end with
// "<stall>": the connection then stays open and silent.
class canned_store {
 public:
    explicit canned_store(std::vector<std::string> answers) : answers_(std::move(answers)) {
        thread_ = std::thread([this] { run(); });
    }
    ~canned_store() {
        socket_.end();
        thread_.join();
        for (const int fd : silent_) {
            ::close(fd);
        }
    }
    canned_store(const canned_store&) = delete;

    std::string url() const { return socket_.url(); }
    // Heads and bodies as they came.
    std::vector<std::string> requests() const {
        const std::scoped_lock lock(mutex_);
        return requests_;
    }

    static std::string answer(int status, const std::string& headers, const std::string& body) {
        return "HTTP/1.1 " + std::to_string(status) +
               " X\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + headers + "\r\n" +
               body;
    }
    static std::string error(int status, const std::string& code) {
        return answer(status, "", "<Error><Code>" + code + "</Code></Error>");
    }

 private:
    static std::string read_request(int fd) {
        std::string got;
        char piece[65536];
        for (;;) {
            const auto end = got.find("\r\n\r\n");
            if (end != got.npos) {
                const auto at = got.find("\r\nContent-Length: ");
                const auto length = at < end ? std::stoul(got.substr(at + 18)) : 0;
                if (got.size() >= end + 4 + length) {
                    return got;
                }
            }
            const auto n = ::recv(fd, piece, sizeof piece, 0);
            if (n <= 0) {
                return got;
            }
            got.append(piece, static_cast<std::size_t>(n));
        }
    }

    void run() {
        for (auto text : answers_) {
            const int fd = socket_.accept();
            if (fd < 0) {
                return;
            }
            auto request = read_request(fd);
            {
                const std::scoped_lock lock(mutex_);
                requests_.push_back(std::move(request));
            }
            const auto mark = text.find("<stall>");
            send_all(fd, text.substr(0, mark));
            if (mark != text.npos) {
                silent_.push_back(fd);
            } else {
                ::close(fd);
            }
        }
    }

    listening_socket socket_;
    std::vector<std::string> answers_;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    std::vector<int> silent_;
    std::thread thread_;
};

// Passes bytes on to a real store until a lever says otherwise.
class fault_gate {
 public:
    explicit fault_gate(const std::string& target) {
        const auto colon = target.rfind(':');
        port_ = static_cast<std::uint16_t>(std::stoul(target.substr(colon + 1)));
        acceptor_ = std::thread([this] { run(); });
    }
    ~fault_gate() {
        over_ = true;
        socket_.end();
        acceptor_.join();
        for (auto& t : relays_) {
            t.join();
        }
    }
    fault_gate(const fault_gate&) = delete;

    std::string url() const { return socket_.url(); }

    // The next answers are cut by a reset after so many bytes; 0 = before the first.
    std::atomic<int> answers_to_cut = 0;
    std::atomic<std::size_t> cut_after_bytes = 0;
    std::atomic<int> connections = 0;
    // In the body of so many requests a byte is changed, in the first piece behind the head's.
    std::atomic<int> bodies_to_damage = 0;

 private:
    void run() {
        for (;;) {
            const int client = socket_.accept();
            if (client < 0) {
                return;
            }
            ++connections;
            relays_.emplace_back([this, client] { relay(client); });
        }
    }

    void relay(int client) {
        const int store = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port_);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::connect(store, reinterpret_cast<sockaddr*>(&to), sizeof to);
        std::size_t answered = 0;
        int pieces = 0;  // of the request
        bool cutting = false;
        pollfd both[] = {{client, POLLIN, 0}, {store, POLLIN, 0}};
        std::vector<char> piece(65536);
        while (!over_) {
            if (::poll(both, 2, 50) <= 0) {
                continue;
            }
            if (both[0].revents != 0) {
                const auto n = ::recv(client, piece.data(), piece.size(), 0);
                if (n > 0 && ++pieces == 2 && bodies_to_damage > 0) {
                    --bodies_to_damage;
                    piece[static_cast<std::size_t>(n) / 2] ^= 1;
                }
                if (n <= 0 || !send_all(store, {piece.data(), static_cast<std::size_t>(n)})) {
                    break;
                }
                answered = 0;
            }
            if (both[1].revents != 0) {
                const auto n = ::recv(store, piece.data(), piece.size(), 0);
                if (n <= 0) {
                    break;
                }
                pieces = 0;
                auto size = static_cast<std::size_t>(n);
                cutting = cutting || (answered == 0 && answers_to_cut > 0 && answers_to_cut-- > 0);
                if (cutting && answered + size > cut_after_bytes) {
                    send_all(client, {piece.data(), cut_after_bytes - answered});
                    ::close(store);
                    reset_connection(client);
                    return;
                }
                answered += size;
                if (!send_all(client, {piece.data(), size})) {
                    break;
                }
            }
        }
        ::close(store);
        ::close(client);
    }

    listening_socket socket_;
    std::uint16_t port_ = 0;
    std::atomic<bool> over_ = false;
    std::vector<std::thread> relays_;
    std::thread acceptor_;
};

}  // namespace vora::blob
