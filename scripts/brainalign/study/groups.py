"""Groups of jobs on a cluster: one at a time, and none again that has finished.

Snakemake submits a group as one job, in which it starts itself again with the members as targets.
Where a member fails, the group is submitted again, and Snakemake would run all of its members.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TURN = "turn"  # the resource that members take, of which a group has one (profiles/slurm)


def install(dag: Any) -> None:
    """Have Snakemake call `share_a_node` before it plans: its settings are not known earlier.

    Parameters
    ----------
    dag : the class of Snakemake's plans.
    """
    plain = dag.init

    async def init(self: Any, *arguments: Any, **named: Any) -> None:
        share_a_node(self.workflow)
        await plain(self, *arguments, **named)

    dag.init = init


def share_a_node(workflow: Any) -> None:
    """Prepare the Snakemake that runs a group's members.

    They take turns, and where one fails the others run nevertheless. The first attempt removes the
    members' outdated outputs, so that what a later attempt meets was made by one before it: those
    members are left out. (The profile has Snakemake keep the outputs of a group that fails; what
    has its final name here is whole.)
    """
    settings = workflow.dag_settings
    if len(settings.target_jobs) < 2:
        return
    if workflow.local_exec:
        workflow.register_resource(TURN, 1)
    workflow.execution_settings.keep_going = True
    members = [
        (target, workflow.get_rule(target.rulename).expand_output(target.wildcards_dict)[0])
        for target in settings.target_jobs
    ]
    if workflow.execution_settings.attempt == 1:
        remove(path for _, outputs in members for path in outputs)
    else:
        unfinished = [
            target
            for target, outputs in members
            if not all(Path(path).exists() for path in outputs)
        ]
        # Without any target Snakemake would run the whole study.
        settings.target_jobs = unfinished or settings.target_jobs[-1:]


def remove(paths: Iterable[str]) -> None:
    """Remove those of these files and folders that are there."""
    for path in map(Path, paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
