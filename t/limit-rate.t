# Rates in real time: what is admitted, and whether the times that clients are
# told are true.  The arithmetic itself is tested with a clock of its own, in
# lua-free-tests/unit/test_limit.c.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time sleep);
use Weir::Burst;
use Weir::Stack;

my $stack = Weir::Stack->new(processes => 4, http => <<'END', server => <<'END2');
    keepalive_requests 100000000;
    weir_limit_zone $arg_k zone=flood:1m rate=100r/s burst=20;
    weir_limit_zone $arg_k zone=window:1m rate=50r/s burst=99;
    weir_limit_zone $arg_k zone=pace:1m rate=100r/s;
    weir_limit_zone $arg_k zone=hammer:1m rate=30r/m;
    weir_limit_zone $arg_k zone=honest:1m rate=20r/m;
    weir_limit_zone $arg_k zone=delay:1m rate=2r/s burst=5;
    weir_limit_zone $arg_k zone=all:1m rate=2r/s burst=3;
END
    location /flood { weir_limit zone=flood; return 204;
                      error_log flood.log error; }
    location /window { weir_limit zone=window; return 204; }
    location /pace { weir_limit zone=pace; return 204; }
    location /hammer { weir_limit zone=hammer; return 204;
                       error_log flood.log error; }
    location /honest { weir_limit zone=honest; return 204; }
    location /delay { weir_limit zone=delay delay=2;
                      add_header X-Status $weir_limit_status; return 204; }
    location /dry { weir_limit zone=delay delay=2 dry_run;
                    add_header X-Status $weir_limit_status; return 204; }
    location /all { weir_limit zone=all delay=0; alias html/x; }
END2

mkdir $stack->dir . '/html';
Weir::Stack::write_file($stack->dir . '/html/x', "file\n");
$stack->start('nginx');

my $port = $stack->port;
sub get { $stack->ask($_[0], no_key => 1) }


# RL-06

my $start = time;
my %n = flood($port, 1e9, sub { '/flood?k=1' }, until => $start + 3);
my $took = time - $start;

cmp_ok($n{204}, '<=', 22 + 100 * $took, "RL-06: $n{204} in $took s");
cmp_ok($n{204}, '>=', 20 + 100 * ($took - 0.1), 'and not fewer');
cmp_ok($n{429}, '>', 10 * $n{204}, "of $n{429} others");

# RL-04: a window's worth, and soon after it another one

$start = time;
%n = flood($port, 100, sub { '/window?k=1' });
is($n{204}, 100, 'RL-04: a burst');
sleep 0.2;
%n = flood($port, 100, sub { '/window?k=1' });
$took = time - $start;
cmp_ok($n{204} // 0, '<=', 50 * $took + 1, 'no second one');

# RL-05: whoever waits for the answer, and then as long as the rate says

my $refused = 0;

for (1 .. 300) {
    $refused++ if get('/pace?k=1')->status != 204;
    sleep 0.01;
}

is($refused, 0, 'RL-05: who keeps to the rate is never refused');

# RL-07: hammering does not prolong it

is(get('/hammer?k=1')->status, 204, 'RL-07: one');
%n = flood($port, 1e9, sub { '/hammer?k=1' }, until => time + 1);
ok(!$n{204}, 'and no more');
my $c = get('/hammer?k=1');
is($c->status, 429, 'still');
cmp_ok($c->header('retry-after-ms'), '<=', 1000, 'what is left of 2 s');
sleep $c->header('retry-after-ms') / 1000;
is(get('/hammer?k=1')->status, 204, 'and then it is one again');

# RL-11

my (@told, @when);

for my $k (1 .. 100) {
    get("/honest?k=$k")->status == 204 or die;
    my $c = get("/honest?k=$k");
    push @told, $c->header('Retry-After');
    push @when, time;
}

is_deeply(\@told, [(3) x 100], 'RL-11: 100 are told to wait');

for my $ahead (1, 0) {
    my @status;

    for my $k (1 .. 100) {
        my $left = $when[$k - 1] + 3 - $ahead - time;
        sleep $left if $left > 0;
        push @status, get("/honest?k=$k")->status;
    }

    my $want = $ahead ? 429 : 204;
    is(scalar(grep { $_ == $want } @status), 100,
       $ahead ? 'a second early: all are refused' : 'in time: none is');
}

# RL-13

my @c = map { $stack->request('/delay?k=1', no_key => 1) } 1 .. 7;
Weir::Client::wait_all(10, @c);
my @t = sort { $a <=> $b } map { $_->elapsed } grep { $_->status == 204 } @c;

is(scalar(@t), 6, 'RL-13: six are served');
is(scalar(grep { $_->status == 429 } @c), 1, 'the seventh is refused');
cmp_ok($t[2], '<', 0.4, 'three at once');

for (1 .. 3) {
    cmp_ok(abs($t[2 + $_] - $_ / 2), '<', 0.3, 'then each half a second');
}

is(join(',', sort map { $_->header('X-Status') // '-' } @c),
   join(',', '-', ('DELAYED') x 3, ('PASSED') x 3), 'which is told');
like($stack->log('nginx'), qr/delaying request, excess: \d\.\d+ by zone "delay"/,
     'and logged');

@c = map { $stack->request('/dry?k=2', no_key => 1) } 1 .. 7;
Weir::Client::wait_all(10, @c);
is(scalar(grep { $_->status == 204 && $_->elapsed < 0.4 } @c), 7,
   'a dry run delays nobody');
is(join(',', sort map { $_->header('X-Status') } @c),
   join(',', ('DELAYED_DRY_RUN') x 3, ('PASSED') x 3, 'REJECTED_DRY_RUN'),
   'but knows whom');

# who leaves while delayed takes nobody's turn, and all is well

my $delayed = sub {
    my @lines = $stack->log('nginx') =~ /delaying request, excess/g;
    return scalar @lines;
};
my $before = $delayed->();

@c = $stack->request('/all?k=3', no_key => 1);
$c[0]->wait(10);
is($c[0]->body, "file\n", 'the first');

for my $n (1 .. 3) {                            # in this order
    push @c, $stack->request('/all?k=3', no_key => 1);
    $stack->wait_for(5, sub { $delayed->() >= $before + $n }, 'a delay');
}

$_->close for @c[1, 2];
ok($c[3]->wait(10), 'the last');
cmp_ok($c[3]->elapsed, '>', 1, 'is delayed as before');

$stack->end;
done_testing;
