"""A study's picture: curves of loss over cycles, one a method, with what each point is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flows.report.svg import line, picture, tag, text, thousands, ticks, tip

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 380, 64, 130, 20, 46
COLOURS = "#1f77b4 #ff7f0e #2ca02c #d62728 #9467bd #8c564b #e377c2 #7f7f7f #bcbd22 #17becf".split()
STYLE = (
    "<style>text{font:12px sans-serif}.end{text-anchor:end}.mid{text-anchor:middle}"
    ".grid{stroke:#ddd}</style>"
)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """Data to places on the paper."""

    x: tuple[float, float]
    y: tuple[float, float]

    def at_x(self, value: float) -> float:
        share = (value - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        return LEFT + (WIDTH - LEFT - RIGHT) * share

    def at_y(self, value: float) -> float:
        share = (self.y[1] - value) / ((self.y[1] - self.y[0]) or 1)
        return TOP + (HEIGHT - TOP - BOTTOM) * share


def curves(methods: Mapping[str, Points], x_label: str, y_label: str) -> str:
    """A standalone SVG: {method: points (x, y)}, each drawn from left to right."""
    xs = [x for points in methods.values() for x, _ in points]
    ys = [y for points in methods.values() for _, y in points]
    frame = _Frame(x=(min(xs), max(xs)), y=(min(ys), max(ys)))
    parts = [STYLE, *_grid(frame), text(LEFT, TOP - 6, y_label)]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label, class_="mid"))
    for place, (name, points) in enumerate(methods.items()):
        parts += _curve(frame, name, sorted(points), COLOURS[place % len(COLOURS)], place)
    drawn = picture(WIDTH, HEIGHT, parts, f"{y_label} over {x_label}, by method")
    return drawn.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)


def _grid(frame: _Frame) -> list[str]:
    parts = []
    for value in ticks(*frame.y):
        y = frame.at_y(value)
        parts.append(line(LEFT, y, WIDTH - RIGHT, y, class_="grid"))
        parts.append(text(LEFT - 8, y + 4, f"{value:g}", class_="end"))
    for value in ticks(*frame.x):
        parts.append(text(frame.at_x(value), HEIGHT - BOTTOM + 18, thousands(value), class_="mid"))
    return parts


def _curve(frame: _Frame, name: str, points: Points, colour: str, place: int) -> list[str]:
    spots = [(frame.at_x(x), frame.at_y(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
    parts = [tag("polyline", points=path, fill="none", stroke=colour, stroke_width=1.5)]
    for (x, y), (cx, cy) in zip(points, spots, strict=True):
        title = tip(f"{name}: {thousands(round(x))}, {y:.4g}")
        parts.append(tag("circle", title, cx=f"{cx:.1f}", cy=f"{cy:.1f}", r=3, fill=colour))
    y = TOP + 10 + 18 * place
    parts.append(tag("rect", x=WIDTH - RIGHT + 12, y=y - 9, width=10, height=10, fill=colour))
    return [*parts, text(WIDTH - RIGHT + 28, y, name)]
