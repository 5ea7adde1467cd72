#include "libs/blob/s3/s3_stream.hpp"

#include "libs/base/encoding.hpp"
#include "libs/blob/s3/s3_bucket.hpp"

#include <algorithm>
#include <chrono>

namespace vora::blob {

namespace {

using std::chrono::steady_clock;

std::unexpected<error> bad_answer(const char* what) {
    return fail(errc::unavailable, "storage_bad_answer", what);
}

// "bytes 5-9/100"
struct content_range {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t size = 0;
};
std::optional<content_range> parse_content_range(std::string_view text) {
    const auto dash = text.find('-');
    const auto slash = text.find('/');
    if (!text.starts_with("bytes ") || dash == text.npos || slash == text.npos || slash < dash) {
        return std::nullopt;
    }
    const auto first = parse_uint(text.substr(6, dash - 6));
    const auto last = parse_uint(text.substr(dash + 1, slash - dash - 1));
    const auto size = parse_uint(text.substr(slash + 1));
    if (!first || !last || !size || *last < *first || *last >= *size) {
        return std::nullopt;
    }
    return content_range{*first, *last, *size};
}

s3_call get_call(const std::string& key, std::optional<byte_range> range) {
    s3_call c{.method = "GET", .key = key};
    if (range) {
        const auto last = range->length > UINT64_MAX - range->offset
                              ? UINT64_MAX
                              : range->offset + range->length - 1;
        c.headers.emplace_back("range",
                               "bytes=" + std::to_string(range->offset) + '-' +
                                   std::to_string(std::min<std::uint64_t>(last, (1ULL << 53) - 1)));
    }
    return c;
}

// What an answer brings, checked against what was asked for and what it says itself.
struct opened {
    object_info info;
    byte_range range;
    std::unique_ptr<net::client_answer> answer;
};
result<opened> take_opened(s3_answer a, std::string key, std::optional<byte_range> asked) {
    const auto length = a.head->length();
    if (!length) {
        return bad_answer("an object without Content-Length");
    }
    byte_range got{0, *length};
    std::uint64_t size = *length;
    if (asked) {
        const auto told = parse_content_range(a.header("Content-Range"));
        if (a.status != 206 || !told || told->first != asked->offset) {
            return bad_answer("not the range that was asked for");
        }
        size = told->size;
        got = {told->first, std::min(asked->length, size - told->first)};
        if (*length != got.length) {
            return fail(errc::data_loss, "object_short", "fewer bytes than the range has");
        }
    }
    auto info = info_of(a, std::move(key), size);
    if (!info) {
        return bad_answer("an object without etag or time");
    }
    return opened{std::move(*info), got, std::move(a.head)};
}

class s3_stream final : public object_stream {
 public:
    s3_stream(std::shared_ptr<s3_bucket> bucket, opened o, std::shared_ptr<void> slot)
        : bucket_(std::move(bucket)),
          info_(std::move(o.info)),
          position_(o.range.offset),
          end_(o.range.offset + o.range.length),
          answer_(std::move(o.answer)),
          slot_(std::move(slot)) {
        release_at_end();
    }

    const object_info& info() const override { return info_; }

    task<result<std::size_t>> read(std::span<char> into) override {
        if (position_ == end_ || into.empty()) {
            co_return std::size_t{0};
        }
        into = into.first(std::min<std::uint64_t>(into.size(), end_ - position_));
        const auto until = steady_clock::now() + bucket_->options().call_deadline;
        for (;;) {
            if (!answer_) {
                auto again = co_await resume();
                if (!again) {
                    co_return fail(again.error());
                }
            }
            auto n = co_await answer_->read(into);
            if (n && *n > 0) {
                position_ += *n;
                bucket_->counts().received(*n);
                release_at_end();
                co_return n;
            }
            answer_.reset();
            if (n) {
                co_return fail(errc::data_loss, "object_short", "the object ends too early");
            }
            if (++resumes_ > bucket_->options().resumes_max || steady_clock::now() >= until) {
                co_return fail(n.error().code == errc::deadline_exceeded ? n.error()
                                                                         : interrupted().error());
            }
        }
    }

 private:
    static std::unexpected<error> interrupted() {
        return fail(errc::unavailable, "storage_unavailable", "the connection keeps ending");
    }

    // On a new connection from where it stands, and of the same bytes.
    task<result<void>> resume();

    void release_at_end() {
        if (position_ == end_) {
            answer_.reset();
            slot_.reset();
        }
    }

    std::shared_ptr<s3_bucket> bucket_;
    object_info info_;
    std::uint64_t position_;
    std::uint64_t end_;
    std::unique_ptr<net::client_answer> answer_;
    std::shared_ptr<void> slot_;
    int resumes_ = 0;
};

task<result<void>> s3_stream::resume() {
    const byte_range rest{position_, end_ - position_};
    auto c = get_call(info_.key, rest);
    c.headers.emplace_back("if-match", info_.etag);
    auto a = co_await bucket_->call(std::move(c), true);
    if (!a) {
        co_return fail(a.error());
    }
    if (a->status == 404 || a->status == 412) {
        co_return fail(errc::aborted, "object_changed", "the object changed while it was read");
    }
    if (a->status / 100 != 2) {
        co_return fail(s3_error(a->status, {}));
    }
    auto o = take_opened(std::move(*a), info_.key, rest);
    if (!o) {
        co_return fail(o.error());
    }
    if (o->info.etag != info_.etag || o->range.length != rest.length) {
        co_return fail(errc::aborted, "object_changed", "the object changed while it was read");
    }
    answer_ = std::move(o->answer);
    co_return result<void>{};
}

}  // namespace

task<result<std::unique_ptr<object_stream>>> open_s3_stream(std::shared_ptr<s3_bucket> bucket,
                                                            std::string key,
                                                            std::optional<byte_range> range) {
    if (auto ok = check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto slot = bucket->take_stream_slot();
    if (!slot) {
        co_return fail(errc::resource_exhausted, "storage_busy", "too many objects are open");
    }
    if (range && range->length == 0) {
        auto info = co_await bucket->head(key);
        if (!info) {
            co_return fail(info.error());
        }
        if (range->offset >= info->size_bytes) {
            co_return fail(errc::out_of_range, "range_not_satisfiable");
        }
        co_return std::make_unique<s3_stream>(bucket, opened{std::move(*info), *range, nullptr},
                                              nullptr);
    }
    auto a = co_await bucket->done(get_call(key, range), true);
    if (!a) {
        co_return fail(a.error());
    }
    auto o = take_opened(std::move(*a), key, range);
    if (!o) {
        co_return fail(o.error());
    }
    co_return std::make_unique<s3_stream>(bucket, std::move(*o), std::move(slot));
}

}  // namespace vora::blob
