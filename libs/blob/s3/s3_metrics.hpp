#pragma once
// What the store is asked and how it answers, for /metrics. Private to libs/blob/s3.

#include "libs/obs/metrics.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace vora::blob {

struct s3_call;

// "get", "head", "list", "put", "put_part", ...: what a call is, of a small closed set.
std::string_view op_of(const s3_call& c);

class s3_metrics {
 public:
    // Null: nothing is counted.
    explicit s3_metrics(obs::metrics* metrics);

    // One attempt, answered with this status or, nullopt, not in time or not at all.
    void attempted(std::string_view op, std::optional<int> status,
                   std::chrono::steady_clock::duration took);
    void repeated(std::string_view op);
    void sent(std::uint64_t bytes);
    void received(std::uint64_t bytes);

 private:
    obs::metrics* metrics_;
    obs::counter* sent_ = nullptr;
    obs::counter* received_ = nullptr;
    // Made when they are first needed: who only reads shows nothing that writes.
    std::map<std::string_view, obs::histogram*> seconds_;
    std::map<std::string_view, obs::counter*> repetitions_;
    std::map<std::pair<std::string_view, std::string_view>, obs::counter*> requests_;
};

}  // namespace vora::blob
