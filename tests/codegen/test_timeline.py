"""The timeline is the prediction unfolded: inside its cycles, every layer in each stage."""

from codegen.cycles import MemoryTiming, predict, timeline
from codegen.lower import lower
from codegen.workload import Workload
from hw.overlays.bit_serial import BitSerial
from ir.isa import Stage
from ir.precision import Precision

CONFIG = BitSerial(dm=2, dk=8, dn=2)


def test_spans_lie_inside_the_prediction_and_stages_follow_one_another() -> None:
    work = Workload(
        channels=5,
        height=6,
        width=6,
        rows=7,
        kernel=3,
        padding=1,
        weights=Precision(3, signed=True),
        activations=Precision(2, signed=False),
        output=Precision(4, signed=False),
    )
    graph, _ = work.build()
    network = lower(graph, CONFIG)
    for latency in (2, 20):
        memory = MemoryTiming(latency=latency)
        spans, cycles = timeline(network, memory), predict(network, memory).cycles
        assert all(0 <= span.begin < span.end <= cycles for span in spans)
        by_stage = {stage: [s for s in spans if s.stage is stage] for stage in Stage}
        fetches = [s.what for s in by_stage[Stage.FETCH]]
        assert fetches[:3] == ["program", "taps", "params"]
        assert set(fetches[3:]) == {"lhs", "rhs"}
        (execute,), (result,) = by_stage[Stage.EXECUTE], by_stage[Stage.RESULT]
        assert execute.what == result.what == "layer"
        assert execute.begin < result.begin < execute.end < result.end
        assert by_stage[Stage.FETCH][3].begin < execute.begin
        # Every cycle in which the array gets a word lies inside.
        tiling = network.layers[0].tiling
        words = tiling.words_per_tile * tiling.row_tiles * tiling.col_tiles
        assert execute.end - execute.begin >= words
