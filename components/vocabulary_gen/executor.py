"""Adapter: unpacks artifacts into a request, and writes the vocabulary and the ledger."""

import json
import os
from collections.abc import Callable, Sequence
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components import shards
from components.beam_runner import NamedRunner
from components.example_gen.spec import REPORT_FILE
from components.vocabulary_gen import counting, spec
from components.vocabulary_gen.making import Request, make
from transform.settings import Settings


class Executor(NamedRunner, base_beam_executor.BaseBeamExecutor):
    """Counts, grows the vocabulary from the training split, writes it and the ledger."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Count, check and write; nothing is written when it raises.

        Raises:
          InputError: rows are bad, or the counts leave nothing worth training; a line each.
        """
        report, report_folder = _report(input_dict.get(spec.INGEST_REPORT))
        request = Request(
            settings=_settings(exec_properties, input_dict.get(spec.SUBWORDS)),
            vocab_size=exec_properties[spec.VOCABULARY_SIZE],
            min_frequency=exec_properties[spec.MIN_FREQUENCY],
            max_lost_tokens=exec_properties[spec.MAX_LOST_TOKENS],
            max_oov_rate=exec_properties[spec.MAX_OOV_RATE],
            base=exec_properties[spec.BASE_VOCABULARY],
            found=counting.shards_of(_folders(input_dict[spec.EXAMPLES]), report, report_folder),
            dropped=report.get("dropped", {}),
            folder=self._get_tmp_dir(),
        )
        vocabularies, ledger = make(request, self._each)
        vocabulary = artifact_utils.get_single_instance(output_dict[spec.VOCABULARY])
        vocabularies.write(vocabulary.uri)
        vocabulary.set_string_custom_property("hash", vocabularies.digest)
        vocabulary.set_string_custom_property("base_vocabulary", request.base)
        vocabulary.set_string_custom_property(spec.INPUT_KEY, exec_properties[spec.INPUT_KEY])
        written = artifact_utils.get_single_uri(output_dict[spec.LEDGER])
        io_utils.write_string_file(
            os.path.join(written, "ledger.json"), json.dumps(ledger, indent=1)
        )

    def _each(self, paths: Sequence[str], work: Callable[[str], None], label: str) -> None:
        shards.each(self._make_beam_pipeline, paths, work, label=label, folder=self._get_tmp_dir())


def _settings(exec_properties: dict[str, Any], subwords: list[types.Artifact] | None) -> Settings:
    """The settings, with what ExampleGen has cut the text with."""
    settings = Settings.from_json(exec_properties[spec.SETTINGS])
    if not subwords:
        return settings
    return settings.with_subwords(artifact_utils.get_single_uri(subwords))


def _folders(examples: list[types.Artifact]) -> dict[str, str]:
    """The folder of each split."""
    names = artifact_utils.get_single_instance(examples).split_names
    return {
        split: artifact_utils.get_split_uri(examples, split)
        for split in artifact_utils.decode_split_names(names)
    }


def _report(artifacts: list[types.Artifact] | None) -> tuple[dict[str, Any], str]:
    """ExampleGen's report, and its folder; {} where the examples are another component's."""
    if not artifacts:
        return {}, ""
    folder = artifact_utils.get_single_uri(artifacts)
    report: dict[str, Any] = json.loads(
        io_utils.read_string_file(os.path.join(folder, REPORT_FILE))
    )
    return report, folder
