#include "services/gateway/core/object_cache.hpp"

#include <algorithm>
#include <cstring>

namespace vora::gateway {

namespace {

constexpr std::size_t fill_bytes = 1 << 20;     // of one read
constexpr std::size_t direct_bytes = 64 << 10;  // per viewer who reads for himself

// What an object takes of the memory: its bytes and the keeping of it.
std::uint64_t cost_of(const blob::object_info& info) {
    return info.size_bytes + 1024;
}

std::unexpected<error> changed() {
    // Objects never change; one that did between two looks is no basis for part of an answer.
    return fail(errc::data_loss, "object_changed", "the object changed");
}

}  // namespace

struct cached_object {
    enum class stage {
        opening,    // no byte yet
        filling,    // bytes up to `filled`
        complete,   // and in by_use_
        passed_by,  // not for this memory
        failed,
        evicted,
    };

    explicit cached_object(std::string k) : key(std::move(k)) {}

    void wake() {
        for (auto* viewer : waiting) {
            viewer->notify();
        }
    }
    // Until something changes, at most `limit`.
    task<bool> wait(executor ex, milliseconds limit) {
        wake_signal signal(ex);
        const auto at = waiting.insert(waiting.end(), &signal);
        struct leave {
            std::list<wake_signal*>& list;
            std::list<wake_signal*>::iterator place;
            ~leave() { list.erase(place); }
        } const guard{waiting, at};
        const bool woken = co_await signal.wait(limit);
        co_return woken;
    }

    std::string key;
    stage now = stage::opening;
    blob::object_info info;
    // Shared with reads under way, also with those left behind.
    std::shared_ptr<char[]> bytes;
    std::uint64_t filled = 0;
    std::optional<error> failure;
    std::optional<opened_object> spare;  // of one that passed by: for the first who comes
    std::list<wake_signal*> waiting;
    std::list<std::string>::iterator place;  // in by_use_, when complete
};

using stage = cached_object::stage;

// A viewer's own way to the store. Bytes go through a buffer that a read left behind keeps alive.
struct object_reader::direct {
    std::shared_ptr<blob::object_stream> stream;
    std::string first;  // not yet taken
    std::size_t taken = 0;
    std::shared_ptr<char[]> buffer;
};

object_reader::object_reader(object_cache& cache, blob::object_info info)
    : cache_(cache), info_(std::move(info)), end_(info_.size_bytes) {}

object_reader::~object_reader() = default;

task<result<void>> object_reader::begin(blob::byte_range part) {
    const bool elsewhere = part.offset != at_;
    at_ = part.offset;
    end_ = part.offset + part.length;
    if (direct_ && elsewhere) {
        direct_.reset();
        auto opened = co_await open_direct();
        co_return opened;
    }
    if (!cached_ || at_ == end_) {
        co_return result<void>{};
    }
    auto there = co_await wait_for_bytes();
    if (there && cached_->now == stage::evicted) {
        cached_.reset();
        there = co_await open_direct();
    }
    co_return there;
}

task<result<void>> object_reader::wait_for_bytes() {
    const auto deadline = std::chrono::steady_clock::now() + cache_.options_.first_byte_deadline;
    while (cached_->now == stage::filling && cached_->filled <= at_) {
        const auto left =
            std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
        if (left <= 0ms) {
            co_return fail(errc::deadline_exceeded, "store_too_slow",
                           "the object store did not answer in time");
        }
        co_await cached_->wait(cache_.ex_, left);
    }
    if (cached_->now == stage::failed) {
        co_return fail(*cached_->failure);
    }
    co_return result<void>{};
}

task<result<std::size_t>> object_reader::read(std::span<char> into) {
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), end_ - at_)));
    if (into.empty()) {
        co_return std::size_t{0};
    }
    while (cached_ && cached_->now == stage::filling && cached_->filled <= at_) {
        // The filling has deadlines of its own; this only bounds one turn of the loop.
        co_await cached_->wait(cache_.ex_, 60s);
    }
    if (cached_ && cached_->now == stage::failed) {
        co_return fail(*cached_->failure);
    }
    if (cached_ && cached_->now == stage::evicted) {
        cached_.reset();
        cache_.tell(cache_event::passed_by);
    }
    if (!cached_) {
        auto n = co_await read_direct(into);
        co_return n;
    }
    const auto n = std::min<std::uint64_t>(into.size(), cached_->filled - at_);
    std::memcpy(into.data(), cached_->bytes.get() + at_, n);
    at_ += n;
    co_return static_cast<std::size_t>(n);
}

std::string_view object_reader::held() const {
    if (!cached_ || (cached_->now != stage::filling && cached_->now != stage::complete)) {
        return {};
    }
    const auto end = std::min(end_, cached_->filled);
    return end <= at_
               ? std::string_view()
               : std::string_view(cached_->bytes.get() + at_, static_cast<std::size_t>(end - at_));
}

task<result<void>> object_reader::open_direct() {
    auto opened = co_await cache_.store_.open(info_.key, blob::byte_range{at_, end_ - at_});
    if (!opened) {
        co_return fail(opened.error());
    }
    if (opened->info.etag != info_.etag || opened->info.size_bytes != info_.size_bytes) {
        co_return changed();
    }
    direct_ = std::make_unique<direct>();
    direct_->stream = std::move(opened->stream);
    direct_->first = std::move(opened->first);
    co_return result<void>{};
}

task<result<std::size_t>> object_reader::read_direct(std::span<char> into) {
    for (;;) {
        if (!direct_) {
            auto opened = co_await open_direct();
            if (!opened) {
                co_return fail(opened.error());
            }
        }
        auto& d = *direct_;
        if (d.taken < d.first.size()) {
            const auto n = std::min(into.size(), d.first.size() - d.taken);
            std::memcpy(into.data(), d.first.data() + d.taken, n);
            d.taken += n;
            at_ += n;
            co_return n;
        }
        if (!d.buffer) {
            std::string().swap(d.first);
            d.taken = 0;
            d.buffer = std::shared_ptr<char[]>(new char[direct_bytes]);
        }
        auto n =
            co_await cache_.store_.read(d.stream, d.buffer, 0, std::min(into.size(), direct_bytes));
        if (n && *n > 0) {
            std::memcpy(into.data(), d.buffer.get(), *n);
            at_ += *n;
            co_return n;
        }
        if (resumes_++ >= cache_.options_.resumes_max) {
            co_return fail(n ? error{errc::data_loss, "object_too_short", {}} : n.error());
        }
        cache_.tell(cache_event::resumed);
        direct_.reset();
    }
}

object_cache::object_cache(executor ex, store_gate& store, object_cache_options options)
    : ex_(ex), store_(store), options_(std::move(options)), group_(ex) {}

object_cache::~object_cache() = default;

task<> object_cache::stop() {
    co_await group_.stop();
}

void object_cache::tell(cache_event e) const {
    if (options_.on_event) {
        options_.on_event(e);
    }
}

std::optional<blob::object_info> object_cache::known(const std::string& key) const {
    const auto found = objects_.find(key);
    if (found == objects_.end() || found->second->now == stage::opening) {
        return std::nullopt;
    }
    return found->second->info;
}

std::unique_ptr<object_reader> object_cache::direct_reader(opened_object object) {
    auto reader = std::unique_ptr<object_reader>(new object_reader(*this, std::move(object.info)));
    reader->direct_ = std::make_unique<object_reader::direct>();
    reader->direct_->stream = std::move(object.stream);
    reader->direct_->first = std::move(object.first);
    return reader;
}

task<result<std::unique_ptr<object_reader>>> object_cache::open(std::string key) {
    const auto found = objects_.find(key);
    object_ptr o;
    if (found == objects_.end()) {
        o = begin_fill(key);
        tell(cache_event::missed);
    } else {
        o = found->second;
        tell(o->now == stage::complete ? cache_event::hit : cache_event::joined);
    }
    if (o->now == stage::complete) {
        by_use_.splice(by_use_.begin(), by_use_, o->place);
    }
    while (o->now == stage::opening) {
        // The store answers within its deadline; this only bounds one turn of the loop.
        co_await o->wait(ex_, 60s);
    }
    if (o->now == stage::failed) {
        co_return fail(*o->failure);
    }
    if (o->now == stage::passed_by) {
        tell(cache_event::passed_by);
        if (o->spare) {
            auto object = std::move(*o->spare);
            o->spare.reset();
            co_return direct_reader(std::move(object));
        }
        auto object = co_await store_.open(key, std::nullopt);
        if (!object) {
            co_return fail(object.error());
        }
        co_return direct_reader(std::move(*object));
    }
    auto reader = std::unique_ptr<object_reader>(new object_reader(*this, o->info));
    reader->cached_ = o;
    co_return reader;
}

object_cache::object_ptr object_cache::begin_fill(const std::string& key) {
    auto o = std::make_shared<cached_object>(key);
    objects_.emplace(key, o);
    group_.spawn(fill(o));
    return o;
}

void object_cache::hold(std::uint64_t bytes) {
    bytes_ = bytes;
    if (options_.on_bytes) {
        options_.on_bytes(bytes);
    }
}

// Gives an object's bytes back and takes it out of sight; those who read it see why.
void object_cache::drop(cached_object& o) {
    const auto found = objects_.find(o.key);
    if (found != objects_.end() && found->second.get() == &o) {
        objects_.erase(found);
    }
    if (o.bytes) {
        hold(bytes_ - cost_of(o.info));
        o.bytes.reset();
    }
}

void object_cache::evict(const std::string& key) {
    const auto o = objects_.at(key);
    by_use_.erase(o->place);
    o->now = stage::evicted;
    drop(*o);
    tell(cache_event::evicted);
}

bool object_cache::make_room(std::uint64_t bytes) {
    if (bytes > std::min(options_.object_bytes_max, options_.bytes_max)) {
        return false;
    }
    while (bytes_ + bytes > options_.bytes_max && !by_use_.empty()) {
        evict(std::string(by_use_.back()));
    }
    return bytes_ + bytes <= options_.bytes_max;
}

task<> object_cache::fill(object_ptr o) {
    // Whoever waits is told how it ended, also when this coroutine is cancelled.
    struct finish {
        object_cache& cache;
        object_ptr o;
        ~finish() {
            if (o->now == stage::opening || o->now == stage::filling) {
                if (!o->failure) {
                    o->failure = error{errc::unavailable, "stopping", "the service is stopping"};
                }
                o->now = stage::failed;
                cache.drop(*o);
            }
            o->wake();
        }
    } const guard{*this, o};
    auto opened = co_await store_.open(o->key, std::nullopt);
    if (!opened) {
        o->failure = std::move(opened.error());
        co_return;
    }
    o->info = opened->info;
    o->info.key = o->key;
    if (!make_room(cost_of(o->info))) {
        o->spare = std::move(*opened);
        o->now = stage::passed_by;
        drop(*o);
        co_return;
    }
    hold(bytes_ + cost_of(o->info));
    o->bytes = std::shared_ptr<char[]>(new char[std::max<std::uint64_t>(o->info.size_bytes, 1)]);
    std::memcpy(o->bytes.get(), opened->first.data(), opened->first.size());
    o->filled = opened->first.size();
    o->now = stage::filling;
    o->wake();
    auto done = co_await fill_rest(o, std::move(opened->stream));
    if (!done) {
        o->failure = std::move(done.error());
        co_return;
    }
    o->now = stage::complete;
    by_use_.push_front(o->key);
    o->place = by_use_.begin();
}

task<result<void>> object_cache::fill_rest(object_ptr o,
                                           std::shared_ptr<blob::object_stream> stream) {
    int resumes = 0;
    while (o->filled < o->info.size_bytes) {
        const auto most = std::min<std::uint64_t>(fill_bytes, o->info.size_bytes - o->filled);
        auto n = co_await store_.read(stream, o->bytes, o->filled, most);
        if (n && *n > 0) {
            o->filled += *n;
            o->wake();
            continue;
        }
        if (resumes++ >= options_.resumes_max) {
            co_return fail(n ? error{errc::data_loss, "object_too_short", {}} : n.error());
        }
        tell(cache_event::resumed);
        auto again = co_await resume(o);
        if (!again) {
            co_return fail(again.error());
        }
        stream = std::move(*again);
    }
    co_return result<void>{};
}

task<result<std::shared_ptr<blob::object_stream>>> object_cache::resume(object_ptr o) {
    const blob::byte_range rest{o->filled, o->info.size_bytes - o->filled};
    auto opened = co_await store_.open(o->key, rest);
    if (!opened) {
        co_return fail(opened.error());
    }
    if (opened->info.etag != o->info.etag || opened->info.size_bytes != o->info.size_bytes) {
        co_return changed();
    }
    std::memcpy(o->bytes.get() + o->filled, opened->first.data(), opened->first.size());
    o->filled += opened->first.size();
    o->wake();
    co_return std::shared_ptr<blob::object_stream>(std::move(opened->stream));
}

}  // namespace vora::gateway
