#include "libs/durable/engine_temporal/payload_proto.hpp"

namespace vora::durable {

namespace proto = temporal::api::common::v1;

namespace {

constexpr const char* encoding_key = "encoding";
constexpr const char* json_plain = "json/plain";

}  // namespace

proto::Payload payload_of(std::string json) {
    proto::Payload p;
    (*p.mutable_metadata())[encoding_key] = json_plain;
    p.set_data(std::move(json));
    return p;
}

void to_payloads(std::string json, proto::Payloads& out) {
    out.clear_payloads();
    if (!json.empty()) {
        *out.add_payloads() = payload_of(std::move(json));
    }
}

result<std::string> json_of(const proto::Payload& p) {
    const auto encoding = p.metadata().find(encoding_key);
    const std::string name = encoding == p.metadata().end() ? "none" : encoding->second;
    if (name == json_plain || name == "json/protobuf") {
        return p.data();
    }
    if (name == "binary/null") {
        return std::string();
    }
    return fail(errc::invalid_argument, "payload_not_json", "the payload's encoding is " + name);
}

result<std::string> json_of(const proto::Payloads& p) {
    if (p.payloads_size() == 0) {
        return std::string();
    }
    if (p.payloads_size() > 1) {
        return fail(errc::invalid_argument, "payload_not_json",
                    std::to_string(p.payloads_size()) + " values where one is expected");
    }
    return json_of(p.payloads(0));
}

}  // namespace vora::durable
