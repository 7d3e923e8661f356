# make run, make test: both do all their own set-up. PYTHON=... names another interpreter (3.11 to 3.13).
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 \
  && { echo $$p; exit; }; done; echo python3)
BIN := .venv/bin
CONFIG ?= pipeline_config.yaml

.PHONY: run test test-slow unit bench-loss bench-transform bench-train bench-eval bench-blessing lint format lock image-check wheel setup clean

run: setup
	$(BIN)/tokenline run --config $(CONFIG)

# A worker a core of two; the tests of a file stay together, as they share what they made.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile

# retrain killed at every named point and at random times, metadata on servers, profiles of Beam, lines emulated apart and submitted, the image
# where debootstrap is: about 45 minutes on two cores; and RETRAIN_SPANS in a row, an hour.
RETRAIN_SPANS ?= 200
test-slow: setup
	RETRAIN_SPANS=$(RETRAIN_SPANS) $(BIN)/python -m pytest -m slow -v

unit: setup
	$(BIN)/python -m pytest -m "not pipeline and not slow"

# About ten minutes on two cores. TORCH=... names an interpreter that has PyTorch, to compare with it.
bench-loss: setup
	$(BIN)/python -m benchmarks.loss $(if $(TORCH),--torch-python $(TORCH))

# About six minutes on two cores.
bench-transform: setup
	$(BIN)/python -m benchmarks.transform

# About ten minutes on two cores. TORCH=... as for bench-loss.
bench-train: setup
	$(BIN)/python -m benchmarks.train $(if $(TORCH),--torch-python $(TORCH))

# About four minutes: 1 000 draws each of splits whose true difference is known.
bench-blessing: setup
	$(BIN)/python -m benchmarks.blessing

# About six minutes on two cores.
bench-eval: setup
	$(BIN)/python -m benchmarks.eval

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header \
	  --overrides requirements.overrides requirements.in requirements-dev.in -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header requirements-gpu.in -o requirements-gpu.lock

# The Dockerfile's steps without Docker, in a Debian 13 folder, and the line run in it: needs root.
image-check: setup
	$(BIN)/python -m tools.image_check

wheel: setup
	$(BIN)/python -m build --wheel --no-isolation

setup:
	@command -v $(PYTHON) >/dev/null || { echo "set-up: no $(PYTHON) found: install Python 3.11, 3.12 or 3.13"; exit 1; }
	@$(PYTHON) bootstrap.py

clean:
	rm -rf .venv build dist *.egg-info
