#include "cli/token_command.hpp"

#include "cli/connection.hpp"
#include "libs/auth/jwt.hpp"
#include "libs/base/encoding.hpp"

#include <cstdio>
#include <filesystem>

namespace vora::cli {

namespace {

// "90s", "15m", "1h", "30d"
result<seconds> parse_duration(const std::string& text) {
    const auto bad =
        fail(errc::invalid_argument, "bad_ttl", "write a time like 90s, 15m, 1h or 30d");
    if (text.size() < 2) {
        return bad;
    }
    const auto number = parse_uint(text.substr(0, text.size() - 1));
    if (!number || *number == 0 || *number > 100'000) {
        return bad;
    }
    const auto n = static_cast<std::int64_t>(*number);
    switch (text.back()) {
        case 's':
            return seconds(n);
        case 'm':
            return std::chrono::minutes(n);
        case 'h':
            return std::chrono::hours(n);
        case 'd':
            return std::chrono::days(n);
        default:
            return bad;
    }
}

int complain(const error& e) {
    std::fprintf(stderr, "vora: %s\n", in_words(e).c_str());
    return 1;
}

}  // namespace

int run_token(const token_options& options) {
    const auto scope = auth::parse_scope(options.scope);
    if (!scope) {
        return complain(scope.error());
    }
    const auto ttl = parse_duration(options.ttl);
    if (!ttl) {
        return complain(ttl.error());
    }
    const auto key = options.data_dir + "/keys/issuer.pem";
    if (!std::filesystem::exists(key)) {
        return complain({errc::not_found, "no_issuer_key",
                         "no key in " + options.data_dir + ": `vora up --data " + options.data_dir +
                             "` makes one at its first start"});
    }
    const auto issuer = auth::token_issuer::load_or_create(key);
    if (!issuer) {
        return complain(issuer.error());
    }
    std::printf("%s\n",
                issuer->mint(options.subject, *scope, system_clock_source().now(), *ttl).c_str());
    return 0;
}

int run_studio(const studio_options& options) {
    auto server = find_server(options.data_dir);
    if (!server) {
        return complain(server.error());
    }
    event_loop loop;
    net::client client(loop.executor());
    const auto link = loop.run_until_done(call(client, *server, "POST", "/session/links"));
    if (!link) {
        return complain(link.error());
    }
    std::printf("%s%s\n", server->url.c_str(), link->value("url", "/").c_str());
    return 0;
}

}  // namespace vora::cli
