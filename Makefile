# Two commands on a fresh machine: make run, make test.
PYTHON ?= python3
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Images of Python turn bytecode off: then each process compiles all of the service and the tests again.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help run test lint architecture bench books pages streams exports mutants long storm readers samples screenshots weight translations lock clean .venv/moved

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' Makefile

run: .venv/ready-run ## Start everything: database, queue, Stripe sandbox, mailbox, web, worker (PORT=8000)
	@exec $(BIN)/python -m campaign.devstack

test: .venv/ready-test lint ## Run the whole test suite (ARGS="tests/test_money.py -x")
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/ready-test ## Check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

architecture: .venv/ready-run ## Print packages, imports, sizes and names
	$(BIN)/python -m tools.architecture

bench: .venv/ready-run ## Run the benchmarks and print a table (COUNT=1000)
	$(BIN)/python -m benchmarks $(COUNT)

books: .venv/ready-run ## Measure the check of large books (COUNT=300000), 11 minutes and 35 GB
	$(BIN)/python -m benchmarks.books $(COUNT)

pages: .venv/ready-run ## Load COUNT donations (1000000) and measure the pages of staff, funders and donors
	$(BIN)/python -m benchmarks.pages $(COUNT)

streams: .venv/ready-run ## Open COUNT streams of totals (2000) on one web process and measure lag, memory and CPU
	$(BIN)/python -m benchmarks.streams $(COUNT)

exports: .venv/ready-run ## Measure the exports of the books in DATABASE_URL
	$(BIN)/python -m benchmarks.exports

mutants: .venv/ready-test ## Change the triggers that move money, one at a time: a test must notice each change
	SCALE=2 $(BIN)/python -m tools.mutants

long: .venv/ready-test ## Run the random tests twenty times as long as in the suite, an hour or two (SCALE=20)
	SCALE=$(or $(SCALE),20) $(BIN)/python -m pytest --timeout 7200 $$(grep -l "tests.scale" tests/test_*.py)

storm: .venv/ready-test ## Issue 10,000 receipts while workers are killed, 15 minutes (RECEIPTS=10000 WORKERS=8)
	$(BIN)/python -m pytest tests/test_receipt_storm.py -n 0 -s --timeout 5400 --receipts $(or $(RECEIPTS),10000) --workers $(or $(WORKERS),8)

readers: .venv/ready-test build/readers/ready ## Render receipts of every script and length, have other programs read them, two minutes
	$(BIN)/python -m tools.receipt_gallery

# Readers that are packages of Python and Node.js, apart from the service's environment. pdf.js is left out where there is no npm.
build/readers/ready: tools/readers.txt
	@$(PYTHON) -m venv build/readers
	@build/readers/bin/python -m pip install --quiet -r tools/readers.txt
	@! command -v npm >/dev/null || npm install --prefix build/readers --silent --no-audit --no-fund pdfjs-dist@5.6.205
	@touch $@

samples: .venv/ready-test ## Write the text of every email and receipt to docs/samples
	$(BIN)/python -m pytest -p tests.conftest tools/samples.py -n 0 -p no:randomly

screenshots: .venv/ready-test ## Write pictures of the pages on donors' ways to build/screenshots, in both languages, on phones and desktops
	rm -rf build/screenshots
	SCALE=2 $(BIN)/python -m pytest --pictures build/screenshots $$(grep -l "tests.journeys" tests/test_*.py)

weight: .venv/ready-test ## Print what the campaign's page weighs, and how soon its button can be used on a phone
	$(BIN)/python -m pytest -p tests.conftest tools/weight.py -n 0 -p no:randomly

guards: .venv/ready-test ## Write the digests of tables, constraints, triggers and functions, which check-books compares
	$(BIN)/python -m pytest -p tests.conftest tools/guards.py -n 0 -p no:randomly

SANDBOX := campaign/devstack/sandbox
translations: .venv/ready-run ## Collect the texts to translate, and compile the translations
	@mkdir -p build
	$(BIN)/pybabel -q extract -F translations/extract.cfg -k lazy_gettext -k lazy_ngettext:1,2 -k gettext_noop -k pgettext_noop:1c,2 --no-location --omit-header -o build/messages.pot .
	$(BIN)/pybabel -q update -i build/messages.pot -d translations -l fr --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	$(BIN)/pybabel -q compile -d translations
	$(BIN)/pybabel -q extract --no-location --omit-header -o build/sandbox.pot $(SANDBOX)
	$(BIN)/pybabel -q update -i build/sandbox.pot -d $(SANDBOX)/translations -l fr --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date
	$(BIN)/pybabel -q compile -d $(SANDBOX)/translations

# Each lock is constrained by the one before it, so that what is tested is what is deployed. Pinned versions are kept unless
# pyproject.toml rules them out.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
lock: .venv/ready-test ## Pin the dependencies in requirements*.lock (ARGS=--upgrade for the newest)
	$(COMPILE) $(ARGS) pyproject.toml -o requirements.lock
	$(COMPILE) $(ARGS) pyproject.toml --group devstack -c requirements.lock -o requirements-dev.lock
	$(COMPILE) $(ARGS) pyproject.toml --group test -c requirements-dev.lock -o requirements-test.lock
	$(COMPILE) $(ARGS) --group installer -o requirements-uv.lock

clean: ## Remove the environment and all data (stop `make run` first)
	rm -rf .venv var

# uv installs in a fraction of pip's time; pip installs it, and takes its place where it has no wheel or cannot reach the registry.
define install
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed, but $(PYTHON) was not found. To name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". To name another: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@echo "Installing $(1) into .venv (once) …"
	@$(PYTHON) -m venv .venv
	@pwd -P >.venv/checkout
	@{ $(BIN)/python -m pip install --quiet --only-binary :all: --require-hashes -r requirements-uv.lock && \
	  $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $(1); } >.venv/uv.log 2>&1 || \
	{ echo "uv is not available here (see .venv/uv.log); installing with pip, which takes longer …"; \
	  $(BIN)/python -m pip install -qq --require-hashes -r $(1); }
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
endef

# requirements-test.lock holds all of requirements-dev.lock.
.venv/ready-test: requirements-test.lock requirements-uv.lock pyproject.toml
	$(call install,requirements-test.lock)
	@touch .venv/ready-run $@

.venv/ready-run: requirements-dev.lock requirements-uv.lock pyproject.toml
	$(call install,requirements-dev.lock)
	@touch $@

# Scripts and the editable install hold absolute paths: an environment that was copied or moved with its checkout is made again.
MOVED := $(shell [ ! -d .venv ] || { [ -x $(BIN)/python ] && [ "$$(cat .venv/checkout 2>/dev/null)" = "$$(pwd -P)" ]; } || echo .venv/moved)
.venv/ready-run .venv/ready-test: $(MOVED)

.venv/moved:
	@echo "The environment in .venv was made for another path or Python; making it again."
	@rm -rf .venv
