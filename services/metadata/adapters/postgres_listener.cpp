#include "services/metadata/adapters/postgres_listener.hpp"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace vora::metadata {

namespace {

constexpr std::chrono::seconds connect_limit{5};
constexpr int pause_ms = 500;
constexpr int look_ms = 60'000;

}  // namespace

postgres_listener::postgres_listener(postgres_target target, std::string channel,
                                     postgres_watchdog& watchdog, ears tell)
    : target_(std::move(target)),
      channel_(std::move(channel)),
      watchdog_(watchdog),
      tell_(std::move(tell)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (wake_ < 0) {
        throw std::system_error(errno, std::generic_category(), "eventfd");
    }
    thread_ = std::thread([this] { listen(); });
}

postgres_listener::~postgres_listener() {
    stopping_ = true;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof one);
    thread_.join();
    ::close(wake_);
}

// False when this is to stop.
bool postgres_listener::pause(int milliseconds) {
    pollfd woken{wake_, POLLIN, 0};
    ::poll(&woken, 1, milliseconds);
    return !stopping_;
}

void postgres_listener::listen() {
    std::size_t host = 0;
    while (!stopping_) {
        try {
            listen_once(host);
        } catch (const std::exception&) {
            // Away. Whoever asks the database hears why.
        }
        host = (host + 1) % target_.hosts.size();
        if (!pause(pause_ms)) {
            return;
        }
    }
}

// Returns when the connection is lost or this is to stop.
void postgres_listener::listen_once(std::size_t host) {
    const auto limit = std::chrono::steady_clock::now() + connect_limit;
    const auto connection = connect(target_.hosts[host], limit);
    auto* c = connection.get();
    {
        const postgres_watchdog::guard guard(watchdog_, PQsocket(c), limit);
        const std::unique_ptr<PGresult, decltype(&PQclear)> done(
            PQexec(c, ("LISTEN " + channel_).c_str()), &PQclear);
        if (PQresultStatus(done.get()) != PGRES_COMMAND_OK) {
            return;
        }
    }
    tell_.missed();
    while (!stopping_) {
        std::array<pollfd, 2> wanted{{{PQsocket(c), POLLIN, 0}, {wake_, POLLIN, 0}}};
        ::poll(wanted.data(), wanted.size(), look_ms);
        if (PQconsumeInput(c) == 0) {
            break;
        }
        while (auto* raw = PQnotifies(c)) {
            const std::unique_ptr<PGnotify, decltype(&PQfreemem)> said(raw, &PQfreemem);
            tell_.heard(said->extra);
        }
        if (PQstatus(c) != CONNECTION_OK) {
            break;
        }
    }
    if (!stopping_) {
        tell_.missed();
    }
}

}  // namespace vora::metadata
