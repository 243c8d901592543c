"""The command line: `bitwright VERB`. Every verb is a thin call of a public function.

A verb on a config is a module `flows.<verb>` with two functions:

    run(config: Path, overrides: tuple[str, ...], **options) -> Mapping    plain JSON values
    describe(result) -> str                                                the same for a person

A result with `"ok": False` is a check that failed. `bench` has its own arguments and module.

Exit codes: 0 well, 1 a check failed, 2 usage, config, capacity or unsupported input, 3 a tool is
missing or failed, 130 interrupted, 143 terminated.
"""

import argparse
import importlib
import importlib.metadata
import signal
import sys
import threading
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from flows import console
from flows.parser import Parser
from flows.study import verb as study_verb
from flows.toolchain import SETUP_FIX
from ir.errors import BitwrightError, ConfigError, ToolError

OUR_PACKAGES = frozenset({"ir", "hw", "codegen", "quant", "flows", "boards", "sim_tests"})
DESCRIPTION = "A trained network in, an FPGA accelerator as wide as it needs out."
BENCH_MODULE = "flows.bench_verb"  # add_arguments(subparsers) and run(arguments) -> exit code
CHECK_FAILED = 1
INPUT_WRONG = 2
INTERRUPTED = 130
TERMINATED = 143


@dataclass(frozen=True, kw_only=True)
class ConfigVerb:
    """A verb that works on a config. `options`: name -> arguments of add_argument. `onnx`: what
    takes an ONNX model, if it does. `module`: where it lives, if not in flows.<name>. `failed`:
    exit code of a result that is not ok.
    """

    name: str
    help: str
    options: Mapping[str, Mapping[str, Any]]
    onnx: str = ""
    module: str = ""
    failed: int = CHECK_FAILED


JOBS = {"type": int, "default": 1, "metavar": "N", "help": "programs at once (default 1)"}
LINK = {
    "default": "harness",
    "metavar": "harness|cocotb|uart:PORT",
    "help": "the device; uart alone is a simulated board (default harness)",
}
IMAGES = {"type": int, "default": 4, "metavar": "N", "help": "test images (default 4)"}
MODEL = {
    "input-precision": {
        "metavar": "u8|s4|bipolar...",
        "default": "",
        "help": "an ONNX model's input where it has no quantizer: integers of these bits",
    },
    "inexact": {
        "action": "store_true",
        "help": "an ONNX model's layers that no rule computes exactly: take the nearest",
    },
}
BISECT = {
    "action": "store_true",
    "help": "where there is a difference, the first: layer, element, digit-plane, cycles, waves",
}
INPUTS = {"type": int, "default": 16, "metavar": "N", "help": "inputs (default 16)"}
INPUTS_FILE = {
    "type": Path,
    "metavar": "X.npy",
    "help": "the inputs, in the model's own shape and floats, instead of random ones",
}
FORMAT = {
    "choices": ("ip", "qonnx"),
    "default": "ip",
    "help": "ip: a folder for Vivado (default); qonnx: the network, also of an ONNX model",
}
SEEDS = {"type": int, "default": 3, "metavar": "N", "help": "placements to try (default 3)"}
WAVES = {"action": "store_true", "help": "keep the waveforms"}

CONFIG_VERBS = (
    ConfigVerb(name="quantize", help="train the network and choose its bitwidths", options={}),
    ConfigVerb(
        name="supports",
        help="whether an ONNX model or a config's network can be taken, and what is in the way",
        options=MODEL,
        onnx="supports",
        failed=INPUT_WRONG,
    ),
    ConfigVerb(
        name="compile",
        help="overlay, program and memory images; also of an ONNX model",
        options=MODEL,
        onnx="compile",
    ),
    ConfigVerb(
        name="verify",
        help="reference, golden model and RTL on the same inputs; also of an ONNX model",
        options={**MODEL, "inputs": INPUTS, "inputs-file": INPUTS_FILE, "bisect": BISECT},
        onnx="verify",
        module="flows.verify_verb",
    ),
    ConfigVerb(
        name="size",
        help="the fastest overlay within a board's budget, untrained; also of a run's plan.json",
        options={},
    ),
    ConfigVerb(
        name="simulate", help="bit-exact against torch, measured cycles", options={"waves": WAVES}
    ),
    ConfigVerb(
        name="run",
        help="images through the network on a device; also on a run's folder",
        options={"link": LINK, "images": IMAGES},
        onnx="run",
    ),
    ConfigVerb(
        name="bitstream",
        help="the board's chip, placed and routed by open tools",
        options={"seeds": SEEDS},
    ),
    ConfigVerb(
        name="export",
        help="an IP folder for Vivado, with a PYNQ driver; the network as a QONNX file",
        options={"format": FORMAT},
        onnx="export --format qonnx",
    ),
    ConfigVerb(
        name="codesign", help="the loop, to a plan that repeats itself", options={"jobs": JOBS}
    ),
    ConfigVerb(
        name="report",
        help="the report of the newest run, made again",
        options={},
        onnx="report",
    ),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in words
    _prepare_process()
    try:
        return _dispatch(words)
    except BitwrightError as error:
        console.print_error(error, error.exit_code, as_json)
        return error.exit_code
    except OSError as error:  # the file system, in a library that does not know our errors
        console.print_error(error, INPUT_WRONG, as_json)
        return INPUT_WRONG
    except ModuleNotFoundError as error:
        return _missing_package(error, as_json)
    except KeyboardInterrupt:
        return _ended("interrupted", INTERRUPTED)
    except SystemExit as ended:
        if ended.code == TERMINATED:
            return _ended("terminated", TERMINATED)
        raise


def _ended(how: str, code: int) -> int:
    warnings.simplefilter("ignore")  # Amaranth's, of modules that were begun and not built
    print(f"bitwright: {how}; the same command resumes", file=sys.stderr)
    return code


def _dispatch(words: list[str]) -> int:
    is_bench = words[:1] == ["bench"]
    arguments = build_parser(bench=is_bench).parse_args(words)
    if is_bench:
        return importlib.import_module(BENCH_MODULE).run(arguments)
    return arguments.handler(arguments)


def build_parser(bench: bool = True) -> Parser:
    """All verbs. `bench`: import its module too, which costs a second of other verbs' time."""
    parser = Parser(prog="bitwright", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=_version())
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    common = Parser(add_help=False)
    common.add_argument("--json", action="store_true", help="stdout is one JSON document")

    doctor = verbs.add_parser("doctor", parents=[common], help="every tool and its version")
    doctor.set_defaults(handler=_doctor)
    for verb in CONFIG_VERBS:
        _add_config_verb(verbs, verb, common)
    if bench:
        importlib.import_module(BENCH_MODULE).add_arguments(verbs)
    else:
        verbs.add_parser("bench", help="cycles of a layer or network on an overlay")
    study_verb.add_arguments(verbs, common)
    listing = verbs.add_parser("list", parents=[common], help="the plug-ins there are")
    listing.add_argument("kind", metavar="quantizers|allocators|recipes|overlays|boards")
    listing.set_defaults(handler=_list)
    return parser


def _add_config_verb(verbs: Any, verb: ConfigVerb, common: Parser) -> None:
    parser = verbs.add_parser(verb.name, parents=[common], help=verb.help)
    taken = "a YAML file, see examples/" + (", or an ONNX model" if verb.onnx else "")
    parser.add_argument("config", type=Path, help=taken)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        metavar="a.b=value",
        help="put this value in place of the config's (any number of times)",
    )
    parser.add_argument(
        "--board", metavar="NAME", help="--set board=NAME, see `bitwright list boards`"
    )
    for option, settings in verb.options.items():
        parser.add_argument(f"--{option}", **settings)
    names = tuple(option.replace("-", "_") for option in verb.options)
    parser.set_defaults(handler=_run_config_verb, options=names, verb_of=verb)


def _run_config_verb(arguments: argparse.Namespace) -> int:
    options = {name: getattr(arguments, name) for name in arguments.options}
    if options.get("jobs", 1) < 1:
        raise ConfigError(f"--jobs must be at least 1, not {options['jobs']}")
    verb, overrides = arguments.verb_of, arguments.overrides
    if arguments.board is not None:
        overrides = [*overrides, f"board={arguments.board}"]
    with console.quiet_stdout(arguments.json):
        if not verb.onnx:
            _refuse_model(verb.name, arguments.config)
        module = importlib.import_module(verb.module or f"flows.{verb.name}")
        result = module.run(arguments.config, tuple(overrides), **options)
    console.print_result(result, module.describe, arguments.json)
    return 0 if result.get("ok", True) else verb.failed


def _refuse_model(verb: str, config: Path) -> None:
    """ConfigError: an ONNX model, for a verb that takes none."""
    from flows.model_run import is_model

    if is_model(config):
        able = ", ".join(other.onnx for other in CONFIG_VERBS if other.onnx)
        raise ConfigError(f"`{verb}` takes a config; an ONNX model goes with {able}")


def _doctor(arguments: argparse.Namespace) -> int:
    from flows import doctor

    findings = doctor.examine()
    console.print_result(doctor.to_plain(findings), doctor.describe, arguments.json)
    return 0 if doctor.all_ok(findings) else doctor.TOOL_MISSING


def _list(arguments: argparse.Namespace) -> int:
    from flows import listing

    result = listing.to_plain(arguments.kind)
    console.print_result(result, listing.describe, arguments.json)
    return 0


def _version() -> str:
    try:
        return f"bitwright {importlib.metadata.version('bitwright')}"
    except importlib.metadata.PackageNotFoundError:
        return "bitwright, not installed"


def _missing_package(error: ModuleNotFoundError, as_json: bool) -> int:
    """A package of others is a tool that is missing; one of ours is a bug, with its traceback."""
    package = (error.name or "").partition(".")[0]
    if package in OUR_PACKAGES:
        raise error
    missing = ToolError(package, fix=SETUP_FIX, reason="this Python package is not installed")
    console.print_error(missing, missing.exit_code, as_json)
    return missing.exit_code


def _prepare_process() -> None:
    """Same behaviour under every locale, and an ordered end when asked to end."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, frame: object) -> NoReturn:
    """As an exception, so that children are ended and temporary files removed on the way out."""
    raise SystemExit(TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
