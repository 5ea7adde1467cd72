// The one place that knows gRPC's server. Design: a grpc::Service is built at run time from names,
// with raw callback methods (bytes in, bytes out), so that no generated service code is needed and
// this is the only file that pays for gRPC's headers.
//
// Threads: gRPC calls on_call, OnCancel and OnDone on its own threads; they only copy and post. All
// else happens on the loop. A call_state is held by gRPC (self_, until OnDone) and by the
// coroutine.

#include "libs/rpc/server.hpp"

#include "libs/base/assert.hpp"
#include "libs/base/crypto.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <map>

namespace asio = boost::asio;

namespace vora::rpc {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t request_id_bytes_max = 128;

bool is_sane_request_id(std::string_view id) {
    return !id.empty() && id.size() <= request_id_bytes_max && std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
}

// "ipv4:127.0.0.1:50000" -> "127.0.0.1", "ipv6:[::1]:50000" -> "::1" (brackets may be escaped).
std::string peer_address(std::string text) {
    for (const auto& [escaped, plain] : {std::pair{"%5B", "["}, std::pair{"%5D", "]"}}) {
        if (const auto at = text.find(escaped); at != text.npos) {
            text.replace(at, 3, plain);
        }
    }
    text.erase(0, text.find(':') + 1);
    if (const auto end = text.rfind(':'); end != text.npos) {
        text.erase(end);
    }
    if (text.starts_with('[') && text.ends_with(']')) {
        text = text.substr(1, text.size() - 2);
    }
    return text;
}

std::string bytes_of(const grpc::ByteBuffer& buffer) {
    std::vector<grpc::Slice> slices;
    std::string out;
    if (!buffer.Dump(&slices).ok()) {
        return out;
    }
    out.reserve(buffer.Length());
    for (const auto& slice : slices) {
        out.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    return out;
}

call describe(const grpc::CallbackServerContext& context, std::string method,
              const grpc::ByteBuffer& request) {
    call c;
    c.method = std::move(method);
    c.request = bytes_of(request);
    c.peer = peer_address(context.peer());
    for (const auto& [name, value] : context.client_metadata()) {
        c.metadata.emplace_back(std::string(name.data(), name.size()),
                                std::string(value.data(), value.size()));
        if (c.metadata.back().first == "x-request-id") {
            c.request_id = c.metadata.back().second;
        }
    }
    if (!is_sane_request_id(c.request_id)) {
        c.request_id = random_uuid();
    }
    return c;
}

// What matters comes back as an error or a status; the rest is for those who ask for it.
void silence_grpc() {
    if (std::getenv("GRPC_VERBOSITY") == nullptr) {
        gpr_set_log_function([](gpr_log_func_args*) {});
    }
}

answer refusal(code c, std::string text) {
    answer a;
    a.code = c;
    a.text = std::move(text);
    return a;
}

// One call: gRPC's end of it.
class call_state final : public grpc::ServerUnaryReactor,
                         public std::enable_shared_from_this<call_state> {
 public:
    call_state(executor ex, std::shared_ptr<std::atomic<std::size_t>> running,
               grpc::CallbackServerContext& context, grpc::ByteBuffer& response)
        : ex_(std::move(ex)),
          running_(std::move(running)),
          context_(context),
          response_(response),
          at_once_(++*running_) {}
    ~call_state() override { --*running_; }

    void hold() { self_ = shared_from_this(); }
    std::size_t at_once() const { return at_once_; }

    // Once. The contexts are gRPC's and live until OnDone, which this allows to happen.
    void finish(const answer& a) {
        for (const auto& [name, value] : a.trailing) {
            context_.AddTrailingMetadata(name, value);
        }
        if (a.code == rpc::code::ok) {
            const grpc::Slice slice(a.message);
            response_ = grpc::ByteBuffer(&slice, 1);
            Finish(grpc::Status::OK);
            return;
        }
        Finish(grpc::Status(static_cast<grpc::StatusCode>(a.code), a.text, a.details));
    }

    void OnCancel() override {
        asio::post(ex_, [self = shared_from_this()] {
            self->cancelled = true;
            self->cancel(asio::cancellation_type::terminal);
        });
    }
    void OnDone() override { self_.reset(); }

    // The rest on the loop only.
    void cancel(asio::cancellation_type type) {
        if (!finished) {
            signal.emit(type);
        }
    }

    rpc::call call;
    const handler* run = nullptr;
    asio::cancellation_signal signal;
    bool cancelled = false;
    bool finished = false;
    clock::time_point began = clock::now();

 private:
    executor ex_;
    std::shared_ptr<std::atomic<std::size_t>> running_;
    grpc::CallbackServerContext& context_;
    grpc::ByteBuffer& response_;
    std::size_t at_once_;
    std::shared_ptr<call_state> self_;
};

using on_call =
    std::function<grpc::ServerUnaryReactor*(const std::string& method, grpc::CallbackServerContext*,
                                            const grpc::ByteBuffer*, grpc::ByteBuffer*)>;

// A service that exists by name only.
class byte_service final : public grpc::Service {
 public:
    byte_service(const service& s, const on_call& take) {
        paths_.reserve(s.methods.size());  // gRPC keeps pointers into it
        for (const auto& [name, unused] : s.methods) {
            paths_.push_back("/" + s.name + "/" + name);
            AddMethod(new grpc::internal::RpcServiceMethod(
                paths_.back().c_str(), grpc::internal::RpcMethod::NORMAL_RPC, nullptr));
            MarkMethodRawCallback(
                static_cast<int>(paths_.size()) - 1,
                new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                    [take, method = name](grpc::CallbackServerContext* context,
                                          const grpc::ByteBuffer* request,
                                          grpc::ByteBuffer* response) {
                        return take(method, context, request, response);
                    }));
        }
    }

 private:
    std::vector<std::string> paths_;
};

}  // namespace

struct server::state {
    state(executor e, blocking_pool& p, server_options o, std::vector<service> s, obs::logger l,
          obs::metrics& m)
        : ex(e),
          pool(p),
          options(std::move(o)),
          services(std::move(s)),
          log(std::move(l)),
          metrics(m),
          group(e) {}

    grpc::ServerUnaryReactor* take(const handler& run, const std::string& method,
                                   grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request, grpc::ByteBuffer* response);
    task<> serve(std::shared_ptr<call_state> c);
    task<answer> outcome(std::shared_ptr<call_state> c);
    task<result<answer>> handle(std::shared_ptr<call_state> c);
    void note(const call_state& c, const answer& a);
    void configure(grpc::ServerBuilder& builder) const;

    executor ex;
    blocking_pool& pool;
    server_options options;
    std::vector<service> services;
    obs::logger log;
    obs::metrics& metrics;
    task_group group;
    std::shared_ptr<std::atomic<std::size_t>> running =
        std::make_shared<std::atomic<std::size_t>>(0);
    std::vector<std::unique_ptr<byte_service>> registered;
    std::unique_ptr<grpc::Server> grpc_server;
    std::string address;
};

// On a gRPC thread.
grpc::ServerUnaryReactor* server::state::take(const handler& run, const std::string& method,
                                              grpc::CallbackServerContext* context,
                                              const grpc::ByteBuffer* request,
                                              grpc::ByteBuffer* response) {
    auto c = std::make_shared<call_state>(ex, running, *context, *response);
    c->hold();
    auto* reactor = c.get();
    if (c->at_once() > options.calls_max) {
        c->finish(refusal(code::unavailable, "too many calls at once; try again shortly"));
        return reactor;
    }
    c->call = describe(*context, method, *request);
    c->run = &run;
    asio::post(ex, [this, c = std::move(c)]() mutable { group.spawn(serve(std::move(c))); });
    return reactor;
}

task<> server::state::serve(std::shared_ptr<call_state> c) {
    // stop() cancels this coroutine, the client its call: both reach the handler by c->signal.
    auto outer = co_await asio::this_coro::cancellation_state;
    if (outer.slot().is_connected()) {
        outer.slot().assign([c](asio::cancellation_type type) { c->cancel(type); });
    }
    answer a = refusal(code::cancelled, "the call was cancelled");
    if (!c->cancelled) {
        try {
            a = co_await asio::co_spawn(
                ex, outcome(c),
                asio::bind_cancellation_slot(c->signal.slot(), asio::use_awaitable));
        } catch (const boost::system::system_error& e) {
            if (e.code() != asio::error::operation_aborted) {
                log.error("rpc_failed", {{"method", c->call.method}, {"detail", e.what()}});
                a = refusal(code::internal, "something went wrong here; it was logged");
            }
        } catch (const std::exception& e) {
            log.error("rpc_failed", {{"method", c->call.method}, {"detail", e.what()}});
            a = refusal(code::internal, "something went wrong here; it was logged");
        }
    }
    c->finished = true;
    a.trailing.emplace_back("x-request-id", c->call.request_id);
    note(*c, a);
    c->finish(a);
}

task<answer> server::state::outcome(std::shared_ptr<call_state> c) {
    auto a = co_await with_deadline(handle(c), options.call_max);
    if (!a) {
        co_return refusal(code_of(a.error().code), "the call took too long");
    }
    co_return std::move(*a);
}

task<result<answer>> server::state::handle(std::shared_ptr<call_state> c) {
    auto a = co_await (*c->run)(c->call);
    co_return a;
}

void server::state::note(const call_state& c, const answer& a) {
    const std::chrono::duration<double> took = clock::now() - c.began;
    const auto name = std::string(to_string(a.code));
    metrics
        .counter("vora_rpc_calls_total", "gRPC calls by how they ended",
                 {{"server", options.name}, {"method", c.call.method}, {"code", name}})
        .add();
    metrics
        .histogram("vora_rpc_call_seconds", "time from a gRPC call's arrival to its answer",
                   obs::seconds_buckets(), {{"server", options.name}, {"method", c.call.method}})
        .observe(took.count());
    log.info("rpc", {{"server", options.name},
                     {"method", c.call.method},
                     {"code", name},
                     {"seconds", took.count()},
                     {"peer", c.call.peer},
                     {"request_id", c.call.request_id}});
}

void server::state::configure(grpc::ServerBuilder& builder) const {
    const auto ms = [](std::chrono::milliseconds d) { return static_cast<int>(d.count()); };
    builder.SetMaxReceiveMessageSize(static_cast<int>(options.request_bytes_max));
    builder.SetResourceQuota(
        grpc::ResourceQuota("vora_rpc_" + options.name).Resize(options.memory_bytes_max));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS,
                               static_cast<int>(options.calls_per_connection_max));
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE,
                               static_cast<int>(options.metadata_bytes_max));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, ms(options.idle_max));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               ms(options.ping_interval_min));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 2);
    // A dead peer is found out.
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 120'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
    // Two servers on one port would share its connections without a word.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
}

server::server(executor ex, blocking_pool& pool, server_options options,
               std::vector<service> services, obs::logger log, obs::metrics& metrics)
    : state_(std::make_unique<state>(ex, pool, std::move(options), std::move(services),
                                     std::move(log), metrics)) {}

server::~server() {
    VORA_ASSERT(!state_->grpc_server);
}

result<void> server::start() {
    auto& s = *state_;
    silence_grpc();
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    grpc::ServerBuilder builder;
    s.configure(builder);
    int port = 0;
    builder.AddListeningPort(s.options.address, grpc::InsecureServerCredentials(), &port);
    for (const auto& service : s.services) {
        std::map<std::string, const handler*> handlers;
        for (const auto& [name, run] : service.methods) {
            handlers.emplace(name, &run);
        }
        const auto take = [&s, handlers](
                              const std::string& method, grpc::CallbackServerContext* context,
                              const grpc::ByteBuffer* request, grpc::ByteBuffer* response) {
            return s.take(*handlers.at(method), method, context, request, response);
        };
        s.registered.push_back(std::make_unique<byte_service>(service, take));
        builder.RegisterService(s.registered.back().get());
    }
    s.grpc_server = builder.BuildAndStart();
    if (!s.grpc_server || port <= 0) {
        s.grpc_server.reset();
        return fail(errc::unavailable, "rpc_listen_failed",
                    "cannot listen on " + s.options.address);
    }
    s.address =
        s.options.address.substr(0, s.options.address.rfind(':')) + ":" + std::to_string(port);
    for (const auto& service : s.services) {
        s.grpc_server->GetHealthCheckService()->SetServingStatus(service.name, true);
    }
    return {};
}

std::string server::address() const {
    return state_->address;
}

task<> server::stop() {
    auto& s = *state_;
    if (!s.grpc_server) {
        co_return;
    }
    s.grpc_server->GetHealthCheckService()->Shutdown();
    // Waits for the calls, which run here: elsewhere. After the deadline gRPC cancels them.
    co_await s.pool.run([&s] {
        s.grpc_server->Shutdown(std::chrono::system_clock::now() + s.options.drain_timeout);
        s.grpc_server->Wait();
    });
    co_await s.group.stop();
    s.grpc_server.reset();
}

}  // namespace vora::rpc
