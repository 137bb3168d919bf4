# Two commands: `make book` and `make test`. The others are conveniences.
PYTHON ?= python3
RUN := .venv/bin
PYTEST := $(RUN)/python -m pytest

.DEFAULT_GOAL := book
.PHONY: book test check serve bench pdf offline dist compare audit clean

book:
	$(PYTHON) book/build.py

test: book
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/codespell
	$(RUN)/mypy
	$(PYTEST) -q -m caller $$(grep -l "mark\.caller" tests/*.py)
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 --dist worksteal -m "not caller and not release" \
	  --jaxtyping-packages=udl,beartype.beartype # shapes and types as annotated

check: book pdf offline # what a release needs besides: minutes to an hour
	$(PYTEST) -m release tests

serve: .venv/ready
	PYTHONPATH=book/_ext UDL_OFFLINE=1 $(RUN)/sphinx-autobuild . _build/html -d _build/.doctrees \
	  --pre-build "$(RUN)/jupyter-book config sphinx ." --open-browser \
	  --re-ignore "conf\.py$$|/(_build|\.venv|\.git|\.[a-z]+_cache)/"

bench: book
	$(RUN)/python benchmarks/run_all.py

pdf: book
	$(RUN)/python publish/pdf.py

offline: book
	$(RUN)/python publish/offline.py

dist: .venv/ready # wheel and sdist
	$(RUN)/python -m build --outdir _build/dist

compare: .venv/ready # make compare A=one/numbers.json B=another/numbers.json
	$(RUN)/python publish/compare.py "$(A)" "$(B)"

audit: .venv/ready
	$(RUN)/python publish/licenses.py
	$(RUN)/python publish/audit.py

clean:
	rm -rf _build

# Made once, and again when what it is made from changes.
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable ".[book,test]"
	touch $@
