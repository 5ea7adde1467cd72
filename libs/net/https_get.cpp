#include "libs/net/https_get.hpp"

#include "libs/base/encoding.hpp"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace vora::net {

namespace {

using steady = std::chrono::steady_clock;
using context_ptr = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using bio_ptr = std::unique_ptr<BIO, decltype(&BIO_free_all)>;

constexpr std::size_t head_bytes_max = 32 << 10;

struct target {
    std::string host;
    std::string port;
    std::string path;
};

std::optional<target> parse_url(std::string_view url) {
    constexpr std::string_view scheme = "https://";
    if (!url.starts_with(scheme)) {
        return std::nullopt;
    }
    url.remove_prefix(scheme.size());
    const bool plain =
        std::ranges::all_of(url, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    const auto slash = std::min(url.find('/'), url.size());
    const auto place = url.substr(0, slash);
    const auto colon = std::min(place.find(':'), place.size());
    target t;
    t.host = place.substr(0, colon);
    t.port = colon < place.size() ? place.substr(colon + 1) : "443";
    t.path = slash < url.size() ? url.substr(slash) : "/";
    if (!plain || t.host.empty() || t.host.find('@') != t.host.npos || !parse_uint(t.port)) {
        return std::nullopt;
    }
    return t;
}

std::string last_error() {
    const auto code = ERR_peek_last_error();
    const char* reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return reason != nullptr ? reason : "no reason given";
}

// Every wait on the socket ends by then; checked again between two of them.
void limit_waits(BIO* bio, steady::time_point until) {
    int fd = -1;
    BIO_get_fd(bio, &fd);
    const auto left = std::max<std::int64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(until - steady::now()).count(), 1);
    const timeval limit{left / 1000, (left % 1000) * 1000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// The connect with a limit leaves the socket non-blocking.
void block(BIO* bio) {
    int fd = -1;
    BIO_get_fd(bio, &fd);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

std::unexpected<error> gone(steady::time_point until, const char* reason) {
    if (steady::now() >= until) {
        return fail(errc::deadline_exceeded, "deadline_exceeded");
    }
    return fail(errc::unavailable, reason, last_error());
}

result<context_ptr> make_context(const std::string& ca_file) {
    context_ptr context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free);
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    const int loaded = ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context.get())
                           : SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr);
    if (loaded != 1) {
        return fail(errc::unavailable, "tls_failed", "cannot read the certificates to trust");
    }
    return context;
}

// Connects first without TLS, so that the deadline holds there too, then puts TLS on top.
result<bio_ptr> connect(const target& t, SSL_CTX* context, steady::time_point until) {
    bio_ptr socket(BIO_new_connect((t.host + ":" + t.port).c_str()), &BIO_free_all);
    const auto left = std::chrono::ceil<std::chrono::seconds>(until - steady::now()).count();
    if (!socket || BIO_do_connect_retry(socket.get(), static_cast<int>(left), 20) != 1) {
        return gone(until, "connect_failed");
    }
    block(socket.get());
    limit_waits(socket.get(), until);
    bio_ptr tls(BIO_new_ssl(context, 1), &BIO_free_all);
    SSL* session = nullptr;
    BIO_get_ssl(tls.get(), &session);
    if (session == nullptr || SSL_set_tlsext_host_name(session, t.host.c_str()) != 1) {
        return fail(errc::unavailable, "tls_failed", "cannot begin");
    }
    const bool is_address =
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), t.host.c_str()) == 1;
    if (!is_address && SSL_set1_host(session, t.host.c_str()) != 1) {
        return fail(errc::unavailable, "tls_failed", "not a host name");
    }
    BIO_push(tls.get(), socket.release());
    if (BIO_do_handshake(tls.get()) != 1) {
        return gone(until, "tls_failed");
    }
    return tls;
}

// HTTP/1.0: the answer is not chunked and ends with the connection.
result<std::string> exchange(BIO* bio, const target& t, std::size_t bytes_max,
                             steady::time_point until) {
    const auto host = t.port == "443" ? t.host : t.host + ":" + t.port;
    const std::string request = "GET " + t.path + " HTTP/1.0\r\nHost: " + host +
                                "\r\nAccept: application/json\r\nConnection: close\r\n\r\n";
    if (BIO_write(bio, request.data(), static_cast<int>(request.size())) !=
        static_cast<int>(request.size())) {
        return gone(until, "connection_lost");
    }
    std::string answer;
    char piece[8192];
    for (;;) {
        if (steady::now() >= until) {
            return fail(errc::deadline_exceeded, "deadline_exceeded");
        }
        limit_waits(bio, until);
        const int n = BIO_read(bio, piece, sizeof piece);
        if (n <= 0) {
            break;
        }
        answer.append(piece, static_cast<std::size_t>(n));
        if (answer.size() > bytes_max + head_bytes_max) {
            return fail(errc::resource_exhausted, "answer_too_large");
        }
    }
    if (steady::now() >= until) {
        return fail(errc::deadline_exceeded, "deadline_exceeded");
    }
    return answer;
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t");
    const auto last = text.find_last_not_of(" \t\r");
    return first == text.npos ? std::string_view() : text.substr(first, last - first + 1);
}

result<https_answer> parse_answer(std::string_view text, std::size_t bytes_max) {
    const auto bad = [] { return fail(errc::unavailable, "bad_answer", "not an HTTP answer"); };
    const auto end = text.find("\r\n\r\n");
    if (end == text.npos || end > head_bytes_max || !text.starts_with("HTTP/1.") ||
        text.size() < 12) {
        return bad();
    }
    const auto status = parse_uint(text.substr(9, 3));
    if (!status) {
        return bad();
    }
    https_answer answer;
    answer.status = static_cast<int>(*status);
    auto head = text.substr(0, end);
    for (auto at = head.find("\r\n"); at != head.npos; at = head.find("\r\n")) {
        head.remove_prefix(at + 2);
        const auto line = head.substr(0, head.find("\r\n"));
        const auto colon = line.find(':');
        if (colon != line.npos) {
            answer.fields.add(line.substr(0, colon), trimmed(line.substr(colon + 1)));
        }
    }
    const auto body = text.substr(end + 4);
    if (answer.fields.get("Transfer-Encoding")) {
        return bad();
    }
    std::size_t length = body.size();
    if (const auto told = answer.fields.get("Content-Length")) {
        const auto n = parse_uint(*told);
        if (!n || *n > body.size()) {
            return fail(errc::unavailable, "connection_lost", "the answer is not whole");
        }
        length = static_cast<std::size_t>(*n);
    }
    if (length > bytes_max) {
        return fail(errc::resource_exhausted, "answer_too_large");
    }
    answer.body = body.substr(0, length);
    return answer;
}

}  // namespace

result<https_answer> https_get(const https_request& r) {
    const auto until = steady::now() + r.deadline;
    const auto t = parse_url(r.url);
    if (!t) {
        return fail(errc::invalid_argument, "bad_url", "expected https://HOST[:PORT]/PATH");
    }
    auto context = make_context(r.ca_file);
    if (!context) {
        return fail(std::move(context.error()));
    }
    auto bio = connect(*t, context->get(), until);
    if (!bio) {
        return fail(std::move(bio.error()));
    }
    auto answer = exchange(bio->get(), *t, r.body_bytes_max, until);
    if (!answer) {
        return fail(std::move(answer.error()));
    }
    return parse_answer(*answer, r.body_bytes_max);
}

}  // namespace vora::net
