# profkit: `make demo` shows it at work, `make test` proves it. Needs Python 3.10 or later, nothing else.

PYTHON ?= python3
TORCH := torch==2.13.0
MINDSPORE := mindspore==2.10.0
PIP := -m pip install --quiet --disable-pip-version-check

CORE := .venv-core
FULL := .venv-full
DEMO := .venv-demo

# What numpy and the absence of the frameworks bear on; `make test` has these and all others.
CORE_ROOMS := $(addprefix tests/,bridge compare house overflow parsers report run samples vocabulary weights)

.PHONY: help demo test test-core lint format samples clean

help:
	@echo "make demo       triage of the bundled migration, in an environment without torch and mindspore"
	@echo "make test       all tests, in an environment with torch and mindspore"
	@echo "make test-core  the tests of reading, comparing and reporting without torch and mindspore, with numpy 2"
	@echo "make lint       format, lint, types and import contracts"
	@echo "make format     put the code into its format"
	@echo "make samples    record the bundled samples again (needs torch and mindspore)"
	@echo "make clean      remove the environments"

demo: $(DEMO)/ready
	$(DEMO)/bin/profkit demo

test: $(FULL)/ready
	$(FULL)/bin/python -m pytest -n 2 --dist loadfile

test-core: $(CORE)/ready
	$(CORE)/bin/python -m pytest -n 2 --dist loadfile -m "not frameworks and not packaging and not exhaustive" $(CORE_ROOMS)

lint: $(CORE)/ready
	$(CORE)/bin/ruff format --check .
	$(CORE)/bin/ruff check .
	$(CORE)/bin/mypy -p profkit
	$(CORE)/bin/lint-imports

format: $(CORE)/ready
	$(CORE)/bin/ruff format .
	$(CORE)/bin/ruff check --fix .

samples: $(FULL)/ready
	$(FULL)/bin/python samples/record/record_vit.py --out samples

$(DEMO)/ready: pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python $(PIP) -e .
	touch $@

$(CORE)/ready: pyproject.toml
	$(PYTHON) -m venv $(CORE)
	$(CORE)/bin/python $(PIP) -e '.[test,lint]' 'numpy>=2'
	touch $@

$(FULL)/ready: pyproject.toml
	$(PYTHON) -m venv $(FULL)
	$(FULL)/bin/python $(PIP) $(TORCH) $(MINDSPORE) -e '.[test,torch,mindspore]'
	touch $@

clean:
	rm -rf $(CORE) $(FULL) $(DEMO) build dist *.egg-info
