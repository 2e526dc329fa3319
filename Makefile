# make lab     .venv, everything installed, JupyterLab on chapter 00
# make test    the same .venv, everything that CI runs (STAGE=unit for one stage; see tests/everything.py)
# make bench   speed against the reference, side by side in one run
# make verify-large   ViT-L, ViT-H and ViT-g with random weights in the released layouts against transformers (half an hour)
# make book    the site, from the committed notebooks, into book/_build/html
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.minijepa-installed
HELP := scripts/system-packages installs it (on Debian: sudo scripts/system-packages)
QUIET_LAB := --LabApp.news_url= --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

.PHONY: lab test bench verify-large book install format clean

lab: $(READY)
	$(PY) -m jupyter lab $(QUIET_LAB) $$([ "$$(id -u)" = 0 ] && echo --allow-root) $(LAB) notebooks/00_*.ipynb

test: $(READY)
	$(PY) tests/everything.py $(STAGE)

bench: $(READY)
	OMP_NUM_THREADS=1 $(PY) -m pytest tests/benchmarks -m bench -s -q -p no:xdist

verify-large: $(READY)
	for size in vit_l vit_h vit_g; do OMP_NUM_THREADS=1 nice -n 5 $(PY) -m tests.equivalence.large $$size || exit 1; done

book: $(READY)
	$(MAKE) --no-print-directory -C book PY=$(abspath $(PY))

install: $(READY)

format: $(READY)
	$(PY) -m ruff check --fix . && $(PY) -m ruff format .

clean:
	rm -rf book/_build .test-reports .pytest_cache .ruff_cache

# Runs again only when the two files that say what to install have changed.
$(READY): pyproject.toml constraints.txt scripts/jupyterlab_overrides.json
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11 or newer"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing (apt package python3-venv): $(HELP)"; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || { echo "Making .venv and installing: minutes, the first time."; $(PYTHON) -m venv .venv; }
	$(PY) -m pip install -qq --no-input --disable-pip-version-check -c constraints.txt -e '.[all]'
	mkdir -p .venv/share/jupyter/lab/settings
	cp scripts/jupyterlab_overrides.json .venv/share/jupyter/lab/settings/overrides.json
	touch $@
