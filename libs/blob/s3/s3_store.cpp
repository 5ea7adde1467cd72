#include "libs/blob/s3/s3_store.hpp"

#include "libs/base/crc32c.hpp"
#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"
#include "libs/blob/s3/local_file.hpp"
#include "libs/blob/s3/md5.hpp"
#include "libs/blob/s3/s3_bucket.hpp"
#include "libs/blob/s3/s3_xml.hpp"

#include <array>

namespace vora::blob {

namespace {

constexpr std::uint64_t put_bytes_max = 5ULL << 30;
constexpr std::uint32_t parts_max = 10'000;
constexpr std::size_t multipart_id_bytes_max = 1024;
// Goes with what is created, so that a writer whose answer was lost knows its own object.
constexpr std::string_view mark_header = "x-amz-meta-vora-put";
// The store refuses bytes that are not these.
constexpr std::string_view checksum_header = "x-amz-checksum-crc32c";
constexpr std::size_t checksum_at_once_bytes_max = 256 << 10;
constexpr std::uint64_t checksum_file_bytes_max = 64 << 20;

// Of the answer to a write: S3 tells no Last-Modified there.
timestamp time_of(const s3_answer& a, timestamp now) {
    const auto date = from_http_date(a.header("Date"));
    return date ? *date : now;
}

bool is_etag(std::string_view etag) {
    return etag.size() > 2 && etag.starts_with('"') && etag.ends_with('"');
}

// What S3 makes of the parts' etags; "" when these are not MD5 sums.
std::string etag_of_parts(const std::vector<part_info>& parts) {
    std::string sums;
    for (const auto& part : parts) {
        if (part.etag.size() != 34) {
            return "";
        }
        const auto raw = hex_decode(std::string_view(part.etag).substr(1, 32));
        if (!raw) {
            return "";
        }
        sums += *raw;
    }
    return '"' + hex_encode(md5(sums)) + '-' + std::to_string(parts.size()) + '"';
}

result<void> check_multipart(std::string_view key, std::string_view id) {
    if (id.empty() || id.size() > multipart_id_bytes_max) {
        return fail(errc::not_found, "no_such_multipart");
    }
    return check_key(key);
}

result<void> check_parts(const std::vector<part_info>& parts) {
    if (parts.empty() || parts.size() > parts_max) {
        return fail(errc::invalid_argument, "no_parts");
    }
    std::uint32_t expected = 1;
    for (const auto& part : parts) {
        // S3 itself would leave a gap out.
        if (part.number != expected++) {
            return fail(errc::failed_precondition, "part_mismatch", "a part is missing");
        }
    }
    return {};
}

// As S3 writes it: base64 of the number's bytes, the highest first.
std::string checksum_text(std::uint32_t crc) {
    const std::array bytes{static_cast<char>(crc >> 24), static_cast<char>(crc >> 16),
                           static_cast<char>(crc >> 8), static_cast<char>(crc)};
    return base64_encode(std::string_view(bytes.data(), bytes.size()));
}

}  // namespace

struct s3_store::payload {
    std::span<const char> memory;
    std::shared_ptr<local_file> file;

    std::uint64_t size_bytes() const { return file ? file->size_bytes() : memory.size(); }
};

result<std::unique_ptr<s3_store>> s3_store::make(executor ex, blocking_pool& files,
                                                 const clock_source& clock, s3_options options) {
    auto bucket = s3_bucket::make(std::move(ex), clock, std::move(options));
    if (!bucket) {
        return fail(bucket.error());
    }
    return std::make_unique<s3_store>(std::move(*bucket), files);
}

s3_store::s3_store(std::shared_ptr<s3_bucket> bucket, blocking_pool& files)
    : bucket_(std::move(bucket)), reader_(bucket_, files), files_(files) {}

s3_store::~s3_store() = default;

task<result<void>> s3_store::make_bucket() {
    s3_call c{.method = "PUT"};
    if (bucket_->options().region != "us-east-1") {
        c.body = "<CreateBucketConfiguration><LocationConstraint>" + bucket_->options().region +
                 "</LocationConstraint></CreateBucketConfiguration>";
    }
    auto r = co_await bucket_->done(std::move(c));
    if (!r && r.error().code == errc::already_exists) {
        // Ours or somebody else's: check() tells.
        auto usable = co_await check();
        co_return usable;
    }
    if (!r) {
        co_return fail(r.error());
    }
    co_return result<void>{};
}

task<result<object_info>> s3_store::head(std::string key) {
    return reader_.head(std::move(key));
}

task<result<std::unique_ptr<object_stream>>> s3_store::open(std::string key,
                                                            std::optional<byte_range> range) {
    return reader_.open(std::move(key), range);
}

task<result<std::vector<object_info>>> s3_store::list(std::string prefix, std::string after,
                                                      std::size_t keys_max) {
    return reader_.list(std::move(prefix), std::move(after), keys_max);
}

task<result<void>> s3_store::fetch_to_file(std::string key, std::string path) {
    return reader_.fetch_to_file(std::move(key), std::move(path));
}

task<result<object_info>> s3_store::put(std::string key, std::string bytes, put_mode mode) {
    auto r = co_await put_span(std::move(key), bytes, mode);
    co_return r;
}

task<result<object_info>> s3_store::put_span(std::string key, std::span<const char> bytes,
                                             put_mode mode) {
    static constexpr char nothing = 0;
    payload p{bytes.data() != nullptr ? bytes : std::span(&nothing, 0), nullptr};
    auto r = co_await put_any(std::move(key), std::move(p), mode);
    co_return r;
}

task<result<object_info>> s3_store::put_file(std::string key, std::string path, put_mode mode) {
    if (auto ok = check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto file = co_await files_.run([path] { return local_file::open(path); });
    if (!file) {
        co_return fail(file.error());
    }
    auto r = co_await put_any(std::move(key), payload{{}, std::move(*file)}, mode);
    co_return r;
}

// Of many bytes on a thread of the pool. A file that is too large to be read twice has none.
task<result<std::string>> s3_store::checksum_of(payload p) {
    if (p.file && p.size_bytes() > checksum_file_bytes_max) {
        co_return std::string();
    }
    if (p.file) {
        auto crc = co_await files_.run([file = p.file] { return file->checksum(); });
        if (!crc) {
            co_return fail(crc.error());
        }
        co_return checksum_text(*crc);
    }
    const std::string_view bytes(p.memory.data(), p.memory.size());
    if (bytes.size() <= checksum_at_once_bytes_max) {
        co_return checksum_text(crc32c(bytes));
    }
    const auto crc = co_await files_.run([bytes] { return crc32c(bytes); });
    co_return checksum_text(crc);
}

task<result<object_info>> s3_store::put_any(std::string key, payload p, put_mode mode) {
    if (auto ok = check_key(key); !ok) {
        co_return fail(ok.error());
    }
    if (p.size_bytes() > put_bytes_max) {
        co_return fail(errc::resource_exhausted, "object_too_large");
    }
    auto checksum = co_await checksum_of(p);
    if (!checksum) {
        co_return fail(checksum.error());
    }
    const auto mark = random_hex(16);
    s3_call c{.method = "PUT", .key = key, .memory = p.memory};
    if (!checksum->empty()) {
        c.headers.emplace_back(checksum_header, *checksum);
    }
    if (mode == put_mode::create_only) {
        c.headers.emplace_back("if-none-match", "*");
        c.headers.emplace_back(mark_header, mark);
    }
    if (p.file) {
        c.source = [file = p.file, &files = files_] { return file->source(files); };
        c.source_bytes = p.size_bytes();
    }
    auto r = co_await bucket_->call(std::move(c));
    if (!r) {
        co_return fail(r.error());
    }
    if (r->status / 100 == 2) {
        const std::string etag(r->header("ETag"));
        if (!is_etag(etag)) {
            co_return fail(errc::unavailable, "storage_bad_answer", "PUT without etag");
        }
        co_return object_info{key, p.size_bytes(), etag, time_of(*r, bucket_->now())};
    }
    auto refused = s3_error(r->status, s3_error_code(r->body));
    if (refused.code != errc::already_exists || !r->uncertain) {
        co_return fail(std::move(refused));
    }
    // Taken, perhaps by the attempt whose answer was lost.
    auto seen = co_await bucket_->done({.method = "HEAD", .key = key});
    if (!seen || seen->header(mark_header) != mark ||
        parse_uint(seen->header("Content-Length")) != p.size_bytes()) {
        co_return fail(std::move(refused));
    }
    auto info = info_of(*seen, key, p.size_bytes());
    if (!info) {
        co_return fail(errc::unavailable, "storage_bad_answer", "HEAD without etag or time");
    }
    co_return std::move(*info);
}

task<result<std::string>> s3_store::begin_multipart(std::string key, std::uint64_t part_bytes) {
    if (auto ok = check_key(key); !ok) {
        co_return fail(ok.error());
    }
    if (part_bytes == 0 || part_bytes > put_bytes_max) {
        co_return fail(errc::invalid_argument, "bad_part_size");
    }
    s3_call c{.method = "POST", .key = key, .query = {{"uploads", ""}}};
    // Parts may bring their checksum only where it was said so.
    c.headers = {{"x-amz-checksum-algorithm", "CRC32C"}};
    auto r = co_await bucket_->done(std::move(c));
    if (!r) {
        co_return fail(r.error());
    }
    co_return parse_begin_multipart(r->body);
}

task<result<part_info>> s3_store::put_part(std::string key, std::string multipart_id,
                                           std::uint32_t number, std::span<const char> bytes) {
    if (auto ok = check_multipart(key, multipart_id); !ok) {
        co_return fail(ok.error());
    }
    if (number < 1 || number > parts_max || bytes.empty()) {
        co_return fail(errc::invalid_argument, "bad_part");
    }
    auto checksum = co_await checksum_of(payload{bytes, nullptr});
    if (!checksum) {
        co_return fail(checksum.error());
    }
    s3_call c{.method = "PUT", .key = key, .memory = bytes};
    c.headers = {{std::string(checksum_header), *checksum}};
    c.query = {{"partNumber", std::to_string(number)}, {"uploadId", multipart_id}};
    auto r = co_await bucket_->done(std::move(c));
    if (!r) {
        co_return fail(r.error());
    }
    const std::string etag(r->header("ETag"));
    if (!is_etag(etag)) {
        co_return fail(errc::unavailable, "storage_bad_answer", "a part without etag");
    }
    // A store that knows none does not say it back, and must not be told at the completion.
    const bool is_kept = r->header(checksum_header) == *checksum;
    co_return part_info{number, bytes.size(), etag, is_kept ? *checksum : std::string()};
}

task<result<std::vector<part_info>>> s3_store::list_parts(std::string key,
                                                          std::string multipart_id) {
    if (auto ok = check_multipart(key, multipart_id); !ok) {
        co_return fail(ok.error());
    }
    std::vector<part_info> all;
    for (std::uint32_t marker = 0;;) {
        s3_call c{.method = "GET", .key = key};
        c.query = {{"uploadId", multipart_id},
                   {"max-parts", "1000"},
                   {"part-number-marker", std::to_string(marker)}};
        auto r = co_await bucket_->done(std::move(c));
        if (!r) {
            co_return fail(r.error());
        }
        auto page = parse_list_parts(r->body);
        if (!page) {
            co_return fail(page.error());
        }
        for (auto& part : page->parts) {
            if (part.number <= marker) {
                co_return fail(errc::unavailable, "storage_bad_answer", "parts that do not go on");
            }
            all.push_back(std::move(part));
        }
        if (!page->truncated) {
            co_return all;
        }
        marker = page->next_marker;
    }
}

task<result<object_info>> s3_store::complete_multipart(std::string key, std::string multipart_id,
                                                       std::vector<part_info> parts) {
    if (auto ok = check_multipart(key, multipart_id); !ok) {
        co_return fail(ok.error());
    }
    if (auto ok = check_parts(parts); !ok) {
        co_return fail(ok.error());
    }
    std::uint64_t size = 0;
    for (const auto& part : parts) {
        size += part.size_bytes;
    }
    s3_call c{.method = "POST", .key = key, .query = {{"uploadId", multipart_id}}};
    c.headers = {{"if-none-match", "*"}};
    c.body = complete_multipart_xml(parts);
    c.extra_time = 30s;
    auto r = co_await bucket_->call(std::move(c));
    if (!r) {
        co_return fail(r.error());
    }
    // A 200 that turns into an error on the way has its code in the body.
    const auto code = s3_error_code(r->body);
    if (r->status / 100 == 2 && code.empty()) {
        auto etag = parse_complete_multipart(r->body);
        if (!etag) {
            co_return fail(etag.error());
        }
        co_return object_info{key, size, *etag, time_of(*r, bucket_->now())};
    }
    auto refused = s3_error(r->status / 100 == 2 ? 500 : r->status, code);
    const bool may_be_done =
        r->uncertain && (refused.code == errc::not_found || refused.code == errc::already_exists);
    if (!may_be_done) {
        co_return fail(std::move(refused));
    }
    auto seen = co_await bucket_->head(key);
    if (seen && seen->size_bytes == size && seen->etag == etag_of_parts(parts)) {
        co_return seen;
    }
    co_return fail(std::move(refused));
}

task<result<void>> s3_store::abort_multipart(std::string key, std::string multipart_id) {
    if (auto ok = check_multipart(key, multipart_id); !ok) {
        co_return ok.error().code == errc::not_found ? result<void>{} : fail(ok.error());
    }
    auto r = co_await bucket_->done(
        {.method = "DELETE", .key = key, .query = {{"uploadId", multipart_id}}});
    if (!r && r.error().code != errc::not_found) {
        co_return fail(r.error());
    }
    co_return result<void>{};
}

task<result<void>> s3_store::remove(std::string key) {
    if (auto ok = check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await bucket_->done({.method = "DELETE", .key = key});
    if (!r && r.error().code != errc::not_found) {
        co_return fail(r.error());
    }
    co_return result<void>{};
}

task<result<std::uint64_t>> s3_store::remove_all(std::string prefix) {
    if (!prefix.ends_with('/') ||
        !is_valid_key(std::string_view(prefix).substr(0, prefix.size() - 1))) {
        co_return fail(errc::invalid_argument, "bad_key");
    }
    std::uint64_t removed = 0;
    for (std::string after;;) {
        auto page = co_await reader_.list(prefix, after, 1000);
        if (!page) {
            co_return fail(page.error());
        }
        // A key that is not one of ours cannot be named in XML as it is.
        for (const auto& o : *page) {
            if (auto ok = check_key(o.key); !ok) {
                co_return fail(errc::failed_precondition, "foreign_object");
            }
        }
        if (page->empty()) {
            co_return removed;
        }
        s3_call c{.method = "POST", .query = {{"delete", ""}}};
        c.body = remove_xml(*page);
        c.headers = {{"content-md5", base64_encode(md5(c.body))}};
        auto r = co_await bucket_->done(std::move(c));
        if (!r) {
            co_return fail(r.error());
        }
        auto left = parse_removed(r->body);
        if (!left) {
            co_return fail(left.error());
        }
        if (!left->empty()) {
            co_return fail(errc::unavailable, "storage_unavailable", "not removed: " + *left);
        }
        removed += page->size();
        after = page->back().key;
    }
}

}  // namespace vora::blob
