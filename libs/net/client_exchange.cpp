#include "libs/net/client_exchange.hpp"

#include "libs/base/encoding.hpp"
#include "libs/net/request_body.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>

#include <algorithm>

namespace asio = boost::asio;
using asio::ip::tcp;

namespace vora::net::detail {

namespace {

using namespace std::chrono_literals;
using outcome = tcp_stream::outcome;

constexpr std::size_t answer_head_bytes_max = 64 * 1024;
constexpr std::size_t answer_fields_max = 200;
constexpr std::size_t piece_bytes = 256 * 1024;
// Bytes that lie in memory already.
constexpr std::size_t memory_piece_bytes = 1024 * 1024;

std::unexpected<error> lost() {
    return fail(errc::unavailable, "connection_lost", "the connection ended before the answer");
}

std::unexpected<error> bad_answer() {
    return fail(errc::unavailable, "bad_answer", "the answer is not HTTP as expected");
}

result<answer_head> parse_answer_head(std::string_view head) {
    answer_head parsed;
    const std::size_t end = head.find("\r\n");
    const auto line = head.substr(0, end);
    const bool http_1_1 = line.starts_with("HTTP/1.1 ");
    if (line.size() < 12 || (!http_1_1 && !line.starts_with("HTTP/1.0 ")) ||
        (line.size() > 12 && line[12] != ' ')) {
        return bad_answer();
    }
    const auto status = parse_uint(line.substr(9, 3));
    if (!status || *status < 100) {
        return bad_answer();
    }
    parsed.status = static_cast<int>(*status);
    const auto section = head.substr(end + 2, head.size() - end - 4);
    if (detail::parse_fields(section, answer_fields_max, parsed.headers)) {
        return bad_answer();
    }
    const auto framed = detail::parse_framing(parsed.headers, http_1_1);
    if (!framed) {
        return bad_answer();
    }
    parsed.framing = *framed;
    parsed.keep_alive = http_1_1 && !detail::has_word(parsed.headers, "Connection", "close");
    return parsed;
}

}  // namespace

rate_watch no_rate() {
    return {0, 1h, 24h};
}

error answer_body_error(const error& e) {
    if (e.reason == "body_too_large") {
        return {errc::resource_exhausted, "answer_too_large", "the answer is too large"};
    }
    if (e.reason == "bad_chunk") {
        return bad_answer().error();
    }
    return e.code == errc::deadline_exceeded ? e : lost().error();
}

result<url_parts> parse_url(std::string_view url) {
    const auto bad = [&] { return fail(errc::invalid_argument, "bad_url", "not an http URL"); };
    url_parts parts;
    parts.secure = url.starts_with("https://");
    if (!parts.secure && !url.starts_with("http://")) {
        return bad();
    }
    parts.port = parts.secure ? 443 : 80;
    const auto rest = url.substr(parts.secure ? 8 : 7);
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    parts.authority = rest.substr(0, end);
    parts.target = rest.substr(end);
    if (!parts.target.starts_with('/')) {
        parts.target.insert(0, 1, '/');
    }
    for (const char c : url) {
        if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f ||
            c == '#') {
            return bad();
        }
    }
    std::string_view host = parts.authority;
    const std::size_t colon = host.rfind(':');
    if (colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos) {
        const auto port = parse_uint(host.substr(colon + 1));
        if (!port || *port == 0 || *port > 65535) {
            return bad();
        }
        parts.port = static_cast<std::uint16_t>(*port);
        host = host.substr(0, colon);
    }
    if (host.starts_with('[') && host.ends_with(']')) {
        host = host.substr(1, host.size() - 2);
    }
    if (host.empty() || host.find('@') != std::string_view::npos) {
        return bad();
    }
    parts.host = host;
    return parts;
}

result<std::string> render_head(const client_request& r, const url_parts& url) {
    std::string head = r.method + ' ' + url.target + " HTTP/1.1\r\nHost: " + url.authority + "\r\n";
    if (!detail::is_token(r.method)) {
        return fail(errc::invalid_argument, "bad_header", "the method is not a token");
    }
    for (const auto& [name, value] : r.headers.all()) {
        if (!detail::is_token(name) || !detail::is_field_value(value)) {
            return fail(errc::invalid_argument, "bad_header", "a header cannot be sent as it is");
        }
        if (!detail::equal_without_case(name, "Content-Length") &&
            !detail::equal_without_case(name, "Host")) {
            head += name + ": " + value + "\r\n";
        }
    }
    const std::uint64_t length = r.stream != nullptr          ? r.stream_length
                                 : r.memory.data() != nullptr ? r.memory.size()
                                                              : r.body.size();
    if (length > 0 || r.stream != nullptr || r.method == "POST" || r.method == "PUT" ||
        r.method == "PATCH") {
        head += "Content-Length: " + std::to_string(length) + "\r\n";
    }
    return head += "\r\n";
}

exchange::exchange(client_request& r, const url_parts& url, std::string head,
                   transport_security* security)
    : request_(r), url_(url), head_(std::move(head)), security_(security), rate_(no_rate()) {}

task<result<std::vector<tcp::endpoint>>> exchange::resolve() {
    std::vector<tcp::endpoint> found;
    boost::system::error_code ec;
    const auto literal = asio::ip::make_address(url_.host, ec);
    if (!ec) {
        found.emplace_back(literal, url_.port);
        co_return found;
    }
    tcp::resolver resolver(co_await asio::this_coro::executor);
    const auto names = co_await resolver.async_resolve(
        url_.host, std::to_string(url_.port), asio::redirect_error(asio::use_awaitable, ec));
    if (ec == asio::error::operation_aborted) {
        throw boost::system::system_error(ec);
    }
    for (const auto& entry : names) {
        found.push_back(entry.endpoint());
    }
    co_return found;
}

task<result<void>> exchange::connect(std::unique_ptr<tcp_stream>& stream) {
    auto endpoints = co_await resolve();
    if (!endpoints) {
        co_return fail(endpoints.error());
    }
    const auto ex = co_await asio::this_coro::executor;
    for (const auto& endpoint : *endpoints) {
        tcp::socket socket(ex);
        boost::system::error_code ec;
        socket.open(endpoint.protocol(), ec);
        if (ec) {
            continue;
        }
        ::fcntl(socket.native_handle(), F_SETFD, FD_CLOEXEC);
        co_await socket.async_connect(endpoint, asio::redirect_error(asio::use_awaitable, ec));
        if (ec == asio::error::operation_aborted) {
            throw boost::system::system_error(ec);
        }
        if (!ec) {
            socket.set_option(tcp::no_delay(true), ec);
            socket.non_blocking(true, ec);
            const int fd = socket.native_handle();
            stream = std::make_unique<tcp_stream>(std::move(socket), answer_head_bytes_max);
            auto ready = co_await secure(*stream, fd);
            co_return ready;
        }
    }
    co_return fail(errc::unavailable, "connect_failed", "no connection to " + url_.authority);
}

task<result<void>> exchange::secure(tcp_stream& stream, int fd) {
    if (!url_.secure) {
        co_return result<void>{};
    }
    auto layer = security_->begin(fd, url_.host);
    if (!layer) {
        co_return fail(layer.error());
    }
    auto done = co_await stream.secure(std::move(*layer));
    co_return done;
}

task<result<void>> exchange::send_memory(tcp_stream& stream, std::string_view bytes) {
    std::string_view head = head_;
    do {
        const auto piece = bytes.substr(0, memory_piece_bytes);
        auto put = co_await stream.write_all(head, piece, rate_);
        if (put.how != outcome::ok) {
            co_return lost();
        }
        head = {};
        bytes.remove_prefix(piece.size());
        if (!bytes.empty() && stream.has_input()) {
            co_return result<void>{};  // the answer is here already
        }
    } while (!bytes.empty());
    sent_all_ = true;
    co_return result<void>{};
}

task<result<void>> exchange::send_stream(tcp_stream& stream) {
    const auto buffer = std::make_unique_for_overwrite<char[]>(piece_bytes);
    auto put = co_await stream.write_all(head_, {}, rate_);
    if (put.how != outcome::ok) {
        co_return lost();
    }
    while (pulled_ < request_.stream_length) {
        const auto most = std::min<std::uint64_t>(piece_bytes, request_.stream_length - pulled_);
        auto n = co_await request_.stream->read({buffer.get(), static_cast<std::size_t>(most)});
        if (!n) {
            co_return fail(n.error());
        }
        if (*n == 0) {
            co_return fail(errc::data_loss, "body_cut_short", "the source ended early");
        }
        pulled_ += *n;
        put = co_await stream.write_all({buffer.get(), *n}, {}, rate_);
        if (put.how != outcome::ok) {
            co_return lost();
        }
        if (request_.on_sent) {
            request_.on_sent(pulled_);
        }
        if (pulled_ < request_.stream_length && stream.has_input()) {
            co_return result<void>{};  // the answer is here already
        }
    }
    sent_all_ = true;
    co_return result<void>{};
}

task<result<void>> exchange::send(tcp_stream& stream) {
    if (request_.stream != nullptr) {
        auto sent = co_await send_stream(stream);
        co_return sent;
    }
    const auto memory = request_.memory;
    auto sent = co_await send_memory(stream, memory.data() != nullptr
                                                 ? std::string_view(memory.data(), memory.size())
                                                 : std::string_view(request_.body));
    co_return sent;
}

task<result<answer_head>> exchange::run(std::unique_ptr<tcp_stream>& stream) {
    if (!stream) {
        auto connected = co_await connect(stream);
        if (!connected) {
            co_return fail(connected.error());
        }
    }
    auto sent = co_await send(*stream);
    if (!sent && sent.error().reason != "connection_lost") {
        co_return fail(sent.error());
    }
    // Also when sending broke off: the peer may have answered before it closed.
    auto head = co_await read_head(*stream);
    co_return head;
}

task<result<answer_head>> exchange::read_head(tcp_stream& stream) {
    for (;;) {
        head_scanner scanner(answer_head_bytes_max);
        std::size_t size = 0;
        while (size == 0) {
            const auto found = scanner.scan(stream.buffered());
            if (!found) {
                co_return bad_answer();
            }
            size = *found;
            if (size > 0) {
                break;
            }
            auto got = co_await stream.fill(rate_);
            if (got.how != outcome::ok) {
                co_return lost();
            }
            answer_begun_ = true;
        }
        auto head = parse_answer_head(stream.buffered().substr(0, size));
        stream.consume(size);
        if (!head || head->status >= 200) {
            co_return head;
        }
    }
}

task<result<std::string>> exchange::read_until_close(tcp_stream& stream) {
    std::string all;
    for (;;) {
        all += stream.buffered();
        stream.consume(stream.buffered().size());
        if (all.size() > request_.body_bytes_max) {
            co_return fail(errc::resource_exhausted, "answer_too_large");
        }
        auto got = co_await stream.fill(rate_);
        if (got.how != outcome::ok) {
            co_return all;
        }
    }
}

task<result<std::string>> exchange::read_body(tcp_stream& stream, const answer_head& head) {
    if (!head.has_body(request_.method)) {
        co_return std::string{};
    }
    if (!head.is_delimited(request_.method)) {
        auto all = co_await read_until_close(stream);
        co_return all;
    }
    request_body body(stream, head.framing.chunked, head.framing.length, false, rate_);
    auto all = co_await read_all(body, request_.body_bytes_max);
    if (all) {
        co_return all;
    }
    co_return fail(answer_body_error(all.error()));
}

}  // namespace vora::net::detail
