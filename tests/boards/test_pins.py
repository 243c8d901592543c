"""Pins and parts are those of amaranth-boards, where it has the board."""

import importlib
from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.build import Pins as PlatformPins
from amaranth.build import Subsignal

from boards.loader import Board, board_names, load_board

WITH_PLATFORM = [name for name in board_names() if load_board(name).platform]
KINDS = {"leds": ("led", "rgb_led"), "reset_button": ("button", "rst")}


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where a platform has a pin. path: resource and subsignals."""

    path: tuple[str, ...]
    inverted: bool
    io_type: Any


def platform_of(board: Board) -> Any:
    module, _, name = board.platform.partition(".")
    return getattr(importlib.import_module(f"amaranth_boards.{module}"), name)()


def sites_of(platform: Any) -> dict[str, list[Site]]:
    """{site: what it is}; a site may have several names."""
    found: dict[str, list[Site]] = {}

    def walk(node: Any, path: tuple[str, ...], io_type: Any) -> None:
        io_type = node.attrs.get("IO_TYPE", node.attrs.get("IOSTANDARD", io_type))
        for io in node.ios:
            kind = type(io)
            if kind is Subsignal:
                walk(io, (*path, io.name), io_type)
            elif kind is PlatformPins:
                for site in io.names:
                    spot = Site(path=path, inverted=io.invert, io_type=io_type)
                    found.setdefault(site, []).append(spot)

    for (name, _), resource in platform.resources.items():
        walk(resource, (name,), None)
    return found


@pytest.mark.parametrize("name", WITH_PLATFORM)
def test_the_part_is_the_platforms(name: str) -> None:
    board = load_board(name)
    platform = platform_of(board)
    part = board.part.lower()
    assert part.startswith(platform.device.lower().removesuffix("ti"))
    assert platform.package.lower() in part
    if board.family == "ecp5":
        assert f"-{platform.speed}{platform.package}" in board.part


@pytest.mark.parametrize("name", WITH_PLATFORM)
def test_the_pins_are_the_platforms(name: str) -> None:
    board = load_board(name)
    assert board.pins is not None
    platform = platform_of(board)
    sites = sites_of(platform)
    clock = platform.lookup(platform.default_clk)
    assert board.pins.clock.site in clock.ios[0].names
    assert 1e9 / clock.clock.frequency == pytest.approx(board.clock.oscillator_period_ns)
    for port, pin in board.pins.by_port().items():
        if port.startswith("uart") and ("uart", 0) not in platform.resources:
            header = {site for c in platform.connectors.values() for site in c.mapping.values()}
            assert pin.site in header
            continue
        allowed = KINDS.get(port.partition("[")[0])
        spots = [s for s in sites[pin.site] if allowed is None or s.path[0].startswith(allowed)]
        assert spots, f"{port} at {pin.site} is {sites[pin.site]}"
        if port.startswith("uart"):
            assert ("uart", port.removeprefix("uart_")) in [spot.path for spot in spots]
        assert pin.inverted in [spot.inverted for spot in spots]
        types = [spot.io_type for spot in spots if isinstance(spot.io_type, str)]
        assert not pin.io_type or not types or pin.io_type in types


def test_most_boards_have_a_platform() -> None:
    assert len(WITH_PLATFORM) >= 8
