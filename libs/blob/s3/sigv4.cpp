#include "libs/blob/s3/sigv4.hpp"

#include "libs/base/crypto.hpp"
#include "libs/base/encoding.hpp"

#include <algorithm>
#include <cstdio>

namespace vora::blob {

namespace {

// Outer spaces go, runs of them become one.
std::string canonical_value(std::string_view value) {
    std::string out;
    for (const char c : value) {
        const bool blank = c == ' ' || c == '\t';
        if (!blank) {
            out += c;
        } else if (!out.empty() && out.back() != ' ') {
            out += ' ';
        }
    }
    while (out.ends_with(' ')) {
        out.pop_back();
    }
    return out;
}

name_values sorted(name_values fields) {
    std::ranges::sort(fields);
    return fields;
}

std::string signed_names(const name_values& headers) {
    std::string names;
    for (const auto& [name, value] : sorted(headers)) {
        names += (names.empty() ? "" : ";") + name;
    }
    return names;
}

}  // namespace

std::string to_amz_date(timestamp t) {
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(t - day));
    char text[32];
    std::snprintf(text, sizeof text, "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return text;
}

std::string canonical_query(const name_values& query) {
    name_values encoded;
    for (const auto& [name, value] : query) {
        encoded.emplace_back(percent_encode(name), percent_encode(value));
    }
    std::ranges::sort(encoded);
    std::string text;
    for (const auto& [name, value] : encoded) {
        text += (text.empty() ? "" : "&") + name + '=' + value;
    }
    return text;
}

std::string canonical_request(const sigv4_request& r) {
    std::string text = r.method + '\n' + r.path + '\n' + canonical_query(r.query) + '\n';
    for (const auto& [name, value] : sorted(r.headers)) {
        text += name + ':' + canonical_value(value) + '\n';
    }
    return text + '\n' + signed_names(r.headers) + '\n' + r.payload_hash;
}

sigv4_signer::sigv4_signer(std::string access_key, std::string secret_key, std::string region,
                           std::string service)
    : access_key_(std::move(access_key)),
      secret_key_(std::move(secret_key)),
      region_(std::move(region)),
      service_(std::move(service)) {}

const std::string& sigv4_signer::signing_key(std::string_view day) {
    if (key_day_ != day) {
        key_ = hmac_sha256("AWS4" + secret_key_, day);
        for (const std::string_view part : {std::string_view(region_), std::string_view(service_),
                                            std::string_view("aws4_request")}) {
            key_ = hmac_sha256(key_, part);
        }
        key_day_ = day;
    }
    return key_;
}

std::string sigv4_signer::authorization(const sigv4_request& r, timestamp t) {
    const std::string when = to_amz_date(t);
    const std::string day = when.substr(0, 8);
    const std::string scope = day + '/' + region_ + '/' + service_ + "/aws4_request";
    const std::string to_sign =
        "AWS4-HMAC-SHA256\n" + when + '\n' + scope + '\n' + sha256_hex(canonical_request(r));
    return "AWS4-HMAC-SHA256 Credential=" + access_key_ + '/' + scope +
           ", SignedHeaders=" + signed_names(r.headers) +
           ", Signature=" + hex_encode(hmac_sha256(signing_key(day), to_sign));
}

}  // namespace vora::blob
