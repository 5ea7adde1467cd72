#include "services/analytics/adapters/kafka/kafka_client.hpp"

#include "services/analytics/adapters/kafka/kafka_conf.hpp"

#include <algorithm>
#include <array>

namespace vora::analytics {

namespace {

constexpr std::size_t words_max = 512;

// What the promises of the spill rest on.
constexpr std::string_view not_the_operators[] = {"bootstrap.servers",
                                                  "metadata.broker.list",
                                                  "group.id",
                                                  "enable.idempotence",
                                                  "enable.auto.commit",
                                                  "partition.assignment.strategy",
                                                  "auto.offset.reset",
                                                  "acks",
                                                  "request.required.acks"};

result<kafka_settings> parse_properties(std::string_view text) {
    kafka_settings found;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const auto one = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        const auto equals = one.find('=');
        if (equals == 0 || equals == std::string_view::npos) {
            return fail(errc::invalid_argument, "kafka_properties", "NAME=VALUE,NAME=VALUE");
        }
        const auto name = one.substr(0, equals);
        if (std::ranges::find(not_the_operators, name) != std::end(not_the_operators)) {
            return fail(errc::invalid_argument, "kafka_properties",
                        std::string(name) + " is set by Vora");
        }
        found.emplace_back(name, one.substr(equals + 1));
    }
    return found;
}

void be_quiet(const rd_kafka_t*, int, const char*, const char*) {}

}  // namespace

void kafka_handle_deleter::operator()(rd_kafka_s* client) const {
    rd_kafka_destroy(client);
}
void kafka_handle_deleter::operator()(rd_kafka_topic_s* topic) const {
    rd_kafka_topic_destroy(topic);
}
void kafka_handle_deleter::operator()(rd_kafka_queue_s* queue) const {
    rd_kafka_queue_destroy(queue);
}

// No message times out: what is bounded is the queue, and its newest events are those to drop.
kafka_settings producer_settings(const kafka_options& o) {
    return {{"bootstrap.servers", o.brokers},
            {"client.id", "vora-analytics"},
            {"enable.idempotence", "true"},
            {"compression.codec", "lz4"},
            {"linger.ms", "5"},
            {"message.timeout.ms", "0"},
            {"request.timeout.ms", "10000"},
            {"queue.buffering.max.messages", "500000"},
            {"queue.buffering.max.kbytes",
             std::to_string(std::max<std::int64_t>(1, o.queue_bytes / 1024))},
            {"socket.keepalive.enable", "true"},
            {"reconnect.backoff.max.ms", "2000"}};
}

kafka_settings consumer_settings(const kafka_options& o) {
    return {{"bootstrap.servers", o.brokers},
            {"client.id", "vora-analytics"},
            {"group.id", o.group},
            {"enable.auto.commit", "false"},
            {"partition.assignment.strategy", "range,roundrobin"},
            {"auto.offset.reset", "earliest"},
            {"allow.auto.create.topics", "true"},
            {"session.timeout.ms", "10000"},
            {"heartbeat.interval.ms", "1000"},
            {"queued.max.messages.kbytes", "8192"},
            {"fetch.max.bytes", "8388608"},
            {"socket.keepalive.enable", "true"},
            {"reconnect.backoff.max.ms", "2000"}};
}

result<kafka_conf> make_conf(const kafka_settings& ours, const kafka_options& o) {
    auto settings = ours;
    auto more = parse_properties(o.properties);
    if (!more) {
        return fail(more.error());
    }
    settings.insert(settings.end(), more->begin(), more->end());
    kafka_conf conf(rd_kafka_conf_new());
    std::array<char, words_max> words{};
    for (const auto& [name, value] : settings) {
        if (rd_kafka_conf_set(conf.get(), name.c_str(), value.c_str(), words.data(),
                              words.size()) != RD_KAFKA_CONF_OK) {
            // Its words may repeat the value, which may be a password.
            return fail(errc::invalid_argument, "kafka_properties", name + " is not taken");
        }
    }
    rd_kafka_conf_set_log_cb(conf.get(), &be_quiet);
    return conf;
}

result<kafka_handle> make_client(rd_kafka_type_t type, kafka_conf conf) {
    std::array<char, words_max> words{};
    kafka_handle client(rd_kafka_new(type, conf.get(), words.data(), words.size()));
    if (!client) {
        return fail(errc::invalid_argument, "kafka_client", words.data());
    }
    static_cast<void>(conf.release());
    return client;
}

result<kafka_topic_handle> make_topic(rd_kafka_t* client, const std::string& name) {
    kafka_topic_handle topic(rd_kafka_topic_new(client, name.c_str(), nullptr));
    if (!topic) {
        return fail(errc::invalid_argument, "kafka_topic", rd_kafka_err2str(rd_kafka_last_error()));
    }
    return topic;
}

result<int> count_partitions(rd_kafka_t* client, rd_kafka_topic_t* topic, milliseconds limit) {
    const rd_kafka_metadata_t* found = nullptr;
    auto r = rd_kafka_metadata(client, 0, topic, &found, static_cast<int>(limit.count()));
    if (r != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fail(errc::unavailable, "kafka_unreachable", rd_kafka_err2str(r));
    }
    const int partitions = found->topic_cnt == 1 ? found->topics[0].partition_cnt : 0;
    r = found->topic_cnt == 1 ? found->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    rd_kafka_metadata_destroy(found);
    if (r != RD_KAFKA_RESP_ERR_NO_ERROR || partitions == 0) {
        return fail(errc::unavailable, "kafka_topic", rd_kafka_err2str(r));
    }
    return partitions;
}

result<void> check_kafka_options(const kafka_options& o) {
    for (const auto& settings : {producer_settings(o), consumer_settings(o)}) {
        if (auto conf = make_conf(settings, o); !conf) {
            return fail(conf.error());
        }
    }
    return {};
}

}  // namespace vora::analytics
