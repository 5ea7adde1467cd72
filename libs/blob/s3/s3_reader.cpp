#include "libs/blob/s3/s3_reader.hpp"

#include "libs/blob/s3/local_file.hpp"
#include "libs/blob/s3/s3_bucket.hpp"
#include "libs/blob/s3/s3_stream.hpp"
#include "libs/blob/s3/s3_xml.hpp"

#include <algorithm>

namespace vora::blob {

namespace {

constexpr std::size_t page_keys_max = 1000;  // of S3
constexpr std::size_t file_piece_bytes = 1 << 20;

}  // namespace

result<std::unique_ptr<s3_reader>> s3_reader::make(executor ex, blocking_pool& files,
                                                   const clock_source& clock, s3_options options) {
    auto bucket = s3_bucket::make(std::move(ex), clock, std::move(options));
    if (!bucket) {
        return fail(bucket.error());
    }
    return std::make_unique<s3_reader>(std::move(*bucket), files);
}

s3_reader::s3_reader(std::shared_ptr<s3_bucket> bucket, blocking_pool& files)
    : bucket_(std::move(bucket)), files_(files) {}

s3_reader::~s3_reader() = default;

std::string s3_reader::trouble() const {
    return bucket_->trouble();
}

task<result<void>> s3_reader::check() {
    auto page = co_await list({}, {}, 1);
    if (!page) {
        co_return fail(page.error());
    }
    co_return result<void>{};
}

task<result<object_info>> s3_reader::head(std::string key) {
    auto r = co_await bucket_->head(std::move(key));
    co_return r;
}

task<result<std::unique_ptr<object_stream>>> s3_reader::open(std::string key,
                                                             std::optional<byte_range> range) {
    auto r = co_await open_s3_stream(bucket_, std::move(key), range);
    co_return r;
}

task<result<std::vector<object_info>>> s3_reader::list(std::string prefix, std::string after,
                                                       std::size_t keys_max) {
    std::vector<object_info> all;
    while (all.size() < keys_max) {
        s3_call c{.method = "GET"};
        c.query = {{"list-type", "2"},
                   {"max-keys", std::to_string(std::min(keys_max - all.size(), page_keys_max))}};
        if (!prefix.empty()) {
            c.query.emplace_back("prefix", prefix);
        }
        if (!after.empty()) {
            c.query.emplace_back("start-after", after);
        }
        auto answer = co_await bucket_->done(std::move(c));
        if (!answer) {
            co_return fail(answer.error());
        }
        auto page = parse_list_objects(answer->body);
        if (!page) {
            co_return fail(page.error());
        }
        const bool stuck = page->objects.empty() || page->objects.front().key <= after ||
                           !page->objects.front().key.starts_with(prefix);
        if (stuck && (page->truncated || !page->objects.empty())) {
            co_return fail(errc::unavailable, "storage_bad_answer", "a list that does not go on");
        }
        std::ranges::move(page->objects, std::back_inserter(all));
        if (!page->truncated) {
            break;
        }
        after = all.back().key;
    }
    all.resize(std::min(all.size(), keys_max));
    co_return all;
}

task<result<void>> s3_reader::fetch_to_file(std::string key, std::string path) {
    if (auto ok = check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto file = co_await files_.run([path] { return new_local_file::make(path); });
    if (!file) {
        co_return fail(file.error());
    }
    auto stream = co_await open(std::move(key), std::nullopt);
    if (!stream) {
        co_return fail(stream.error());
    }
    const auto buffer = std::make_shared<std::vector<char>>(file_piece_bytes);
    for (;;) {
        std::size_t filled = 0;
        while (filled < buffer->size()) {
            auto n = co_await (*stream)->read(std::span(*buffer).subspan(filled));
            if (!n) {
                co_return fail(n.error());
            }
            if (*n == 0) {
                break;
            }
            filled += *n;
        }
        if (filled == 0) {
            break;
        }
        auto written = co_await files_.run(
            [f = *file, buffer, filled] { return f->write(std::span(*buffer).first(filled)); });
        if (!written) {
            co_return fail(written.error());
        }
    }
    auto kept = co_await files_.run([f = *file] { return f->keep(); });
    co_return kept;
}

}  // namespace vora::blob
