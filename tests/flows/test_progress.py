"""Progress lines: plain ones without a terminal, one line written over on a terminal."""

from io import StringIO

from flows.progress import Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines_without_a_terminal() -> None:
    paper = StringIO()
    progress = Progress(12, paper)
    progress.begin("train")
    progress.inside(3, 40, "epoch")
    progress.end("accuracy 0.9")
    progress.begin("simulate conv2")
    lines = paper.getvalue().splitlines()
    assert lines[0].startswith("[1/12] train (")
    assert lines[1] == "    accuracy 0.9"
    assert lines[2].startswith("[2/12] simulate conv2 (0 s elapsed, about 0 s left)")
    assert "\r" not in paper.getvalue() and "epoch" not in paper.getvalue()


def test_a_terminal_shows_how_far_a_step_is_on_one_line() -> None:
    paper = Terminal()
    progress = Progress(2, paper)
    progress.begin("train")
    progress.inside(3, 40, "epoch")
    progress.end("accuracy 0.9")
    assert "\r\x1b[K[1/2] train: epoch 3/40" in paper.getvalue()
    assert paper.getvalue().endswith("\r\x1b[K[1/2] train accuracy 0.9\n")


def test_more_steps_than_expected_are_counted() -> None:
    paper = StringIO()
    progress = Progress(1, paper)
    progress.begin("a")
    progress.begin("b")
    assert "[2/2] b" in paper.getvalue()


def test_a_closed_reader_is_no_error() -> None:
    class Closed(StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Progress(1, Closed()).say("nobody listens")
