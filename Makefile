# Weir.  GNU make; the targets that matter:
#
#   make            the module, the worker, the tool and the mock LLM -> build/
#   make run        the same, then a running system on port 8080
#   make test       everything that is tested: lint, check, corpus, prove, chaos
#   make check      unit tests only             make prove   t/ only
#   make asan       t/ again, nginx and all of ours with sanitizers
#   make fuzz       FUZZ_SECONDS each, FUZZ=name for one target
#   make chaos      everything is killed, and nothing may be lost: KILLS, SEED;
#                   chaos-short, chaos-mutants: lua-free-tests/chaos/README.md
#   make bench      ROW=name for one row
#   make image      docker images; make test-image runs them
#   make install    PREFIX, DESTDIR, MODULEDIR
#
# "make deps" and "make test-deps" install Debian or Ubuntu packages
# (conf/packages); run and test do so by themselves.

BUILD        ?= build
PREFIX       ?= /usr/local
MODULEDIR    ?= /usr/lib/nginx/modules
FUZZ_SECONDS ?= 60

# V=1 shows the commands

do = $(if $(V),,@echo "  $(1)"; )

TOOLS   := lua-free-tests/tools
SUBMAKE := $(MAKE) --no-print-directory

# SANITIZE=1 builds everything with sanitizers; the rule that needs it calls
# make again with another BUILD

SAN     := -fsanitize=address,undefined -fno-sanitize-recover=undefined
NGX_SAN := $(SAN) -fno-sanitize=nonnull-attribute,alignment
ASAN    := SANITIZE=1 BUILD=$(if $(SANITIZE),$(BUILD),$(BUILD)/asan)

# FAULTS=1 BUILD=build/faults is a worker that fails where a test wants it to:
# see worker/fault.h

ifdef FAULTS
CPPFLAGS += -DWEIR_FAULTS
endif

HARDEN  := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE

CPPFLAGS += -Icommon
CFLAGS   ?= -O2 -g
CFLAGS   += -std=gnu11 -Wall -Wextra -Werror
LDFLAGS  += -Wl,--as-needed

ifdef SANITIZE
override CFLAGS  += -O1 -fno-omit-frame-pointer $(SAN) \
                    $(if $(FUZZING),-fsanitize=fuzzer-no-link -Wno-error)
override LDFLAGS += $(SAN)
else
override CFLAGS  += $(HARDEN)
override LDFLAGS += -pie -Wl,-z,relro,-z,now
endif

WORKER_LIBS := -luv -lcurl -ljansson -lhiredis -lconfuse -lmicrohttpd \
               -lcrypto -lpthread
TOOL_LIBS   := -luv -lcurl -ljansson -lhiredis -lcrypto
MOCK_LIBS   := -lmicrohttpd -ljansson -lcrypto -lpthread -lm

OBJ     := $(BUILD)/c
objects  = $(patsubst %.c,$(OBJ)/%.o,$(1))

COMMON  := $(call objects,$(wildcard common/*.c))
MOCK    := $(call objects,$(wildcard worker/mock_*.c))
WORKER  := $(filter-out $(MOCK),$(call objects,$(wildcard worker/*.c)))
TOOL    := $(call objects,$(wildcard worker/cli/*.c) \
               $(addprefix worker/,heap.c http.c http_handle.c loop.c mem.c \
                                   retry_after.c watch.c))

MODULE  := $(BUILD)/ngx_http_weir_module.so
DAEMONS := $(BUILD)/weir-worker $(BUILD)/weir $(BUILD)/weir-mock-llm


.PHONY: all artefacts module worker faults deps test-deps run test check unit replay prove \
        asan asan-deps test-trixie fuzz fuzz-one lint bench install image \
        test-image clean chaos chaos-build chaos-parts chaos-short \
        chaos-mutants
.DELETE_ON_ERROR:
.SECONDARY:


all:
	@$(TOOLS)/deps.sh --check build
	@+$(SUBMAKE) artefacts

artefacts: module $(DAEMONS)

module:
	@BUILD=$(BUILD) SAN_FLAGS="$(if $(SANITIZE),$(NGX_SAN))" \
	    ngx_module/build.sh

$(BUILD)/weir-worker: $(WORKER) $(BUILD)/libweir.a
	$(call do,LINK $@)$(CC) $(LDFLAGS) -o $@ $^ $(WORKER_LIBS)

$(BUILD)/weir: $(TOOL) $(BUILD)/libweir.a
	$(call do,LINK $@)$(CC) $(LDFLAGS) -o $@ $^ $(TOOL_LIBS)

$(BUILD)/weir-mock-llm: $(MOCK) $(BUILD)/libweir.a
	$(call do,LINK $@)$(CC) $(LDFLAGS) -o $@ $^ $(MOCK_LIBS)

$(BUILD)/libweir.a: $(COMMON)
	@rm -f $@
	@ar rcs $@ $^

$(OBJ)/worker/%.o: CPPFLAGS += -Iworker
$(OBJ)/lua-free-tests/%.o: CPPFLAGS += -Iworker

$(OBJ)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call do,CC   $<)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

-include $(wildcard $(OBJ)/*/*.d $(OBJ)/*/*/*.d)


deps:
	@$(TOOLS)/deps.sh build run

test-deps: deps
	@$(TOOLS)/deps.sh test
	@$(TOOLS)/get-test-nginx.sh
	@$(TOOLS)/get-node.sh

run: deps
	@+$(SUBMAKE) all
	@exec conf/quickstart/up

test: test-deps
	@+$(SUBMAKE) all
	@+rc=0; for t in lint check replay prove chaos-short; do \
	    $(SUBMAKE) $$t || rc=1; done; exit $$rc

lint: all
	@BUILD=$(BUILD) $(TOOLS)/lint.sh

# tests of failures have a worker of their own

faults:
	@+$(SUBMAKE) FAULTS=1 BUILD=$(BUILD)/faults worker

worker: $(BUILD)/weir-worker

prove: all faults
	@$(TOOLS)/get-test-nginx.sh
	@$(TOOLS)/get-node.sh
	@BUILD=$(BUILD) $(TOOLS)/prove.sh $(T)

asan: test-deps
	@$(TOOLS)/build-nginx-asan.sh
	@+$(SUBMAKE) $(ASAN) all faults
	@BUILD=$(BUILD)/asan $(TOOLS)/prove.sh $(T)

test-trixie:
	@$(TOOLS)/test-trixie.sh


# unit tests and the corpus always run sanitized.  A test links libweir.a and
# what its line "/* with: worker/FILE.c ... */" names

UNIT  := $(basename $(notdir $(wildcard lua-free-tests/unit/test_*.c)))
FUZZ  ?= $(patsubst fuzz_%,%,$(basename $(notdir \
             $(wildcard lua-free-tests/fuzz/fuzz_*.c))))

with   = $(call objects,$(shell sed -n 's,^/\* with: \(.*\) \*/$$,\1,p' $(1)))

check:
	@+$(SUBMAKE) $(ASAN) unit

replay:
	@+$(SUBMAKE) $(ASAN) replay-all

fuzz:
	@$(TOOLS)/deps.sh fuzz
	@+$(SUBMAKE) CC=clang SANITIZE=1 FUZZING=1 BUILD=$(BUILD)/fuzz fuzz-all

unit: $(UNIT:%=$(BUILD)/unit/%)
	@$(TOOLS)/unit.sh $^

replay-all: $(FUZZ:%=$(BUILD)/replay/%)
	@$(TOOLS)/replay.sh $^

fuzz-all: $(FUZZ:%=$(BUILD)/fuzz_%)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) BUILD=$(BUILD) $(TOOLS)/fuzz.sh $^

define unit_program
$(BUILD)/unit/$(1): $(OBJ)/lua-free-tests/unit/$(1).o \
        $(call with,lua-free-tests/unit/$(1).c) $(BUILD)/libweir.a
	@mkdir -p $$(@D)
	$$(call do,LINK $$@)$$(CC) $$(LDFLAGS) -o $$@ $$^ -lcmocka -lm $$(WORKER_LIBS)
endef

define fuzz_program
$(BUILD)/replay/$(1): $(OBJ)/lua-free-tests/fuzz/replay.o

$(BUILD)/replay/$(1) $(BUILD)/fuzz_$(1): \
        $(OBJ)/lua-free-tests/fuzz/fuzz_$(1).o \
        $(call with,lua-free-tests/fuzz/fuzz_$(1).c) $(BUILD)/libweir.a
	@mkdir -p $$(@D)
	$$(call do,LINK $$@)$$(CC) $$(LDFLAGS) $$(FUZZER) -o $$@ $$^ $$(WORKER_LIBS)
endef

$(BUILD)/fuzz_%: FUZZER = -fsanitize=fuzzer

$(foreach t,$(UNIT),$(eval $(call unit_program,$(t))))
$(foreach t,$(FUZZ),$(eval $(call fuzz_program,$(t))))


$(BUILD)/bench/jobs: $(OBJ)/lua-free-tests/bench/jobs.o \
        $(call with,lua-free-tests/bench/jobs.c) $(BUILD)/libweir.a
	@mkdir -p $(@D)
	$(call do,LINK $@)$(CC) $(LDFLAGS) -o $@ $^ $(TOOL_LIBS)

$(BUILD)/bench/streams: $(OBJ)/lua-free-tests/bench/streams.o
	@mkdir -p $(@D)
	$(call do,LINK $@)$(CC) $(LDFLAGS) -o $@ $^

# chaos: always against a worker that knows the named points and the poison

CHAOS         := lua-free-tests/chaos
CHAOS_PARTS   := $(addprefix $(BUILD)/chaos/,driver nemesis proxy checker)
FAULTY        := FAULTS=1 BUILD=$(BUILD)/faults

chaos_part = $(patsubst %,$(OBJ)/$(CHAOS)/%.o,chaos $(1))

$(BUILD)/chaos/driver: $(call chaos_part,driver plan reader sse)
$(BUILD)/chaos/nemesis: $(call chaos_part,nemesis course)
$(BUILD)/chaos/proxy: $(call chaos_part,proxy)
$(BUILD)/chaos/checker: $(call chaos_part,checker checker_logs checker_redis \
                                          checker_aof checker_asked \
                                          checker_rules checker_said \
                                          checker_streams json)

$(CHAOS_PARTS):
	@mkdir -p $(@D)
	$(call do,LINK $@)$(CC) $(LDFLAGS) -o $@ $^ -lcurl -lhiredis

chaos-build:
	@$(TOOLS)/deps.sh build run
	@+$(SUBMAKE) $(FAULTY) artefacts chaos-parts

chaos-parts: $(CHAOS_PARTS)

chaos: chaos-build
	@BUILD=$(BUILD)/faults $(CHAOS)/run

chaos-short: chaos-build
	@KILLS=50 BUILD=$(BUILD)/faults $(CHAOS)/run

chaos-mutants: chaos-build
	@BUILD=$(BUILD)/faults $(CHAOS)/mutants.sh $(MUTANT)

bench: all
	@$(TOOLS)/deps.sh run bench
	@+$(SUBMAKE) $(BUILD)/bench/jobs $(BUILD)/bench/streams
	@BUILD=$(BUILD) lua-free-tests/bench/run $(ROW)

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin \
	    $(DESTDIR)$(MODULEDIR)
	install -m 755 $(BUILD)/weir $(BUILD)/weir-mock-llm \
	    $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILD)/weir-worker $(DESTDIR)$(PREFIX)/sbin
	install -m 644 $(MODULE) $(DESTDIR)$(MODULEDIR)

image:
	@BUILD=$(BUILD) docker/build.sh

test-image:
	@$(TOOLS)/deps.sh run image
	@BUILD=$(BUILD) ENGINE=buildah docker/build.sh
	@BUILD=$(BUILD) docker/test-image.sh

clean:
	rm -rf $(BUILD)
