#include "services/analytics/adapters/kafka/kafka_conf.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace vora::analytics {

namespace {

constexpr std::size_t poll_messages_max = 2'000;
constexpr std::size_t poll_bytes_max = 4 << 20;

struct list_deleter {
    void operator()(rd_kafka_topic_partition_list_t* list) const {
        rd_kafka_topic_partition_list_destroy(list);
    }
};
using partition_list = std::unique_ptr<rd_kafka_topic_partition_list_t, list_deleter>;

std::string words_of(rd_kafka_resp_err_t e) {
    return rd_kafka_err2name(e);
}

}  // namespace

// Called by poll() and close(), on their thread.
struct kafka_consumer::callbacks {
    static void rebalanced(rd_kafka_t* client, rd_kafka_resp_err_t what,
                           rd_kafka_topic_partition_list_t* list, void* opaque) {
        auto& self = *static_cast<kafka_consumer*>(opaque);
        if (what != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
            for (const auto& [partition, assignment] : self.owned_) {
                self.news_.events.push_back({event::kind::lost, partition, 0, {}, assignment});
            }
            self.owned_.clear();
            rd_kafka_assign(client, nullptr);
            return;
        }
        ++self.assignments_;
        for (int i = 0; i < list->cnt; ++i) {
            const int partition = list->elems[i].partition;
            self.owned_[partition] = self.assignments_;
            self.news_.events.push_back({event::kind::gained, partition, 0, {}, self.assignments_});
        }
        rd_kafka_assign(client, list);
    }
    static void trouble(rd_kafka_t*, int code, const char*, void* opaque) {
        static_cast<kafka_consumer*>(opaque)->news_.trouble =
            words_of(static_cast<rd_kafka_resp_err_t>(code));
    }
};

result<std::shared_ptr<kafka_consumer>> kafka_consumer::open(const kafka_options& o) {
    std::shared_ptr<kafka_consumer> c(new kafka_consumer());
    auto conf = make_conf(consumer_settings(o), o);
    if (!conf) {
        return fail(conf.error());
    }
    rd_kafka_conf_set_opaque(conf->get(), c.get());
    rd_kafka_conf_set_rebalance_cb(conf->get(), &callbacks::rebalanced);
    rd_kafka_conf_set_error_cb(conf->get(), &callbacks::trouble);
    auto client = make_client(RD_KAFKA_CONSUMER, std::move(*conf));
    if (!client) {
        return fail(client.error());
    }
    c->client_ = std::move(*client);
    auto topic = make_topic(c->client_.get(), o.topic);
    if (!topic) {
        return fail(topic.error());
    }
    c->topic_ = std::move(*topic);
    c->topic_name_ = o.topic;
    rd_kafka_poll_set_consumer(c->client_.get());
    c->answers_.reset(rd_kafka_queue_new(c->client_.get()));
    return c;
}

kafka_consumer::~kafka_consumer() {
    answers_.reset();
    topic_.reset();
}

// A topic that is not there when it is subscribed to would be noticed minutes later.
bool kafka_consumer::subscribe(milliseconds limit) {
    const auto partitions = count_partitions(client_.get(), topic_.get(), limit);
    if (!partitions) {
        news_.trouble = partitions.error().reason;
        // Also serves what waits, and its own pause keeps the caller from turning quickly.
        if (auto* m = rd_kafka_consumer_poll(client_.get(), static_cast<int>(limit.count()))) {
            rd_kafka_message_destroy(m);
        }
        return false;
    }
    const partition_list list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), topic_name_.c_str(), RD_KAFKA_PARTITION_UA);
    subscribed_ = rd_kafka_subscribe(client_.get(), list.get()) == RD_KAFKA_RESP_ERR_NO_ERROR;
    return subscribed_;
}

void kafka_consumer::keep_paused(bool paused) {
    if (paused == paused_ && (!paused || paused_at_ == assignments_)) {
        return;
    }
    const partition_list list(rd_kafka_topic_partition_list_new(8));
    for (const auto& [partition, assignment] : owned_) {
        rd_kafka_topic_partition_list_add(list.get(), topic_name_.c_str(), partition);
    }
    paused ? rd_kafka_pause_partitions(client_.get(), list.get())
           : rd_kafka_resume_partitions(client_.get(), list.get());
    paused_ = paused;
    paused_at_ = assignments_;
}

kafka_consumer::news kafka_consumer::poll(milliseconds limit, bool paused) {
    if (!subscribed_ && !subscribe(limit)) {
        return std::exchange(news_, {});
    }
    keep_paused(paused);
    std::size_t bytes = 0;
    int wait = static_cast<int>(limit.count());
    while (news_.events.size() < poll_messages_max && bytes < poll_bytes_max) {
        auto* m = rd_kafka_consumer_poll(client_.get(), wait);
        if (m == nullptr) {
            break;
        }
        wait = 0;
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR && owned_.contains(m->partition)) {
            bytes += m->len;
            news_.events.push_back({event::kind::message, m->partition, m->offset,
                                    std::string(static_cast<const char*>(m->payload), m->len), 0});
        } else if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            news_.trouble = words_of(m->err);
        }
        rd_kafka_message_destroy(m);
    }
    for (const auto& [partition, assignment] : owned_) {
        std::int64_t low = 0;
        std::int64_t high = -1;
        if (rd_kafka_get_watermark_offsets(client_.get(), topic_name_.c_str(), partition, &low,
                                           &high) == RD_KAFKA_RESP_ERR_NO_ERROR &&
            high >= 0) {
            news_.end_offsets[partition] = high;
        }
    }
    return std::exchange(news_, {});
}

result<std::vector<kafka_consumer::committed>> kafka_consumer::read_committed(
    const std::vector<int>& partitions, milliseconds limit) {
    const partition_list list(rd_kafka_topic_partition_list_new(8));
    for (const int partition : partitions) {
        rd_kafka_topic_partition_list_add(list.get(), topic_name_.c_str(), partition);
    }
    const auto r = rd_kafka_committed(client_.get(), list.get(), static_cast<int>(limit.count()));
    if (r != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fail(errc::unavailable, "kafka_positions_unknown", words_of(r));
    }
    std::vector<committed> found;
    for (int i = 0; i < list->cnt; ++i) {
        const auto& one = list->elems[i];
        if (one.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            return fail(errc::unavailable, "kafka_positions_unknown", words_of(one.err));
        }
        found.push_back({one.partition, one.offset < 0 ? -1 : one.offset,
                         std::string(static_cast<const char*>(one.metadata), one.metadata_size)});
    }
    return found;
}

// A partition that went to somebody else is his to commit, and the broker does not look at who has
// it as long as the member is one of the group: so it is looked at here, on the thread on which
// partitions are given up. A member that was thrown out is refused by its generation.
result<void> kafka_consumer::commit(int partition, std::uint64_t assignment, std::int64_t offset,
                                    const std::string& metadata, milliseconds limit) {
    const auto owned = owned_.find(partition);
    if (owned == owned_.end() || owned->second != assignment) {
        return fail(errc::aborted, "kafka_partition_lost");
    }
    const partition_list list(rd_kafka_topic_partition_list_new(1));
    auto* one = rd_kafka_topic_partition_list_add(list.get(), topic_name_.c_str(), partition);
    one->offset = offset;
    // librdkafka frees it.
    one->metadata = std::malloc(metadata.size());
    one->metadata_size = metadata.size();
    metadata.copy(static_cast<char*>(one->metadata), metadata.size());
    const auto number = ++commits_;
    const auto r = rd_kafka_commit_queue(client_.get(), list.get(), answers_.get(), nullptr,
                                         reinterpret_cast<void*>(number));
    if (r != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return fail(errc::unavailable, "kafka_commit_failed", words_of(r));
    }
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<milliseconds>(deadline - std::chrono::steady_clock::now());
        auto* answer = rd_kafka_queue_poll(
            answers_.get(), static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (answer == nullptr) {
            return fail(errc::unavailable, "kafka_commit_failed", "no answer");
        }
        // An earlier one may have been given up.
        const bool mine = reinterpret_cast<std::uintptr_t>(rd_kafka_event_opaque(answer)) == number;
        auto e = rd_kafka_event_error(answer);
        if (const auto* each = rd_kafka_event_topic_partition_list(answer);
            e == RD_KAFKA_RESP_ERR_NO_ERROR && each != nullptr && each->cnt == 1) {
            e = each->elems[0].err;
        }
        rd_kafka_event_destroy(answer);
        if (mine) {
            return e == RD_KAFKA_RESP_ERR_NO_ERROR
                       ? result<void>{}
                       : fail(errc::unavailable, "kafka_commit_failed", words_of(e));
        }
    }
}

void kafka_consumer::close() {
    rd_kafka_consumer_close(client_.get());
}

}  // namespace vora::analytics
