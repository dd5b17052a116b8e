"""Find a dataset's raw files in the mirror, or download them, and check their content."""

from typing import TYPE_CHECKING

from brainalign.datasets.raw import locate, write_raw
from brainalign.datasets.registry import read_source, reader
from brainalign.job import job
from brainalign.settings import tag_of

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

SHOWN = 5  # names in a line of the log

with job(snakemake.log[0]) as log:
    source = read_source(snakemake.params.source, snakemake.params.kind)
    of_user = tag_of(source) == "own"
    files = reader(source).raw_files(source)
    # Not a param: another mirror holds the same files, whose hashes are checked.
    mirror = snakemake.config.get("mirror")
    records = locate(files, mirror, snakemake.params.downloads)
    if of_user:
        log.info("your own: %s", ", ".join(record.path for record in records))
    else:
        for origin in ("mirror", "download"):
            n = sum(record.origin == origin for record in records)
            if n:
                log.info("%d files from %s", n, origin)
    unverified = [record.name for record in records if not record.verified]
    if unverified and not of_user:
        more = f" and {len(unverified) - SHOWN} more" if len(unverified) > SHOWN else ""
        log.warning("no published hash to compare: %s%s", ", ".join(unverified[:SHOWN]), more)
    write_raw(dict(snakemake.params.source), records, snakemake.output.raw)
