# Everything a newcomer types. It needs Python 3.11 or newer and make; each target makes its own environment.
# Options for the command behind a target go into ARGS: make serve ARGS="--port 9000"

.DEFAULT_GOAL := help
.PHONY: help serve demo test test-clients test-faults nightly coverage browser check docs regenerate bench lock clean

ARGS ?=
PYTHON_IN_VENV := .venv/bin/python

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-19s %s\n", $$1, $$2 }'

serve: .venv/.server ## Start the registry server on localhost:8001
	@$(PYTHON_IN_VENV) -m registry $(ARGS)

# One worker runs a class's or else a module's tests, so that what they share, a server say, is made once.
# (Not loadgroup: pytest-xdist 3.8 does not see its marks with pytest 9.2, and says nothing.)
demo: .venv/.demo ## Watch four workers share a search through the registry
	@$(PYTHON_IN_VENV) docs/examples/digits/demo.py $(ARGS)

test: .venv/.dev ## Run all tests; a skipped test is a failure
	@PYTHONPATH="$(CURDIR)/.ci" $(PYTHON_IN_VENV) -m pytest -p no_skips -n auto --dist loadscope $(ARGS)

test-faults: .venv/.dev ## Kill, cut off, fill up and attack servers: an hour, a table (ARGS="--share 0.1 --write")
	@$(PYTHON_IN_VENV) -m tests.faults $(ARGS)

nightly: .venv/.dev ## A million mutated pickles, 2,000 fuzzing cases an operation: half an hour
	@REGISTRY_TEST_MUTANTS=1000000 FUZZ_CASES=2000 $(MAKE) --no-print-directory test \
		ARGS="tests/unit/envelope tests/server/test_conformance_fuzz.py tests/faults/test_hostile.py $(ARGS)"

coverage: .venv/.dev ## Run all tests, and say what of the code they ran
	@$(MAKE) --no-print-directory test ARGS="--cov --cov-report=term $(ARGS)"

browser: .venv/.dev ## Test the pages in headless Chromium, which has to be installed
	@PYTHONPATH="$(CURDIR)/.ci" $(PYTHON_IN_VENV) -m pytest -p no_skips tests/browser $(ARGS)

test-clients: .venv/.dev ## Generate, build and test clients in TypeScript, Go and Rust; needs node, go and cargo
	@$(PYTHON_IN_VENV) -m tests.clients $(ARGS)

check: .venv/.dev ## Run the gates: style, types, imports, contract, generated code; needs node and go
	@.ci/check $(ARGS)

docs: ## Render openapi.yaml as one page that needs no network, docs/_build/api.html; needs node
	@.ci/render docs/_build/api.html

regenerate: .venv/.dev ## Generate the HTTP client anew from openapi.yaml
	@.ci/regenerate generated/registry_client

bench: .venv/.dev ## Measure server and registries against others on this machine
	@$(PYTHON_IN_VENV) -m tests.benchmarks $(ARGS)

lock: .venv/.dev ## Pin the dependencies of pyproject.toml again (ARGS=--upgrade: the newest)
	@.ci/lock $(ARGS)

clean: ## Remove the environment and whatever building and testing left
	rm -rf .venv dist docs/_build .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache .schemathesis
	rm -rf .ci/redocly/node_modules tests/clients/go/registry tests/clients/rust/Cargo.lock tests/clients/rust/target
	cd tests/clients/typescript && rm -rf build generated node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Serving needs half of what testing needs, so it does not wait for the rest.
.venv/.server: pyproject.toml .ci/requirements-server.txt
	@.ci/venv .ci/requirements-server.txt
	@touch $@

ifneq ($(shell cat .venv/.made-in 2>/dev/null),$(CURDIR))
.PHONY: .venv/.server
endif

.venv/.demo: .venv/.server .ci/requirements-demo.txt
	@.ci/venv .ci/requirements-demo.txt
	@touch $@

.venv/.dev: .venv/.server .ci/requirements.txt
	@.ci/venv .ci/requirements.txt
	@touch $@
