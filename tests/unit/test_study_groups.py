"""The options of the Snakemake that runs a group's members."""

from types import SimpleNamespace

import pytest
from brainalign.study.groups import TURN, share_a_node


class Workflow(SimpleNamespace):
    """As much of Snakemake's as is looked at: rules `a` and `b` of one output per wildcard `n`."""

    def get_rule(self, name):
        return SimpleNamespace(
            expand_output=lambda wildcards: ([str(self.folder / f"{name}{wildcards['n']}")], {})
        )

    def register_resource(self, name, value):
        self.resources[name] = value


@pytest.fixture
def workflow(tmp_path):
    def made(*members, attempt=1, local_exec=True):
        targets = [SimpleNamespace(rulename=m[0], wildcards_dict={"n": m[1:]}) for m in members]
        return Workflow(
            folder=tmp_path, resources={}, local_exec=local_exec,
            dag_settings=SimpleNamespace(target_jobs=targets),
            execution_settings=SimpleNamespace(attempt=attempt, keep_going=False),
        )  # fmt: skip

    return made


def left(workflow):
    return [f"{t.rulename}{t.wildcards_dict['n']}" for t in workflow.dag_settings.target_jobs]


def test_a_job_alone_is_run_as_it_is(workflow, tmp_path):
    (tmp_path / "a1").touch()
    for attempt in (1, 2):
        alone = workflow("a1", attempt=attempt)
        share_a_node(alone)
        assert left(alone) == ["a1"]
        assert (tmp_path / "a1").exists()
        assert not alone.execution_settings.keep_going
        assert alone.resources == {}


def test_the_first_attempt_runs_all_members_in_turn_and_removes_what_is_outdated(
    workflow, tmp_path
):
    (tmp_path / "a1").touch()
    (tmp_path / "b1").mkdir()
    (tmp_path / "b1" / "inside").touch()
    (tmp_path / "a3").touch()  # of no member
    group = workflow("a1", "a2", "b1")
    share_a_node(group)
    assert left(group) == ["a1", "a2", "b1"]
    assert [path.name for path in tmp_path.iterdir()] == ["a3"]
    assert group.resources == {TURN: 1}
    assert group.execution_settings.keep_going


def test_a_later_attempt_runs_what_is_not_finished(workflow, tmp_path):
    (tmp_path / "a1").touch()
    group = workflow("a1", "a2", "b1", attempt=2)
    share_a_node(group)
    assert left(group) == ["a2", "b1"]
    assert (tmp_path / "a1").exists()


def test_a_group_is_never_without_target(workflow, tmp_path):
    for name in ("a1", "a2"):
        (tmp_path / name).touch()
    group = workflow("a1", "a2", attempt=3)
    share_a_node(group)
    assert left(group) == ["a2"]


def test_the_submitting_step_takes_no_turns(workflow):
    group = workflow("a1", "a2", local_exec=False)
    share_a_node(group)
    assert group.resources == {}
