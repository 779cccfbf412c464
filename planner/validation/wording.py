"""Words and numbers of validation, the same on the terminal and on the page."""

from planner.validation.base import Expected


def describe_value(value: float) -> str:
    """Write a value with as many digits as it takes to tell it from its neighbours."""
    if float(value).is_integer() and abs(value) < 1e12:
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"


def describe_tolerance(expected: Expected) -> str:
    """Write a tolerance: "exact", "± 2 %", "± 0.03", or "± 0.02, 5 %" where either is enough."""
    parts = []
    if expected.absolute:
        parts.append(f"{expected.absolute:g}")
    if expected.relative:
        parts.append(f"{expected.relative * 100:g} %")
    return f"± {', '.join(parts)}" if parts else "exact"
