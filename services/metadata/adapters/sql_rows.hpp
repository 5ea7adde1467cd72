#pragma once
// Videos and uploads to and from rows. Private to the adapters.

#include "services/metadata/adapters/sql_session.hpp"
#include "services/metadata/core/ports.hpp"

namespace vora::metadata {

// In the order that read_video and values_of use.
#define VORA_VIDEO_COLUMNS                                                                   \
    "id, title, description, state, manifest_url, visibility, owner, generation, version, "  \
    "created_at, updated_at, upload_expires_at, source_upload_id, playable_at, settled_at, " \
    "duration_s, width, height, renditions, input_report, error_code, error_detail, "        \
    "deleting_at, deleted_at, delete_attempt"
inline constexpr std::size_t video_column_count = 25;

// Throws std::exception for a row that no version of ours wrote.
video read_video(const sql_row& row);
sql_values values_of(const video& v);
// A video as it was answered once, in one text.
std::string snapshot_of(const video& v);
video read_snapshot(const std::string& text);   // throws std::exception
upload_record read_upload(const sql_row& row);  // upload_id, video_id, state, updated_at

}  // namespace vora::metadata
