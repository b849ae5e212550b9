# A reload keeps the counters (RL-28), or says that it cannot (RL-29); a step of
# the clock changes nothing (RL-27); a process that dies in a zone leaves an
# empty one.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(processes => 4, http => <<'END', server => <<'END2');
    weir_limit_zone $arg_k zone=kept:1m quota=300/month;
    weir_limit_zone $arg_k zone=rate:1m rate=3r/d burst=9;
    weir_limit_zone $arg_k zone=once:1m count=requests-at-once
                    max=1;
    weir_limit_zone $arg_k zone=torn:1m quota=5/month;
END
    location /kept { weir_limit zone=kept; return 204; }
    location /rate { weir_limit zone=rate; return 204; }
    location /once { weir_limit zone=once; limit_rate 1k;
                     alias html/large; }
    location /torn { weir_limit zone=torn; return 204; }
    location = /metrics { weir_metrics; }
END2

my $d = $stack->dir;
mkdir "$d/html";
Weir::Stack::write_file("$d/html/large", 'x' x 4_000_000);

# the system's clock, as a file says

my $clock = '';

if (!grep { /asan/ } $stack->{build}) {
    Weir::Stack::write_file("$d/clock.c", <<'END');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long
step(void)
{
    long  n = 0;
    FILE *f = fopen(getenv("CLOCK_STEP"), "r");

    if (f) {
        if (fscanf(f, "%ld", &n) != 1) {
            n = 0;
        }
        fclose(f);
    }

    return n;
}

int
gettimeofday(struct timeval *tv, void *tz)
{
    struct timespec  ts;
    static int     (*next)(clockid_t, struct timespec *);

    if (next == NULL) {
        next = (int (*)(clockid_t, struct timespec *))
                   dlsym(RTLD_NEXT, "clock_gettime");
    }

    next(CLOCK_REALTIME, &ts);
    tv->tv_sec = ts.tv_sec + step();
    tv->tv_usec = ts.tv_nsec / 1000;

    return 0;
}
END
    $clock = "$d/clock.so";
    system("cc -shared -fPIC -o $clock $d/clock.c -ldl") == 0 or $clock = '';
}

{
    local $ENV{LD_PRELOAD} = $clock if $clock;
    local $ENV{CLOCK_STEP} = "$d/step";
    $stack->{main} = 'env CLOCK_STEP;';
    $stack->start('nginx');
}

sub get { $stack->ask($_[0], no_key => 1) }

sub left {
    my $c = get($_[0]);
    my ($r) = ($c->header('RateLimit') // '') =~ /;r=(\d+)/;
    return $c->status == 204 ? $r : $c->status;
}

sub metric {
    my ($name, $zone) = @_;
    my ($n) = $stack->ask('/metrics')->body
              =~ /^\Q$name\E\{zone="$zone"[^}]*\} (\d+)$/m or die $name;
    return $n;
}

# reload(CODE [, STAY]): changes $_, the configuration; returns what the log said
# when no process is left but new ones, and so many that have something to do

sub reload {
    my ($change, $stay) = @_;

    local $_ = Weir::Stack::slurp("$d/nginx.conf");
    $change->() if $change;
    Weir::Stack::write_file("$d/nginx.conf", $_);

    my $before = length $stack->log('nginx');
    my %old = map { $_ => 1 } $stack->children('nginx');

    $stack->signal('nginx', 'HUP');
    $stack->wait_for(10, sub {
        my @now = $stack->children('nginx');
        (grep { !$old{$_} } @now) == 4
            && (grep { $old{$_} } @now) <= ($stay // 0);
    }, 'reloaded');

    return join '', map { "$_\n" } grep { /\[warn\].*weir: / }
                    split /\n/, substr $stack->log('nginx'), $before;
}


# RL-28

my $passed = 0;

for my $round (1 .. 8) {
    my @c = map { $stack->request('/kept?k=1', no_key => 1) } 1 .. 50;
    is(reload(), '', "reload $round") if $round < 8;
    push @c, map { $stack->request('/kept?k=1', no_key => 1) } 1 .. 20;
    Weir::Client::wait_all(20, @c);
    $passed += grep { $_->status == 204 } @c;
}

is($passed, 300, 'RL-28: as many as without a reload');

# requests under way are held over a reload

my $c = $stack->request('/once?k=1', no_key => 1);
$c->wait(10, qr/x/);
is(get('/once?k=1')->status, 429, 'one at once');
reload(undef, 1);
is(get('/once?k=1')->status, 429, 'also after a reload');
$c->close;
$stack->wait_for(10, sub { metric('weir_limit_zone_keys', 'once') == 0 },
                 'given back by the old process');
pass('until it ends');

# RL-29: what is kept, and what is not

is(left('/rate?k=1'), 9, 'a rate');
is(left('/kept?k=2'), 299, 'a quota');

is(reload(sub { s/rate=3r\/d burst=9/rate=5r\/h burst=19/ }), '',
   'another amount');
is(left('/rate?k=1'), 18, 'is kept');
is(reload(sub { s/quota=300\/month/quota=200\/month/ }), '', 'a smaller one');
is(left('/kept?k=2'), 198, 'is kept');
is(left('/kept?k=1'), 429, 'and what is above it refused');

sub anew {
    my ($name, $zone, $change, $path) = @_;
    my $said = reload($change);
    like($said, qr/\A[^\n]*"$zone"[^\n]*counters start anew\n\z/,
         "$name: the log names the zone");
    return left($path);
}

is(anew('size', 'kept', sub { s/kept:1m/kept:2m/ }, '/kept?k=2'), 199,
   'RL-29: another size');
is(left('/rate?k=1'), 17, 'does not touch others');
is(anew('key', 'kept', sub { s/\$arg_k zone=kept/x\$arg_k zone=kept/ },
        '/kept?k=2'), 199, 'another key');
is(anew('form', 'kept', sub { s/quota=200\/month/rate=200r\/d burst=9/ },
        '/kept?k=2'), 9, 'another form');
is(anew('unit', 'once', sub {
        s/count=requests-at-once\n\s*max=1;/\n rate=1r\/d;/ }, '/rate?k=1'), 16,
   'another unit');
is(left('/kept?k=2'), 8, 'what was made anew is kept from then on');

is(reload(sub { s/^.*zone=once.*\n.*\n//mg }), '', 'a zone that goes');
is(reload(sub { s/(^.*zone=kept:)/weir_limit_zone \$arg_k zone=new:1m rate=1r\/d;$1/m }),
   '', 'one that comes');

# RL-27

SKIP: {
    skip 'no clock to set', 6 if !$clock;

    is(left('/torn?k=c'), 4, 'a quota');
    is(left('/rate?k=c'), 19, 'a rate');

    my ($quota, $rate) = (4, 19);

    for my $step (3600, -3600, 86400 * 40) {
        Weir::Stack::write_file("$d/step", $step);
        sleep 1;                        # the date that nginx knows is older

        is(left('/torn?k=c') . ',' . left('/rate?k=c'),
           --$quota . ',' . --$rate, "RL-27: the clock is set by $step s");
    }

    my ($date) = get('/kept')->header('Date') =~ /, \d+ (\w+)/;
    isnt($date, (gmtime =~ /^\w+ (\w+)/)[0], 'it was set indeed');
    unlink "$d/step";
}

# a process that is killed while it changes a zone: its lock is freed by the
# master, and the flag says that the zone is torn

SKIP: {
    is(left('/torn?k=t'), 4, 'a key');
    is(left('/torn?k=t'), 3, 'twice');

    my ($pid) = $stack->children('nginx');
    my ($table, $lock) = zone($pid);
    skip 'the memory of a process cannot be read', 6 if !$table;

    kill 'STOP', $pid;
    poke($pid, $lock, $pid);            # the lock is its
    poke($pid, $table + 8, 1);          # and it is busy

    $stack->expect(qr/worker process $pid exited on signal 9/);
    $stack->expect(qr/zone "torn" was locked by $pid/);
    kill 'KILL', $pid;

    is(left('/torn?k=t'), 4, 'a torn zone is empty, and works');
    is(left('/torn?k=t'), 3, 'and counts');
    is(metric('weir_limit_zone_resets_total', 'torn'), 1, 'which is counted');
    is(metric('weir_limit_zone_resets_total', 'rate'), 0, 'of that zone');
    is(metric('weir_limit_zone_keys', 'torn'), 1, 'it has one key');
    is(left('/rate?k=c') =~ /^\d\d$/, 1, 'others are as before');
}

$stack->end;
done_testing;


# zone(PID): where the table with the key "t", and its lock, are.  A zone is
# shared memory that begins with its lock; the page of the table begins with a
# pointer there.

sub zone {
    my ($pid) = @_;

    no warnings 'portable';
    open my $mem, '<:raw', "/proc/$pid/mem" or return;
    my @found;

    for (split /\n/, Weir::Stack::slurp("/proc/$pid/maps")) {
        my ($from, $to) = map { hex } /^(\w+)-(\w+) rw-s .*zero/ or next;

        for (my $base = $from; $base < $to; $base += 4096) {
            for my $page (1 .. 4) {
                sysseek $mem, $base + 4096 * $page, 0 or next;
                sysread $mem, my $word, 8 or next;
                next if unpack('Q<', $word) != $base;

                sysseek $mem, $base, 0;
                sysread $mem, my $all, 256 * 1024;
                push @found, [$base + 4096 * $page, $base]
                    if $all =~ /t\0{14}\x01/;
            }
        }
    }

    return @found == 1 ? @{ $found[0] } : ();
}


sub poke {
    my ($pid, $address, $value) = @_;

    open my $mem, '+<:raw', "/proc/$pid/mem" or die "mem: $!";
    sysseek $mem, $address, 0 or die "seek: $!";
    syswrite $mem, pack 'Q<', $value or die "write: $!";
}
