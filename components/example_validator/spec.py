"""Keys and types of StoppingExampleValidator."""

from tfx.types import component_spec, standard_component_specs

CODE_HASH = "code_hash"


class StoppingExampleValidatorSpec(component_spec.ComponentSpec):
    """The stock validator's, and the hash of the code that decides what stops a run."""

    PARAMETERS = standard_component_specs.ExampleValidatorSpec.PARAMETERS | {
        CODE_HASH: component_spec.ExecutionParameter(type=str),
    }
    INPUTS = standard_component_specs.ExampleValidatorSpec.INPUTS
    OUTPUTS = standard_component_specs.ExampleValidatorSpec.OUTPUTS
