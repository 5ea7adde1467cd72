#pragma once
// What is read of the store, on either database. All throw sql_failure, and std::exception for a
// row that no version of ours wrote. Private to the adapters.

#include "services/metadata/adapters/sql_rows.hpp"

namespace vora::metadata {

// `hold`: added to the statement (sql_dialect).
std::optional<video> select_video(sql_session& s, const video_id& id, const char* hold = "");
std::optional<upload_record> select_upload(sql_session& s, const upload_id& id,
                                           const char* hold = "");
std::vector<video> select_list(sql_session& s, const list_query& q);
std::vector<upload_record> select_uploads_of(sql_session& s, const video_id& id);
std::vector<unsettled_video> select_in_state(sql_session& s, video_state state,
                                             const video_id& after, std::size_t count_max);
std::vector<unsettled_video> select_in_deletion(sql_session& s, const video_id& after,
                                                std::size_t count_max);
std::optional<kept_answer> select_answer(sql_session& s, const answer_key& k, timestamp now);
std::vector<upload_record> select_removable_uploads(sql_session& s, timestamp settled_before,
                                                    std::size_t count_max);
outbox_view select_outbox(sql_session& s);
// 0 for a database that holds nothing yet; throws where there is no such table.
std::int64_t select_schema_version(sql_session& s);

}  // namespace vora::metadata
