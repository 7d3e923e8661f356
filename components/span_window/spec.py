"""SpanWindow's interface: the names and types of its parameters and outputs."""

from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from components.artifacts import SpanList

SPAN_WINDOW = "span_window"


class SpanWindowSpec(ComponentSpec):
    """Scalars and JSON strings only: lists and dictionaries do not survive the Vertex compiler.

    input_base: as ExampleGen's, with or without {SPAN}.
    spans: JSON list of span numbers; or "all", or "latest:N", which are looked up when it runs.
    new_spans: JSON list of those among them that no run has been trained on before.
    fingerprint: `example_gen.files.fingerprint` of their files, or "", which is not checked.
    format, split: as ExampleGen's; what `driver` needs to take the fingerprint, "" where none runs.
    code_hash: of the code that resolves, so that an edit is no cache hit.
    """

    PARAMETERS = {
        "input_base": ExecutionParameter(type=str),
        "spans": ExecutionParameter(type=str),
        "new_spans": ExecutionParameter(type=str),
        "fingerprint": ExecutionParameter(type=str),
        "format": ExecutionParameter(type=str),
        "split": ExecutionParameter(type=str),
        "code_hash": ExecutionParameter(type=str),
    }
    INPUTS: dict[str, ChannelParameter] = {}
    OUTPUTS = {SPAN_WINDOW: ChannelParameter(type=SpanList)}
