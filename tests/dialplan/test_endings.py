"""The checker's verdict on silent callers agrees with an exhaustive simulation of small random dialplans."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx.config.config import Config
from pbx.dialplan.check import check

NAMES = ("a", "b")
DIAL_OUTCOMES = ("busy", "no-answer", "unreachable", "declined")
DEEPEST = 12  # of lists inside each other: more blocks than there are, so one called itself

plain = st.sampled_from(
    [
        {"play": "welcome"},
        {"hangup": "busy"},
        *({"menu": name} for name in NAMES),
        *({"flow": name} for name in NAMES),
        *({"goto": name} for name in NAMES),
    ]
)


def branching(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    lists = st.lists(inner, max_size=2)
    some = st.dictionaries(st.sampled_from([*DIAL_OUTCOMES, "else"]), lists, max_size=2)
    dial = some.map(lambda on: {"dial": "endpoint/1", **({"on": on} if on else {})})
    when = st.tuples(lists, lists).map(lambda x: {"when": "from == '1'", "then": x[0], "else": x[1]})
    return dial | when


steps = st.lists(st.recursive(plain, branching, max_leaves=3), min_size=1, max_size=3)
dialplans = st.fixed_dictionaries(
    {kind: st.fixed_dictionaries(dict.fromkeys(NAMES, steps)) for kind in ("route", "menu", "flow")}
)

Frame = tuple[tuple[Any, ...], str]  # what is left of a list; its kind: menu, block (route, flow), branch
Stack = tuple[Frame, ...]


def frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple((key, frozen(inner)) for key, inner in value.items())
    return tuple(frozen(inner) for inner in value) if isinstance(value, list) else value


def following(plan: Any, stack: Stack) -> list[Stack]:
    """Return every stack that a silent caller may have next; none where the script ends."""
    (left, kind), below = stack[-1], stack[:-1]
    if not left:
        return [below] if below else []
    step, here = dict(left[0]), (*below, (left[1:], kind))
    if "hangup" in step:
        return []
    if "goto" in step:
        return [((plan["route"][step["goto"]], "block"),)]
    if "flow" in step:
        return [(*here, (plan["flow"][step["flow"]], "block"))]
    if "menu" in step:
        return [(*jumped(here), (plan["menu"][step["menu"]], "menu"))]
    if "when" in step:
        return [(*here, (step.get(word, ()), "branch")) for word in ("then", "else")]
    if "dial" in step:
        on = dict(step.get("on", ()))
        chosen = [on.get(outcome, on.get("else")) for outcome in DIAL_OUTCOMES]
        return [here if branch is None else (*here, (branch, "branch")) for branch in chosen]
    return [here]


def jumped(stack: Stack) -> Stack:
    """Leave the menu whose list, or a branch inside it, is on top: a menu there takes its place."""
    depth = len(stack) - 1
    while depth > 0 and stack[depth][1] == "branch":
        depth -= 1
    return stack[:depth] if stack[depth][1] == "menu" else stack


def goes_round(plan: Any, start: Stack) -> bool:
    """Say whether some silent caller never reaches an end: the same stack again, or lists inside lists for ever."""
    done: set[Stack] = set()
    path: list[tuple[Stack, list[Stack]]] = [(start, following(plan, start))]
    on_path = {start}
    while path:
        stack, ways = path[-1]
        if not ways:
            path.pop()
            on_path.discard(stack)
            done.add(stack)
            continue
        way = ways.pop()
        if way in on_path or len(way) > DEEPEST:
            return True
        if way not in done:
            path.append((way, following(plan, way)))
            on_path.add(way)
    return False


@settings(max_examples=150, deadline=None)
@given(dialplans)
def test_the_verdict_agrees_with_every_way_that_a_silent_caller_can_go(plan: dict[str, Any]) -> None:
    config = Config.model_validate(
        {
            "recordings": {"retain_days": 1},
            "endpoints": {"1": {"context": "a"}, "2": {"context": "b"}},
            "contexts": {name: {"route": [{"match": "X.", "do": plan["route"][name]}]} for name in NAMES},
            "menus": {
                name: {"prompt": "welcome", "keys": {"1": {"hangup": "busy"}}, "exhausted": plan["menu"][name]}
                for name in NAMES
            },
            "flows": {name: {"do": plan["flow"][name]} for name in NAMES},
        }
    )
    small = {kind: {name: frozen(inner) for name, inner in lists.items()} for kind, lists in plan.items()}
    starts = [
        ((inner, "menu" if kind == "menu" else "block"),) for kind, lists in small.items() for inner in lists.values()
    ]
    expected = any(goes_round(small, start) for start in starts)
    told = any("goes round for ever" in str(finding) for finding in check(config))
    assert told == expected, plan
