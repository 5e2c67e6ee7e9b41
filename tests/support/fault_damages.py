"""Fault tests of damaged files: who reads one must refuse it by name."""

from pathlib import Path

from tests.support.fault_tools import damaged
from tests.support.fault_world import RUN, Stage, World, killed_after_checkpoints

KINDS = ("cut", "empty", "one bit")


def damage_all(faults) -> None:
    """A damaged file must be named by who reads it; made anew, all is as before."""
    world = faults.reference.copy(faults.folder / "damages")
    readers = {
        "pack digits": RUN, "split": RUN, "generator": RUN, "classifier": RUN,
        "select mpssl": RUN, RUN: "collect",
    }  # fmt: skip
    for maker in faults.extent.makers or readers:
        reader = readers[maker]
        for name in faults.stage(maker).outputs:
            reads = _reader(name, reader)
            for kind in KINDS[: faults.extent.damages]:
                if reads is not None:
                    _damage(faults, world, faults.stage(maker), name, reads, kind)
    for kind in KINDS[: faults.extent.damages]:
        _damage_checkpoint(faults, world, faults.stage(RUN), kind)
    faults.runs_are_equal("damage", world)


def _reader(name: str, reader: str) -> str | None:
    """Who reads a file: the run, or of a run's own files the figure that shows them."""
    own = {"history.csv": "figure curves", "predictions.npz": "claims"}
    own |= {"samples.png": None, "model.safetensors": None}
    stored_run = "/runs/" in name or "/chosen/" in name
    return own.get(Path(name).name, reader) if stored_run else reader


def _damage(faults, world: World, maker: Stage, name: str, reader: str, kind: str) -> None:
    path, stage = world.folder / name, faults.stage(reader)
    world.forget(stage)
    before = path.read_bytes()
    path.write_bytes(damaged(before, kind, faults.rng))
    ended = world.run(stage)
    named = str(Path(name).parent) in ended.text
    made = bool(world.contents(stage))
    world.forget(maker)
    remade, good = faults.again(world, maker)
    text, good_ = faults.again(world, stage)
    said = "refused by name" if ended.refused and named else f"code {ended.code} {ended.text!r}"
    used = ", USED" if made else ""
    where = f"{'/'.join(path.parts[-2:])[-24:]}, {kind}"
    faults.say("damage", where, f"{said}{used}; {remade}, {reader} {text}",
               ended.refused and named and not made and good and good_)  # fmt: skip


def _damage_checkpoint(faults, world: World, stage: Stage, kind: str) -> None:
    world.forget(stage)
    path = (world.folder / stage.outputs[0]).with_name("checkpoint.pt")
    world.run(stage, before=killed_after_checkpoints(2))
    path.write_bytes(damaged(path.read_bytes(), kind, faults.rng))
    ended = world.run(stage)
    seen = "is damaged; using the one before it" in ended.text
    equal = ended.code == 0 and world.equal(stage)
    text = f"{'seen, the one before it used' if seen else ended.text!r}, equal: {equal}"
    faults.say("damage", f"checkpoint.pt, {kind}", text, seen and equal)
