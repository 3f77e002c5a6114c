#!/usr/bin/env python3
"""Checks that PyTorch prints the numbers that the documentation shows.

    /usr/bin/python3 docs/snippets/check_with_torch.py [--write]     (Debian: python3-torch)

Every NAME.py here has the lines of NAME.cpp. What it prints must be what NAME.torch.txt shows, and its numbers must be
those of NAME.txt, which is what the C++ prints: the same decimals, all of them. --write writes NAME.torch.txt first. One
without NAME.txt must run.
"""
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
# Where PyTorch loses digits: the numbers must differ, and depend on the processor that PyTorch runs on.
DIFFERENT = {"digits_kept"}
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e[-+]\d+)?(?!\w)")


def numbers(text):
    return [float(number) for number in NUMBER.findall(text)]


def check(script, write):
    """What is wrong with the output of a script, or None."""
    name = script.stem
    shown, cpp = script.with_suffix(".torch.txt"), script.with_suffix(".txt")
    if not cpp.exists():
        subprocess.run([sys.executable, script], check=True, capture_output=True)
        return None
    printed = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout
    if write:
        shown.write_text(printed)
    same = numbers(printed) == numbers(cpp.read_text())
    if name in DIFFERENT:
        return "has the numbers of the C++ after all" if same else None
    if printed != shown.read_text():
        return f"prints something else than {shown.name} shows:\n{printed}"
    return None if same else f"prints other numbers than {cpp.name}:\n{printed}"


def comparison(script):
    """What was found of a script without fault."""
    cpp = script.with_suffix(".txt")
    if not cpp.exists():
        return "runs"
    return f"{len(numbers(cpp.read_text())):3} numbers {'differ' if script.stem in DIFFERENT else 'agree'}"


def main():
    failed = 0
    for script in sorted(HERE.glob("*.py")):
        if script == pathlib.Path(__file__).resolve():
            continue
        fault = check(script, "--write" in sys.argv)
        print(f"{script.stem:20} {comparison(script)}" if fault is None else f"{script.stem}: {fault}")
        failed += fault is not None
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
