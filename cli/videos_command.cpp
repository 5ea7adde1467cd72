#include "cli/videos_command.hpp"

#include "cli/connection.hpp"
#include "cli/progress.hpp"
#include "libs/base/encoding.hpp"

#include <cstdio>

namespace vora::cli {

using nlohmann::json;

namespace {

// Runs one call and prints what went wrong; nullopt then.
std::optional<json> call_once(const videos_options& options, const std::string& method,
                              const std::string& path) {
    auto server = find_server(options.data_dir);
    if (!server) {
        std::fprintf(stderr, "vora: %s\n", in_words(server.error()).c_str());
        return std::nullopt;
    }
    event_loop loop;
    net::client client(loop.executor());
    auto answer = loop.run_until_done(call(client, *server, method, path));
    if (!answer) {
        std::fprintf(stderr, "vora: %s\n", in_words(answer.error()).c_str());
        return std::nullopt;
    }
    return std::move(*answer);
}

// A title may hold control characters of a terminal; a table shows it without them.
std::string printable(std::string text) {
    for (char& c : text) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            c = ' ';
        }
    }
    return text;
}

std::string text_of(const json& value) {
    return value.is_null()     ? "-"
           : value.is_string() ? printable(value.get<std::string>())
                               : value.dump();
}

void print_row(const json& video) {
    const auto& duration = video["duration_s"];
    std::printf("%-36s  %-10s  %8s  %s\n", video["id"].get<std::string>().c_str(),
                video["state"].get<std::string>().c_str(),
                duration.is_number() ? seconds_in_words(duration.get<double>()).c_str() : "-",
                text_of(video["title"]).c_str());
}

}  // namespace

int run_videos_list(const videos_options& options) {
    json all = json::array();
    std::string page;
    do {
        std::string path = "/v1/videos?page_size=200";
        if (!options.state.empty()) {
            path += "&state=" + percent_encode(options.state);
        }
        if (!page.empty()) {
            path += "&page_token=" + percent_encode(page);
        }
        const auto answer = call_once(options, "GET", path);
        if (!answer) {
            return 1;
        }
        for (const auto& video : (*answer)["videos"]) {
            all.push_back(video);
        }
        page = answer->value("next_page_token", "");
    } while (!page.empty());
    if (options.json) {
        std::printf("%s\n", all.dump(2).c_str());
        return 0;
    }
    std::printf("%-36s  %-10s  %8s  %s\n", "ID", "STATE", "DURATION", "TITLE");
    for (const auto& video : all) {
        print_row(video);
    }
    return 0;
}

int run_videos_show(const videos_options& options) {
    const auto video = call_once(options, "GET", "/v1/videos/" + percent_encode(options.id));
    if (!video) {
        return 1;
    }
    if (options.json) {
        std::printf("%s\n", video->dump(2).c_str());
        return 0;
    }
    for (const auto& [key, value] : video->items()) {
        if (key != "upload") {  // holds a grant
            std::printf("%-14s %s\n", key.c_str(), text_of(value).c_str());
        }
    }
    return 0;
}

int run_videos_delete(const videos_options& options) {
    if (!call_once(options, "DELETE", "/v1/videos/" + percent_encode(options.id))) {
        return 1;
    }
    if (!options.json) {
        std::printf("deleted %s\n", options.id.c_str());
    }
    return 0;
}

}  // namespace vora::cli
