#pragma once
// A socket with an input buffer, deadlines and a minimum rate. Private to libs/net.
//
// Deadlines cost nothing per read: a wait only notes when it ends, and the server's tick calls
// check(), which cancels the wait that is overdue. One coroutine at a time uses a stream.

#include "libs/base/result.hpp"
#include "libs/base/task.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace vora::net {

using steady_time = std::chrono::steady_clock::time_point;

// Judges a peer by the bytes it moved during the time we waited for it, window by window: bytes of
// a fast start do not pay for dripping later. Time that we spend ourselves does not count.
class rate_watch {
 public:
    rate_watch(std::uint64_t bytes_per_s_min, std::chrono::milliseconds grace,
               std::chrono::milliseconds idle);

    // Until when a wait that starts now may last.
    steady_time deadline(steady_time now) const;
    void add(std::chrono::steady_clock::duration waited, std::uint64_t bytes);

 private:
    std::chrono::steady_clock::duration grace_;
    std::chrono::steady_clock::duration idle_;
    std::uint64_t window_bytes_min_;
    std::chrono::steady_clock::duration waited_{0};
    std::uint64_t bytes_ = 0;
    bool slow_ = false;
};

// What stands between a stream and its socket: TLS (tls.hpp). Works on the socket's descriptor and
// never waits; it says what to wait for.
class record_layer {
 public:
    enum class state { done, wants_read, wants_write, closed };
    struct step {
        state how = state::closed;
        std::size_t bytes = 0;
    };

    virtual ~record_layer() = default;
    virtual step shake_hands() = 0;
    virtual step read(std::span<char> into) = 0;
    virtual step write(std::string_view bytes) = 0;
    // `done` when bytes could be read now.
    virtual step peek() = 0;
    // Why it closed, for people.
    virtual std::string trouble() const = 0;
};

class transport_security {
 public:
    virtual ~transport_security() = default;
    // For a connection to `host`, whose certificate must say so.
    virtual result<std::unique_ptr<record_layer>> begin(int fd, const std::string& host) = 0;
};

class tcp_stream {
 public:
    enum class outcome { ok, closed, timed_out };
    struct transfer {
        outcome how = outcome::ok;
        std::size_t bytes = 0;
    };

    tcp_stream(boost::asio::ip::tcp::socket socket, std::size_t buffer_bytes);

    // From here on all bytes go through `layer`. Errors: unavailable ("tls_failed").
    task<result<void>> secure(std::unique_ptr<record_layer> layer);

    // What was received and not consumed yet.
    std::string_view buffered() const { return {buffer_.get() + begin_, end_ - begin_}; }
    void consume(std::size_t bytes);

    // Receives more behind what is buffered; there must be room.
    task<transfer> fill(steady_time deadline);
    task<transfer> fill(rate_watch& rate);
    // Receives into `into`; what does not fit there goes to the (empty) buffer when `spill` is set,
    // so that data and the framing behind it cost one call. `bytes` counts `into` only.
    task<transfer> read_into(std::span<char> into, bool spill, rate_watch& rate);
    task<transfer> write_all(std::string_view first, std::string_view second, rate_watch& rate);
    // Sends what the socket takes at once, perhaps nothing (`ok` with 0 bytes).
    transfer write_now(std::string_view bytes);
    // Until it may take more.
    task<transfer> wait_writable(steady_time deadline);

    // Bytes wait in the socket that were not received yet.
    bool has_input();
    // A connection that has been left alone: neither ended nor with bytes that nobody asked for.
    bool is_quiet();
    // Ends the wait that is overdue at `now`.
    void check(steady_time now);
    // Ends the present wait with `closed`.
    void interrupt();
    void shutdown_send();
    void close();

 private:
    template <class Buffers>
    task<transfer> read_some(Buffers buffers, steady_time deadline);
    template <class Buffers>
    task<transfer> write_some(Buffers buffers, steady_time deadline);
    template <class Step>
    task<transfer> layered(Step step, steady_time deadline);
    void begin_wait(steady_time deadline);
    // True when our own deadline or interrupt() ended the wait; a cancelled coroutine is thrown
    // out.
    transfer end_wait(const boost::system::error_code& ec, std::size_t bytes);

    boost::asio::ip::tcp::socket socket_;
    std::unique_ptr<record_layer> layer_;
    std::unique_ptr<char[]> buffer_;
    std::size_t capacity_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    steady_time deadline_ = steady_time::max();
    bool timed_out_ = false;
    bool interrupted_ = false;
    // So many transfers in a row may go without yielding to the loop.
    int turns_ = 0;
};

}  // namespace vora::net
