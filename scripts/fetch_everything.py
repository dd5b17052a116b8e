"""Gather all raw data and weights of a study under the downloads folder, with their hashes."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.datasets import raw
from brainalign.formats.atomic import atomic_path, sha256_of
from brainalign.job import job
from brainalign.models import sources
from brainalign.settings import read
from brainalign.study.model_settings import Model

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    mirror = snakemake.params.mirror and Path(snakemake.params.mirror)
    downloads = Path(snakemake.output.sums).parent
    files: set[Path] = set()
    for path in snakemake.input.raw:
        fetched = raw.read_raw(path)
        if fetched.source.get("type") == "own":
            log.warning("files of yours, not gathered: %s", fetched.source)
        else:
            files.update(raw.keep(record, downloads) for record in fetched.files)
    for name, entry in snakemake.params.models.items():
        model = read(entry, Model)
        kept = sources.keep(model.source, mirror, downloads, model.trust_remote_code)
        if not kept:
            log.warning("%s is yours, not gathered: %s", name, entry["source"])
        files.update(kept)
    with atomic_path(snakemake.output.sums) as path:
        path.write_text(
            "".join(
                f"{sha256_of(file)}  {file.relative_to(downloads)}\n" for file in sorted(files)
            ),
            encoding="utf-8",
        )
    log.info(
        "%d files, %.1f MB in %s; check: cd %s && sha256sum --check %s",
        len(files), sum(file.stat().st_size for file in files) / 1e6, downloads,
        downloads, Path(snakemake.output.sums).name,
    )  # fmt: skip
