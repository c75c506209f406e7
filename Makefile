# Two commands on a fresh machine: make run, make test.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test lint bench mutants storm samples translations clean

run: .venv/ready
	@exec $(BIN)/python -m campaign.embedded

test: .venv/ready lint
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready
	$(BIN)/python -m benchmarks $(COUNT)

# Change the triggers that move money, one thing at a time: a test must notice each change.
mutants: .venv/ready
	$(BIN)/python -m tests.mutants

# 10,000 receipts by eight workers that are killed all the time: a quarter of an hour.
storm: .venv/ready
	$(BIN)/python -m pytest tests/test_receipt_storm.py -n 0 -s --timeout 5400 --receipts $(or $(RECEIPTS),10000) --workers $(or $(WORKERS),8)

# Every mail and receipt as it looks, for docs/samples.
samples: .venv/ready
	$(BIN)/python -m pytest tests/samples.py -n 0 -p no:randomly

# Collect what is to be translated, and make what the service reads from what translators wrote.
translations: .venv/ready
	@mkdir -p build
	$(BIN)/pybabel -q extract -F translations/extract.cfg -k lazy_gettext --no-location --omit-header -o build/messages.pot .
	$(BIN)/pybabel -q update -i build/messages.pot -d translations -l fr --no-fuzzy-matching
	$(BIN)/pybabel -q compile -d translations

.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "Making the environment in .venv (a minute, once) …"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch .venv/ready

clean:
	rm -rf .venv var
