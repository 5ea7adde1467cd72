#pragma once
// Doubles with levers for the tests of this service. The store is a real directory; `faulty_store`
// stands in front of it and fails what a test asks for.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"
#include "libs/blob/free_space.hpp"
#include "services/upload/core/ports.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace vora::upload {

class manual_clock final : public clock_source {
 public:
    timestamp now() const override { return now_; }
    void advance(milliseconds by) { now_ += by; }

 private:
    timestamp now_ = *from_rfc3339("2026-11-23T17:00:00.000Z");
};

// What a call is, for the levers.
struct store_call {
    std::string
        name;  // "put", "put_part", "complete", "begin", "list_parts", "open", "remove", ...
    std::string key;
    std::uint32_t part = 0;
};

template <class Store>
class faulty_store final : public blob::reader, public blob::writer, public blob::remover {
 public:
    explicit faulty_store(Store& real) : real_(real) {}

    // Called before each call; an error is answered in the store's place.
    std::function<result<void>(const store_call&)> before;
    // Called after a call that worked: an error here is an answer that was lost.
    std::function<result<void>(const store_call&)> after;
    std::map<std::string, int> calls;

    task<result<blob::object_info>> head(std::string key) override {
        return pass({"head", key}, real_.head(key));
    }
    task<result<std::unique_ptr<blob::object_stream>>> open(
        std::string key, std::optional<blob::byte_range> range) override {
        return pass({"open", key}, real_.open(key, range));
    }
    task<result<std::vector<blob::object_info>>> list(std::string prefix, std::string after_key,
                                                      std::size_t keys_max) override {
        return pass({"list", prefix}, real_.list(prefix, after_key, keys_max));
    }
    task<result<void>> fetch_to_file(std::string key, std::string path) override {
        return pass({"fetch", key}, real_.fetch_to_file(key, path));
    }
    task<result<blob::object_info>> put(std::string key, std::string bytes,
                                        blob::put_mode mode) override {
        return pass({"put", key}, real_.put(key, std::move(bytes), mode));
    }
    task<result<blob::object_info>> put_span(std::string key, std::span<const char> bytes,
                                             blob::put_mode mode) override {
        return pass({"put", key}, real_.put_span(key, bytes, mode));
    }
    task<result<blob::object_info>> put_file(std::string key, std::string path,
                                             blob::put_mode mode) override {
        return pass({"put", key}, real_.put_file(key, path, mode));
    }
    task<result<std::string>> begin_multipart(std::string key, std::uint64_t part_bytes) override {
        return pass({"begin", key}, real_.begin_multipart(key, part_bytes));
    }
    task<result<blob::part_info>> put_part(std::string key, std::string id, std::uint32_t number,
                                           std::span<const char> bytes) override {
        return pass({"put_part", key, number}, real_.put_part(key, id, number, bytes));
    }
    task<result<std::vector<blob::part_info>>> list_parts(std::string key,
                                                          std::string id) override {
        return pass({"list_parts", key}, real_.list_parts(key, id));
    }
    task<result<blob::object_info>> complete_multipart(
        std::string key, std::string id, std::vector<blob::part_info> parts) override {
        return pass({"complete", key}, real_.complete_multipart(key, id, std::move(parts)));
    }
    task<result<void>> abort_multipart(std::string key, std::string id) override {
        return pass({"abort", key}, real_.abort_multipart(key, id));
    }
    task<result<void>> remove(std::string key) override {
        return pass({"remove", key}, real_.remove(key));
    }
    task<result<std::uint64_t>> remove_all(std::string prefix) override {
        return pass({"remove_all", prefix}, real_.remove_all(prefix));
    }

 private:
    template <class T>
    task<result<T>> pass(store_call call, task<result<T>> real_call) {
        ++calls[call.name];
        if (before) {
            if (auto ok = before(call); !ok) {
                co_return fail(ok.error());
            }
        }
        auto r = co_await std::move(real_call);
        if (r && after) {
            if (auto ok = after(call); !ok) {
                co_return fail(ok.error());
            }
        }
        co_return r;
    }

    Store& real_;
};

// Bytes in pieces; may stall, break off, or hide its length.
class scripted_source final : public byte_source {
 public:
    explicit scripted_source(std::string_view bytes) : bytes_(bytes) {}
    scripted_source& in_pieces_of(std::size_t n) {
        piece_ = n;
        return *this;
    }
    // Delivers everything, then waits until it is stopped.
    scripted_source& then_stalls() {
        stalls_ = true;
        return *this;
    }
    // Delivers everything, then the client is gone.
    scripted_source& then_breaks() {
        breaks_ = true;
        return *this;
    }
    scripted_source& announcing(std::optional<std::uint64_t> length) {
        announced_ = length;
        return *this;
    }
    // Waits at this byte until the flag is set.
    scripted_source& pausing_at(std::size_t at, const bool& go_on) {
        pause_at_ = at;
        go_on_ = &go_on;
        return *this;
    }
    // Called before each piece with the bytes delivered so far.
    scripted_source& on_piece(std::function<void(std::uint64_t)> f) {
        on_piece_ = std::move(f);
        return *this;
    }

    task<result<std::size_t>> read(std::span<char> into) override {
        if (on_piece_) {
            on_piece_(at_);
        }
        while (at_ == pause_at_ && !*go_on_) {
            co_await sleep_for(std::chrono::milliseconds(1));
        }
        const auto n = std::min({into.size(), piece_, bytes_.size() - at_,
                                 at_ < pause_at_ ? pause_at_ - at_ : SIZE_MAX});
        if (n == 0 && stalls_) {
            stalled = true;
            co_await sleep_for(std::chrono::hours(1));
        }
        if (n == 0 && breaks_) {
            co_return fail(errc::unavailable, "body_interrupted");
        }
        bytes_.copy(into.data(), n, at_);
        at_ += n;
        co_return n;
    }
    std::optional<std::uint64_t> length() const override {
        return announced_ ? *announced_ : std::optional<std::uint64_t>(bytes_.size());
    }

    bool stalled = false;

 private:
    std::string_view bytes_;
    std::size_t at_ = 0;
    std::size_t piece_ = SIZE_MAX;
    std::size_t pause_at_ = SIZE_MAX;
    const bool* go_on_ = nullptr;
    bool stalls_ = false;
    bool breaks_ = false;
    std::optional<std::optional<std::uint64_t>> announced_;
    std::function<void(std::uint64_t)> on_piece_;
};

class fake_hook_sink final : public hook_sink {
 public:
    task<result<void>> deliver(upload_event event) override {
        tried.push_back(event);
        if (failures_left > 0) {
            --failures_left;
            co_return fail(errc::unavailable, "hook_refused");
        }
        delivered.push_back(std::move(event));
        co_return result<void>{};
    }
    int failures_left = 0;
    std::vector<upload_event> tried;
    std::vector<upload_event> delivered;
};

// Room for `free` bytes above the mark `low`; "none" begins at `none`.
class fake_free_space final : public blob::free_space {
 public:
    task<blob::room> look(std::uint64_t more_bytes) override {
        const auto left = free > more_bytes ? free - more_bytes : 0;
        co_return left < none ? blob::room::none : left < low ? blob::room::low : blob::room::ample;
    }
    std::uint64_t free = UINT64_MAX;
    std::uint64_t low = 100 << 20;
    std::uint64_t none = 50 << 20;
};

class recording_observer final : public observer {
 public:
    void created(const upload_info&) override {}
    void received(std::uint64_t bytes) override { received_bytes += bytes; }
    void stored(std::uint64_t bytes) override { stored_bytes += bytes; }
    void ended(const upload_info&) override {}
    void taken_over(const upload_id&) override { ++takeovers; }
    void hook_sent(const upload_event&) override {}
    void hook_failed(const upload_id&, const error&) override { ++hooks_failed; }
    void background_failed(const upload_id&, const error& e) override {
        background.push_back(e.reason);
    }
    std::uint64_t received_bytes = 0;
    std::uint64_t stored_bytes = 0;
    int takeovers = 0;
    int hooks_failed = 0;
    std::vector<std::string> background;
};

}  // namespace vora::upload
