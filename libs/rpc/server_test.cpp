// A real server on loopback and gRPC's own client.

#include "libs/rpc/server.hpp"

#include <boost/asio/use_future.hpp>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/impl/rpc_method.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

namespace vora::rpc {
namespace {

using namespace std::chrono_literals;

struct reply {
    grpc::Status status;
    std::string message;
    std::map<std::string, std::string> trailing;
};

// The loop runs on a thread of its own; the tests are clients on theirs.
struct rpc_server : testing::Test {
    rpc_server() {
        options.name = "test";
        options.drain_timeout = 10s;
    }
    ~rpc_server() override {
        if (started) {
            wait(server->stop());
        }
        loop.stop();
        if (thread.joinable()) {
            thread.join();
        }
    }

    void start(std::map<std::string, handler> methods) {
        service s{"vora.test.Echo", {methods.begin(), methods.end()}};
        server.emplace(loop.executor(), pool, options, std::vector{s}, obs::logger(), metrics);
        const auto r = server->start();
        ASSERT_TRUE(r) << r.error().detail;
        started = true;
        thread = std::thread([this] { loop.run(); });
        channel = connect();
    }
    std::shared_ptr<grpc::Channel> connect() const {
        grpc::ChannelArguments arguments;
        arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
        return grpc::CreateCustomChannel(server->address(), grpc::InsecureChannelCredentials(),
                                         arguments);
    }
    // Runs t on the loop's thread and waits for it here.
    void wait(task<> t) {
        boost::asio::co_spawn(loop.executor(), std::move(t), boost::asio::use_future).get();
    }
    reply ask(grpc::ClientContext& context, const std::string& path, const std::string& text) {
        const grpc::Slice slice(text);
        const grpc::ByteBuffer request(&slice, 1);
        grpc::ByteBuffer response;
        reply r;
        r.status = grpc::internal::BlockingUnaryCall<grpc::ByteBuffer, grpc::ByteBuffer,
                                                     grpc::ByteBuffer, grpc::ByteBuffer>(
            channel.get(),
            grpc::internal::RpcMethod(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC),
            &context, request, &response);
        std::vector<grpc::Slice> slices;
        if (response.Valid() && response.Dump(&slices).ok()) {
            for (const auto& part : slices) {
                r.message.append(reinterpret_cast<const char*>(part.begin()), part.size());
            }
        }
        for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
            r.trailing.emplace(std::string(name.data(), name.size()),
                               std::string(value.data(), value.size()));
        }
        return r;
    }
    reply ask(const std::string& text, const std::string& path = "/vora.test.Echo/Say") {
        grpc::ClientContext context;
        return ask(context, path, text);
    }

    event_loop loop;
    blocking_pool pool{2};
    obs::metrics metrics;
    server_options options;
    std::optional<rpc::server> server;
    std::thread thread;
    std::shared_ptr<grpc::Channel> channel;
    bool started = false;
};

task<answer> echo(call& c) {
    answer a;
    a.message = c.request;
    co_return a;
}

// Ends only by cancellation, and says so.
class endless {
 public:
    handler as_handler() {
        return [this](call& c) { return run(c); };
    }
    bool was_entered() {
        const std::lock_guard lock(mutex_);
        return entered_ > 0;
    }
    void wait_entered() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return entered_ > 0; });
    }
    bool was_cancelled() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, 30s,
                                 [this] { return entered_ > 0 && cancelled_ == entered_; });
    }

 private:
    task<answer> run(call&) {
        add(entered_);
        try {
            co_await sleep_for(1h);
        } catch (const boost::system::system_error&) {
            add(cancelled_);
            throw;
        }
        co_return answer{};
    }
    void add(int& count) {
        const std::lock_guard lock(mutex_);
        ++count;
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    int entered_ = 0;
    int cancelled_ = 0;
};

TEST_F(rpc_server, hands_bytes_to_the_handler_and_back) {
    start({{"Say", echo}});
    const auto r = ask(std::string("a\0b", 3));
    EXPECT_TRUE(r.status.ok()) << r.status.error_message();
    EXPECT_EQ(r.message, std::string("a\0b", 3));
    EXPECT_EQ(ask("").message, "");
}

TEST_F(rpc_server, gives_the_handler_method_metadata_peer_and_request_id) {
    call seen;
    start({{"Say", [&](call& c) {
                seen = c;
                return echo(c);
            }}});
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer x");
    context.AddMetadata("x-request-id", "abc-1");
    const auto r = ask(context, "/vora.test.Echo/Say", "hi");
    EXPECT_TRUE(r.status.ok());
    EXPECT_EQ(seen.method, "Say");
    EXPECT_EQ(seen.peer, "127.0.0.1");
    EXPECT_EQ(seen.request_id, "abc-1");
    EXPECT_EQ(r.trailing.at("x-request-id"), "abc-1");
    EXPECT_NE(std::ranges::find(seen.metadata,
                                std::pair{std::string("authorization"), std::string("Bearer x")}),
              seen.metadata.end());
}

TEST_F(rpc_server, makes_a_request_id_where_the_given_one_is_not_sane) {
    start({{"Say", echo}});
    grpc::ClientContext context;
    context.AddMetadata("x-request-id", "a b");
    const auto r = ask(context, "/vora.test.Echo/Say", "hi");
    EXPECT_EQ(r.trailing.at("x-request-id").size(), 36u);
}

TEST_F(rpc_server, sends_code_text_details_and_trailing_metadata_of_a_refusal) {
    start({{"Say", [](call&) -> task<answer> {
                answer a;
                a.code = code::not_found;
                a.text = "there is no such thing";
                a.details = "details";
                a.trailing = {{"retry-after", "1"}};
                co_return a;
            }}});
    const auto r = ask("hi");
    EXPECT_EQ(r.status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(r.status.error_message(), "there is no such thing");
    EXPECT_EQ(r.status.error_details(), "details");
    EXPECT_EQ(r.trailing.at("retry-after"), "1");
}

TEST_F(rpc_server, an_exception_of_a_handler_is_internal_and_shows_nothing) {
    start({{"Say", [](call&) -> task<answer> { throw std::runtime_error("secret path"); }}});
    const auto r = ask("hi");
    EXPECT_EQ(r.status.error_code(), grpc::StatusCode::INTERNAL);
    EXPECT_EQ(r.status.error_message().find("secret"), std::string::npos);
}

TEST_F(rpc_server, an_unknown_method_is_unimplemented) {
    start({{"Say", echo}});
    EXPECT_EQ(ask("x", "/vora.test.Echo/Shout").status.error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(ask("x", "/vora.test.Other/Say").status.error_code(),
              grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(rpc_server, refuses_a_message_over_the_limit) {
    options.request_bytes_max = 1000;
    start({{"Say", echo}});
    EXPECT_EQ(ask(std::string(1001, 'x')).status.error_code(),
              grpc::StatusCode::RESOURCE_EXHAUSTED);
    EXPECT_TRUE(ask(std::string(1000, 'x')).status.ok());
}

TEST_F(rpc_server, a_passed_deadline_cancels_the_handler) {
    endless wait_for_ever;
    start({{"Say", wait_for_ever.as_handler()}});
    // On a busy machine a short deadline may pass before the call has come to the handler.
    for (auto limit = 200ms; !wait_for_ever.was_entered(); limit *= 3) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + limit);
        EXPECT_EQ(ask(context, "/vora.test.Echo/Say", "x").status.error_code(),
                  grpc::StatusCode::DEADLINE_EXCEEDED);
    }
    EXPECT_TRUE(wait_for_ever.was_cancelled());
}

TEST_F(rpc_server, a_client_that_gives_up_cancels_the_handler) {
    endless wait_for_ever;
    start({{"Say", wait_for_ever.as_handler()}});
    grpc::ClientContext context;
    auto asked =
        std::async(std::launch::async, [&] { return ask(context, "/vora.test.Echo/Say", "x"); });
    wait_for_ever.wait_entered();
    context.TryCancel();
    EXPECT_EQ(asked.get().status.error_code(), grpc::StatusCode::CANCELLED);
    EXPECT_TRUE(wait_for_ever.was_cancelled());
}

TEST_F(rpc_server, a_call_has_a_longest_time_of_ours_too) {
    options.call_max = 200ms;
    endless wait_for_ever;
    start({{"Say", wait_for_ever.as_handler()}});
    const auto r = ask("x");
    EXPECT_EQ(r.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_TRUE(wait_for_ever.was_cancelled());
}

TEST_F(rpc_server, more_calls_at_once_than_allowed_are_unavailable) {
    options.calls_max = 1;
    endless wait_for_ever;
    start({{"Say", wait_for_ever.as_handler()}, {"Echo", echo}});
    grpc::ClientContext context;
    auto asked =
        std::async(std::launch::async, [&] { return ask(context, "/vora.test.Echo/Say", "x"); });
    wait_for_ever.wait_entered();
    EXPECT_EQ(ask("x", "/vora.test.Echo/Echo").status.error_code(), grpc::StatusCode::UNAVAILABLE);
    context.TryCancel();
    asked.get();
    EXPECT_TRUE(wait_for_ever.was_cancelled());
}

TEST_F(rpc_server, stopping_lets_a_running_call_end) {
    std::promise<void> entered;
    std::promise<void> stopping;
    auto may_go = stopping.get_future().share();
    start({{"Say", [&](call& c) -> task<answer> {
                entered.set_value();
                co_await pool.run([may_go] { may_go.wait(); });
                auto a = co_await echo(c);
                co_return a;
            }}});
    auto asked = std::async(std::launch::async, [&] { return ask("x"); });
    entered.get_future().wait();
    auto stopped = std::async(std::launch::async, [&] { wait(server->stop()); });
    stopping.set_value();
    EXPECT_EQ(asked.get().message, "x");
    stopped.get();
    started = false;
    EXPECT_EQ(ask("x").status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(rpc_server, stopping_cancels_what_does_not_end) {
    options.drain_timeout = 100ms;
    endless wait_for_ever;
    start({{"Say", wait_for_ever.as_handler()}});
    auto asked = std::async(std::launch::async, [&] { return ask("x"); });
    wait_for_ever.wait_entered();
    wait(server->stop());
    started = false;
    EXPECT_FALSE(asked.get().status.ok());
    EXPECT_TRUE(wait_for_ever.was_cancelled());
}

TEST_F(rpc_server, a_taken_port_is_an_error) {
    start({{"Say", echo}});
    options.address = server->address();
    rpc::server second(loop.executor(), pool, options, {}, obs::logger(), metrics);
    const auto r = second.start();
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().reason, "rpc_listen_failed");
}

TEST_F(rpc_server, counts_calls_by_method_and_code) {
    start({{"Say", echo}});
    ask("x");
    ask("y");
    const auto text = metrics.expose();
    EXPECT_NE(text.find("vora_rpc_calls_total{code=\"OK\",method=\"Say\",server=\"test\"} 2"),
              std::string::npos)
        << text;
}

TEST(rpc_codes, every_error_code_has_its_status) {
    EXPECT_EQ(to_string(code_of(errc::not_found)), "NOT_FOUND");
    EXPECT_EQ(to_string(code_of(errc::unauthenticated)), "UNAUTHENTICATED");
    EXPECT_EQ(to_string(code_of(errc::cancelled)), "CANCELLED");
    for (int i = 0; i <= static_cast<int>(errc::data_loss); ++i) {
        EXPECT_NE(code_of(static_cast<errc>(i)), code::unknown) << i;
    }
}

}  // namespace
}  // namespace vora::rpc
