#include "services/metadata/core/outbox_relay.hpp"

#include <random>

namespace vora::metadata {

namespace {

constexpr std::size_t batch_max = 16;
constexpr milliseconds lease{15'000};
constexpr seconds sent_kept{7 * 86'400};
constexpr std::size_t forget_max = 500;

double jitter() {
    static thread_local std::minstd_rand generator{std::random_device{}()};
    return std::uniform_real_distribution<double>(0, 1)(generator);
}

// Worth another try, later.
bool is_passing(errc code) {
    return code == errc::unavailable || code == errc::deadline_exceeded || code == errc::aborted ||
           code == errc::cancelled;
}

}  // namespace

outbox_relay::outbox_relay(video_repository& repository, workflow_engine& engine,
                           const clock_source& clock, breaker_options options)
    : repository_(repository), engine_(engine), clock_(clock), breaker_(options) {}

task<result<void>> outbox_relay::recover() {
    auto done = co_await repository_.in_transaction(
        [](video_transaction& t) { return t.release_all_claims(); });
    co_return done;
}

task<result<void>> outbox_relay::forget_sent() {
    auto done = co_await repository_.in_transaction(
        [now = clock_.now()](video_transaction& t) -> result<void> {
            if (auto r = t.forget_sent_outbox(now - sent_kept, forget_max); !r) {
                return r;
            }
            return t.forget_answers(now, forget_max);
        });
    co_return done;
}

task<result<void>> outbox_relay::deliver(outbox_message m) {
    if (m.kind == outbox_kind::start_ingest) {
        auto started = co_await engine_.start_ingest(std::move(m));
        co_return started;
    }
    if (m.kind == outbox_kind::cancel_ingest) {
        auto asked = co_await engine_.cancel_ingest(m.video, m.generation);
        co_return asked;
    }
    auto started = co_await engine_.start_delete(std::move(m));
    co_return started;
}

task<result<void>> outbox_relay::note_sent(outbox_message m) {
    auto done = co_await repository_.in_transaction(
        [&m, now = clock_.now()](video_transaction& t) -> result<void> {
            auto noted = t.outbox_sent(m, now);
            // Not noted: it is another replica's by now, which finds it delivered.
            return noted ? result<void>{} : fail(std::move(noted.error()));
        });
    co_return done;
}

task<result<void>> outbox_relay::abandon(outbox_message m) {
    auto done = co_await repository_.in_transaction(
        [&m, now = clock_.now()](video_transaction& t) -> result<void> {
            auto noted = t.outbox_sent(m, now);
            if (!noted) {
                return fail(std::move(noted.error()));
            }
            if (!*noted || m.kind != outbox_kind::start_ingest) {
                return {};
            }
            auto v = t.find(m.video);
            if (!v) {
                return fail(std::move(v.error()));
            }
            if (!*v) {
                return {};
            }
            const video_failure why{"internal_error", "processing could not be started"};
            auto moved = finish_failed(**v, m.generation, why, now);
            if (!moved || *moved == transition::repeated) {
                return {};
            }
            return t.update(**v);
        });
    co_return done;
}

task<result<relay_report>> outbox_relay::run_once() {
    relay_report report;
    const auto allowed = breaker_.allowance(clock_.now(), batch_max);
    if (allowed == 0) {
        co_return report;
    }
    auto claimed = co_await transact<std::vector<outbox_message>>(
        repository_, [&, now = clock_.now()](video_transaction& t) {
            return t.claim_outbox(now, now + lease, allowed);
        });
    if (!claimed) {
        co_return fail(std::move(claimed.error()));
    }
    report.more = !claimed->empty();
    for (std::size_t i = 0; i < claimed->size(); ++i) {
        const auto& m = (*claimed)[i];
        if (m.unwanted) {
            auto noted = co_await note_sent(m);
            if (!noted) {
                co_return fail(std::move(noted.error()));
            }
            ++report.dropped;
            continue;
        }
        auto delivered = co_await deliver(m);
        if (!delivered && is_passing(delivered.error().code)) {
            breaker_.failed(clock_.now(), jitter());
            report.last_error = delivered.error().reason;
            report.more = false;
            auto given_back = co_await repository_.in_transaction(
                [&claimed, i](video_transaction& t) -> result<void> {
                    for (std::size_t k = i; k < claimed->size(); ++k) {
                        if (auto r = t.release_outbox((*claimed)[k]); !r) {
                            return r;
                        }
                    }
                    return {};
                });
            if (!given_back) {
                co_return fail(std::move(given_back.error()));
            }
            co_return report;
        }
        breaker_.succeeded();
        if (!delivered) {
            report.last_error = delivered.error().reason;
            auto ended = co_await abandon(m);
            if (!ended) {
                co_return fail(std::move(ended.error()));
            }
            ++report.abandoned;
            continue;
        }
        auto noted = co_await note_sent(m);
        if (!noted) {
            co_return fail(std::move(noted.error()));
        }
        ++report.sent;
    }
    co_return report;
}

}  // namespace vora::metadata
