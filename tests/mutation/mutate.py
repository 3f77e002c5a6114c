#!/usr/bin/env python3
"""Do the tests bite? Breaks the headers in one place at a time, and sees whether a test fails.

    tests/mutation/mutate.py [--every K] [--jobs J] [--only FILE[:LINE]] [--list]

Sites are found by rule, not picked: every comparison, arithmetic sign, `n - 1`, `+ eps`, logical operator and truth value
in the files below. Of them every K-th is broken (a fixed stride, so that two runs agree). A mutant is killed when a test
fails or does not end in time; one that does not compile is no mutant and is not counted. The test file that mirrors a
header is asked first, then the others of its list. Survivors are printed; README.md beside this file explains each.
"""
import argparse
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / "build" / "mutation"
FLAGS = ["-std=c++17", "-O0", "-w", "-DEIGEN_USE_THREADS", "-isystem", "/usr/include/eigen3", "-pthread"]

# Header: the tests that are to notice, first those of its own name.
VALUES = ["semantics_values", "numerics_forward", "numerics_backward", "numerics_extremes"]
LAYER = ["semantics_forward", "semantics_state", "semantics_backward", "bad_inputs", "bad_calls", "overlap"]
TESTS = {
    "moments": ["moments", "properties"],
    "running_stats": ["running_stats", "golden/seed_003"],
    "channel_view": ["channel_view", "tensor_types"],
    "functional": ["functional"] + VALUES,
    "batch_norm": LAYER + ["allocation", "tensor_types"],
    "fold": ["fold"],
    "array": ["array"],
    "state_dict": ["state_dict"],
    "safetensors": ["safetensors"],
    "npy": ["npy"],
    "probe": ["probe"],
    "detail/statistics": ["detail/statistics"] + VALUES,
    "detail/normalize": ["detail/normalize"] + VALUES,
    "detail/backward": ["detail/backward"] + VALUES,
    "detail/sums": ["detail/sums", "detail/statistics"] + VALUES,
    "detail/elementwise": ["detail/elementwise"] + VALUES,
    "detail/loops": ["detail/loops", "detail/elementwise"],
    "detail/traversal": ["detail/traversal", "detail/passes", "functional"],
    "detail/passes": ["detail/passes", "functional"] + VALUES,
    "detail/parallel": ["detail/parallel", "threads"],
    "detail/layer_state": LAYER + ["semantics_values"],
    "detail/layer_checks": LAYER,
    "detail/layer_loading": ["state_dict"],
    "detail/number_cast": ["detail/number_cast", "array"],
    "detail/operand": ["channel_view", "tensor_types", "matrix_types", "bad_inputs"],
    "detail/safetensors_header": ["safetensors"],
    "detail/npy_header": ["npy"],
}

# What is looked for, and what stands there afterwards.
RULES = [
    (r" \+ eps\b", ""), (r" \+ e\b", ""), (r" - correction\b", ""), (r" - c\[1\]", ""),  # eps, n - k, the mean's low half
    (r" - 1\b", ""), (r" \+ 1\b", ""),
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " + "), (r" / ", " * "), (r" % ", " / "),
    (r" && ", " || "), (r" \|\| ", " && "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r" \+= ", " -= "), (r" = 0;", " = 1;"), (r"std::min", "std::max"), (r"std::max\b", "std::min"),
]
NOT_CODE = re.compile(r"^\s*(//|#|template|static_assert|using |typedef |namespace )|operator")


def sites():
    for name in TESTS:
        path = ROOT / "include" / "tensornorm" / f"{name}.hpp"
        for number, line in enumerate(path.read_text().splitlines()):
            if NOT_CODE.search(line):
                continue
            code = re.sub(r'"(\\.|[^"\\])*"', lambda text: "~" * len(text.group()), line.split("//")[0])
            for pattern, replacement in RULES:
                for match in re.finditer(pattern, code):
                    yield name, number, line[: match.start()] + replacement + line[match.end():]


def run(command, seconds):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
        return done.returncode, done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired:
        return None, ""


def try_mutant(index, name, number, line):
    """'killed by TEST', 'survived' or 'no mutant'."""
    folder = WORK / str(index)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "include", folder / "include")
    header = folder / "include" / "tensornorm" / f"{name}.hpp"
    lines = header.read_text().splitlines()
    lines[number] = line
    header.write_text("\n".join(lines) + "\n")
    verdict = "survived"
    for test in TESTS[name]:
        program = folder / "test"
        sources = [str(ROOT / "tests" / "main.cpp"), str(ROOT / "tests" / f"{test}_test.cpp")]
        built, _ = run(["g++", *FLAGS, "-I", str(folder / "include"), "-I", str(ROOT / "tests"), "-I",
                        str(ROOT / "examples"), *sources, "-o", str(program)], 300)
        if built != 0:
            verdict = "no mutant"
            break
        failed, _ = run([str(program), "--no-breaks", "--abort-after=1"], 120)
        if failed != 0:
            verdict = f"killed by {test}"
            break
    shutil.rmtree(folder)
    return verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=12, help="break every K-th site")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="", help="a header as named in TESTS, and perhaps :LINE")
    parser.add_argument("--list", action="store_true", help="print the sites and stop")
    arguments = parser.parse_args()

    all_sites = list(sites())
    chosen = all_sites[:: arguments.every]
    if arguments.only:
        name, _, at = arguments.only.partition(":")
        chosen = [s for s in all_sites if s[0] == name and (not at or s[1] + 1 == int(at))]
    if arguments.list:
        for name, number, line in chosen:
            print(f"{name}.hpp:{number + 1}: {line.strip()}")
        print(f"{len(chosen)} of {len(all_sites)} sites")
        return 0

    killed, survivors = 0, []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        verdicts = pool.map(lambda item: try_mutant(item[0], *item[1]), enumerate(chosen))
        for (name, number, line), verdict in zip(chosen, verdicts):
            print(f"{verdict:40} {name}.hpp:{number + 1}: {line.strip()}", flush=True)
            killed += verdict.startswith("killed")
            if verdict == "survived":
                survivors.append((name, number))
    mutants = killed + len(survivors)
    print(f"{killed} of {mutants} mutants killed, {100 * killed / max(1, mutants):.1f} %")
    return 0 if mutants and killed >= 0.9 * mutants else 1


if __name__ == "__main__":
    sys.exit(main())
