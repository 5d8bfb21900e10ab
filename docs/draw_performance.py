"""Draw docs/images/performance.svg from docs/performance.jsonl, the lines of ``make bench`` that the page speaks of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
LABELS = {
    "contacts.sqlite": "contacts, SQLite",
    "contacts.postgresql": "contacts, PostgreSQL",
    "mix.sqlite": "everything, SQLite",
    "mix.postgresql": "everything, PostgreSQL",
}
BARS = {
    "ours": "cpu_ms_a_record",
    "same": "same_rows_cpu_ms_a_record",
    "floor": "floor_cpu_ms_a_record",
}
NAMES = {"ours": "Mainstem", "same": "the same rows, no logic", "floor": "the answers as they came"}
WIDTH, LEFT, BAR, GROUP = 720, 160, 14, 58
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2937}.small{font-size:12px}"
    ".ours{fill:#2563eb}.same{fill:#93c5fd}.floor{fill:#cbd5e1}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.same{fill:#1e40af}.floor{fill:#475569}}"
)


def figures() -> dict[str, dict[str, Any]]:
    """Return the measured figures by name."""
    lines = (HERE / "performance.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["figure"]: line for line in map(json.loads, lines)}


def drawn(measured: dict[str, dict[str, Any]]) -> str:
    """Return the picture: processor time of a record, ours beside both floors."""
    rows = [(label, measured[name]) for name, label in LABELS.items() if name in measured]
    scale = (WIDTH - LEFT - 190) / max(row[BARS["ours"]] for _, row in rows)
    parts = [_key(kind, x) for kind, x in zip(NAMES, (LEFT, LEFT + 110, LEFT + 310), strict=True)]
    for number, (label, row) in enumerate(rows):
        top = 36 + number * GROUP
        parts.append(f'<text x="0" y="{top + 26}">{label}</text>')
        for place, (kind, name) in enumerate(BARS.items()):
            y, width = top + place * (BAR + 1), row[name] * scale
            told = f"{row[name]:.3f} ms" + (f", {row['ratio']:.1f} times the floor" if kind == "ours" else "")
            parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
            parts.append(f'<text class="small" x="{LEFT + width + 6:.1f}" y="{y + 11}">{told}</text>')
    height = 36 + len(rows) * GROUP
    title = "<title>Processor time of a record: Mainstem beside both floors</title>"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">{title}'
        f"<style>{STYLE}</style>{''.join(parts)}</svg>\n"
    )


def _key(kind: str, x: int) -> str:
    name = NAMES[kind]
    return f'<rect class="{kind}" x="{x}" y="6" width="12" height="12" rx="2"/><text x="{x + 18}" y="16">{name}</text>'


if __name__ == "__main__":
    (HERE / "images" / "performance.svg").write_text(drawn(figures()), encoding="utf-8")
