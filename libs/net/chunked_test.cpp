#include "libs/net/chunked.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace vora::net {
namespace {

struct outcome {
    std::string data;
    std::size_t used = 0;
    bool done = false;
    bool failed = false;
};

// Feeds at most `step` bytes at a time.
outcome decode(std::string_view raw, std::size_t step) {
    chunked_decoder decoder;
    outcome o;
    while (o.used < raw.size() && !decoder.done() && !decoder.failed()) {
        const auto piece = raw.substr(o.used, step);
        if (decoder.data_left() > 0) {
            const auto n = std::min<std::uint64_t>(piece.size(), decoder.data_left());
            o.data += piece.substr(0, n);
            decoder.take(n);
            o.used += n;
        } else {
            o.used += decoder.feed(piece);
        }
    }
    o.done = decoder.done();
    o.failed = decoder.failed();
    return o;
}

TEST(chunked, joins_chunks_however_the_bytes_arrive) {
    const std::string raw =
        "5\r\nhello\r\n1;ext=\"a b\"\r\n \r\n0000A\r\n0123456789\r\n0\r\nX-Trailer: "
        "dropped\r\n\r\n";
    for (std::size_t step = 1; step < raw.size(); ++step) {
        const auto o = decode(raw + "GET /next", step);
        EXPECT_TRUE(o.done);
        EXPECT_EQ(o.data, "hello 0123456789");
        EXPECT_EQ(o.used, raw.size());
    }
}

TEST(chunked, refuses_what_is_malformed) {
    for (const std::string raw : {
             "\r\n",
             " 5\r\nhello\r\n",
             "5 \r\nhello\r\n",
             "0x5\r\nhello\r\n",
             "+5\r\nhello\r\n",
             "-1\r\n",
             "g\r\n",
             "5\nhello\r\n",
             "5\r\nhello\n",
             "5\r\nhelloX\r\n",
             "5\r\nhello\rX",
             "5\r\rhello",
             "5;a\nb\r\nhello\r\n",
             "5;a\x01\r\nhello\r\n",
             "5;\xff\r\nhello\r\n",
             "00000000000000005\r\nhello\r\n",
             "20000000000000\r\n",
             "ffffffffffffffff\r\n",
             "0\r\nNo colon\r\n\r\n",
             "0\r\n: empty name\r\n\r\n",
             "0\r\n folded: x\r\n\r\n",
             "0\r\nA: b\nC: d\r\n\r\n",
             "0\r\nA: \x01\r\n\r\n",
             "0\r\n\n",
             "0\n\r\n",
             "0\r\n\rX",
         }) {
        for (const std::size_t step : {std::size_t{1}, raw.size()}) {
            EXPECT_TRUE(decode(raw, step).failed) << raw;
        }
    }
}

TEST(chunked, limits_extensions_over_the_whole_body) {
    std::string raw;
    for (int i = 0; i < 20; ++i) {
        raw += "1;" + std::string(1000, 'e') + "\r\nx\r\n";
    }
    EXPECT_TRUE(decode(raw, 4096).failed);
}

TEST(chunked, limits_trailers) {
    EXPECT_TRUE(decode("0\r\nA: " + std::string(9000, 'b') + "\r\n\r\n", 4096).failed);
}

}  // namespace
}  // namespace vora::net
