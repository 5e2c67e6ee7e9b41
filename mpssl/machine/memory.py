"""The memory of the device that a run may take."""

import os

import torch


def free_memory(device: torch.device, share: float = 1) -> float:
    """Bytes that a run may still take.

    Args:
        device: of the run. On a GPU its free memory counts; on a CPU the machine's memory divided
            by its cores, as many jobs run at once.
        share: fraction of a GPU's memory that is the run's, 0 to 1.
    """
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        taken = torch.cuda.memory_allocated(device)
        kept = torch.cuda.memory_reserved(device) - taken  # freed, and not given back
        return min(free + kept, share * total - taken)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (os.cpu_count() or 1)
