#include "services/metadata/handlers/grpc_video_service.hpp"

#include "services/metadata/handlers/grpc_messages.hpp"
#include "services/metadata/handlers/playback_offer.hpp"
#include "services/metadata/testing/world.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/util/json_util.h>
#include <google/rpc/status.pb.h>
#include <gtest/gtest.h>

#include <set>

namespace vora::metadata {
namespace {

using proto::Video;

struct refusal {
    google::rpc::Status status;
    google::rpc::ErrorInfo info;
    std::optional<google::rpc::BadRequest> bad;
    bool retry = false;
};

// The service without sockets.
struct grpc_service : testing::Test {
    world w;
    auth::token_issuer issuer =
        std::move(*auth::token_issuer::load_or_create(w.directory.path / "issuer.pem"));
    auth::grant_keys keys = auth::grant_keys::for_tests();
    obs::metrics metrics;
    authenticator who{verifier(), w.clock, ""};
    grpc_video_service api{w.all, w.changes, w.progress, who, keys, w.clock, bases(), {}, metrics};
    rpc::service service = api.service();
    std::string anna = token("anna", auth::scope::edit);

    static url_bases bases() {
        return {"http://up.example", "http://play.example", "http://api.example"};
    }
    auth::token_verifier verifier() {
        auth::token_verifier v;
        EXPECT_TRUE(v.add_key(issuer.public_key_pem(), issuer.key_id()));
        return v;
    }
    std::string token(std::string_view subject, auth::scope s) {
        return issuer.mint(subject, s, w.clock.now(), 3600s);
    }

    rpc::answer send(const std::string& method, std::string bytes, rpc::fields metadata) {
        rpc::call c{method, std::move(bytes), std::move(metadata), "127.0.0.1", "request-1"};
        for (const auto& [name, run] : service.methods) {
            if (name == method) {
                return w.run(run(c));
            }
        }
        throw std::runtime_error("no method " + method);
    }
    rpc::answer call(const std::string& by, const std::string& method,
                     const google::protobuf::Message& m, rpc::fields more = {}) {
        more.emplace_back("authorization", "Bearer " + by);
        return send(method, m.SerializeAsString(), std::move(more));
    }
    template <class Answer>
    Answer ask(const std::string& method, const google::protobuf::Message& m,
               rpc::fields more = {}) {
        const auto a = call(anna, method, m, std::move(more));
        EXPECT_EQ(to_string(a.code), "OK") << method << ": " << a.text;
        Answer out;
        EXPECT_TRUE(out.ParseFromString(a.message));
        return out;
    }
    static refusal refused(const rpc::answer& a, std::string_view code, std::string_view reason) {
        EXPECT_EQ(to_string(a.code), code) << a.text;
        refusal r;
        EXPECT_TRUE(r.status.ParseFromString(a.details));
        EXPECT_EQ(r.status.code(), static_cast<int>(a.code));
        EXPECT_EQ(r.status.message(), a.text);
        for (const auto& detail : r.status.details()) {
            google::rpc::BadRequest bad;
            google::rpc::RetryInfo retry;
            if (detail.UnpackTo(&bad)) {
                r.bad = bad;
            } else if (!detail.UnpackTo(&r.info)) {
                r.retry = detail.UnpackTo(&retry);
            }
        }
        EXPECT_EQ(r.info.domain(), "vora");
        EXPECT_EQ(r.info.reason(), reason);
        EXPECT_EQ(r.info.metadata().at("request_id"), "request-1");
        return r;
    }
    Video create(const std::string& title = "a title",
                 Video::Visibility visibility = Video::VISIBILITY_UNSPECIFIED) {
        proto::CreateVideoRequest m;
        m.set_title(title);
        m.set_visibility(visibility);
        return ask<Video>("CreateVideo", m);
    }
    Video get(const std::string& id) {
        proto::GetVideoRequest m;
        m.set_id(id);
        return ask<Video>("GetVideo", m);
    }
    std::string create_ready() {
        const auto id = create("t", Video::PUBLIC).id();
        w.uploads.put("u" + id, video_id{id}, upload_status::finished);
        w.run(w.ends.notice({"anna", false}, video_id{id}, upload_id{"u" + id})).value();
        w.run(w.runs.mark_ready(
                  video_id{id}, 1,
                  {10.5, 640, 360, {{"360p", 640, 360, 9, 8, "avc1", 25, 1, 1, 1}}, {{"c", "d"}}}))
            .value();
        return id;
    }
};

TEST_F(grpc_service, has_a_handler_for_every_method_of_the_contract) {
    const auto* described = proto::Video::descriptor()->file()->FindServiceByName("VideoService");
    ASSERT_NE(described, nullptr);
    EXPECT_EQ(described->full_name(), service.name);
    std::set<std::string> expected;
    for (int i = 0; i < described->method_count(); ++i) {
        expected.insert(described->method(i)->name());
    }
    std::set<std::string> present;
    for (const auto& [name, run] : service.methods) {
        present.insert(name);
    }
    EXPECT_EQ(present, expected);
}

TEST_F(grpc_service, every_field_that_rest_renders_is_in_the_message) {
    const auto strictly = [](const std::string& json, google::protobuf::Message&& m) {
        google::protobuf::util::JsonParseOptions options;
        options.case_insensitive_enum_parsing = true;
        const auto status = google::protobuf::util::JsonStringToMessage(json, &m, options);
        EXPECT_TRUE(status.ok()) << status.message() << json;
    };
    const auto made = w.create();
    strictly(render_video(made, std::nullopt, bases(), keys), Video());
    auto ready = w.stored(video_id{create_ready()});
    ready.failure = video_failure{"code", "detail"};
    strictly(render_video(ready, ingest_progress{"encode", 50, 3}, bases(), keys), Video());
    const auto offer = offer_playback(ready, {}, bases(), keys, w.clock.now());
    strictly(render_playback(offer.value()), proto::Playback());
}

TEST_F(grpc_service, a_new_video_waits_for_its_upload) {
    const auto v = create("a \"title\"");
    EXPECT_EQ(v.title(), "a \"title\"");
    EXPECT_EQ(v.state(), Video::CREATED);
    EXPECT_EQ(v.visibility(), Video::PRIVATE);
    EXPECT_EQ(v.version(), 1);
    EXPECT_EQ(v.created_at().seconds(), to_unix_ms(w.clock.now()) / 1000);
    EXPECT_TRUE(v.upload().url().starts_with("http://up.example/files/?grant="));
    EXPECT_TRUE(v.upload().headers().at("Authorization").starts_with("Bearer "));
    EXPECT_FALSE(v.has_playable_at() || v.has_manifest_url() || v.has_duration_s() ||
                 v.has_error() || v.has_progress());
    EXPECT_EQ(get(v.id()).SerializeAsString(), v.SerializeAsString());
}

TEST_F(grpc_service, a_ready_video_shows_what_was_found_out) {
    const auto v = get(create_ready());
    EXPECT_EQ(v.state(), Video::READY);
    EXPECT_EQ(v.duration_s(), 10.5);
    EXPECT_EQ(v.width(), 640);
    ASSERT_EQ(v.renditions_size(), 1);
    EXPECT_EQ(v.renditions(0).bandwidth(), 9);
    EXPECT_EQ(v.input_report(0).code(), "c");
    EXPECT_EQ(v.manifest_url(), "http://play.example/play/public/" + v.id() + "/master.m3u8");
    EXPECT_FALSE(v.has_upload());
}

TEST_F(grpc_service, refuses_callers_without_a_token_or_with_too_small_a_scope) {
    const auto bytes = proto::CreateVideoRequest().SerializeAsString();
    refused(send("CreateVideo", bytes, {}), "UNAUTHENTICATED", "TOKEN_MISSING");
    refused(send("CreateVideo", bytes, {{"authorization", "Basic x"}}), "UNAUTHENTICATED",
            "TOKEN_MALFORMED");
    const auto bearer = "Bearer " + anna;
    refused(send("CreateVideo", bytes, {{"authorization", bearer}, {"authorization", bearer}}),
            "UNAUTHENTICATED", "TOKEN_MALFORMED");
    refused(call(token("anna", auth::scope::view), "CreateVideo", proto::CreateVideoRequest()),
            "PERMISSION_DENIED", "INSUFFICIENT_SCOPE");
}

TEST_F(grpc_service, somebody_elses_video_and_what_is_no_id_are_not_found) {
    proto::GetVideoRequest m;
    m.set_id(create().id());
    refused(call(token("bert", auth::scope::edit), "GetVideo", m), "NOT_FOUND", "VIDEO_NOT_FOUND");
    m.set_id("no id");
    refused(call(anna, "GetVideo", m), "NOT_FOUND", "VIDEO_NOT_FOUND");
}

TEST_F(grpc_service, names_the_fields_that_are_wrong) {
    proto::CreateVideoRequest m;
    m.set_title(std::string(201, 'x'));
    m.set_visibility(static_cast<Video::Visibility>(7));
    const auto r = refused(call(anna, "CreateVideo", m), "INVALID_ARGUMENT", "INVALID_FIELDS");
    ASSERT_TRUE(r.bad);
    ASSERT_EQ(r.bad->field_violations_size(), 2);
    EXPECT_EQ(r.bad->field_violations(0).field(), "title");
    EXPECT_EQ(r.bad->field_violations(0).reason(), "TOO_LONG");
    EXPECT_EQ(r.bad->field_violations(1).field(), "visibility");
    EXPECT_EQ(r.bad->field_violations(1).reason(), "UNKNOWN_VALUE");
}

TEST_F(grpc_service, refuses_bytes_that_are_no_message) {
    const rpc::fields bearer{{"authorization", "Bearer " + anna}};
    refused(send("CreateVideo", "\xff\xff\xff", bearer), "INVALID_ARGUMENT", "BAD_MESSAGE");
    // Field 1, two bytes, no UTF-8.
    refused(send("CreateVideo", "\x0a\x02\xff\xfe", bearer), "INVALID_ARGUMENT", "BAD_MESSAGE");
}

TEST_F(grpc_service, updates_only_the_version_that_was_named) {
    const auto id = create().id();
    proto::UpdateVideoRequest m;
    m.set_id(id);
    m.set_description("new");
    m.set_version(1);
    const auto v = ask<Video>("UpdateVideo", m);
    EXPECT_EQ(v.version(), 2);
    EXPECT_EQ(v.title(), "a title");
    EXPECT_EQ(v.description(), "new");
    m.set_description("newer");
    refused(call(anna, "UpdateVideo", m), "ABORTED", "VERSION_MISMATCH");
    proto::DeleteVideoRequest d;
    d.set_id(id);
    d.set_version(1);
    refused(call(anna, "DeleteVideo", d), "ABORTED", "VERSION_MISMATCH");
    d.clear_version();
    ask<proto::DeleteVideoResponse>("DeleteVideo", d);
    refused(call(anna, "DeleteVideo", d), "NOT_FOUND", "VIDEO_NOT_FOUND");
}

TEST_F(grpc_service, bad_words_about_somebody_elses_video_are_not_found) {
    proto::UpdateVideoRequest m;
    m.set_id(create().id());
    m.set_title("");
    refused(call(token("bert", auth::scope::edit), "UpdateVideo", m), "NOT_FOUND",
            "VIDEO_NOT_FOUND");
    refused(call(anna, "UpdateVideo", m), "INVALID_ARGUMENT", "INVALID_FIELDS");
}

TEST_F(grpc_service, the_same_create_under_one_key_is_one_video) {
    proto::CreateVideoRequest m;
    m.set_title("once");
    const rpc::fields key{{"idempotency-key", "k1"}};
    const auto first = ask<Video>("CreateVideo", m, key);
    auto again = call(anna, "CreateVideo", m, key);
    Video second;
    ASSERT_TRUE(second.ParseFromString(again.message));
    EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());
    EXPECT_NE(std::ranges::find(again.trailing, std::pair{std::string("idempotency-replayed"),
                                                          std::string("true")}),
              again.trailing.end());
    m.set_title("other");
    refused(call(anna, "CreateVideo", m, key), "FAILED_PRECONDITION", "IDEMPOTENCY_KEY_REUSED");
    refused(call(anna, "CreateVideo", m, {{"idempotency-key", ""}}), "INVALID_ARGUMENT",
            "BAD_IDEMPOTENCY_KEY");
}

TEST_F(grpc_service, a_notice_begins_processing_once_the_upload_is_finished) {
    const auto id = create().id();
    w.uploads.put("u1", video_id{id}, upload_status::finished);
    proto::CompleteUploadRequest m;
    m.set_id(id);
    m.set_upload_id("u1");
    EXPECT_EQ(ask<Video>("CompleteUpload", m).state(), Video::PROCESSING);
    m.set_upload_id("u2");
    refused(call(anna, "CompleteUpload", m), "NOT_FOUND", "UPLOAD_NOT_FOUND");
    w.uploads.down = true;
    m.set_upload_id("u3");
    const auto r =
        refused(call(anna, "CompleteUpload", m), "UNAVAILABLE", "UPLOAD_SERVICE_UNAVAILABLE");
    EXPECT_TRUE(r.retry);
}

TEST_F(grpc_service, playback_is_signed_when_the_video_is_playable) {
    proto::CreatePlaybackRequest m;
    m.set_id(create().id());
    refused(call(anna, "CreatePlayback", m), "FAILED_PRECONDITION", "NOT_PLAYABLE");
    m.set_id(create_ready());
    m.set_ttl_s(60);
    m.set_max_height(360);
    const auto p = ask<proto::Playback>("CreatePlayback", m);
    EXPECT_TRUE(p.manifest_url().starts_with("http://play.example/play/"));
    EXPECT_TRUE(p.has_embed_url());
    EXPECT_TRUE(p.has_cookie());
    EXPECT_EQ(p.expires_at().seconds(), to_unix_ms(w.clock.now()) / 1000 + 60);
    m.set_ttl_s(0);
    const auto r = refused(call(anna, "CreatePlayback", m), "INVALID_ARGUMENT", "INVALID_FIELDS");
    EXPECT_EQ(r.bad->field_violations(0).field(), "ttl_s");
}

TEST_F(grpc_service, cancelling_fails_the_video) {
    proto::CancelVideoRequest m;
    m.set_id(create().id());
    const auto v = ask<Video>("CancelVideo", m);
    EXPECT_EQ(v.state(), Video::FAILED);
    EXPECT_EQ(v.error().code(), "cancelled");
    m.set_id(create_ready());
    EXPECT_EQ(to_string(call(anna, "CancelVideo", m).code), "FAILED_PRECONDITION");
}

TEST_F(grpc_service, pages_meet_every_video_once) {
    w.create_many(7);
    proto::ListVideosRequest m;
    m.set_page_size(3);
    std::set<std::string> seen;
    int pages = 0;
    do {
        const auto page = ask<proto::ListVideosResponse>("ListVideos", m);
        for (const auto& v : page.videos()) {
            EXPECT_TRUE(seen.insert(v.id()).second);
        }
        m.set_page_token(page.next_page_token());
        ++pages;
    } while (!m.page_token().empty());
    EXPECT_EQ(seen.size(), 7u);
    EXPECT_EQ(pages, 3);
    m.set_state(Video::READY);
    m.set_page_token("rubbish");
    refused(call(anna, "ListVideos", m), "INVALID_ARGUMENT", "BAD_PAGE_TOKEN");
    m.clear_page_token();
    EXPECT_EQ(ask<proto::ListVideosResponse>("ListVideos", m).videos_size(), 0);
    m.set_state(static_cast<Video::State>(9));
    refused(call(anna, "ListVideos", m), "INVALID_ARGUMENT", "BAD_STATE");
    m.set_state(Video::STATE_UNSPECIFIED);
    m.set_page_size(-1);
    refused(call(anna, "ListVideos", m), "INVALID_ARGUMENT", "BAD_PAGE_SIZE");
}

TEST_F(grpc_service, a_page_of_the_longest_texts_fits_into_what_clients_take) {
    std::string longest;
    for (int i = 0; i < 5000; ++i) {
        longest += "\xF0\x9F\x8E\xAC";
    }
    const auto now = w.clock.now();
    w.run(w.repository.in_transaction([&](video_transaction& t) -> result<void> {
         for (int i = 0; i < 200; ++i) {
             auto v = create_video({"t", longest, visibility::only_owner, "anna"},
                                   video_id{random_uuid()}, now, std::chrono::seconds(86'400));
             if (auto r = t.insert(v); !r) {
                 return r;
             }
         }
         return {};
     })).value();
    proto::ListVideosRequest m;
    m.set_page_size(200);
    int seen = 0;
    do {
        const auto page = ask<proto::ListVideosResponse>("ListVideos", m);
        EXPECT_LT(page.ByteSizeLong(), 4u << 20);
        seen += page.videos_size();
        m.set_page_token(page.next_page_token());
    } while (!m.page_token().empty());
    EXPECT_EQ(seen, 200);
}

}  // namespace
}  // namespace vora::metadata
