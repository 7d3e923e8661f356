"""The adapter between TFX and `evaluation.evaluate`: artifacts in, a blessing out."""

import os
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tfx import types
from tfx.components.evaluator import constants
from tfx.components.evaluator import executor as tfx_executor
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.beam_runner import NamedRunner
from components.errors import InputError
from components.evaluator import models, spec
from components.evaluator.blessing import parse_blessing
from components.evaluator.evaluation import EvaluationRequest, evaluate, parse_splits
from components.evaluator.json_output import write_json, write_of_task, write_tables
from components.evaluator.ranking import SAMPLES
from components.evaluator.samples import with_generated
from components.evaluator.slicing import parse_slices
from components.evaluator.tfma_output import BASELINE, CANDIDATE, write_tfma
from components.evaluator.thresholds import parse_thresholds
from components.evaluator.validation import BASELINE_USED, Verdict

_MESSAGE_LINES = 50

Artifacts = dict[str, list[types.Artifact]]


class Executor(NamedRunner, tfx_executor.Executor):
    """Evaluates, writes the evaluation, blesses.

    A kind of TFX's Evaluator, of which it has nothing: in a container TFX writes only into an Evaluator's
    blessing what Vertex calls the model, and by that alone the next run finds the last blessed one.
    """

    def Do(
        self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]
    ) -> None:
        """Run the evaluation.

        Raises:
          InputError: a parameter, a split or a slice column is not fit for use.
          ModelError: the candidate cannot be scored.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        request = _request(input_dict, output_dict, exec_properties)
        with models.shared():
            evaluation = evaluate(request, self._make_beam_pipeline)
            samples = with_generated(evaluation.tables.get(SAMPLES, []), request.candidate)
        verdict = evaluation.verdict
        write_json(
            request.output,
            evaluation.reports,
            verdict,
            confidence=request.confidence,
            min_tokens=request.min_tokens,
        )
        write_tables(request.output, evaluation.tables, samples, request.worst_min_tokens)
        write_of_task(request.output, evaluation.of_task)
        write_tfma(
            request.output,
            evaluation.reports,
            verdict,
            models=_models(request, verdict),
            thresholds=verdict.thresholds,
            columns=request.slices,
        )
        _bless(verdict, input_dict, output_dict, exec_properties)


def _request(
    input_dict: Artifacts, output_dict: Artifacts, parameters: dict[str, Any]
) -> EvaluationRequest:
    model = artifact_utils.get_single_instance(input_dict[spec.MODEL])
    return EvaluationRequest(
        example_patterns=_patterns(
            input_dict[spec.EXAMPLES], parse_splits(parameters[spec.EXAMPLE_SPLITS])
        ),
        candidate=path_utils.serving_model_path(model.uri),
        baseline=_baseline(input_dict, parameters),
        output=artifact_utils.get_single_uri(output_dict[spec.EVALUATION]),
        slices=parse_slices(parameters[spec.SLICES]),
        thresholds=parse_thresholds(parameters[spec.THRESHOLDS]),
        blessing=parse_blessing(parameters[spec.BLESSING_RULE]),
        batch_size=parameters[spec.BATCH_SIZE],
        block_rows=parameters[spec.BLOCK_ROWS],
        block_mb=parameters[spec.BLOCK_MB],
        confidence=parameters[spec.CONFIDENCE],
        min_tokens=parameters[spec.MIN_TOKENS],
        vocabulary=_folder(input_dict, spec.VOCABULARY),
        ingest_report=_folder(input_dict, spec.INGEST_REPORT),
        worst=parameters[spec.WORST],
        worst_min_tokens=parameters[spec.WORST_MIN_TOKENS],
        samples=parameters[spec.SAMPLES],
        decode_examples=parameters[spec.DECODE_EXAMPLES],
    )


def _baseline(input_dict: Artifacts, parameters: dict[str, Any]) -> str | None:
    """The SavedModel to compare with, if there is one."""
    found = input_dict.get(spec.BASELINE_MODEL) or []
    given: str = parameters.get(spec.BASELINE_FOLDER, "")
    return path_utils.serving_model_path(found[0].uri) if found else given or None


def _folder(input_dict: Artifacts, name: str) -> str:
    """The folder of an optional artifact, or ""."""
    found = input_dict.get(name) or []
    return found[0].uri if found else ""


def _patterns(examples: list[types.Artifact], splits: tuple[str, ...]) -> tuple[str, ...]:
    patterns = []
    for artifact in examples:
        there = artifact_utils.decode_split_names(artifact.split_names)
        for split in splits:
            if split not in there:
                raise InputError(
                    f"example_splits: no split {split!r} in {artifact.uri}, "
                    f"expected one of {', '.join(there)}"
                )
            uri = artifact_utils.get_split_uris([artifact], split)[0]
            patterns.append(io_utils.all_files_pattern(uri))
    return tuple(patterns)


def _models(request: EvaluationRequest, verdict: Verdict) -> dict[str, str]:
    if request.baseline is None or verdict.baseline.status != BASELINE_USED:
        return {"": request.candidate}
    return {CANDIDATE: request.candidate, BASELINE: request.baseline}


def _abridged(lines: Sequence[str]) -> str:
    """Return the first lines: a metadata property is limited in size, verdict.json has all."""
    more = len(lines) - _MESSAGE_LINES
    kept = [*lines[:_MESSAGE_LINES], *([f"and {more} more, see verdict.json"] if more > 0 else [])]
    return "\n".join(kept)


def _bless(
    verdict: Verdict, input_dict: Artifacts, output_dict: Artifacts, parameters: dict[str, Any]
) -> None:
    """Write the blessing under the names that Pusher and LatestBlessedModelStrategy read.

    The names are those of tfx/components/evaluator/constants.py.
    """
    blessing = artifact_utils.get_single_instance(output_dict[spec.BLESSING])
    model = artifact_utils.get_single_instance(input_dict[spec.MODEL])
    texts = {
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY: model.uri,
        constants.ARTIFACT_PROPERTY_BLESSING_MESSAGE_KEY: _abridged(verdict.reasons),
        "notes": _abridged(verdict.notes),
        "verdict": verdict.outcome.value,
    }
    numbers = {
        constants.ARTIFACT_PROPERTY_BLESSED_KEY: int(verdict.blessed),
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY: model.id,
    }
    for baseline in input_dict.get(spec.BASELINE_MODEL) or []:
        texts[constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY] = baseline.uri
        numbers[constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY] = baseline.id
    if component_id := parameters.get("current_component_id"):
        texts["component_id"] = component_id
    for name, text in texts.items():
        blessing.set_string_custom_property(name, text)
    for name, number in numbers.items():
        blessing.set_int_custom_property(name, number)
    file_name = constants.BLESSED_FILE_NAME if verdict.blessed else constants.NOT_BLESSED_FILE_NAME
    tf.io.gfile.makedirs(blessing.uri)
    io_utils.write_string_file(os.path.join(blessing.uri, file_name), "")
