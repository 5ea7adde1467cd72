#pragma once
// The strict decoder of `Transfer-Encoding: chunked`. A pure state machine over the framing bytes;
// the data between them is never copied here. Private to libs/net.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace vora::net {

class chunked_decoder {
 public:
    // All chunk extensions of a body together, and all trailers together.
    static constexpr std::size_t extension_bytes_max = 16 * 1024;
    static constexpr std::size_t trailer_bytes_max = 8 * 1024;

    // Consumes framing bytes until data begins, the body has ended, something is wrong, or `in` is
    // used up. Returns how many. Only while data_left() is 0 and neither done() nor failed().
    std::size_t feed(std::string_view in);

    // So many of the next bytes are body data; the caller takes them past the decoder.
    std::uint64_t data_left() const { return data_left_; }
    void take(std::uint64_t bytes);

    // The last chunk and the trailers (which are dropped) were read.
    bool done() const { return state_ == state::done; }
    bool failed() const { return state_ == state::failed; }

 private:
    enum class state {
        size_first,     // the first digit of a chunk size
        size,           // more digits, ';' or CR
        extension,      // until CR
        size_lf,        // the LF after a chunk size
        data,           // data_left_ bytes of data
        data_cr,        // CR after the data
        data_lf,        // LF after the data
        trailer_first,  // a trailer's name, or the CR of the end
        trailer_name,   // until ':'
        trailer_value,  // until CR
        trailer_lf,     // LF after a trailer
        end_lf,         // the last LF
        done,
        failed
    };

    state next(char c);
    state size_digit(char c);
    state after_size_line();
    state extension_byte(char c);
    state trailer_byte(char c);

    state state_ = state::size_first;
    std::uint64_t data_left_ = 0;
    std::uint64_t size_ = 0;
    int digits_ = 0;
    std::size_t extension_bytes_ = 0;
    std::size_t trailer_bytes_ = 0;
};

}  // namespace vora::net
