#!/usr/bin/env python3
"""Writes tensornorm-single.hpp, all of <tensornorm/tensornorm.hpp> in one file, beside this script.

packaging/single_header.py           writes it
packaging/single_header.py --check   exits 1 when the file is not what would be written
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
headers = root / "include" / "tensornorm"
target = root / "packaging" / "tensornorm-single.hpp"

OWN_INCLUDE = re.compile(r'#include "(.+)"')
SYSTEM_INCLUDE = re.compile(r"#include (<.+>)")

TITLE = """\
// clang-format off
// tensornorm in one header: all of <tensornorm/tensornorm.hpp>. Needs C++17 and Eigen 3.4 or newer.
// Written by packaging/single_header.py from include/tensornorm; change it there.
//
"""


def flatten(path, seen, system):
    """The lines of a header with its own includes in their place; system includes are moved to `system`."""
    if path in seen:
        return []
    seen.add(path)
    lines, depth = [], 0
    for line in path.read_text().splitlines():
        depth += line.startswith("#if")
        depth -= line.startswith("#endif")
        if own := OWN_INCLUDE.match(line):
            lines += flatten((path.parent / own[1]).resolve(), seen, system)
        elif depth == 0 and (include := SYSTEM_INCLUDE.match(line)):
            system.add(include[1])  # one under a condition stays under it
        elif line != "#pragma once":
            lines.append(line)
    return [f"\n// ---- {path.relative_to(headers.parent)}", *lines]


def single_header():
    system = set()
    lines = flatten(headers / "tensornorm.hpp", set(), system)
    licence = "".join(f"// {line}".rstrip() + "\n" for line in (root / "LICENSE").read_text().splitlines())
    includes = "".join(f"#include {name}\n" for name in sorted(system))
    text = TITLE + licence + "#pragma once\n\n" + includes + "\n".join(lines) + "\n"
    return re.sub(r"\n{3,}", "\n\n", text)


def main():
    text = single_header()
    if sys.argv[1:] == ["--check"]:
        if not target.exists() or target.read_text() != text:
            sys.exit(f"{target.relative_to(root)} is not current: packaging/single_header.py writes it anew")
    else:
        target.write_text(text)


main()
