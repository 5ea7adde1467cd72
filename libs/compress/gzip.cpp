#include "libs/compress/gzip.hpp"

#include "libs/base/assert.hpp"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace vora::compress {

namespace {

constexpr int gzip_window = 15 + 16;  // zlib's words for the format
constexpr std::size_t piece_bytes = std::size_t{256} << 10;

// zlib counts in 32 bits.
uInt at_most(std::size_t bytes) {
    return static_cast<uInt>(std::min<std::size_t>(bytes, std::numeric_limits<uInt>::max()));
}

Bytef* bytes_of(const char* text) {
    return reinterpret_cast<Bytef*>(const_cast<char*>(text));  // zlib does not write to its input
}

}  // namespace

std::string gzip(std::string_view bytes) {
    z_stream z{};
    VORA_ASSERT(deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) ==
                Z_OK);
    std::string out;
    int state = Z_OK;
    do {
        if (z.avail_in == 0 && !bytes.empty()) {
            z.next_in = bytes_of(bytes.data());
            z.avail_in = at_most(bytes.size());
            bytes.remove_prefix(z.avail_in);
        }
        const auto filled = out.size();
        out.resize(filled + piece_bytes);
        z.next_out = bytes_of(out.data() + filled);
        z.avail_out = piece_bytes;
        state = deflate(&z, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
        out.resize(filled + piece_bytes - z.avail_out);
    } while (state == Z_OK);
    deflateEnd(&z);
    VORA_ASSERT(state == Z_STREAM_END);
    return out;
}

result<std::string> gunzip(std::string_view bytes, std::size_t bytes_max) {
    if (bytes.size() > std::numeric_limits<uInt>::max()) {
        return fail(errc::resource_exhausted, "gzip_too_large");
    }
    z_stream z{};
    VORA_ASSERT(inflateInit2(&z, gzip_window) == Z_OK);
    z.next_in = bytes_of(bytes.data());
    z.avail_in = at_most(bytes.size());
    std::string out;
    int state = Z_OK;
    while (state == Z_OK && out.size() <= bytes_max) {
        const auto filled = out.size();
        out.resize(filled + piece_bytes);
        z.next_out = bytes_of(out.data() + filled);
        z.avail_out = piece_bytes;
        state = inflate(&z, Z_NO_FLUSH);
        out.resize(filled + piece_bytes - z.avail_out);
    }
    const bool is_whole = state == Z_STREAM_END && z.avail_in == 0;
    inflateEnd(&z);
    if (out.size() > bytes_max) {
        return fail(errc::resource_exhausted, "gzip_too_large");
    }
    if (!is_whole) {
        return fail(errc::invalid_argument, "bad_gzip");
    }
    return out;
}

}  // namespace vora::compress
