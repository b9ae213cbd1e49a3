"""Runs that are broken off, gone on with, or shared out."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from recorder import Recorder

from mmx.errors import ImageError, Interrupted, MmxError, OutputError, UsageError
from mmx.studies.folders import check_out, study_folder
from mmx.studies.perturb.study import PerturbationStudy
from mmx.studies.reporting import reporter_of
from mmx.studies.result import finished
from mmx.studies.runs import Numbered, Record, Run, go_through, open_run
from mmx.studies.world import World, fix_threads, world_of

ALONE = World()
PARAMETERS = {"threshold": 0.5, "methods": ["relevance"],
              "model": {"name": "vit", "dtype": "y", "revision": "0 with features 1"}}


def begun(folder: Path, ids: range, world: World = ALONE) -> Run:
    run = Run(folder, world)
    for number in ids:
        run.append({"id": number, "value": number * 10})
    return run


def ids(run: Run, failed: bool = False) -> list[int]:
    return [record["id"] for record in run.records(failed)]


def opened(folder: Path, resume: bool = True, **changed: object) -> Run:
    return open_run(folder, {**PARAMETERS, **changed}, ALONE, resume=resume)


def test_records_are_on_disk_at_once(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.append({"id": 3, "value": 1})
    assert (tmp_path / "records.0-of-1.jsonl").read_text() == '{"id":3,"value":1}\n'
    assert json.loads((tmp_path / "run.json").read_text()) == {"schema_version": 2, **PARAMETERS}


def test_a_torn_last_line_is_dropped_and_its_sample_not_done(tmp_path: Path) -> None:
    opened(tmp_path)
    begun(tmp_path, range(3))
    path = tmp_path / "records.0-of-1.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    run = opened(tmp_path)
    assert run.done == {0, 1}
    run.append({"id": 2, "value": 20})
    assert path.read_bytes() == whole
    assert ids(run) == [0, 1, 2]


def test_a_file_of_one_torn_line_begins_anew(tmp_path: Path) -> None:
    opened(tmp_path)
    (tmp_path / "records.0-of-1.jsonl").write_text('{"id": 1')
    run = opened(tmp_path)
    assert run.done == set()
    run.append({"id": 4})
    assert ids(run) == [4]


def test_shards_merge_in_order_of_id_whatever_the_world_was(tmp_path: Path) -> None:
    opened(tmp_path)
    begun(tmp_path, range(0, 7, 3), World(0, 3))
    begun(tmp_path, range(2, 7, 3), World(2, 3))
    begun(tmp_path, range(1, 7, 3), World(0, 1))
    run = opened(tmp_path)
    assert ids(run) == list(range(7)) and run.done == set(range(7))
    assert [record["value"] for record in run.records()] == list(range(0, 70, 10))


def test_what_failed_is_tried_again_and_counts_as_done_once_it_went_well(tmp_path: Path) -> None:
    run = opened(tmp_path)
    for record in ({"id": 1, "error": "a"}, {"id": 2, "error": "b"}, {"id": 1, "error": "c"}):
        run.append(record)
    again = opened(tmp_path)
    assert again.done == set() and ids(again) == []
    assert [record["error"] for record in again.records(failed=True)] == ["c", "b"]
    again.append({"id": 1, "value": 1})
    assert ids(again) == [1] and ids(again, failed=True) == [2]


@pytest.mark.parametrize(("changed", "said"), [
    ({"threshold": 0.7}, "had threshold 0.5, not 0.7"), ({"methods": []}, 'had methods ["relevance"], not []'),
    ({"new": 1}, "had new null, not 1"),
    ({"model": {"name": "vit", "dtype": "x", "revision": "0"}}, 'had model dtype "y", not "x"'),
    ({"model": {"name": "vit", "dtype": "y", "revision": "0 with features 2"}}, "had the same model with other feat"),
    ({"model": {"name": "vit", "dtype": "y", "revision": "9"}}, "had another model"), ({"model": 3}, "had model {"),
])
def test_other_parameters_are_refused_by_name(tmp_path: Path, changed: dict, said: str) -> None:
    opened(tmp_path)
    with pytest.raises(UsageError) as caught:
        opened(tmp_path, **changed)
    assert said in caught.value.message


def test_a_parameter_that_is_gone_is_a_difference(tmp_path: Path) -> None:
    opened(tmp_path, old=2)
    with pytest.raises(UsageError, match="had old 2, not null"):
        opened(tmp_path)


@pytest.mark.parametrize("file", ["run.json", "records.1-of-2.jsonl", "summary.json"])
def test_what_is_there_is_neither_deleted_nor_gone_on_with_unasked(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("{}\n")
    for look in (lambda: check_out(tmp_path, resume=False, overwrite=False), lambda: opened(tmp_path, resume=False)):
        with pytest.raises(UsageError, match="holds a run already") as caught:
            look()
        assert "`resume=True`" in str(caught.value) and "`overwrite=True`" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == [file] and (tmp_path / file).read_text() == "{}\n"


def test_what_is_there_is_replaced_where_that_is_asked_for(tmp_path: Path) -> None:
    opened(tmp_path)
    begun(tmp_path, range(3), World(1, 2))
    (tmp_path / "summary.json").write_text("{}")
    run = open_run(tmp_path, {"threshold": 0.1}, ALONE, resume=False, overwrite=True)
    assert run.done == set() and [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_records_of_which_nothing_is_known_are_not_gone_on_with(tmp_path: Path) -> None:
    begun(tmp_path, range(2))
    with pytest.raises(UsageError, match=r"records but no run\.json"):
        opened(tmp_path)
    assert ids(Run(tmp_path, ALONE)) == [0, 1]


def test_to_resume_and_to_overwrite_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Give one of them"):
        check_out(tmp_path, resume=True, overwrite=True)


@pytest.mark.parametrize("asked", [{"resume": True, "overwrite": False}, {"resume": False, "overwrite": True}])
def test_a_second_run_is_refused_while_one_is_writing(tmp_path: Path, asked: dict[str, bool]) -> None:
    with study_folder(tmp_path / "out", ALONE, resume=False, overwrite=False) as folder:
        with pytest.raises(UsageError, match="Another run is writing to"):
            check_out(folder, **asked)
        with pytest.raises(UsageError, match="Another run is writing to"), study_folder(folder, ALONE, **asked):
            pass
        with study_folder(folder, World(1, 2), **asked):  # of the same run
            opened(folder)
    check_out(folder, **asked)
    with study_folder(folder, ALONE, **asked):
        pass


def test_a_lock_whose_owner_was_killed_holds_nobody_up(tmp_path: Path) -> None:
    code = ("import os, sys; from mmx.studies.folders import study_folder; from mmx.studies.world import World; "
            "held = study_folder(sys.argv[1], World(), resume=False, overwrite=False); held.__enter__(); "
            "os.kill(os.getpid(), 9)")
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -9
    assert [path.name for path in tmp_path.iterdir()] == [".run.lock"]
    with study_folder(tmp_path, ALONE, resume=False, overwrite=False):
        pass
    assert list(tmp_path.iterdir()) == []


def through(run: Run, records: object, told: Recorder | None = None) -> None:
    groups = [[(0, "a"), (1, "b")], [(2, "c"), (3, "d")]]
    go_through(run, groups, records, lambda one, why: {"id": one[0], "sample": one[1], "error": why},
               told or Recorder())


def test_a_sample_that_fails_its_batch_fails_alone(tmp_path: Path) -> None:
    tried: list[int] = []

    def records(group: Sequence[Numbered[str]]) -> Iterator[Record]:
        tried.append(len(group))
        for number, name in group:
            if name == "c":
                raise ValueError("c is\nspoilt")
            yield {"id": number, "value": name}

    told, run = Recorder(), opened(tmp_path)
    through(run, records, told)
    assert tried == [2, 2, 1, 1] and told.lines == [("error", "c: ValueError: c is spoilt")]
    assert ids(run) == [0, 1, 3]
    [failure] = run.records(failed=True)
    assert failure == {"id": 2, "sample": "c", "error": "ValueError: c is spoilt"}


@pytest.mark.parametrize(("error", "ends"), [(ImageError("no"), False), (UsageError("no"), True),
                                             (OutputError("no"), True)])
def test_what_was_asked_wrongly_or_cannot_be_written_ends_the_run(tmp_path: Path, error: MmxError, ends: bool) -> None:
    def records(group: Sequence[Numbered[str]]) -> list[Record]:
        raise error

    run = opened(tmp_path)
    if ends:
        with pytest.raises(type(error)):
            through(run, records)
    else:
        through(run, records)
    assert [one["error"] for one in run.records(failed=True)] == ([] if ends else ["no"] * 4)


def test_what_is_interrupted_says_how_far_it_came_and_how_to_go_on(tmp_path: Path) -> None:
    def records(group: Sequence[Numbered[str]]) -> list[Record]:
        if group[0][0] == 2:
            raise KeyboardInterrupt
        return [{"id": number} for number, _ in group]

    with pytest.raises(Interrupted, match=r"2 of 4 records are kept in .* Go on with `resume=True`"):
        through(opened(tmp_path), records)
    with pytest.raises(Interrupted, match="nothing is kept"), study_folder(None, ALONE, resume=False,
                                                                           overwrite=False) as folder:
        through(opened(folder), records)
    with pytest.raises(Interrupted, match=r"the records in .* are kept"), study_folder(tmp_path, ALONE, resume=True,
                                                                                      overwrite=False):
        raise KeyboardInterrupt


def test_pictures_that_were_replaced_are_noticed(tmp_path: Path) -> None:
    run = opened(tmp_path)
    for number in range(3):
        run.append({"id": number, "image_hash": f"hash {number}"})

    def again(now: dict[int, str | None]) -> Run:
        return open_run(tmp_path, PARAMETERS, ALONE, resume=True, picture=lambda record: now[record["id"]])

    assert again({0: "hash 0", 1: None, 2: "hash 2"}).done == {0, 1, 2}
    with pytest.raises(UsageError, match="of sample 1 and 1 more are no longer what they were"):
        again({0: "hash 0", 1: "other", 2: "hash 1"})


@pytest.mark.parametrize(("line", "wrong"), [
    ("{\n", "it is no JSON"), ("[]\n", "it is no JSON object"), ('{"value": 1}\n', "no id that is a whole number"),
    ('{"id": "x"}\n', "no id"), ('{"id": true}\n', "no id"), ('{"id": 1}\n', "there is another one of 1"),
    ('{"id": 7, "error": 1}\n', "its error is no text"), ('{"id": 9}\n', "nine"), ('{"id": 8}\n', "lacks 'key'"),
    ("[" * 100_000 + "\n", "it is no JSON"),
])
def test_a_line_that_is_no_record_is_named(tmp_path: Path, line: str, wrong: str) -> None:
    opened(tmp_path)
    (tmp_path / "records.0-of-1.jsonl").write_text('{"id": 1}\n' + line + '{"id": 2}\n')
    with pytest.raises(UsageError, match=rf"records.0-of-1.jsonl, line 2, is no record of this run: .*{wrong}"):
        open_run(tmp_path, PARAMETERS, ALONE, resume=True,
                 fault=lambda record: {9: "nine"}.get(record["id"]) or (record["key"] if record["id"] == 8 else None))


def test_the_world_that_torchrun_sets() -> None:
    assert world_of({}) == World(0, 1, 0)
    assert world_of({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}) == World(3, 4, 1)


@pytest.mark.parametrize("environment", [{"WORLD_SIZE": "2"}, {"WORLD_SIZE": "2", "RANK": "2"}, {"RANK": "one"}])
def test_half_a_world_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        world_of(environment)


@pytest.mark.parametrize(("asked", "size", "same_as_alone"), [(None, 1, True), ("1", 2, True), ("1", 1, False)])
def test_threads_are_as_many_alone_as_in_company(monkeypatch: pytest.MonkeyPatch, asked: str | None, size: int,
                                                 same_as_alone: bool) -> None:
    """torchrun asks for 1 by itself; what a user asks for is kept."""
    set_to: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", set_to.append)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: range(3), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert fix_threads(World(0, size)) == (3 if same_as_alone else 1) == set_to[0]


@pytest.mark.parametrize(("asked", "size", "device"), [
    ("auto", 1, "auto"), ("auto", 4, "cuda:1"), ("cuda", 4, "cuda:1"), ("cpu", 4, "cpu"), ("cuda:0", 4, "cuda:0"),
])
def test_processes_of_a_machine_take_a_gpu_each(monkeypatch: pytest.MonkeyPatch, asked: str, size: int,
                                                device: str) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert World(3, size, 3).device(asked) == device


def test_a_process_that_does_not_lead_says_errors_alone() -> None:
    told = Recorder()
    follower = reporter_of(told, leads=False)
    with follower.progress(5) as advance:
        advance(5)
    for kind in ("note", "warning", "error"):
        follower.line(kind, kind)
    assert told.total == told.done == 0 and told.lines == [("error", "error")]
    assert reporter_of(told, leads=True) is told


def test_processes_that_share_a_run_need_a_folder(tmp_path: Path) -> None:
    with study_folder(tmp_path / "out", World(0, 2), resume=True, overwrite=False) as folder:
        assert folder == tmp_path / "out"
    with pytest.raises(UsageError, match="cannot be gone on with or shared"), study_folder(
            None, World(0, 2), resume=False, overwrite=False):
        pass


def test_one_process_reads_what_the_leading_one_wrote_and_says_so_if_it_did_not(tmp_path: Path) -> None:
    class Following(World):
        def wait(self) -> None:
            waited.append(self.rank)

    waited: list[int] = []
    with pytest.raises(MmxError, match="the first process says why"):
        finished(PerturbationStudy, tmp_path, Following(1, 2), lambda: pytest.fail("summed up"))
    (tmp_path / "summary.json").write_text('{"protocol": "clean"}')
    (tmp_path / "curves.png").write_bytes(b"png")
    found = finished(PerturbationStudy, tmp_path, Following(1, 2), lambda: pytest.fail("summed up"))
    assert found.to_dict() == {"protocol": "clean"} and found.png == b"png" and waited == [1, 1]
