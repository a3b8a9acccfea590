# Every target does its own set-up in .venv from bare Python and make.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test check lint types layers format snapshots kills histories bench estimates clean

$(READY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(READY)
	$(BIN)/mcp-imagegen demo

test: $(READY)
	$(BIN)/python -m pytest -n 2

check: lint types layers test

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

snapshots: $(READY)
	UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest tests/test_tool_snapshots.py tests/test_readme.py

# Kill N servers in the middle of paid calls, at instants that are drawn, and look at what the next one finds.
N ?= 100
kills: $(READY)
	$(BIN)/python tests/kills.py $(N)

# Draw N histories of threads, with everything that can happen to them, and hold each against a plain model.
histories: $(READY)
	THREAD_HISTORIES=$(N) $(BIN)/python -m pytest tests/test_thread_histories.py

bench: $(READY)
	$(BIN)/python tests/bench.py

# How far estimates lie from N calls of the sandbox, from the guide and from a second implementation.
estimates: N = 200
estimates: $(READY)
	$(BIN)/python tests/estimates.py $(N)

clean:
	rm -rf .venv demo-output
