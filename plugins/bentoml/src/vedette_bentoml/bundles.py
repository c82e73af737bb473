"""The fitted monitors as a file beside their YAML: monitors.yaml -> monitors.bundle.

BentoML imports a service in many processes: the one that builds or serves, and one a worker. All of them need the plan,
and none but the first should fit. So the first one fits and writes the file; whoever comes later finds that its key
fits the YAML (and the reference, where it is there) and reads it. The file is written under another name and then
renamed, so that no process ever reads half of one; a lock makes those that start together wait for one to fit, instead
of all fitting the same, and if it were lost nothing but work would be. `bentoml build` copies the file because it lies
in the build's folder; the built bento needs no reference file, since the bundle was fitted on it.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from vedette.config.loading import load_all
from vedette.engine.bundle import Bundle, build_bundle
from vedette.engine.bundle_faults import BundleError, placed
from vedette.plugins import Registry, get_registry
from vedette_bentoml.brief import Config, as_paths, reference_of
from vedette_specs.codec import CodecError, decode, encode

log = logging.getLogger("vedette.bentoml")
FORMAT = 1
SUFFIX = ".bundle"


class NoBundle(BundleError):
    """There is no bundle that fits the YAML, and none can be made here."""


def prepared(config: Config, registry: Registry | None = None) -> Bundle:
    """The bundle of one or several YAML files, each laid on those before it; fitted if nobody has done so yet.

    Raises ConfigError, also for monitors that cannot be fitted, or NoBundle.
    """
    paths = as_paths(config)
    registry = registry or get_registry()
    file = bundle_file(paths)
    if (found := _fresh(file, paths, registry)) is not None:
        return found
    with _locked(file):
        return _fresh(file, paths, registry) or _made(file, paths, registry)


def bundle_file(paths: Sequence[Path]) -> Path:
    """Beside the first YAML, and of its name; of all names where there are several, as others may share the first."""
    return paths[0].absolute().with_name("+".join(path.stem for path in paths) + SUFFIX)


def _fresh(file: Path, paths: Sequence[Path], registry: Registry) -> Bundle | None:
    """What the file holds, if it was made of these YAML files and of the reference as it is now."""
    try:
        said = decode(file.read_bytes())
        if not isinstance(said, Mapping) or said.get("format") != FORMAT or said.get("key") != _key(paths):
            return None
        bundle = Bundle.from_bytes(said["bundle"], registry, base=file.parent)
    except (OSError, CodecError):  # none yet, or a damaged one
        return None
    reference = reference_of(bundle.plan.reference, file.parent)
    if reference["uri"] != said["reference"]["uri"]:
        return None
    there, then = reference["digest"], said["reference"]["digest"]
    return None if there is not None and there != then else bundle


def _made(file: Path, paths: Sequence[Path], registry: Registry) -> Bundle:
    loaded = load_all(paths, registry=registry)
    for note in loaded.notes:
        log.warning("%s", note)
    with placed(loaded):
        bundle = build_bundle(loaded.plan, registry, loaded.reference)
    said = {
        "format": FORMAT,
        "key": _key(paths),
        "reference": reference_of(loaded.plan.reference, file.parent),
        "bundle": bundle.to_bytes(),
    }
    try:
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.", delete=False) as made:
            made.write(encode(said))
        os.chmod(made.name, 0o644)
        os.replace(made.name, file)
    except OSError as error:
        raise NoBundle(
            f"{file} cannot be written ({error.strerror}), and every process would have to fit the monitors itself: "
            "serve once from a folder that can be written to, and ship that file with the YAML"
        ) from error
    return bundle


def _key(paths: Sequence[Path]) -> str:
    """Of what the bundle is made of, but for the reference. A file that cannot be read is told when it is loaded."""
    digest = hashlib.sha256(version("vedette").encode())
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """One process of this user and machine at a time. The lock's file stays: deleting it would let two in."""
    name = f"vedette-{os.getuid()}-{hashlib.sha256(str(file).encode()).hexdigest()[:24]}.lock"
    handle = os.open(Path(tempfile.gettempdir()) / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
