#pragma once
// What both clients share. Private to this folder: it includes librdkafka.

#include "services/analytics/adapters/kafka/kafka_client.hpp"

#include <librdkafka/rdkafka.h>

namespace vora::analytics {

using kafka_settings = std::vector<std::pair<std::string, std::string>>;

struct kafka_conf_deleter {
    void operator()(rd_kafka_conf_t* conf) const { rd_kafka_conf_destroy(conf); }
};
using kafka_conf = std::unique_ptr<rd_kafka_conf_t, kafka_conf_deleter>;

kafka_settings producer_settings(const kafka_options& o);
kafka_settings consumer_settings(const kafka_options& o);
// Ours first, then the operator's over them.
result<kafka_conf> make_conf(const kafka_settings& ours, const kafka_options& o);
// Takes the configuration; its opaque pointer and callbacks are set before.
result<kafka_handle> make_client(rd_kafka_type_t type, kafka_conf conf);
result<kafka_topic_handle> make_topic(rd_kafka_t* client, const std::string& name);
// Number of partitions; makes the topic where brokers do that.
result<int> count_partitions(rd_kafka_t* client, rd_kafka_topic_t* topic, milliseconds limit);

}  // namespace vora::analytics
