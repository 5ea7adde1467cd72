#include "services/upload/testing/app_fixture.hpp"

#include <gtest/gtest.h>

namespace vora::upload {
namespace {

struct tus_create : app_fixture {};

TEST_F(tus_create, options_tells_version_extensions_and_limit) {
    for (const auto* path : {"/files", "/files/", "/files/00000000000000000000000000000000"}) {
        const auto r = send("OPTIONS", base() + path);
        EXPECT_EQ(r.status, 204);
        EXPECT_EQ(field(r, "Tus-Version"), "1.0.0");
        EXPECT_EQ(field(r, "Tus-Extension"),
                  "creation,creation-with-upload,termination,expiration");
        EXPECT_EQ(field(r, "Tus-Max-Size"), std::to_string(std::uint64_t{256} << 30));
        EXPECT_EQ(field(r, "Access-Control-Allow-Origin"), "*");
        EXPECT_NE(field(r, "Access-Control-Allow-Methods").find("PATCH"), std::string::npos);
        EXPECT_NE(field(r, "Access-Control-Allow-Headers").find("Upload-Offset"),
                  std::string::npos);
    }
}

TEST_F(tus_create, answers_where_the_upload_is_and_when_it_expires) {
    const auto r = create(10, {{"Upload-Metadata", "filename YS5iaW4="}});
    ASSERT_EQ(r.status, 201) << r.body;
    const auto location = field(r, "Location");
    EXPECT_TRUE(location.starts_with(base() + "/files/")) << location;
    EXPECT_TRUE(is_upload_id(id_of(location)));
    EXPECT_NE(location.find("?grant="), std::string::npos);
    EXPECT_EQ(field(r, "Upload-Expires"), to_http_date(clock.now() + std::chrono::hours(24)));
    EXPECT_EQ(field(r, "Tus-Resumable"), "1.0.0");
    const auto head = tus("HEAD", location);
    EXPECT_EQ(head.status, 200);
    EXPECT_EQ(field(head, "Upload-Offset"), "0");
    EXPECT_EQ(field(head, "Upload-Length"), "10");
    EXPECT_EQ(field(head, "Upload-Metadata"), "filename YS5iaW4=");
    EXPECT_EQ(field(head, "Cache-Control"), "no-store");
}

TEST_F(tus_create, a_configured_public_url_stands_in_the_location) {
    settings.public_url = "https://up.example/";
    restart();
    const auto r = create(10);
    EXPECT_TRUE(field(r, "Location").starts_with("https://up.example/files/"));
}

TEST_F(tus_create, a_body_is_stored_with_the_creation) {
    const auto bytes = make_bytes(5000);
    const auto r = create(5000, {{"Content-Type", "application/offset+octet-stream"}}, bytes);
    ASSERT_EQ(r.status, 201);
    EXPECT_EQ(field(r, "Upload-Offset"), "5000");
    const auto half =
        create(5000, {{"Content-Type", "application/offset+octet-stream"}}, bytes.substr(0, 1234));
    EXPECT_EQ(field(half, "Upload-Offset"), "1234");
    EXPECT_EQ(offset_of(field(half, "Location")), 1234u);
    EXPECT_EQ(create(5, {{"Content-Type", "text/plain"}}, "12345").status, 415);
    EXPECT_EQ(create(5, {{"Content-Type", "application/offset+octet-stream"}}, "123456").status,
              413);
}

TEST_F(tus_create, an_empty_file_is_finished_at_once) {
    const auto r = create(0);
    ASSERT_EQ(r.status, 201);
    EXPECT_EQ(offset_of(field(r, "Location")), 0u);
    run_until([&] { return !hooks.empty(); });
    EXPECT_NE(hooks[0].body.find("\"size_bytes\":0"), std::string::npos) << hooks[0].body;
}

TEST_F(tus_create, a_length_that_is_no_plain_number_is_refused) {
    for (const auto* length :
         {"-1", "+5", "5.0", "1e3", "0x10", "five", "5 5", "9223372036854775808"}) {
        const auto r = create(0, {{"Upload-Length", length}});
        EXPECT_EQ(r.status, 400) << length;
        EXPECT_EQ(code_of(r), "bad_upload_length");
    }
    EXPECT_EQ(tus("POST", files_url(grant())).status, 400);
    EXPECT_EQ(create(5, {{"Upload-Defer-Length", "1"}}).status, 400);
    EXPECT_EQ(create(5, {{"Upload-Concat", "partial"}}).status, 400);
}

TEST_F(tus_create, a_file_over_the_limit_is_413) {
    const auto limit = std::uint64_t{256} << 30;
    EXPECT_EQ(create(0, {{"Upload-Length", std::to_string(limit + 1)}}).status, 413);
    EXPECT_EQ(create(0, {{"Upload-Length", std::to_string(limit)}}).status, 201);
    const auto small = files_url(grant("ref-1", "ann", 10));
    const auto r = tus("POST", small, {{"Upload-Length", "11"}});
    EXPECT_EQ(r.status, 413);
    EXPECT_EQ(code_of(r), "upload_too_large");
    EXPECT_EQ(tus("POST", small, {{"Upload-Length", "10"}}).status, 201);
}

TEST_F(tus_create, metadata_outside_the_rules_is_refused) {
    for (const auto* bad : {"filename not*base64", "a YQ==,a Yg==", "a b c"}) {
        EXPECT_EQ(create(5, {{"Upload-Metadata", bad}}).status, 400) << bad;
    }
    // Decoded it holds a line break and a header.
    const auto r = create(5, {{"Upload-Metadata", "filename YQ0KWC1JbmplY3RlZDogMQ=="}});
    EXPECT_EQ(r.status, 201);
    EXPECT_EQ(field(tus("HEAD", field(r, "Location")), "X-Injected"), "");
}

TEST_F(tus_create, another_version_is_412_and_told_which_one_to_speak) {
    for (const auto* version : {"0.2.2", "2.0.0", "1.0"}) {
        const auto r = create(5, {{"Tus-Resumable", version}});
        EXPECT_EQ(r.status, 412);
        EXPECT_EQ(field(r, "Tus-Version"), "1.0.0");
    }
    EXPECT_EQ(send("POST", files_url(grant()), {{"Upload-Length", "5"}}).status, 412);
}

TEST_F(tus_create, too_many_open_uploads_of_one_reference_are_429) {
    for (int i = 0; i < 10; ++i) {
        ASSERT_EQ(create(5).status, 201);
    }
    const auto r = create(5);
    EXPECT_EQ(r.status, 429);
    EXPECT_NE(field(r, "Retry-After"), "");
    EXPECT_EQ(tus("POST", files_url(grant("ref-2")), {{"Upload-Length", "5"}}).status, 201);
}

TEST_F(tus_create, a_full_store_is_507_and_an_absent_one_503) {
    store->before = [](const store_call&) -> result<void> {
        return fail(errc::resource_exhausted, "store_full", "pwrite: No space left on device");
    };
    const auto full = create(5);
    EXPECT_EQ(full.status, 507);
    EXPECT_EQ(full.body.find("pwrite"), std::string::npos);
    store->before = [](const store_call&) -> result<void> {
        return fail(errc::permission_denied, "AccessDenied", "bucket policy of /srv/x");
    };
    const auto away = create(5);
    EXPECT_EQ(away.status, 503);
    EXPECT_NE(field(away, "Retry-After"), "");
    EXPECT_EQ(away.body.find("AccessDenied"), std::string::npos) << away.body;
    EXPECT_EQ(away.body.find("/srv"), std::string::npos);
    EXPECT_EQ(field(away, "Access-Control-Allow-Origin"), "*");
}

}  // namespace
}  // namespace vora::upload
