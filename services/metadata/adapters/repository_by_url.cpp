#include "services/metadata/adapters/repository_by_url.hpp"

#include "services/metadata/adapters/sqlite_video_repository.hpp"
#ifdef VORA_METADATA_POSTGRES
#include "services/metadata/adapters/postgres_target.hpp"
#include "services/metadata/adapters/postgres_video_repository.hpp"
#endif

namespace vora::metadata {

namespace {

using made = result<std::unique_ptr<sql_video_repository>>;

made make_postgres([[maybe_unused]] executor ex, [[maybe_unused]] const std::string& url,
                   [[maybe_unused]] std::size_t connections) {
#ifdef VORA_METADATA_POSTGRES
    if (auto target = parse_postgres_url(url); !target) {
        return fail(std::move(target.error()));
    }
    postgres_options options;
    options.connections = connections;
    return std::make_unique<postgres_video_repository>(std::move(ex), url, options);
#else
    return fail(errc::invalid_argument, "bad_database_url",
                "this program was built without PostgreSQL (VORA_REAL_SYSTEMS)");
#endif
}

}  // namespace

made make_repository(executor ex, blocking_pool& pool, const std::string& url,
                     std::size_t connections) {
    if (url.starts_with("postgresql:") || url.starts_with("postgres:")) {
        return make_postgres(std::move(ex), url, connections);
    }
    auto path = sqlite_path(url);
    if (!path) {
        return fail(errc::invalid_argument, "bad_database_url",
                    "expected \"sqlite:PATH\" or \"postgresql://USER:PASSWORD@HOST:PORT/DB\"");
    }
    return std::make_unique<sqlite_video_repository>(pool, std::move(*path));
}

}  // namespace vora::metadata
