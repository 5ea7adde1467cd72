// What of `vora doctor` concerns the machine: port, ffmpeg, clock; and the running server's answer.

#include "libs/auth/jwt.hpp"
#include "libs/base/async.hpp"
#include "libs/base/clock.hpp"
#include "libs/base/encoding.hpp"
#include "libs/net/client.hpp"
#include "services/all/doctor_checks.hpp"
#include "services/all/run_program.hpp"

#include <netdb.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace vora::all {

namespace {

namespace fs = std::filesystem;

constexpr int ffmpeg_major_least = 5;
constexpr std::int64_t day_s = 86'400;
constexpr std::int64_t jump_s = 300;  // file times ahead of the clock by more are a wrong clock
// This program was not written before: a clock that says so is wrong.
constexpr std::int64_t written_s = 1'790'000'000;

struct bound {
    int error_number = 0;
    std::string resolver;  // why the name means nothing
};

// Whether a listener could be opened there now.
bound try_to_bind(const std::string& host, const std::string& port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    if (const int wrong = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); wrong != 0) {
        return {0, ::gai_strerror(wrong)};
    }
    bound b;
    const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int yes = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (::bind(fd, found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd, 1) != 0) {
        b.error_number = errno;
    }
    ::close(fd);
    ::freeaddrinfo(found);
    return b;
}

// "ffmpeg version 5.1.9-0+deb12u1 Copyright" -> "5.1.9-0+deb12u1"
std::string version_in(const std::string& text) {
    constexpr std::string_view before = " version ";
    const auto at = text.find(before);
    if (at == std::string::npos) {
        return {};
    }
    const auto begin = at + before.size();
    return text.substr(begin, text.find_first_of(" \n", begin) - begin);
}

diagnosis ffmpeg_problem(std::string code, std::string what, std::string why) {
    return {"ffmpeg", std::move(code), std::move(what), std::move(why),
            "install ffmpeg 5 or newer with libx264 (Debian: apt-get install ffmpeg), or set "
            "media.ffmpeg to one"};
}

std::optional<diagnosis> judge_encoders(const std::string& ffmpeg) {
    const auto listed = run_program({ffmpeg, "-hide_banner", "-encoders"}, 10s);
    if (!listed) {
        return ffmpeg_problem("ffmpeg_broken", ffmpeg + " does not work", listed.error().detail);
    }
    for (const std::string name : {"libx264", "aac"}) {
        if (listed->output.find(" " + name + " ") == std::string::npos) {
            return ffmpeg_problem("ffmpeg_without_" + name, ffmpeg + " cannot encode " + name,
                                  "it was built without it");
        }
    }
    return std::nullopt;
}

std::optional<timestamp> modified(const std::string& path) {
    struct stat s{};
    if (::stat(path.c_str(), &s) != 0) {
        return std::nullopt;
    }
    return from_unix_ms(std::int64_t{s.st_mtim.tv_sec} * 1000);
}

std::string ahead_in_words(std::int64_t ahead_s) {
    return ahead_s >= 2 * day_s   ? std::to_string(ahead_s / day_s) + " days"
           : ahead_s >= 2 * 3'600 ? std::to_string(ahead_s / 3'600) + " hours"
                                  : std::to_string(ahead_s / 60) + " minutes";
}

diagnosis clock_problem(std::string what, std::string why) {
    return {"clock", "clock_wrong", std::move(what), std::move(why),
            "set the clock (timedatectl set-ntp true); tokens, grants and expiry go by it"};
}

std::string remedy_for(const std::string& dependency) {
    if (dependency.find("event") != std::string::npos) {
        return "it is fetched in the background with npm at the first start: install npm, check "
               "the network; events are kept in the spool meanwhile, nothing else waits for it";
    }
    if (dependency == "ffmpeg") {
        return "install ffmpeg, or set media.ffmpeg, and restart";
    }
    return "see DIR/log/vora.jsonl";
}

}  // namespace

diagnoses check_port(const doctor_facts& facts) {
    const auto colon = facts.listen.rfind(':');
    if (facts.server != 0 || colon == std::string::npos) {
        return {};
    }
    const auto host = facts.listen.substr(0, colon);
    const auto port = facts.listen.substr(colon + 1);
    const auto b = try_to_bind(host, port);
    if (!b.resolver.empty()) {
        return {{"port", "bad_address", facts.listen + " is no address to listen on", b.resolver,
                 "write --listen HOST:PORT"}};
    }
    if (b.error_number == EADDRINUSE) {
        const auto holder =
            listener_of(static_cast<std::uint16_t>(std::strtoul(port.c_str(), nullptr, 10)));
        return {{"port", "port_in_use", "port " + port + " is taken",
                 holder == 0 ? "a process of another user listens there"
                             : "process " + process_in_words(holder) + " listens there",
                 "stop it, or start with --listen " + host + ":OTHER"}};
    }
    if (b.error_number != 0) {
        return {{"port", "port_refused", facts.listen + " cannot be listened on",
                 std::strerror(b.error_number),
                 "choose another --listen (ports below 1024 need CAP_NET_BIND_SERVICE)"}};
    }
    return {};
}

diagnoses check_ffmpeg(const doctor_facts& facts) {
    const auto ffmpeg = which_program(facts.ffmpeg);
    if (ffmpeg.empty()) {
        return {ffmpeg_problem("ffmpeg_missing", "ffmpeg is missing",
                               facts.ffmpeg.find('/') == std::string::npos
                                   ? "there is no " + facts.ffmpeg + " in PATH"
                                   : facts.ffmpeg + " is no program")};
    }
    const auto told = run_program({ffmpeg, "-hide_banner", "-version"}, 10s);
    const auto version = told ? version_in(told->output) : std::string();
    if (!told || told->code != 0 || version.empty()) {
        return {ffmpeg_problem("ffmpeg_broken", ffmpeg + " does not work",
                               !told
                                   ? told.error().detail
                                   : "`ffmpeg -version` ends with " + std::to_string(told->code))};
    }
    // A build of their repository ("N-108...") is newer than any release.
    const auto digits = version.find_first_of("0123456789");
    const bool release = digits == 0 || (digits == 1 && version[0] == 'n');
    if (release && std::atoi(version.c_str() + digits) < ffmpeg_major_least) {
        return {ffmpeg_problem("ffmpeg_too_old", ffmpeg + " is too old", "it is " + version)};
    }
    const auto beside = (fs::path(ffmpeg).parent_path() / "ffprobe").string();
    if (which_program(beside).empty() && which_program("ffprobe").empty()) {
        return {ffmpeg_problem("ffprobe_missing", "ffprobe is missing",
                               "it is neither beside " + ffmpeg + " nor in PATH")};
    }
    if (auto d = judge_encoders(ffmpeg)) {
        return {std::move(*d)};
    }
    return {};
}

diagnoses check_clock(const doctor_facts& facts) {
    const auto now = system_clock_source().now();
    if (to_unix_ms(now) < written_s * 1000) {
        return {clock_problem("the clock says " + to_rfc3339(now),
                              "this program is younger than that")};
    }
    std::string newest;
    timestamp latest{};
    const auto look = [&](const std::string& path) {
        if (const auto t = modified(path); t && *t > latest) {
            latest = *t;
            newest = path;
        }
    };
    look(facts.dir + "/api.token");
    for (const auto* folder : {"/keys", "/db", "/log"}) {
        std::error_code failed;
        for (fs::directory_iterator at(facts.dir + folder, failed), end; !failed && at != end;
             at.increment(failed)) {
            look(at->path().string());
        }
    }
    const auto ahead_s = (to_unix_ms(latest) - to_unix_ms(now)) / 1000;
    if (ahead_s > jump_s) {
        return {
            clock_problem("the clock is behind, or was ahead",
                          newest + " was written " + ahead_in_words(ahead_s) + " in the future")};
    }
    return {};
}

diagnoses check_server(const doctor_facts& facts) {
    if (facts.server == 0) {
        return {};
    }
    const auto url = facts.http.starts_with("http") ? facts.http : "http://" + facts.http;
    event_loop loop;
    net::client client(loop.executor());
    net::client_request request;
    request.url = url + "/readyz";
    request.deadline = 15s;
    const auto answer = loop.run_until_done(client.send(std::move(request)));
    if (facts.http.empty() || !answer) {
        return {{"server", "server_silent",
                 "Vora runs as process " + process_in_words(facts.server) + " but does not answer",
                 facts.http.empty() ? "it has not written run.json: it is starting, or hangs there"
                                    : answer.error().reason + " at " + url,
                 "look at DIR/log/vora.jsonl; stop it (SIGTERM) and start it again"}};
    }
    diagnoses all;
    const auto date = from_http_date(answer->headers.get("Date").value_or(""));
    const auto now = system_clock_source().now();
    if (date && std::abs(to_unix_ms(*date) - to_unix_ms(now)) > 60'000) {
        all.push_back(
            clock_problem("the server's clock and this one differ",
                          "it says " + to_rfc3339(*date) + ", here it is " + to_rfc3339(now)));
    }
    const auto body = nlohmann::json::parse(answer->body, nullptr, false);
    if (!body.is_object() || !body.contains("dependencies")) {
        return all;
    }
    for (const auto& d : body["dependencies"]) {
        const auto name = d.value("name", "");
        const bool on_its_way = d.value("detail", "").starts_with("fetching");
        if (d.value("status", "") != "ok" && !on_its_way) {
            all.push_back({name, name + "_" + d.value("status", ""),
                           "the server says " + name + " is " + d.value("status", ""),
                           d.value("detail", ""), remedy_for(name)});
        }
    }
    return all;
}

}  // namespace vora::all
