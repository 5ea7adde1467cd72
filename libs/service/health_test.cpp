#include "libs/service/health.hpp"

#include "libs/base/async.hpp"

#include <gtest/gtest.h>

namespace vora::service {
namespace {

task<result<std::string>> fine() {
    co_return std::string("1.0");
}

task<result<std::string>> broken() {
    co_return fail(errc::unavailable, "database_locked");
}

net::response ask(std::vector<dependency> dependencies, const std::string& path) {
    event_loop loop;
    const auto routes = health_routes(std::move(dependencies));
    net::request request;
    request.method = "GET";
    request.path = path;
    return loop.run_until_done(routes.dispatch(request));
}

TEST(readyz, is_200_and_lists_every_dependency) {
    const auto answer = ask({{"database", true, fine}, {"events", false, broken}}, "/readyz");
    EXPECT_EQ(answer.status, 200);
    EXPECT_NE(answer.body.find(R"({"name":"database","status":"ok","detail":"1.0"})"),
              std::string::npos);
    EXPECT_NE(answer.body.find(R"("status":"degraded","detail":"database_locked")"),
              std::string::npos);
}

TEST(readyz, is_503_with_retry_after_when_a_required_dependency_is_down) {
    const auto answer = ask({{"database", true, broken}}, "/readyz");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.headers.get("Retry-After"), "1");
}

TEST(livez, is_200_whatever_the_dependencies_say) {
    EXPECT_EQ(ask({{"database", true, broken}}, "/livez").status, 200);
}

}  // namespace
}  // namespace vora::service
