#include "libs/net/client.hpp"

#include "libs/net/client_exchange.hpp"
#include "libs/net/request_body.hpp"

#include <map>

namespace vora::net {

namespace {

using namespace std::chrono_literals;

// Servers close idle connections after a minute or so: ours go first.
constexpr auto idle_max = 30s;

}  // namespace

struct client::state {
    struct idle {
        std::unique_ptr<tcp_stream> stream;
        steady_time since;
    };
    // A request that was sent, as far as the head of its answer.
    struct begun {
        std::string pool_key;
        std::unique_ptr<tcp_stream> stream;
        detail::answer_head head;
        bool keeps_connection = false;
    };

    state(std::size_t idle_max_count, std::shared_ptr<transport_security> s)
        : idle_per_host_max(idle_max_count), security(std::move(s)) {}

    std::unique_ptr<tcp_stream> take(const std::string& key);
    void give_back(const std::string& key, std::unique_ptr<tcp_stream> stream);
    // Reads the body of the answer too where `body` is given.
    task<result<begun>> begin(client_request& r, std::string* body);

    std::size_t idle_per_host_max;
    std::shared_ptr<transport_security> security;
    std::map<std::string, std::vector<idle>> pool;
    bool closed = false;
};

std::unique_ptr<tcp_stream> client::state::take(const std::string& key) {
    auto& list = pool[key];
    while (!list.empty()) {
        idle last = std::move(list.back());
        list.pop_back();
        const auto age = std::chrono::steady_clock::now() - last.since;
        if (age < idle_max && last.stream->is_quiet()) {
            return std::move(last.stream);
        }
    }
    return nullptr;
}

void client::state::give_back(const std::string& key, std::unique_ptr<tcp_stream> stream) {
    auto& list = pool[key];
    if (!closed && list.size() < idle_per_host_max && stream->buffered().empty()) {
        list.push_back({std::move(stream), std::chrono::steady_clock::now()});
    }
}

task<result<client::state::begun>> client::state::begin(client_request& r, std::string* body) {
    const auto url = detail::parse_url(r.url);
    if (!url) {
        co_return fail(url.error());
    }
    if (url->secure && !security) {
        co_return fail(errc::invalid_argument, "bad_url", "this client does not speak https");
    }
    auto head = detail::render_head(r, *url);
    if (!head) {
        co_return fail(head.error());
    }
    for (bool first = true;; first = false) {
        auto stream = first ? take(url->pool_key()) : nullptr;
        const bool reused = stream != nullptr;
        detail::exchange x(r, *url, *head, security.get());
        auto answer = co_await with_deadline(x.run(stream), r.deadline);
        if (!answer && reused && r.repeats_on_dead_connection &&
            answer.error().reason == "connection_lost" && x.can_repeat()) {
            continue;
        }
        if (!answer) {
            co_return fail(answer.error());
        }
        if (body != nullptr) {
            auto all = co_await with_deadline(x.read_body(*stream, *answer), r.deadline);
            if (!all) {
                co_return fail(all.error());
            }
            *body = std::move(*all);
        }
        const bool keeps = answer->keep_alive && x.sent_all() && answer->is_delimited(r.method);
        co_return begun{url->pool_key(), std::move(stream), std::move(*answer), keeps};
    }
}

namespace {

// Gives the connection back by `give_back` as soon as the last byte was read.
class open_answer final : public client_answer {
 public:
    using give_back = std::function<void(std::unique_ptr<tcp_stream>)>;

    open_answer(std::unique_ptr<tcp_stream> stream, detail::answer_head head, bool has_body,
                std::chrono::milliseconds stall, give_back at_end)
        : stream_(std::move(stream)),
          head_(std::move(head)),
          body_(*stream_, has_body && head_.framing.chunked,
                has_body ? head_.framing.length : std::nullopt, false, detail::no_rate()),
          stall_(stall),
          give_back_(std::move(at_end)) {
        release_at_end();
    }

    int status() const override { return head_.status; }
    const net::headers& headers() const override { return head_.headers; }
    std::optional<std::uint64_t> length() const override { return body_.length(); }

    task<result<std::size_t>> read(std::span<char> into) override {
        if (failed_) {
            co_return fail(*failed_);
        }
        if (!stream_ || into.empty()) {
            co_return std::size_t{0};
        }
        auto n = co_await with_deadline(body_.read(into), stall_);
        if (!n) {
            failed_ = detail::answer_body_error(n.error());
            stream_->close();
            co_return fail(*failed_);
        }
        release_at_end();
        co_return n;
    }

 private:
    void release_at_end() {
        if (body_.at_end()) {
            auto stream = std::move(stream_);
            if (give_back_) {
                give_back_(std::move(stream));
            }
        }
    }

    std::unique_ptr<tcp_stream> stream_;
    detail::answer_head head_;
    request_body body_;
    std::chrono::milliseconds stall_;
    give_back give_back_;
    std::optional<error> failed_;
};

}  // namespace

// Connections live on the executor of the coroutine that asks; the client itself starts nothing.
client::client(executor, std::size_t idle_per_host_max,
               std::shared_ptr<transport_security> security)
    : state_(std::make_shared<state>(idle_per_host_max, std::move(security))) {}

client::~client() {
    close();
    state_->closed = true;
}

void client::close() {
    state_->pool.clear();
}

task<result<client_response>> client::send(client_request r) {
    const auto s = state_;
    std::string body;
    auto b = co_await s->begin(r, &body);
    if (!b) {
        co_return fail(b.error());
    }
    if (b->keeps_connection) {
        s->give_back(b->pool_key, std::move(b->stream));
    }
    co_return client_response{b->head.status, std::move(b->head.headers), std::move(body)};
}

task<result<std::unique_ptr<client_answer>>> client::open(client_request r) {
    const auto s = state_;
    auto b = co_await s->begin(r, nullptr);
    if (!b) {
        co_return fail(b.error());
    }
    if (!b->head.is_delimited(r.method)) {
        co_return fail(errc::unavailable, "bad_answer", "the answer does not tell its end");
    }
    open_answer::give_back at_end;
    if (b->keeps_connection) {
        at_end = [s, key = b->pool_key](std::unique_ptr<tcp_stream> stream) {
            s->give_back(key, std::move(stream));
        };
    }
    const bool has_body = b->head.has_body(r.method);
    co_return std::make_unique<open_answer>(std::move(b->stream), std::move(b->head), has_body,
                                            r.stall, std::move(at_end));
}

}  // namespace vora::net
