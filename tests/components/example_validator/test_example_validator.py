"""StoppingExampleValidator: anomalies end the run and are named; clean data passes."""

import pytest
import tfx.components  # noqa: F401  (before TFDV: it cannot be imported on its own here)
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2
from tfx.types import artifact_utils, standard_artifacts

from components.errors import InputError
from components.example_validator.component import StoppingExampleValidator
from components.example_validator.executor import Executor, describe

SCHEMA = """
feature { name: "text" type: BYTES presence { min_fraction: 1.0 min_count: 1 } value_count { min: 1 max: 1 } }
"""
CLEAN = """
datasets {
  num_examples: 4
  features {
    type: STRING
    path { step: "text" }
    string_stats {
      common_stats { num_non_missing: 4 min_num_values: 1 max_num_values: 1 tot_num_values: 4 }
      unique: 4
    }
  }
}
"""
MISSING = CLEAN.replace("num_non_missing: 4", "num_non_missing: 3 num_missing: 1")
UNKNOWN = CLEAN.replace(
    "  num_examples: 4",
    """  num_examples: 4
  features {
    type: FLOAT
    path { step: "surprise" }
    num_stats { common_stats { num_non_missing: 4 min_num_values: 1 max_num_values: 1 tot_num_values: 4 } }
  }""",
)


@pytest.fixture
def validate(tmp_path):
    """Runs `Do` on {split: statistics as text}; returns the anomalies artifact."""

    def call(splits, exclude="[]"):
        statistics = standard_artifacts.ExampleStatistics()
        schema, anomalies = standard_artifacts.Schema(), standard_artifacts.ExampleAnomalies()
        statistics.uri, schema.uri = str(tmp_path / "statistics"), str(tmp_path / "schema")
        anomalies.uri = str(tmp_path / "anomalies")
        statistics.split_names = artifact_utils.encode_split_names(list(splits))
        statistics.span = 0
        (tmp_path / "schema").mkdir()
        (tmp_path / "schema" / "schema.pbtxt").write_text(SCHEMA)
        for split, text in splits.items():
            folder = tmp_path / "statistics" / f"Split-{split}"
            folder.mkdir(parents=True)
            proto = text_format.Parse(text, statistics_pb2.DatasetFeatureStatisticsList())
            (folder / "FeatureStats.pb").write_bytes(proto.SerializeToString())
        Executor().Do(
            {"statistics": [statistics], "schema": [schema]},
            {"anomalies": [anomalies]},
            {"exclude_splits": exclude},
        )
        return anomalies

    return call


def test_clean_statistics_pass(validate):
    anomalies = validate({"train": CLEAN, "eval": CLEAN})
    assert anomalies.get_json_value_custom_property("blessed") == {"train": 1, "eval": 1}


@pytest.mark.parametrize(
    ("statistics", "named"),
    [
        (MISSING, "eval split, column 'text': "),
        (UNKNOWN, "eval split, column 'surprise': New column"),
    ],
    ids=["values are missing", "a column that the schema does not know"],
)
def test_an_anomaly_names_split_and_column(validate, tmp_path, statistics, named):
    with pytest.raises(InputError) as caught:
        validate({"train": CLEAN, "eval": statistics})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(named)
    # What the stock executor writes is there all the same, for later inspection.
    assert (tmp_path / "anomalies" / "Split-eval" / "SchemaDiff.pb").exists()


def test_anomalies_of_every_split_are_said_at_once(validate):
    with pytest.raises(InputError) as caught:
        validate({"train": MISSING, "eval": UNKNOWN})
    starts = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert starts == ["train split, column 'text'", "eval split, column 'surprise'"]


def test_a_split_that_is_left_out_stops_nothing(validate):
    anomalies = validate({"train": CLEAN, "eval": MISSING}, exclude='["eval"]')
    assert anomalies.get_json_value_custom_property("blessed") == {"train": 1}


def test_anomalies_of_a_data_set_as_a_whole():
    anomalies = anomalies_pb2.Anomalies()
    reason = anomalies.dataset_anomaly_info.reason.add()
    reason.short_description, reason.description = "Low num examples", "3 < 10"
    assert describe(anomalies, "eval") == ["eval split: Low num examples: 3 < 10"]


def test_an_anomaly_without_a_path_goes_by_its_name():
    anomalies = anomalies_pb2.Anomalies()
    anomalies.anomaly_info["b"].short_description = "second"
    anomalies.anomaly_info["a"].path.step.extend(["a", "inner"])
    assert describe(anomalies, "train") == [
        "train split, column 'a.inner': : ",
        "train split, column 'b': second: ",
    ]


def test_the_component_runs_our_executor():
    assert StoppingExampleValidator.EXECUTOR_SPEC.executor_class is Executor
