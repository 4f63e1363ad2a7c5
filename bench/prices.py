"""What a price costs: `python bench/prices.py`. Ours against genai-prices, and the price file's loading."""

from __future__ import annotations

import subprocess
import sys
import timeit

from otelllm import price_table, pricing
from otelllm.call import Usage

PLAIN = Usage(input=1_000, output=200, cache_read=600, reasoning=50)
AUDIO = Usage(input=1_000, output=200, audio_input=700, audio_output=100)


def us(work, number: int = 5_000) -> float:
    """The best of 15 rounds, in microseconds: the machine may be busy."""
    work()
    return min(timeit.repeat(work, number=number, repeat=15)) / number * 1e6


def main() -> None:
    cases = {
        "known model, cached tokens": (PLAIN, "openai", "gpt-4o"),
        "price that changed with time": (PLAIN, "openai", "o3"),
        "cliff by input tokens": (PLAIN, "openai", "gpt-5.4"),
        "audio by its own price": (AUDIO, "openai", "gpt-realtime"),
        "unknown model": (PLAIN, "openai", "gpt-99"),
        "free model": (PLAIN, "ollama", "gemma3"),
    }
    for name, (usage, provider, model) in cases.items():
        print(f"{name:32} {us(lambda u=usage, p=provider, m=model: pricing.cost_of(u, provider=p, model=m)):6.2f} us")
    table = price_table.read_table()
    print(f"{'first call of a model':32} {us(lambda: table.plan('openai', 'gpt-4o', 'batch'), 50):6.1f} us")
    print(f"{'a miss among 923 models':32} {us(lambda: table.plan('openrouter', 'x/y', 'standard'), 20):6.1f} us")
    print(f"{'reading the price file':32} {us(price_table.read_table, 1) / 1e3:6.2f} ms")
    theirs = (
        "import timeit, genai_prices as g; u = g.Usage(input_tokens=1000, output_tokens=200, cache_read_tokens=600);"
        "f = lambda: g.calc_price(u, 'gpt-4o', provider_id='openai'); f();"
        "print(min(timeit.repeat(f, number=500, repeat=5)) / 500 * 1e6)"
    )
    took = float(subprocess.run([sys.executable, "-c", theirs], check=True, capture_output=True, text=True).stdout)
    print(f"{'genai-prices, the same':32} {took:6.1f} us")


if __name__ == "__main__":
    main()
