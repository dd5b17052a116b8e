# `make demo` runs the default study, `make test` the tests; all set up .venv by themselves.

PYTHON ?= python3
CORES ?= all
PROFILE ?= long
# One more than cores: tests that run Snakemake wait for it.
WORKERS ?= $(shell expr 1 + $$(nproc 2>/dev/null || sysctl -n hw.ncpu))
VENV := .venv
SNAKEMAKE := $(VENV)/bin/snakemake
# Several test processes at once, each with whole files in their order, so that fixtures serve all of a file.
TESTS := $(VENV)/bin/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help demo schema test test-all quick-tests all-tests lint release-check test-slurm test-conda test-faults bench-encoding bench-reading bench-capability bench-tuning bench-analysis bench-scaling clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   set up .venv, run the default study, write results/report/index.html"
	@echo "make test   set up .venv, run the checks and the tests, as many at once as there are cores"
	@echo "make test-all  the same and the tests that take long or need real data, among them the default study"
	@echo "make test-slurm  start a SLURM cluster here and run a study on it (root, Debian packages)"
	@echo "make test-conda  run the study with --sdm conda, against a local channel of PyPI's wheels"
	@echo "make test-faults  kill jobs and Snakemake, fill the disk, damage files: the results stay the same (Linux, root)"
	@echo "make lint   ruff, snakefmt, mypy"
	@echo "make release-check  is the tree ready for the version in pyproject.toml"
	@echo "make schema  docs/config.md and resources/config.schema.json from the classes of the settings"
	@echo "make bench-encoding, bench-reading, bench-capability, bench-tuning  measure against peers (minutes to an hour, quiet machine)"
	@echo "make bench-analysis  do the tests of the analysis keep their word, how long does it take (half an hour, quiet machine)"
	@echo "make bench-scaling  what planning and single jobs cost (ten minutes, quiet machine)"
	@echo "make clean  remove .venv (results stay)"

$(VENV)/installed: requirements.txt constraints.txt
	@echo "setting up $(VENV) from requirements.txt"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or 3.12 is needed, this is " + sys.version) if sys.version_info[:2] not in ((3, 11), (3, 12)) else None'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --no-compile --quiet --disable-pip-version-check -r requirements.txt -c constraints.txt
	PYTHONPATH=scripts env -u PYTHONDONTWRITEBYTECODE $(VENV)/bin/python -m brainalign.study.precompile
	touch $@

# Tests import more than jobs do: all is compiled. (compileall fails where any package has a file of
# another Python's syntax; such files are never imported.)
$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(VENV)/bin/pip install --no-compile --quiet --disable-pip-version-check -r requirements-dev.txt -c constraints.txt
	-$(VENV)/bin/python -m compileall -q -j 0 $(VENV)/lib >/dev/null
	touch $@

demo: $(VENV)/installed
	$(SNAKEMAKE) --cores $(CORES) --quiet rules host
	@$(SNAKEMAKE) --report results/report.html --quiet all
	@echo "report: results/report/index.html   (Snakemake's, with run times: results/report.html)"

lint: $(VENV)/installed-dev
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/snakefmt --check Snakefile rules
	$(VENV)/bin/mypy

# The version stands in pyproject.toml alone; the change log has its section, and none above it.
release-check: schema
	@test -z "$$(git status --porcelain)" || { git status --short; echo "commit first (generated pages, too)"; exit 1; }
	@version=$$($(VENV)/bin/python -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])'); \
	newest=$$(sed -n 's/^## //p' CHANGELOG.md | head -1); \
	test "$$version" = "$$newest" || { echo "CHANGELOG.md begins with $$newest, pyproject.toml says $$version"; exit 1; }; \
	! git rev-parse --quiet --verify "refs/tags/v$$version" >/dev/null || { echo "v$$version is tagged already"; exit 1; }; \
	echo "ready: make test-all, then git tag v$$version"

schema: $(VENV)/installed
	PYTHONPATH=scripts $(VENV)/bin/python -m brainalign.study.reference

# Linters run beside the tests: the first run of mypy takes a core's minute.
test: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory -j 2 lint quick-tests

test-all: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory -j 2 lint all-tests

quick-tests: $(VENV)/installed-dev
	$(TESTS) -m "not long and not real"

all-tests: $(VENV)/installed-dev
	$(TESTS) --hypothesis-profile $(PROFILE)

$(VENV)/installed-slurm: $(VENV)/installed-dev requirements-slurm.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r requirements-slurm.txt -c constraints.txt
	touch $@

test-slurm: $(VENV)/installed-slurm
	$(VENV)/bin/python -m pytest tests/slurm

test-conda: $(VENV)/installed-dev
	$(VENV)/bin/python -m pytest tests/conda

test-faults: $(VENV)/installed-dev
	$(VENV)/bin/python -m pytest tests/faults

bench-encoding: $(VENV)/installed-dev
	$(VENV)/bin/python benchmarks/encoding.py

bench-reading: $(VENV)/installed-dev
	$(VENV)/bin/python benchmarks/reading.py

bench-capability: $(VENV)/installed-dev
	$(VENV)/bin/python benchmarks/capability.py

bench-tuning: $(VENV)/installed-dev
	$(VENV)/bin/python benchmarks/tuning.py

bench-analysis: $(VENV)/installed-dev
	$(VENV)/bin/python benchmarks/analysis.py

bench-scaling: $(VENV)/installed-dev
	$(VENV)/bin/python benchmarks/dag.py
	$(VENV)/bin/python benchmarks/scaling.py
	$(VENV)/bin/python benchmarks/study_cost.py

clean:
	rm -rf $(VENV)
