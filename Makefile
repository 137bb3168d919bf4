# Two commands: `make book` and `make test`. The others are conveniences.
PYTHON ?= python3
RUN := .venv/bin
BUILD := $(RUN)/jupyter-book build . -W --quiet

.DEFAULT_GOAL := book
.PHONY: book test serve bench clean

book: .venv/ready
	$(RUN)/python -m udl.data
	UDL_OFFLINE=1 $(BUILD)

test: book
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/codespell
	$(RUN)/mypy
	$(RUN)/python -m pytest -q -m caller $$(grep -l "mark\.caller" tests/*.py)
	OMP_NUM_THREADS=1 $(RUN)/python -m pytest -n 2 --dist worksteal -m "not caller" \
	  --jaxtyping-packages=udl,beartype.beartype # shapes and types as annotated

serve: .venv/ready
	PYTHONPATH=book/_ext UDL_OFFLINE=1 $(RUN)/sphinx-autobuild . _build/html \
	  --pre-build "$(RUN)/jupyter-book config sphinx ." --open-browser \
	  --re-ignore "conf\.py$$|/(_build|\.venv|\.git|\.[a-z]+_cache)/"

bench: book
	$(RUN)/python benchmarks/run_all.py

clean:
	rm -rf _build

# Made once, and again when what it is made from changes.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable ".[book,test]"
	touch $@
