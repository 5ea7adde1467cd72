#include "libs/net/router.hpp"

#include "libs/base/assert.hpp"
#include "libs/net/problem.hpp"

#include <boost/asio/this_coro.hpp>

#include <algorithm>

namespace vora::net {

namespace {

std::vector<std::string> split_pattern(std::string_view pattern) {
    VORA_ASSERT(pattern.starts_with('/'));
    std::vector<std::string> segments;
    std::size_t at = 1;
    for (;;) {
        const std::size_t end = pattern.find('/', at);
        segments.emplace_back(pattern.substr(at, end - at));
        if (end == std::string_view::npos) {
            return segments;
        }
        at = end + 1;
    }
}

enum class kind { rest, param, literal };  // in order of particularity

kind kind_of(std::string_view segment) {
    if (!segment.starts_with('{') || !segment.ends_with('}')) {
        return kind::literal;
    }
    return segment.ends_with("...}") ? kind::rest : kind::param;
}

std::string_view name_of(std::string_view segment) {
    const std::size_t tail = kind_of(segment) == kind::rest ? 5 : 2;
    return segment.substr(1, segment.size() - tail);
}

// True when a is to be tried before b: compared segment by segment, the more particular kind first.
bool more_particular(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
        const kind ka = kind_of(a[i]);
        const kind kb = kind_of(b[i]);
        if (ka != kb) {
            return ka > kb;
        }
        if (ka == kind::literal && a[i] != b[i]) {
            return a[i] < b[i];  // cannot both match: any fixed order will do
        }
    }
    return a.size() > b.size();
}

// Whether the path fits; with `params`, what stands for each name.
bool fits(const std::vector<std::string>& segments, std::string_view path,
          std::vector<std::pair<std::string, std::string>>* params) {
    if (!path.starts_with('/')) {
        return false;
    }
    std::string_view left = path.substr(1);
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const kind k = kind_of(segments[i]);
        if (k == kind::rest) {
            if (params != nullptr) {
                params->emplace_back(name_of(segments[i]), left);
            }
            return true;
        }
        const std::size_t end = left.find('/');
        const auto here = left.substr(0, end);
        if (k == kind::literal ? here != segments[i] : here.empty()) {
            return false;
        }
        if (params != nullptr && k == kind::param) {
            params->emplace_back(name_of(segments[i]), here);
        }
        const bool last_of_path = end == std::string_view::npos;
        const bool last_of_pattern = i + 1 == segments.size();
        if (last_of_path || last_of_pattern) {
            return last_of_path && last_of_pattern;
        }
        left = left.substr(end + 1);
    }
    return false;
}

// Counts what a handler pulls: a body without Content-Length meets the route's limit here.
class limited_body final : public body_reader {
 public:
    limited_body(body_reader& inner, std::uint64_t bytes_max) : inner_(inner), left_(bytes_max) {}

    task<result<std::size_t>> read(std::span<char> into) override {
        auto n = co_await inner_.read(into);
        if (n) {
            if (*n > left_) {
                left_ = 0;
                co_return fail(errc::resource_exhausted, "body_too_large",
                               "the body is larger than allowed here");
            }
            left_ -= *n;
        }
        co_return n;
    }
    std::optional<std::uint64_t> length() const override { return inner_.length(); }

 private:
    body_reader& inner_;
    std::uint64_t left_;
};

}  // namespace

void router::add(std::string method, std::string pattern, handler h, route_options options) {
    route r{std::move(method), std::move(pattern), {}, std::move(h), options, 0};
    r.segments = split_pattern(r.pattern);
    for (std::size_t i = 0; i + 1 < r.segments.size(); ++i) {
        VORA_ASSERT(kind_of(r.segments[i]) != kind::rest);  // only at the end
    }
    insert(std::move(r));
}

void router::insert(route r) {
    const auto place = std::upper_bound(
        routes_.begin(), routes_.end(), r,
        [](const route& a, const route& b) { return more_particular(a.segments, b.segments); });
    routes_.insert(place, std::move(r));
}

void router::merge(router other) {
    const std::size_t base = scopes_.size();
    for (std::size_t i = 0; i < other.scopes_.size(); ++i) {
        scope s = std::move(other.scopes_[i]);
        s.parent = i == 0 ? 0 : base + s.parent;
        scopes_.push_back(std::move(s));
    }
    for (auto& r : other.routes_) {
        r.scope += base;
        insert(std::move(r));
    }
}

void router::before(hook f) {
    scopes_[0].hooks.push_back(std::move(f));
}

std::pair<std::size_t, std::size_t> router::matching(std::string_view path) const {
    for (std::size_t i = 0; i < routes_.size(); ++i) {
        if (!fits(routes_[i].segments, path, nullptr)) {
            continue;
        }
        std::size_t end = i + 1;
        while (end < routes_.size() &&
               !more_particular(routes_[i].segments, routes_[end].segments)) {
            ++end;
        }
        return {i, end};
    }
    return {0, 0};
}

const router::route* router::pick(std::string_view method,
                                  std::pair<std::size_t, std::size_t> range) const {
    const route* fallback = nullptr;
    for (std::size_t i = range.first; i < range.second; ++i) {
        if (routes_[i].method == method) {
            return &routes_[i];
        }
        if (method == "HEAD" && routes_[i].method == "GET") {
            fallback = &routes_[i];
        }
    }
    return fallback;
}

router::match router::find(std::string_view method, std::string_view path) const {
    match m;
    const auto range = matching(path);
    if (range.first == range.second) {
        return m;
    }
    m.pattern = routes_[range.first].pattern;
    const route* found = pick(method, range);
    if (found == nullptr) {
        for (std::size_t i = range.first; i < range.second; ++i) {
            m.allowed.push_back(routes_[i].method);
            if (routes_[i].method == "GET") {
                m.allowed.push_back("HEAD");
            }
        }
        std::sort(m.allowed.begin(), m.allowed.end());
        m.allowed.erase(std::unique(m.allowed.begin(), m.allowed.end()), m.allowed.end());
        return m;
    }
    m.h = &found->h;
    m.options = found->options;
    m.pattern = found->pattern;
    fits(found->segments, path, &m.params);
    return m;
}

void router::apply_method_override(request& r) const {
    const auto wanted = r.headers.get("X-HTTP-Method-Override");
    if (!wanted || r.method != "POST") {
        return;
    }
    const route* found = pick(*wanted, matching(r.path));
    if (found != nullptr && found->options.method_override) {
        r.method = *wanted;
    }
}

task<std::optional<response>> router::run_hooks(request& r, std::size_t scope_index) const {
    if (scope_index != 0) {
        auto answer = co_await run_hooks(r, scopes_[scope_index].parent);
        if (answer) {
            co_return answer;
        }
    }
    for (const auto& h : scopes_[scope_index].hooks) {
        auto answer = co_await h(r);
        if (answer) {
            co_return answer;
        }
    }
    co_return std::nullopt;
}

task<response> router::route_request(request& r) const {
    apply_method_override(r);
    const auto range = matching(r.path);
    if (range.first != range.second) {
        r.route = routes_[range.first].pattern;
    }
    const route* found = pick(r.method, range);
    const std::size_t scope_index = found != nullptr              ? found->scope
                                    : range.first != range.second ? routes_[range.first].scope
                                                                  : 0;
    auto early = co_await run_hooks(r, scope_index);
    if (early) {
        co_return std::move(*early);
    }
    auto m = find(r.method, r.path);  // again: a hook may have changed the request
    if (m.h == nullptr && m.allowed.empty()) {
        co_return problem(r, 404, "not_found", "there is nothing under this path");
    }
    if (m.h == nullptr) {
        auto answer = problem(r, 405, "method_not_allowed", "this path does not take this method");
        std::string allow;
        for (const auto& method : m.allowed) {
            allow += (allow.empty() ? "" : ", ") + method;
        }
        answer.headers.set("Allow", allow);
        co_return answer;
    }
    r.params = std::move(m.params);
    r.route = m.pattern;
    if (m.options.streams_body) {
        co_return co_await (*m.h)(r);
    }
    const auto length = r.body->length();
    if (length && *length > m.options.body_bytes_max) {
        co_return problem(r, 413, "body_too_large", "the body is larger than allowed here");
    }
    limited_body limited(*r.body, m.options.body_bytes_max);
    r.body = &limited;
    auto answer = co_await (*m.h)(r);
    co_return answer;
}

task<response> router::dispatch(request& r) const {
    const auto nothing = body_of({});
    body_reader* const outer = r.body != nullptr ? r.body : nothing.get();
    r.body = outer;
    std::exception_ptr failure;
    try {
        auto answer = co_await route_request(r);
        r.body = outer == nothing.get() ? nullptr : outer;
        co_return answer;
    } catch (...) {
        failure = std::current_exception();
    }
    r.body = outer == nothing.get() ? nullptr : outer;
    const boost::asio::cancellation_state state =
        co_await boost::asio::this_coro::cancellation_state;
    if (state.cancelled() != boost::asio::cancellation_type::none) {
        std::rethrow_exception(failure);
    }
    std::string what = "unknown exception";
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& e) {
        what = e.what();
    } catch (...) {
    }
    co_return problem(r, error{errc::internal, "internal_error", "exception: " + what});
}

}  // namespace vora::net
