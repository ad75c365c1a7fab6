"""Run the demo and draw what it prints as docs/images/demo.svg, for the README.

Run `python tools/picture_of_demo.py` after anything that changes the demo's output.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "images" / "demo.svg"
COLUMNS = 112
# Light enough for a page, and without the web font that rich would have a viewer fetch.
THEME = TerminalTheme((250, 250, 252), (36, 41, 47), [(36, 41, 47)] * 8, [(36, 41, 47)] * 8)
STYLE = """
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-family: sans-serif; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def main() -> None:
    """Run the demo and write the picture."""
    environment = {**os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "hubscout", "demo"]
    shown = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout.rstrip()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(Text("$ hubscout demo", style="bold"))
    console.print(Text(shown))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title="hubscout demo", theme=THEME, code_format=STYLE, unique_id="demo")
    PICTURE.write_text("\n".join(line.rstrip() for line in svg.strip().splitlines()) + "\n", encoding="utf-8")
    print(f"wrote {PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
