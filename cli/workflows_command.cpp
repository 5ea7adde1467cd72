#include "cli/workflows_command.hpp"

#include "cli/connection.hpp"
#include "libs/base/clock.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

namespace vora::cli {

using nlohmann::json;

namespace {

std::optional<json> call_admin(const workflows_options& options, const std::string& method,
                               const std::string& path) {
    auto server = find_admin(options.data_dir);
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

std::string run_path(const workflows_options& options, const std::string& more = "") {
    return "/workflows/" + percent_encode(options.id) + more;
}

std::string text_of(const json& value) {
    std::string text = value.is_null()     ? "-"
                       : value.is_string() ? value.get<std::string>()
                                           : value.dump();
    std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, ' ');
    return text;
}

std::string failure_in_words(const json& run) {
    const auto& failure = run["failure"];
    return failure.is_object() ? text_of(failure["type"]) : "";
}

// What an event is about: the activity's name, the reason of a failure.
std::string subject_of(const json& attributes) {
    std::string text;
    for (const auto* key : {"name", "seq", "attempt"}) {
        if (attributes.contains(key)) {
            text += (text.empty() ? "" : " ") +
                    (std::string(key) == "name" ? "" : std::string(key) + " ") +
                    text_of(attributes[key]);
        }
    }
    for (const auto* key : {"failure", "cause"}) {
        const json* failure = attributes.contains(key) ? &attributes[key] : nullptr;
        while (failure != nullptr && failure->is_object()) {
            text += ": " + text_of(failure->value("type", json(nullptr))) + " (" +
                    text_of(failure->value("message", json(nullptr))) + ")";
            failure = failure->contains("cause") ? &failure->at("cause") : nullptr;
        }
    }
    return text;
}

}  // namespace

int run_workflows_list(const workflows_options& options) {
    json all = json::array();
    std::string page;
    const auto wanted = static_cast<std::size_t>(std::max(options.count_max, 1));
    do {
        std::string path =
            "/workflows?page_size=" + std::to_string(std::min<std::size_t>(wanted, 500));
        path += options.status.empty() ? "" : "&status=" + percent_encode(options.status);
        path += options.video.empty() ? "" : "&prefix=" + percent_encode("video-" + options.video);
        path += page.empty() ? "" : "&page_token=" + percent_encode(page);
        const auto answer = call_admin(options, "GET", path);
        if (!answer) {
            return 1;
        }
        for (const auto& run : (*answer)["workflows"]) {
            if (all.size() < wanted) {
                all.push_back(run);
            }
        }
        page = answer->value("next_page_token", "");
    } while (!page.empty() && all.size() < wanted);
    if (options.json) {
        std::printf("%s\n", all.dump(2).c_str());
        return 0;
    }
    std::printf("%-48s  %-10s  %-24s  %s\n", "WORKFLOW", "STATUS", "STARTED", "FAILURE");
    for (const auto& run : all) {
        std::printf("%-48s  %-10s  %-24s  %s\n", text_of(run["workflow_id"]).c_str(),
                    text_of(run["status"]).c_str(), text_of(run["started_at"]).c_str(),
                    failure_in_words(run).c_str());
    }
    return 0;
}

int run_workflows_show(const workflows_options& options) {
    const auto run = call_admin(options, "GET", run_path(options));
    if (!run) {
        return 1;
    }
    if (options.json) {
        std::printf("%s\n", run->dump(2).c_str());
        return 0;
    }
    for (const auto& [key, value] : run->items()) {
        if (key != "pending_activities") {
            std::printf("%-14s %s\n", key.c_str(), text_of(value).c_str());
        }
    }
    for (const auto& a : (*run)["pending_activities"]) {
        std::printf("waits for      %s, attempt %s%s%s %s\n", text_of(a["type"]).c_str(),
                    text_of(a["attempt"]).c_str(), a["last_failure"] == "" ? "" : ", last failed: ",
                    text_of(a["last_failure"]).c_str(), text_of(a["progress"]).c_str());
    }
    return 0;
}

int run_workflows_history(const workflows_options& options) {
    const auto events = call_admin(options, "GET", run_path(options, "/history"));
    if (!events) {
        return 1;
    }
    if (options.json) {
        std::printf("%s\n", events->dump(2).c_str());
        return 0;
    }
    if (events->empty()) {
        std::printf("its history is no longer kept\n");
    }
    for (const auto& e : *events) {
        std::printf("%4s  %s  %-38s %s\n", text_of(e["event_id"]).c_str(),
                    to_rfc3339(from_unix_ms(e.value("time_ms", std::int64_t{0}))).c_str(),
                    text_of(e["type"]).c_str(), subject_of(e["attributes"]).c_str());
    }
    return 0;
}

int run_workflows_retry(const workflows_options& options) {
    const auto begun = call_admin(options, "POST", run_path(options, "/retry"));
    if (!begun) {
        return 1;
    }
    if (options.json) {
        std::printf("%s\n", begun->dump(2).c_str());
    } else {
        std::printf("started %s\n", text_of((*begun)["workflow_id"]).c_str());
    }
    return 0;
}

}  // namespace vora::cli
