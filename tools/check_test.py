"""The boundary checks can say no: each rule is broken once, in a tree made for it."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import check_layers  # noqa: E402
import check_style  # noqa: E402
import check_symbols  # noqa: E402

LAYERS = {
    "modules": {
        "libs/base": {"targets": ["vora_base"], "uses": [], "third_party": ["asio"]},
        "libs/sql": {"targets": ["vora_sql"], "uses": ["libs/base"], "third_party": ["sqlite"]},
        "services/a/core": {"targets": ["vora_a_core"], "uses": ["libs/base"], "third_party": []},
        "services/a/adapters": {"targets": ["vora_a_adapters"],
                                "uses": ["services/a/core", "libs/sql", "libs/base/x.hpp"], "third_party": []},
        "services/a": {"targets": ["vora_a"], "uses": ["services/a/core", "services/a/adapters"],
                       "third_party": []},
        "services/b": {"targets": ["vora_b"], "uses": ["libs/base"], "third_party": []},
    },
    "tests": ["*_test.cpp", "fake_*.hpp"],
    "third_party_headers": {"boost/asio": "asio", "sqlite3.h": "sqlite"},
    "unreachable": {"services/a": ["dep::sqlite"]},
    "words": [{"rule": "a knows no films", "folder": "services/a", "banned": ["film"]}],
    "symbols": [{"rule": "no clock", "binaries": ["libpure.a"], "banned": ["^clock_gettime$"]}],
}


class Tree(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="vora-check-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.write("layers.json", json.dumps(LAYERS))
        for path in ("libs/base/x.hpp", "libs/base/y.hpp", "libs/sql/s.hpp", "services/a/core/c.hpp",
                     "services/a/adapters/d.hpp", "services/a/app.hpp", "services/b/b.hpp"):
            self.write(path, "#pragma once\n")

    def write(self, path, text):
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def include(self, path, *headers):
        self.write(path, "".join(f"#include {h}\n" for h in headers))
        return check_layers.check(self.root)

    def edges(self, *lines):
        build = self.root / "build"
        build.mkdir(exist_ok=True)
        (build / "link_edges.txt").write_text("".join(line + "\n" for line in lines))
        return check_layers.check(self.root, build)

    def assert_one(self, findings, *words):
        self.assertEqual(len(findings), 1, findings)
        for word in words:
            self.assertIn(word, findings[0])


class Includes(Tree):
    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(check_layers.check(self.root), [])

    def test_what_is_allowed_passes(self):
        self.assertEqual(self.include("services/a/core/c.cpp", '"services/a/core/c.hpp"', '"libs/base/x.hpp"',
                                      "<vector>"), [])
        self.assertEqual(self.include("services/a/app.cpp", '"services/a/adapters/d.hpp"'), [])

    def test_a_service_must_not_include_another(self):
        self.assert_one(self.include("services/b/b.cpp", '"services/a/app.hpp"'),
                        "services/b/b.cpp:1", "may not use services/a")

    def test_a_core_must_not_include_its_adapters(self):
        self.assert_one(self.include("services/a/core/c.cpp", '"services/a/adapters/d.hpp"'), "c.cpp:1")

    def test_handlers_may_be_given_one_header_and_not_its_neighbour(self):
        self.assertEqual(self.include("services/a/adapters/d.cpp", '"libs/base/x.hpp"'), [])
        self.assert_one(self.include("services/a/adapters/d.cpp", '"libs/base/y.hpp"'), "libs/base/y.hpp")

    def test_third_party_headers_belong_to_who_may_link_them(self):
        self.assertEqual(self.include("libs/sql/s.cpp", "<sqlite3.h>"), [])
        self.assert_one(self.include("services/a/core/c.cpp", "<boost/asio/post.hpp>"), "may not use asio")

    def test_a_folder_nobody_listed_is_a_finding(self):
        self.assert_one(self.include("services/new/n.cpp", "<vector>"), "not in layers.json")

    def test_a_short_path_is_a_finding(self):
        self.assert_one(self.include("services/a/core/c.cpp", '"c.hpp"'), "no such file")

    def test_tests_may_use_their_whole_service_and_no_other(self):
        self.assertEqual(self.include("services/a/core/c_test.cpp", '"services/a/adapters/d.hpp"',
                                      '"libs/sql/s.hpp"', "<sqlite3.h>"), [])
        self.assert_one(self.include("services/a/core/c_test.cpp", '"services/b/b.hpp"'), "services/b")

    def test_product_code_must_not_use_what_is_made_for_tests(self):
        self.write("services/a/core/fake_clock.hpp", "#pragma once\n")
        self.assert_one(self.include("services/a/core/c.cpp", '"services/a/core/fake_clock.hpp"'), "made for tests")

    def test_an_include_in_a_comment_is_none(self):
        self.assertEqual(self.include("services/b/b.cpp", '"libs/base/x.hpp"'), [])
        self.write("services/b/b.cpp", '// #include "services/a/app.hpp"\n')
        self.assertEqual(check_layers.check(self.root), [])


class Links(Tree):
    def test_edges_that_are_allowed_pass(self):
        self.assertEqual(self.edges("libs/base vora_base dep::asio", "services/a vora_a_core vora_base"), [])

    def test_an_edge_to_another_service_is_a_finding(self):
        self.assert_one(self.edges("services/b vora_b vora_a"), "may not use services/a")

    def test_a_library_that_is_not_allowed_is_a_finding(self):
        self.assert_one(self.edges("services/b vora_b dep::asio"), "may not use it")

    def test_targets_nobody_listed_are_findings(self):
        self.assert_one(self.edges("services/b vora_new vora_base"), "vora_new is not in layers.json")
        self.assert_one(self.edges("services/b vora_b vora_new"), "not in layers.json")

    def test_a_target_in_a_foreign_folder_is_a_finding(self):
        self.assert_one(self.edges("services/b vora_a_core vora_base"), "belongs to services/a/core")

    def test_what_is_reached_by_way_of_others_counts(self):
        findings = self.edges("libs/sql vora_sql dep::sqlite", "services/a vora_a_adapters vora_sql")
        self.assert_one(findings, "vora_a_adapters -> vora_sql -> dep::sqlite")

    def test_without_edges_there_is_nothing_to_say_yes_to(self):
        with self.assertRaises(ValueError):
            self.edges()
        with self.assertRaises(OSError):
            check_layers.check(self.root, self.root / "nowhere")


@unittest.skipUnless(shutil.which("clang++-19") or shutil.which("c++"), "no compiler")
class Symbols(Tree):
    def archive(self, source):
        build = self.root / "build"
        build.mkdir()
        (build / "one.cpp").write_text(source)
        compiler = "clang++-19" if shutil.which("clang++-19") else "c++"
        subprocess.run([compiler, "-c", "one.cpp", "-o", "one.o"], cwd=build, check=True)
        subprocess.run(["ar", "rcs", "libpure.a", "one.o"], cwd=build, check=True)
        return check_symbols.check(self.root, build)

    def test_an_archive_without_the_symbol_passes(self):
        self.assertEqual(self.archive("extern \"C\" int clock_gettime_of_mine() { return 1; }"), [])

    def test_a_banned_symbol_is_found_with_its_member(self):
        self.assert_one(self.archive("#include <ctime>\nint now(timespec* t) { return clock_gettime(CLOCK_REALTIME, t); }"),
                        "libpure.a(one.o)", "clock_gettime", "no clock")

    def test_an_archive_that_was_not_built_is_a_finding(self):
        (self.root / "build").mkdir()
        self.assert_one(check_symbols.check(self.root, self.root / "build"), "none of libpure.a")

    def test_the_rules_of_the_project_know_the_symbols_they_ban(self):
        rules = {r["rule"]: r["banned"] for r in json.loads((HERE.parent / "layers.json").read_text())["symbols"]}
        self.write("layers.json", json.dumps({**LAYERS, "symbols": [
            {"rule": "all", "binaries": ["libpure.a"],
             "banned": [b for banned in rules.values() for b in banned]}]}))
        findings = "\n".join(self.archive("""
            #include <chrono>
            #include <cstdlib>
            #include <ctime>
            #include <random>
            #include <thread>
            extern "C" int sqlite3_open(); extern "C" int PQexec();
            namespace vora::blob { struct writer { virtual ~writer(); }; writer::~writer() {} }
            int all() {
                std::thread([] {}).join();
                return std::chrono::system_clock::now().time_since_epoch().count() + time(nullptr) + rand() +
                       std::random_device()() + sqlite3_open() + PQexec() + (std::getenv("X") != nullptr) +
                       std::chrono::steady_clock::now().time_since_epoch().count();
            }"""))
        for symbol in ("std::chrono::_V2::system_clock::now", "steady_clock::now", ": time:", ": rand:",
                       "random_device", ": getenv:", "std::thread", "sqlite3_open", "PQexec", "vora::blob::writer"):
            self.assertIn(symbol, findings)


class Style(Tree):
    def style(self, path, text):
        self.write(path, text)
        return check_style.check(self.root)

    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual(check_style.check(self.root), [])

    def test_banned_words_are_found_in_every_file_whatever_the_case(self):
        self.assert_one(self.style("services/a/core/c.cpp", "int Film;\n"), "c.cpp:1", "a knows no films")
        self.write("services/a/core/c.cpp", "\n")
        self.assert_one(self.style("services/a/README.md", "About\n\nfilms\n"), "README.md:3")
        self.write("services/a/README.md", "\n")
        self.assert_one(self.style("services/a/film.txt", "\n"), "the name")

    def test_other_services_may_use_the_word(self):
        self.assertEqual(self.style("services/b/b.cpp", "int film;\n"), [])

    def test_a_long_line_is_found(self):
        self.assertEqual(self.style("libs/base/x.cpp", "x" * 100 + "\n"), [])
        self.assert_one(self.style("libs/base/x.cpp", "x" * 101 + "\n"), "x.cpp:1", "101 characters")

    def test_a_long_file_is_found_and_tests_may_be_longer(self):
        self.assertEqual(self.style("libs/base/x.cpp", "\n" * 600), [])
        self.assert_one(self.style("libs/base/x.cpp", "\n" * 601), "at most 600")
        self.write("libs/base/x.cpp", "\n")
        self.assertEqual(self.style("libs/base/x_test.cpp", "\n" * 601), [])

    def test_a_long_function_is_found(self):
        def function(lines):
            return "int f(int a,\n      int b) {\n" + "    ;\n" * (lines - 2) + "}\n"
        self.assertEqual(self.style("libs/base/x.cpp", "namespace x {\n" + function(70) + "}\n"), [])
        self.assert_one(self.style("libs/base/x.cpp", "namespace x {\n" + function(71) + "}\n"), "71 lines")
        one_line = "struct s {\n    int f() {\n" + "        ;\n" * 70 + "    }\n};\n"
        self.assert_one(self.style("libs/base/x.cpp", one_line), "72 lines")
        comment = "// as in {\n" + "// more\n" * 80
        self.assertEqual(self.style("libs/base/x.cpp", comment), [])
        table = "int g() {\n    switch (x) {\n" + "        ;\n" * 70 + "    }\n}\n"
        self.assert_one(self.style("libs/base/x.cpp", table), "74 lines")

    def test_a_todo_needs_an_issue(self):
        self.assertEqual(self.style("libs/base/x.cpp", "// TODO(#12) later\n// TODO #3: x\n"), [])
        self.assert_one(self.style("libs/base/x.cpp", "// TO" "DO later\n"), "issue number")
        self.write("libs/base/x.cpp", "\n")
        self.assertEqual(self.style("STYLE.md", "A TO" "DO needs an issue.\n"), [])

    def test_using_namespace_is_for_literals_only(self):
        self.assertEqual(self.style("libs/base/x.cpp", "using namespace std::chrono_literals;\n"), [])
        self.assert_one(self.style("libs/base/x.cpp", "    using namespace std;\n"), "using namespace")

    def test_nothing_is_detached(self):
        self.assert_one(self.style("libs/base/x.cpp", "co_spawn(ex, f(), asio::detached);\n"), "task_group")
        self.assertEqual(self.style("libs/base/x.cpp", "int x;  // never detached\n"), [])

    def test_a_header_needs_its_pragma(self):
        self.assert_one(self.style("libs/base/x.hpp", "int x();\n"), "#pragma once")

    def test_registries_and_paths_of_one_machine_have_no_place(self):
        host = ".".join(("registry", "npmjs", "org"))
        self.assert_one(self.style("web/package.json", f'"resolved": "https://{host}/x"\n'), "registry")
        self.write("web/package.json", "{}\n")
        self.assert_one(self.style("docs/a.md", "see /ro" "ot/x\n"), "one machine")

    def test_build_products_are_not_looked_at(self):
        self.assertEqual(self.style("build/libs/x.cpp", "x" * 200 + " TO" "DO\n"), [])


class Commands(Tree):
    def run_check(self, name, *arguments):
        return subprocess.run([sys.executable, str(HERE / f"check_{name}.py"), "--root", str(self.root), *arguments],
                              capture_output=True, text=True, timeout=60)

    def test_findings_are_printed_and_the_exit_code_tells(self):
        self.assertEqual(self.run_check("layers").returncode, 0)
        self.assertEqual(self.run_check("style").returncode, 0)
        self.write("services/b/b.cpp", '#include "services/a/app.hpp"\nusing namespace std;\n')
        for name, word in (("layers", "may not use"), ("style", "using namespace")):
            answer = self.run_check(name)
            self.assertEqual(answer.returncode, 1, answer)
            self.assertIn(word, answer.stdout)

    def test_what_cannot_be_looked_at_is_no_yes(self):
        self.assertEqual(self.run_check("layers", "--build", str(self.root / "nowhere")).returncode, 2)
        self.assertEqual(self.run_check("symbols", "--build", str(self.root / "nowhere")).returncode, 1)
        self.assertNotEqual(self.run_check("symbols").returncode, 0)
        (self.root / "layers.json").unlink()
        self.assertEqual(self.run_check("style").returncode, 2)


if __name__ == "__main__":
    unittest.main()
