#!/usr/bin/env python3
"""Draws layouts.svg beside itself: two samples of three channels of 2 x 2 pixels in four orders of memory."""
import pathlib

CELL, LEFT, STRIP = 34, 20, 108
COLOURS = ["#2a6fbb", "#b4532a", "#2f8050"]
SAMPLES, CHANNELS, PIXELS = 2, 3, "abcd"

# name, note, [outer, channels, inner], and (sample, channel, pixel) in the order of memory
ORDERS = [
    ("NCHW, RowMajor", "PyTorch, ONNX; channel_axis = 1", (2, 3, 4),
     [(n, c, p) for n in range(2) for c in range(3) for p in PIXELS]),
    ("NHWC, RowMajor", "cameras, Keras; channel_axis = -1", (8, 3, 1),
     [(n, c, p) for n in range(2) for p in PIXELS for c in range(3)]),
    ("NCHW, ColMajor", "Eigen's default order; channel_axis = 1", (4, 3, 2),
     [(n, c, p) for p in "acbd" for c in range(3) for n in range(2)]),
    ("(N, C) matrix, RowMajor", "24 values as 8 rows of 3 columns", (8, 3, 1),
     [(n, c, "") for n in range(8) for c in range(3)]),
]


def text(x, y, content, size=13, anchor="start", fill="#404040", weight="normal"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" '
            f'font-weight="{weight}">{content}</text>')


def strip(y, name, note, sizes, cells):
    outer, channels, inner = sizes
    out = [text(LEFT, y, name, 15, weight="bold"), text(LEFT + 240, y, note),
           text(LEFT + CELL * 24, y, f"[outer {outer}, channels {channels}, inner {inner}]", 14, "end", weight="bold")]
    for i, (n, c, p) in enumerate(cells):
        x = LEFT + i * CELL
        out.append(f'<rect x="{x}" y="{y + 12}" width="{CELL - 2}" height="30" rx="3" fill="{COLOURS[c]}"/>')
        out.append(text(x + CELL / 2 - 1, y + 32, f"{n}{p}", 13, "middle", "#ffffff"))
    for o in range(outer):  # a bracket below each outer index
        begin, end = LEFT + o * channels * inner * CELL, LEFT + (o + 1) * channels * inner * CELL - 2
        out.append(f'<path d="M{begin + 1} {y + 47} v6 H{end - 1} v-6" fill="none" stroke="#808080"/>')
        out.append(text((begin + end) / 2, y + 68, f"o = {o}", 12, "middle"))
    return out


def main():
    width, height = 2 * LEFT + 24 * CELL, 40 + STRIP * len(ORDERS)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
           'font-family="DejaVu Sans, Helvetica, sans-serif">']
    x = LEFT
    for c, colour in enumerate(COLOURS):
        out.append(f'<rect x="{x}" y="12" width="14" height="14" rx="3" fill="{colour}"/>')
        out.append(text(x + 20, 24, f"channel {c}"))
        x += 110
    out.append(text(x + 10, 24, "0a: sample 0, pixel a; pixels a b above c d. Memory runs left to right."))
    for i, order in enumerate(ORDERS):
        out += strip(64 + i * STRIP, *order)
    out.append("</svg>")
    pathlib.Path(__file__).with_suffix(".svg").write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
