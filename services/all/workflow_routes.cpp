#include "services/all/workflow_routes.hpp"

#include "libs/base/encoding.hpp"
#include "libs/durable/engine_embedded/engine.hpp"
#include "libs/net/problem.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace vora::all {

namespace {

using durable::run_status;
using json = nlohmann::ordered_json;

constexpr std::size_t page_size_default = 50;
constexpr std::size_t page_size_max = 500;

constexpr std::array<std::pair<run_status, const char*>, 6> status_names{{
    {run_status::running, "running"},
    {run_status::completed, "completed"},
    {run_status::failed, "failed"},
    {run_status::cancelled, "cancelled"},
    {run_status::terminated, "terminated"},
    {run_status::timed_out, "timed_out"},
}};

const char* name_of(run_status s) {
    for (const auto& [status, name] : status_names) {
        if (status == s) {
            return name;
        }
    }
    return "";
}

std::optional<run_status> status_of(std::string_view text) {
    for (const auto& [status, name] : status_names) {
        if (text == name) {
            return status;
        }
    }
    return std::nullopt;
}

json run_json(const durable::run_description& run) {
    json j{{"workflow_id", run.workflow_id},
           {"run_id", run.run_id},
           {"type", run.workflow_type},
           {"status", name_of(run.status)},
           {"started_at", to_rfc3339(run.started)},
           {"closed_at", nullptr},
           {"failure", nullptr}};
    if (run.closed) {
        j["closed_at"] = to_rfc3339(*run.closed);
    }
    if (run.last_failure) {
        const auto& root = run.last_failure->root();
        j["failure"] = {{"type", root.type}, {"message", root.message}};
    }
    return j;
}

net::response answer(int status, const json& body) {
    auto r = net::response::json(status, body.dump(-1, ' ', false, json::error_handler_t::replace));
    r.headers.set("Cache-Control", "no-store");
    return r;
}

// "MS.ID": where the page before ended.
std::optional<durable::run_query::position> read_page_token(std::string_view text) {
    const auto dot = text.find('.');
    const auto ms = parse_uint(text.substr(0, dot));
    if (dot == std::string_view::npos || !ms) {
        return std::nullopt;
    }
    return durable::run_query::position{from_unix_ms(static_cast<std::int64_t>(*ms)),
                                        std::string(text.substr(dot + 1))};
}

// "video-{id}-g{generation}"; nullopt: no ingest.
std::optional<std::pair<std::string, std::int64_t>> ingest_of(std::string_view id) {
    constexpr std::string_view before = "video-";
    const auto mark = id.rfind("-g");
    if (!id.starts_with(before) || mark == std::string_view::npos || mark <= before.size()) {
        return std::nullopt;
    }
    const auto generation = parse_uint(id.substr(mark + 2));
    if (!generation || *generation == 0 || *generation > INT32_MAX) {
        return std::nullopt;
    }
    return std::pair(std::string(id.substr(before.size(), mark - before.size())),
                     static_cast<std::int64_t>(*generation));
}

}  // namespace

workflow_routes::workflow_routes(durable::embedded_engine& engine, auth::token_verifier verifier,
                                 const clock_source& clock, retry_ingest retry)
    : engine_(engine), verifier_(std::move(verifier)), clock_(clock), retry_(std::move(retry)) {}

net::router workflow_routes::routes() {
    net::router router;
    // Only its own paths: whoever merges these routes keeps the rest as it is.
    router.before([this](net::request& r) -> task<std::optional<net::response>> {
        const auto token = auth::bearer_token(r.headers.get("Authorization").value_or(""));
        const auto who = verifier_.verify(token, clock_.now());
        if (!who) {
            co_return net::problem(r, who.error());
        }
        if (!who->allows(auth::scope::admin)) {
            co_return net::problem(r, 403, "scope_too_small", "an admin token is needed");
        }
        co_return std::nullopt;
    });
    router.add("GET", "/workflows", [this](net::request& r) { return list(r); });
    router.add("GET", "/workflows/{id}", [this](net::request& r) { return show(r); });
    router.add("GET", "/workflows/{id}/history", [this](net::request& r) { return history(r); });
    router.add("POST", "/workflows/{id}/retry", [this](net::request& r) { return retry(r); });
    return router;
}

task<net::response> workflow_routes::list(net::request& r) {
    durable::run_query q;
    q.count_max = page_size_default;
    if (const auto text = r.query_value("status"); text && !text->empty()) {
        q.status = status_of(*text);
        if (!q.status) {
            co_return net::problem(r, 400, "bad_status", "no status of a workflow");
        }
    }
    q.id_prefix = r.query_value("prefix").value_or("");
    if (const auto size = r.query_value("page_size")) {
        const auto n = parse_uint(*size);
        if (!n || *n == 0) {
            co_return net::problem(r, 400, "bad_page_size", "a whole number from 1");
        }
        q.count_max = std::min<std::size_t>(*n, page_size_max);
    }
    if (const auto token = r.query_value("page_token"); token && !token->empty()) {
        q.after = read_page_token(*token);
        if (!q.after) {
            co_return net::problem(r, 400, "bad_page_token", "not one of ours");
        }
    }
    const auto wanted = q.count_max;
    auto runs = co_await engine_.list(std::move(q));
    if (!runs) {
        co_return net::problem(r, runs.error());
    }
    json body{{"workflows", json::array()}};
    for (const auto& run : *runs) {
        body["workflows"].push_back(run_json(run));
    }
    if (runs->size() == wanted) {
        body["next_page_token"] =
            std::to_string(to_unix_ms(runs->back().started)) + "." + runs->back().workflow_id;
    }
    co_return answer(200, body);
}

task<net::response> workflow_routes::show(net::request& r) {
    auto run = co_await engine_.describe(std::string(r.param("id")));
    if (!run) {
        co_return net::problem(r, run.error());
    }
    auto body = run_json(*run);
    body["pending_activities"] = json::array();
    for (const auto& a : run->pending_activities) {
        const auto progress = json::parse(a.heartbeat_details, nullptr, false);
        body["pending_activities"].push_back(
            {{"type", a.type},
             {"attempt", a.attempt},
             {"last_failure", a.last_failure_type},
             {"progress", progress.is_discarded() ? json(nullptr) : progress}});
    }
    co_return answer(200, body);
}

task<net::response> workflow_routes::history(net::request& r) {
    auto text = co_await engine_.history(std::string(r.param("id")));
    if (!text) {
        co_return net::problem(r, text.error());
    }
    auto found = net::response::json(200, std::move(*text));
    found.headers.set("Cache-Control", "no-store");
    co_return found;
}

task<net::response> workflow_routes::retry(net::request& r) {
    const auto ingest = ingest_of(r.param("id"));
    if (!ingest) {
        co_return net::problem(r, 409, "not_retryable",
                               "only a failed ingest can be tried again; a deletion tries again "
                               "by itself");
    }
    auto begun = co_await retry_(ingest->first, ingest->second);
    if (!begun) {
        co_return net::problem(r, begun.error());
    }
    co_return answer(202,
                     {{"workflow_id", "video-" + ingest->first + "-g" + std::to_string(*begun)}});
}

}  // namespace vora::all
