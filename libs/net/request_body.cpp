#include "libs/net/request_body.hpp"

#include <algorithm>
#include <cstring>

namespace vora::net {

request_body::request_body(tcp_stream& stream, bool chunked, std::optional<std::uint64_t> length,
                           bool expects_continue, rate_watch rate)
    : stream_(stream),
      chunked_(chunked),
      length_(chunked ? std::nullopt : std::optional(length.value_or(0))),
      left_(length.value_or(0)),
      continue_pending_(expects_continue && (chunked || left_ > 0)),
      rate_(rate) {}

task<result<std::size_t>> request_body::read(std::span<char> into) {
    if (failed_) {
        co_return fail(*failed_);
    }
    if (into.empty() || at_end()) {
        co_return std::size_t{0};
    }
    // A client that sent body bytes already does not wait for our word.
    if (continue_pending_ && stream_.buffered().empty()) {
        auto sent = co_await send_continue();
        if (!sent) {
            co_return fail(sent.error());
        }
    }
    continue_pending_ = false;
    result<std::size_t> n;
    if (chunked_) {
        n = co_await read_chunked(into);
    } else {
        n = co_await read_fixed(into);
    }
    if (n) {
        received_ += *n;
    }
    co_return n;
}

task<result<std::size_t>> request_body::read_fixed(std::span<char> into) {
    std::size_t n = take_buffered(into, left_);
    if (n == 0) {
        const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_));
        auto got = co_await stream_.read_into(into.first(most), false, rate_);
        if (got.how != tcp_stream::outcome::ok) {
            co_return give_up(got.how);
        }
        n = got.bytes;
    }
    left_ -= n;
    co_return n;
}

task<result<std::size_t>> request_body::read_chunked(std::span<char> into) {
    while (decoder_.data_left() == 0) {
        if (stream_.buffered().empty()) {
            auto filled = co_await fill_buffer();
            if (!filled) {
                co_return fail(filled.error());
            }
        }
        stream_.consume(decoder_.feed(stream_.buffered()));
        if (decoder_.failed()) {
            co_return give_up(
                {errc::invalid_argument, "bad_chunk", "the chunked body is malformed"});
        }
        if (decoder_.done()) {
            co_return std::size_t{0};
        }
    }
    std::size_t n = take_buffered(into, decoder_.data_left());
    if (n == 0) {
        const auto left = decoder_.data_left();
        const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left));
        // Behind the end of this chunk comes framing: it goes to the buffer in the same call.
        auto got = co_await stream_.read_into(into.first(most), most == left, rate_);
        if (got.how != tcp_stream::outcome::ok) {
            co_return give_up(got.how);
        }
        n = got.bytes;
    }
    decoder_.take(n);
    co_return n;
}

task<result<void>> request_body::fill_buffer() {
    auto got = co_await stream_.fill(rate_);
    if (got.how != tcp_stream::outcome::ok) {
        co_return give_up(got.how);
    }
    co_return result<void>{};
}

task<result<void>> request_body::send_continue() {
    auto put = co_await stream_.write_all("HTTP/1.1 100 Continue\r\n\r\n", {}, rate_);
    if (put.how != tcp_stream::outcome::ok) {
        co_return give_up(put.how);
    }
    co_return result<void>{};
}

std::size_t request_body::take_buffered(std::span<char> into, std::uint64_t limit) {
    const auto here = stream_.buffered();
    const auto most = std::min<std::uint64_t>(into.size(), limit);
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(here.size(), most));
    if (n > 0) {
        std::memcpy(into.data(), here.data(), n);
        stream_.consume(n);
    }
    return n;
}

std::unexpected<error> request_body::give_up(error e) {
    failed_ = std::move(e);
    return fail(*failed_);
}

std::unexpected<error> request_body::give_up(tcp_stream::outcome how) {
    if (how == tcp_stream::outcome::timed_out) {
        return give_up({errc::deadline_exceeded, "body_too_slow", "the body arrived too slowly"});
    }
    return give_up({errc::unavailable, "body_interrupted", "the connection ended inside the body"});
}

bool request_body::can_keep_connection() {
    if (failed_) {
        return false;
    }
    if (!chunked_) {
        return left_ == 0 || (left_ <= drain_bytes_max && !continue_pending_);
    }
    while (!decoder_.done() && !decoder_.failed() && !stream_.buffered().empty()) {
        const auto here = stream_.buffered();
        if (decoder_.data_left() == 0) {
            stream_.consume(decoder_.feed(here));
            continue;
        }
        const auto n = std::min<std::uint64_t>(here.size(), decoder_.data_left());
        stream_.consume(static_cast<std::size_t>(n));
        decoder_.take(n);
    }
    return decoder_.done();
}

task<bool> request_body::drain(steady_time deadline) {
    if (chunked_) {
        co_return decoder_.done();
    }
    while (left_ > 0) {
        if (stream_.buffered().empty()) {
            auto got = co_await stream_.fill(deadline);
            if (got.how != tcp_stream::outcome::ok) {
                co_return false;
            }
        }
        const auto n = std::min<std::uint64_t>(stream_.buffered().size(), left_);
        stream_.consume(static_cast<std::size_t>(n));
        left_ -= n;
    }
    co_return true;
}

}  // namespace vora::net
