#pragma once
// The store behind deadlines. A call that does not come back in time is left behind, never waited
// for, so the answer is on time even when the disk hangs; what is left behind counts as running
// until it ends.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace vora::gateway {

// What the store was asked for, and how asking ended.
enum class store_event { read, head, timed_out, failed };

struct store_options {
    milliseconds first_byte_deadline{4000};
    milliseconds next_bytes_deadline{10'000};
    std::size_t calls_max = 512;  // first bytes waited for, those left behind included
    std::function<void(store_event)> on_event;
};

// An open object whose first bytes have arrived.
struct opened_object {
    blob::object_info info;
    std::unique_ptr<blob::object_stream> stream;
    std::string
        first;  // the first bytes of what was asked for; shorter than it only if more follow
};

class store_gate {
 public:
    store_gate(executor ex, blob::reader& store, store_options options);
    ~store_gate();
    store_gate(const store_gate&) = delete;

    // not_found; deadline_exceeded ("store_too_slow"), unavailable ("store_unavailable"),
    // resource_exhausted ("too_many_store_calls"), data_loss.
    task<result<blob::object_info>> head(std::string key);
    task<result<opened_object>> open(std::string key, std::optional<blob::byte_range> range);
    // One more read of an opened object, to bytes + at. A read that is left behind keeps both.
    task<result<std::size_t>> read(std::shared_ptr<blob::object_stream> stream,
                                   std::shared_ptr<char[]> bytes, std::uint64_t at,
                                   std::size_t count);
    task<> stop();

 private:
    template <class T>
    task<result<T>> in_time(task<result<T>> call, milliseconds limit);
    template <class T>
    task<result<T>> asked(task<result<T>> call, store_event what);
    void tell(store_event e) const;
    void tell_failure(const error& e) const;
    task<result<opened_object>> open_and_read(std::string key,
                                              std::optional<blob::byte_range> range);
    static task<result<std::size_t>> read_on(std::shared_ptr<blob::object_stream> stream,
                                             std::shared_ptr<char[]> bytes, std::uint64_t at,
                                             std::size_t count);

    executor ex_;
    blob::reader& store_;
    store_options options_;
    task_group group_;
};

}  // namespace vora::gateway
