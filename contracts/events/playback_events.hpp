#pragma once
// The event store's table, as its one writer (analytics) makes it and its one reader (dashboard)
// sees it. RFC-002: PlaybackEvents (event_time, video_id, user_id, event_type), MergeTree,
// partitioned by day.

#include <array>
#include <string_view>

namespace vora::contracts::events {

// Names are without a database: it is of the connection (libs/clickhouse), by default "vora".

// event_time is the client's, clamped by analytics to [received_at - 7 days, received_at + 5
// minutes]; one hostile clock must not spread a batch over more partitions than ClickHouse takes
// (100). Columns beyond the RFC's four: what quality figures need. Absent text is '', absent
// numbers are 0. value: ms for play (startup), buffer (stall), heartbeat (played); bit/s for
// rendition.
inline constexpr std::string_view create_playback_events =
    "CREATE TABLE IF NOT EXISTS PlaybackEvents ("
    "event_time DateTime64(3, 'UTC'), video_id String, user_id String, event_type "
    "LowCardinality(String), "
    "session_id String, seq UInt64, position_ms UInt64, value UInt64, detail String, "
    "received_at DateTime64(3, 'UTC')) "
    "ENGINE = MergeTree PARTITION BY toYYYYMMDD(event_time) ORDER BY (video_id, event_time) "
    "SETTINGS non_replicated_deduplication_window = 10000";

// For servers before 20.1, which know neither DateTime64 nor LowCardinality nor deduplication by
// token: the same bytes in each row, times as ms since the epoch. A batch whose answer was lost can
// stand there twice.
inline constexpr std::string_view create_playback_events_before_20 =
    "CREATE TABLE IF NOT EXISTS PlaybackEvents ("
    "event_time Int64, video_id String, user_id String, event_type String, "
    "session_id String, seq UInt64, position_ms UInt64, value UInt64, detail String, "
    "received_at Int64) "
    "ENGINE = MergeTree PARTITION BY toYYYYMMDD(toDateTime(intDiv(event_time, 1000))) "
    "ORDER BY (video_id, event_time)";

// In the order in which RowBinary rows are written. DateTime64(3) = Int64 of ms since the epoch;
// String = LEB128 length and bytes (LowCardinality too); UInt64 little-endian.
inline constexpr std::string_view insert_into =
    "PlaybackEvents (event_time, video_id, user_id, event_type, session_id, seq, position_ms, "
    "value, "
    "detail, received_at)";

inline constexpr std::array<std::string_view, 8> event_types = {
    "play", "pause", "buffer", "heartbeat", "seek", "ended", "rendition", "error"};

}  // namespace vora::contracts::events
