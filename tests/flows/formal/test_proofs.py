"""The prover: true claims are proved, planted bugs are found, missing tools are named."""

from functools import partial
from pathlib import Path

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from flows.formal import __main__ as front
from flows.formal import catalogue, sby
from flows.formal.arithmetic import popcount_bench
from flows.formal.bench import Bench
from flows.formal.proof import Proof
from flows.formal.streams import bench_of
from hw.popcount import Popcount
from ir.errors import ConfigError, ToolError

LANES = 5


class Miscount(Popcount):
    """Wrong for one of 32 inputs."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        wrong = Signal.like(self.count)
        m.d.sync += wrong.eq(Mux(self.bits == 0b10110, 4, _ones(self.bits)))
        late = Signal.like(self.count)
        m.d.sync += late.eq(wrong)
        m.d.comb += self.count.eq(late)
        return m


def _ones(bits: Signal):
    return sum((bits[i] for i in range(1, len(bits))), start=bits[0] + 0)


class Impatient(wiring.Component):
    """A stream that takes its word back after a cycle when `hasty`."""

    def __init__(self, *, hasty: bool) -> None:
        self.hasty = hasty
        super().__init__({"out": Out(stream.Signature(4)), "go": In(1)})

    out: stream.Interface
    go: Signal

    def elaborate(self, platform: object) -> Module:
        m = Module()
        with m.If(self.go & ~self.out.valid):
            m.d.sync += [self.out.valid.eq(1), self.out.payload.eq(self.out.payload + 1)]
        with m.Elif(self.out.valid if self.hasty else self.out.ready):
            m.d.sync += self.out.valid.eq(0)
        return m


class Toy:
    """In the place of an overlay's configuration."""

    def __init__(self, *, hasty: bool) -> None:
        self.hasty = hasty

    def build(self) -> Module:
        m = Module()
        m.submodules.new_part = Impatient(hasty=self.hasty)
        return m


def proof(build, *, depth: int = 4, bounded: bool = False) -> Proof:
    return Proof(name="planted", claim="", build=build, depth=depth, bounded=bounded)


@pytest.mark.slow
@pytest.mark.parametrize("bounded", [False, True])
def test_a_wrong_count_is_found_with_a_trace(tmp_path: Path, bounded: bool) -> None:
    build = partial(popcount_bench, Miscount(lanes=LANES))
    outcome = sby.prove(proof(build, bounded=bounded), folder=tmp_path)
    assert (outcome.result, outcome.reason) == ("failed", "counterexample")
    assert outcome.trace is not None and outcome.trace.read_text().startswith("$")
    assert "planted: counterexample: " + str(outcome.trace) in front.describe([outcome])


@pytest.mark.slow
def test_a_right_count_is_proved(tmp_path: Path) -> None:
    build = partial(popcount_bench, Popcount(lanes=LANES))
    assert sby.prove(proof(build), folder=tmp_path).result == "proved"
    bounded = sby.prove(
        proof(partial(popcount_bench, Popcount(lanes=LANES)), bounded=True), folder=tmp_path
    )
    assert bounded.result == "bounded" and bounded.ok


@pytest.mark.slow
@pytest.mark.parametrize("hasty", [False, True])
def test_a_new_stream_is_found_and_judged(tmp_path: Path, hasty: bool) -> None:
    config: Toy = Toy(hasty=hasty)
    build = partial(bench_of, config, "new_part", "out")  # pyright: ignore[reportArgumentType]
    outcome = sby.prove(proof(build), folder=tmp_path)
    assert outcome.result == ("failed" if hasty else "proved")


@pytest.mark.slow
def test_a_claim_that_needs_an_unwritten_invariant_is_no_proof(tmp_path: Path) -> None:
    def build() -> Bench:
        bench = Bench()
        go = bench.free(1, "go")
        one, other = bench.state(8, "one"), bench.state(8, "other")
        bench.module.d.sync += [one.eq(one + go), other.eq(other + go)]
        bench.claim((one == other) | (one < 200))
        return bench

    outcome = sby.prove(proof(build), folder=tmp_path)
    assert (outcome.result, outcome.reason) == ("failed", "no induction with k = 4")


@pytest.mark.slow
def test_the_quick_proofs_hold(tmp_path: Path) -> None:
    selected = front.chosen([], quick=True)
    assert len(selected) >= 6
    outcomes = front.run(selected, tmp_path)
    assert [o.proof.name for o in outcomes if not o.ok] == []


def test_every_stream_of_the_overlay_has_a_proof() -> None:
    names = {p.name for p in catalogue.proofs() if p.name.startswith("stream.")}
    assert {
        "stream.issuer.job",
        "stream.issuer.ar",
        "stream.queue_fetch.out",
        "stream.queue_execute.out",
        "stream.queue_result.out",
        "stream.writer.aw",
        "stream.writer.w",
        "stream.control.b",
        "stream.control.r",
        "stream.port.ar",
        "stream.port.aw",
        "stream.port.w",
    } <= names


def test_names_are_unique_and_chosen_by_their_beginning() -> None:
    names = [p.name for p in catalogue.proofs()]
    assert len(names) == len(set(names))
    assert [p.name for p in front.chosen(["popcount.16"], quick=False)] == ["popcount.16"]
    with pytest.raises(ConfigError, match="no proof begins with nonsense"):
        front.chosen(["nonsense"], quick=False)


def test_a_missing_tool_is_exit_code_3(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sby, "PROGRAMS", ("yowasp-nothing",))
    with pytest.raises(ToolError, match=r"(?s)yowasp-nothing: is not installed.*make setup"):
        sby.tools()
    assert front.main(["popcount.1"]) == 3
    assert "yowasp-nothing" in capsys.readouterr().err


def test_refuses_what_the_component_does_not_have() -> None:
    bench = Bench()
    bench.add(Popcount(lanes=LANES))
    with pytest.raises(ConfigError, match="nothing: 0 signals of that name"):
        bench.inner("nothing")
    with pytest.raises(ConfigError, match="no submodule 'tree'; there is: none"):
        bench.inner("tree.count")
    with pytest.raises(ConfigError, match="planted: depth must be 1 to 200, not 0"):
        proof(Bench, depth=0)
    bench.rtlil()
