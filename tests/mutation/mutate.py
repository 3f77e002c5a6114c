#!/usr/bin/env python3
"""Do the tests bite? Breaks the headers in one place at a time, and sees whether a test fails.

    tests/mutation/mutate.py [--every K] [--jobs J] [--only HEADER[:LINE]] [--first N] [--list] [--fresh]

sites.py finds the places by rule: every comparison, arithmetic sign, `n - 1`, `+ eps`, logical operator and truth value.
Of them every K-th is broken (a fixed stride, so that two runs agree). A mutant is killed when a test fails, crashes or
takes far longer than it does unbroken. One that does not compile, or that this machine's preprocessor drops, is no
mutant and is not counted. Prints the figure, writes the survivors to build/mutation/survivors.txt, and fails below 90 %;
README.md says why those that are left cannot be noticed.

A run that was stopped goes on where it was: build/mutation/results.jsonl keeps every verdict. A kill holds until a header
changes; a survivor is asked again when a test has changed too.
"""
import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from sites import INCLUDE, ROOT, TESTS, Site, sites

WORK = ROOT / "build" / "mutation"
# clang++ at -O0 is the quickest way from a header to a verdict.
COMPILER = ["clang++", "-std=c++17", "-O0", "-w", "-pthread", "-DEIGEN_USE_THREADS", "-isystem",
            "/usr/include/eigen3"]
PATHS = ["-I", str(ROOT / "tests"), "-I", str(ROOT / "examples")]
ENVIRONMENT = {**os.environ, "TENSORNORM_CASES": "100"}
# What no mutant touches, read once.
PRECOMPILED = """#include <doctest/doctest.h>
#include <Eigen/Core>
#include <unsupported/Eigen/CXX11/Tensor>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>
"""


def run(command, seconds=300):
    """Its exit code and seconds. A mutant may allocate or compute without end."""
    limits = ["prlimit", f"--cpu={int(seconds) + 1}", f"--as={8 << 30}"]
    began = time.monotonic()
    try:
        done = subprocess.run([*limits, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT,
                              timeout=2 * seconds)
        return done.returncode, time.monotonic() - began
    except subprocess.TimeoutExpired:
        return -1, time.monotonic() - began


def built(test, include, program):
    """Whether the test compiles with the headers in that folder."""
    source = ROOT / "tests" / f"{test}_test.cpp"
    others = [ROOT / "tests" / "support" / "heap.cpp"] if test.endswith("allocation") else []
    return run([*COMPILER, "-include-pch", str(WORK / "base.pch"), "-I", str(include), *PATHS, str(source),
                *map(str, others), str(WORK / "main.o"), "-o", str(program)])[0] == 0


def passes(program, seconds):
    return run([str(program), "--no-breaks", "--abort-after=1"], seconds)


def digest(*folders):
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in (".hpp", ".cpp", ".txt"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


class Mutation:
    def __init__(self, chosen):
        self.chosen = chosen
        self.headers, self.tests = digest(INCLUDE), digest(ROOT / "tests", ROOT / "examples")
        self.unbroken = {}  # seconds of each test with the headers as they are

    def prepare(self, pool):
        """What is compiled once. Each test has to pass before it may be said to notice something."""
        (WORK / "base.hpp").write_text(PRECOMPILED)
        for command in ([*COMPILER, "-x", "c++-header", str(WORK / "base.hpp"), "-o", str(WORK / "base.pch")],
                        [*COMPILER, "-c", str(ROOT / "tests" / "main.cpp"), "-o", str(WORK / "main.o")]):
            subprocess.run(command, check=True)
        names = sorted({test for site in self.chosen for test in TESTS[site.header]})
        for name, seconds in zip(names, pool.map(self.try_unbroken, names)):
            self.unbroken[name] = seconds

    def try_unbroken(self, test):
        program = WORK / test.replace("/", "-")
        code, seconds = passes(program, 300) if built(test, ROOT / "include", program) else (-1, 0)
        program.unlink(missing_ok=True)
        if code != 0:
            sys.exit(f"{test}_test.cpp does not pass with the headers as they are")
        return seconds

    def verdict(self, site, folder):
        """'killed by TEST', 'survived' or 'no mutant'."""
        include = folder / "include"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ROOT / "include", include)
        header = include / "tensornorm" / f"{site.header}.hpp"
        lines = header.read_text().splitlines()
        expanded = [*COMPILER, "-E", "-P", "-I", str(include), str(header)]
        before = subprocess.run(expanded, stdout=subprocess.PIPE, check=True).stdout if "#if" in header.read_text() else b""
        lines[site.line - 1] = site.now
        header.write_text("\n".join(lines) + "\n")
        if before and before == subprocess.run(expanded, stdout=subprocess.PIPE).stdout:
            return "no mutant"
        for test in TESTS[site.header]:
            if not built(test, include, folder / "test"):
                return "no mutant"
            if passes(folder / "test", 10 + 5 * self.unbroken[test])[0] != 0:
                return f"killed by {test}"
        return "survived"

    def try_site(self, numbered):
        index, site = numbered
        folder = WORK / str(index)
        verdict = self.verdict(site, folder)
        shutil.rmtree(folder)
        return verdict


def holds(kept, mutation):
    return kept["headers"] == mutation.headers and (kept["verdict"] != "survived" or kept["tests"] == mutation.tests)


def arguments_and_sites():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=12, help="break every K-th site")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="a header as named in sites.py, and perhaps :LINE")
    parser.add_argument("--first", type=int, help="so many of the chosen sites, spread over all of them")
    parser.add_argument("--list", action="store_true", help="print the chosen sites and stop")
    parser.add_argument("--fresh", action="store_true", help="forget the verdicts of earlier runs")
    arguments = parser.parse_args()
    chosen = list(sites())
    if arguments.only:
        header, _, line = arguments.only.partition(":")
        chosen = [site for site in chosen if site.header == header and (not line or site.line == int(line))]
    else:
        chosen = chosen[:: arguments.every]
    if arguments.first:
        chosen = chosen[:: max(1, len(chosen) // arguments.first)][: arguments.first]
    return arguments, chosen


def main():
    arguments, chosen = arguments_and_sites()
    if arguments.list:
        print(*chosen, f"{len(chosen)} sites", sep="\n")
        return 0
    WORK.mkdir(parents=True, exist_ok=True)
    results = WORK / "results.jsonl"
    if arguments.fresh:
        results.unlink(missing_ok=True)
    mutation = Mutation(chosen)
    verdicts = {}
    for line in results.read_text().splitlines() if results.exists() else []:
        kept = json.loads(line)
        if holds(kept, mutation):
            verdicts[Site(**kept["site"])] = kept["verdict"]
    left = [site for site in chosen if site not in verdicts]

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool, results.open("a") as file:
        if left:
            mutation.prepare(pool)
        for site, verdict in zip(left, pool.map(mutation.try_site, enumerate(left))):
            verdicts[site] = verdict
            print(f"{verdict:38} {site}", flush=True)
            print(json.dumps({"site": dataclasses.asdict(site), "verdict": verdict, "headers": mutation.headers,
                              "tests": mutation.tests}), file=file, flush=True)

    survivors = [site for site in chosen if verdicts[site] == "survived"]
    killed = sum(verdicts[site].startswith("killed") for site in chosen)
    (WORK / "survivors.txt").write_text("".join(f"{site}\n    was: {site.was.strip()}\n" for site in survivors))
    mutants = killed + len(survivors)
    print(f"{killed} of {mutants} mutants killed, {100 * killed / max(1, mutants):.1f} %; survivors: {WORK}/survivors.txt")
    return 0 if mutants and killed >= 0.9 * mutants else 1


if __name__ == "__main__":
    sys.exit(main())
