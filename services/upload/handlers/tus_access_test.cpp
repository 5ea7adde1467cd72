#include "services/upload/testing/app_fixture.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

struct tus_access : app_fixture {
    void SetUp() override {
        const auto made = create(100);
        ASSERT_EQ(made.status, 201);
        location = field(made, "Location");
    }
    std::vector<int> statuses(const std::string& url, const fields& headers) {
        auto with_body = headers;
        with_body["Upload-Offset"] = "0";
        with_body["Content-Type"] = "application/offset+octet-stream";
        return {tus("HEAD", url, headers).status, tus("PATCH", url, with_body, "x").status,
                tus("DELETE", url, headers).status};
    }
    static fields bearer(const std::string& text) { return {{"Authorization", "Bearer " + text}}; }
    std::string location;
};

TEST_F(tus_access, without_grant_and_token_every_method_is_401) {
    EXPECT_EQ(statuses(bare(location), {}), (std::vector<int>{401, 401, 401}));
    const auto r = tus("POST", base() + "/files/", {{"Upload-Length", "5"}});
    EXPECT_EQ(r.status, 401);
    EXPECT_EQ(field(r, "WWW-Authenticate"), "Bearer");
    EXPECT_EQ(field(r, "Tus-Resumable"), "1.0.0");
    EXPECT_EQ(tus("GET", bare(location)).status, 401);
}

TEST_F(tus_access, a_grant_in_the_header_suffices_on_the_bare_path) {
    auto headers = bearer(grant());
    headers["Upload-Length"] = "3";
    EXPECT_EQ(tus("POST", base() + "/files/", headers).status, 201);
    EXPECT_EQ(statuses(bare(location), bearer(grant())), (std::vector<int>{200, 204, 204}));
}

TEST_F(tus_access, a_changed_or_expired_grant_is_401) {
    auto changed = location;
    changed.back() = changed.back() == 'A' ? 'B' : 'A';
    changed[changed.size() - 2] = changed[changed.size() - 2] == 'A' ? 'B' : 'A';
    EXPECT_EQ(statuses(changed, {}), (std::vector<int>{401, 401, 401}));
    clock.advance(std::chrono::hours(25));
    EXPECT_EQ(statuses(location, {}), (std::vector<int>{401, 401, 401}));
}

TEST_F(tus_access, another_reference_or_subject_finds_nothing_like_an_unknown_id) {
    const std::vector<int> nothing{404, 404, 404};
    EXPECT_EQ(statuses(bare(location), bearer(grant("ref-2"))), nothing);
    EXPECT_EQ(statuses(bare(location), bearer(grant("ref-1", "bob"))), nothing);
    EXPECT_EQ(statuses(base() + "/files/" + std::string(32, '0'), bearer(grant())), nothing);
    const auto foreign = tus("DELETE", bare(location), bearer(grant("ref-2")));
    const auto unknown =
        tus("DELETE", base() + "/files/" + std::string(32, '0'), bearer(grant("ref-2")));
    EXPECT_EQ(code_of(foreign), code_of(unknown));
    EXPECT_EQ(offset_of(location), 0u);
}

TEST_F(tus_access, tokens_need_scope_edit_and_see_their_subjects_uploads) {
    const auto edit = bearer(token("ann", auth::scope::edit));
    EXPECT_EQ(tus("HEAD", bare(location), edit).status, 200);
    EXPECT_EQ(tus("HEAD", bare(location), bearer(token("bob", auth::scope::edit))).status, 404);
    EXPECT_EQ(tus("HEAD", bare(location), bearer(token("bob", auth::scope::admin))).status, 200);
    EXPECT_EQ(tus("HEAD", bare(location), bearer(token("ann", auth::scope::view))).status, 403);
    auto headers = edit;
    headers["Upload-Length"] = "3";
    const auto made = tus("POST", base() + "/files/", headers);
    ASSERT_EQ(made.status, 201);
    const auto own = field(made, "Location");
    EXPECT_EQ(own.find('?'), std::string::npos);
    EXPECT_EQ(statuses(own, bearer(grant())), (std::vector<int>{404, 404, 404}))
        << "a grant for a reference does not open what has none";
    EXPECT_EQ(statuses(own, edit), (std::vector<int>{200, 204, 204}));
}

TEST_F(tus_access, ids_that_are_none_are_not_found) {
    for (const auto& id : {std::string(".info"), std::string(32, 'x'), std::string(31, '0'),
                           std::string(33, '0'), std::string(32, 'A'), std::string(2000, '0')}) {
        EXPECT_EQ(statuses(base() + "/files/" + id, bearer(grant())),
                  (std::vector<int>{404, 404, 404}))
            << id;
    }
}

TEST_F(tus_access, an_upload_cannot_be_read_back) {
    ASSERT_EQ(patch(location, 0, std::string(100, 's')).status, 204);
    const auto r = tus("GET", location);
    EXPECT_EQ(r.status, 405);
    EXPECT_EQ(r.body.find("ssss"), std::string::npos);
    EXPECT_EQ(field(r, "Access-Control-Allow-Origin"), "*");
}

TEST_F(tus_access, internal_routes_need_the_internal_secret) {
    const auto path = "/internal/uploads/" + id_of(location);
    for (const auto& headers :
         {fields{}, bearer("wrong"), bearer(grant()), bearer(token("ann", auth::scope::admin))}) {
        EXPECT_EQ(send("GET", base() + path, headers).status, 401);
        EXPECT_EQ(send("DELETE", base() + path, headers).status, 401);
        EXPECT_EQ(send("GET", base() + "/internal/uploads?reference=ref-1", headers).status, 401);
    }
    EXPECT_EQ(internal("GET", path).status, 200);
    settings.internal_secret.clear();
    restart();
    EXPECT_EQ(send("GET", base() + path, bearer("")).status, 401);
}

}  // namespace
}  // namespace vora::upload
