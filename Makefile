PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help lab test notebooks bench links clean

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)

lab: .venv/.installed ## install into .venv and open JupyterLab at notebooks/
	$(BIN)/jupyter lab notebooks

test: .venv/.installed .venv/ipywidgets7/.installed ## every check: style, unit and browser tests, the notebooks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest
	PYTHONPATH=$(CURDIR)/.venv/ipywidgets7 $(BIN)/python -m pytest tests/test_explorers.py
	$(BIN)/python -m pytest --nbval notebooks

notebooks: .venv/.installed ## run every notebook in a fresh kernel and store its outputs
	$(BIN)/python tools/notebooks.py

bench: .venv/.installed .venv/peers/.installed ## measure speed and memory beside the alternatives: make bench PARTS="reach cost"
	$(BIN)/python tools/bench.py $(PARTS)

links: ## point every link at your repository: make links REPO=owner/name BRANCH=main, or as git says
	$(PYTHON) tools/links.py "$(REPO)" "$(BRANCH)"

clean: ## remove .venv and everything else that a command made
	rm -rf .venv build *.egg-info .pytest_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[lab,test]'
	touch $@

# The widgets that Colab has, beside those of .venv: the explorers are tested on both.
.venv/ipywidgets7/.installed: .venv/.installed
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/ipywidgets7 ipywidgets==7.7.1 ipython_genutils
	touch $@

# What the benchmark compares with, and what that needs, apart: no test sees it, and no other torch comes.
PEERS := fvcore torchinfo torchlens
PEERS_NEED := graphviz iopath portalocker safetensors tabulate termcolor tqdm yacs
.venv/peers/.installed: .venv/.installed
	$(BIN)/python -m pip install -q --no-deps --upgrade --target .venv/peers -c constraints.txt $(PEERS) $(PEERS_NEED)
	touch $@
