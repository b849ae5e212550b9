# recovery.pl KILLS: runners are killed with their hands full, one after the
# other.  For each kill, the seconds until the last of the entries that it held
# is claimed again, and until the LLM has the first of the calls that follow.
#
# Each runner dies often enough for the supervisor to hold its restarts back:
# that wait is measured too.

use strict;
use warnings;

use JSON::PP;
use Time::HiRes qw(time sleep);
use Weir::Stack;

use constant { RUNNERS => 4, SLOTS => 32, JOBS => 96, DELAY => 2000 };

my ($kills) = @ARGV;
my $stack = Weir::Stack->new(location => 'weir_api;', worker_conf => '',
                             mock => ['--plan', 'delay=' . DELAY]);
my $d = $stack->dir;

$stack->start(qw(redis mock));

$stack->{worker_conf} = <<END;
redis { address = "unix:$d/redis.sock" }
worker {
    name = "bench"
    runners = ${\ RUNNERS}
    slots = ${\ SLOTS}
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END

$stack->start('worker');
$stack->wait_for(10, sub {
    RUNNERS == grep { /:live:/ } @{ $stack->redis('KEYS', 'weir:*') };
}, 'all runners');


# the runner's place: the lock that it holds

sub runners {
    my %pid;

    for my $pid ($stack->children('worker')) {
        for my $fd (glob "/proc/$pid/fd/*") {
            $pid{$1} = $pid
                if (readlink($fd) // '') =~ /weir-(bench-\d+)\.lock$/;
        }
    }

    return \%pid;
}


# many commands in one go, on one connection

sub redis {
    my (@commands) = @_;

    my $s = IO::Socket::UNIX->new(Peer => "$d/redis.sock") or die "redis: $!";

    print $s map {
        my @words = @$_;
        '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
    } @commands;
    $s->flush;

    return map { Weir::Stack::redis_reply($s) } @commands;
}


sub calls { decode_json($stack->mock('/mock/calls')->body) }


sub load {
    system("$stack->{build}/bench/jobs", 'load', "$d/redis.sock", JOBS) == 0
        or die "no jobs";
}


# [register of deliveries, ...] of what the consumer holds

sub held {
    my ($consumer) = @_;

    my ($list) = redis([qw(XPENDING weir:{0}:ready:normal weir - + 1000),
                        $consumer]);
    my @entries = map { $_->[0] } @$list;
    my @found = redis(map { ['XRANGE', 'weir:{0}:ready:normal', $_, $_] }
                      @entries);

    return map {
        my %field = @{ $found[$_][0][1] };
        ['HGET', "weir:{0}:run:$field{run}", "n:$entries[$_]"];
    } 0 .. $#entries;
}


# ($claimed, $called): seconds

sub measure {
    my ($place) = @_;

    load();
    $stack->wait_for(20, sub { calls()->{open} == JOBS },
                     'all calls');

    my $consumer = "bench-$place";
    my $pid = runners()->{$consumer} or die "no $consumer";
    my @registers = held($consumer);
    my $total = calls()->{total};
    my ($claimed, $called);

    die "$consumer holds nothing" if !@registers;

    my $start = time;
    kill 'KILL', $pid;

    while (!defined $claimed || !defined $called) {
        $claimed //= (grep { ($_ // 2) < 2 } redis(@registers)) ? undef
                                                               : time - $start;
        $called //= calls()->{total} > $total ? time - $start : undef;
        die "not recovered within 60 seconds" if time - $start > 60;
        sleep 0.002;
    }

    # then they end

    $stack->wait_for(60, sub {
        $stack->redis('ZCARD', 'weir:{0}:deadline') == 0;
    }, 'the end of all jobs');

    $stack->wait_for(60, sub { RUNNERS == keys %{ runners() } }, 'all runners');

    return ($claimed, $called, scalar @registers);
}


$| = 1;

for my $n (0 .. $kills - 1) {
    printf "%.3f %.3f %d\n", measure($n % RUNNERS);
}

$stack->stop;
