#pragma once
// The way of a client's bytes into the store, in constant memory.
//
// Bytes go from the socket straight into the buffer of the part they belong to; a full part is put
// into the multipart. When the client stops, vanishes, is slow, or memory is short, what has been
// received of the part becomes a tail object. Tails of a part form a chain (each holds only new
// bytes); they are read back once, when the part is full, and removed after the part is durable.

#include "libs/base/stop_request.hpp"
#include "libs/blob/free_space.hpp"
#include "services/upload/core/byte_budget.hpp"
#include "services/upload/core/part_buffer.hpp"
#include "services/upload/core/ports.hpp"
#include "services/upload/core/upload_files.hpp"

#include <chrono>
#include <cstdint>

namespace vora::upload {

struct append_settings {
    std::uint64_t first_bytes = 16 << 10;  // what a connection gets before it has sent anything
    std::uint64_t slab_bytes = 256 << 10;  // by which its buffer grows
    // How long a grown buffer waits for a slab before the bytes at hand are stored and their memory
    // used again.
    std::chrono::milliseconds growth_wait{250};
    // A crash may cost a slow client what it sent in this time, no more. A client that sends
    // nothing for so long gets its buffer taken back, its bytes stored.
    std::chrono::milliseconds tail_interval{1000};
    std::size_t tails_max = 32;  // longer chains are merged
};

// Shared by all uploads.
struct append_resources {
    upload_files& files;
    byte_budget& receiving;
    byte_budget& assembling;  // short use, no client involved: whoever holds it makes progress
    observer& observed;
    append_settings settings;
    blob::free_space* space = nullptr;  // null: nobody measures
};

// One request's bytes. The upload's lock is held as long as it lives.
class appender {
 public:
    appender(append_resources shared, upload_snapshot& upload, stop_request& stop);

    // Receives until the source ends, the upload is full, a stop is asked for, or something fails.
    // Whatever the outcome, what was received is durable if the store allowed it. The coroutine
    // must be shielded. Errors: the source's; aborted ("upload_taken_over"); out_of_range
    // ("body_beyond_length"); the store's.
    task<result<void>> run(byte_source& source);

    // All bytes are durable, perhaps as tails: makes the last part of them.
    task<result<void>> assemble_rest();

 private:
    task<result<void>> receive(byte_source& source);
    // Reads once; while the client keeps us waiting, what is at hand is stored and memory given
    // back.
    task<result<std::size_t>> read_some(byte_source& source, std::span<char> into);
    task<result<void>> rest_while_idle();
    task<result<std::span<char>>> make_room();
    task<result<void>> grow();
    // resource_exhausted ("insufficient_storage") when the disk may take no more.
    task<result<void>> check_room();
    // The source must end where the upload ends.
    task<result<void>> expect_end(byte_source& source);
    task<result<void>> flush_part();
    task<result<void>> keep_tail();
    task<result<void>> merge_tails();
    // Reads the durable bytes of this part into the buffer's front.
    task<result<byte_budget::lease>> fetch_tails();
    std::span<char> buffered(std::uint64_t from, std::uint64_t to);
    void note_durable(std::uint64_t bytes);

    append_resources shared_;
    upload_snapshot& upload_;
    stop_request& stop_;
    part_plan plan_;
    extent part_;                // being received
    std::uint64_t durable_end_;  // [part_.from, durable_end_) lies in tails
    std::uint64_t position_;     // [durable_end_, position_) is in the buffer only
    part_buffer buffer_;
    byte_budget::lease memory_;
    bool discard_ = false;
    std::chrono::steady_clock::time_point last_durable_;
};

}  // namespace vora::upload
