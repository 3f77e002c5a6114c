"""Where the headers are broken, how, and which tests are to notice."""
import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include" / "tensornorm"

# Header: the tests that are to notice. Those of its own name come first, then the quick ones.
VALUES = ["semantics_values", "functional", "numerics_forward", "numerics_backward", "numerics_extremes",
          "numerics_doubles"]
MEMORY = ["alignment"]
LAYER = ["semantics_forward", "semantics_state", "semantics_backward", "bad_calls", "bad_inputs"]
TYPES = ["tensor_types", "matrix_types", "overlap"]
SAFETENSORS = ["safetensors", "safetensors_refused", "detail/safetensors_header"]
TESTS = {
    "array": ["array", "npy", "safetensors"],
    "batch_norm": LAYER + ["state_dict", "allocation", *TYPES, "threads"],
    "channel_view": ["channel_view", "tensor_types"],
    "fold": ["fold"],
    "functional": ["functional", *VALUES, "properties_values"],
    "moments": ["moments", "properties"],
    "options": ["options"],
    "npy": ["npy", "detail/npy_header"],
    "print": ["print", "options"],
    "probe": ["probe"],
    "running_stats": ["running_stats", "golden/seed_003"],
    "safetensors": SAFETENSORS,
    "state_dict": ["state_dict", "detail/layer_loading"],
    "detail/ahead": ["detail/sums"],
    "detail/backward": ["detail/backward", "detail/backward_sums", *VALUES],
    "detail/beside": ["detail/beside", "threads"],
    "detail/block_map": ["detail/normalize", "detail/backward", *VALUES],
    "detail/caches": ["detail/caches", "detail/movement"],
    "detail/check": ["bad_calls", "bad_inputs", "options", "overlap"],
    "detail/companions": ["detail/companions", "detail/beside"],
    "detail/elementwise": ["detail/elementwise", *VALUES, *MEMORY],
    "detail/file": ["detail/file", "npy", "safetensors"],
    "detail/float16": ["detail/float16", "detail/packet_float16"],
    "detail/layer_checks": ["detail/layer_checks", "overlap", "print", *LAYER],
    "detail/layer_loading": ["detail/layer_loading", "state_dict", "state_allocation"],
    "detail/layer_state": [*LAYER, "overlap", "semantics_values", "allocation", "state_allocation"],
    "detail/little_endian": ["detail/little_endian"],
    "detail/loops": ["detail/loops", "detail/elementwise", "detail/sums"],
    "detail/movement": ["detail/movement"],
    "detail/normalize": ["detail/normalize", *VALUES],
    "detail/npy_header": ["detail/npy_header", "npy"],
    "detail/number_cast": ["detail/number_cast", "array"],
    "detail/operand": ["channel_view", *TYPES, "bad_inputs"],
    "detail/operand_passes": LAYER + ["allocation", *TYPES, "threads"],
    "detail/packet": ["detail/packet_lanes", "detail/packet", "detail/packet_pair", "detail/elementwise", "detail/sums",
                      *VALUES],
    "detail/packet_pair": ["detail/packet_pair", "detail/packet_float16"],
    "detail/parallel": ["detail/parallel", "detail/passes", "threads"],
    "detail/passes": ["detail/passes", *VALUES, "threads"],
    "detail/patch": ["detail/sums", "detail/statistics", "detail/statistics_values", *VALUES],
    "detail/safetensors_header": SAFETENSORS[::-1],
    "detail/statistics": ["detail/statistics", "detail/statistics_values", *VALUES],
    "detail/sums": ["detail/sums", "detail/statistics", "detail/statistics_values", *VALUES, *MEMORY],
    "detail/totals": ["detail/totals", "detail/sums", "numerics_backward"],
    "detail/traversal": ["detail/traversal", "detail/passes", "functional", "allocation"],
}

# Headers that compute nothing, and one that only hands on.
NOT_BROKEN = {"tensornorm", "version", "layer_passes", "detail/eigen_tensor"}

# What is looked for, and what stands there afterwards.
RULES = [
    # eps, n - k, the mean's low half
    (r" \+ eps\b", ""), (r"all\(eps\)", "all(0)"), (r" - correction\b", ""), (r" - c\[1\]", ""), (r" - 1\b", ""),
    (r" \+ 1\b", ""),
    (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "), (r" == ", " != "), (r" != ", " == "),
    (r" \+ ", " - "), (r" - ", " + "), (r" \* ", " + "), (r" / ", " * "), (r" % ", " / "),
    (r" && ", " || "), (r" \|\| ", " && "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"),
    (r" \+= ", " -= "), (r" = 0;", " = 1;"), (r"std::min\b", "std::max"), (r"std::max\b", "std::min"),
]
# Hints to the processor change no result: no test can notice them.
NOT_CODE = re.compile(r"^\s*(//|#|template|static_assert|using |typedef |namespace )|operator|prefetch\(")


@dataclasses.dataclass(frozen=True)
class Site:
    header: str  # as in TESTS
    line: int  # from 1
    column: int
    was: str
    now: str

    def __str__(self):
        return f"{self.header}.hpp:{self.line}: {self.now.strip()}"


def sites():
    headers = {str(path.relative_to(INCLUDE).with_suffix("")) for path in INCLUDE.rglob("*.hpp")}
    assert headers == TESTS.keys() | NOT_BROKEN, headers ^ (TESTS.keys() | NOT_BROKEN)
    for header in TESTS:
        for number, line in enumerate((INCLUDE / f"{header}.hpp").read_text().splitlines(), 1):
            if NOT_CODE.search(line):
                continue
            code = re.sub(r'"(\\.|[^"\\])*"', lambda text: "~" * len(text.group()), line.split("//")[0])
            for pattern, replacement in RULES:
                for match in re.finditer(pattern, code):
                    now = line[: match.start()] + replacement + line[match.end():]
                    yield Site(header, number, match.start(), line, now)
