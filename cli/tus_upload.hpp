#pragma once
// The CLI's tus 1.0.0 client: create or resume, send in pieces, survive a server that restarts.

#include "cli/connection.hpp"
#include "cli/resume_store.hpp"

#include <functional>
#include <string>

namespace vora::cli {

struct upload_target {
    std::string creation_url;   // tus creation URL with its grant
    std::string authorization;  // value of the Authorization header
};

struct tus_progress {
    std::uint64_t bytes = 0;
    bool waiting = false;  // the server is away; trying again
};

// The upload's offset, or not_found when the server no longer has it.
task<result<std::uint64_t>> tus_offset(net::client& client, std::string location);

// Creates the upload; answers its location.
task<result<std::string>> tus_create(net::client& client, upload_target target,
                                     std::uint64_t size_bytes, std::string file_name);

// Sends the file from `offset` to its end. Network trouble and 5xx are retried with backoff until
// nothing has moved for ten minutes; the file changing meanwhile is an error.
task<result<void>> tus_send(net::client& client, std::string location, std::string path,
                            std::uint64_t size_bytes, std::uint64_t offset,
                            std::function<void(const tus_progress&)> on_progress);

// "…/files/{upload_id}?grant=…" -> upload_id
std::string upload_id_of(const std::string& location);

}  // namespace vora::cli
