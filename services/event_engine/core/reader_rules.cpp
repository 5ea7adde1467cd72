#include "services/event_engine/core/reader_rules.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace vora::event_engine {

namespace {

// They make rows out of nothing.
constexpr std::array<std::string_view, 6> harmless{"numbers",  "numbers_mt", "zeros",
                                                   "zeros_mt", "values",     "null"};

struct token {
    enum class kind { end, name, text, sign };
    token::kind kind = kind::end;
    std::string text;  // a name in lower case, a sign
    bool quoted = false;
};

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

class reader {
 public:
    explicit reader(std::string_view sql) : rest_(sql) {}

    // nullopt: a text that could be read in two ways.
    std::optional<token> next() {
        const auto begin = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(std::min(begin, rest_.size()));
        if (rest_.empty()) {
            return token{};
        }
        const char c = rest_.front();
        if (c == '\'' || c == '"' || c == '`') {
            return quoted(c);
        }
        if (is_name_char(c)) {
            token t{token::kind::name, {}, false};
            while (!rest_.empty() && is_name_char(rest_.front())) {
                t.text += lower(rest_.front());
                rest_.remove_prefix(1);
            }
            return t;
        }
        const bool plain = c > ' ' && c < 0x7f && c != '#' && c != '$' && c != '\\';
        if (!plain || rest_.starts_with("--") || rest_.starts_with("/*")) {
            return std::nullopt;
        }
        rest_.remove_prefix(1);
        return token{token::kind::sign, std::string(1, c), false};
    }

 private:
    std::optional<token> quoted(char quote) {
        token t{quote == '\'' ? token::kind::text : token::kind::name, {}, true};
        for (rest_.remove_prefix(1); !rest_.empty(); rest_.remove_prefix(1)) {
            const char c = rest_.front();
            if (c == '\\') {
                if (quote != '\'' || rest_.size() < 2) {
                    return std::nullopt;
                }
                rest_.remove_prefix(1);
            } else if (c == quote) {
                rest_.remove_prefix(1);
                if (!rest_.starts_with(quote)) {
                    return t;
                }
            }
            t.text += lower(rest_.front());
        }
        return std::nullopt;
    }

    std::string_view rest_;
};

std::unexpected<sql_error> refuse(const std::string& what) {
    return std::unexpected(
        sql_error{497, "Code: 497. DB::Exception: " + what + " (ACCESS_DENIED)"});
}

}  // namespace

reader_rules::reader_rules(std::set<std::string> table_functions)
    : forbidden_(std::move(table_functions)) {
    for (const auto name : harmless) {
        forbidden_.erase(std::string(name));
    }
    forbidden_.insert("file");  // a function beside the table function
}

sql_result<void> reader_rules::check(std::string_view sql) const {
    reader words(sql);
    token before;
    token seen;
    for (;;) {
        auto t = words.next();
        if (!t) {
            return refuse("Only plain text is taken here");
        }
        if (t->kind == token::kind::end) {
            return {};
        }
        const bool is_open = t->kind == token::kind::sign && t->text == "(";
        const bool is_dot = t->kind == token::kind::sign && t->text == ".";
        if (is_open && seen.kind == token::kind::name && forbidden_.contains(seen.text)) {
            return refuse("Not enough privileges for " + seen.text);
        }
        if (is_dot && seen.kind == token::kind::name && seen.text == "default") {
            return refuse("Not enough privileges for this database");
        }
        const bool is_column = before.kind == token::kind::sign && before.text == ".";
        if (seen.kind == token::kind::name && !seen.quoted && !is_column &&
            (seen.text == "settings" || seen.text == "identifier")) {
            return refuse("Not enough privileges for " + seen.text);
        }
        before = std::move(seen);
        seen = std::move(*t);
    }
}

}  // namespace vora::event_engine
