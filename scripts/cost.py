"""Print what a study costs on disk and on GPUs, and what its switches save."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.job import job
from brainalign.settings import read
from brainalign.study.costs import summary
from brainalign.study.settings import Study

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    print(summary(read(snakemake.config, Study), Path(snakemake.params.results)), flush=True)
    log.info("study %s", snakemake.config.get("study"))
