#include "libs/net/tls.hpp"

#include "libs/base/crypto.hpp"
#include "libs/net/client.hpp"
#include "libs/net/server_fixture.hpp"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <filesystem>

namespace vora::net {
namespace {

using namespace std::chrono_literals;

// A self-signed certificate for 127.0.0.1, which is its own authority.
class certificate {
 public:
    certificate() : key_(EVP_EC_gen("P-256")), cert_(X509_new()) {
        X509_set_version(cert_, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(cert_), 1);
        X509_gmtime_adj(X509_getm_notBefore(cert_), -3600);
        X509_gmtime_adj(X509_getm_notAfter(cert_), 24 * 3600);
        X509_set_pubkey(cert_, key_);
        X509_NAME_add_entry_by_txt(X509_get_subject_name(cert_), "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
        X509_set_issuer_name(cert_, X509_get_subject_name(cert_));
        auto* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
        X509_add_ext(cert_, names, -1);
        X509_EXTENSION_free(names);
        X509_sign(cert_, key_, EVP_sha256());
        FILE* out = std::fopen(path().c_str(), "w");
        PEM_write_X509(out, cert_);
        std::fclose(out);
    }
    ~certificate() {
        X509_free(cert_);
        EVP_PKEY_free(key_);
        std::filesystem::remove(path_);
    }
    certificate(const certificate&) = delete;

    const std::string& path() const { return path_; }
    void use_in(SSL_CTX* context) const {
        SSL_CTX_use_certificate(context, cert_);
        SSL_CTX_use_PrivateKey(context, key_);
    }

 private:
    std::string path_ = std::filesystem::temp_directory_path() / ("vora_ca_" + random_hex(8));
    EVP_PKEY* key_;
    X509* cert_;
};

// Takes connection after connection; answers each request with its own body and `body_bytes` more.
class tls_server {
 public:
    tls_server(const certificate& cert, std::size_t body_bytes)
        : context_(SSL_CTX_new(TLS_server_method())), body_bytes_(body_bytes) {
        cert.use_in(context_);
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in at{};
        at.sin_family = AF_INET;
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof at;
        ::bind(fd_, reinterpret_cast<sockaddr*>(&at), size);
        ::listen(fd_, 8);
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
        port_ = std::to_string(ntohs(at.sin_port));
        thread_ = std::thread([this] { run(); });
    }
    ~tls_server() {
        ::shutdown(fd_, SHUT_RDWR);
        thread_.join();
        ::close(fd_);
        SSL_CTX_free(context_);
    }
    tls_server(const tls_server&) = delete;
    std::string url(const std::string& host = "127.0.0.1") const {
        return "https://" + host + ":" + port_ + "/";
    }
    std::atomic<int> connections = 0;

 private:
    void run() {
        for (;;) {
            const int peer = ::accept(fd_, nullptr, nullptr);
            if (peer < 0) {
                return;
            }
            ++connections;
            const timeval limit{30, 0};
            ::setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            SSL* session = SSL_new(context_);
            SSL_set_fd(session, peer);
            if (SSL_accept(session) == 1) {
                serve(session);
            }
            SSL_free(session);
            ::close(peer);
        }
    }
    void serve(SSL* session) {
        std::string got;
        char piece[16384];
        for (;;) {
            const auto end = got.find("\r\n\r\n");
            const auto at = got.find("Content-Length: ");
            const auto length = at < end ? std::stoul(got.substr(at + 16)) : 0;
            if (end != got.npos && got.size() >= end + 4 + length) {
                std::string answer =
                    "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(length + body_bytes_) +
                    "\r\n\r\n" + got.substr(end + 4, length) + std::string(body_bytes_, 'b');
                SSL_write(session, answer.data(), static_cast<int>(answer.size()));
                got.erase(0, end + 4 + length);
                continue;
            }
            const int n = SSL_read(session, piece, sizeof piece);
            if (n <= 0) {
                return;
            }
            got.append(piece, static_cast<std::size_t>(n));
        }
    }

    SSL_CTX* context_;
    std::size_t body_bytes_;
    int fd_ = -1;
    std::string port_;
    std::thread thread_;
};

client_request get(std::string url) {
    client_request r;
    r.url = std::move(url);
    return r;
}

struct tls_client : testing::Test {
    certificate cert;
    event_loop loop;

    result<client_response> ask(client& c, client_request r) {
        r.deadline = 60s;
        r.body_bytes_max = 32 << 20;
        return loop.run_until_done(c.send(std::move(r)));
    }
};

TEST_F(tls_client, sends_and_receives_much_on_one_kept_connection) {
    tls_server server(cert, 3'000'000);
    {
        client c(loop.executor(), 4, *make_tls(cert.path()));
        const std::string bytes(5'000'000, 'a');
        for (int i = 0; i < 3; ++i) {
            client_request r;
            r.method = "PUT";
            r.url = server.url();
            r.memory = bytes;
            auto answer = ask(c, r);
            ASSERT_TRUE(answer) << answer.error().reason << answer.error().detail;
            EXPECT_TRUE(answer->body == bytes + std::string(3'000'000, 'b'));
        }
        EXPECT_EQ(server.connections, 1);
    }
}

TEST_F(tls_client, trusts_no_unknown_authority) {
    tls_server server(cert, 1);
    const certificate other;
    client c(loop.executor(), 4, *make_tls(other.path()));
    auto answer = ask(c, get(server.url()));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, "tls_failed");
    EXPECT_EQ(answer.error().code, errc::unavailable);
}

TEST_F(tls_client, takes_no_certificate_of_another_name) {
    tls_server server(cert, 1);
    client c(loop.executor(), 4, *make_tls(cert.path()));
    auto answer = ask(c, get(server.url("localhost")));
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().reason, "tls_failed");
}

TEST_F(tls_client, names_a_file_without_certificates) {
    auto made = make_tls("/nonexistent");
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().reason, "bad_ca_file");
}

}  // namespace
}  // namespace vora::net
