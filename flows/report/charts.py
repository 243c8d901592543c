"""The pictures of the report, each a pure function of the run's facts."""

from collections.abc import Mapping, Sequence
from typing import Any

from flows.report.svg import line, picture, rect, tag, text, thousands, ticks, tip

STALLS = (
    ("EXEC_RUN", "array works", "c1"),
    ("EXEC_WAIT_LHS", "waits for weights", "c2"),
    ("EXEC_WAIT_RHS", "waits for activations", "c3"),
    ("EXEC_WAIT_RESULT", "waits for results to leave", "c4"),
)
KINDS = (("predicted", "c5"), ("measured", "c1"), ("lower_bound", "c6"))
MOST_NAME = 22


def accuracy_over_cycles(rounds: Sequence[Mapping[str, Any]], budget: int, best: int) -> str:
    """Validation accuracy over measured cycles; the rounds in their order, the budget as a line."""
    width, height, left, bottom, top = 560, 300, 56, 46, 26
    cycles = [r["cycles"]["measured"] for r in rounds]
    shares = [100 * r["accuracy"] for r in rounds]
    x_high = 1.12 * max([*cycles, budget])
    y_low, y_high = min(shares) - 0.8, min(100.4, max(shares) + 0.8)

    def at_x(value: float) -> float:
        return left + (width - left - 20) * value / x_high

    def at_y(value: float) -> float:
        return top + (height - top - bottom) * (y_high - value) / (y_high - y_low)

    parts = []
    for value in ticks(y_low, y_high):
        parts.append(line(left, at_y(value), width - 20, at_y(value), class_="grid"))
        parts.append(text(left - 8, at_y(value) + 4, f"{value:g} %", class_="end"))
    for value in ticks(0, x_high):
        parts.append(text(at_x(value), height - bottom + 18, thousands(value), class_="mid"))
    parts.append(
        text((left + width) / 2, height - 8, "measured cycles an image", class_="mid soft")
    )
    parts.append(line(at_x(budget), top - 8, at_x(budget), height - bottom, class_="budget"))
    parts.append(text(at_x(budget), top - 12, f"budget {thousands(budget)}", class_="mid soft"))
    points = [(at_x(c), at_y(s)) for c, s in zip(cycles, shares, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts.append(tag("polyline", points=path, class_="path"))
    for found, (x, y) in zip(rounds, points, strict=True):
        chosen = found["round"] == best
        title = f"round {found['round']}: {found['accuracy']:.4f}, loss {found['nll']:.4f}"
        parts.append(tag("circle", tip(title), cx=x, cy=y, r=9, class_="c1" if chosen else "point"))
        parts.append(text(x, y + 4, found["round"], class_="mid on" if chosen else "mid"))
    return picture(width, height, parts, "validation accuracy over measured cycles, by round")


def bits_over_rounds(rounds: Sequence[Mapping[str, Any]], best: int) -> str:
    """One row a layer, one column a round: weight bits x activation bits, darker is wider."""
    names = list(rounds[0]["plan"])
    left, top, cell_width, cell_height = 150, 30, 70, 34
    width = max(left + cell_width * len(rounds) + 10, 320)
    parts = []
    for column, found in enumerate(rounds):
        x = left + column * cell_width
        mark = " *" if found["round"] == best else ""
        parts.append(
            text(x + cell_width / 2, top - 10, f"round {found['round']}{mark}", class_="mid")
        )
        for row, name in enumerate(names):
            w_bits, a_bits = found["plan"][name]
            y = top + row * cell_height
            title = f"{name}: weights {w_bits} bits, activations {a_bits} bits"
            shade = w_bits * a_bits / 64 * 0.85 + 0.08
            parts.append(
                rect(
                    x + 2,
                    y + 2,
                    cell_width - 4,
                    cell_height - 4,
                    title,
                    class_="c1",
                    rx=4,
                    fill_opacity=shade,
                )
            )
            wide = " on" if w_bits * a_bits > 30 else ""
            parts.append(
                text(x + cell_width / 2, y + 22, f"{w_bits} × {a_bits}", class_=f"mid{wide}")
            )
    for row, name in enumerate(names):
        parts.append(text(left - 10, top + row * cell_height + 22, shown(name), class_="end"))
    label = "bits per layer over the rounds, weights x activations"
    return picture(width, top + cell_height * len(names) + 8, parts, label)


def cycles_by_layer(layers: Sequence[Mapping[str, Any]]) -> str:
    """Predicted, measured and least cycles of each layer."""
    left, top, bar, gap, width = 150, 30, 13, 16, 560
    group = len(KINDS) * (bar + 2) + gap
    most = max(value for layer in layers for value in layer["cycles"].values() if value is not None)
    parts = _legend([(name.replace("_", " "), colour) for name, colour in KINDS], left)
    for index, layer in enumerate(layers):
        y = top + index * group
        parts.append(text(left - 10, y + group / 2 - 4, shown(layer["name"]), class_="end"))
        for row, (kind, colour) in enumerate(KINDS):
            value = layer["cycles"][kind]
            if value is None:  # not simulated
                continue
            place = y + row * (bar + 2)
            length = (width - left - 80) * value / most
            title = f"{layer['name']}: {kind} {value}"
            parts.append(rect(left, place, length, bar, title, class_=colour, rx=2))
            parts.append(text(left + length + 6, place + 11, thousands(value), class_="small"))
    return picture(width, top + group * len(layers), parts, "cycles of each layer")


def stalls(counters: Mapping[str, int]) -> str:
    """Where the cycles of the execute stage went, from the overlay's own counters."""
    width, height, top = 560, 26, 6
    known = [(label, counters[name], colour) for name, label, colour in STALLS]
    # A cycle in which it waits for two things is counted for both.
    rest = max(0, counters["CYCLES"] - sum(value for _, value, _ in known))
    shares = [*known, ("starts and ends of layers", rest, "c6")]
    total = max(1, sum(value for _, value, _ in shares))
    parts, x = [], 0.0
    for label, value, colour in shares:
        length = width * value / total
        parts.append(rect(x, top, length, height, f"{label}: {value} cycles", class_=colour))
        x += length
    for row, (label, value, colour) in enumerate(shares):
        y = top + height + 24 + row * 20
        parts.append(rect(0, y - 10, 12, 12, "", class_=colour, rx=2))
        parts.append(text(20, y, f"{label}: {thousands(value)} ({100 * value / total:.1f} %)"))
    return picture(
        width, top + height + 24 + 20 * len(shares), parts, "cycles of the execute stage"
    )


def schedule(events: Sequence[Mapping[str, Any]], cycles: int) -> str:
    """Layers and stages over time, from the trace's events; what is under way says its name."""
    rows = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    slices = [e for e in events if e["ph"] == "X"]
    left, top, row_height, width = 120, 6, 30, 1100
    bottom = top + row_height * len(rows)
    scale = (width - left - 10) / max(cycles, 1)
    colours = {e["name"]: f"c{1 + i % 4}" for i, e in enumerate(e for e in slices if not e["tid"])}
    parts = []
    for value in ticks(0, cycles, 8):
        x = left + value * scale
        parts.append(line(x, top, x, bottom, class_="grid"))
        parts.append(text(x, bottom + 18, thousands(value), class_="mid soft"))
    for row, name in rows.items():
        parts.append(text(left - 10, top + row * row_height + 20, name, class_="end"))
    for event in slices:
        y, length = top + event["tid"] * row_height + 4, event["dur"] * scale
        title = f"{event['name']}: cycles {event['ts']} to {event['ts'] + event['dur']}"
        colour = colours.get(event["name"], "c5")
        parts.append(rect(left + event["ts"] * scale, y, length, 22, title, class_=colour, rx=2))
    return picture(width, bottom + 26, parts, "schedule of one image")


def meter(needs: int, has: int) -> str:
    """A bar for a need against what there is; red beyond it."""
    share = needs / has if has else (2.0 if needs else 0.0)
    colour = "c1" if share <= 1 else "bad"
    parts = [rect(0, 3, 120, 8, "", class_="track", rx=4)]
    parts.append(rect(0, 3, 120 * min(share, 1.0), 8, f"{needs} of {has}", class_=colour, rx=4))
    return picture(120, 14, parts, f"{needs} of {has}")


def shown(name: str) -> str:
    """A layer's name as far as there is room."""
    flat = " ".join(name.split())
    return flat if len(flat) <= MOST_NAME else flat[: MOST_NAME - 1] + "…"


def _legend(entries: Sequence[tuple[str, str]], left: float) -> list[str]:
    parts, x = [], left
    for label, colour in entries:
        parts.append(rect(x, 4, 12, 12, "", class_=colour, rx=2))
        parts.append(text(x + 18, 14, label, class_="small"))
        x += 100
    return parts
