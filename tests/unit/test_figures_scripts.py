"""The scripts: files in, the same bytes out every time, text as text, cheap to start."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import figure_tables as tables
import pytest
from brain_maps import sphere
from brainalign.analysis.headline import headline
from brainalign.analysis.maps import write_maps
from brainalign.analysis.study_tables import Tables
from brainalign.figures import style
from brainalign.formats.datasets import write_dataset
from brainalign.formats.tables import write_json, write_table
from conftest import REPOSITORY
from snakemake.iocontainers import InputFiles, Log, OutputFiles, Params, Wildcards

SCRIPTS = sorted(path.stem for path in (REPOSITORY / "scripts").glob("plot_*.py"))
PAGED = [
    name for name in SCRIPTS
    if "save_pages" in (REPOSITORY / "scripts" / f"{name}.py").read_text(encoding="utf-8")
]  # fmt: skip


class Job:
    """What Snakemake hands to a script."""

    def __init__(self, folder, inputs, params=None, wildcards=None, outputs=("svg", "png")):
        self.input = InputFiles(fromdict=inputs)
        self.output = OutputFiles(fromdict={name: str(folder / f"out.{name}") for name in outputs})
        self.params = Params(fromdict=params or {})
        self.wildcards = Wildcards(fromdict=wildcards or {})
        self.log = Log(toclone=[str(folder / "log.txt")])


@pytest.fixture(scope="module", autouse=True)
def coarse():
    """Few pixels: what differs between two drawings differs in them, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style.RC, "savefig.dpi", 72)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Every input of every script, written once."""
    folder = tmp_path_factory.mktemp("inputs")
    paths = {}
    study = dict(tables.study(datasets=("passages",)))
    models, check, categories, widths = tables.published()
    study |= {
        "trajectory": tables.trajectory(),
        "measured_published": tables.measured(),
        "published_fits": tables.fits(),
        "models": models,
        "check": check,
        "categories": categories,
        "widths": widths,
    }
    for name, table in study.items():
        paths[name] = str(folder / f"{name}.csv")
        write_table(table, paths[name])
    alignment = tables.alignment()
    facts = alignment.drop_duplicates("model").set_index("model")[["family", "role"]]
    paths["records"] = {name: dict(row) for name, row in facts.iterrows()}
    paths["alignment"] = []
    for name in facts.index:
        path = folder / f"alignment-{name}.parquet"
        rows = alignment[alignment["model"] == name]
        write_table(rows.drop(columns=["model", "family", "role"]), path)
        paths["alignment"].append(str(path))
    paths["ceilings"] = str(folder / "ceilings.parquet")
    write_table(tables.ceilings(), paths["ceilings"])
    logs, facts = tables.training_logs()
    paths["tuned"] = {r.pop("model"): r for r in facts.to_dict("records")}
    paths["logs"] = []
    for name, log in logs.items():
        paths["logs"].append(str(folder / f"{name}.csv"))
        write_table(log, paths["logs"][-1])
    paths["summary"] = str(folder / "summary.parquet")
    write_table(tables.target_contrasts(), paths["summary"])
    stimuli, responses, card = tables.dataset()
    for name in ("stimuli.parquet", "responses.nc", "card.json"):
        paths[name.split(".")[0]] = str(folder / name)
    write_dataset(stimuli, responses, paths["stimuli"], paths["responses"])
    write_json(card, paths["card"])
    paths["maps"] = str(folder / "maps")
    Path(paths["maps"]).mkdir()
    write_maps(sphere(), None, None, Path(paths["maps"]))
    return paths


def job(script, files, folder, **params):
    name = script.removeprefix("plot_")
    inputs = {
        "layer_curves": ["layers", "scores"],
        "profiles": ["profiles", "scores"],
        "baselines": ["baselines", "scores"],
        "mixed_effects": ["mixed_effects"],
        "losses": ["losses"],
        "measured_published": ["measured_published"],
        "published_fits": ["published_fits"],
        "trajectory": ["trajectory", "scores"],
        "alignment": ["scores"],
        "legacy_controlled": ["scores"],
        "improvement": ["contrasts", "scores"],
        "correlates": ["scores", "correlations", "capabilities", "behaviors", "losses"],
        "behavior": ["behaviors", "correlations", "capabilities", "losses"],
        "reading_loss": ["behaviors", "reading_loss"],
        "presentations": ["presentations"],
        "text_controls": ["text_controls"],
        "reading_profiles": ["reading_profiles"],
        "reading_measures": ["behaviors"],
        "published": ["models", "check", "categories", "widths"],
        "regions": ["alignment", "ceilings"],
        "target_contrasts": ["summary"],
        "training": ["logs"],
        "dataset": ["stimuli", "responses", "card"],
        "maps": ["maps"],
    }[name]
    wildcards = {}
    if name == "regions":
        wildcards = {"benchmark": "stories-controlled"}
        records = [{**record, "model": model} for model, record in files["records"].items()]
        params |= {"models": records, "mode": "controlled"}
    if name == "dataset":
        wildcards = {"dataset": "my-own"}
    if name == "maps":
        wildcards = {"model": "sim-gpt", "benchmark": "stories-controlled"}
        params |= {"label": "sim-gpt", "level": None, "simulated": True}
    if name == "target_contrasts":
        about = {"tuned": "t", "vanilla": "v", "benchmark": "b", "mode": "controlled"}
        params |= {"about": {**about, "simulated": True}, "level": 0.05}
    if name == "trajectory":
        params |= {"scored_on": {"arms": ["passages-legacy", "passages-controlled"]}}
    if name == "training":
        params |= {"models": files["tuned"]}
    paged = script in PAGED
    if paged:
        params |= {"pages": [[]]}
    made = Job(folder, {key: files[key] for key in inputs}, params, wildcards)
    if paged:
        one = {kind: [str(folder / f"out.{kind}")] for kind in ("svg", "png")}
        made.output = OutputFiles(fromdict=one)
    return made


def run(script, snakemake):
    runpy.run_path(str(REPOSITORY / "scripts" / f"{script}.py"), {"snakemake": snakemake})


@pytest.fixture(scope="module")
def outputs(files, tmp_path_factory):
    """What every script draws: script → kind of file → bytes."""

    def draw(script):
        folder = tmp_path_factory.mktemp(script)
        run(script, job(script, files, folder))
        return {kind: (folder / f"out.{kind}").read_bytes() for kind in ("svg", "png")}

    return {script: draw(script) for script in SCRIPTS}


@pytest.mark.long
@pytest.mark.parametrize("script", SCRIPTS)
def test_script_draws_the_same_bytes_twice(script, files, outputs, tmp_path):
    run(script, job(script, files, tmp_path))
    first = outputs[script]
    assert {kind: (tmp_path / f"out.{kind}").read_bytes() for kind in first} == first
    assert b"<text" in first["svg"] and b"<dc:date>" not in first["svg"]
    assert first["png"].startswith(b"\x89PNG") and b"Software" not in first["png"]


def test_svg_says_its_words_in_text(outputs):
    words = set(re.findall(r">([^<>]+)</text>", outputs["plot_alignment"]["svg"].decode()))
    assert {"sim-gpt-a", "oasm", "SIMULATED DATA", "instruction-tuned"} <= words


def test_missing_column_is_one_clear_line(files, tmp_path):
    table = tables.scores(datasets=("passages",)).drop(columns="ceiling")
    write_table(table, tmp_path / "scores.csv")
    snakemake = Job(tmp_path, {"scores": str(tmp_path / "scores.csv")})
    with pytest.raises(SystemExit):
        run("plot_alignment", snakemake)
    lines = (tmp_path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 and "column ceiling is missing" in lines[0]
    assert not (tmp_path / "out.svg").exists()


def test_headline_script_writes_a_table_and_a_text(files, tmp_path):
    inputs = {"published_check": files["check"]}
    names = ("scores", "contrasts", "correlations", "capabilities", "losses")
    inputs |= {name: files[name] for name in names}
    run("headline", Job(tmp_path, inputs, outputs=("headline", "text", "verdicts")))
    assert (tmp_path / "out.headline").stat().st_size > 500
    said = (tmp_path / "out.text").read_text(encoding="utf-8")
    assert "Does alignment grow with size?" in said
    assert "Does alignment grow with next-word loss (held-out)?" in said


def test_report_script_writes_the_page_of_its_inputs(files, outputs, tmp_path):
    svg = tmp_path / "alignment.svg"
    svg.write_bytes(outputs["plot_alignment"]["svg"])
    write_table(headline(tables.published()[1], Tables(tables.scores())), tmp_path / "headline.csv")
    inputs = {
        "tables": [str(tmp_path / "headline.csv"), files["scores"], files["layers"]], "cards": [],
        "figures": [str(svg)],
    }  # fmt: skip
    about = {
        "caption": "alignment", "section": "Brain alignment", "part": "", "wildcards": {},
        "params": {"pages": [[]]},
    }  # fmt: skip
    params = {
        "datasets": [], "study": "my-study", "figures": [about],
        "about": {"models": {}, "brains": ["my-own"], "times": [], "tasks": [], "texts": []},
    }  # fmt: skip
    run("report", Job(tmp_path, inputs, params, outputs=("page", "explore")))
    page, explore = (
        (tmp_path / f"out.{name}").read_text(encoding="utf-8") for name in ("page", "explore")
    )
    assert explore.count('class="plotly-graph-div"') == 3
    assert "<h1>my-study</h1>" in page and "brain responses: my-own" in page
    assert page.count("<figure") == 1 and "Alignment by model" in page
    assert all(f'id="table-{name}"' in page for name in ("headline", "scores", "data_cards"))


def test_scripts_import_no_heavy_library():
    """What costs start-up time is not imported by a plot; matplotlib not by the headline."""
    code = ["import sys"]
    for script in ("headline", *SCRIPTS):
        heavy = ["torch", "transformers", "sklearn"] + ["matplotlib"] * (script == "headline")
        text = (REPOSITORY / "scripts" / f"{script}.py").read_text(encoding="utf-8")
        code.append(text.split("with job")[0].split("if TYPE_CHECKING")[0])
        code.append(f"print('{script}', [m for m in {heavy} if m in sys.modules])")
    result = subprocess.run(
        [sys.executable, "-c", "\n".join(code)], cwd=REPOSITORY / "scripts", check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.stdout.splitlines() == [f"{script} []" for script in ("headline", *SCRIPTS)]
