#pragma once
// One accepted connection: request after request until it closes. Private to libs/net.

#include "libs/net/held_body.hpp"
#include "libs/net/request_body.hpp"
#include "libs/net/server_context.hpp"

#include <string>

namespace vora::net {

class connection {
 public:
    connection(server_context& context, boost::asio::ip::tcp::socket socket, std::string peer);
    connection(const connection&) = delete;

    task<> run();

    void check(steady_time now) { stream_.check(now); }
    // Waiting for a request of which no byte came yet; since when.
    bool is_idle() const { return idle_; }
    steady_time idle_since() const { return idle_since_; }
    void close_idle();
    const std::string& peer() const { return peer_; }

 private:
    // How the reading of a head ended when there is none.
    struct no_head {
        std::optional<refusal> answer;  // absent: close without a word
    };
    // How a request ended.
    struct served {
        int status = 0;
        std::uint64_t body_bytes = 0;
        bool keep = false;      // the connection can carry the next request
        bool complete = false;  // the answer was sent whole
    };

    task<std::expected<request_head, no_head>> read_head();
    task<std::expected<std::size_t, no_head>> await_first_byte();
    task<bool> serve_next();
    task<bool> serve(request_head head);
    task<> refuse(refusal why);
    bool is_below_open_path() const;
    task<> linger();

    request make_request(request_head& head) const;
    void apply_forwarded(request& r) const;

    task<served> send(request& r, response answer, bool keep);
    task<served> send_stream(request& r, response& answer, bool keep);
    task<tcp_stream::outcome> send_held(held_body& body, std::uint64_t& sent, rate_watch& rate);
    task<tcp_stream::outcome> copy_stream(response& answer, char* buffer, std::uint64_t& sent);
    served finish_answer(int status, std::uint64_t bytes, tcp_stream::outcome how, bool keep);
    std::string render_head(const request& r, response& answer, bool keep);

    void log_request(const request& r, const std::string& detail, const served& s, double ms);

    server_context& context_;
    tcp_stream stream_;
    std::string peer_;
    bool first_ = true;
    bool idle_ = false;
    bool head_only_ = false;      // the request that is being answered was sent as HEAD
    bool linger_needed_ = false;  // bytes of the peer were left unread
    steady_time idle_since_{};
};

}  // namespace vora::net
