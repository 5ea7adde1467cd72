#pragma once
// The statements of a transaction, on either database. Private to the adapters.

#include "services/metadata/adapters/sql_rows.hpp"

namespace vora::metadata {

class sql_transaction final : public video_transaction {
 public:
    explicit sql_transaction(sql_session& session) : session_(session) {}

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
    result<bool> outbox_sent(const outbox_message& m, timestamp now) override;
    result<void> release_outbox(const outbox_message& m) override;
    result<void> release_all_claims() override;
    result<void> forget_sent_outbox(timestamp before, std::size_t count_max) override;
    result<void> keep_answer(const answer_key& k, const kept_answer& a, timestamp now) override;
    result<void> forget_answers(timestamp expired_before, std::size_t count_max) override;

    // Videos that update() was called for.
    const std::vector<video_id>& updated() const { return updated_; }
    // Set once a statement could not be done: whatever the body made of it, nothing may be
    // committed.
    const std::optional<sql_failure>& trouble() const { return trouble_; }

 private:
    template <class F>
    auto attempt(F f) -> decltype(f());
    result<void> execute(const std::string& sql, const sql_values& values);
    result<void> insert_once(const std::string& sql, const sql_values& values, const char* reason);

    sql_session& session_;
    std::vector<video_id> updated_;
    std::optional<sql_failure> trouble_;
};

}  // namespace vora::metadata
