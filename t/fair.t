# With a backlog in every class the urgent one gets most slots, and none gets
# nothing.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;', worker_conf => '');

$stack->start(qw(redis mock));
my $d = $stack->dir;

$stack->{worker_conf} = <<END;
redis { address = "unix:$d/redis.sock" }
worker {
    runners = 1
    slots = 4
    run_dir = "$d"
}
provider "mock" { base_url = "http://127.0.0.1:$stack->{mock_port}/v1" }
model "*" { provider = "mock" }
END

my $n = 0;


# runs of a class, as the edge would submit them

sub submit {
    my ($class, $count, $plan) = @_;

    for (1 .. $count) {
        my $run = sprintf '00%022d', ++$n;
        my $text = "[[mock tag=$class-$n $plan]] Hi";

        $stack->redis('HSET', "weir:{0}:run:$run", gen => 1, job => $run,
                      class => $class, model => 'mock-1', created => 1,
                      deadline => 9999999999999, ttl => 600, records => 600);
        $stack->redis('SET', "weir:{0}:request:$run", encode_json({ v => 1,
            kind => 'chat', model => 'mock-1', messages => [{ role => 'user',
            parts => [{ type => 'text', text => $text }] }] }));
        my $entry = $stack->redis('XADD', "weir:{0}:ready:$class", '*',
                                  'run', $run, 'gen', 1);
        return ($run, $entry =~ /(\d+)/) if $count == 1;
    }
}


sub started { $stack->redis('HGET', "weir:{0}:run:$_[0]", 'started') // 0 }


sub left {
    my ($class) = @_;

    my $length = $stack->redis('XLEN', "weir:{0}:ready:$class");
    return $length;
}


sub order { # what was called so far, by class
    my $tags = $stack->mock_calls->{tags};
    my %count = (high => 0, normal => 0, low => 0);
    $count{ (split /-/)[0] } += $tags->{$_} for CORE::keys %$tags;
    return \%count;
}


# all three have enough for 320 slots

submit($_, 400, 'delay=5') for qw(high normal low);
$stack->start('worker');

$stack->wait_for(20, sub {
    my $o = order();
    $o->{high} + $o->{normal} + $o->{low} >= 320;
}, '320 calls');

my $o = order();
my $sum = $o->{high} + $o->{normal} + $o->{low};
diag("of $sum: $o->{high} high, $o->{normal} normal, $o->{low} low");

cmp_ok($o->{high}, '>', $sum * 0.6, 'the urgent class gets most');
cmp_ok($o->{normal}, '>', $sum * 0.2, 'the next one about a quarter');
cmp_ok($o->{normal}, '<', $sum * 0.3, 'and not more');
cmp_ok($o->{low}, '>=', int($sum / 16) - 1, 'the last one a sixteenth');

# an empty class passes its turn on

$stack->wait_for(20, sub { left('high') == 0 }, 'the urgent class is done');
my $before = order();
my $low = left('low');
cmp_ok($low, '>', 250, 'the last class still waits');
$stack->wait_for(20, sub { left('normal') == 0 }, 'the next one');
my $after = order();
my $normal = $after->{normal} - $before->{normal};
$low = $after->{low} - $before->{low};
cmp_ok($normal, '>', 5 * $low, "without it the next one gets most: $normal");
cmp_ok($low, '>=', int(($normal + $low) / 16) - 1, "the last one its share");


# what is urgent does not wait behind what is not

my @low = map { sprintf '00%022d', $_ } 801 .. 1200;

$stack->wait_for(20, sub { left('low') > 0 }, 'the last class has more');
my ($run, $added) = submit('high', 1, 'delay=5');
$stack->wait_for(10, sub { order()->{high} == 401 }, 'urgent');
my $started = started($run);
my $first = grep { $_ > $added && $_ < $started } map { started($_) } @low;
cmp_ok($first, '<', 20, "it is next, after $first that were under way");

$stack->wait_for(20, sub { left('low') == 0 }, 'all is done in the end');
is_deeply(order(), { high => 401, normal => 400, low => 400 }, 'once each');


# few slots, all in use but one: it does not stay free

submit('normal', 3, 'delay=3000');
$stack->wait_for(5, sub { order()->{normal} == 403 }, 'three long ones');
submit('low', 1, '');
$stack->wait_for(10, sub { order()->{low} == 401 }, 'the last slot is used');
is(left('normal'), 3, 'while the others are');
$stack->wait_for(10, sub { left('normal') == 0 }, 'the long ones end');

$stack->end;

done_testing();
