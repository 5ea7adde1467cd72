#include "services/upload/handlers/problems.hpp"

#include "libs/net/problem.hpp"

#include <array>
#include <string_view>

namespace vora::upload {

namespace {

struct row {
    std::string_view reason;
    int status;
    std::string_view detail;
    int retry_after_s = 0;
    bool close = false;
};

constexpr std::array table = {
    row{"no_such_upload", 404, "there is no such upload"},
    row{"upload_expired", 410, "the upload was not finished in time"},
    row{"upload_terminated", 410, "the upload was terminated"},
    row{"upload_damaged", 410, "stored bytes of this upload were lost: upload the file again"},
    row{"upload_offset_mismatch", 409, "Upload-Offset is not where the upload stands: ask by HEAD"},
    row{"upload_too_large", 413, "the file is larger than allowed"},
    row{"body_beyond_length", 413, "the body goes beyond Upload-Length", 0, true},
    row{"upload_taken_over", 423, "a newer request took this upload over", 1, true},
    row{"upload_finished", 403, "a finished upload cannot be terminated"},
    row{"too_many_uploads", 429, "too many uploads are open for this", 60},
    row{"upload_busy", 503, "the upload is being stored", 2},
    row{"storage_unavailable", 503, "the storage is not available", 2},
    row{"insufficient_storage", 507, "there is not enough room on the disk", 60},
    row{"store_full", 507, "the storage is full", 60},
};

}  // namespace

net::response to_response(const net::request& r, const error& e) {
    for (const auto& known : table) {
        if (known.reason != e.reason) {
            continue;
        }
        auto answer = net::problem(r, known.status, e.reason, std::string(known.detail));
        answer.log_detail = e.detail;
        answer.close = known.close;
        if (known.retry_after_s > 0) {
            answer.headers.set("Retry-After", std::to_string(known.retry_after_s));
        }
        return answer;
    }
    return net::problem(r, e);
}

}  // namespace vora::upload
