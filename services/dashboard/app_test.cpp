#include "services/dashboard/app.hpp"

#include "libs/net/client.hpp"
#include "libs/net/server.hpp"
#include "services/dashboard/adapters/embedded_files.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <regex>
#include <stdexcept>

namespace vora::dashboard {
namespace {

std::string make_directory() {
    auto name = (std::filesystem::temp_directory_path() / "vora-dashboard-XXXXXX").string();
    return mkdtemp(name.data());
}

// The whole service behind a real listener.
class dashboard_app_test : public ::testing::Test {
 protected:
    dashboard_app_test() { EXPECT_TRUE(server_.start().has_value()); }
    ~dashboard_app_test() override {
        loop_.run_until_done(stop());
        std::filesystem::remove_all(directory_);
    }

    task<> stop() {
        client_.close();
        co_await server_.stop();
        co_await app_.stop();
    }
    static net::server_options options() {
        net::server_options o;
        o.name = "test";
        return o;
    }
    auth::token_verifier verifier() const {
        auth::token_verifier v;
        EXPECT_TRUE(v.add_key(issuer_.public_key_pem(), issuer_.key_id()).has_value());
        return v;
    }
    net::client_response get(const std::string& path, net::headers headers = {}) {
        net::client_request r;
        r.url = "http://" + server_.address() + path;
        r.headers = std::move(headers);
        auto answer = loop_.run_until_done(client_.send(std::move(r)));
        EXPECT_TRUE(answer.has_value()) << path;
        return answer ? std::move(*answer) : net::client_response{};
    }
    static std::string field(const net::client_response& r, std::string_view name) {
        return std::string(r.headers.get(name).value_or(""));
    }

    std::string directory_ = make_directory();
    event_loop loop_;
    system_clock_source clock_;
    obs::metrics metrics_;
    auth::token_issuer issuer_ = *auth::token_issuer::load_or_create(directory_ + "/issuer.pem");
    app app_{loop_.executor(), issuer_, verifier(), clock_, obs::logger(), metrics_, config{}};
    net::server server_{loop_.executor(), options(), app_.public_routes(), obs::logger(), metrics_};
    net::client client_{loop_.executor()};
};

TEST_F(dashboard_app_test, the_page_and_every_file_it_names_are_served) {
    const auto page = get("/");
    ASSERT_EQ(page.status, 200);
    EXPECT_EQ(page.body.find('%'), page.body.npos) << "a mark was not replaced";
    const std::regex name("(?:src|href)=\"(/[^\"]+)\"");
    int found = 0;
    for (std::sregex_iterator it(page.body.begin(), page.body.end(), name), end; it != end; ++it) {
        const auto file = get((*it)[1]);
        EXPECT_EQ(file.status, 200) << (*it)[1];
        EXPECT_FALSE(file.body.empty());
        ++found;
    }
    EXPECT_GE(found, 3);
}

TEST_F(dashboard_app_test, no_page_has_inline_scripts_or_styles) {
    const auto page = get("/watch/0b9bd3f4-94cf-4f49-9e05-6f5a3dbd0a55");
    ASSERT_EQ(page.status, 200);
    EXPECT_FALSE(std::regex_search(page.body,
                                   std::regex("<script(?![^>]*src=)|<style|\\sstyle=|\\son\\w+=")));
    EXPECT_EQ(field(page, "Content-Security-Policy").find("unsafe"), std::string::npos);
}

TEST_F(dashboard_app_test, every_embedded_file_has_its_type_and_its_packed_form_is_gzip) {
    for (const auto& f : embedded_files()) {
        EXPECT_FALSE(f.content_type.empty()) << f.path;
        EXPECT_FALSE(f.identity.empty()) << f.path;
        EXPECT_TRUE(f.gzip.empty() || f.gzip.starts_with("\x1f\x8b")) << f.path;
        EXPECT_LT(f.gzip.size(), f.identity.size());
    }
}

TEST_F(dashboard_app_test, the_scripts_need_nothing_that_the_page_does_not_bring) {
    // A build that misses its settings compiles the markup into calls of a library that is not
    // there.
    for (const auto& f : embedded_files()) {
        EXPECT_EQ(f.identity.find("React.createElement"), f.identity.npos) << f.path;
        EXPECT_EQ(f.identity.find("sourceMappingURL"), f.identity.npos) << f.path;
    }
}

TEST_F(dashboard_app_test, the_printed_link_signs_in_once) {
    const auto link = "/?token=" + app_.new_one_time_token();
    const auto first = get(link);
    EXPECT_EQ(first.status, 303);
    net::headers cookie;
    const auto set = field(first, "Set-Cookie");
    cookie.set("Cookie", set.substr(0, set.find(';')));
    EXPECT_EQ(get("/session", cookie).status, 200);
    const auto second = get(link);
    EXPECT_EQ(second.status, 303);
    EXPECT_EQ(second.headers.count("Set-Cookie"), 0u);
}

TEST_F(dashboard_app_test, a_public_address_that_is_none_is_refused_at_the_start) {
    config bad;
    bad.public_play_url = "play.example";
    EXPECT_THROW(app(loop_.executor(), issuer_, verifier(), clock_, obs::logger(), metrics_, bad),
                 std::runtime_error);
}

}  // namespace
}  // namespace vora::dashboard
