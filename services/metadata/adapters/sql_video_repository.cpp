#include "services/metadata/adapters/sql_video_repository.hpp"

#include "services/metadata/adapters/sql_reads.hpp"

namespace vora::metadata {

// The thread fills a value of its own, which is looked at when it has ended.
template <class F>
auto sql_video_repository::ask(F f) -> task<result<std::invoke_result_t<F, sql_session&>>> {
    const auto value = std::make_shared<std::optional<std::invoke_result_t<F, sql_session&>>>();
    auto done = co_await read([value, f = std::move(f)](sql_session& s) { value->emplace(f(s)); });
    if (!done) {
        co_return fail(std::move(done.error()));
    }
    co_return std::move(**value);
}

task<result<std::optional<video>>> sql_video_repository::find(video_id id) {
    return ask([id = std::move(id)](sql_session& s) { return select_video(s, id); });
}

task<result<std::vector<video>>> sql_video_repository::list(list_query q) {
    return ask([q = std::move(q)](sql_session& s) { return select_list(s, q); });
}

task<result<std::optional<upload_record>>> sql_video_repository::find_upload(upload_id id) {
    return ask([id = std::move(id)](sql_session& s) { return select_upload(s, id); });
}

task<result<std::vector<upload_record>>> sql_video_repository::uploads_of(video_id id) {
    return ask([id = std::move(id)](sql_session& s) { return select_uploads_of(s, id); });
}

task<result<std::vector<unsettled_video>>> sql_video_repository::in_state(video_state wanted,
                                                                          video_id after,
                                                                          std::size_t count_max) {
    return ask([wanted, after = std::move(after), count_max](sql_session& s) {
        return select_in_state(s, wanted, after, count_max);
    });
}

task<result<std::vector<unsettled_video>>> sql_video_repository::in_deletion(
    video_id after, std::size_t count_max) {
    return ask([after = std::move(after), count_max](sql_session& s) {
        return select_in_deletion(s, after, count_max);
    });
}

task<result<std::optional<kept_answer>>> sql_video_repository::find_answer(answer_key k,
                                                                           timestamp now) {
    return ask([k = std::move(k), now](sql_session& s) { return select_answer(s, k, now); });
}

task<result<std::vector<upload_record>>> sql_video_repository::removable_uploads(
    timestamp settled_before, std::size_t count_max) {
    return ask([settled_before, count_max](sql_session& s) {
        return select_removable_uploads(s, settled_before, count_max);
    });
}

task<result<outbox_view>> sql_video_repository::outbox() {
    return ask([](sql_session& s) { return select_outbox(s); });
}

task<result<void>> sql_video_repository::ping() {
    return read([](sql_session& s) { select_schema_version(s); });
}

}  // namespace vora::metadata
