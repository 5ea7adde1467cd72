#include "libs/net/connection.hpp"

#include "libs/base/crypto.hpp"
#include "libs/net/fields.hpp"
#include "libs/net/held_body.hpp"
#include "libs/net/problem.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <utility>

namespace vora::net {

namespace {

using outcome = tcp_stream::outcome;
using namespace std::chrono_literals;

// After an answer that closes: so long the client may take to read it before the socket goes.
constexpr auto linger_total = 5s;
constexpr auto linger_silence = 2s;
constexpr std::size_t held_first_bytes = 32 << 10;
// A small unread rest of a request body gets so long to arrive.
constexpr auto drain_limit = 1s;

steady_time now() {
    return std::chrono::steady_clock::now();
}

bool is_request_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    });
}

bool has_no_body(int status) {
    return status == 204 || status == 304;
}

// Fields that only the server sets: they describe the connection, not the answer.
bool is_servers_own(std::string_view name) {
    for (const std::string_view own :
         {"connection", "keep-alive", "transfer-encoding", "content-length", "x-request-id"}) {
        if (detail::equal_without_case(name, own)) {
            return true;
        }
    }
    return false;
}

// The path with the segment of {grant} cut out: grants are secrets.
std::string path_for_log(const request& r) {
    std::string path = r.path.substr(0, 256);
    const std::size_t mark = r.route.find("/{grant}");
    std::ptrdiff_t segments_before = 0;
    if (mark != std::string::npos) {
        segments_before =
            std::count(r.route.begin(), r.route.begin() + static_cast<std::ptrdiff_t>(mark), '/');
    } else if (path.starts_with("/play/")) {
        segments_before = 1;
    } else {
        return path;
    }
    std::size_t start = 1;
    for (; segments_before > 0; --segments_before) {
        start = path.find('/', start);
        if (start == std::string::npos) {
            return path;
        }
        ++start;
    }
    const std::size_t end = std::min(path.find('/', start), path.size());
    return path.replace(start, end - start, "{grant}");
}

class shelf_lease {
 public:
    explicit shelf_lease(buffer_shelf& shelf) : shelf_(shelf), buffer_(shelf.take()) {}
    ~shelf_lease() { shelf_.give_back(std::move(buffer_)); }
    shelf_lease(const shelf_lease&) = delete;
    char* data() const { return buffer_.get(); }

 private:
    buffer_shelf& shelf_;
    buffer_shelf::buffer buffer_;
};

}  // namespace

connection::connection(server_context& context, boost::asio::ip::tcp::socket socket,
                       std::string peer)
    : context_(context),
      stream_(std::move(socket), context.options.header_bytes_max),
      peer_(std::move(peer)) {}

task<> connection::run() {
    bool again = true;
    while (again) {
        again = co_await serve_next();
    }
    if (linger_needed_) {
        co_await linger();
    }
    stream_.close();
}

void connection::close_idle() {
    if (idle_) {
        idle_ = false;
        stream_.interrupt();
    }
}

task<bool> connection::serve_next() {
    auto head = co_await read_head();
    if (head) {
        const bool keep = co_await serve(std::move(*head));
        co_return keep;
    }
    if (head.error().answer) {
        co_await refuse(*head.error().answer);
    }
    co_return false;
}

task<std::expected<std::size_t, connection::no_head>> connection::await_first_byte() {
    if (context_.stopping) {
        co_return std::unexpected(no_head{});
    }
    const auto& options = context_.options;
    idle_ = true;
    idle_since_ = now();
    auto got = co_await stream_.fill(
        idle_since_ +
        (first_ ? std::min(options.header_timeout, options.idle_timeout) : options.idle_timeout));
    idle_ = false;
    if (got.how == outcome::timed_out) {
        context_.metrics.cut("idle");
    }
    if (got.how != outcome::ok) {
        co_return std::unexpected(no_head{});
    }
    co_return got.bytes;
}

task<std::expected<request_head, connection::no_head>> connection::read_head() {
    if (stream_.buffered().empty()) {
        auto first = co_await await_first_byte();
        if (!first) {
            co_return std::unexpected(first.error());
        }
    }
    first_ = false;
    const auto deadline = now() + context_.options.header_timeout;
    head_scanner scanner(context_.options.header_bytes_max);
    for (;;) {
        const auto size = scanner.scan(stream_.buffered());
        if (!size) {
            co_return std::unexpected(no_head{size.error()});
        }
        if (*size > 0) {
            auto head = parse_head(stream_.buffered().substr(0, *size), context_.limits());
            if (!head) {
                co_return std::unexpected(no_head{head.error()});
            }
            stream_.consume(*size);
            co_return std::move(*head);
        }
        auto got = co_await stream_.fill(deadline);
        if (got.how == outcome::timed_out) {
            context_.metrics.cut("header_timeout");
            co_return std::unexpected(
                no_head{refusal{408, "header_timeout", "the request head did not arrive in time"}});
        }
        if (got.how != outcome::ok) {
            co_return std::unexpected(no_head{});
        }
    }
}

// The target as sent, of a head that was perhaps not even one.
bool connection::is_below_open_path() const {
    const auto& open_path = context_.options.open_path;
    const auto sent = stream_.buffered();
    const auto space = sent.find(' ');
    return !open_path.empty() && space < 16 && sent.substr(space + 1).starts_with(open_path);
}

task<> connection::refuse(refusal why) {
    head_only_ = false;
    context_.metrics.refused(why.reason);
    request r;
    r.request_id = random_hex(8);
    const int status = why.status;
    auto answer = problem(r, status, std::string(why.reason), std::string(why.detail));
    if (is_below_open_path()) {
        answer.headers.set("Access-Control-Allow-Origin", "*");
    }
    context_.log.info("request_refused", {{"server", context_.options.name},
                                          {"reason", why.reason},
                                          {"status", status},
                                          {"request_id", r.request_id}});
    linger_needed_ = true;
    co_await send(r, std::move(answer), false);
}

request connection::make_request(request_head& head) const {
    request r;
    r.method = std::move(head.method);
    r.path = std::move(head.path);
    r.raw_path = std::move(head.raw_path);
    r.query = std::move(head.query);
    r.headers = std::move(head.headers);
    r.host = std::move(head.host);
    r.peer = peer_;
    r.scheme = "http";
    const auto id = r.headers.get("X-Request-Id");
    r.request_id = id && is_request_id(*id) ? std::string(*id) : random_hex(8);
    apply_forwarded(r);
    return r;
}

// Forwarded fields count from listed peers only; from others they are removed, so that nobody reads
// them by mistake. The client is the last address in the chain that is not itself a listed proxy.
void connection::apply_forwarded(request& r) const {
    if (!context_.is_trusted(peer_)) {
        for (const std::string_view name : {"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto",
                                            "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP"}) {
            r.headers.remove(name);
        }
        return;
    }
    const auto proto = r.headers.get("X-Forwarded-Proto");
    if (proto && (*proto == "http" || *proto == "https")) {
        r.scheme = *proto;
    }
    std::string chain;
    for (const auto& [name, value] : r.headers.all()) {
        if (detail::equal_without_case(name, "X-Forwarded-For")) {
            chain += (chain.empty() ? "" : ",") + value;
        }
    }
    std::string_view left = chain;
    while (!left.empty()) {
        const std::size_t comma = left.rfind(',');
        const bool last = comma == std::string_view::npos;
        const std::string hop(detail::trim(last ? left : left.substr(comma + 1)));
        boost::system::error_code bad;
        boost::asio::ip::make_address(hop, bad);
        if (bad) {
            return;
        }
        r.peer = hop;
        if (last || !context_.is_trusted(hop)) {
            return;
        }
        left = left.substr(0, comma);
    }
}

task<bool> connection::serve(request_head head) {
    const auto start = now();
    // As sent: an override changes what is done, not how the client reads the answer.
    const std::string method = head.method;
    request r = make_request(head);
    request_body body(stream_, head.chunked, head.content_length, head.expects_continue,
                      context_.rate());
    r.body = &body;
    response answer;
    if (r.path == "*") {
        answer = response::empty(204);
    } else {
        answer = co_await context_.routes.dispatch(r);
    }
    head_only_ = method == "HEAD";
    const bool reusable = body.can_keep_connection();
    const bool keep = head.keep_alive && reusable && !answer.close && !context_.stopping;
    const std::string detail = std::move(answer.log_detail);
    served s = co_await send(r, std::move(answer), keep);
    linger_needed_ =
        s.complete && !(body.at_end() && stream_.buffered().empty() && !stream_.has_input());
    context_.metrics.received_bytes.add(static_cast<double>(body.received_bytes()));
    if (body.was_too_slow()) {
        context_.metrics.cut("body_too_slow");
    }
    const double seconds = std::chrono::duration<double>(now() - start).count();
    context_.metrics.request_done(r.method, r.route, s.status, seconds);
    log_request(r, detail, s, seconds * 1000);
    if (!s.keep) {
        co_return false;
    }
    const bool drained = co_await body.drain(now() + drain_limit);
    co_return drained;
}

// So that the client can read the answer: closing with bytes unread would make the kernel reset the
// connection and throw away what it has not read yet.
task<> connection::linger() {
    stream_.shutdown_send();
    const auto end = now() + linger_total;
    while (now() < end) {
        stream_.consume(stream_.buffered().size());
        auto got = co_await stream_.fill(std::min(end, now() + linger_silence));
        if (got.how != outcome::ok) {
            break;
        }
    }
}

std::string connection::render_head(const request& r, response& answer, bool keep) {
    std::string head;
    head.reserve(512);
    head += "HTTP/1.1 " + std::to_string(answer.status) + ' ';
    head += reason_phrase(answer.status);
    head += "\r\n";
    for (const auto& [name, value] : answer.headers.all()) {
        if (is_servers_own(name)) {
            continue;
        }
        if (!detail::is_token(name) || !detail::is_field_value(value)) {
            context_.log.error("bad_answer_header",
                               {{"server", context_.options.name}, {"request_id", r.request_id}});
            continue;
        }
        head += name + ": " + value + "\r\n";
    }
    if (!answer.headers.get("Date")) {
        head += "Date: " + context_.date() + "\r\n";
    }
    if (!answer.headers.get("X-Content-Type-Options")) {
        head += "X-Content-Type-Options: nosniff\r\n";
    }
    head += "X-Request-Id: " + r.request_id + "\r\n";
    if (!keep) {
        head += "Connection: close\r\n";
    }
    if (!has_no_body(answer.status)) {
        std::uint64_t length = answer.stream ? answer.stream_length : answer.body.size();
        // A HEAD handler may tell the length of a body that it did not make.
        const auto told = answer.headers.get("Content-Length");
        if (head_only_ && length == 0 && told) {
            head += "Content-Length: " + std::string(*told) + "\r\n";
        } else {
            head += "Content-Length: " + std::to_string(length) + "\r\n";
        }
    }
    return head += "\r\n";
}

task<connection::served> connection::send(request& r, response answer, bool keep) {
    if (answer.status < 200 || answer.status > 599) {
        answer = problem(r, error{errc::internal, "internal_error", "a status out of range"});
    }
    const bool bodiless = head_only_ || has_no_body(answer.status);
    if (answer.stream && !bodiless) {
        served s = co_await send_stream(r, answer, keep);
        co_return s;
    }
    const std::string head = render_head(r, answer, keep);
    const std::string_view body = bodiless ? std::string_view{} : answer.body;
    auto rate = context_.rate();
    auto put = co_await stream_.write_all(head, body, rate);
    co_return finish_answer(answer.status, body.size(), put.how, keep);
}

// The first piece is read before the head is sent: a source that fails at once still becomes an
// error answer. From then on an error cuts the connection.
task<connection::served> connection::send_stream(request& r, response& answer, bool keep) {
    const shelf_lease lease(context_.shelf);
    // Of what is in memory only so much goes through the buffer as shares the head's packets.
    const bool held = dynamic_cast<held_body*>(answer.stream.get()) != nullptr;
    const auto first_bytes = std::min<std::uint64_t>(
        answer.stream_length, held ? held_first_bytes : buffer_shelf::buffer_bytes);
    auto first =
        co_await answer.stream->read({lease.data(), static_cast<std::size_t>(first_bytes)});
    if (!first || (*first == 0 && answer.stream_length > 0)) {
        const error why = first ? error{errc::data_loss, "body_cut_short", "the source ended early"}
                                : first.error();
        served s = co_await send(r, problem(r, why), keep);
        co_return s;
    }
    const std::string head = render_head(r, answer, keep);
    std::uint64_t sent = 0;
    auto rate = context_.rate();
    auto put = co_await stream_.write_all(head, {lease.data(), *first}, rate);
    outcome how = put.how;
    if (how == outcome::ok) {
        sent = *first;
        how = co_await copy_stream(answer, lease.data(), sent);
    }
    co_return finish_answer(answer.status, sent, how, keep);
}

connection::served connection::finish_answer(int status, std::uint64_t bytes, outcome how,
                                             bool keep) {
    context_.metrics.sent_bytes.add(static_cast<double>(bytes));
    if (how == outcome::timed_out) {
        context_.metrics.cut("answer_too_slow");
    }
    const bool complete = how == outcome::ok;
    return {status, bytes, keep && complete, complete};
}

// All that is in memory now. Of slow peers, the time of a wait counts with what it made room for.
task<outcome> connection::send_held(held_body& body, std::uint64_t& sent, rate_watch& rate) {
    std::chrono::steady_clock::duration waited{};
    while (!body.held().empty()) {
        const auto put = stream_.write_now(body.held());
        if (put.how != outcome::ok) {
            co_return put.how;
        }
        if (put.bytes > 0) {
            body.sent(put.bytes);
            sent += put.bytes;
            rate.add(std::exchange(waited, {}), put.bytes);
            continue;
        }
        const auto start = now();
        const auto room = co_await stream_.wait_writable(rate.deadline(start));
        waited += now() - start;
        if (room.how != outcome::ok) {
            co_return room.how;
        }
    }
    co_return outcome::ok;
}

task<outcome> connection::copy_stream(response& answer, char* buffer, std::uint64_t& sent) {
    auto rate = context_.rate();
    auto* in_memory = dynamic_cast<held_body*>(answer.stream.get());
    while (sent < answer.stream_length) {
        if (in_memory != nullptr && !in_memory->held().empty()) {
            const auto how = co_await send_held(*in_memory, sent, rate);
            if (how != outcome::ok) {
                co_return how;
            }
            continue;
        }
        const auto left = answer.stream_length - sent;
        const auto most = std::min<std::uint64_t>(left, buffer_shelf::buffer_bytes);
        auto n = co_await answer.stream->read({buffer, static_cast<std::size_t>(most)});
        if (!n || *n == 0) {
            context_.log.warn("answer_cut", {{"server", context_.options.name},
                                             {"reason", n ? "body_cut_short" : n.error().reason}});
            co_return outcome::closed;
        }
        auto put = co_await stream_.write_all({buffer, *n}, {}, rate);
        sent += put.bytes;
        if (put.how != outcome::ok) {
            co_return put.how;
        }
    }
    co_return outcome::ok;
}

void connection::log_request(const request& r, const std::string& detail, const served& s,
                             double ms) {
    const auto l = s.status == 500 ? obs::level::error : obs::level::info;
    const auto path = path_for_log(r);
    const auto& name = context_.options.name;
    if (detail.empty() && s.complete) {
        context_.log.write(l, "request",
                           {{"server", name},
                            {"method", r.method},
                            {"path", path},
                            {"status", s.status},
                            {"bytes", s.body_bytes},
                            {"ms", ms},
                            {"request_id", r.request_id}});
        return;
    }
    context_.log.write(l, "request",
                       {{"server", name},
                        {"method", r.method},
                        {"path", path},
                        {"status", s.status},
                        {"bytes", s.body_bytes},
                        {"ms", ms},
                        {"request_id", r.request_id},
                        {"complete", s.complete},
                        {"detail", detail}});
}

}  // namespace vora::net
