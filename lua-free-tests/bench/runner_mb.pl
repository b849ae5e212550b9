# runner_mb.pl RUNS: one runner with so many generations in flight, all of them
# streams of which a few hundred bytes have come.  Prints its resident memory in
# MB, and before them.

use strict;
use warnings;

use IO::Socket::UNIX;
use JSON::PP;
use Time::HiRes qw(time sleep);
use Weir::Stack;

use constant { TEXT => 2000, TOKENS => 60, EVERY => 2000 };

my ($runs) = @ARGV;
my $stack = Weir::Stack->new(worker_conf => '');
my $d = $stack->dir;

$stack->start(qw(redis mock));

$stack->{worker_conf} = <<END;
redis { address = "unix:$d/redis.sock" }
worker {
    name = "bench"
    runners = 1
    slots = $runs
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
metrics { listen = "127.0.0.1:${\ ($stack->{metrics_port}
                                   = Weir::Stack::free_port())}" }
END

$stack->start('worker');


# the runner is the one that holds a lock

my ($runner) = grep {
    my $pid = $_;
    grep { (readlink($_) // '') =~ /\.lock$/ } glob "/proc/$pid/fd/*";
} $stack->children('worker') or die "no runner";


sub memory {
    my ($kb) = Weir::Stack::slurp("/proc/$runner/status") =~ /^VmRSS:\s*(\d+)/m
        or die "the runner is gone";

    return $kb / 1024;
}


sub calls { decode_json($stack->mock('/mock/calls')->body) }


# 1,000 in one go

sub load {
    my ($from) = @_;

    my $s = IO::Socket::UNIX->new(Peer => "$d/redis.sock") or die "redis: $!";
    my $now = int(time * 1000);
    my $text = sprintf '[[mock tokens=%d every=%d]] %s', TOKENS, EVERY,
                       'x' x TEXT;
    my $request = encode_json({ v => 1, kind => 'chat', model => 'm',
        messages => [{ role => 'user',
                       parts => [{ type => 'text', text => $text }] }] });
    my @commands = map {
        my $id = sprintf '00%022d', $from + $_;
        (['SET', "weir:{0}:request:$id", $request],
         ['HSET', "weir:{0}:job:$id", owner => 'bench', run => $id],
         ['HSET', "weir:{0}:run:$id", gen => 1, job => $id, request => 'r',
          model => 'm', class => 'normal', created => $now, stream => 1,
          deadline => $now + 3600_000, ttl => 3600, records => 3600],
         ['XADD', 'weir:{0}:ready:normal', '*', run => $id, gen => 1])
    } 1 .. 1000;

    print $s map {
        my @words = @$_;
        '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
    } @commands;
    $s->flush;
    Weir::Stack::redis_reply($s) for @commands;
}


my $before = memory();

load($_ * 1000) for 0 .. $runs / 1000 - 1;
$stack->wait_for(60, sub { calls()->{open} == $runs }, 'all calls');
sleep 20;                               # some tokens of each

my $after = memory();

calls()->{open} == $runs or die "not all calls are open any more";
printf "%.1f %.1f\n", $after, $before;
$stack->signal('worker', 'KILL');       # it would finish all of them
$stack->stop;
