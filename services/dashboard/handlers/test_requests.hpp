#pragma once
// For tests: requests without a socket, a clock that stands still.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/net/router.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace vora::dashboard {

class fake_clock final : public clock_source {
 public:
    timestamp now() const override { return at; }
    timestamp at = timestamp(std::chrono::days(20'000));
};

class text_body final : public net::body_reader {
 public:
    explicit text_body(std::string text) : text_(std::move(text)) {}
    task<result<std::size_t>> read(std::span<char> into) override {
        const auto n = text_.copy(into.data(), into.size(), at_);
        at_ += n;
        co_return n;
    }
    std::optional<std::uint64_t> length() const override { return text_.size(); }

 private:
    std::string text_;
    std::size_t at_ = 0;
};

using fields = std::vector<std::pair<std::string, std::string>>;

struct ask {
    std::string method;
    std::string path;
    fields headers = {};
    std::string body = {};
    fields query = {};
    std::string scheme = "http";
};

inline task<net::response> dispatch(const net::router& routes, net::request& r) {
    auto answer = co_await routes.dispatch(r);
    co_return answer;
}

inline net::response send(const net::router& routes, const ask& a) {
    text_body body(a.body);
    net::request r;
    r.method = a.method;
    r.path = r.raw_path = a.path;
    r.query = a.query;
    r.host = "127.0.0.1:8080";
    r.scheme = a.scheme;
    r.peer = "127.0.0.1";
    r.request_id = "test";
    r.body = &body;
    for (const auto& [name, value] : a.headers) {
        r.headers.add(name, value);
    }
    event_loop loop;
    return loop.run_until_done(dispatch(routes, r));
}

inline std::string header(const net::response& r, std::string_view name) {
    return std::string(r.headers.get(name).value_or(""));
}

}  // namespace vora::dashboard
