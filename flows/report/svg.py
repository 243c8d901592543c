"""SVG by small pieces: every text escaped, colours by the page's CSS classes, no scripts."""

from collections.abc import Sequence
from html import escape


def tag(name: str, content: str = "", **attributes: object) -> str:
    """<name key="value">content</name>; `class_` is class, `_` in names is `-`."""
    pairs = [(key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items()]
    text = "".join(f' {key}="{escape(_number(value))}"' for key, value in pairs)
    return f"<{name}{text}>{content}</{name}>"


def text(x: float, y: float, value: object, class_: str = "") -> str:
    """A text at (x, y)."""
    return tag("text", escape(str(value)), x=x, y=y, class_=class_)


def rect(
    x: float,
    y: float,
    width: float,
    height: float,
    title: str,
    *,
    class_: str,
    rx: int = 0,
    fill_opacity: float = 1.0,
) -> str:
    """A rectangle that says `title` under the pointer."""
    size = {"width": max(width, 0.0), "height": max(height, 0.0)}
    look = {"class_": class_, "rx": rx, "fill_opacity": fill_opacity}
    return tag("rect", tip(title), x=x, y=y, **size, **look)


def line(x1: float, y1: float, x2: float, y2: float, *, class_: str) -> str:
    """A line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def tip(title: str) -> str:
    """What is shown under the pointer."""
    return tag("title", escape(title)) if title else ""


def picture(width: int, height: int, parts: Sequence[str], label: str) -> str:
    """A whole picture, as wide as its column allows; `label` describes it to a screen reader."""
    return tag(
        "svg",
        "".join(parts),
        viewBox=f"0 0 {width} {height}",
        role="img",
        aria_label=label,
        style=f"max-width:{width}px",
    )


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that cover low..high in about `count` steps."""
    span = (high - low) or abs(high) or 1.0
    step = 10.0 ** _floor_log10(span / count)
    step = next(step * m for m in (1, 2, 5, 10) if span / (step * m) <= count)
    first = int(low / step // 1)
    values = [round((first + i) * step, 10) for i in range(count + 3)]
    return [value for value in values if low - 1e-9 <= value <= high + 1e-9]


def thousands(value: float) -> str:
    """1234567 as 1,234,567; small fractions as they are."""
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _floor_log10(value: float) -> int:
    exponent = 0
    while value >= 10:
        value, exponent = value / 10, exponent + 1
    while 0 < value < 1:
        value, exponent = value * 10, exponent - 1
    return exponent


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
