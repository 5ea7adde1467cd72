#pragma once
// Videos to and from rows. Private to the adapter.

#include "services/metadata/adapters/sqlite_connection.hpp"
#include "services/metadata/core/ports.hpp"

namespace vora::metadata {

// In the order that read_video and bind_video use.
#define VORA_VIDEO_COLUMNS                                                                   \
    "id, title, description, state, manifest_url, visibility, owner, generation, version, "  \
    "created_at, updated_at, upload_expires_at, source_upload_id, playable_at, settled_at, " \
    "duration_s, width, height, renditions, input_report, error_code, error_detail, "        \
    "deleting_at, deleted_at, delete_attempt"
inline constexpr int video_column_count = 25;

// Throws SQLite::Exception; data_loss as std::runtime_error for a row that no version of ours
// wrote.
video read_video(SQLite::Statement& q);
void bind_video(SQLite::Statement& q, const video& v);  // parameters 1..25
// A video as it was answered once, in one text.
std::string snapshot_of(const video& v);
video read_snapshot(const std::string& text);     // throws std::exception
upload_record read_upload(SQLite::Statement& q);  // upload_id, video_id, state, updated_at

}  // namespace vora::metadata
