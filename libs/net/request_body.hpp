#pragma once
// The body of a request, pulled from the connection. Private to libs/net.

#include "libs/net/chunked.hpp"
#include "libs/net/http.hpp"
#include "libs/net/tcp_stream.hpp"

#include <chrono>
#include <optional>

namespace vora::net {

class request_body final : public body_reader {
 public:
    // A rest of at most so many bytes may be read away after the answer, to keep the connection.
    static constexpr std::uint64_t drain_bytes_max = 256 * 1024;

    request_body(tcp_stream& stream, bool chunked, std::optional<std::uint64_t> length,
                 bool expects_continue, rate_watch rate);

    task<result<std::size_t>> read(std::span<char> into) override;
    std::optional<std::uint64_t> length() const override { return length_; }

    bool at_end() const { return chunked_ ? decoder_.done() : left_ == 0; }
    std::uint64_t received_bytes() const { return received_; }
    bool was_too_slow() const { return failed_ && failed_->reason == "body_too_slow"; }
    // Whether the connection can carry another request after drain(): the body is at its end, or
    // what is missing is known to be small and on its way. Looks at what is buffered, does not
    // wait.
    bool can_keep_connection();
    // Reads away the small rest. False: close the connection.
    task<bool> drain(steady_time deadline);

 private:
    task<result<std::size_t>> read_fixed(std::span<char> into);
    task<result<std::size_t>> read_chunked(std::span<char> into);
    task<result<void>> fill_buffer();
    task<result<void>> send_continue();
    std::size_t take_buffered(std::span<char> into, std::uint64_t limit);
    std::unexpected<error> give_up(error e);
    std::unexpected<error> give_up(tcp_stream::outcome how);

    tcp_stream& stream_;
    bool chunked_;
    std::optional<std::uint64_t> length_;
    std::uint64_t left_;  // of length_
    bool continue_pending_;
    rate_watch rate_;
    chunked_decoder decoder_;
    std::uint64_t received_ = 0;
    std::optional<error> failed_;
};

}  // namespace vora::net
