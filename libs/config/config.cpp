#include "libs/config/config.hpp"

#include "libs/base/assert.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <sstream>

namespace vora::config {

namespace {

std::unexpected<error> bad_value(const std::string& wanted) {
    return fail(errc::invalid_argument, "bad_config_value", "must be " + wanted);
}

result<std::int64_t> to_integer(const std::string& text) {
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size()) {
        return bad_value("a whole number");
    }
    return value;
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t corner = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] =
                std::min({row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
            corner = above;
        }
    }
    return row[b.size()];
}

std::string to_environment_name(const std::string& key) {
    std::string name = "VORA_";
    for (char c : key) {
        name += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    return name;
}

std::string to_lower(std::string text) {
    for (char& c : text) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return text;
}

std::string text_of(const toml::node& node) {
    if (const auto* text = node.as_string()) {
        return text->get();
    }
    std::ostringstream out;
    node.visit([&](const auto& value) {
        if constexpr (toml::is_value<decltype(value)>) {
            out << value;
        }
    });
    return out.str();
}

struct file_value {
    std::string key;
    std::string value;
    std::uint32_t line = 0;
};

void flatten(const toml::table& table, const std::string& prefix, std::vector<file_value>& out) {
    for (const auto& [key, node] : table) {
        const auto full = prefix + std::string(key.str());
        if (const auto* inner = node.as_table()) {
            flatten(*inner, full + ".", out);
        } else {
            out.push_back({full, text_of(node), node.source().begin.line});
        }
    }
}

}  // namespace

void schema::bind(const std::string& key, binding b) {
    const bool fresh = bindings_.emplace(key, std::move(b)).second;
    VORA_ASSERT(fresh);
}

void schema::add(const std::string& key, std::string* field, const std::string& help) {
    binding b;
    b.help = help;
    b.set = [field](const std::string& text) -> result<void> {
        *field = text;
        return {};
    };
    b.get = [field] { return *field; };
    bind(key, std::move(b));
}

void schema::add(const std::string& key, std::int64_t* field, const std::string& help,
                 std::int64_t least) {
    binding b;
    b.help = help;
    b.set = [field, least](const std::string& text) -> result<void> {
        const auto value = to_integer(text);
        if (!value || *value < least) {
            return bad_value("a whole number >= " + std::to_string(least));
        }
        *field = *value;
        return {};
    };
    b.get = [field] { return std::to_string(*field); };
    bind(key, std::move(b));
}

void schema::add(const std::string& key, bool* field, const std::string& help) {
    binding b;
    b.help = help;
    b.set = [field](const std::string& text) -> result<void> {
        if (text != "true" && text != "false") {
            return bad_value("true or false");
        }
        *field = text == "true";
        return {};
    };
    b.get = [field] { return *field ? "true" : "false"; };
    bind(key, std::move(b));
}

void schema::add(const std::string& key, double* field, const std::string& help) {
    binding b;
    b.help = help;
    b.set = [field](const std::string& text) -> result<void> {
        double value = 0;
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (ec != std::errc() || end != text.data() + text.size() || !(value >= 0)) {
            return bad_value("a number >= 0");
        }
        *field = value;
        return {};
    };
    b.get = [field] {
        std::ostringstream out;
        out << *field;
        return out.str();
    };
    bind(key, std::move(b));
}

void schema::add(const std::string& key, std::chrono::seconds* field, const std::string& help) {
    VORA_ASSERT(key.ends_with("_s"));
    binding b;
    b.help = help;
    b.set = [field](const std::string& text) -> result<void> {
        const auto value = to_integer(text);
        if (!value || *value < 0) {
            return bad_value("a whole number of seconds >= 0");
        }
        *field = std::chrono::seconds(*value);
        return {};
    };
    b.get = [field] { return std::to_string(field->count()); };
    bind(key, std::move(b));
}

void schema::mark_secret(const std::string& key) {
    bindings_.at(key).secret = true;
}

std::string schema::nearest(const std::string& key) const {
    std::string best;
    std::size_t best_distance = 5;
    for (const auto& [known, b] : bindings_) {
        const auto distance = edit_distance(key, known);
        if (distance < best_distance) {
            best = known;
            best_distance = distance;
        }
    }
    return best;
}

result<void> schema::set(const std::string& key, const std::string& value,
                         const std::string& source) {
    return set_from(key, value, source, source);
}

result<void> schema::set_from(const std::string& key, const std::string& value,
                              const std::string& source, const std::string& place) {
    const auto found = bindings_.find(key);
    if (found == bindings_.end()) {
        const auto near = nearest(key);
        return fail(errc::invalid_argument, "unknown_config_key",
                    "unknown key \"" + key + "\" (" + place + ")" +
                        (near.empty() ? "" : ": did you mean \"" + near + "\"?"));
    }
    if (auto r = found->second.set(value); !r) {
        return fail(errc::invalid_argument, "bad_config_value",
                    key + " (" + place + ") " + r.error().detail +
                        (found->second.secret ? "" : ", not \"" + value + "\""));
    }
    found->second.source = source;
    return {};
}

void schema::load_toml(const std::string& path, errors& wrong) {
    std::error_code unreadable;
    if (!std::filesystem::exists(path, unreadable)) {
        return;
    }
    std::vector<file_value> values;
    try {
        flatten(toml::parse_file(path), "", values);
    } catch (const toml::parse_error& e) {
        std::ostringstream where;
        where << e.source().begin;
        wrong.push_back({errc::invalid_argument, "bad_config_file",
                         path + ": " + std::string(e.description()) + " at " + where.str()});
        return;
    }
    std::ranges::sort(values, {}, &file_value::line);
    const auto name = std::filesystem::path(path).filename().string();
    for (const auto& v : values) {
        const auto place = name + " line " + std::to_string(v.line);
        if (auto r = set_from(v.key, v.value, "vora.toml", place); !r) {
            wrong.push_back(r.error());
        }
    }
}

// VORA_URL, VORA_TOKEN and the like belong to nobody's section and are left alone; a name within a
// known section that is no key is a mistake.
void schema::load_environment(const char* const* environment, errors& wrong) {
    std::map<std::string, std::string> keys;
    std::map<std::string, std::string> sections;
    for (const auto& [key, b] : bindings_) {
        keys[to_environment_name(key)] = key;
        const auto section = key.substr(0, key.find('.') + 1);
        sections[to_environment_name(section)] = section;
    }
    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view line = *environment;
        const auto equals = line.find('=');
        const std::string name(line.substr(0, equals));
        if (equals == std::string_view::npos || !name.starts_with("VORA_")) {
            continue;
        }
        std::string key;
        if (const auto found = keys.find(name); found != keys.end()) {
            key = found->second;
        } else {
            for (const auto& [prefix, section] : sections) {
                if (name.starts_with(prefix)) {
                    key = section + to_lower(name.substr(prefix.size()));
                }
            }
        }
        if (key.empty()) {
            continue;
        }
        const auto place = "environment, " + name;
        if (auto r = set_from(key, std::string(line.substr(equals + 1)), "environment", place);
            !r) {
            wrong.push_back(r.error());
        }
    }
}

std::vector<error> schema::load_all(const std::string& toml_path, const char* const* environment,
                                    const std::vector<std::string>& flags) {
    errors wrong;
    load_toml(toml_path, wrong);
    load_environment(environment, wrong);
    for (const auto& flag : flags) {
        const auto equals = flag.find('=');
        if (equals == std::string::npos) {
            wrong.push_back({errc::invalid_argument, "bad_flag", "--" + flag + " needs =value"});
        } else if (auto r = set(flag.substr(0, equals), flag.substr(equals + 1), "flag"); !r) {
            wrong.push_back(r.error());
        }
    }
    return wrong;
}

result<void> schema::load(const std::string& toml_path, const char* const* environment,
                          const std::vector<std::string>& flags) {
    auto wrong = load_all(toml_path, environment, flags);
    if (!wrong.empty()) {
        return fail(std::move(wrong.front()));
    }
    return {};
}

namespace {

// "scheme://user:password@host" -> "scheme://user:***@host", whatever the key.
std::string without_password(std::string text) {
    const auto scheme = text.find("://");
    const auto at = text.rfind('@');
    if (scheme == std::string::npos || at == std::string::npos) {
        return text;
    }
    const auto colon = text.find(':', scheme + 3);
    return colon < at ? text.replace(colon + 1, at - colon - 1, "***") : text;
}

}  // namespace

std::vector<schema::entry> schema::entries() const {
    std::vector<entry> out;
    for (const auto& [key, b] : bindings_) {
        out.push_back({key, b.secret ? "***" : without_password(b.get()), b.source, b.help});
    }
    return out;
}

}  // namespace vora::config
