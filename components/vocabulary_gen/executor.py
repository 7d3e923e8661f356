"""Adapter: one Beam pass counts each split; the rest is plain functions."""

import json
import os
from typing import Any

import apache_beam as beam
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils

from components.beam_runner import NamedRunner
from components.errors import InputError
from components.vocabulary_gen import growth, ledger, spec
from components.vocabulary_gen.tally import Tally, count, total
from transform.settings import Settings
from transform.vocabulary import Vocabularies

_BATCH = 1024
_TRAIN = "train"


class Executor(NamedRunner, base_beam_executor.BaseBeamExecutor):
    """Counts, grows the vocabulary from the training split, writes it and the ledger."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        settings = Settings.from_json(exec_properties[spec.SETTINGS])
        tallies = self._tallies(input_dict[spec.EXAMPLES], settings)
        base = exec_properties[spec.BASE_VOCABULARY]
        vocabularies = growth.grow(
            tallies[_TRAIN].tokens,
            settings,
            vocab_size=exec_properties[spec.VOCABULARY_SIZE],
            min_frequency=exec_properties[spec.MIN_FREQUENCY],
            base=Vocabularies.read(base) if base else None,
        )
        ledger.check_vocabulary(vocabularies)
        counted = ledger.build(tallies, vocabularies)
        ledger.check(counted, max_lost_tokens=exec_properties[spec.MAX_LOST_TOKENS])
        vocabulary = artifact_utils.get_single_instance(output_dict[spec.VOCABULARY])
        vocabularies.write(vocabulary.uri)
        vocabulary.set_string_custom_property("hash", vocabularies.digest)
        vocabulary.set_string_custom_property("base_vocabulary", base)
        vocabulary.set_string_custom_property(spec.INPUT_KEY, exec_properties[spec.INPUT_KEY])
        written = artifact_utils.get_single_uri(output_dict[spec.LEDGER])
        io_utils.write_string_file(
            os.path.join(written, "ledger.json"), json.dumps(counted, indent=1)
        )

    def _tallies(self, examples: list[types.Artifact], settings: Settings) -> dict[str, Tally]:
        """The tally of every split of one artifact, by one pipeline."""
        splits = artifact_utils.decode_split_names(
            artifact_utils.get_single_instance(examples).split_names
        )
        work = self._get_tmp_dir()
        with self._make_beam_pipeline() as pipeline:
            for split in splits:
                pattern = os.path.join(artifact_utils.get_split_uri(examples, split), "*")
                _ = (
                    pipeline
                    | f"Read[{split}]" >> beam.io.ReadFromTFRecord(pattern)
                    | f"Batch[{split}]"
                    >> beam.BatchElements(min_batch_size=_BATCH, max_batch_size=_BATCH)
                    | f"Count[{split}]" >> beam.Map(count, settings)
                    | f"Add[{split}]" >> beam.CombineGlobally(total)
                    | f"Keep[{split}]" >> beam.Map(_keep, os.path.join(work, f"{split}.json"))
                )
        tallies = {
            split: Tally.from_json(io_utils.read_string_file(os.path.join(work, f"{split}.json")))
            for split in splits
        }
        lines = [f"{split} split, {line}" for split in splits for line in tallies[split].problems]
        if lines:
            found = sum(tally.problem_count for tally in tallies.values())
            lines += [f"{found} problems in all"] if found > len(lines) else []
            raise InputError("\n".join(lines))
        return tallies


def _keep(tally: Tally, path: str) -> None:
    """Hand the result from Beam to the executor: through a file, as a runner may be elsewhere."""
    io_utils.write_string_file(path, tally.to_json())
