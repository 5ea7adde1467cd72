#include "services/dashboard/adapters/clickhouse_event_store.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace vora::dashboard {

namespace {

using nlohmann::json;

// An event without session and user is a session by itself, named by its place in the table.
// Renditions and heartbeats of a session in order: a heartbeat's time was played at the rate of the
// last rendition before it (arrayFill repeats the rate until the next).
constexpr std::string_view figures_head = R"(
WITH
    events AS (
        SELECT
            video_id, user_id, event_type, seq, event_time, toFloat64(value) AS number,
            multiIf(session_id != '', session_id, user_id != '', user_id,
                    concat(char(0), _part, ' ', toString(_part_offset))) AS session,
            toUInt8(least(59, intDiv((toUnixTimestamp64Milli(event_time) - {from:Int64}) * 60,
                                     {span:Int64}))) AS part
        FROM PlaybackEvents
        WHERE event_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')
          AND event_time < fromUnixTimestamp64Milli({until:Int64}, 'UTC'))";
constexpr std::string_view of_one = " AND video_id = {video:String}";
constexpr std::string_view of_several =
    " AND video_id IN (SELECT arrayJoin(splitByChar('.', {videos:String})))";
constexpr std::string_view figures_tail = R"(
    ),
    sessions AS (
        SELECT
            countIf(event_type = 'play') > 0 AS played,
            argMinIf((number, part), (event_time, seq), event_type = 'play') AS first_play,
            groupUniqArrayIf(user_id, user_id != '') AS users,
            sumMapIf([part], [number], event_type = 'heartbeat') AS watched,
            sumMapIf([part], [number], event_type = 'buffer') AS stalled,
            countIf(event_type = 'buffer') AS stalls,
            countIf(event_type = 'error') AS errors,
            arraySort(groupArrayIf((event_time, seq, event_type != 'rendition', number),
                                   event_type IN ('rendition', 'heartbeat'))) AS timeline,
            arrayMap(e -> if(e.3, 0, e.4), timeline) AS chosen,
            arrayFill(rate -> rate != 0, chosen) AS rates,
            arrayMap(e -> if(e.3, e.4, 0), timeline) AS times
        FROM events
        GROUP BY video_id, session
    )
SELECT
    toFloat64(countIf(played)),
    toFloat64(uniqExactArray(users) + countIf(empty(users))),
    quantilesExactIf(0.5, 0.95)(first_play.1, played AND first_play.1 > 0),
    toFloat64(sum(stalls)),
    toFloat64(sum(errors)),
    sum(arraySum(arrayMap((rate, time) -> rate * time, rates, times))),
    sum(arraySum(arrayMap((rate, time) -> if(rate > 0, time, 0), rates, times))),
    avgArray(arrayFilter(rate -> rate > 0, chosen)),
    sumMapIf([first_play.2], [toFloat64(1)], played),
    sumMap(watched.1, watched.2),
    sumMap(stalled.1, stalled.2),
    quantilesExactIfResample(0.5, 0.95, 0, 60, 1)(
        first_play.1, played AND first_play.1 > 0, first_play.2)
FROM sessions
FORMAT JSONCompactEachRow)";
static_assert(series_points == 60);

std::string statement(std::string_view condition) {
    std::string sql(figures_head);
    sql += condition;
    sql += figures_tail;
    return sql;
}

std::string joined(const std::vector<std::string>& ids) {
    std::string text;
    for (const auto& id : ids) {
        text += text.empty() ? "" : ".";  // needs no escape in a URL
        text += id;
    }
    return text;
}

// What a quantile of nothing is differs between ClickHouse's versions; no startup takes 0 ms.
std::optional<double> positive(const json& number) {
    return number.is_number() && number.get<double>() > 0
               ? std::optional<double>(number.get<double>())
               : std::nullopt;
}

std::uint64_t count_of(const json& number) {
    return static_cast<std::uint64_t>(std::max(0.0, number.get<double>()));
}

quantiles quantiles_of(const json& pair) {
    return {positive(pair.at(0)), positive(pair.at(1))};
}

// [[keys], [values]], as sumMap gives it.
template <class Set>
void each_part(analytics_report& report, const json& map, Set set) {
    for (std::size_t i = 0; i < map.at(0).size(); ++i) {
        set(report.parts.at(map.at(0).at(i).get<std::size_t>()), map.at(1).at(i).get<double>());
    }
}

// By the time played at each rate; where none was reported, the mean of the renditions chosen.
std::optional<double> average_rate(const json& row) {
    const double time = row.at(6).get<double>();
    return time > 0 ? row.at(5).get<double>() / time : positive(row.at(7));
}

analytics_report report_of(const json& row) {
    analytics_report r;
    r.plays = count_of(row.at(0));
    r.viewers = count_of(row.at(1));
    r.startup_ms = quantiles_of(row.at(2));
    r.rebuffer_count = count_of(row.at(3));
    r.errors = count_of(row.at(4));
    r.average_bitrate = average_rate(row);
    each_part(r, row.at(8),
              [](report_part& p, double n) { p.plays = static_cast<std::uint64_t>(n); });
    each_part(r, row.at(9), [](report_part& p, double ms) { p.watch_ms = ms; });
    each_part(r, row.at(10), [](report_part& p, double ms) { p.stalled_ms = ms; });
    for (std::size_t i = 0; i < r.parts.size(); ++i) {
        r.parts.at(i).startup_ms = quantiles_of(row.at(11).at(i));
    }
    return r;
}

}  // namespace

result<analytics_report> parse_figures(const std::string& row) {
    const auto parsed = json::parse(row, nullptr, false);
    try {
        return report_of(parsed);
    } catch (const std::exception& e) {
        return fail(errc::internal, "bad_figures", e.what());
    }
}

clickhouse_event_store::clickhouse_event_store(clickhouse::client& engine,
                                               std::chrono::milliseconds deadline, obs::logger log,
                                               obs::metrics& metrics)
    : engine_(engine),
      deadline_(deadline),
      log_(std::move(log)),
      answered_(metrics.counter("vora_dashboard_queries_total", "questions to the event store",
                                {{"outcome", "answered"}})),
      failed_(metrics.counter("vora_dashboard_queries_total", "questions to the event store",
                              {{"outcome", "failed"}})),
      duration_(metrics.histogram("vora_dashboard_query_seconds", "until the event store answered",
                                  obs::seconds_buckets())) {}

task<result<analytics_report>> clickhouse_event_store::figures(video_selection videos,
                                                               time_window window) {
    const auto started = std::chrono::steady_clock::now();
    auto answer = co_await query(std::move(videos), window);
    // Whoever writes events makes the table with the first of them.
    if (!answer && answer.error().reason == "clickhouse_no_table") {
        co_return analytics_report{};
    }
    note(answer);
    if (!answer) {
        // Whatever it is, the caller can only come back later.
        co_return fail(errc::unavailable, "analytics_unavailable",
                       "the event store does not answer now");
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    duration_.observe(took.count());
    co_return parse_figures(*answer);
}

task<result<std::string>> clickhouse_event_store::query(video_selection videos,
                                                        time_window window) {
    clickhouse::parameters values{
        {"from", std::to_string(to_unix_ms(window.from))},
        {"until", std::to_string(to_unix_ms(window.until))},
        {"span", std::to_string((window.to - window.from).count())},
    };
    std::string_view condition;
    if (videos.ids && videos.ids->size() == 1) {
        condition = of_one;
        values.emplace_back("video", std::move(videos.ids->front()));
    } else if (videos.ids) {
        condition = of_several;
        values.emplace_back("videos", joined(*videos.ids));
    }
    auto answer = co_await engine_.query(statement(condition), std::move(values), deadline_);
    co_return answer;
}

// One line when the store goes away and one when it is back, not one a question.
void clickhouse_event_store::note(const result<std::string>& answer) {
    (answer ? answered_ : failed_).add();
    if (answer && away_) {
        log_.info("event_store_back");
    } else if (!answer && !away_) {
        log_.warn("event_store_away",
                  {{"reason", answer.error().reason}, {"detail", answer.error().detail}});
    }
    away_ = !answer;
}

}  // namespace vora::dashboard
