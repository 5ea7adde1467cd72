// The one place that knows gRPC's client. Generic calls, so that no generated service code is
// needed.
//
// Threads: gRPC ends a call on a thread of its own, which only posts to the loop. A call is held by
// its coroutine, by the set of open ones and by gRPC; gRPC's hold is moved into the post, so that
// the last one is let go of on the loop.

#include "libs/durable/engine_temporal/temporal_channel.hpp"

#include <boost/asio/post.hpp>
#include <grpc/support/log.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <set>
#include <vector>

namespace vora::durable {

namespace {

const std::string service_path = "/temporal.api.workflowservice.v1.WorkflowService/";

std::string bytes_of(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string out;
    if (!buffer.Valid() || !buffer.Dump(&slices).ok()) {
        return out;
    }
    out.reserve(buffer.Length());
    for (const auto& slice : slices) {
        out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return out;
}

std::shared_ptr<grpc::Channel> open_channel(const std::string& host_port) {
    if (std::getenv("GRPC_VERBOSITY") == nullptr) {
        gpr_set_log_function([](gpr_log_func_args*) {});  // what matters comes back as a status
    }
    grpc::ChannelArguments arguments;
    arguments.SetUserAgentPrefix("vora");
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5'000);
    // A dead peer is found out under a long poll too.
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 15'000);
    arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    return grpc::CreateCustomChannel(host_port, grpc::InsecureChannelCredentials(), arguments);
}

struct open_call {
    explicit open_call(const executor& ex) : wake(ex) {}

    call_answer answer() const {
        call_answer a;
        a.code = static_cast<int>(status.error_code());
        if (status.ok()) {
            a.message = bytes_of(response);
        } else {
            a.text = status.error_message();
            a.details = status.error_details();
        }
        return a;
    }
    // The coroutine is gone: what it would have got must not be lost.
    void hand_over() {
        if (status.ok() && late) {
            late(bytes_of(response));
        }
    }

    grpc::ClientContext context;
    grpc::ByteBuffer request;
    grpc::ByteBuffer response;
    grpc::Status status;
    temporal_channel::late_answer late;
    wake_signal wake;
    bool done = false;
    bool abandoned = false;
};

using call_ptr = std::shared_ptr<open_call>;

}  // namespace

struct temporal_channel::state : std::enable_shared_from_this<temporal_channel::state> {
    state(executor e, const std::string& host_port)
        : ex(e), idle(e), channel(open_channel(host_port)) {}

    void begin(const call_ptr& c, const char* method);
    void ended(const call_ptr& c);

    executor ex;
    std::set<call_ptr> open;
    wake_signal idle;
    std::shared_ptr<grpc::Channel> channel;
    std::mutex mutex;
    std::condition_variable let_go;
    std::size_t held = 0;  // calls that gRPC has not ended yet
};

void temporal_channel::state::begin(const call_ptr& c, const char* method) {
    open.insert(c);
    {
        const std::lock_guard lock(mutex);
        ++held;
    }
    const std::string path = service_path + method;
    grpc::internal::CallbackUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer>(
        channel.get(),
        grpc::internal::RpcMethod(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC), &c->context,
        &c->request, &c->response, [this, mine = c](grpc::Status status) mutable {
            mine->status = std::move(status);
            boost::asio::post(ex,
                              [self = shared_from_this(), c = std::move(mine)] { self->ended(c); });
            const std::lock_guard lock(mutex);
            --held;
            let_go.notify_all();
        });
}

void temporal_channel::state::ended(const call_ptr& c) {
    c->done = true;
    if (c->abandoned) {
        c->hand_over();
    } else {
        c->wake.notify();
    }
    open.erase(c);
    idle.notify();
}

temporal_channel::temporal_channel(executor ex, const std::string& host_port)
    : state_(std::make_shared<state>(ex, host_port)) {}

temporal_channel::~temporal_channel() {
    cancel_all();
    std::unique_lock lock(state_->mutex);
    state_->let_go.wait(lock, [this] { return state_->held == 0; });
}

task<call_answer> temporal_channel::call(const char* method, std::string request,
                                         milliseconds deadline, late_answer late) {
    auto c = std::make_shared<open_call>(state_->ex);
    const grpc::Slice slice(request);
    c->request = grpc::ByteBuffer(&slice, 1);
    c->context.set_deadline(std::chrono::system_clock::now() + deadline);
    c->late = std::move(late);
    state_->begin(c, method);
    try {
        while (!c->done) {
            co_await c->wake.wait(std::chrono::hours(1));
        }
    } catch (...) {
        c->abandoned = true;
        if (c->done) {
            c->hand_over();
        } else {
            c->context.TryCancel();
        }
        throw;
    }
    co_return c->answer();
}

void temporal_channel::cancel_all() {
    for (const auto& c : state_->open) {
        c->context.TryCancel();
    }
}

task<> temporal_channel::drained() {
    while (!state_->open.empty()) {
        co_await state_->idle.wait(std::chrono::hours(1));
    }
}

}  // namespace vora::durable
