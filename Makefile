# murallink: pays the people who take part in clinical trials, inside PostgreSQL.
#
# make, make install, make installcheck, make clean   as every PGXS extension
# make check, demo, up, down, bench, fuzz, lint       install what is missing first (dev/run)
# make check TESTS='regress test/tap/010_race.pl'     only these (test/run)

export PG_CONFIG ?= /usr/lib/postgresql/15/bin/pg_config

COMMANDS = check demo up down bench fuzz lint
ifneq (,$(filter $(COMMANDS),$(MAKECMDGOALS)))

.PHONY: $(COMMANDS)
.NOTPARALLEL:
$(COMMANDS):
	@dev/run $@ $(TESTS)

else

EXTENSION = murallink
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" murallink.control)
MODULE_big = murallink

# A group has one name in sql and src, and a subject has one name everywhere. Each uses only those before it.
GROUPS = base access registry money calls notices payouts partners worker analysis api

base = schema error text mail_address answer install isolation place apart secret seal clock ksuid moment money phone address time_zone name change crash_point
access = password identity password_reset permission role audit account api_key sign_on
registry = file payment_type client contract trial site grant access_list people payout_account enrollment consent template appointment transfer similar roster caregiver document
money = schedule visit_due fund payment top_up reference my_places
notices = notice message
calls = http mail partner worker_slot partner_setup brake call request
payouts = card payout route look_up load pay balance replacement reversal recovery return_payment payout_control approval move_payment part limit visit_match visit_done visit_go_on
partners := $(shell sed -n 's/^PARTNER(\(.*\))$$/\1/p' src/calls/partner_table.h)
worker = participation merge event webhook worker follow needs_person task launcher
analysis = audit_trail payment_history paid owed dimension expected_visit liability schedule_at tax
api = report import api relation privileges

# $(call files,PATTERN...): the files that the subjects have, in their order. In a pattern @ is a group, % a subject of it.
files = $(foreach group,$(GROUPS),$(foreach subject,$($(group)), \
	$(sort $(wildcard $(subst %,$(subject),$(subst @,$(group),$(1)))))))

SQL := $(call files,sql/@/%.sql)
DATA_SQL := $(call files,sql/@/data/%.sql)
SOURCES := $(sort src/murallink.c $(call files,src/@/%.c src/@/%_*.c))
REGRESS := install $(filter-out install,$(patsubst test/sql/%.sql,%,$(call files,test/sql/%.sql)))
ISOLATION := $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec))

STRAYS := $(filter-out $(SQL) $(DATA_SQL) $(SOURCES) $(REGRESS:%=test/sql/%.sql), \
	$(wildcard sql/*.sql sql/*/*.sql sql/*/*/*.sql src/*.c src/*/*.c test/sql/*.sql))
$(if $(STRAYS),$(error no subject of the Makefile has $(STRAYS)))

OBJS = $(SOURCES:.c=.o)
# make CRASH_POINTS=1: for the tests, which make it crash, and may let it hash passwords at less than the least costs.
PG_CPPFLAGS = $(GROUPS:%=-iquote src/%) $(if $(CRASH_POINTS),-DMURALLINK_CRASH_POINTS)
SHLIB_LINK = -lcsv -lcurl -licui18n -licuuc -ljansson -lsodium -lxlsxwriter
DATA_built = murallink--$(EXTVERSION).sql
DATA = $(wildcard murallink--*--*.sql)
EXTRA_CLEAN = build/crash_points build/regress* build/isolation build/locales* build/tap build/output build/sandbox

# The rules for installcheck are below: pg_regress 15 wants sql/ and expected/ side by side.
NO_INSTALLCHECK = 1
# Bitcode for inlining by the JIT: these functions spend their time elsewhere.
override with_llvm = no

# What cannot be built without; where it is missing it is installed before PGXS is looked for.
NEEDED = $(PG_CONFIG) /usr/include/csv.h /usr/include/jansson.h /usr/include/sodium.h /usr/include/unicode/uidna.h /usr/include/xlsxwriter.h
$(if $(filter-out $(wildcard $(NEEDED)),$(NEEDED)),$(shell dev/deps >&2))

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

.DELETE_ON_ERROR:

$(OBJS): $(wildcard src/*/*.h)
$(patsubst %.c,%.o,$(shell grep -l crash_point.h $(SOURCES))): build/crash_points

# Changes when CRASH_POINTS does.
build/crash_points: FORCE
	@mkdir -p $(@D)
	@echo '$(CRASH_POINTS)' | cmp -s - $@ || echo '$(CRASH_POINTS)' > $@

.PHONY: FORCE

# The extension's script: the subjects one after the other, and all of the data in the body of
# murallink.install(), where sql/base/install.sql has the line "-- @data@".
$(DATA_built): Makefile murallink.control $(SQL) $(DATA_SQL)
	{ printf '%s\n' '\echo Use "CREATE EXTENSION murallink" to load this file. \quit' \
	'SET LOCAL check_function_bodies = off;'; \
	sed -e '/^ *-- @data@$$/{' $(DATA_SQL:%=-e 'r %') -e 'd' -e '}' $(SQL); } > $@

# For dev/order: each group, and its subjects.
.PHONY: order
order:
	@$(foreach group,$(GROUPS),echo '$(group): $($(group))';)

.PHONY: regress isolation
installcheck: regress isolation

# make regress suffix=.NAME: in a directory of its own, so that several can run at the same time.
regress: build/regress$(suffix)
	$(pg_regress_installcheck) --inputdir=$< --outputdir=$< --dbname=$(CONTRIB_TESTDB) $(REGRESS)

isolation: build/isolation
	$(if $(ISOLATION),$(pg_isolation_regress_installcheck) --inputdir=$< --outputdir=$< \
	--dbname=$(ISOLATION_TESTDB) $(ISOLATION))

build/regress$(suffix) build/isolation:
	mkdir -p $@
	ln -s ../../expected $@/expected
	ln -s ../../test/$(if $(filter build/regress%,$@),sql,isolation/specs) $@/

endif
