#include "services/upload/testing/app_fixture.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vora::upload {
namespace {

struct tus_append : app_fixture {
    std::string begin(std::size_t length) { return field(create(length), "Location"); }
    std::string file_of(const std::string& location) {
        std::ifstream in(dir.path / "bucket" / id_of(location) / "original.mp4", std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
};

TEST_F(tus_append, patches_add_up_and_the_last_one_finishes_and_tells) {
    const auto bytes = make_bytes(1000);
    const auto url = begin(bytes.size());
    EXPECT_EQ(field(patch(url, 0, bytes.substr(0, 300)), "Upload-Offset"), "300");
    EXPECT_EQ(offset_of(url), 300u);
    const auto last = patch(url, 300, bytes.substr(300));
    EXPECT_EQ(last.status, 204);
    EXPECT_EQ(field(last, "Upload-Offset"), "1000");
    EXPECT_EQ(file_of(url), bytes);
    run_until([&] { return !hooks.empty(); });
    EXPECT_TRUE(hooks[0].signature_ok);
    const auto body = nlohmann::json::parse(hooks[0].body);
    EXPECT_EQ(body["type"], "finished");
    EXPECT_EQ(body["upload_id"], id_of(url));
    EXPECT_EQ(body["reference"], "ref-1");
    EXPECT_EQ(body["size_bytes"], 1000);
    EXPECT_EQ(body["object_key"], id_of(url) + "/original.mp4");
    EXPECT_TRUE(body["occurred_at"].is_string());
}

TEST_F(tus_append, a_file_of_several_parts_arrives_whole_over_a_real_connection) {
    const auto bytes = make_bytes(2 * part + 12'345);
    const auto url = begin(bytes.size());
    ASSERT_EQ(patch(url, 0, bytes.substr(0, part + 1)).status, 204);
    ASSERT_EQ(patch(url, part + 1, bytes.substr(part + 1)).status, 204);
    EXPECT_TRUE(file_of(url) == bytes);
}

TEST_F(tus_append, another_offset_is_409_and_changes_nothing) {
    const auto url = begin(1000);
    ASSERT_EQ(patch(url, 0, std::string(300, 'x')).status, 204);
    for (std::size_t offset : {0u, 299u, 301u, 1000u, 5000u}) {
        const auto r = patch(url, offset, "y");
        EXPECT_EQ(r.status, 409) << offset;
        EXPECT_EQ(code_of(r), "upload_offset_mismatch");
        EXPECT_EQ(field(r, "Content-Type"), "application/problem+json");
        EXPECT_EQ(field(r, "Tus-Resumable"), "1.0.0");
        EXPECT_NE(field(r, "Access-Control-Expose-Headers").find("Upload-Offset"),
                  std::string::npos);
    }
    EXPECT_EQ(offset_of(url), 300u);
}

TEST_F(tus_append, what_is_no_offset_is_400_and_another_media_type_415) {
    const auto url = begin(10);
    for (const auto* offset : {"-1", "+0", "0x0", "1e1", "zero"}) {
        EXPECT_EQ(patch(url, 0, "x", {{"Upload-Offset", offset}}).status, 400) << offset;
    }
    EXPECT_EQ(tus("PATCH", url, {{"Content-Type", "application/offset+octet-stream"}}, "x").status,
              400);
    EXPECT_EQ(patch(url, 0, "x", {{"Content-Type", "application/octet-stream"}}).status, 415);
    EXPECT_EQ(tus("PATCH", url, {{"Upload-Offset", "0"}}, "x").status, 415);
    EXPECT_EQ(patch(url, 0, "x", {{"Tus-Resumable", "0.9"}}).status, 412);
    EXPECT_EQ(offset_of(url), 0u);
}

TEST_F(tus_append, a_body_past_the_length_is_413_and_not_stored) {
    const auto url = begin(10);
    const auto r = patch(url, 0, "01234567890");
    EXPECT_EQ(r.status, 413);
    EXPECT_EQ(offset_of(url), 0u);
    ASSERT_EQ(patch(url, 0, "0123456789").status, 204);
    EXPECT_EQ(file_of(url), "0123456789");
}

TEST_F(tus_append, a_post_with_method_override_counts_as_the_other_method) {
    const auto url = begin(10);
    const auto r = tus("POST", url,
                       {{"X-HTTP-Method-Override", "PATCH"},
                        {"Upload-Offset", "0"},
                        {"Content-Type", "application/offset+octet-stream"}},
                       "0123");
    EXPECT_EQ(r.status, 204);
    EXPECT_EQ(offset_of(url), 4u);
    EXPECT_EQ(tus("POST", bare(url), {{"X-HTTP-Method-Override", "DELETE"}}).status, 401)
        << "who may is asked after the override";
    EXPECT_EQ(tus("POST", url, {{"X-HTTP-Method-Override", "DELETE"}}).status, 204);
}

TEST_F(tus_append, termination_makes_the_upload_gone_and_tells) {
    const auto url = begin(10);
    ASSERT_EQ(patch(url, 0, "0123").status, 204);
    EXPECT_EQ(tus("DELETE", url).status, 204);
    EXPECT_EQ(tus("HEAD", url).status, 410);
    EXPECT_EQ(patch(url, 4, "x").status, 410);
    run_until([&] { return !hooks.empty(); });
    EXPECT_NE(hooks[0].body.find("\"terminated\""), std::string::npos);
}

TEST_F(tus_append, a_finished_upload_cannot_be_terminated_by_its_client) {
    const auto url = begin(3);
    ASSERT_EQ(patch(url, 0, "abc").status, 204);
    const auto r = tus("DELETE", url);
    EXPECT_EQ(r.status, 403);
    EXPECT_EQ(code_of(r), "upload_finished");
    EXPECT_EQ(file_of(url), "abc");
}

TEST_F(tus_append, storage_that_fails_is_503_with_the_offset_intact) {
    const auto url = begin(2 * part);
    const auto bytes = make_bytes(2 * part);
    ASSERT_EQ(patch(url, 0, bytes.substr(0, 1000)).status, 204);
    store->before = [](const store_call& c) -> result<void> {
        const bool writes = c.name == "put" || c.name == "put_part" || c.name == "begin";
        return writes ? fail(errc::permission_denied, "AccessDenied") : result<void>{};
    };
    const auto r = patch(url, 1000, bytes.substr(1000));
    EXPECT_EQ(r.status, 503);
    EXPECT_EQ(code_of(r), "storage_unavailable");
    EXPECT_NE(field(r, "Retry-After"), "");
    store->before = nullptr;
    EXPECT_EQ(offset_of(url), 1000u);
    ASSERT_EQ(patch(url, 1000, bytes.substr(1000)).status, 204);
    EXPECT_TRUE(file_of(url) == bytes);
}

TEST_F(tus_append, a_purged_multipart_is_410) {
    const auto url = begin(2 * part);
    ASSERT_EQ(patch(url, 0, make_bytes(part)).status, 204);
    std::filesystem::remove_all(dir.path / "bucket" / ".multipart");
    EXPECT_EQ(tus("HEAD", url).status, 410);
    EXPECT_EQ(patch(url, part, "x").status, 410);
}

TEST_F(tus_append, grants_and_uploads_stay_valid_over_a_restart_on_another_port) {
    const auto bytes = make_bytes(1000);
    auto url = begin(bytes.size());
    ASSERT_EQ(patch(url, 0, bytes.substr(0, 300)).status, 204);
    const auto path = url.substr(base().size());
    restart();
    url = base() + path;
    EXPECT_EQ(offset_of(url), 300u);
    ASSERT_EQ(patch(url, 300, bytes.substr(300)).status, 204);
    EXPECT_EQ(file_of(url), bytes);
}

TEST_F(tus_append, a_hook_is_repeated_until_the_receiver_says_yes) {
    hook_status = 500;
    const auto url = begin(3);
    ASSERT_EQ(patch(url, 0, "abc").status, 204);
    run_until([&] { return hooks.size() >= 3; });
    restart();
    const auto before = hooks.size();
    run_until([&] { return hooks.size() > before; });
    hook_status = 204;
    run_until([&] { return !std::filesystem::exists(dir.path / "bucket" / id_of(url) / ".hook"); });
    for (const auto& h : hooks) {
        EXPECT_EQ(h.id, hooks[0].id);
        EXPECT_TRUE(h.signature_ok);
    }
}

TEST_F(tus_append, uploads_expire_by_themselves) {
    settings.expiry = std::chrono::seconds(1);
    restart();
    const auto url = begin(10);
    clock.advance(std::chrono::seconds(2));
    run_until([&] { return !hooks.empty(); });
    EXPECT_NE(hooks[0].body.find("\"expired\""), std::string::npos);
    EXPECT_EQ(tus("HEAD", url).status, 410);
}

TEST_F(tus_append, other_services_see_state_offset_and_reference) {
    const auto url = begin(10);
    ASSERT_EQ(patch(url, 0, "0123").status, 204);
    const auto path = "/internal/uploads/" + id_of(url);
    const auto one = nlohmann::json::parse(internal("GET", path).body);
    EXPECT_EQ(one["upload_id"], id_of(url));
    EXPECT_EQ(one["state"], "open");
    EXPECT_EQ(one["offset"], 4);
    EXPECT_EQ(one["length"], 10);
    EXPECT_EQ(one["reference"], "ref-1");
    EXPECT_EQ(one["object_key"], id_of(url) + "/original.mp4");
    EXPECT_EQ(one["created_at"], "2026-11-23T17:00:00.000Z");
    EXPECT_EQ(one["expires_at"], "2026-11-24T17:00:00.000Z");
    const auto list =
        nlohmann::json::parse(internal("GET", "/internal/uploads?reference=ref-1").body);
    ASSERT_EQ(list["uploads"].size(), 1u);
    EXPECT_EQ(list["uploads"][0], one);
    const auto none = nlohmann::json::parse(internal("GET", "/internal/uploads?reference=x").body);
    EXPECT_TRUE(none["uploads"].empty());
    ASSERT_EQ(patch(url, 4, "456789").status, 204);
    EXPECT_EQ(nlohmann::json::parse(internal("GET", path).body)["state"], "finished");
    EXPECT_EQ(internal("DELETE", path).status, 204);
    EXPECT_EQ(internal("DELETE", path).status, 204);
    EXPECT_EQ(internal("GET", path).status, 404);
    EXPECT_FALSE(std::filesystem::exists(dir.path / "bucket" / id_of(url)));
    EXPECT_EQ(internal("DELETE", "/internal/uploads/nonsense").status, 204);
}

TEST_F(tus_append, metrics_count_what_happened) {
    const auto url = begin(10);
    ASSERT_EQ(patch(url, 0, "0123456789").status, 204);
    const auto text = metrics.expose();
    EXPECT_NE(text.find("vora_upload_created_total 1"), std::string::npos) << text;
    EXPECT_NE(text.find("vora_upload_received_bytes_total 10"), std::string::npos);
    EXPECT_NE(text.find("vora_upload_ended_total{state=\"finished\"} 1"), std::string::npos);
}

TEST(upload_config, an_object_name_that_is_a_path_is_refused) {
    config c;
    EXPECT_TRUE(c.check().has_value());
    for (const auto* bad : {"", "a/b", ".info", "..", "a b"}) {
        c.object_name = bad;
        EXPECT_FALSE(c.check().has_value()) << bad;
    }
}

}  // namespace
}  // namespace vora::upload
