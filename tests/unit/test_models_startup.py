"""What a model job leaves out at its start is there when it is asked for."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

SLOW = ["sklearn", "scipy", "torch._dynamo.convert_frame", "torch.distributed.fsdp"]
LATER = ["sklearn", "scipy", "torch._dynamo.config", "torch.distributed.tensor"]
# What a model job does after its start: name → code.
AFTERWARDS = {
    "slow": f"assert not [m for m in {SLOW} if m in sys.modules]",
    **{module: f"import {module}; assert {module!r} in sys.modules" for module in LATER},
    "sharded training": "assert torch.distributed.is_available()",
    "masks": """
        from transformers.masking_utils import causal_mask_function, sdpa_mask
        plain, vmapped = (
            sdpa_mask(2, 5, 7, q_offset=2, mask_function=causal_mask_function, use_vmap=vmap,
                      allow_is_causal_skip=False)
            for vmap in (False, True)
        )
        assert plain.shape == vmapped.shape == (2, 1, 5, 7)
        assert torch.equal(plain, vmapped)
    """,
    "compiler": """
        graphs = []
        def backend(graph, inputs):
            graphs.append(graph)
            return graph.forward
        double = torch.compile(lambda x: 2 * x, backend=backend)
        assert torch.equal(double(torch.ones(3)), torch.full((3,), 2.0))
        assert len(graphs) == 1
    """,
}
# One start for all: each code runs in a copy (fork) of the process that has started.
FORKS = """
import json, os, sys, traceback
from brainalign.models import loading
import torch
for name, code in json.load(sys.stdin).items():
    pid = os.fork()
    if pid == 0:
        try:
            exec(code, {"sys": sys, "torch": torch})
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(json.dumps([name, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])]), flush=True)
"""


def python(code: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own that finds the library."""
    environment = {**os.environ, "PYTHONPATH": "scripts"}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, input=given, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def afterwards() -> tuple[dict[str, int], str]:
    """Exit codes of `AFTERWARDS`, each run in a process that has just started, and their errors."""
    codes = {name: textwrap.dedent(code) for name, code in AFTERWARDS.items()}
    done = python(FORKS, json.dumps(codes))
    assert done.returncode == 0, done.stderr
    return dict(map(json.loads, done.stdout.splitlines())), done.stderr


@pytest.mark.parametrize("name", AFTERWARDS)
def test_left_out_is_what_takes_long_and_it_works_when_asked_for(
    name: str, afterwards: tuple[dict[str, int], str]
) -> None:
    codes, errors = afterwards
    assert codes[name] == 0, errors


@pytest.mark.long  # it imports all that the others leave out
def test_where_transformers_came_first_nothing_is_left_out() -> None:
    done = python(
        "from transformers import PreTrainedTokenizerFast\n"
        "from brainalign.models import loading\n"
        "from transformers import AutoModelForCausalLM, Trainer"
    )
    assert done.returncode == 0, done.stderr
