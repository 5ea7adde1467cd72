#pragma once
// Stored objects in memory: however many viewers want one, the store is read once, and each of them
// is sent what has arrived so far while the rest is still being read.
//
// Bounded: all bytes together never exceed `bytes_max`. What no longer fits goes, the longest
// unused first, also under a viewer who is slow: his next read comes from the store, from where he
// is. Nobody waits for another viewer. Objects too large for this, and those that find only room
// that is being filled, pass by: each of their viewers reads the store himself.
//
// A store that breaks off is asked again for the missing rest, if it is still the same object (its
// ETag); else whoever was being sent it gets an error, never a short object. One loop.

#include "services/gateway/core/store_gate.hpp"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vora::gateway {

enum class cache_event { hit, joined, missed, passed_by, evicted, resumed };

struct object_cache_options {
    std::uint64_t bytes_max = 64 << 20;
    std::uint64_t object_bytes_max = 16 << 20;
    milliseconds first_byte_deadline{4000};
    int resumes_max = 2;  // per object read
    std::function<void(cache_event)> on_event;
    std::function<void(std::uint64_t)> on_bytes;  // held now
};

class object_cache;

// One viewer's way through an object, or through a part of it.
class object_reader {
 public:
    ~object_reader();
    object_reader(const object_reader&) = delete;

    const blob::object_info& info() const { return info_; }
    // Before the first read: only this part, which lies within the object. Returns when its first
    // byte is in hand. Errors as of object_cache::open.
    task<result<void>> begin(blob::byte_range part);
    // Fills a prefix of `into`; 0 = the end of the part.
    task<result<std::size_t>> read(std::span<char> into);
    // The bytes from here on that are in memory, and a step over some of them. Good until the loop
    // goes on to something else.
    std::string_view held() const;
    void skip(std::size_t bytes) { at_ += bytes; }

 private:
    friend class object_cache;
    struct direct;
    object_reader(object_cache& cache, blob::object_info info);
    task<result<std::size_t>> read_direct(std::span<char> into);
    task<result<void>> open_direct();
    task<result<void>> wait_for_bytes();

    object_cache& cache_;
    blob::object_info info_;
    std::uint64_t at_ = 0;
    std::uint64_t end_ = 0;
    std::shared_ptr<struct cached_object> cached_;
    std::unique_ptr<direct> direct_;
    int resumes_ = 0;
};

class object_cache {
 public:
    object_cache(executor ex, store_gate& store, object_cache_options options);
    ~object_cache();
    object_cache(const object_cache&) = delete;

    // The facts of an object that is in memory.
    std::optional<blob::object_info> known(const std::string& key) const;
    // Returns when the first byte is in hand. Errors: those of store_gate::open.
    task<result<std::unique_ptr<object_reader>>> open(std::string key);
    std::uint64_t bytes() const { return bytes_; }
    task<> stop();

 private:
    friend class object_reader;
    using object_ptr = std::shared_ptr<cached_object>;

    object_ptr begin_fill(const std::string& key);
    task<> fill(object_ptr o);
    task<result<void>> fill_rest(object_ptr o, std::shared_ptr<blob::object_stream> stream);
    task<result<std::shared_ptr<blob::object_stream>>> resume(object_ptr o);
    bool make_room(std::uint64_t bytes);
    void evict(const std::string& key);
    void drop(cached_object& o);
    void hold(std::uint64_t bytes);
    void tell(cache_event e) const;
    std::unique_ptr<object_reader> direct_reader(opened_object object);

    executor ex_;
    store_gate& store_;
    object_cache_options options_;
    task_group group_;
    std::map<std::string, object_ptr> objects_;
    std::list<std::string> by_use_;  // complete ones, most recently used first
    std::uint64_t bytes_ = 0;
};

}  // namespace vora::gateway
