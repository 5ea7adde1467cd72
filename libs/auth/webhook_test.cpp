#include "libs/auth/webhook.hpp"

#include <gtest/gtest.h>

namespace vora::auth {
namespace {

// The vector of the Standard Webhooks reference libraries.
constexpr auto secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr auto id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr auto body = R"({"test": 2432232314})";
constexpr auto sent_text = "1614265330";
constexpr auto signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
const timestamp sent{seconds(1614265330)};

std::string reason(const result<void>& r) {
    return r ? "" : r.error().reason;
}

TEST(webhook, signs_the_published_vector) {
    EXPECT_EQ(sign_webhook(secret, id, sent, body), signature);
}

TEST(webhook, accepts_the_published_vector) {
    EXPECT_TRUE(verify_webhook(secret, id, sent_text, signature, body, sent));
}

TEST(webhook, any_of_several_signatures_may_match) {
    const auto many = std::string("v1,AAAA v2,x ") + signature;
    EXPECT_TRUE(verify_webhook(secret, id, sent_text, many, body, sent));
}

TEST(webhook, a_secret_without_prefix_is_its_own_bytes) {
    const auto text = sign_webhook("plain", id, sent, body);
    EXPECT_TRUE(verify_webhook("plain", id, sent_text, text, body, sent));
    EXPECT_FALSE(verify_webhook("other", id, sent_text, text, body, sent));
}

TEST(webhook, refuses_whatever_was_changed) {
    struct refusal {
        const char* what;
        std::string id, sent, signatures, body;
    };
    const refusal table[] = {
        {"body", id, sent_text, signature, "{}"},
        {"id", "msg_other", sent_text, signature, body},
        {"time", id, "1614265331", signature, body},
        {"no signature", id, sent_text, "", body},
        {"no version", id, sent_text, std::string(signature).substr(3), body},
        {"version v1a", id, sent_text, "v1a," + std::string(signature).substr(3), body},
        {"cut signature", id, sent_text, std::string(signature).substr(0, 20), body},
        {"signed time", id, "+1614265330", signature, body},
        {"float time", id, "1614265330.0", signature, body},
        {"huge time", id, "9007199254740991", signature, body},
        {"no id", "", sent_text, signature, body},
    };
    for (const auto& row : table) {
        const auto r = verify_webhook(secret, row.id, row.sent, row.signatures, row.body, sent);
        EXPECT_EQ(reason(r), "webhook_bad_signature") << row.what;
    }
}

TEST(webhook, an_empty_secret_verifies_nothing) {
    EXPECT_FALSE(verify_webhook("", id, sent_text, sign_webhook("", id, sent, body), body, sent));
}

TEST(webhook, the_time_may_be_off_by_five_minutes_either_way) {
    for (const auto off : {-300s, 300s}) {
        EXPECT_TRUE(verify_webhook(secret, id, sent_text, signature, body, sent + off));
    }
    for (const auto off : {-301s, 301s}) {
        const auto r = verify_webhook(secret, id, sent_text, signature, body, sent + off);
        EXPECT_EQ(reason(r), "webhook_too_old");
    }
}

}  // namespace
}  // namespace vora::auth
