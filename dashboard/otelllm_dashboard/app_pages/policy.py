"""The policy that all processes follow: its kill switches, its rules in words, and who changed what."""

from __future__ import annotations

import time

import streamlit as st

from otelllm_dashboard import filters, source
from otelllm_dashboard import format as fmt
from otelllm_dashboard.client import Pushed, Refused, Switch, Switches
from otelllm_dashboard.empty import explained

TITLE = "Policy"
ICON = ":material/policy:"
ORDER = 4

_KINDS = ("feature", "model", "provider", "user", "tool", "tag", "all")
_VALUE = "support, gpt-4o*, … For a tag: NAME:VALUE. For all: leave it empty."

# Not the widgets' own keys: Streamlit forgets those of a page that is left.
_KEY, _NAME = "operate-key", "operate-name"

_HOW = """\
# the explorer's own key: whoever reaches the explorer may switch
OTELLLM_KEY=KEY otelllm dashboard      # KEY of: otelllm keys add NAME --scope operate

# or a key of yours in the field below; on the collector's machine, as its user, this token will do
cat DATA/operate.token                 # DATA: the folder that the collector names when it starts
"""


def draw() -> None:
    """Switches first: who comes here in a hurry comes for them."""
    st.title("Policy", anchor=False)
    _switches()
    policy = source.client().policy()
    if policy is None:
        st.subheader("No policy yet", anchor=False)
        st.caption("The collector gives out what is pushed to it, and apps follow within a second.")
        st.code("otelllm policy push otelllm.toml", language="shell")
        return
    st.subheader("In force", anchor=False)
    st.caption(_about(policy))
    if policy["problem"]:
        st.error(fmt.plain(policy["problem"], length=600), icon=":material/error:")
    for line in policy["words"] or ["It says nothing: every call passes."]:
        st.text(line)
    with st.expander("As it was written", icon=":material/description:"):
        st.code(source.client().policy_change(policy["number"])["text"], language="toml", wrap_lines=True)
    _history()


def _about(policy: Pushed) -> str:
    when = fmt.moment(policy["pushed_ns"], zone=filters.zone())[:-4]
    told = [
        f"policy {policy['number']}, version {policy['version']}",
        f"{when} ({fmt.ago(policy['pushed_ns'], now_ns=time.time_ns())})",
        f"by {policy['by'] or 'somebody without a name'}",
    ]
    told += [f"with {policy['key']}"] if policy["key"] else []
    told += [f"from {policy['address']}"] if policy["address"] else []
    return " · ".join(fmt.plain(one) for one in told)


def _history() -> None:
    st.subheader("History", anchor=False)
    pushed = source.client().policy_history()
    zone = filters.zone()
    rows = [
        {
            "Number": one["number"], "When": fmt.moment(one["pushed_ns"], zone=zone)[:-4], "By": one["by"],
            "Key": one["key"], "From": one["address"], "Version": one["version"],
        }
        for one in pushed
    ]  # fmt: skip
    st.dataframe(rows, hide_index=True, key="policy-history", alt="Policies, the newest first")
    number = st.selectbox("What changed in policy", [one["number"] for one in pushed], key="policy-change", width=240)
    if number is not None:
        change = source.client().policy_change(int(number))
        st.caption(_about(change))
        st.code(change["diff"] or "Nothing but its sender.", language="diff", wrap_lines=True)


def _switches() -> None:
    st.subheader("Kill switches", anchor=False)
    found = _asked()
    if not found["switches"]:
        st.caption("None is on. Those of the policy's own rules are below.")
    for switch in found["switches"]:
        _switch(switch, may_change=found["may_change"])
    if found["may_change"]:
        _turn_on()
    else:
        _read_only()


def _asked() -> Switches:
    """With the reader's own key, where there is one that is good for something."""
    key: str | None = st.session_state.get(_KEY)
    if key:
        try:
            return source.client().switches(key)
        except Refused:  # no key at all would be as good: what the reader may do is said below
            pass
    return source.client().switches()


def _switch(switch: Switch, *, may_change: bool) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.badge("off for all" if switch["what"] == "all" else "off", icon=":material/block:", color="red")
        st.text(switch["what"])
        st.caption(fmt.plain(f"by {switch['by'] or 'somebody without a name'}"))
        st.text("KillSwitchOn" if switch["answer"] is None else f"answers: {fmt.clipped(switch['answer'], 200)}")
        if may_change and st.button("Let pass again", key=f"off-{switch['what']}", icon=":material/play_arrow:"):
            _confirm(switch["what"], by=st.session_state.get(_NAME, ""), is_on=True)


def _turn_on() -> None:
    with st.form("kill"), st.container():
        with st.container(horizontal=True, vertical_alignment="bottom"):
            kind = st.selectbox("Refuse calls by", _KINDS, key="kill-kind", width=140)
            value = st.text_input("Value or glob", key="kill-value", placeholder=_VALUE)
        answer = st.text_input(
            "Answer in place of an error", key="kill-answer", placeholder="None: apps get KillSwitchOn"
        )
        by = st.text_input("Your name, for the audit", key="kill-by", value=st.session_state.get(_NAME, ""))
        asked = st.form_submit_button("Switch off…", icon=":material/block:", type="primary")
    if not asked:
        return
    if not by.strip():
        st.error("Say who does it: the audit names you.")
    elif kind != "all" and not value.strip():
        st.error("Say which: a value, or a glob such as gpt-4o*. For every call choose all.")
    else:
        st.session_state[_NAME] = by.strip()
        _confirm(_what(str(kind), value.strip()), by=by.strip(), answer=answer or None)


def _what(kind: str, value: str) -> str:
    if kind == "all":
        return "all"
    return f"{kind}.{value}" if kind == "tag" else f"{kind}:{value}"


@st.dialog("Are you sure?")
def _confirm(what: str, *, by: str, answer: str | None = None, is_on: bool = False) -> None:
    """One more click, and within a second every process that follows the policy has it."""
    st.text(f"{'Let pass again' if is_on else 'Switch off'}: {what}")
    st.caption("In force within a second in every process that follows this policy.")
    name = by or st.text_input("Your name, for the audit", key="confirm-by").strip()
    with st.container(horizontal=True):
        is_sure = st.button("Yes, let pass" if is_on else "Yes, switch off", type="primary", disabled=not name)
        if st.button("Cancel"):
            st.rerun()
    if not is_sure:
        return
    with explained():
        st.session_state[_NAME] = name
        key = st.session_state.get(_KEY)
        if is_on:
            source.client().turn_off(what, by=name, key=key)
        else:
            source.client().turn_on(what, by=name, answer=answer, key=key)
        st.rerun()


def _read_only() -> None:
    if st.session_state.get(_KEY):
        st.error("This key may not change anything. It takes one of scope operate.", icon=":material/key_off:")
    with st.expander("Only for reading. How to switch from here", icon=":material/lock:"):
        st.code(_HOW, language="shell", wrap_lines=True)
        with st.form("unlock", border=False):
            key = st.text_input("Key, for this visit only", type="password", key="unlock-key")
            if st.form_submit_button("Use this key") and key.strip():
                st.session_state[_KEY] = key.strip()
                st.rerun()


if __name__ == "__main__":
    draw()
