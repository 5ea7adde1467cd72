#include "libs/blob/s3/s3_metrics.hpp"

#include "libs/blob/s3/s3_bucket.hpp"

#include <algorithm>

namespace vora::blob {

namespace {

bool asks_for(const s3_call& c, std::string_view name) {
    return std::ranges::any_of(c.query, [&](const auto& q) { return q.first == name; });
}

std::string_view class_of(std::optional<int> status) {
    if (!status) {
        return "lost";
    }
    return *status < 300 ? "2xx" : *status < 400 ? "3xx" : *status < 500 ? "4xx" : "5xx";
}

}  // namespace

std::string_view op_of(const s3_call& c) {
    const bool of_upload = asks_for(c, "uploadId");
    if (c.method == "GET") {
        return c.key.empty() ? "list" : of_upload ? "list_parts" : "get";
    }
    if (c.method == "HEAD") {
        return "head";
    }
    if (c.method == "PUT") {
        return c.key.empty() ? "make_bucket" : of_upload ? "put_part" : "put";
    }
    if (c.method == "DELETE") {
        return of_upload ? "abort_multipart" : "remove";
    }
    return c.key.empty() ? "remove_all" : of_upload ? "complete_multipart" : "begin_multipart";
}

s3_metrics::s3_metrics(obs::metrics* metrics) : metrics_(metrics) {
    if (metrics_ != nullptr) {
        received_ = &metrics_->counter("vora_s3_received_bytes_total",
                                       "bytes of objects that came from the object store");
    }
}

void s3_metrics::attempted(std::string_view op, std::optional<int> status,
                           std::chrono::steady_clock::duration took) {
    if (metrics_ == nullptr) {
        return;
    }
    const auto outcome = class_of(status);
    auto*& requests = requests_[{op, outcome}];
    if (requests == nullptr) {
        requests = &metrics_->counter("vora_s3_requests_total",
                                      "requests to the object store, each attempt, by its answer",
                                      {{"op", std::string(op)}, {"class", std::string(outcome)}});
    }
    auto*& seconds = seconds_[op];
    if (seconds == nullptr) {
        seconds = &metrics_->histogram("vora_s3_request_seconds",
                                       "until the head of the object store's answer, each attempt",
                                       obs::seconds_buckets(), {{"op", std::string(op)}});
    }
    requests->add();
    seconds->observe(std::chrono::duration<double>(took).count());
}

void s3_metrics::repeated(std::string_view op) {
    if (metrics_ == nullptr) {
        return;
    }
    auto*& counter = repetitions_[op];
    if (counter == nullptr) {
        counter = &metrics_->counter("vora_s3_retries_total",
                                     "requests to the object store that were made again",
                                     {{"op", std::string(op)}});
    }
    counter->add();
}

void s3_metrics::sent(std::uint64_t bytes) {
    if (metrics_ == nullptr || bytes == 0) {
        return;
    }
    if (sent_ == nullptr) {
        sent_ = &metrics_->counter("vora_s3_sent_bytes_total",
                                   "bytes of objects that the object store has taken");
    }
    sent_->add(static_cast<double>(bytes));
}

void s3_metrics::received(std::uint64_t bytes) {
    if (received_ != nullptr) {
        received_->add(static_cast<double>(bytes));
    }
}

}  // namespace vora::blob
