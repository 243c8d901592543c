"""R1 to R10 of the robustness promises on emitted Verilog, under cocotb and in the harness.

Whatever goes wrong, the job ends in a defined way, nothing outside the outputs changes, and the
next job is bit-exact in the cycles of an undisturbed one, without a reset.
"""

import json
import random
from collections import Counter

import pytest

from codegen.emit import regmap_json
from hw.csr import ADDRESS_BITS, CODE_SHIFT, OFFSETS, STATUS_BITS, Code
from hw.queue import QUEUE_INSTRUCTIONS
from ir.isa import ENTRY_BITS, FORMATS, ROW, Kind, Stage, pack, unpack
from sim_tests.fault_programs import (
    NO_STAGE,
    first,
    image_of,
    random_program,
    swept_programs,
    with_field,
    words,
)
from sim_tests.faults import CHANNELS, RESPONSES, Rig, small_job
from sim_tests.random_jobs import random_job, run_jobs

pytestmark = pytest.mark.slow

OVERLAY = "2x16x2"
OKAY, SLVERR = 0, 2
BENCHES = ["harness", "cocotb"]


def rig_of(layers: int = 1, most: int = 400, **settings) -> Rig:
    return Rig(small_job(OVERLAY, layers=layers, most=most), **settings)


def traffic(rig: Rig) -> tuple[int, int]:
    """(read beats, write bursts) of an undisturbed job."""
    probe = Rig(rig.job)
    probe.clean_job()
    probe.script.add("read", OFFSETS["READ_BEATS"])
    probe.check_clean(probe.play()[0])
    run = next(line for line in probe.answers if line[0] == "run")
    return int(probe.answers[-2][1]), int(run[2])


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("response", RESPONSES)
def test_r1_an_error_on_every_read_beat(bench, response) -> None:
    rig = rig_of()
    beats, _ = traffic(rig)
    for beat in range(1, beats + 1):
        rig.faulty_job(beat, 0, RESPONSES[response], 0, 0)
        rig.clean_job()
    found = rig.play(bench)
    reads = {ending.address for ending in found[::2]}
    assert all(e.flags == {"ERROR"} and e.code.name == f"READ_{response}" for e in found[::2])
    assert len(reads) == beats, "each beat has its own address"
    for ending in found[1::2]:
        rig.check_clean(ending)


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("response", RESPONSES)
def test_r1_an_error_on_every_write(bench, response) -> None:
    rig = rig_of(layers=2, most=1500)
    _, bursts = traffic(rig)
    for burst in range(1, bursts + 1):
        rig.faulty_job(0, burst, RESPONSES[response], 0, 0)
        rig.clean_job()
    found = rig.play(bench)
    for ending in found[::2]:
        assert ending.flags == {"ERROR"} and ending.code.name == f"WRITE_{response}"
        assert any(
            at <= ending.address < at + size
            for at, size in zip(rig.outputs[::2], rig.outputs[1::2], strict=True)
        )
    for ending in found[1::2]:
        rig.check_clean(ending)


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("channel", CHANNELS)
def test_r2_a_channel_that_hangs(bench, channel) -> None:
    """irq and a code while it hangs, CSRs answer; drained once it answers, or freed by reset."""
    rig = rig_of()
    beats, bursts = traffic(rig)
    places = range(beats) if channel == "R" else range(bursts)
    chosen = random.Random(channel).sample(places, min(6, len(places)))
    rig.registers(TIMEOUT=100)
    for index, after in enumerate(chosen):
        rig.load()
        rig.fault(0, 0, 0, CHANNELS[channel], after)
        rig.start()
        rig.end()
        rig.control("START")
        rig.script.add("put", OFFSETS["PROG_ADDR"], 1, 15)
        rig.script.add("read", OFFSETS["STATUS"])
        rig.fault()
        rig.free(by_reset=bool(index % 2), timeout=100)
        rig.clean_job()
    found = rig.play(bench)
    code = Code.READ_TIMEOUT if channel in ("AR", "R") else Code.WRITE_TIMEOUT
    for ending in found[::2]:
        assert ending.flags == {"BUSY", "ERROR", "DRAINING"} and ending.code is code
    for ending in found[1::2]:
        rig.check_clean(ending)
    refusals = [line for line in rig.answers if line[0] == "put"]
    assert [line[1] for line in refusals] == [str(SLVERR)] * len(chosen)
    busy = sum(1 << STATUS_BITS[name] for name in ("BUSY", "DRAINING", "START_IGNORED"))
    reads = [line[1] for line in rig.answers if line[0] == "read"]
    assert reads[3::7] == [str(busy)] * len(chosen)


def broken(rig: Rig, case: str) -> tuple[list[int], Code, int]:
    """(program, code, place of the instruction at fault) of a wrong program."""
    program = words(rig.network)
    lhs = first(program, Stage.FETCH, kind=Kind.LHS)
    params = first(program, Stage.FETCH, kind=Kind.PARAMS)
    execute, result = first(program, Stage.EXECUTE), first(program, Stage.RESULT)
    depth = rig.network.config.table_depth
    changes = {
        "no stage": (lhs, {"stage": NO_STAGE}),
        "unknown kind": (lhs, {"kind": 7}),
        "no beats": (lhs, {"segment_beats": 0}),
        "no repeats": (lhs, {"repeats": 0}),
        "beyond the weights": (lhs, {"reserve": rig.network.config.lhs_depth + 1}),
        "beyond the table": (params, {"base": depth}),
        "address off the bus word": (lhs, {"address": 1}),
        "no digits": (execute, {"w_digits": 0}),
        "nine digits": (execute, {"a_digits": 9}),
        "no tiles": (execute, {"col_tiles": 0}),
        "taps beyond the table": (execute, {"tap_table": 1, "tap_base": depth}),
        "rows beyond the table": (execute, {"row_table": 1, "row_base": depth}),
        "too many columns": (result, {"columns": rig.network.config.dn + 1}),
        "no pixels": (result, {"pixels": 0}),
        "parameters beyond the table": (result, {"param_base": depth}),
        "output off the bus word": (result, {"address": 2}),
        "another overlay": (lhs, {"hash": rig.network.config.hash ^ 1}),
    }
    place, values = changes[case]
    program[place] = with_field(program[place], **values)
    return program, Code.OVERLAY if case == "another overlay" else Code.ILLEGAL, place


CASES = """no stage; unknown kind; no beats; no repeats; beyond the weights; beyond the table;
address off the bus word; no digits; nine digits; no tiles; taps beyond the table;
rows beyond the table; too many columns; no pixels; parameters beyond the table;
output off the bus word; another overlay""".replace("\n", " ").split("; ")


def test_r3_illegal_instructions_are_named() -> None:
    rig = rig_of()
    for case in CASES:
        rig.load(image_of(rig.image, rig.network, broken(rig, case)[0]))
        rig.start()
        rig.end()
        rig.clean_job()
    found = rig.play()
    for case, ending in zip(CASES, found[::2], strict=True):
        _, code, place = broken(rig, case)
        assert (ending.code, ending.info & 0xFFFF) == (code, place), case
    for ending in found[1::2]:
        rig.check_clean(ending)


def test_r3_a_row_table_that_nothing_has() -> None:
    """Each entry in turn with no digits, or more than operands have."""
    rig = Rig(random_job(OVERLAY, 12))
    fetch = unpack(
        FORMATS[Stage.FETCH],
        words(rig.network)[first(words(rig.network), Stage.FETCH, kind=Kind.ROWS)],
    )
    entries = [(row, digits) for row in range(fetch["groups"]) for digits in (0, 9, 15)]
    for row, digits in entries:
        place = fetch["address"] + row * ENTRY_BITS // 8
        entry = unpack(ROW, int.from_bytes(rig.image[place : place + ENTRY_BITS // 8], "little"))
        wrong = pack(ROW, entry | {"digits": digits}).to_bytes(ENTRY_BITS // 8, "little")
        rig.load(rig.image[:place] + wrong + rig.image[place + ENTRY_BITS // 8 :])
        rig.start()
        rig.end(inside=True)
        rig.clean_job()
    found = rig.play()
    for ending in found[::2]:
        assert ending.code is Code.ILLEGAL
    for ending in found[1::2]:
        rig.check_clean(ending)


def test_r3_reserved_bits_and_queues_that_overflow() -> None:
    rig = rig_of()
    program = words(rig.network)
    result = program[first(program, Stage.RESULT)]
    spare = [word | 1 << 511 for word in program]
    rig.load(image_of(rig.image, rig.network, spare))
    rig.start()
    rig.end()
    count = QUEUE_INSTRUCTIONS + 3
    many = b"".join(result.to_bytes(64, "little") for _ in range(count))
    rig.load(rig.image[: -len(many)] + many)
    rig.registers(
        PROG_ADDR=rig.size - len(many), PROG_WORDS=count, MEM_LIMIT=rig.size, CYCLE_LIMIT=4000
    )
    rig.start()
    rig.end()
    rig.registers(CYCLE_LIMIT=0)
    rig.clean_job()
    spare_bits, overflow, clean = rig.play()
    assert (spare_bits.code, spare_bits.info & 0xFFFF) == (Code.ILLEGAL, 0)
    assert overflow.code is Code.OVERFLOW
    rig.check_clean(clean)


@pytest.mark.parametrize(("bench", "count"), [("harness", 700), ("cocotb", 500)])
def test_r3_no_program_hangs_the_device(bench, count) -> None:
    """Random words, changed fields, missing and doubled instructions, every field at its limits;
    nothing leaves the window."""
    rig = rig_of(layers=2 if bench == "harness" else 1, most=1500 if bench == "harness" else 250)
    rig.registers(CYCLE_LIMIT=max(2000, 3 * rig.cycles))
    rig.script.add("hazards", 1)
    programs = [random_program(rig.network, seed) for seed in range(count)]
    if bench == "harness":
        programs += swept_programs(rig.network)
    for number, program in enumerate(programs):
        rig.load(image_of(rig.image, rig.network, program))
        rig.start()
        rig.end(inside=True)
        if number % 4 == 3 or bench == "harness":
            rig.clean_job()
    found = rig.play(bench)
    assert all(ending.defined for ending in found)
    if bench == "harness":
        for ending in found[1::2]:
            rig.check_clean(ending)
    codes = Counter(ending.code for ending in found)
    assert {Code.ILLEGAL, Code.STARVED, Code.OVERLAY} <= set(codes), codes


def test_r4_nothing_leaves_the_window() -> None:
    """The empty window of reset, and every limit below the network's end."""
    rig = rig_of()
    rig.script.add("reset", 2)
    rig.script.add("write", OFFSETS["PROG_WORDS"], 1)
    rig.load()
    rig.start()
    rig.end()
    limits = range(0, rig.network.memory_bytes, 8)
    for limit in limits:
        rig.registers(MEM_LIMIT=limit)
        rig.load()
        rig.start()
        rig.end()
    rig.registers(MEM_BASE=rig.network.memory_bytes, MEM_LIMIT=(1 << 32) - 8)
    rig.load()
    rig.start()
    rig.end()
    rig.registers()
    rig.clean_job()
    closed, *lowered, above, clean = rig.play()
    assert (closed.code, closed.address) == (Code.READ_WINDOW, 0)
    assert above.code is Code.READ_WINDOW
    rig.check_clean(clean)
    needed = rig.outputs[0] + rig.outputs[1]
    for limit, ending in zip(limits, lowered, strict=True):
        legal = ending.flags == {"DONE"}
        assert legal or ending.code in (Code.READ_WINDOW, Code.WRITE_WINDOW)
        assert not legal or limit >= needed


@pytest.mark.parametrize("bench", BENCHES)
def test_r5_every_register_address(bench) -> None:
    """Idle and busy, against the generated map; refused within 8 cycles, counters read in 9."""
    table = {entry["offset"]: entry for entry in json.loads(regmap_json()).values()}
    rig = rig_of()
    step = 1 if bench == "harness" else 3
    swept = sorted({*range(0, 1 << ADDRESS_BITS, step), *table})
    wishes = {OFFSETS[name] for name in ("CONTROL", "IRQ_CLEAR")}

    def sweep() -> None:
        for offset in swept:
            rig.script.add("get", offset)
            rig.script.add("put", offset, 0 if offset in wishes else 0x5A5A5A5A, 0b1111)

    sweep()
    rig.registers()
    rig.load()
    rig.fault(0, 0, 0, CHANNELS["R"], 0)
    rig.start()
    sweep()
    rig.fault()
    rig.end()
    rig.clean_job()
    found = rig.play(bench)
    for ending in found:
        rig.check_outputs(b"")
        assert ending.flags == {"DONE"}
    rig.check_clean(found[-1])
    answers = iter(line for line in rig.answers if line[0] in ("get", "put"))
    for busy in (False, True):
        for offset in swept:
            entry = table.get(offset, {"access": "", "locked": False})
            read, written = next(answers), next(answers)
            may_write = entry["access"] in ("rw", "wo") and not (busy and entry["locked"])
            assert int(read[1]) == (OKAY if entry["access"] in ("ro", "rw") else SLVERR), offset
            assert int(written[1]) == (OKAY if may_write else SLVERR), offset
            assert int(read[2]) <= (8 if int(read[1]) == SLVERR else 9) and int(written[2]) <= 8


@pytest.mark.parametrize(("bench", "count"), [("harness", 100), ("cocotb", 50)])
def test_r6_reset_at_any_cycle(bench, count) -> None:
    rig = rig_of()
    draw = random.Random(6)
    for _ in range(count):
        rig.load()
        rig.start()
        rig.script.add("wait", draw.randrange(rig.cycles - 4))
        rig.script.add("reset", 1)
        rig.script.add("untouched", *rig.outputs)
        rig.registers()
        rig.clean_job()
    for ending in rig.play(bench):
        rig.check_clean(ending)


@pytest.mark.parametrize("bench", BENCHES)
@pytest.mark.parametrize("wish", ["ABORT", "SOFT_RESET"])
def test_r6_r7_abort_and_soft_reset_drain(bench, wish) -> None:
    rig = rig_of()
    draw = random.Random(wish)
    waits = [draw.randrange(rig.cycles - 10) for _ in range(40)]
    for wait in waits:
        rig.load()
        rig.start()
        rig.script.add("wait", wait)
        rig.control(wish)
        if wish == "ABORT":
            rig.end()
        else:
            rig.script.add("until", OFFSETS["STATUS"], (1 << CODE_SHIFT + 8) - 1, 0)
            rig.script.add("untouched", *rig.outputs)
        rig.clean_job()
    found = rig.play(bench)
    step = 2 if wish == "ABORT" else 1
    assert wish != "ABORT" or {frozenset(e.flags) for e in found[::2]} == {frozenset({"ABORTED"})}
    for ending in found[step - 1 :: step]:
        rig.check_clean(ending)


def test_r7_start_while_busy_is_ignored() -> None:
    rig = rig_of()
    rig.load()
    rig.start()
    rig.script.add("wait", 20)
    rig.control("START")
    rig.end()
    rig.clean_job()
    first_job, clean = rig.play()
    assert first_job.flags == {"DONE", "START_IGNORED"}
    rig.check_clean(clean)


def test_r8_nothing_depends_on_what_flip_flops_hold_at_first() -> None:
    for seed in (1, 2, 3):
        rig = rig_of(power_up=seed)
        for _ in range(2):
            rig.clean_job()
        rig.faulty_job(5, 0, RESPONSES["SLVERR"], 0, 0)
        rig.clean_job()
        one, two, error, three = rig.play(start="unique")
        assert error.code is Code.READ_SLVERR
        for ending in (one, two, three):
            rig.check_clean(ending)


def test_fifty_jobs_one_after_the_other() -> None:
    """Shapes, widths and programs change from job to job; there is no reset in between."""
    run_jobs([random_job(OVERLAY, seed) for seed in range(5000, 5050)])
