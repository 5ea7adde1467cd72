#pragma once
// One request and the head of its answer on one connection. Private to libs/net.

#include "libs/net/client.hpp"
#include "libs/net/fields.hpp"
#include "libs/net/tcp_stream.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace vora::net::detail {

struct url_parts {
    bool secure = false;  // https
    std::string host;
    std::uint16_t port = 80;
    std::string authority;  // as sent in Host
    std::string target;
    // Connections of one pool are alike.
    std::string pool_key() const { return (secure ? "https://" : "http://") + authority; }
};

// "http://HOST[:PORT]/path?query", or https. invalid_argument ("bad_url").
result<url_parts> parse_url(std::string_view url);

struct answer_head {
    int status = 0;
    net::headers headers;
    detail::framing framing;
    bool keep_alive = false;

    bool has_body(std::string_view method) const {
        return method != "HEAD" && status != 204 && status != 304;
    }
    // Whether its end can be told without the end of the connection.
    bool is_delimited(std::string_view method) const {
        return framing.chunked || framing.length || !has_body(method);
    }
};

// invalid_argument ("bad_header").
result<std::string> render_head(const client_request& r, const url_parts& url);

// Deadlines of the client come from with_deadline, not from the stream.
rate_watch no_rate();

// What reading an answer's body failed with, in the client's words.
error answer_body_error(const error& e);

class exchange {
 public:
    exchange(client_request& r, const url_parts& url, std::string head,
             transport_security* security);

    // Connects if there is no connection yet, sends, reads the answer's head.
    task<result<answer_head>> run(std::unique_ptr<tcp_stream>& stream);
    task<result<std::string>> read_body(tcp_stream& stream, const answer_head& head);

    bool sent_all() const { return sent_all_; }
    // Whether the same request may be sent again: nothing of the answer came, no stream was begun.
    bool can_repeat() const { return !answer_begun_ && pulled_ == 0; }

 private:
    task<result<void>> connect(std::unique_ptr<tcp_stream>& stream);
    task<result<void>> secure(tcp_stream& stream, int fd);
    task<result<std::vector<boost::asio::ip::tcp::endpoint>>> resolve();
    task<result<void>> send(tcp_stream& stream);
    task<result<void>> send_memory(tcp_stream& stream, std::string_view bytes);
    task<result<void>> send_stream(tcp_stream& stream);
    task<result<answer_head>> read_head(tcp_stream& stream);
    task<result<std::string>> read_until_close(tcp_stream& stream);

    client_request& request_;
    const url_parts& url_;
    std::string head_;
    transport_security* security_;
    rate_watch rate_;
    bool sent_all_ = false;
    bool answer_begun_ = false;
    std::uint64_t pulled_ = 0;
};

}  // namespace vora::net::detail
