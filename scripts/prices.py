"""Make otelllm/prices.json from the installed genai-prices; after `pip install -U genai-prices`, run this."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import orjson
from genai_prices import data

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from otelllm.price_source import convert  # noqa: E402  the checkout's own, whatever is installed


def main() -> None:
    """One model a line, so that a change of price reads as one in a diff."""
    today = datetime.now(UTC).date().isoformat()
    table = convert(data.providers, version=version("genai-prices"), today=today)
    models = {name: provider.pop("models") for name, provider in table["providers"].items()}
    lines = [f'{{"date":"{table["date"]}","version":"{table["version"]}","providers":{{']
    for name, provider in table["providers"].items():
        head = orjson.dumps({**provider, "models": []}).decode().removesuffix("]}")
        lines.append(f'"{name}":{head}')
        lines += [orjson.dumps(row).decode() + "," for row in models[name]]
        lines[-1] = lines[-1].removesuffix(",")
        lines.append("]},")
    lines[-1] = "]}"
    lines.append("}}")
    text = "\n".join(lines) + "\n"
    assert orjson.loads(text)["providers"]["openai"]["models"] == models["openai"]
    (ROOT / "otelllm" / "prices.json").write_text(text, encoding="utf-8")
    print(f"otelllm/prices.json: {sum(map(len, models.values()))} models, {len(text):,} bytes, date {table['date']}")


if __name__ == "__main__":
    main()
