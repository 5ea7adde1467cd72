#pragma once
// The statements of a transaction. Private to the adapter.

#include "services/metadata/adapters/sqlite_rows.hpp"

namespace vora::metadata {

class sqlite_transaction final : public video_transaction {
 public:
    explicit sqlite_transaction(SQLite::Database& db) : db_(db) {}

    result<std::optional<video>> find(const video_id& id) override;
    result<void> insert(const video& v) override;
    result<void> update(const video& v) override;
    result<std::optional<upload_record>> find_upload(const upload_id& id) override;
    result<void> put_upload(const upload_record& u) override;
    result<void> add_outbox(const outbox_message& m) override;
    result<void> renew_outbox(const outbox_message& m) override;
    result<void> withdraw_outbox(const video_id& id, outbox_kind kind) override;
    result<std::vector<outbox_message>> claim_outbox(timestamp now, timestamp until,
                                                     std::size_t count_max) override;
    result<void> outbox_sent(const outbox_message& m, timestamp now) override;
    result<void> release_outbox(const outbox_message& m) override;
    result<void> release_all_claims() override;
    result<void> forget_sent_outbox(timestamp before, std::size_t count_max) override;
    result<void> keep_answer(const answer_key& k, const kept_answer& a, timestamp now) override;
    result<void> forget_answers(timestamp expired_before, std::size_t count_max) override;

    // Videos that update() was called for.
    const std::vector<video_id>& updated() const { return updated_; }

 private:
    SQLite::Database& db_;
    std::vector<video_id> updated_;
};

// Reads that transactions and readers share. They throw SQLite::Exception.
std::optional<video> select_video(SQLite::Database& db, const video_id& id);
std::optional<upload_record> select_upload(SQLite::Database& db, const upload_id& id);
std::optional<kept_answer> select_answer(SQLite::Database& db, const answer_key& k, timestamp now);

// Runs f, which returns a result; what SQLite or a damaged row throws becomes an error.
template <class F>
auto guarded(F f) -> decltype(f()) {
    try {
        return f();
    } catch (const SQLite::Exception& e) {
        return fail(to_error(e));
    } catch (const std::exception& e) {
        return fail(errc::data_loss, "database_damaged", e.what());
    }
}

}  // namespace vora::metadata
