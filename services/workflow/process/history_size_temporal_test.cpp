// What a history holds: references and figures, however long the video is and however long the
// store is away.

#include "libs/durable/engine_embedded/history.hpp"
#include "services/workflow/process/temporal_runs_fixture.hpp"

#include <gtest/gtest.h>
#include <temporal/api/history/v1/message.pb.h>

#include <algorithm>
#include <sstream>

namespace vora::workflow {
namespace {

using durable::failure;
using temporal::api::history::v1::History;

constexpr std::int64_t events_max = 2'000;
constexpr std::size_t history_bytes_max = 96 * 1024;

failure store_away() {
    return failure::application("storage_unavailable", "the object store said nothing");
}

// Every payload and every byte of text in a history, wherever it stands.
struct weight {
    std::size_t largest_payload = 0;
    std::size_t largest_text = 0;
};

void weigh(const google::protobuf::Message& m, weight& w) {
    if (const auto* p = dynamic_cast<const temporal::api::common::v1::Payload*>(&m)) {
        w.largest_payload = std::max(w.largest_payload, p->data().size());
        EXPECT_EQ(p->metadata().at("encoding"), "json/plain");
        EXPECT_TRUE(nlohmann::json::accept(p->data())) << p->data();
        return;
    }
    const auto& r = *m.GetReflection();
    std::vector<const google::protobuf::FieldDescriptor*> fields;
    r.ListFields(m, &fields);
    for (const auto* f : fields) {
        using type = google::protobuf::FieldDescriptor;
        const int count = f->is_repeated() ? r.FieldSize(m, f) : 1;
        for (int i = 0; i < count; ++i) {
            if (f->cpp_type() == type::CPPTYPE_MESSAGE) {
                weigh(f->is_repeated() ? r.GetRepeatedMessage(m, f, i) : r.GetMessage(m, f), w);
            } else if (f->cpp_type() == type::CPPTYPE_STRING) {
                const auto text =
                    f->is_repeated() ? r.GetRepeatedString(m, f, i) : r.GetString(m, f);
                w.largest_text = std::max(w.largest_text, text.size());
            }
        }
    }
}

// What Temporal records for what the embedded engine does: it also notes that a task was scheduled
// and begun, and that an attempt was.
std::int64_t events_on_temporal(const std::string& embedded) {
    const auto events = durable::history_from_json(embedded).value();
    std::int64_t all = 0;
    for (const auto& e : events) {
        using type = durable::event_type;
        all += e.type == type::workflow_task_completed ? 3
               : e.type == type::activity_task_completed || e.type == type::activity_task_failed ||
                       e.type == type::activity_task_timed_out
                   ? 2
                   : 1;
    }
    return all;
}

TEST(temporal_histories, of_a_video_of_three_hours_are_short_and_hold_references_only) {
    on_temporal t({});
    t.played.answers = answers_of_a_long_video();
    const auto worker = t.new_workflow_worker();
    t.start();
    EXPECT_EQ(t.end().attempts, "probe encode publish mark_ready");
    History h;
    const auto bytes = t.history();
    ASSERT_TRUE(h.ParseFromString(bytes));
    weight w;
    weigh(h, w);
    EXPECT_GT(w.largest_payload, 1'000u) << "the answers are those of a long video";
    EXPECT_LE(w.largest_payload, durable::payload_bytes_max);
    EXPECT_LE(w.largest_text, 500u);
    EXPECT_LE(bytes.size(), history_bytes_max);
    EXPECT_LT(h.events_size(), events_max / 10);
    const auto& begun = h.events(0).workflow_execution_started_event_attributes();
    EXPECT_EQ(begun.memo().fields_size(), 0) << "what there is to know stands in the id";
    EXPECT_EQ(begun.search_attributes().indexed_fields_size(), 0);
    // The same run on the embedded engine tells how many events there must be.
    const auto embedded = on_embedded({}, {}, answers_of_a_long_video());
    EXPECT_GE(h.events_size(), events_on_temporal(embedded.history));
    EXPECT_LE(h.events_size(), events_on_temporal(embedded.history) * 2) << "tasks that timed out";
}

std::size_t attempts_of(const std::string& type, const course& c) {
    std::size_t count = 0;
    std::istringstream words(c.attempts);
    for (std::string word; words >> word;) {
        count += word == type ? 1 : 0;
    }
    return count;
}

TEST(temporal_histories, stay_short_when_the_store_is_away_for_the_whole_budget_of_every_step) {
    auto input = ingest_of_one_video();
    input.retry_budget_s = 24 * 3'600;  // a smaller one has fewer tries
    const std::deque<failure> for_ever(1'000, store_away());
    const auto gone = on_embedded({{"publish", for_ever}}, {}, {}, input);
    EXPECT_EQ(gone.seen.failed_code, "storage_unavailable");
    const auto attempts = attempts_of("publish", gone.seen);
    EXPECT_GT(attempts, 30u) << "it is put up with for long";
    // As long as can be: every step but one is away until just before it would be given up.
    const std::deque<failure> nearly(attempts - 1, store_away());
    const auto run = on_embedded(
        {{"probe", nearly}, {"encode", nearly}, {"publish", for_ever}, {"cleanup", nearly}}, {},
        answers_of_a_long_video(), input);
    EXPECT_EQ(attempts_of("cleanup", run.seen), attempts);
    EXPECT_EQ(run.seen.failed_code, "storage_unavailable");
    EXPECT_LT(events_on_temporal(run.history), events_max);
}

}  // namespace
}  // namespace vora::workflow
