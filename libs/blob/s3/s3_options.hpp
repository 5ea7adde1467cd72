#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace vora::obs {
class metrics;
}

namespace vora::blob {

// Which bucket of which store, and the limits of talking to it.
struct s3_options {
    std::string endpoint;  // "http://HOST[:PORT]" or "https://HOST[:PORT]", without a path
    std::string bucket;
    std::string region = "us-east-1";
    std::string access_key;
    std::string secret_key;  // never logged
    // http://HOST/BUCKET/KEY, or else http://BUCKET.HOST/KEY.
    bool path_style = true;
    std::string ca_file;  // PEM of the authorities to trust for https; empty = the system's

    // Calls at once; more wait in order. A call's bytes lie in memory or in a file, so that no
    // client of ours can hold one up.
    std::size_t calls_max = 64;
    // Open objects whose bytes are still coming; more are refused.
    std::size_t streams_max = 4096;
    // From connecting to the end of the answer (of an open object: its head), once; what is sent
    // adds a second per MiB.
    std::chrono::milliseconds attempt_deadline{10'000};
    // Everything a call may take, with its repetitions; what is sent adds as above.
    std::chrono::milliseconds call_deadline{30'000};
    // How long an open object may bring nothing before the connection is given up.
    std::chrono::milliseconds stall{10'000};
    int attempts_max = 4;
    std::chrono::milliseconds backoff{50};  // before the first repetition; doubles
    std::chrono::milliseconds backoff_max{2'000};
    // So often in its life an open object is continued on a new connection; 0 where the reader
    // himself goes on with another open().
    int resumes_max = 5;
    // Where calls are counted (vora_s3_...); outlives the store. Null: nowhere.
    obs::metrics* metrics = nullptr;
};

}  // namespace vora::blob
