"""Find a dataset's raw files in the mirror, or download them, and check their content."""

from typing import TYPE_CHECKING

from brainalign.datasets.raw import locate
from brainalign.datasets.registry import reader
from brainalign.formats.tables import write_json
from brainalign.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    source = snakemake.params.source
    files = reader(source).raw_files(source)
    # Not a param: another mirror holds the same files, whose hashes are checked.
    mirror = snakemake.config.get("mirror")
    records = locate(files, mirror, snakemake.params.downloads)
    if source["type"] == "own":
        log.info("your own: %s", ", ".join(record["path"] for record in records))
    else:
        for origin in ("mirror", "download"):
            n = sum(record["origin"] == origin for record in records)
            if n:
                log.info("%d files from %s", n, origin)
    unverified = [record["name"] for record in records if not record["verified"]]
    if unverified and source["type"] != "own":
        log.warning("no published hash to compare: %s", ", ".join(unverified))
    write_json({"source": dict(source), "files": records}, snakemake.output.raw)
