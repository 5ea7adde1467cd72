#include "services/analytics/adapters/kafka/kafka_conf.hpp"

namespace vora::analytics {

namespace {

// Ids travel as the message's opaque pointer.
void* as_opaque(std::uint64_t id) {
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(id));
}
std::uint64_t as_id(const void* opaque) {
    return reinterpret_cast<std::uintptr_t>(opaque);
}

}  // namespace

// Called by poll(), on its thread.
struct kafka_producer::callbacks {
    static void delivered(rd_kafka_t*, const rd_kafka_message_t* m, void* opaque) {
        auto& self = *static_cast<kafka_producer*>(opaque);
        delivery d;
        d.id = as_id(m->_private);
        if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            d.failure = rd_kafka_err2name(m->err);
        }
        self.news_.deliveries.push_back(std::move(d));
    }
    static void trouble(rd_kafka_t*, int code, const char*, void* opaque) {
        auto& self = *static_cast<kafka_producer*>(opaque);
        const auto e = static_cast<rd_kafka_resp_err_t>(code);
        self.news_.broken = self.news_.broken || e == RD_KAFKA_RESP_ERR__FATAL;
        self.news_.trouble = rd_kafka_err2name(e);
    }
};

result<std::shared_ptr<kafka_producer>> kafka_producer::open(const kafka_options& o) {
    std::shared_ptr<kafka_producer> p(new kafka_producer());
    auto conf = make_conf(producer_settings(o), o);
    if (!conf) {
        return fail(conf.error());
    }
    rd_kafka_conf_set_opaque(conf->get(), p.get());
    rd_kafka_conf_set_dr_msg_cb(conf->get(), &callbacks::delivered);
    rd_kafka_conf_set_error_cb(conf->get(), &callbacks::trouble);
    auto client = make_client(RD_KAFKA_PRODUCER, std::move(*conf));
    if (!client) {
        return fail(client.error());
    }
    p->client_ = std::move(*client);
    auto topic = make_topic(p->client_.get(), o.topic);
    if (!topic) {
        return fail(topic.error());
    }
    p->topic_ = std::move(*topic);
    return p;
}

// What is still queued goes with it.
kafka_producer::~kafka_producer() {
    if (client_) {
        rd_kafka_purge(client_.get(), RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    }
    topic_.reset();
}

result<void> kafka_producer::send(std::string_view value, std::uint64_t id) {
    const int r =
        rd_kafka_produce(topic_.get(), RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
                         const_cast<char*>(value.data()), value.size(), nullptr, 0, as_opaque(id));
    if (r == 0) {
        return {};
    }
    const auto e = rd_kafka_last_error();
    if (e == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        return fail(errc::resource_exhausted, "spool_full", rd_kafka_err2name(e));
    }
    return fail(errc::unavailable, "kafka_refuses", rd_kafka_err2name(e));
}

kafka_producer::news kafka_producer::poll(milliseconds limit) {
    rd_kafka_poll(client_.get(), static_cast<int>(limit.count()));
    return std::exchange(news_, {});
}

result<std::string> kafka_producer::probe(milliseconds limit) const {
    const auto partitions = count_partitions(client_.get(), topic_.get(), limit);
    if (!partitions) {
        return fail(partitions.error());
    }
    return std::to_string(*partitions) + " partitions";
}

}  // namespace vora::analytics
