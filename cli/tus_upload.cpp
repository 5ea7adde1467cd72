#include "cli/tus_upload.hpp"

#include "libs/base/clock.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>
#include <fstream>

namespace vora::cli {

namespace {

// One PATCH. A multiple of the server's smallest part, so that a piece rarely leaves a partial part
// behind.
constexpr std::uint64_t piece_bytes = 16ull << 20;
constexpr auto give_up_after = std::chrono::minutes(10);

// A stretch of a file as a request body.
class file_piece final : public net::body_source {
 public:
    file_piece(const std::string& path, std::uint64_t offset, std::uint64_t length)
        : in_(path, std::ios::binary), left_(length) {
        in_.seekg(static_cast<std::streamoff>(offset));
    }
    task<result<std::size_t>> read(std::span<char> into) override {
        const auto wanted = std::min<std::uint64_t>(into.size(), left_);
        in_.read(into.data(), static_cast<std::streamsize>(wanted));
        const auto got = static_cast<std::size_t>(in_.gcount());
        if (got < wanted) {
            co_return fail(errc::data_loss, "file_changed",
                           "the file became shorter while it was read");
        }
        left_ -= got;
        co_return got;
    }

 private:
    std::ifstream in_;
    std::uint64_t left_;
};

bool is_worth_a_retry(const error& e) {
    return e.code == errc::unavailable || e.code == errc::deadline_exceeded ||
           e.code == errc::aborted;
}

std::string origin_of(const std::string& url) {
    const auto host = url.find("://");
    return host == std::string::npos ? url : url.substr(0, url.find('/', host + 3));
}

task<result<std::uint64_t>> send_piece(
    net::client& client, const std::string& location, const std::string& path, std::uint64_t offset,
    std::uint64_t length, const std::function<void(const tus_progress&)>& on_progress) {
    file_piece piece(path, offset, length);
    net::client_request request;
    request.method = "PATCH";
    request.url = location;
    request.headers.set("Tus-Resumable", "1.0.0");
    request.headers.set("Upload-Offset", std::to_string(offset));
    request.headers.set("Content-Type", "application/offset+octet-stream");
    request.stream = &piece;
    request.stream_length = length;
    request.deadline = std::chrono::minutes(10);
    request.on_sent = [&](std::uint64_t bytes) { on_progress({offset + bytes, false}); };
    auto answer = co_await client.send(std::move(request));
    if (!answer) {
        co_return fail(answer.error());
    }
    if (answer->status != 204) {
        co_return fail(error_of(*answer));
    }
    auto next = parse_uint(answer->headers.get("Upload-Offset").value_or(""));
    if (!next) {
        co_return fail(errc::internal, "bad_answer", "the server sent no Upload-Offset");
    }
    co_return *next;
}

}  // namespace

std::string upload_id_of(const std::string& location) {
    const auto path = location.substr(0, location.find('?'));
    return path.substr(path.rfind('/') + 1);
}

task<result<std::uint64_t>> tus_offset(net::client& client, std::string location) {
    net::client_request request;
    request.method = "HEAD";
    request.url = location;
    request.headers.set("Tus-Resumable", "1.0.0");
    auto answer = co_await client.send(std::move(request));
    if (!answer) {
        co_return fail(answer.error());
    }
    if (answer->status != 200 && answer->status != 204) {
        co_return fail(error_of(*answer));
    }
    co_return parse_uint(answer->headers.get("Upload-Offset").value_or(""));
}

task<result<std::string>> tus_create(net::client& client, upload_target target,
                                     std::uint64_t size_bytes, std::string file_name) {
    net::client_request request;
    request.method = "POST";
    request.url = target.creation_url;
    request.headers.set("Tus-Resumable", "1.0.0");
    request.headers.set("Authorization", target.authorization);
    request.headers.set("Upload-Length", std::to_string(size_bytes));
    request.headers.set("Upload-Metadata", "filename " + base64_encode(file_name));
    request.headers.set("Content-Length", "0");
    auto answer = co_await client.send(std::move(request));
    if (!answer) {
        co_return fail(answer.error());
    }
    if (answer->status != 201) {
        co_return fail(error_of(*answer));
    }
    std::string location(answer->headers.get("Location").value_or(""));
    if (location.starts_with("/")) {
        location = origin_of(target.creation_url) + location;
    }
    if (location.empty()) {
        co_return fail(errc::internal, "bad_answer", "the server sent no Location");
    }
    co_return location;
}

task<result<void>> tus_send(net::client& client, std::string location, std::string path,
                            std::uint64_t size_bytes, std::uint64_t offset,
                            std::function<void(const tus_progress&)> on_progress) {
    auto moved = std::chrono::steady_clock::now();
    milliseconds backoff{250};
    while (offset < size_bytes) {
        const auto length = std::min(piece_bytes, size_bytes - offset);
        auto next = co_await send_piece(client, location, path, offset, length, on_progress);
        if (next) {
            moved = std::chrono::steady_clock::now();
            backoff = milliseconds(250);
            offset = *next;
            continue;
        }
        if (!is_worth_a_retry(next.error()) ||
            std::chrono::steady_clock::now() - moved > give_up_after) {
            co_return fail(next.error());
        }
        on_progress({offset, true});
        co_await sleep_for(backoff);
        backoff = std::min(backoff * 2, milliseconds(10'000));
        auto where = co_await tus_offset(client, location);
        if (where) {
            if (*where > offset) {
                moved = std::chrono::steady_clock::now();
            }
            offset = *where;
        } else if (!is_worth_a_retry(where.error())) {
            co_return fail(where.error());
        }
    }
    co_return result<void>{};
}

}  // namespace vora::cli
