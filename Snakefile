"""brainalign: does instruction tuning make language models more brain-like?

The study is config.yaml, or the file given with --configfile, which replaces it.
"""

import atexit

from snakemake.utils import min_version

min_version("9.20")

# Another workflow may import this one as a module: the study is then what it passes as `config`.
IS_MAIN = workflow.modifier.is_main_snakefile()

# A file given with --configfile is the whole study: the default must not be merged into it.
if IS_MAIN and not workflow.overwrite_configfiles:

    configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/simulation.smk"
include: "rules/datasets.smk"
include: "rules/models.smk"
include: "rules/reading.smk"
include: "rules/encoding.smk"
include: "rules/behavior.smk"
include: "rules/capability.smk"
include: "rules/analysis.smk"
include: "rules/figures.smk"


PROGRESS = Progress()


def tell_missing_files():
    """After a dry run, what a run would miss: there `onstart` says it."""
    if workflow.dryrun:
        for line in missing_files(workflow.dag.needrun_jobs(exclude_finished=False)):
            print(f"missing: {line}", file=sys.stderr)


if IS_MAIN and workflow.is_main_process:
    atexit.register(tell_missing_files)
    if not workflow.dryrun:
        for handler in logger.handlers:
            if handler.name == "DefaultStreamHandler":
                handler.addFilter(PROGRESS.lets)
        logger.addHandler(PROGRESS)
    if workflow.overwrite_configfiles and STUDY.study is None:
        print(
            "warning: this config has no key study: its results go to results/, as those of the "
            "default study do; give it a name",
            file=sys.stderr,
        )
    if SURPRISAL_ALONE:
        logger.info(
            "Models of published surprisal, without weights, are scored on reading times alone: "
            + ", ".join(SURPRISAL_ALONE)
        )


if workflow.remote_exec:
    groups.install(DAG)


report: "report/workflow.rst"


localrules:
    all,


rule all:
    default_target: True
    input:
        maps_of_targets(),
        tables(),
        figures("svg", "png"),
        pages(),
        rules.report.output,


onstart:
    if Path(RESULTS).exists() and not os.access(RESULTS, os.W_OK):
        raise WorkflowError(
            f"{RESULTS} is read-only; make it writable, then run the same command again"
        )
    if lines := missing_files(workflow.dag.needrun_jobs()):
        raise WorkflowError("\n".join(lines))
    if workflow.local_exec:
        forks.install(
            {rule.name: kind_of_work(rule) for rule in workflow.rules}.get,
            lambda kind: [
                script_of(rule)
                for rule in workflow.rules
                if kind_of_work(rule) == kind
            ],
        )
    # Under a limit of job starts the scheduler wakes up once more a second for every job that has
    # ended: in a large study that takes a core. Snakemake's default limit is lifted, another kept.
    rate = getattr(workflow.scheduler, "job_rate_limiter", None)
    if rate and (rate.max_jobs, rate.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


onsuccess:
    verdicts = Path(result("tables", "verdicts.txt"))
    if verdicts.exists():
        print("\n" + verdicts.read_text(encoding="utf-8"))
        if lines := logs.warnings(f"{RESULTS}/logs"):
            print(f"warnings in {RESULTS}/logs:", *lines, sep="\n  ")
        print(f"in words: {RESULTS}/tables/headline.txt")
        print(f"report: {RESULTS}/report/index.html")


KILLED = (
    "A job's process was killed from outside (SIGKILL), most often for lack of memory: run fewer jobs "
    "at a time, with fewer --cores, or let them share N MB with --resources mem_mb=N."
)


onerror:
    print(
        "Stopped; finished work is kept. Mend what the errors above name (each job's log is under "
        f"{RESULTS}/logs), then run the same command again: it goes on from here.",
        *([KILLED] if PROGRESS.killed else []),
        *(f"{path}: {logs.reason(path)}" for path in PROGRESS.failed[:3]),
        sep="\n",
        file=sys.stderr,
    )
