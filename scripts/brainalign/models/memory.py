"""Memory of the devices that a model runs on: free bytes, and work that does not fit."""

from collections.abc import Callable, Mapping

import torch

_CPU_IS_FULL = "DefaultCPUAllocator: can't allocate memory"  # a plain RuntimeError of torch's
# Of a GPU's free memory, for keys and values: they are held twice while rows are selected, and a
# forward pass needs the rest.
CACHE_SHARE = 0.4


def fits(work: Callable[[], None]) -> bool:
    """Do the work; False where the device's memory does not suffice."""
    try:
        work()
    except RuntimeError as error:
        if not isinstance(error, torch.OutOfMemoryError) and _CPU_IS_FULL not in str(error):
            raise
    else:
        return True
    # Outside the handler: its traceback would keep the failed work's tensors.
    torch.cuda.empty_cache()
    return False


def free_bytes(device: torch.device) -> float:
    """Bytes of a GPU that nothing holds; infinite for a CPU."""
    if device.type != "cuda":
        return float("inf")
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return float(torch.cuda.mem_get_info(device)[0] + unused)


def cached_tokens(token_bytes: Mapping[torch.device, int]) -> float:
    """Tokens whose keys and values fit the free memory; `token_bytes`: of one, on each device."""
    return min(CACHE_SHARE * free_bytes(device) / size for device, size in token_bytes.items())
