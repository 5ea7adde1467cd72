#include "services/metadata/adapters/repository_by_url.hpp"

#include "services/metadata/adapters/sqlite_inspection.hpp"
#include "services/metadata/adapters/sqlite_video_repository.hpp"
#ifdef VORA_METADATA_POSTGRES
#include "services/metadata/adapters/postgres_inspection.hpp"
#include "services/metadata/adapters/postgres_target.hpp"
#include "services/metadata/adapters/postgres_video_repository.hpp"
#endif

namespace vora::metadata {

namespace {

using made = result<std::unique_ptr<sql_video_repository>>;

bool is_postgres(const std::string& url) {
    return url.starts_with("postgresql:") || url.starts_with("postgres:");
}

std::unexpected<error> bad_url() {
    return fail(errc::invalid_argument, "bad_database_url",
                "expected \"sqlite:PATH\" or \"postgresql://USER:PASSWORD@HOST:PORT/DB\"");
}

#ifdef VORA_METADATA_POSTGRES
made make_postgres(executor ex, const std::string& url, std::size_t connections) {
    if (auto target = parse_postgres_url(url); !target) {
        return fail(std::move(target.error()));
    }
    postgres_options options;
    options.connections = connections;
    return std::make_unique<postgres_video_repository>(std::move(ex), url, options);
}
#else
std::unexpected<error> without_postgres() {
    return fail(errc::invalid_argument, "bad_database_url",
                "this program was built without PostgreSQL (VORA_REAL_SYSTEMS)");
}
made make_postgres(const executor&, const std::string&, std::size_t) {
    return without_postgres();
}
result<void> inspect_postgres(const std::string&) {
    return without_postgres();
}
#endif

}  // namespace

made make_repository(executor ex, blocking_pool& pool, const std::string& url,
                     std::size_t connections) {
    if (is_postgres(url)) {
        return make_postgres(std::move(ex), url, connections);
    }
    auto path = sqlite_path(url);
    if (!path) {
        return bad_url();
    }
    return std::make_unique<sqlite_video_repository>(pool, std::move(*path));
}

result<void> inspect_repository(const std::string& url) {
    if (is_postgres(url)) {
        return inspect_postgres(url);
    }
    const auto path = sqlite_path(url);
    return path ? inspect_database(*path) : bad_url();
}

}  // namespace vora::metadata
