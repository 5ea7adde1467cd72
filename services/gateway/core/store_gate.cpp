#include "services/gateway/core/store_gate.hpp"

#include <algorithm>

namespace vora::gateway {

namespace {

constexpr std::size_t first_bytes_max = 64 << 10;

// The reasons this service shows outside; the store's own words stay inside.
error as_shown(error e) {
    switch (e.code) {
        case errc::deadline_exceeded:
            return {e.code, "store_too_slow", "the object store did not answer in time"};
        case errc::unavailable:
            return {e.code, "store_unavailable", "the object store cannot be reached"};
        case errc::resource_exhausted:
            return {errc::unavailable, "store_unavailable", "the object store refuses work"};
        default:
            return e;
    }
}

template <class T>
struct pending {
    explicit pending(const executor& ex) : done(ex) {}
    wake_signal done;
    std::optional<result<T>> value;
};

template <class T>
task<> run_call(std::shared_ptr<pending<T>> p, task<result<T>> call, milliseconds limit) {
    struct tell {
        pending<T>& p;
        ~tell() {
            if (!p.value) {
                p.value = fail(errc::unavailable, "stopping", "the service is stopping");
            }
            p.done.notify();
        }
    } const guard{*p};
    auto value = co_await with_deadline(std::move(call), limit);
    p->value = std::move(value);
}

}  // namespace

store_gate::store_gate(executor ex, blob::reader& store, store_options options)
    : ex_(ex), store_(store), options_(options), group_(ex) {}

store_gate::~store_gate() = default;

task<> store_gate::stop() {
    co_await group_.stop();
}

void store_gate::tell(store_event e) const {
    if (options_.on_event) {
        options_.on_event(e);
    }
}

// What is not there is an answer, not a failure of the store.
void store_gate::tell_failure(const error& e) const {
    if (e.code == errc::deadline_exceeded) {
        tell(store_event::timed_out);
    } else if (e.code != errc::not_found && e.code != errc::out_of_range) {
        tell(store_event::failed);
    }
}

// The call's result, or deadline_exceeded; then the call is left behind.
template <class T>
task<result<T>> store_gate::in_time(task<result<T>> call, milliseconds limit) {
    auto p = std::make_shared<pending<T>>(ex_);
    group_.spawn(run_call<T>(p, std::move(call), limit));
    // Slightly longer than the call's own deadline: one that can be cancelled has been by then.
    co_await p->done.wait(limit + 100ms);
    if (!p->value) {
        tell(store_event::timed_out);
        co_return fail(as_shown({errc::deadline_exceeded, {}, {}}));
    }
    auto value = std::move(*p->value);
    if (!value) {
        tell_failure(value.error());
        co_return fail(as_shown(std::move(value.error())));
    }
    co_return value;
}

template <class T>
task<result<T>> store_gate::asked(task<result<T>> call, store_event what) {
    if (group_.size() >= options_.calls_max) {
        co_return fail(errc::resource_exhausted, "too_many_store_calls",
                       "too many requests wait for the object store");
    }
    tell(what);
    auto value = co_await in_time(std::move(call), options_.first_byte_deadline);
    co_return value;
}

task<result<blob::object_info>> store_gate::head(std::string key) {
    auto found = co_await asked(store_.head(std::move(key)), store_event::head);
    co_return found;
}

task<result<opened_object>> store_gate::open(std::string key,
                                             std::optional<blob::byte_range> range) {
    auto opened = co_await asked(open_and_read(std::move(key), range), store_event::read);
    co_return opened;
}

task<result<opened_object>> store_gate::open_and_read(std::string key,
                                                      std::optional<blob::byte_range> range) {
    auto stream = co_await store_.open(std::move(key), range);
    if (!stream) {
        co_return fail(stream.error());
    }
    opened_object o;
    o.info = (*stream)->info();
    const std::uint64_t length = range ? range->length : o.info.size_bytes;
    o.first.resize(static_cast<std::size_t>(std::min<std::uint64_t>(length, first_bytes_max)));
    if (!o.first.empty()) {
        auto n = co_await (*stream)->read(o.first);
        if (!n) {
            co_return fail(n.error());
        }
        if (*n == 0) {
            co_return fail(errc::data_loss, "object_too_short", "an object ends before its size");
        }
        o.first.resize(*n);
    }
    o.stream = std::move(*stream);
    co_return o;
}

task<result<std::size_t>> store_gate::read_on(std::shared_ptr<blob::object_stream> stream,
                                              std::shared_ptr<char[]> bytes, std::uint64_t at,
                                              std::size_t count) {
    auto n = co_await stream->read({bytes.get() + at, count});
    co_return n;
}

task<result<std::size_t>> store_gate::read(std::shared_ptr<blob::object_stream> stream,
                                           std::shared_ptr<char[]> bytes, std::uint64_t at,
                                           std::size_t count) {
    auto n = co_await in_time(read_on(std::move(stream), std::move(bytes), at, count),
                              options_.next_bytes_deadline);
    co_return n;
}

}  // namespace vora::gateway
