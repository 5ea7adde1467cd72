#include "libs/net/server.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/connection.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>

#include <algorithm>
#include <map>
#include <unordered_set>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace vora::net {

namespace {

using namespace std::chrono_literals;

// Children (encoders) must not inherit our sockets: a connection would outlive its close.
void close_on_exec(int fd) {
    ::fcntl(fd, F_SETFD, ::fcntl(fd, F_GETFD) | FD_CLOEXEC);
}

result<tcp::endpoint> parse_address(const std::string& text) {
    const auto bad = fail(errc::invalid_argument, "bad_address", "not HOST:PORT: " + text);
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos) {
        return bad;
    }
    const auto port = parse_uint(std::string_view(text).substr(colon + 1));
    std::string host = text.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    } else if (host == "localhost") {
        host = "127.0.0.1";
    }
    boost::system::error_code ec;
    const auto address = asio::ip::make_address(host, ec);
    if (ec || !port || *port > 65535) {
        return bad;
    }
    return tcp::endpoint(address, static_cast<std::uint16_t>(*port));
}

std::string peer_text(const tcp::endpoint& peer) {
    const auto address = peer.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    }
    return address.to_string();
}

std::string endpoint_text(const tcp::endpoint& e) {
    const std::string host = e.address().to_string();
    return (e.address().is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(e.port());
}

error bind_error(const boost::system::error_code& ec, const std::string& address) {
    if (ec == asio::error::address_in_use) {
        return {errc::already_exists, "port_in_use", address + " is in use"};
    }
    if (ec == asio::error::access_denied) {
        return {errc::permission_denied, "port_denied", address + " needs more rights"};
    }
    return {errc::invalid_argument, "bad_address", address + ": " + ec.message()};
}

}  // namespace

struct server::state {
    state(executor e, server_options o, router r, obs::logger l, obs::metrics& m)
        : ex(e),
          context(std::move(o), std::move(r), std::move(l), m),
          acceptor(e),
          group(e),
          empty(e) {}

    // Holds a connection's place in the lists for as long as its coroutine runs.
    class place {
     public:
        place(state& s, connection& c) : state_(s), connection_(c) {
            state_.open.insert(&connection_);
            ++state_.per_peer[connection_.peer()];
            state_.context.metrics.connections_accepted.add();
            state_.context.metrics.connections_open.add(1);
        }
        ~place() {
            state_.open.erase(&connection_);
            const auto count = state_.per_peer.find(connection_.peer());
            if (--count->second == 0) {
                state_.per_peer.erase(count);
            }
            state_.context.metrics.connections_open.add(-1);
            if (state_.open.empty()) {
                state_.empty.notify();
            }
        }
        place(const place&) = delete;

     private:
        state& state_;
        connection& connection_;
    };

    task<> accept_loop();
    task<> watch_deadlines();
    task<> serve(tcp::socket socket, std::string peer);
    void admit(tcp::socket socket, const tcp::endpoint& peer);
    void turn_away(tcp::socket& socket, std::string_view reason);
    bool evict_idle();

    executor ex;
    server_context context;
    tcp::acceptor acceptor;
    task_group group;
    wake_signal empty;
    std::unordered_set<connection*> open;
    std::map<std::string, std::size_t, std::less<>> per_peer;
    std::string address;
};

task<> server::state::accept_loop() {
    for (;;) {
        boost::system::error_code ec;
        tcp::endpoint peer;
        tcp::socket socket =
            co_await acceptor.async_accept(peer, asio::redirect_error(asio::use_awaitable, ec));
        if (context.stopping) {
            co_return;
        }
        if (ec == asio::error::operation_aborted) {
            throw boost::system::system_error(ec);
        }
        if (ec == asio::error::no_descriptors || ec == asio::error::no_memory ||
            ec == asio::error::no_buffer_space) {
            // Connections wait in the kernel's queue meanwhile; without the pause this would spin.
            context.log.error("accept_failed",
                              {{"server", context.options.name}, {"detail", ec.message()}});
            co_await sleep_for(50ms);
        }
        if (!ec) {
            admit(std::move(socket), peer);
        }
    }
}

void server::state::admit(tcp::socket socket, const tcp::endpoint& peer) {
    boost::system::error_code ec;
    close_on_exec(socket.native_handle());
    socket.non_blocking(true, ec);
    if (ec) {
        return;
    }
    socket.set_option(tcp::no_delay(true), ec);
    const std::string from = peer_text(peer);
    if (open.size() >= context.options.connections_max && !evict_idle()) {
        turn_away(socket, "connections_max");
        return;
    }
    const auto count = per_peer.find(from);
    if (count != per_peer.end() && count->second >= context.options.connections_per_peer_max &&
        !context.is_trusted(from)) {
        turn_away(socket, "peer_connections_max");
        return;
    }
    group.spawn(serve(std::move(socket), from));
}

// One write that does not wait: whoever floods us gets no coroutine.
void server::state::turn_away(tcp::socket& socket, std::string_view reason) {
    context.metrics.refused(reason);
    static constexpr std::string_view answer =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    boost::system::error_code ignored;
    socket.write_some(asio::buffer(answer), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
}

// The connection that has been idle longest makes room.
bool server::state::evict_idle() {
    connection* oldest = nullptr;
    for (connection* c : open) {
        if (c->is_idle() && (oldest == nullptr || c->idle_since() < oldest->idle_since())) {
            oldest = c;
        }
    }
    if (oldest != nullptr) {
        oldest->close_idle();
    }
    return oldest != nullptr;
}

task<> server::state::serve(tcp::socket socket, std::string peer) {
    connection c(context, std::move(socket), std::move(peer));
    const place held(*this, c);
    co_await c.run();
}

task<> server::state::watch_deadlines() {
    const auto& o = context.options;
    const auto shortest = std::min({o.header_timeout, o.idle_timeout, o.rate_grace});
    const auto tick = std::clamp(shortest / 8, 2ms, 250ms);
    for (;;) {
        co_await sleep_for(tick);
        const auto now = std::chrono::steady_clock::now();
        for (connection* c : open) {
            c->check(now);
        }
    }
}

server::server(executor ex, server_options options, router routes, obs::logger log,
               obs::metrics& metrics)
    : state_(std::make_shared<state>(ex, std::move(options), std::move(routes), std::move(log),
                                     metrics)) {
    state_->group.on_error([s = state_.get()](const std::string& what) {
        s->context.log.error("connection_failed",
                             {{"server", s->context.options.name}, {"detail", what}});
    });
}

server::~server() = default;

result<void> server::bind() {
    auto& s = *state_;
    if (s.acceptor.is_open()) {
        return {};
    }
    const auto& text = s.context.options.address;
    const auto endpoint = parse_address(text);
    if (!endpoint) {
        return fail(endpoint.error());
    }
    boost::system::error_code ec;
    s.acceptor.open(endpoint->protocol(), ec);
    if (!ec) {
        close_on_exec(s.acceptor.native_handle());
        s.acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
    }
    if (!ec) {
        s.acceptor.bind(*endpoint, ec);
    }
    if (!ec) {
        s.acceptor.listen(tcp::acceptor::max_listen_connections, ec);
    }
    if (ec) {
        boost::system::error_code ignored;
        s.acceptor.close(ignored);
        return fail(bind_error(ec, text));
    }
    s.address = endpoint_text(s.acceptor.local_endpoint());
    return {};
}

void server::set_routes(router routes) {
    VORA_ASSERT(state_->group.size() == 0);
    state_->context.routes = std::move(routes);
}

result<void> server::start() {
    auto bound = bind();
    if (!bound) {
        return bound;
    }
    state_->group.spawn(state_->accept_loop());
    state_->group.spawn(state_->watch_deadlines());
    return {};
}

std::string server::address() const {
    return state_->address;
}

task<> server::stop() {
    auto s = state_;
    s->context.stopping = true;
    boost::system::error_code ignored;
    s->acceptor.close(ignored);
    for (connection* c : s->open) {
        c->close_idle();
    }
    const auto end = std::chrono::steady_clock::now() + s->context.options.drain_timeout;
    while (!s->open.empty()) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left <= 0ms) {
            break;
        }
        co_await s->empty.wait(left);
    }
    co_await s->group.stop();
}

}  // namespace vora::net
