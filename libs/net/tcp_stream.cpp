#include "libs/net/tcp_stream.hpp"

#include "libs/base/assert.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstring>
#include <iterator>

namespace asio = boost::asio;

namespace vora::net {

namespace {

constexpr int turns_max = 16;

steady_time now() {
    return std::chrono::steady_clock::now();
}

}  // namespace

rate_watch::rate_watch(std::uint64_t bytes_per_s_min, std::chrono::milliseconds grace,
                       std::chrono::milliseconds idle)
    : grace_(grace),
      idle_(idle),
      window_bytes_min_(bytes_per_s_min * static_cast<std::uint64_t>(grace.count()) / 1000) {}

steady_time rate_watch::deadline(steady_time at) const {
    if (slow_) {
        return at;
    }
    // With enough bytes in this window the wait may last through the next one, which would be
    // empty.
    const auto windows = bytes_ >= window_bytes_min_ ? 2 * grace_ : grace_;
    return at + std::min(idle_, windows - waited_);
}

void rate_watch::add(std::chrono::steady_clock::duration waited, std::uint64_t bytes) {
    waited_ += waited;
    bytes_ += bytes;
    if (waited_ >= grace_) {
        slow_ = slow_ || bytes_ < window_bytes_min_;
        waited_ = {};
        bytes_ = 0;
    }
}

tcp_stream::tcp_stream(asio::ip::tcp::socket socket, std::size_t buffer_bytes)
    : socket_(std::move(socket)),
      buffer_(std::make_unique_for_overwrite<char[]>(buffer_bytes)),
      capacity_(buffer_bytes) {}

void tcp_stream::consume(std::size_t bytes) {
    VORA_ASSERT(bytes <= end_ - begin_);
    begin_ += bytes;
    if (begin_ == end_) {
        begin_ = end_ = 0;
    }
}

void tcp_stream::begin_wait(steady_time deadline) {
    turns_ = 0;
    timed_out_ = false;
    deadline_ = deadline;
}

tcp_stream::transfer tcp_stream::end_wait(const boost::system::error_code& ec, std::size_t bytes) {
    deadline_ = steady_time::max();
    if (!ec) {
        return {outcome::ok, bytes};
    }
    if (ec == asio::error::operation_aborted) {
        if (timed_out_) {
            return {outcome::timed_out, 0};
        }
        if (!interrupted_) {
            throw boost::system::system_error(ec);
        }
    }
    return {outcome::closed, 0};
}

// The layer works without waiting until it needs the socket.
template <class Step>
task<tcp_stream::transfer> tcp_stream::layered(Step step, steady_time deadline) {
    if (++turns_ >= turns_max) {
        turns_ = 0;
        co_await asio::post(asio::use_awaitable);
    }
    for (;;) {
        const record_layer::step did = step();
        if (did.how == record_layer::state::done) {
            co_return transfer{outcome::ok, did.bytes};
        }
        if (did.how == record_layer::state::closed) {
            co_return transfer{outcome::closed, 0};
        }
        begin_wait(deadline);
        boost::system::error_code ec;
        const auto what = did.how == record_layer::state::wants_read
                              ? asio::ip::tcp::socket::wait_read
                              : asio::ip::tcp::socket::wait_write;
        co_await socket_.async_wait(what, asio::redirect_error(asio::use_awaitable, ec));
        const auto waited = end_wait(ec, 0);
        if (waited.how != outcome::ok) {
            co_return waited;
        }
    }
}

task<result<void>> tcp_stream::secure(std::unique_ptr<record_layer> layer) {
    VORA_ASSERT(!layer_ && begin_ == end_);
    layer_ = std::move(layer);
    auto done = co_await layered([this] { return layer_->shake_hands(); }, steady_time::max());
    if (done.how != outcome::ok) {
        co_return fail(errc::unavailable, "tls_failed", layer_->trouble());
    }
    co_return result<void>{};
}

// First without waiting: on a busy connection the bytes are there already, and the loop is spared a
// round trip.
template <class Buffers>
task<tcp_stream::transfer> tcp_stream::read_some(Buffers buffers, steady_time deadline) {
    if (layer_) {
        const auto into = *asio::buffer_sequence_begin(buffers);
        auto got = co_await layered(
            [&] { return layer_->read({static_cast<char*>(into.data()), into.size()}); }, deadline);
        co_return got;
    }
    boost::system::error_code ec;
    if (++turns_ < turns_max) {
        const std::size_t n = socket_.read_some(buffers, ec);
        if (ec != asio::error::would_block && ec != asio::error::try_again) {
            co_return ec ? transfer{outcome::closed, 0} : transfer{outcome::ok, n};
        }
    }
    begin_wait(deadline);
    const std::size_t n =
        co_await socket_.async_read_some(buffers, asio::redirect_error(asio::use_awaitable, ec));
    co_return end_wait(ec, n);
}

template <class Buffers>
task<tcp_stream::transfer> tcp_stream::write_some(Buffers buffers, steady_time deadline) {
    if (layer_) {
        auto from = *asio::buffer_sequence_begin(buffers);
        if (from.size() == 0) {
            from = *std::next(asio::buffer_sequence_begin(buffers));
        }
        auto put = co_await layered(
            [&] { return layer_->write({static_cast<const char*>(from.data()), from.size()}); },
            deadline);
        co_return put;
    }
    boost::system::error_code ec;
    if (++turns_ < turns_max) {
        const std::size_t n = socket_.write_some(buffers, ec);
        if (ec != asio::error::would_block && ec != asio::error::try_again) {
            co_return ec ? transfer{outcome::closed, 0} : transfer{outcome::ok, n};
        }
    }
    begin_wait(deadline);
    const std::size_t n =
        co_await socket_.async_write_some(buffers, asio::redirect_error(asio::use_awaitable, ec));
    co_return end_wait(ec, n);
}

task<tcp_stream::transfer> tcp_stream::fill(steady_time deadline) {
    if (begin_ > 0) {
        std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    VORA_ASSERT(end_ < capacity_);
    auto got = co_await read_some(asio::buffer(buffer_.get() + end_, capacity_ - end_), deadline);
    end_ += got.bytes;
    co_return got;
}

task<tcp_stream::transfer> tcp_stream::fill(rate_watch& rate) {
    const auto start = now();
    auto got = co_await fill(rate.deadline(start));
    rate.add(now() - start, got.bytes);
    co_return got;
}

task<tcp_stream::transfer> tcp_stream::read_into(std::span<char> into, bool spill,
                                                 rate_watch& rate) {
    VORA_ASSERT(begin_ == end_);
    const std::array<asio::mutable_buffer, 2> buffers{
        asio::buffer(into.data(), into.size()), asio::buffer(buffer_.get(), spill ? capacity_ : 0)};
    const auto start = now();
    auto got = co_await read_some(buffers, rate.deadline(start));
    rate.add(now() - start, got.bytes);
    if (got.bytes > into.size()) {
        begin_ = 0;
        end_ = got.bytes - into.size();
        got.bytes = into.size();
    }
    co_return got;
}

task<tcp_stream::transfer> tcp_stream::write_all(std::string_view first, std::string_view second,
                                                 rate_watch& rate) {
    std::size_t sent = 0;
    while (!first.empty() || !second.empty()) {
        const std::array<asio::const_buffer, 2> buffers{asio::buffer(first.data(), first.size()),
                                                        asio::buffer(second.data(), second.size())};
        const auto start = now();
        auto put = co_await write_some(buffers, rate.deadline(start));
        rate.add(now() - start, put.bytes);
        if (put.how != outcome::ok) {
            co_return transfer{put.how, sent};
        }
        sent += put.bytes;
        const std::size_t of_first = std::min(put.bytes, first.size());
        first.remove_prefix(of_first);
        second.remove_prefix(put.bytes - of_first);
    }
    co_return transfer{outcome::ok, sent};
}

tcp_stream::transfer tcp_stream::write_now(std::string_view bytes) {
    VORA_ASSERT(!layer_);
    if (++turns_ >= turns_max) {
        return {outcome::ok, 0};
    }
    boost::system::error_code ec;
    const std::size_t n = socket_.write_some(asio::buffer(bytes.data(), bytes.size()), ec);
    if (ec == asio::error::would_block || ec == asio::error::try_again) {
        return {outcome::ok, 0};
    }
    return ec ? transfer{outcome::closed, 0} : transfer{outcome::ok, n};
}

task<tcp_stream::transfer> tcp_stream::wait_writable(steady_time deadline) {
    boost::system::error_code ec;
    begin_wait(deadline);
    co_await socket_.async_wait(asio::ip::tcp::socket::wait_write,
                                asio::redirect_error(asio::use_awaitable, ec));
    co_return end_wait(ec, 0);
}

bool tcp_stream::has_input() {
    if (layer_) {
        const auto seen = layer_->peek().how;
        return seen == record_layer::state::done || seen == record_layer::state::closed;
    }
    boost::system::error_code ec;
    return socket_.available(ec) > 0;
}

bool tcp_stream::is_quiet() {
    if (layer_) {
        return begin_ == end_ && layer_->peek().how == record_layer::state::wants_read;
    }
    char byte = 0;
    boost::system::error_code ec;
    socket_.receive(asio::buffer(&byte, 1), asio::ip::tcp::socket::message_peek, ec);
    return begin_ == end_ && ec == asio::error::would_block;
}

void tcp_stream::check(steady_time at) {
    if (at >= deadline_) {
        timed_out_ = true;
        deadline_ = steady_time::max();
        boost::system::error_code ignored;
        socket_.cancel(ignored);
    }
}

void tcp_stream::interrupt() {
    interrupted_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void tcp_stream::shutdown_send() {
    boost::system::error_code ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void tcp_stream::close() {
    boost::system::error_code ignored;
    socket_.close(ignored);
}

}  // namespace vora::net
