#pragma once
// librdkafka's two clients as far as the spill needs them. Their calls may block: they are made on
// the pools of the spill, one thread for each client, unless a comment says otherwise. Nothing of
// librdkafka's own threads comes through: what they have to tell waits for poll().

#include "libs/base/clock.hpp"
#include "libs/base/result.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct rd_kafka_s;
struct rd_kafka_topic_s;
struct rd_kafka_queue_s;

namespace vora::analytics {

struct kafka_options {
    std::string brokers;  // HOST:PORT,HOST:PORT
    std::string topic = "vora.playback_events";
    std::string group = "vora-analytics";
    std::int64_t queue_bytes = 64 << 20;  // of events that no broker has taken yet
    // More of librdkafka's own, "security.protocol=sasl_ssl,sasl.username=vora".
    std::string properties;
};

// invalid_argument with words about `properties`, or about librdkafka's view of them.
result<void> check_kafka_options(const kafka_options& o);

struct kafka_handle_deleter {
    void operator()(rd_kafka_s* client) const;
    void operator()(rd_kafka_topic_s* topic) const;
    void operator()(rd_kafka_queue_s* queue) const;
};
using kafka_handle = std::unique_ptr<rd_kafka_s, kafka_handle_deleter>;
using kafka_topic_handle = std::unique_ptr<rd_kafka_topic_s, kafka_handle_deleter>;
using kafka_queue_handle = std::unique_ptr<rd_kafka_queue_s, kafka_handle_deleter>;

class kafka_producer {
 public:
    // invalid_argument when librdkafka does not take the options.
    static result<std::shared_ptr<kafka_producer>> open(const kafka_options& o);
    ~kafka_producer();
    kafka_producer(const kafka_producer&) = delete;

    // Any thread, does not block. Errors: resource_exhausted ("spool_full"), unavailable
    // ("kafka_refuses"). Otherwise a delivery with this id follows.
    result<void> send(std::string_view value, std::uint64_t id);

    struct delivery {
        std::uint64_t id = 0;
        std::string failure;  // empty: all in-sync replicas have it
    };
    struct news {
        std::vector<delivery> deliveries;
        std::string trouble;  // librdkafka's name of what does not work, "_TRANSPORT"
        bool broken = false;  // it will never send again: open another one
    };
    news poll(milliseconds limit);
    // Any thread, blocks: what the topic is, or why it cannot be reached.
    result<std::string> probe(milliseconds limit) const;

 private:
    kafka_producer() = default;
    struct callbacks;

    news news_;
    kafka_handle client_;
    kafka_topic_handle topic_;
};

// A member of the group. It commits only what it is told to, and only for partitions it has.
class kafka_consumer {
 public:
    static result<std::shared_ptr<kafka_consumer>> open(const kafka_options& o);
    ~kafka_consumer();
    kafka_consumer(const kafka_consumer&) = delete;

    struct event {
        enum class kind { message, gained, lost };
        kind what = kind::message;
        int partition = 0;
        std::int64_t offset = 0;       // of the message
        std::string value;             // of the message
        std::uint64_t assignment = 0;  // gained: which time
    };
    struct news {
        std::vector<event> events;                // in order
        std::map<int, std::int64_t> end_offsets;  // of partitions it has, where known
        std::string trouble;
    };
    // `paused`: no messages, but the membership goes on.
    news poll(milliseconds limit, bool paused);

    struct committed {
        int partition = 0;
        std::int64_t offset = -1;  // -1: never
        std::string metadata;
    };
    result<std::vector<committed>> read_committed(const std::vector<int>& partitions,
                                                  milliseconds limit);
    // aborted ("kafka_partition_lost"): it is no longer that assignment. unavailable: the outcome
    // may be unknown.
    result<void> commit(int partition, std::uint64_t assignment, std::int64_t offset,
                        const std::string& metadata, milliseconds limit);
    // Leaves the group.
    void close();

 private:
    kafka_consumer() = default;
    struct callbacks;
    bool subscribe(milliseconds limit);
    void keep_paused(bool paused);

    std::string topic_name_;
    news news_;
    std::map<int, std::uint64_t> owned_;  // partition -> assignment
    std::uint64_t assignments_ = 0;
    std::uint64_t commits_ = 0;
    bool subscribed_ = false;
    bool paused_ = false;
    std::uint64_t paused_at_ = 0;  // assignments_ then
    kafka_handle client_;
    kafka_topic_handle topic_;
    kafka_queue_handle answers_;
};

}  // namespace vora::analytics
