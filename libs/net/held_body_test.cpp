// Bodies that lie in memory, wholly or here and there, and clients that read as they like.
#include "libs/net/held_body.hpp"

#include "libs/net/client.hpp"
#include "libs/net/server_fixture.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace vora::net {

using namespace std::chrono_literals;

namespace {

std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<char>(i * 31 + i / 251);
    }
    return bytes;
}

// Holds every second stretch of `stretch` bytes; the others have to be read.
class partly_held final : public held_body {
 public:
    partly_held(const std::string& bytes, std::size_t stretch) : bytes_(bytes), stretch_(stretch) {}

    std::string_view held() const override {
        const auto number = at_ / stretch_;
        if (number % 2 == 1 || at_ >= bytes_.size()) {
            return {};
        }
        return std::string_view(bytes_).substr(at_, (number + 1) * stretch_ - at_);
    }
    void sent(std::size_t bytes) override { at_ += bytes; }
    task<result<std::size_t>> read(std::span<char> into) override {
        const auto end = (at_ / stretch_ + 1) * stretch_;
        const auto n = std::min({into.size(), end - at_, bytes_.size() - at_});
        std::copy_n(bytes_.data() + at_, n, into.data());
        at_ += n;
        co_return n;
    }

 private:
    const std::string& bytes_;
    std::size_t stretch_;
    std::size_t at_ = 0;
};

class holding : public ::testing::TestWithParam<std::size_t> {
 protected:
    const std::string bytes_ = pattern(6'000'001);
    running_server server_{[this](router& routes) {
        routes.add("GET", "/held", [this](request&) -> task<response> {
            auto answer = response::empty(200);
            answer.stream = std::make_unique<partly_held>(bytes_, GetParam());
            answer.stream_length = bytes_.size();
            co_return answer;
        });
    }};
};

TEST_P(holding, every_byte_arrives_once_and_in_order_however_it_was_held) {
    event_loop loop;
    client c(loop.executor());
    for (int i = 0; i < 3; ++i) {
        client_request r;
        r.url = server_.url("/held");
        r.deadline = 60s;
        r.body_bytes_max = 8 << 20;
        const auto a = loop.run_until_done(c.send(std::move(r)));
        ASSERT_TRUE(a) << a.error().reason;
        EXPECT_TRUE(a->body == bytes_);
    }
    c.close();
}

INSTANTIATE_TEST_SUITE_P(stretches, holding, ::testing::Values(1 << 30, 3'000'000, 100'000, 4'001));

}  // namespace
}  // namespace vora::net
