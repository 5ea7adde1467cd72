#pragma once
// What the core needs from outside, beside the object store (libs/blob).

#include "libs/base/result.hpp"
#include "libs/base/task.hpp"
#include "services/upload/core/upload.hpp"

#include <cstdint>
#include <optional>
#include <span>

namespace vora::upload {

// The bytes a client sends, pulled.
class byte_source {
 public:
    virtual ~byte_source() = default;
    // Fills a prefix of `into`; 0 = the end. An error ends the transfer; what was read before is
    // valid. May be cancelled while it waits.
    virtual task<result<std::size_t>> read(std::span<char> into) = 0;
    // How many bytes will come, when the client said so.
    virtual std::optional<std::uint64_t> length() const = 0;
};

// Where the end of an upload is told.
class hook_sink {
 public:
    virtual ~hook_sink() = default;
    // Success = acknowledged. Any error: it will be sent again, with the same event_id.
    virtual task<result<void>> deliver(upload_event event) = 0;
};

// What happens, for logs and metrics. Called on the loop; must not block.
class observer {
 public:
    virtual ~observer() = default;
    virtual void created(const upload_info& info) = 0;
    virtual void received(std::uint64_t bytes) = 0;
    // A part or a tail became durable.
    virtual void stored(std::uint64_t bytes) = 0;
    virtual void ended(const upload_info& info) = 0;
    virtual void taken_over(const upload_id& id) = 0;
    virtual void hook_sent(const upload_event& event) = 0;
    virtual void hook_failed(const upload_id& id, const error& e) = 0;
    // Work that no request waits for has failed; it is tried again.
    virtual void background_failed(const upload_id& id, const error& e) = 0;
};

}  // namespace vora::upload
