#pragma once
// Signed calls to one bucket: limits, deadlines, repetitions. Private to libs/blob/s3.
//
// Repeated here and nowhere above, with jitter and a budget (a store in trouble is not asked
// several times by everybody): what failed on the way or with 5xx. All calls of the port may be
// repeated; what a repetition may find already done is told by s3_answer::uncertain.

#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/blob/blob.hpp"
#include "libs/blob/s3/call_gate.hpp"
#include "libs/blob/s3/s3_metrics.hpp"
#include "libs/blob/s3/s3_options.hpp"
#include "libs/blob/s3/sigv4.hpp"
#include "libs/net/client.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace vora::blob {

struct s3_call {
    std::string method{};
    std::string key{};  // empty: the bucket itself
    name_values query{};
    name_values headers{};  // lower-case names
    // The body: of these the first that is set.
    std::function<std::unique_ptr<net::body_source>()> source{};  // made anew for each attempt
    std::uint64_t source_bytes = 0;
    std::span<const char> memory{};
    std::string body{};
    std::chrono::milliseconds extra_time{0};  // what the store may take beyond a plain call
};

struct s3_answer {
    int status = 0;
    std::unique_ptr<net::client_answer> head;  // never null
    std::string body;                          // empty where the call asked for the stream
    // An earlier attempt of this call ended without an answer: it may have taken effect.
    bool uncertain = false;

    std::string_view header(std::string_view name) const {
        return head->headers().get(name).value_or("");
    }
};

class s3_bucket {
 public:
    // invalid_argument ("bad_s3_options", "bad_ca_file").
    static result<std::shared_ptr<s3_bucket>> make(executor ex, const clock_source& clock,
                                                   s3_options options);

    // Any answer that no repetition would better, whatever its status. Reads the whole body, but
    // with `streams` leaves that of a 2xx answer to the caller. Errors: unavailable
    // ("storage_unavailable"), deadline_exceeded.
    task<result<s3_answer>> call(s3_call c, bool streams = false);
    // A 2xx answer, or as an error what its refusal means (s3_error), and those of call().
    task<result<s3_answer>> done(s3_call c, bool streams = false);

    task<result<object_info>> head(std::string key);
    // The signed request of a call, as it would go out now.
    net::client_request request_for(const s3_call& c);

    const s3_options& options() const { return options_; }
    timestamp now() const { return clock_.now(); }
    s3_metrics& counts() { return counts_; }
    // The last permanent refusal ("storage_forbidden" ...) since the last call that worked; else
    // "".
    const std::string& trouble() const { return trouble_; }
    // Open objects at once; null when there are too many.
    std::shared_ptr<void> take_stream_slot();

 private:
    s3_bucket(executor ex, const clock_source& clock, s3_options options,
              std::shared_ptr<net::transport_security> security);

    task<result<s3_answer>> try_once(const s3_call& c, bool streams,
                                     std::chrono::milliseconds deadline);
    task<result<s3_answer>> repeat(const s3_call& c, bool streams,
                                   std::chrono::steady_clock::time_point until);
    std::chrono::milliseconds backoff_before(int attempt) const;
    void note(const result<s3_answer>& r);

    s3_options options_;
    const clock_source& clock_;
    net::client client_;
    sigv4_signer signer_;
    std::string host_;       // as in the Host header
    std::string base_url_;   // with the host
    std::string base_path_;  // "" or "/BUCKET"
    call_gate gate_;
    s3_metrics counts_;
    std::shared_ptr<std::size_t> streams_ = std::make_shared<std::size_t>(0);
    // Repetitions cost, successes earn: at most about a tenth of all calls are repeated for long.
    double repeat_budget_;
    std::string trouble_;
};

// From the headers of an answer about an object; nullopt when they do not tell.
std::optional<object_info> info_of(const s3_answer& a, std::string key, std::uint64_t size_bytes);
// What an answer that is not 2xx means, by status and the store's code.
error s3_error(int status, std::string_view code);
// Worth another attempt.
bool is_passing(const error& e);

result<void> check_key(std::string_view key);

}  // namespace vora::blob
