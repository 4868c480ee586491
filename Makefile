PYTHON ?= python3
BIN := .venv/bin
# The versions to install, in a .venv that isn't there yet: or build/oldest.txt, or build/newest.txt.
CONSTRAINTS ?= constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab test notebooks bench links clean

help: ## list these targets
	@sed -n 's/^\([A-Za-z0-9_-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

lab: .venv/.installed ## open JupyterLab at notebooks/, with LAB="--no-browser --port=8890" or other options of its own
	$(BIN)/jupyter lab $(LAB) notebooks

# Types are checked with the versions that were tested: others declare others.
test: .venv/.installed .venv/colab/.installed .venv/axe/.installed ## every check: style, types, unit and browser tests, the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(if $(filter constraints.txt,$(CONSTRAINTS)),$(BIN)/mypy)
	$(BIN)/python -m pytest
	PYTHONPATH=$(CURDIR)/.venv/colab $(BIN)/python -m pytest -k "(well_made or page or choices or explorers or questions) and not (alone or browser or saved or states)"
	$(BIN)/python -m pytest --nbval --nbval-sanitize-with tests/sanitize.cfg notebooks

notebooks: .venv/.installed ## run all notebooks, or NOTEBOOKS="…", in fresh kernels and store their outputs
	$(BIN)/python tools/notebooks.py $(NOTEBOOKS)

# The peers are installed only for a part that asks them.
ASK_PEERS := $(if $(PARTS),$(filter reach cost,$(PARTS)),all)
bench: .venv/.installed $(if $(ASK_PEERS),.venv/peers/.installed) ## measure speed and memory, all or PARTS="steps cost"
	$(BIN)/python tools/bench.py $(PARTS)

links: ## point every link at your repository: make links REPO=owner/name BRANCH=main, or as git says
	$(PYTHON) tools/links.py "$(REPO)" "$(BRANCH)"

clean: ## remove .venv and everything else that a command made
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis

.venv/.installed: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c $(CONSTRAINTS) -e '.[lab,test]'
	$(BIN)/python -m convlab_jupyter
	touch $@

build/oldest.txt build/newest.txt: build/%.txt: pyproject.toml constraints.txt
	mkdir -p build
	$(PYTHON) tools/constraints.py $* > $@

# What Colab draws with, beside what .venv has: pictures and explorers are tested on both.
COLAB := anywidget==0.9.21 ipywidgets==7.7.1 ipython_genutils matplotlib==3.10.0 numpy==2.1.3
.venv/colab/.installed: .venv/.installed
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/colab $(COLAB)
	touch $@

# axe-core, which finds what keeps people out of a page. It is read as a file, so conda does without the package.
AXE := axe-playwright-python==0.1.8
.venv/axe/.installed: .venv/.installed
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/axe $(AXE)
	touch $@

# What the benchmark compares with, and what that needs, apart: no test sees it, and no other torch comes.
PEERS := fvcore torchinfo torchlens
PEERS_NEED := graphviz iopath portalocker safetensors tabulate termcolor tqdm yacs
.venv/peers/.installed: .venv/.installed
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/peers -c $(CONSTRAINTS) $(PEERS) $(PEERS_NEED)
	touch $@
