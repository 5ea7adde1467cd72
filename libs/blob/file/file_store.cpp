#include "libs/blob/file/file_store.hpp"

#include "libs/blob/file/bucket_dir.hpp"
#include "libs/blob/file/multipart_dir.hpp"

#include <algorithm>

namespace vora::blob {

struct file_store::state {
    state(std::string root, bool tidy) : bucket(std::move(root), tidy), multipart(bucket, tidy) {}
    bucket_dir bucket;
    multipart_dir multipart;
};

namespace {

// So much may be copied on the loop's thread when it is in memory already: less than what waking a
// thread of the pool and being woken by it costs several times over.
constexpr std::size_t loop_copy_bytes_max = 512 << 10;

class file_stream final : public object_stream {
 public:
    file_stream(bucket_dir::opened file, byte_range range, blocking_pool& pool)
        : fd_(std::make_shared<posix::unique_fd>(std::move(file.fd))),
          info_(std::move(file.info)),
          position_(range.offset),
          end_(range.offset + range.length),
          pool_(pool) {}

    const object_info& info() const override { return info_; }

    task<result<std::size_t>> read(std::span<char> into) override {
        const auto wanted = std::min<std::uint64_t>(into.size(), end_ - position_);
        if (wanted == 0) {
            co_return std::size_t{0};
        }
        into = into.first(wanted);
        if (into.size() <= loop_copy_bytes_max) {
            if (const auto n = posix::read_if_cached(fd_->get(), into, position_)) {
                position_ += *n;
                co_return *n;
            }
        }
        auto n = co_await pool_.run(
            [fd = fd_, into, at = position_] { return posix::read_at(fd->get(), into, at); });
        if (n && *n == 0) {
            co_return fail(errc::data_loss, "object_short");
        }
        position_ += n.value_or(0);
        co_return n;
    }

 private:
    std::shared_ptr<posix::unique_fd> fd_;
    object_info info_;
    std::uint64_t position_;
    std::uint64_t end_;
    blocking_pool& pool_;
};

}  // namespace

file_store::file_store(std::string root_dir, blocking_pool& pool, bool tidy)
    : state_(std::make_shared<state>(std::move(root_dir), tidy)), pool_(pool) {}

file_store::~file_store() = default;

task<result<object_info>> file_store::head(std::string key) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await pool_.run([s = state_, key] { return s->bucket.head(key); });
    co_return r;
}

task<result<std::unique_ptr<object_stream>>> file_store::open(std::string key,
                                                              std::optional<byte_range> range) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    result<bucket_dir::opened> file;
    if (auto cached = state_->bucket.open_if_cached(key)) {
        file = std::move(*cached);
    } else {
        file = co_await pool_.run([s = state_, key] { return s->bucket.open(key); });
    }
    if (!file) {
        co_return fail(file.error());
    }
    const auto size = file->info.size_bytes;
    auto wanted = range.value_or(byte_range{0, size});
    if (range && wanted.offset >= size) {
        co_return fail(errc::out_of_range, "range_not_satisfiable");
    }
    wanted.length = std::min(wanted.length, size - wanted.offset);
    co_return std::make_unique<file_stream>(std::move(*file), wanted, pool_);
}

task<result<std::vector<object_info>>> file_store::list(std::string prefix, std::string after,
                                                        std::size_t keys_max) {
    auto r = co_await pool_.run(
        [s = state_, prefix, after, keys_max] { return s->bucket.list(prefix, after, keys_max); });
    co_return r;
}

task<result<void>> file_store::fetch_to_file(std::string key, std::string path) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r =
        co_await pool_.run([s = state_, key, path] { return s->bucket.fetch_to_file(key, path); });
    co_return r;
}

task<result<object_info>> file_store::put(std::string key, std::string bytes, put_mode mode) {
    auto r = co_await put_span(std::move(key), bytes, mode);
    co_return r;
}

task<result<object_info>> file_store::put_span(std::string key, std::span<const char> bytes,
                                               put_mode mode) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await pool_.run(
        [s = state_, key, bytes, mode] { return s->bucket.put(key, bytes, mode); });
    co_return r;
}

task<result<object_info>> file_store::put_file(std::string key, std::string path, put_mode mode) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await pool_.run(
        [s = state_, key, path, mode] { return s->bucket.put_file(key, path, mode); });
    co_return r;
}

task<result<std::string>> file_store::begin_multipart(std::string key, std::uint64_t part_bytes) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await pool_.run(
        [s = state_, key, part_bytes] { return s->multipart.begin(key, part_bytes); });
    co_return r;
}

task<result<part_info>> file_store::put_part(std::string key, std::string multipart_id,
                                             std::uint32_t number, std::span<const char> bytes) {
    auto r = co_await pool_.run([s = state_, key, multipart_id, number, bytes] {
        return s->multipart.put_part(key, multipart_id, number, bytes);
    });
    co_return r;
}

task<result<std::vector<part_info>>> file_store::list_parts(std::string key,
                                                            std::string multipart_id) {
    auto r = co_await pool_.run(
        [s = state_, key, multipart_id] { return s->multipart.list_parts(key, multipart_id); });
    co_return r;
}

task<result<object_info>> file_store::complete_multipart(std::string key, std::string multipart_id,
                                                         std::vector<part_info> parts) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await pool_.run([s = state_, key, multipart_id, parts] {
        return s->multipart.complete(key, multipart_id, parts);
    });
    co_return r;
}

task<result<void>> file_store::abort_multipart(std::string key, std::string multipart_id) {
    auto r = co_await pool_.run(
        [s = state_, key, multipart_id] { return s->multipart.abort(key, multipart_id); });
    co_return r;
}

task<result<void>> file_store::remove(std::string key) {
    if (auto ok = state_->bucket.check_key(key); !ok) {
        co_return fail(ok.error());
    }
    auto r = co_await pool_.run([s = state_, key] { return s->bucket.remove(key); });
    co_return r;
}

task<result<std::uint64_t>> file_store::remove_all(std::string prefix) {
    if (!prefix.ends_with('/') || !state_->bucket.check_key(prefix.substr(0, prefix.size() - 1))) {
        co_return fail(errc::invalid_argument, "bad_key");
    }
    auto r = co_await pool_.run([s = state_, prefix] { return s->bucket.remove_all(prefix); });
    co_return r;
}

}  // namespace vora::blob
