"""What numbers, times and strangers' text look like."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from otelllm_dashboard import format as fmt


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, fmt.NOTHING),
        (0, "0"),
        (950, "950"),
        (999.7, "1 k"),
        (1200, "1.2 k"),
        (99_960, "100 k"),
        (34_000_000, "34 M"),
    ],
)
def test_a_count_has_at_most_four_digits(number: float | None, text: str) -> None:
    assert fmt.count(number) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (None, fmt.NOTHING), (0, "$0"), (0.0031, "$0.0031"), (0.00021, "$0.00021"), (2.8e-7, "<$0.00001"),
        (0.02, "$0.020"), (0.999, "$1.00"), (12.4, "$12.40"), (1234.5, "$1,234.50"), (12_345, "$12.3 k"),
        (-0.5, "-$0.50"),
    ],
)  # fmt: skip
def test_money_has_two_digits_that_mean_something_and_unknown_is_not_zero(usd: float | None, text: str) -> None:
    assert fmt.money(usd) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, fmt.NOTHING), (0, "0 ms"), (0.42, "0.4 ms"), (9.97, "10 ms"), (340, "340 ms"), (999.6, "1.00 s"),
        (1240, "1.24 s"), (12_400, "12.4 s"), (59_996, "1 min 0 s"), (125_000, "2 min 5 s"), (4_000_000, "1 h 6 min"),
    ],
)  # fmt: skip
def test_a_duration_is_in_the_unit_that_fits_it(ms: float | None, text: str) -> None:
    assert fmt.duration(ms) == text


def test_a_moment_is_in_the_readers_zone() -> None:
    assert fmt.moment(1_795_487_359_675_624_684, zone=timezone(timedelta(hours=2))) == "2026-11-24 04:29:19.675"


@pytest.mark.parametrize(
    ("seconds", "text"), [(4, "4 s ago"), (61, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago")]
)
def test_ago_takes_the_largest_unit(seconds: int, text: str) -> None:
    now = 1_795_487_359_000_000_000
    assert fmt.ago(now - seconds * 1_000_000_000, now_ns=now) == text


@pytest.mark.parametrize(
    ("size", "text"), [(None, fmt.NOTHING), (12, "12 B"), (48_213, "48.2 kB"), (3_400_000, "3.4 MB")]
)
def test_sizes(size: float | None, text: str) -> None:
    assert fmt.size(size) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 0, fmt.NOTHING), (None, 3, fmt.NOTHING), (1, 3, "33 %"), (1, 300, "0.3 %"), (0, 9, "0 %")],
)
def test_a_share_of_nothing_is_a_dash(part: float | None, whole: float, text: str) -> None:
    assert fmt.percent(part, whole) == text


def test_markdown_in_a_name_is_escaped() -> None:
    told = fmt.plain("![x](http://a/b.png) <b> :red[y] $z$ `c`\n# d")
    assert told.replace("\N{WORD JOINER}", "") == r"\!\[x\]\(http\:\/\/a\/b\.png\) \<b\> \:red\[y\] \$z\$ \`c\` \# d"


@pytest.mark.parametrize("text", ["see http://a.b/c", "HTTPS://a.b", "www.a.b", "ada@shop.example"])
def test_an_address_in_a_name_is_no_link(text: str) -> None:
    told = fmt.plain(text)
    assert "\N{WORD JOINER}" in told
    assert told.replace("\N{WORD JOINER}", "").replace("\\", "") == text


def test_a_badges_brackets_are_left_to_streamlit_which_escapes_them() -> None:
    assert fmt.badge("a[b]*") == r"a[b]\*"


def test_a_figures_label_has_no_tags_and_no_line_breaks() -> None:
    assert fmt.label("<a href='x'>click</a> & \x00 more\nlines") == "&lt;a href='x'&gt;click&lt;/a&gt; &amp; more lines"


def test_a_long_name_is_cut() -> None:
    assert fmt.clipped("word " * 40, 20) == "word word word word…"


def test_json_in_a_text_is_set_out_and_other_text_is_left_alone() -> None:
    assert fmt.pretty('{"a":[1]}') == '{\n  "a": [\n    1\n  ]\n}'
    assert fmt.pretty("{not json") == "{not json"
    assert fmt.pretty({"ü": None}) == '{\n  "ü": null\n}'


def test_deeply_nested_json_of_an_attacker_is_shown_as_text() -> None:
    bomb = "[" * 200_000
    assert fmt.pretty(bomb) == bomb
