"""Find or download a model, convert it if need be, and describe it in a manifest."""

from pathlib import Path
from typing import TYPE_CHECKING

from brainalign.formats.tables import write_json
from brainalign.job import job
from brainalign.models.manifest import describe
from brainalign.models.settings import Fetched
from brainalign.models.sources import resolve
from brainalign.settings import read

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]) as log:
    name = snakemake.wildcards.model
    params = snakemake.params
    mirror = snakemake.config.get("mirror")
    log.info("model %s from %s", name, dict(params.source))
    checkpoint = resolve(
        read(params.source, Fetched),
        converted=Path(snakemake.output.manifest).parent / "checkpoint",
        dtype=params.dtype,
        mirror=Path(mirror) if mirror else None,
        downloads=Path(params.downloads),
        trust_remote_code=params.trust_remote_code,
    )
    manifest = describe(
        checkpoint.folder,
        name,
        dict(params.source),
        simulated=False,
        resolved_revision=checkpoint.revision,
        base_revision=checkpoint.base_revision,
        conversion=checkpoint.conversion,
        max_context=params.max_context,
        dtype=params.dtype,
        trust_remote_code=params.trust_remote_code,
    )
    log.info(
        "%s: %s, %d layers of %d units, %d parameters",
        checkpoint.folder, manifest["architecture"], len(manifest["layers"]),
        manifest["d_model"], manifest["parameters"],
    )  # fmt: skip
    write_json(manifest, snakemake.output.manifest)
