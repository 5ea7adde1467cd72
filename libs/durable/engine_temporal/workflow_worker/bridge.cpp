#include "libs/durable/engine_temporal/workflow_worker/bridge.hpp"

#include "libs/durable/engine_temporal/workflow_worker/temporal_bridge.h"

namespace vora::durable::bridge {

namespace {

constexpr std::uint32_t connect_timeout_ms = 10'000;

// What a call filled in, freed at the end.
class buffer {
 public:
    buffer() = default;
    ~buffer() { tb_buffer_free(&bytes_); }
    buffer(const buffer&) = delete;

    tb_buffer* out() { return &bytes_; }
    std::string_view view() const {
        return {reinterpret_cast<const char*>(bytes_.data), bytes_.size};
    }
    std::string text() const { return std::string(view()); }

 private:
    tb_buffer bytes_{};
};

tb_span span_of(std::string_view s) {
    return {reinterpret_cast<const std::uint8_t*>(s.data()), s.size()};
}

std::uint32_t whole_ms(std::chrono::milliseconds t) {
    return static_cast<std::uint32_t>(t.count());
}

tb_worker_options to_c(const worker_options& o) {
    return {span_of(o.name_space),
            span_of(o.task_queue),
            span_of(o.build_id),
            o.cached_runs_max,
            o.tasks_max,
            o.polls_max,
            whole_ms(o.sticky_timeout),
            whole_ms(o.graceful_stop)};
}

error failed(std::int32_t code, const buffer& why) {
    return {code == tb_panic ? errc::internal : errc::unavailable,
            code == tb_panic ? "temporal_core_panic" : "temporal_unavailable", why.text()};
}

}  // namespace

struct runtime::handle {
    tb_runtime* value = nullptr;
    ~handle() { tb_runtime_free(value); }
};

runtime::~runtime() = default;

result<std::shared_ptr<runtime>> runtime::make(const std::string& log_filter,
                                               std::uint32_t threads) {
    std::shared_ptr<runtime> made(new runtime);
    made->handle_ = std::make_unique<handle>();
    buffer why;
    const auto code =
        tb_runtime_new(span_of(log_filter), threads, &made->handle_->value, why.out());
    if (code != tb_ok) {
        return fail(failed(code, why));
    }
    return made;
}

void runtime::take_logs(
    const std::function<void(std::string_view level, std::string_view text)>& line) {
    buffer lines;
    if (tb_take_logs(handle_->value, lines.out()) != tb_ok) {
        return;
    }
    auto rest = lines.view();
    while (!rest.empty()) {
        const auto one = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(rest.size(), one.size() + 1));
        const auto blank = std::min(one.find(' '), one.size());
        line(one.substr(0, blank), one.substr(std::min(blank + 1, one.size())));
    }
}

// Ends in the order worker, client, runtime.
struct core_worker::handle {
    std::shared_ptr<runtime> rt;
    tb_client* client = nullptr;
    tb_worker* worker = nullptr;

    ~handle() {
        if (worker != nullptr) {
            buffer why;
            tb_worker_finalize(worker, why.out());
        }
        tb_client_free(client);
    }
};

core_worker::~core_worker() = default;

result<std::unique_ptr<core_worker>> core_worker::connect(std::shared_ptr<runtime> rt,
                                                          const std::string& address,
                                                          const std::string& identity,
                                                          const worker_options& options) {
    std::unique_ptr<core_worker> made(new core_worker);
    made->handle_ = std::make_unique<handle>();
    auto& h = *made->handle_;
    h.rt = std::move(rt);
    auto* core = h.rt->handle_->value;
    buffer why;
    const auto connected = tb_connect(core, span_of("http://" + address), span_of(identity),
                                      connect_timeout_ms, &h.client, why.out());
    if (connected != tb_ok) {
        return fail(failed(connected, why));
    }
    const auto c_options = to_c(options);
    buffer why_not;
    const auto code = tb_worker_new(core, h.client, &c_options, &h.worker, why_not.out());
    if (code != tb_ok) {
        return fail(failed(code, why_not));
    }
    return made;
}

result<std::unique_ptr<core_worker>> core_worker::replay(std::shared_ptr<runtime> rt,
                                                         const std::string& workflow_id,
                                                         const std::string& history,
                                                         const worker_options& options) {
    std::unique_ptr<core_worker> made(new core_worker);
    made->handle_ = std::make_unique<handle>();
    auto& h = *made->handle_;
    h.rt = std::move(rt);
    const auto c_options = to_c(options);
    buffer why;
    const auto code = tb_replay_worker_new(h.rt->handle_->value, &c_options, span_of(workflow_id),
                                           span_of(history), &h.worker, why.out());
    if (code != tb_ok) {
        return fail(errc::invalid_argument, "bad_history", why.text());
    }
    return made;
}

result<std::optional<std::string>> core_worker::poll() {
    buffer out;
    const auto code = tb_poll_workflow(handle_->worker, out.out());
    if (code == tb_shut_down) {
        return std::nullopt;
    }
    if (code != tb_ok) {
        return fail(failed(code, out));
    }
    return out.text();
}

result<void> core_worker::complete(const std::string& completion) {
    buffer why;
    const auto code = tb_complete_workflow(handle_->worker, span_of(completion), why.out());
    if (code != tb_ok) {
        return fail(failed(code, why));
    }
    return {};
}

void core_worker::evict(const std::string& run_id) {
    buffer why;
    tb_evict(handle_->worker, span_of(run_id), why.out());
}

void core_worker::shut_down() {
    tb_worker_initiate_shutdown(handle_->worker);
}

}  // namespace vora::durable::bridge
