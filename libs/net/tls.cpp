#include "libs/net/tls.hpp"

#include "libs/net/tcp_stream.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <cerrno>

namespace vora::net {

namespace {

// A BIO on a socket that raises no SIGPIPE, which OpenSSL's own does.
int bio_fd(BIO* bio) {
    return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

int write_socket(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const auto n = ::send(bio_fd(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_write(bio);
    }
    return static_cast<int>(n);
}

int read_socket(BIO* bio, char* into, int size) {
    BIO_clear_retry_flags(bio);
    const auto n = ::recv(bio_fd(bio), into, static_cast<std::size_t>(size), 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        BIO_set_retry_read(bio);
    }
    return static_cast<int>(n);
}

long control_socket(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

struct bio_method {
    bio_method() : method(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket")) {
        BIO_meth_set_write(method, write_socket);
        BIO_meth_set_read(method, read_socket);
        BIO_meth_set_ctrl(method, control_socket);
    }
    ~bio_method() { BIO_meth_free(method); }
    bio_method(const bio_method&) = delete;
    BIO_METHOD* method;
};

class tls_layer final : public record_layer {
 public:
    explicit tls_layer(SSL* session) : session_(session) {}
    ~tls_layer() override { SSL_free(session_); }
    tls_layer(const tls_layer&) = delete;

    step shake_hands() override {
        ERR_clear_error();
        return judge(SSL_connect(session_), 0);
    }
    step read(std::span<char> into) override {
        ERR_clear_error();
        std::size_t n = 0;
        const int how = SSL_read_ex(session_, into.data(), into.size(), &n);
        return judge(how, n);
    }
    step write(std::string_view bytes) override {
        ERR_clear_error();
        std::size_t n = 0;
        const int how = SSL_write_ex(session_, bytes.data(), bytes.size(), &n);
        return judge(how, n);
    }
    step peek() override {
        ERR_clear_error();
        char byte = 0;
        std::size_t n = 0;
        const int how = SSL_peek_ex(session_, &byte, 1, &n);
        return judge(how, n);
    }
    std::string trouble() const override { return trouble_; }

 private:
    step judge(int how, std::size_t bytes) {
        if (how == 1) {
            return {state::done, bytes};
        }
        switch (SSL_get_error(session_, how)) {
            case SSL_ERROR_WANT_READ:
                return {state::wants_read, 0};
            case SSL_ERROR_WANT_WRITE:
                return {state::wants_write, 0};
            default:
                break;
        }
        const char* reason = ERR_reason_error_string(ERR_peek_last_error());
        trouble_ = reason != nullptr ? reason : "the connection ended";
        const long verified = SSL_get_verify_result(session_);
        if (verified != X509_V_OK) {
            trouble_ += std::string(": ") + X509_verify_cert_error_string(verified);
        }
        ERR_clear_error();
        return {state::closed, 0};
    }

    SSL* session_;
    std::string trouble_;
};

class tls final : public transport_security {
 public:
    explicit tls(SSL_CTX* context) : context_(context) {}
    ~tls() override { SSL_CTX_free(context_); }
    tls(const tls&) = delete;

    result<std::unique_ptr<record_layer>> begin(int fd, const std::string& host) override {
        SSL* session = SSL_new(context_);
        BIO* bio = BIO_new(method_.method);
        if (session == nullptr || bio == nullptr) {
            SSL_free(session);
            BIO_free(bio);
            return fail(errc::unavailable, "tls_failed", "cannot begin");
        }
        BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
        BIO_set_init(bio, 1);
        SSL_set_bio(session, bio, bio);
        auto layer = std::make_unique<tls_layer>(session);
        const bool is_address =
            X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host.c_str()) == 1;
        if (!is_address && (SSL_set_tlsext_host_name(session, host.c_str()) != 1 ||
                            SSL_set1_host(session, host.c_str()) != 1)) {
            return fail(errc::unavailable, "tls_failed", "not a host name");
        }
        return layer;
    }

 private:
    SSL_CTX* context_;
    bio_method method_;
};

}  // namespace

result<std::shared_ptr<transport_security>> make_tls(const std::string& ca_file) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    auto made = std::make_shared<tls>(context);
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const int loaded = ca_file.empty()
                           ? SSL_CTX_set_default_verify_paths(context)
                           : SSL_CTX_load_verify_locations(context, ca_file.c_str(), nullptr);
    ERR_clear_error();
    if (loaded != 1) {
        return fail(errc::invalid_argument, "bad_ca_file",
                    "cannot read the certificates to trust from " + ca_file);
    }
    return made;
}

}  // namespace vora::net
