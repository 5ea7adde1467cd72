#include "services/upload/handlers/authorizer.hpp"

#include <utility>

namespace vora::upload {

authorizer::authorizer(const auth::grant_keys& grants, auth::token_verifier tokens,
                       const clock_source& clock)
    : grants_(grants), tokens_(std::move(tokens)), clock_(clock) {}

result<authorized> authorizer::authorize(const net::request& r) const {
    if (const auto text = r.query_value("grant")) {
        return by_grant(*text);
    }
    const auto header = r.headers.get("Authorization");
    const auto bearer = header ? auth::bearer_token(*header) : std::string_view();
    if (bearer.empty()) {
        return fail(errc::unauthenticated, "unauthenticated", "a grant or a token is needed");
    }
    auto grant = by_grant(bearer);
    return grant ? grant : by_token(bearer);
}

result<authorized> authorizer::by_grant(std::string_view text) const {
    auto g = auth::verify_upload_grant(grants_, text, clock_.now());
    if (!g) {
        return fail(g.error());
    }
    return authorized{{.subject = g->subject,
                       .reference = g->reference,
                       .by_grant = true,
                       .admin = false,
                       .length_max = g->length_max},
                      std::string(text)};
}

result<authorized> authorizer::by_token(std::string_view text) const {
    auto p = tokens_.verify(text, clock_.now());
    if (!p) {
        return fail(p.error());
    }
    if (!p->allows(auth::scope::edit)) {
        return fail(errc::permission_denied, "scope_too_small", "uploading needs the scope edit");
    }
    return authorized{{.subject = p->subject,
                       .reference = {},
                       .by_grant = false,
                       .admin = p->allows(auth::scope::admin),
                       .length_max = std::nullopt},
                      {}};
}

}  // namespace vora::upload
