#include "services/upload/core/appender.hpp"

#include "libs/base/fault_point.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace vora::upload {

namespace {

constexpr std::chrono::milliseconds budget_poll{250};
constexpr std::chrono::hours no_limit{24};

struct pending_read {
    explicit pending_read(const executor& ex) : wake(ex) {}
    void finish(std::exception_ptr e, result<std::size_t> r) {
        failure = e;
        n = std::move(r);
        finished = true;
        wake.notify();
    }
    wake_signal wake;
    bool finished = false;
    std::exception_ptr failure;
    result<std::size_t> n;
};

}  // namespace

appender::appender(append_resources shared, upload_snapshot& upload, stop_request& stop)
    : shared_(shared),
      upload_(upload),
      stop_(stop),
      plan_(upload.plan()),
      part_(plan_.part(upload.run.size())),
      durable_end_(upload.offset),
      position_(upload.offset),
      last_durable_(std::chrono::steady_clock::now()) {}

std::span<char> appender::buffered(std::uint64_t from, std::uint64_t to) {
    return buffer_.bytes().subspan(from - part_.from, to - from);
}

void appender::note_durable(std::uint64_t bytes) {
    last_durable_ = std::chrono::steady_clock::now();
    shared_.observed.stored(bytes);
    fault_point("upload.part_durable");
}

task<result<void>> appender::check_room() {
    if (shared_.space == nullptr || position_ == plan_.length) {
        co_return result<void>{};
    }
    const auto left = co_await shared_.space->look(0);
    if (left == blob::room::none) {
        co_return fail(errc::resource_exhausted, "insufficient_storage");
    }
    co_return result<void>{};
}

task<result<void>> appender::run(byte_source& source) {
    auto received = co_await receive(source);
    auto kept = co_await keep_tail();
    if (!received) {
        co_return received;
    }
    co_return kept;
}

task<result<void>> appender::receive(byte_source& source) {
    auto room = co_await check_room();
    if (!room) {
        co_return room;
    }
    while (position_ < plan_.length) {
        if (position_ == part_.to) {  // a crash came between the last tail and its part
            auto flushed = co_await flush_part();
            if (!flushed) {
                co_return flushed;
            }
            continue;
        }
        auto space = co_await make_room();
        if (!space) {
            co_return fail(space.error());
        }
        auto n = co_await read_some(source, *space);
        if (!n) {
            co_return fail(n.error());
        }
        if (*n == 0) {
            co_return result<void>{};
        }
        position_ += *n;
        shared_.observed.received(*n);
        if (position_ == plan_.length) {
            break;
        }
        const auto now = std::chrono::steady_clock::now();
        if (position_ == part_.to) {
            auto flushed = co_await flush_part();
            if (!flushed) {
                co_return flushed;
            }
            auto more = co_await check_room();
            if (!more) {
                co_return more;
            }
        } else if (now - last_durable_ > shared_.settings.tail_interval) {
            auto kept = co_await keep_tail();
            if (!kept) {
                co_return kept;
            }
        }
    }
    auto ended = co_await expect_end(source);
    if (!ended) {
        co_return ended;
    }
    co_return co_await assemble_rest();
}

task<result<void>> appender::assemble_rest() {
    while (upload_.run.size() < plan_.part_count()) {
        auto flushed = co_await flush_part();
        if (!flushed) {
            co_return flushed;
        }
    }
    co_return result<void>{};
}

task<result<void>> appender::expect_end(byte_source& source) {
    char extra = 0;
    auto n = co_await stop_.guard(source.read(std::span(&extra, 1)));
    if (!n) {
        co_return fail(n.error());
    }
    if (*n != 0) {
        discard_ = true;  // a body that does not fit is not trusted with the end of the file
        co_return fail(errc::out_of_range, "body_beyond_length");
    }
    co_return result<void>{};
}

task<result<std::size_t>> appender::read_some(byte_source& source, std::span<char> into) {
    const auto ex = co_await current_executor();
    pending_read read(ex);
    stop_.start(ex, source.read(into), [&read](std::exception_ptr failure, result<std::size_t> n) {
        read.finish(failure, std::move(n));
    });
    // `read` and `into` live until the reading has ended, whatever else happens.
    result<void> rested;
    while (!read.finished) {
        const bool woken = co_await read.wake.wait(shared_.settings.tail_interval);
        if (!woken && !read.finished && rested) {
            rested = co_await rest_while_idle();
            if (!rested) {
                stop_.ask(stop_request::reason::failed);
            }
        }
    }
    if (read.failure) {
        std::rethrow_exception(read.failure);
    }
    if (!rested) {
        co_return fail(rested.error());
    }
    co_return std::move(read.n);
}

// The read that is on its way writes behind position_, out of the way of what is stored here. Its
// space is no longer paid for: should the client wake up, that is made good before the next read.
task<result<void>> appender::rest_while_idle() {
    auto kept = co_await keep_tail();
    memory_.shrink_to(shared_.settings.first_bytes);
    co_return kept;
}

// Free space in the buffer that the budget allows to be touched.
task<result<std::span<char>>> appender::make_room() {
    if (buffer_.empty()) {
        buffer_ = part_buffer(plan_.part_bytes);
    }
    auto allowed = std::min(durable_end_ + memory_.bytes(), part_.to);
    while (allowed <= position_) {
        auto grown = co_await grow();
        if (!grown) {
            co_return fail(grown.error());
        }
        allowed = std::min(durable_end_ + memory_.bytes(), part_.to);
    }
    co_return buffered(position_, allowed);
}

task<result<void>> appender::grow() {
    const auto& settings = shared_.settings;
    if (memory_.bytes() == 0) {
        for (;;) {
            auto taken = co_await shared_.receiving.take(settings.first_bytes,
                                                         byte_budget::kind::first, budget_poll);
            if (taken) {
                memory_ = std::move(*taken);
                co_return result<void>{};
            }
            if (stop_.asked() != stop_request::reason::none) {
                co_return fail(errc::aborted, "upload_taken_over");
            }
        }
    }
    const auto wanted = std::min(settings.slab_bytes, plan_.part_bytes);
    auto more =
        co_await shared_.receiving.take(wanted, byte_budget::kind::more, settings.growth_wait);
    if (more) {
        memory_.add(std::move(*more));
        co_return result<void>{};
    }
    co_return co_await keep_tail();  // its memory is free for the next bytes
}

task<result<byte_budget::lease>> appender::fetch_tails() {
    const auto bytes = durable_end_ - part_.from;
    if (bytes == 0) {
        co_return byte_budget::lease();
    }
    auto memory = co_await shared_.assembling.take(bytes, byte_budget::kind::first, no_limit);
    if (!memory) {
        co_return memory;
    }
    if (buffer_.empty()) {
        buffer_ = part_buffer(plan_.part_bytes);
    }
    auto read = co_await shared_.files.read_tails(upload_.info.id, upload_.tails, part_.from,
                                                  buffered(part_.from, durable_end_));
    if (!read) {
        co_return fail(read.error());
    }
    co_return memory;
}

task<result<void>> appender::flush_part() {
    auto memory = co_await fetch_tails();
    if (!memory) {
        co_return fail(memory.error());
    }
    auto stored = co_await shared_.files.put_part(upload_.info, upload_.run.size(),
                                                  buffered(part_.from, part_.to));
    if (!stored) {
        co_return fail(stored.error());
    }
    upload_.run.push_back(std::move(*stored));
    note_durable(position_ - durable_end_);
    co_await shared_.files.remove_tails(upload_.info.id, std::exchange(upload_.tails, {}));
    if (memory_.bytes() < part_.size()) {
        buffer_.drop_first(part_.size());  // more of it was touched than this connection may hold
    }
    part_ = plan_.part(upload_.run.size());
    durable_end_ = position_ = std::max(position_, part_.from);
    co_return result<void>{};
}

task<result<void>> appender::keep_tail() {
    if (position_ == durable_end_ || discard_) {
        co_return result<void>{};
    }
    if (upload_.tails.size() >= shared_.settings.tails_max) {
        co_return co_await merge_tails();
    }
    auto put = co_await shared_.files.put_tail(upload_.info.id, durable_end_,
                                               buffered(durable_end_, position_));
    if (!put) {
        co_return put;
    }
    upload_.tails.push_back({durable_end_, position_});
    const auto bytes = position_ - durable_end_;
    durable_end_ = position_;
    buffer_.drop_first(durable_end_ - part_.from);
    note_durable(bytes);
    co_return result<void>{};
}

// One tail for all of them; the older go after it is durable.
task<result<void>> appender::merge_tails() {
    auto memory = co_await fetch_tails();
    if (!memory) {
        co_return fail(memory.error());
    }
    auto put = co_await shared_.files.put_tail(upload_.info.id, part_.from,
                                               buffered(part_.from, position_));
    if (!put) {
        co_return put;
    }
    auto older = std::exchange(upload_.tails, {{part_.from, position_}});
    const auto bytes = position_ - durable_end_;
    durable_end_ = position_;
    buffer_.drop_first(durable_end_ - part_.from);
    note_durable(bytes);
    co_await shared_.files.remove_tails(upload_.info.id, std::move(older));
    co_return result<void>{};
}

}  // namespace vora::upload
