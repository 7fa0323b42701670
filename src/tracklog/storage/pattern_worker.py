"""The program in which regular expressions run: `python -I -S pattern_worker.py`, with nothing but the standard library.

Reads from stdin and answers on stdout, each message a u32 length and as many bytes of `marshal`:
(expression, ignore_case, texts, detailed) → (error or "", places of the texts in which it occurs, ranges in the first `detailed`
of these as [start, end, start, end, …]). Ends with its stdin, or when nothing was asked for a minute.
"""

import marshal
import re
import signal
import struct
import sys
import warnings

IDLE_S = 60
MAX_RANGES = 100  # in one line; more marks than that say nothing


def search(expression: str, ignore_case: bool, texts: list[str], detailed: int) -> tuple[str, list[int], list[list[int]]]:
    """Return what an answer holds."""
    try:
        pattern = re.compile(expression, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error), [], []
    found = [at for at, text in enumerate(texts) if pattern.search(text)]
    return "", found, [ranges(pattern, texts[at]) for at in found[:detailed]]


def ranges(pattern: "re.Pattern[str]", text: str) -> list[int]:
    """Return where a pattern occurs as [start, end, start, end, …], in characters; empty occurrences are left out."""
    places: list[int] = []
    for one in pattern.finditer(text):
        if one.end() > one.start():
            places += one.span()
            if len(places) == 2 * MAX_RANGES:
                break
    return places


def main() -> None:
    """Answer until there is nobody left to ask."""
    warnings.simplefilter("ignore")  # what Python thinks of somebody's expression is not for our log
    while True:
        if hasattr(signal, "alarm"):
            signal.alarm(IDLE_S)
        head = sys.stdin.buffer.read(4)
        if len(head) < 4:
            return
        asked = marshal.loads(sys.stdin.buffer.read(*struct.unpack("<I", head)))  # noqa: S302  # from our parent
        if hasattr(signal, "alarm"):
            signal.alarm(0)
        answer = marshal.dumps(search(*asked))
        sys.stdout.buffer.write(struct.pack("<I", len(answer)) + answer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
