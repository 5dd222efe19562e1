"""python -m embed.weights: simulate a survey, train the encoders that come with the program, and keep them here.

Every step is a command to type, as in the demo; this takes half an hour. Weights that were here are replaced. With
--sources another, smaller survey is simulated, to see that all runs; what comes of it is kept beside that survey, and
the weights here stay.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

from catalog.store import lake
from catalog.store.vectors import weights_file

FOLDER = Path("build") / "weights"
SOURCES, SEED = 3000, 11
TRAININGS = {
    "spectrum": ("--model", "vae", "--latent", "6", "--epochs", "60", "--seed", "0"),
    "events": ("--model", "summary"),
}
LIMITS = {
    "spectrum": "Learned from simulated spectra of ACIS alone, of 9 counts and more, whose response was known exactly. "
    "Real sources with other spectra have vectors too, which say less.",
    "events": "Summary statistics, scaled as in the simulated survey; nothing of time is learned beyond them.",
}


def main(sources: int = SOURCES, folder: Path = FOLDER) -> None:
    """Make the weights, from the survey that lies in the folder if there is one."""
    simulate = ("ingest", "simulate", "--sources", str(sources), "--seed", str(SEED))
    to = Path(__file__).parent
    if sources != SOURCES:
        folder = folder / f"of-{sources}"
        to = folder / "weights"
        to.mkdir(parents=True, exist_ok=True)
    survey, store = folder / "survey", folder / "s"
    made = [
        (*simulate, "--output", str(survey)),
        ("ingest", "files", str(survey), "--store", str(store)),
        *(("embed", "train", space, *options, "--store", str(store)) for space, options in TRAININGS.items()),
    ]
    for command in made[1:] if (survey / "manifest.json").is_file() else made:
        print(f"$ python -m {shlex.join(command)}", flush=True)
        subprocess.run([sys.executable, "-m", *command], check=True)  # noqa: S603 - our own commands
    for file in to.glob("*.*"):
        if file.suffix in {".json", ".safetensors"}:
            file.unlink()
    for space, options in TRAININGS.items():
        keep(store, space, shlex.join(("photonlake", "embed", "train", space, *options)), simulate, to)
    print(f"{len(TRAININGS)} encoders in {to}")


def keep(store: Path, space: str, command: str, simulate: tuple[str, ...], to: Path) -> None:
    """Copy the current encoder of a space, and write beside it what made it."""
    query = (
        "SELECT weights_sha256, validation_error, loss_curve, configuration FROM meta.encoder "
        "WHERE space = ? AND current"
    )
    with contextlib.closing(lake.connect(store)) as connection:
        ((weights, error, curve, text),) = connection.execute(query, [space]).fetchall()
    configuration = json.loads(text)
    training = {k: v for k, v in configuration.pop("training").items() if k not in {"snapshot", "identity"}}
    provenance = training | {
        "command": command,
        "survey": f"photonlake {shlex.join(simulate)}",
        "validation_error": error,
        "loss_curve": [round(x, 6) for x in curve or []],
        "limits": LIMITS[space],
    }
    told = {"configuration": configuration, "weights_sha256": weights, "provenance": provenance}
    (to / f"{weights}.json").write_text(json.dumps(told, sort_keys=True, indent=1) + "\n", "utf-8")
    (to / f"{weights}.safetensors").write_bytes(weights_file(store, weights).read_bytes())


if __name__ == "__main__":
    read = argparse.ArgumentParser(prog="python -m embed.weights", description="Make the weights again.")
    read.add_argument("--sources", type=int, default=SOURCES)
    main(read.parse_args().sources)
