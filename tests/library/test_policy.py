"""The policy file: every mistake is told with its line and the way out; a good change is in force within a second."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
import tomllib
from pathlib import Path

import pytest

from otelllm.call import Call, Request, Scope
from otelllm.enforcement import Enforcement
from otelllm.errors import BadConfig, KillSwitchOn
from otelllm.file_watcher import POLL_S, FileWatcher
from otelllm.policy import CaptureRules, Policy, Watched, from_mapping, load, parse
from otelllm.steps import drive
from otelllm.toml_lines import line_of

GOOD = """
# what is kept
[capture]
content = "redacted"
part_bytes = "64KB"
span_bytes = "0.5 MB"

[[kill]]
name = "support is down"
when = { feature = "support" }
answer = "Back soon."

[[kill]]
mode = "shadow"
when = { model = ["gpt-4o*", "o3"], tag.tenant = "acme" }
"""


def refused(text: str) -> str:
    with pytest.raises(BadConfig) as caught:
        parse(text, "otelllm.toml")
    return str(caught.value)


def test_a_good_file_is_read_in_full():
    policy = parse(GOOD, "otelllm.toml")
    assert policy.capture == CaptureRules("redacted", 65_536, 524_288)
    first, second = policy.kill
    assert (first.name, first.mode, first.answer, first.scope) == (
        "support is down",
        "enforce",
        "Back soon.",
        "feature=support",
    )
    assert (second.name, second.mode, second.answer, second.scope) == (
        "kill 2",
        "shadow",
        None,
        "model=gpt-4o*|o3, tag.tenant=acme",
    )


def test_the_same_keys_as_a_mapping_make_the_same_policy():
    """The version tells what a policy says, not how it is written."""
    from_file, from_python = parse(GOOD + "# more words\n", "x"), from_mapping(tomllib.loads(GOOD))
    assert from_python.capture == from_file.capture
    assert from_python.version == from_file.version
    assert len(from_file.version) == 12
    assert parse("", "x").version != from_file.version


def test_nothing_said_is_a_policy_too():
    assert parse("", "x").capture == Policy().capture == CaptureRules(None, 65_536, 1 << 20)
    assert Enforcement().stages(Policy()).resolve == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[kill]]\nwhen = { modle = 'x' }", "otelllm.toml:2: kill.when.modle is not a key; did you mean 'model'?"),
        ("\n[kill.when]\n", "otelllm.toml:2: kill is a list of rules; begin each with [[kill]]"),
        ("[[kill]]\n[kill.when]\nfeatrue = 'x'", "otelllm.toml:3: kill.when.featrue is not a key; did you"),
        ("[[kill]]\n[[kill]]\n\nwen = {}", "otelllm.toml:4: kill.wen is not a key; did you mean 'when'?"),
        ("[[kill]]\nwhen.zzz = 'x'", "otelllm.toml:2: kill.when.zzz is not a key; use one of provider, model, feature"),
        ("[[kill]]\nwhen = 'x'", "otelllm.toml:2: kill.when = 'x' is not a table; try { feature = \"support\" }"),
        ("[[kill]]\nwhen = { user = 3 }", "otelllm.toml:2: kill.when.user = 3 is no text; write a value"),
        ("[[kill]]\nwhen = { user = [] }", "otelllm.toml:2: kill.when.user = [] matches nothing"),
        ("[[kill]]\nwhen = { tag = 'x' }", "otelllm.toml:2: kill.when.tag = 'x' needs a name; write tag.NAME = 'x'"),
        ("[[kill]]\nwhen = { share = 2 }", "otelllm.toml:2: kill.when.share = 2 is not a share; write a part of 1"),
        ("[[kill]]\nwhen = { input_tokens = 8 }", "otelllm.toml:2: kill.when.input_tokens = 8 compares nothing; write"),
        ("[[kill]]\nanswer = 'x'\nwhen = { tool = 'y' }", "otelllm.toml:2: kill.answer is a model's; a tool that is"),
        ("[[kill]]\nmode = 'on'", "otelllm.toml:2: kill.mode = 'on' is none of 'off', 'shadow', 'enforce'"),
        ("[[kill]]\nanswer = ''", "otelllm.toml:2: kill.answer = '' is no text"),
        ("[[kill]]\nname = 1", "otelllm.toml:2: kill.name = 1 is no text"),
        ("kill = 3", "otelllm.toml:1: kill is a list of rules"),
        ("kill = [3]", "otelllm.toml:1: kill = 3 is not a table"),
        ("[capture]\n\ncontent = 'all'", "otelllm.toml:3: capture.content = 'all' is none of 'off', 'redacted'"),
        ("[capture]\ncontnt = 'full'", "otelllm.toml:2: capture.contnt is not a key; did you mean 'content'?"),
        ("[capture]\npart_bytes = '64 x'", "otelllm.toml:2: capture.part_bytes = '64 x' is not a size; try \"64KB\""),
        ("[capture]\npart_bytes = -1", "otelllm.toml:2: capture.part_bytes = -1 is not a size"),
        ("[capture]\nspan_bytes = '0KB'", "otelllm.toml:2: capture.span_bytes = '0KB' is not a size"),
        ("[capture]\nspan_bytes = true", "otelllm.toml:2: capture.span_bytes = True is not a size"),
        ("capture = 'full'", "otelllm.toml:1: capture = 'full' is not a table; its keys are content, part_bytes"),
        ("capture.content = 'f'", "otelllm.toml:1: capture.content = 'f' is none of"),
        ("\n[captur]\ncontent = 'full'", "otelllm.toml:2: captur is not a section; did you mean 'capture'?"),
        ("a = 1\nb = \n", "otelllm.toml:2: not TOML: Invalid value"),
        ("[[kill]]\nwhen = { a = 1", "otelllm.toml:2: not TOML: Unclosed inline table"),
        ("a = 'x", "otelllm.toml:1: not TOML"),
        ("a = 1\na = 2", "otelllm.toml:2: not TOML: Cannot overwrite a value"),
    ],
)  # fmt: skip
def test_every_mistake_names_its_line_the_value_and_the_way_out(text, says):
    assert refused(text).startswith(says)


def test_mistakes_in_a_mapping_name_the_key():
    with pytest.raises(BadConfig, match=r"^policy: kill\.when\.modle is not a key; did you mean 'model'\?$"):
        from_mapping({"kill": [{"when": {"modle": "x"}}]})


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(BadConfig, match=r"policy file '.*gone\.toml' can't be read \(No such file or directory\)"):
        load(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(b"# gr\xfc\xdfe")
    with pytest.raises(BadConfig, match="not UTF-8"):
        load(tmp_path / "latin.toml")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "otelllm.toml"
    path.write_bytes(b"\xef\xbb\xbf[capture]\ncontent = 'full'\n")
    policy = load(path)
    assert (policy.capture.content, policy.path) == ("full", path)


def test_lines_are_found_through_every_way_of_writing_a_key():
    text = "\n".join(
        (
            'top = """',  # 1
            "[not] = a.header",  # 2
            '"""',  # 3
            "[a.'b c'] # comment",  # 4
            "  d . e = 1",  # 5
            "list = [",  # 6
            "  1,",  # 7
            "]",  # 8
            "[[r]]",  # 9
            "x = '''one line'''",  # 10
            "[r.sub]",  # 11
            "y = 1",  # 12
            "[[r]]",  # 13
            "[[r.deep]]",  # 14
            "z = 1",  # 15
        )
    )
    tomllib.loads(text)
    expected = {
        ("top",): 1,
        ("a", "b c"): 4,
        ("a", "b c", "d"): 5,
        ("a", "b c", "d", "e"): 5,
        ("a", "b c", "list"): 6,
        ("a", "b c", "list", 0): 6,
        ("r", 0): 9,
        ("r", 0, "x"): 10,
        ("r", 0, "sub", "y"): 12,
        ("r", 1): 13,
        ("r", 1, "deep", 0, "z"): 15,
        ("nowhere",): None,
        ("not",): None,
    }
    assert {keys: line_of(text, keys) for keys in expected} == expected


# The switches of the environment.


def call(**scope: object) -> Call:
    return Call("openai", "chat", Request(model="gpt-4o-mini"), Scope(**scope))


def test_switches_of_the_environment_are_asked_before_the_files():
    policy = parse(GOOD, "x").with_kill(" feature:support , model:o3")
    assert [rule.name for rule in policy.kill] == [
        "OTELLLM_KILL feature:support",
        "OTELLLM_KILL model:o3",
        "support is down",
        "kill 2",
    ]
    assert policy.version != parse(GOOD, "x").version
    (stage,) = Enforcement().stages(policy).resolve
    with pytest.raises(KillSwitchOn, match="'OTELLLM_KILL feature:support' is on for feature=support"):
        drive(stage(call(feature="support")), lambda _: None)


def test_no_text_leaves_the_policy_as_it_is():
    policy = parse(GOOD, "x")
    assert policy.with_kill("") is policy
    assert policy.with_kill(" , ") is policy


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("everything", "OTELLLM_KILL: 'everything' is no switch; write KEY:VALUE, such as feature:support, or all"),
        ("featur:x", "OTELLLM_KILL: featur is not a key; did you mean 'feature'"),
        ("feature:", "OTELLLM_KILL: feature = '' is no text"),
    ],
)
def test_a_wrong_switch_is_refused(text, says):
    with pytest.raises(BadConfig) as caught:
        Policy().with_kill(text)
    assert str(caught.value).startswith(says)


def test_the_stage_gives_the_answer_or_goes_on():
    (stage,) = Enforcement().stages(parse(GOOD, "x")).resolve
    assert drive(stage(call(feature="support")), lambda _: None) == "Back soon."
    assert drive(stage(call(feature="search")), lambda _: None) is None


# Watching.


class Seen:
    """What a watcher told, and a wait for it with a deadline."""

    def __init__(self, path: Path) -> None:
        self.policies: list[Policy] = []
        self.errors: list[str] = []
        self.watched = Watched(path, self.policies.append, lambda error: self.errors.append(str(error)))

    def wait(self, policies: int, errors: int) -> None:
        deadline = time.monotonic() + 5  # generous: the machine may be busy
        while (len(self.policies), len(self.errors)) != (policies, errors):
            assert time.monotonic() < deadline, (self.policies, self.errors)
            time.sleep(0.01)


@pytest.fixture
def seen(tmp_path):
    path = tmp_path / "otelllm.toml"
    path.write_text("[capture]\ncontent = 'off'\n")
    seen = Seen(path)
    seen.watched.start()
    yield seen
    seen.watched.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "otelllm-policy"]


def test_a_change_is_told_within_a_second(seen, tmp_path):
    """At the second look after it, and two looks fit into half a second."""
    assert 2 * POLL_S < 0.5
    (tmp_path / "otelllm.toml").write_text("[capture]\ncontent = 'full'\n")
    seen.wait(1, 0)
    assert seen.policies[0].capture.content == "full"
    assert seen.policies[0].path == tmp_path / "otelllm.toml"


def test_a_file_replaced_by_another_is_told(seen, tmp_path):
    """As editors and config maps do it."""
    (tmp_path / "new").write_text("[capture]\ncontent = 'full'\n")
    os.replace(tmp_path / "new", tmp_path / "otelllm.toml")
    seen.wait(1, 0)


def test_a_broken_file_is_told_once_and_the_mended_one_is_taken(seen, tmp_path):
    path = tmp_path / "otelllm.toml"
    path.write_text("[captur]\n")
    seen.wait(0, 1)
    path.write_text("[captur]\n")  # the same content again: nothing new to say
    os.utime(path)
    path.write_text("[capture]\ncontent = 'off'\n")  # back to what it was
    seen.wait(1, 1)
    assert seen.errors[0].startswith(f"{path}:1: captur is not a section")


def test_a_deleted_file_is_told_once_and_taken_when_it_is_back(seen, tmp_path):
    path = tmp_path / "otelllm.toml"
    path.unlink()
    seen.wait(0, 1)
    assert "can't be read (No such file" in seen.errors[0]
    path.write_text("[capture]\ncontent = 'full'\n")
    seen.wait(1, 1)


def test_a_file_that_is_still_being_written_is_not_taken(tmp_path):
    """Half a policy may lack its kill switch: it counts only when two looks find it the same."""
    path, told = tmp_path / "otelllm.toml", []
    path.write_text("a")
    watcher = FileWatcher(path, lambda: told.append(path.read_text()))
    for text in ("b", "bc", "bcd"):
        path.write_text(text)
        watcher._look()
        assert told == []
    watcher._look()
    watcher._look()
    assert told == ["bcd"]


def _child(path: Path, pipe) -> None:
    deadline = time.monotonic() + 5
    while not SEEN_IN_CHILD and time.monotonic() < deadline:
        time.sleep(0.01)
    pipe.send([policy.capture.content for policy in SEEN_IN_CHILD])


SEEN_IN_CHILD: list[Policy] = []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.slow
def test_a_forked_child_watches_too(tmp_path):
    """gunicorn --preload and Celery fork after instrument(): threads do not survive that."""
    path = tmp_path / "otelllm.toml"
    path.write_text("")
    watched = Watched(path, SEEN_IN_CHILD.append, lambda _: None)
    watched.start()
    try:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        child = context.Process(target=_child, args=(path, theirs))
        child.start()
        path.write_text("[capture]\ncontent = 'full'\n")
        assert ours.poll(8)
        assert ours.recv() == ["full"]
        child.join(5)
    finally:
        watched.stop()
        SEEN_IN_CHILD.clear()


EU = {"name": "eu", "provider": "openai", "base_url": "https://eu.example.com/v1"}
US = {"name": "us", "provider": "openai", "base_url": "https://us.example.com/v1"}


def test_rules_of_the_collector_that_lead_to_its_own_endpoints_are_refused_where_the_app_has_others() -> None:
    """Of two sections of a name the app's wins: `m@us` would be asked for as a model of that name."""
    own = from_mapping({"endpoints": [EU]})
    for section in ({"fallbacks": [{"model": "m", "to": ["m@us"]}]}, {"routes": [{"model": "m@us"}]}):
        served = from_mapping({"endpoints": [US], **section})
        with pytest.raises(
            BadConfig, match=r"do not fit together: .* = 'm@us': no \[\[endpoints\]\] has the name 'us'"
        ):
            own.over(served)
    fits = own.over(from_mapping({"endpoints": [EU, US], "routes": [{"model": "m@eu"}]}))
    assert [route.model for route in fits.routes] == ["m@eu"]
