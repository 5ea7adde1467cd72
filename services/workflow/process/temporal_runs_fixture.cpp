#include "services/workflow/process/temporal_runs_fixture.hpp"

#include "contracts/activities/media.hpp"
#include "contracts/activities/metadata.hpp"
#include "libs/durable/engine_embedded/test_environment.hpp"
#include "libs/durable/engine_temporal/temporal_channel.hpp"
#include "services/workflow/registry.hpp"

#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <temporal/api/workflowservice/v1/request_response.pb.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace vora::workflow {

namespace {

using namespace std::chrono_literals;
using durable::failure;
using durable::outcome;

constexpr auto patience = 60s;
constexpr int history_pages_max = 50;

contracts::probe_facts facts_of(double seconds) {
    contracts::probe_facts facts;
    facts.has_video = true;
    facts.width = facts.coded_width = 1280;
    facts.height = facts.coded_height = 720;
    facts.fps = facts.fps_nominal = 25;
    facts.duration_s = facts.video_duration_s = facts.video_end_s = seconds;
    facts.video_packets = static_cast<std::int64_t>(seconds * 25);
    facts.video_stream_index = 0;
    return facts;
}

std::string success_of(const std::string& type) {
    if (type == contracts::probe.name) {
        return nlohmann::json(facts_of(12)).dump();
    }
    if (type == contracts::encode.name) {
        contracts::encode_result encoded;
        encoded.renditions.resize(2);
        encoded.duration_s = 12;
        return nlohmann::json(encoded).dump();
    }
    if (type == contracts::stop_ingest.name) {
        return nlohmann::json(contracts::stop_ingest_result{true}).dump();
    }
    return "{}";
}

void close(course& c, const durable::run_description& d) {
    c.status = d.status;
    c.failure_type = d.last_failure ? d.last_failure->root().type : "";
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const course& c) {
    return out << "{" << c.attempts << " | " << static_cast<int>(c.status) << " " << c.failure_type
               << " " << c.failed_code << "}";
}

const std::map<std::string, std::string>& activity_queues() {
    static const std::map<std::string, std::string> all{
        {contracts::probe.name, contracts::probe.task_queue},
        {contracts::encode.name, contracts::encode.task_queue},
        {contracts::publish.name, contracts::publish.task_queue},
        {contracts::cleanup.name, contracts::cleanup.task_queue},
        {contracts::mark_ready.name, contracts::mark_ready.task_queue},
        {contracts::mark_failed.name, contracts::mark_failed.task_queue},
        {contracts::stop_ingest.name, contracts::stop_ingest.task_queue},
        {contracts::delete_uploads.name, contracts::delete_uploads.task_queue},
        {contracts::finish_delete.name, contracts::finish_delete.task_queue},
    };
    return all;
}

contracts::ingest_input ingest_of_one_video() {
    contracts::ingest_input in;
    in.video_id = "id";
    in.source_key = "upload/original.mp4";
    in.output_prefix = "id/";
    in.retry_budget_s = 60;
    return in;
}

std::map<std::string, std::string> answers_of_a_long_video() {
    constexpr double seconds = 3 * 3600;
    auto facts = facts_of(seconds);
    facts.container = "matroska,webm";
    facts.video_codec = "hevc";
    facts.audio_codec = "eac3";
    facts.pixel_format = "yuv420p10le";
    facts.width = facts.coded_width = 7680;
    facts.height = facts.coded_height = 4320;
    facts.fps = facts.fps_nominal = 60000.0 / 1001.0;
    facts.has_audio = true;
    facts.size_bytes = std::int64_t{1} << 40;
    contracts::encode_result encoded;
    encoded.duration_s = seconds;
    for (const int height : {4320, 2160, 1440, 1080, 720, 480, 360, 240, 144}) {
        contracts::rendition_facts r;
        r.name = std::to_string(height) + "p";
        r.height = height;
        r.width = height * 16 / 9;
        r.bandwidth = r.average_bandwidth = 123'456'789;
        r.codecs = "avc1.640034,mp4a.40.2";
        r.frame_rate = facts.fps;
        r.frames = static_cast<std::int64_t>(seconds * facts.fps);
        r.segments = static_cast<std::int64_t>(seconds / 4);
        r.size_bytes = std::int64_t{1} << 38;
        encoded.renditions.push_back(std::move(r));
    }
    encoded.input_report = {{"damaged", std::string(400, 'x')}, {"truncated", "ends early"}};
    return {{contracts::probe.name, nlohmann::json(facts).dump()},
            {contracts::encode.name, nlohmann::json(encoded).dump()}};
}

durable::activity_function actors::play(std::string type) {
    return
        [this, type](durable::activity_context& ctx, std::string in) -> task<outcome<std::string>> {
            seen.attempts += (seen.attempts.empty() ? "" : " ") + type;
            if (type == contracts::mark_failed.name) {
                seen.failed_code = nlohmann::json::parse(in).value("code", "");
            }
            if (type == blocks_in) {
                on_block();
                while (!ctx.is_cancelled()) {
                    ctx.heartbeat("{}");
                    co_await sleep_for(20ms);
                }
                co_return std::unexpected(failure::cancelled());
            }
            auto& fails = left[type];
            if (fails.empty()) {
                const auto told = answers.find(type);
                co_return told == answers.end() ? success_of(type) : told->second;
            }
            auto f = fails.front();
            fails.pop_front();
            co_return std::unexpected(f);
        };
}

embedded_run on_embedded(script s, const std::string& cancelled_in,
                         std::map<std::string, std::string> answers,
                         const contracts::ingest_input& input) {
    actors a(std::move(s));
    a.answers = std::move(answers);
    durable::workflow_test_environment env(registry());
    a.blocks_in = cancelled_in;
    a.on_block = [&env] { env.cancel_soon(); };
    for (const auto& [type, queue] : activity_queues()) {
        env.on_raw(type, queue, a.play(type));
    }
    env.start(contracts::ingest_video, input);
    (void)env.result();
    close(a.seen, env.describe());
    return {a.seen, env.history()};
}

std::string temporal_server() {
    const char* address = std::getenv("VORA_TEST_TEMPORAL");
    if (address == nullptr) {
        throw std::runtime_error("VORA_TEST_TEMPORAL names no Temporal server (tools/stack)");
    }
    return address;
}

on_temporal::on_temporal(script s) : played(std::move(s)) {
    durable::temporal_engine_options options;
    options.address.host_port = temporal_server();
    options.identity = "vora-test";
    engine = std::make_unique<durable::temporal_engine>(loop.executor(), options, obs::logger(),
                                                        metrics);
    static int number = 0;
    id = "workflow-test-" + std::to_string(getpid()) + "-" + std::to_string(++number) + "-" +
         std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
    workflow_queue = id;
}

on_temporal::~on_temporal() {
    for (auto& w : workers) {
        loop.run_until_done(w->stop());
    }
    loop.run_until_done(engine->stop());
}

std::unique_ptr<durable::temporal_workflow_worker> on_temporal::new_workflow_worker() {
    durable::temporal_worker_options options;
    options.address = temporal_server();
    options.task_queue = workflow_queue;
    options.identity = "vora-test";
    auto worker = std::make_unique<durable::temporal_workflow_worker>(registry(), options,
                                                                      obs::logger(), metrics);
    EXPECT_TRUE(worker->start());
    return worker;
}

void on_temporal::start(const std::set<std::string>& unserved) {
    begin(contracts::ingest_video.name, nlohmann::json(ingest_of_one_video()).dump(), unserved);
}

void on_temporal::start_deletion() {
    contracts::delete_input in;
    in.video_id = "id";
    in.output_prefix = "id/";
    begin(contracts::delete_video.name, nlohmann::json(in).dump(), {});
}

void on_temporal::begin(const std::string& type, const std::string& input,
                        const std::set<std::string>& unserved) {
    std::set<std::string> names;
    for (const auto& [activity, queue] : activity_queues()) {
        names.insert(queue);
    }
    for (const auto& queue : names) {
        if (!unserved.contains(queue)) {
            serve(queue);
        }
    }
    // A server that has too much to do just now is asked again, as the product does.
    ASSERT_TRUE(until([&] {
        auto started = loop.run_until_done(engine->start({id, type, workflow_queue, input}));
        return started || started.error().code == errc::already_exists;
    }));
}

void on_temporal::serve(const std::string& queue) {
    durable::activity_registry registry;
    for (const auto& [type, of] : activity_queues()) {
        if (of == queue) {
            registry.add(type, played.play(type));
        }
    }
    workers.push_back(std::make_unique<durable::activity_worker>(
        loop.executor(), *engine, std::move(registry),
        durable::activity_worker_options{queue, 1, 5'000ms}, obs::logger()));
    workers.back()->start();
}

void on_temporal::take_and_forget(const std::string& queue) {
    EXPECT_TRUE(until([&] {
        auto polled = loop.run_until_done(engine->poll(queue));
        return polled && *polled;
    })) << "no task in "
        << queue;
}

bool on_temporal::until(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) {
            return false;
        }
        loop.run_until_done(sleep_for(20ms));
    }
    return true;
}

void on_temporal::wait_for_an_attempt() {
    EXPECT_TRUE(until([this] { return !played.seen.attempts.empty(); }));
}

course on_temporal::end() {
    const bool ended = until([this] {
        auto d = loop.run_until_done(engine->describe(id));
        if (!d || d->status == durable::run_status::running) {
            return false;
        }
        close(played.seen, *d);
        return true;
    });
    EXPECT_TRUE(ended) << "the workflow did not end";
    return played.seen;
}

void on_temporal::record(const std::string& name) {
    const auto bytes = history();
    const auto same = durable::replay_temporal_history(registry(), id, bytes);
    EXPECT_TRUE(same) << name << ": " << same.error().detail;
    const auto path = std::filesystem::path(VORA_TEMPORAL_HISTORIES) / (name + ".json");
    if (std::getenv("VORA_RECORD_HISTORIES") == nullptr || std::filesystem::exists(path)) {
        return;
    }
    temporal::api::history::v1::History h;
    ASSERT_TRUE(h.ParseFromString(bytes));
    google::protobuf::util::JsonPrintOptions pretty;
    pretty.add_whitespace = true;
    std::string json;
    ASSERT_TRUE(google::protobuf::util::MessageToJsonString(h, &json, pretty).ok());
    std::ofstream(path) << json;
}

std::string on_temporal::history() {
    namespace api = temporal::api::workflowservice::v1;
    durable::temporal_channel channel(loop.executor(), temporal_server());
    temporal::api::history::v1::History all;
    api::GetWorkflowExecutionHistoryRequest request;
    request.set_namespace_("default");
    request.mutable_execution()->set_workflow_id(id);
    for (int page = 0; page < history_pages_max; ++page) {
        auto answer = loop.run_until_done(
            channel.call("GetWorkflowExecutionHistory", request.SerializeAsString(), 30'000ms));
        api::GetWorkflowExecutionHistoryResponse response;
        EXPECT_EQ(answer.code, durable::call_answer::ok) << answer.text;
        EXPECT_TRUE(response.ParseFromString(answer.message));
        all.MergeFrom(response.history());
        if (response.next_page_token().empty()) {
            break;
        }
        request.set_next_page_token(response.next_page_token());
    }
    return all.SerializeAsString();
}

}  // namespace vora::workflow
