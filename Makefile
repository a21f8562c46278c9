# Copyright (c) 2026, The stretch.cluster developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

STACKS ?= stack1,stack2
# What the lab's regions have beside Keystone; [] is Keystone alone.
LAB_SERVICES ?= glance,placement,neutron,nova
# Which drill `make drill` runs; several with commas in between.
DRILL ?= kill-member

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

STEP := tools/step
# Tests that install Keystones and other services of several releases: by themselves, in integration-merge.
MERGE := $(addprefix tests/integration/,keystone_cutover keystone_merge keystone_merge_cutover keystone_merge_login \
    keystone_releases keystone_rollback region_options service_users)
# A checkout of Infrared, for contract-infrared.
INFRARED ?=
# Which release tripleo runs with.
export TRIPLEO_RELEASE ?= queens
# Random populations of the unit tests are the same in each run; make unit SEED=$$RANDOM tries others.
SEED ?= 1
# What test-fast runs, the longest first, as two run at a time.
FAST := sanity lint build unit
CHECKS = $(MAKE) --no-print-directory --jobs=2 --output-sync=line --keep-going
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# ansible refuses a locale that is not UTF-8, and a CI machine often has none.
export LC_ALL := C.UTF-8
# Without this molecule wraps what ansible prints at 80 columns.
export MOLECULE_COMMAND_BORDERS := false
# A checkout that others can write to would lose its ansible.cfg otherwise.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help
help:  ## List the targets
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1|\2/p' Makefile | while IFS='|' read -r target what; do \
	    printf '  make %-18s %s\n' "$$target" "$$what"; done
	@echo "  STACKS=$(STACKS) selects the stacks of site, clean and lab, LAB_SERVICES=[] Keystone alone for site"

.PHONY: venv
venv:  ## Make .venv, what a run needs
	@tools/venv requirements.txt

.PHONY: venv-dev
venv-dev:  ## Add to .venv what the tests need
	@tools/venv requirements-dev.txt

.PHONY: site
site: venv  ## Build the regions and stretch Galera and Keystone over them
	@$(STEP) site ansible-playbook site.yml -e stacks=$(STACKS) -e lab_services=$(LAB_SERVICES)

.PHONY: clean
clean: venv  ## Remove what the lab made on this machine, nothing else
	@$(STEP) clean ansible-playbook site.yml -e stacks=$(STACKS) --tags cleanup_infrared

.PHONY: test
test: start venv-dev  ## Everything: test-fast, the tests against real servers, then the lab
	@echo "== two checks at a time; what each says follows when it ends"
	@$(CHECKS) integration contract $(FAST)
	@$(MAKE) --no-print-directory lab
	@tools/summary

.PHONY: test-fast
test-fast: start venv-dev  ## The tests that need neither the lab nor a server
	@echo "== two checks at a time; what each says follows when it ends"
	@$(CHECKS) $(FAST)
	@tools/summary

.PHONY: start
start:
	@rm -rf .build/steps .build/pytest
	@mkdir -p .build && date +%s > .build/started

.PHONY: lint
lint: venv-dev  ## ansible-lint, yamllint, ruff, mypy, shellcheck, documentation
	@$(STEP) ruff ruff check
	@$(STEP) ruff-format ruff format --check
	@$(STEP) mypy tools/mypy
	@$(STEP) yamllint yamllint --strict .
	@$(STEP) shellcheck tools/shellcheck
	@$(STEP) changelog antsibull-changelog lint
	@$(STEP) role-readmes python tools/role_readme.py --check
	@$(STEP) docs-lint antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
	@$(STEP) ansible-lint ansible-lint --strict

.PHONY: sanity
sanity: venv-dev  ## ansible-test sanity
	@$(STEP) sanity tools/sanity

.PHONY: unit
unit: venv-dev  ## Unit tests
	@$(STEP) unit tools/pytest unit tests/unit --hypothesis-seed=$(SEED)

.PHONY: integration
integration: venv-dev  ## Tests against real servers that need no lab
	@tools/servers
	@$(STEP) integration tools/pytest integration tests/integration $(MERGE:%=--ignore=%)

.PHONY: integration-merge
integration-merge: venv-dev  ## Tests of the merge with real Keystones of several releases, and of region options
	@tools/servers
	@$(STEP) integration-merge tools/pytest integration-merge $(wildcard $(MERGE))

.PHONY: contract
contract: venv-dev  ## What the provider tripleo makes, against the real packages of each release, libvirt and Infrared's options
	@$(STEP) contract tools/contract

.PHONY: contract-infrared
contract-infrared: venv-dev  ## The same against a checkout of Infrared, as in make contract-infrared INFRARED=path
	@test -d '$(INFRARED)/.git' || { echo "say where a git checkout of Infrared is: INFRARED=path" >&2; exit 1; }
	@INFRARED='$(abspath $(INFRARED))' $(STEP) contract-infrared tools/contract tests/contract/test_infrared_checkout.py

.PHONY: build
build: venv-dev  ## Build the tarball, import it, run it from an empty directory
	@$(STEP) build tools/build

.PHONY: tripleo
tripleo: venv-dev  ## The provider tripleo on stand-ins, with a failure at each step (TRIPLEO_RELEASE=wallaby: another release)
	@$(STEP) tripleo molecule test --scenario-name tripleo
	@STANDIN_CALLS='$(CURDIR)/.build/tripleo-calls' $(STEP) tripleo-calls tools/contract \
	    tests/contract/test_scenario_calls.py -k '$(TRIPLEO_RELEASE)'

.PHONY: hypervisor
hypervisor: venv-dev  ## The provider tripleo's backend libvirt: machines start on a real libvirtd, and are reached by SSH
	@$(STEP) hypervisor molecule test --scenario-name hypervisor

.PHONY: existing
existing: venv-dev  ## The provider existing on regions that the lab made (EXISTING_LAYOUT=tripleo_docker, or native)
	@$(STEP) existing molecule test --scenario-name existing

.PHONY: lab
lab: venv-dev  ## Two stacks: build, build again, check, prove, tear down
	@$(STEP) lab molecule test

.PHONY: drill
drill: venv  ## Break the lab on purpose, as in make drill DRILL=kill-member
	@ansible-playbook playbooks/drill.yml -e stacks=$(STACKS) -e drill=$(DRILL)

.PHONY: drills
drills: venv  ## All drills, one after another (about half an hour)
	@$(STEP) drills ansible-playbook playbooks/drill.yml -e stacks=$(STACKS) -e drill=all

.PHONY: bench
bench: venv  ## Time make site from nothing, and its second run
	@tools/bench

.PHONY: bench-clustercheck
bench-clustercheck: venv-dev  ## clustercheck beside the usual shell script
	@tools/servers
	@python tools/bench_clustercheck.py

.PHONY: bench-merge
bench-merge: venv-dev  ## A merge of large Keystones beside a plain copy (BENCH_MERGE=--galera: into a cluster)
	@tools/servers
	@python tools/bench_merge.py $(BENCH_MERGE)

.PHONY: bench-cutover
bench-cutover: venv  ## deploy_stretch on a lab without it while clients of Keystone go on (BENCH_CUTOVER="--rows 1000000 --limit 20")
	@python tools/bench_cutover.py --services $(LAB_SERVICES) $(BENCH_CUTOVER) $(STACKS)

.PHONY: docs
docs: venv-dev  ## Write the roles' READMEs; pages of roles and plugins, into .build/docs
	@$(STEP) docs tools/docs
