#include "services/event_engine/core/insert_text.hpp"

#include <cctype>

namespace vora::event_engine {

namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

bool is_word(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
           static_cast<unsigned char>(c) >= 0x80;
}

// ClickHouse's lexer as far as it matters here: what is quoted or a comment is no keyword.
class scanner {
 public:
    explicit scanner(std::string_view text) : text_(text) {}

    // The next word outside quotes, comments and (where `top_only`) parentheses; empty at the end.
    std::string_view next_word() {
        while (at_ < text_.size()) {
            if (is_word(text_[at_])) {
                const auto begin = at_;
                while (at_ < text_.size() && is_word(text_[at_])) {
                    ++at_;
                }
                return text_.substr(begin, at_ - begin);
            }
            skip_other();
        }
        return {};
    }
    std::size_t position() const { return at_; }
    void skip_spaces_and_comments() {
        while (at_ < text_.size() && (is_space(text_[at_]) || at_comment())) {
            skip_other();
        }
    }

 private:
    bool starts(std::string_view what) const { return text_.substr(at_).starts_with(what); }
    bool at_comment() const { return starts("--") || starts("/*") || starts("# ") || starts("#!"); }
    void skip_past(std::string_view end) {
        const auto found = text_.find(end, at_);
        at_ = found == std::string_view::npos ? text_.size() : found + end.size();
    }
    void skip_quoted(char quote) {
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '\\') {
                ++at_;
            } else if (text_[at_] == quote) {
                ++at_;
                return;  // a doubled quote begins the next quoted piece, which comes to the same
            }
        }
        at_ = text_.size();
    }
    void skip_other() {
        const char c = text_[at_];
        if (starts("/*")) {
            at_ += 2;
            skip_past("*/");
        } else if (at_comment()) {
            skip_past("\n");
        } else if (c == '\'' || c == '"' || c == '`') {
            skip_quoted(c);
        } else {
            ++at_;
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

bool same(std::string_view word, std::string_view keyword) {
    if (word.size() != keyword.size()) {
        return false;
    }
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (std::toupper(static_cast<unsigned char>(word[i])) != keyword[i]) {
            return false;
        }
    }
    return true;
}

// As ClickHouse does it: spaces behind the format's name, up to and with one line end, are not
// data.
std::string_view data_after(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size() && is_space(text[i]) && text[i] != '\n') {
        ++i;
    }
    if (i < text.size() && text[i] == '\n') {
        return text.substr(i + 1);
    }
    return text.substr(i);
}

}  // namespace

std::optional<insert_text> take_apart(std::string_view text) {
    scanner words(text);
    words.skip_spaces_and_comments();
    const auto begin = words.position();
    if (!same(words.next_word(), "INSERT") || words.position() != begin + 6) {
        return std::nullopt;
    }
    insert_text out;
    for (auto word = words.next_word(); !word.empty(); word = words.next_word()) {
        const auto word_begin = words.position() - word.size();
        if (same(word, "SELECT") || same(word, "WITH") || same(word, "WATCH")) {
            out.selects = true;
        } else if (same(word, "INFILE")) {
            out.refused = true;
        } else if (same(word, "VALUES") && !out.selects) {
            out.head = std::string(text.substr(begin, word_begin - begin));
            out.format = "Values";
            out.data = text.substr(words.position());
            return out;
        } else if (same(word, "FORMAT")) {
            out.head = std::string(text.substr(begin, word_begin - begin));
            words.skip_spaces_and_comments();
            const auto name_begin = words.position();
            const auto name = words.next_word();
            out.refused = out.refused || out.selects || name.empty() ||
                          words.position() != name_begin + name.size();
            out.format = std::string(name);
            out.data = data_after(text.substr(words.position()));
            return out;
        }
    }
    out.head = std::string(text.substr(begin));
    return out;
}

}  // namespace vora::event_engine
