"""Reading JavaScript: comments and strings are distinguished from code."""

from __future__ import annotations

import re

import pytest

from scrapy_omocaptcha.detection.javascript import Code

CALL = re.compile(r"f\(")


def blanked(source: str) -> str:
    return " ".join(Code(source).text.split())


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a; // b\nc", "a; c"),
        ("a; /* b\n c */ d", "a; d"),
        ("a; /* b", "a;"),
        ("a = '// no comment'; b", "a = '// no comment'; b"),
        ('a = "/* no comment */"; b', 'a = "/* no comment */"; b'),
        ("a = `// ${b}\n`; // c", "a = `// ${b} `;"),
        (r"a = 'it\'s // no comment'; b", r"a = 'it\'s // no comment'; b"),
        ("a = /['\"]/g; b // c", "a = /['\"]/g; b"),
        ("a = /[/'\"]/; b // c", "a = /[/'\"]/; b"),
        ("a = b / c; d // e", "a = b / c; d"),
        ("<!-- a\nb", "b"),
        ("a = b'", "a = b'"),
        ("a = 'does not end\nb // c", "a = 'does not end b"),
    ],
)
def test_only_comments_are_blanked_out_of_the_text_of_a_script(source, expected):
    assert blanked(source) == expected
    assert len(Code(source).text) == len(Code(source).bare) == len(source)


def test_calls_in_strings_and_comments_are_ignored():
    code = Code("'f(1)'; // f(2)\n f(3, // :)\n 'a, b', [4, {c: 5}]); `f(6)`")
    found = [[code.text[a].strip() for a in arguments] for _, arguments in code.calls(CALL)]
    assert found == [["3", "'a, b'", "[4, {c: 5}]"]]


def test_the_properties_of_an_object_literal_are_read_by_name():
    code = Code("""f({a: 1, 'b-c': "x,y", d, e(t) { g(t, 1) }, f: function (t) { return {h: 2} }, ...rest})""")
    ((_, (only,)),) = code.calls(CALL)
    values = {name: code.text[part].strip() for name, part in code.properties(only).items()}
    assert values == {"a": "1", "b-c": '"x,y"', "d": "d", "e": "(t) { g(t, 1) }", "f": "function (t) { return {h: 2} }"}
    assert code.literal(code.properties(only)["b-c"]) == "x,y"
    assert code.literal(code.properties(only)["a"]) is None


def test_a_call_that_never_closes_has_no_arguments():
    assert [arguments for _, arguments in Code("f(1, 2").calls(CALL)] == [[]]


@pytest.mark.parametrize(
    "source",
    ["x = (\n/ f(1)", "x = a[/[/f(2)]/]; f(1)", "x = /[f(2)/; f(1)/\nf(1)", "x = /f(2)\\/f(3)/; f(1)", "=/\nf(1)"],
)
def test_calls_in_regular_expressions_are_ignored_and_those_after_a_division_are_not(source):
    code = Code(source)
    assert [[code.text[a] for a in arguments] for _, arguments in code.calls(CALL)] == [["1"]]
