"""What keeping content costs: `python bench/capture.py`."""

from __future__ import annotations

import timeit

from otelllm import semconv
from otelllm.capture import Capture, Content

NAME = semconv.INPUT_MESSAGES


def conversation(messages: int, size: int, extra: str = "") -> list:
    text = extra + "word and more " * (size // 14)
    return [{"role": "user", "parts": [{"type": "text", "content": text}]} for _ in range(messages)]


def us(capture: Capture, messages: list, number: int) -> float:
    """The best of 9 rounds, in microseconds: the machine may be busy."""
    return min(timeit.repeat(lambda: Content(capture).write(NAME, messages), number=number, repeat=9)) / number * 1e6


def main() -> None:
    small, big = conversation(1, 1_000), conversation(200, 10_000)
    full, redacted = Capture("full"), Capture("redacted")
    print(f"1 kB full                       {us(full, small, 20_000):9.2f} us")
    print(f"1 kB redacted, nothing found    {us(redacted, small, 5_000):9.2f} us")
    print(f"1 kB redacted, one address      {us(redacted, conversation(1, 1_000, 'bob@example.com '), 2_000):9.2f} us")
    print(f"1 kB redacted by a function too {us(Capture('redacted', str.strip), small, 2_000):9.2f} us")
    print(f"1 kB off                        {us(Capture('off'), small, 20_000):9.2f} us")
    print(f"2 MB full, cut to 1 MB          {us(full, big, 3) / 1e3:9.2f} ms")
    print(f"2 MB redacted, cut to 1 MB      {us(redacted, big, 3) / 1e3:9.2f} ms")


if __name__ == "__main__":
    main()
