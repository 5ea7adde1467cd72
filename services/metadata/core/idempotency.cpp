#include "services/metadata/core/idempotency.hpp"

#include "libs/base/crypto.hpp"

#include <algorithm>

namespace vora::metadata {

struct answer_keeper::state {
    answer_key key;
    std::string fingerprint;
    timestamp now;
    timestamp expires_at;
    std::optional<video> answer;  // set in the transaction, read after it
};

namespace {

std::unexpected<error> reused() {
    return fail(errc::failed_precondition, "idempotency_key_reused",
                "the key was used for another request");
}

bool is_key(std::string_view text) {
    return !text.empty() && text.size() <= idempotency_key_bytes_max &&
           std::ranges::all_of(text, [](unsigned char c) { return c >= 0x20 && c < 0x7f; });
}

// Takes its entry out again, however the request ends.
class running_entry {
 public:
    running_entry(std::map<answer_key, std::string>& all, answer_key key)
        : all_(all), key_(std::move(key)) {}
    ~running_entry() { all_.erase(key_); }
    running_entry(const running_entry&) = delete;

 private:
    std::map<answer_key, std::string>& all_;
    answer_key key_;
};

}  // namespace

result<void> answer_keeper::keep(video_transaction& t, const video& answer) const {
    if (!state_) {
        return {};
    }
    auto kept =
        t.keep_answer(state_->key, {state_->fingerprint, answer, state_->expires_at}, state_->now);
    if (kept) {
        state_->answer = answer;
    }
    return kept;
}

std::string fingerprint_of(std::initializer_list<std::string_view> parts) {
    sha256_stream hash;
    for (const auto part : parts) {
        hash.update(std::to_string(part.size()) + ":");
        hash.update(part);
    }
    return hash.finish_hex();
}

idempotency::idempotency(video_repository& repository, const clock_source& clock,
                         std::chrono::seconds ttl)
    : repository_(repository), clock_(clock), ttl_(ttl) {}

task<result<change_answer>> idempotency::run(change_request request, change make) {
    if (!request.key) {
        auto made = co_await make(answer_keeper{});
        if (!made) {
            co_return fail(std::move(made.error()));
        }
        co_return change_answer{std::move(*made), false};
    }
    if (!is_key(*request.key)) {
        co_return fail(errc::invalid_argument, "bad_idempotency_key",
                       "a key has 1 to 255 printable ASCII characters");
    }
    answer_key key{std::move(request.subject), std::move(request.operation),
                   std::move(*request.key)};
    const auto [entry, first] = running_.try_emplace(key, request.fingerprint);
    if (!first) {
        co_return entry->second == request.fingerprint
            ? fail(errc::aborted, "request_in_flight", "the first request is still being answered")
            : reused();
    }
    const running_entry running(running_, key);
    auto answer = co_await run_keyed(key, std::move(request.fingerprint), std::move(make));
    co_return answer;
}

task<result<std::optional<change_answer>>> idempotency::look_up(answer_key key,
                                                                std::string fingerprint) {
    auto kept = co_await repository_.find_answer(std::move(key), clock_.now());
    if (!kept) {
        co_return fail(std::move(kept.error()));
    }
    if (!*kept) {
        co_return std::nullopt;
    }
    if ((*kept)->fingerprint != fingerprint) {
        co_return reused();
    }
    co_return change_answer{std::move((*kept)->video), true};
}

task<result<change_answer>> idempotency::run_keyed(answer_key key, std::string fingerprint,
                                                   change make) {
    auto before = co_await look_up(key, fingerprint);
    if (!before) {
        co_return fail(std::move(before.error()));
    }
    if (*before) {
        co_return std::move(**before);
    }
    const auto now = clock_.now();
    auto state = std::make_shared<answer_keeper::state>(
        answer_keeper::state{key, fingerprint, now, now + ttl_, std::nullopt});
    auto made = co_await make(answer_keeper(state));
    if (made && !state->answer) {
        // Nothing had to be changed; the answer is kept all the same.
        auto kept = co_await repository_.in_transaction(
            [&](video_transaction& t) { return answer_keeper(state).keep(t, *made); });
        if (!kept) {
            made = fail(std::move(kept.error()));
        }
    }
    if (made) {
        co_return change_answer{std::move(*state->answer), false};
    }
    if (made.error().reason != "answer_exists") {
        co_return fail(std::move(made.error()));
    }
    auto other = co_await look_up(std::move(key), std::move(fingerprint));
    if (!other) {
        co_return fail(std::move(other.error()));
    }
    if (!*other) {
        co_return fail(errc::aborted, "request_in_flight", "the answer has just expired");
    }
    co_return std::move(**other);
}

}  // namespace vora::metadata
