"""The changes that are made, one at a time: most are cosmic-ray's own."""

from __future__ import annotations

from cosmic_ray import plugins
from cosmic_ray.operators.operator import Operator

_COMPARISONS = ("Eq_NotEq", "NotEq_Eq", "Is_IsNot", "IsNot_Is", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt")
_OF_COSMIC_RAY = (
    *("AddNot", "ReplaceAndWithOr", "ReplaceOrWithAnd", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    *("NumberReplacer", "ZeroIterationForLoop", "ReplaceContinueWithBreak", "ReplaceBreakWithContinue"),
    *(f"ReplaceComparisonOperator_{comparison}" for comparison in _COMPARISONS),
)


class LeaveOutCall(Operator):  # type: ignore[misc]
    """Leaves out a statement that is nothing but a call."""

    def mutation_positions(self, node):
        if node.type == "expr_stmt" or node.parent is None or node.parent.type != "simple_stmt":
            return
        call = node.children[-1] if node.type in ("atom_expr", "power") else None
        if call is not None and call.type == "trailer" and call.children[0].value == "(":
            yield node.start_pos, node.end_pos

    def mutate(self, node, index):
        prefix = node.get_first_leaf().prefix
        while len(node.children) > 1:
            node.children.pop()
        leaf = node.get_first_leaf()
        leaf.value, leaf.prefix = "None", prefix
        return node

    @classmethod
    def examples(cls):
        return ()


def operators() -> dict[str, Operator]:
    """Return the operators by their names."""
    found = {name: plugins.get_operator(f"core/{name}")() for name in _OF_COSMIC_RAY}
    return {**found, "LeaveOutCall": LeaveOutCall()}
