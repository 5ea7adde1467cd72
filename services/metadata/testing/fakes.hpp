#pragma once
// Test doubles with levers, for tests of this service only.

#include "libs/durable/client.hpp"
#include "services/metadata/core/ports.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace vora::metadata {

class fake_clock final : public clock_source {
 public:
    timestamp now() const override { return now_; }
    void advance(milliseconds by) { now_ += by; }

 private:
    timestamp now_ = from_unix_ms(1'790'000'000'000);
};

// An upload service that knows what it was given.
class fake_upload_service final : public upload_service {
 public:
    task<result<upload_view>> find(upload_id id) override {
        if (auto up = outage(); !up) {
            co_return fail(up.error());
        }
        for (const auto& u : uploads) {
            if (u.id == id) {
                co_return u;
            }
        }
        co_return fail(errc::not_found, "upload_not_found");
    }
    task<result<std::vector<upload_view>>> with_reference(std::string reference) override {
        ++listings;
        if (auto up = outage(); !up) {
            co_return fail(up.error());
        }
        std::vector<upload_view> all;
        std::ranges::copy_if(uploads, std::back_inserter(all),
                             [&](const auto& u) { return u.reference == reference; });
        co_return all;
    }
    task<result<void>> remove(upload_id id) override {
        if (auto up = outage(); !up) {
            co_return up;
        }
        if (std::ranges::find(stuck, id) != stuck.end()) {
            co_return fail(errc::internal, "upload_service_bad_answer");
        }
        removed.push_back(id);
        std::erase_if(uploads, [&](const auto& u) { return u.id == id; });
        co_return result<void>{};
    }

    void put(const std::string& id, const video_id& of, upload_status status) {
        std::erase_if(uploads, [&](const auto& u) { return u.id.value == id; });
        uploads.push_back({upload_id{id}, status, 1'000, reference_of(of), id + "/original.mp4"});
    }

    std::vector<upload_view> uploads;
    std::vector<upload_id> removed;
    std::vector<upload_id> stuck;  // whose removal fails
    int listings = 0;
    bool down = false;

 private:
    result<void> outage() const {
        return down ? fail(errc::unavailable, "upload_service_unavailable") : result<void>{};
    }
};

// An engine that records what it was asked to start.
class fake_durable_client final : public durable::client {
 public:
    task<result<std::string>> start(durable::start_request r) override {
        ++start_calls;
        if (down) {
            co_return fail(errc::unavailable, "engine_down");
        }
        if (refuse) {
            co_return fail(errc::resource_exhausted, "payload_too_large");
        }
        const bool fresh = runs.emplace(r.workflow_id, durable::run_description{}).second;
        if (!fresh) {
            co_return fail(errc::already_exists, "workflow_already_started");
        }
        started.push_back(r);
        if (lose_answers) {
            co_return fail(errc::deadline_exceeded, "deadline_exceeded");
        }
        co_return "run-1";
    }
    task<result<void>> signal(std::string, std::string, std::string) override {
        co_return fail(errc::unimplemented, "not_here");
    }
    task<result<std::string>> query(std::string, std::string, std::string) override {
        co_return fail(errc::unimplemented, "not_here");
    }
    task<result<void>> cancel(std::string workflow_id) override {
        if (down) {
            co_return fail(errc::unavailable, "engine_down");
        }
        cancelled.push_back(workflow_id);
        co_return runs.contains(workflow_id) ? result<void>{}
                                             : fail(errc::not_found, "no_such_workflow");
    }
    task<result<void>> terminate(std::string, std::string) override { co_return result<void>{}; }
    task<result<durable::run_description>> describe(std::string workflow_id) override {
        ++describe_calls;
        if (down) {
            co_return fail(errc::unavailable, "engine_down");
        }
        const auto found = runs.find(workflow_id);
        if (found == runs.end()) {
            co_return fail(errc::not_found, "no_such_workflow");
        }
        co_return found->second;
    }

    bool down = false;
    bool refuse = false;        // every start is final nonsense
    bool lose_answers = false;  // the start works, its answer is lost
    int start_calls = 0;
    int describe_calls = 0;
    std::map<std::string, durable::run_description> runs;
    std::vector<durable::start_request> started;
    std::vector<std::string> cancelled;
};

}  // namespace vora::metadata
