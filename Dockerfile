# The image that every step of the compiled line runs in, and Beam's workers: docs/image.md.
# tools/image_check.py executes these lines without Docker.
FROM python:3.13-slim-trixie AS build
# pyfarmhash, which TFX needs, has no wheel.
RUN apt-get update && apt-get install --yes --no-install-recommends g++
WORKDIR /build
COPY requirements.lock requirements-gpu.lock tools/locked.py ./
RUN python locked.py uv build setuptools > tools.lock \
 && python -m venv tools \
 && tools/bin/python -m pip install --no-cache-dir --no-deps --require-hashes -r tools.lock
# gpu: with CUDA's libraries.
ARG ACCELERATOR=cpu
# Bytecode is made here, as the user cannot: without it importing TFX takes three times as long.
# What is removed are 430 MB of C++ headers, which only who compiles TensorFlow operations needs.
RUN python locked.py requirements.in > image.lock \
 && if [ "$ACCELERATOR" = gpu ]; then cat requirements-gpu.lock >> image.lock; fi \
 && python -m venv --without-pip /opt/tokenline \
 && tools/bin/uv pip install --python /opt/tokenline --no-cache --no-deps --require-hashes \
      --build-constraints tools.lock --compile-bytecode -r image.lock \
 && rm -r /opt/tokenline/lib/python3.13/site-packages/tensorflow/include
COPY pyproject.toml requirements.in README.md ./
COPY transform transform
COPY components components
COPY pipeline pipeline
RUN tools/bin/python -m build --wheel --no-isolation \
 && tools/bin/uv pip install --python /opt/tokenline --no-cache --no-deps --compile-bytecode dist/*.whl

FROM apache/beam_python3.13_sdk:2.77.0 AS beam

FROM python:3.13-slim-trixie
LABEL org.opencontainers.image.title="tokenline" \
      org.opencontainers.image.description="The TFX pipeline that gets the loss right for every token." \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.base.name="python:3.13-slim-trixie"
RUN useradd --uid 1000 --user-group --create-home tokenline
# What starts a Beam worker: Dockerfile.beam.
COPY --from=beam /opt/apache/beam/boot /opt/apache/beam/LICENSE /opt/apache/beam/NOTICE /opt/apache/beam/
COPY --from=build /opt/tokenline /opt/tokenline
# The second one: else a worker makes an environment of its own, in which nothing of ours is.
ENV PATH=/opt/tokenline/bin:$PATH \
    RUN_PYTHON_SDK_IN_DEFAULT_ENVIRONMENT=1
# By number, so that Kubernetes can see that it is not root.
USER 1000:1000
WORKDIR /home/tokenline
CMD ["tokenline", "--help"]
