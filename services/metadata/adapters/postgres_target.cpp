#include "services/metadata/adapters/postgres_target.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <string_view>

namespace vora::metadata {

namespace {

constexpr std::size_t hosts_max = 16;

std::unexpected<error> bad_url(const char* why) {
    return fail(errc::invalid_argument, "bad_database_url",
                std::string("expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE: ") + why);
}

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::size_t from = 0;
    for (;;) {
        const auto comma = list.find(',', from);
        parts.push_back(list.substr(from, comma - from));
        if (comma == std::string::npos) {
            return parts;
        }
        from = comma + 1;
    }
}

// A raw '@', '/' or '?' in a password would make libpq take a part of it for a host or a port, and
// name it in its errors.
bool is_unambiguous(std::string_view url) {
    const auto rest = url.substr(url.find("://") + 3);
    const auto authority = rest.substr(0, rest.find_first_of("/?"));
    const auto all = std::ranges::count(rest, '@');
    return all <= 1 && std::ranges::count(authority, '@') == all;
}

std::string part(const std::vector<std::string>& list, std::size_t i) {
    return list.size() == 1 ? list.front() : i < list.size() ? list[i] : "";
}

// One set for each host; what stands for all of them is copied.
postgres_target spread(const std::map<std::string, std::string>& all) {
    const auto list = [&](const char* key) {
        const auto found = all.find(key);
        return found == all.end() ? std::vector<std::string>{""} : split(found->second);
    };
    const auto hosts = list("host");
    const auto addresses = list("hostaddr");
    const auto ports = list("port");
    postgres_target target;
    for (std::size_t i = 0; i < std::max(hosts.size(), addresses.size()); ++i) {
        auto one = all;
        one["host"] = part(hosts, i);
        one["hostaddr"] = part(addresses, i);
        one["port"] = part(ports, i);
        std::erase_if(one, [](const auto& entry) { return entry.second.empty(); });
        target.hosts.push_back(std::move(one));
    }
    return target;
}

void add_defaults(std::map<std::string, std::string>& one) {
    one.emplace("fallback_application_name", "vora-metadata");
    one.emplace("keepalives", "1");
    one.emplace("keepalives_idle", "10");
    one.emplace("keepalives_interval", "5");
    one.emplace("keepalives_count", "3");
    one["client_encoding"] = "UTF8";
}

int milliseconds_until(deadline_point deadline) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

// False when the time is over.
bool wait_for(PGconn* c, bool to_write, deadline_point deadline) {
    for (;;) {
        const int left = milliseconds_until(deadline);
        if (left == 0) {
            return false;
        }
        pollfd wanted{PQsocket(c), static_cast<short>(to_write ? POLLOUT : POLLIN), 0};
        if (::poll(&wanted, 1, left) > 0) {
            return true;
        }
    }
}

}  // namespace

result<postgres_target> parse_postgres_url(const std::string& url) {
    if (!url.starts_with("postgresql://") && !url.starts_with("postgres://")) {
        return bad_url("another scheme");
    }
    if (!is_unambiguous(url)) {
        return bad_url("'@', '/' and '?' in a password are written %40, %2F and %3F");
    }
    char* complaint = nullptr;  // quotes the URL: not for anybody's eyes
    const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
        PQconninfoParse(url.c_str(), &complaint), &PQconninfoFree);
    PQfreemem(complaint);
    if (!parsed) {
        return bad_url("libpq does not understand it");
    }
    std::map<std::string, std::string> all;
    for (const auto* option = parsed.get(); option->keyword != nullptr; ++option) {
        if (option->val != nullptr) {
            all[option->keyword] = option->val;
        }
    }
    auto target = spread(all);
    if (target.hosts.size() > hosts_max) {
        return bad_url("too many hosts");
    }
    std::ranges::for_each(target.hosts, add_defaults);
    return target;
}

void add_setting(postgres_target& target, const std::string& name, const std::string& value) {
    for (auto& host : target.hosts) {
        auto& options = host["options"];
        options += (options.empty() ? "-c " : " -c ") + name + "=" + value;
    }
}

void postgres_closer::operator()(pg_conn* c) const noexcept {
    PQfinish(c);
}

postgres_handle connect(const std::map<std::string, std::string>& host, deadline_point deadline) {
    std::vector<const char*> keys;
    std::vector<const char*> values;
    for (const auto& [key, value] : host) {
        keys.push_back(key.c_str());
        values.push_back(value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    postgres_handle c(PQconnectStartParams(keys.data(), values.data(), 0));
    if (!c) {
        throw std::bad_alloc();
    }
    // What the server says besides is not for stderr.
    PQsetNoticeProcessor(c.get(), [](void*, const char*) {}, nullptr);
    auto next = PQstatus(c.get()) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED) {
            throw postgres_away(PQerrorMessage(c.get()));
        }
        if (!wait_for(c.get(), next == PGRES_POLLING_WRITING, deadline)) {
            throw postgres_away("the server did not answer in time");
        }
        next = PQconnectPoll(c.get());
    }
    return c;
}

}  // namespace vora::metadata
