# Idempotency-Key while nginx workers are killed and Redis stands still: all
# that are answered for a key are told the same job, and it is asked once.

use strict;
use warnings;

use lib 't/lib';
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $KEYS = 10;                  # at a time; each fault meets new ones

my $stack = Weir::Stack->new(location => 'weir_api;',
                             weir_redis => 'timeout=400ms');
$stack->start;

my (%told, %status, @open, %used);
my ($turn, $faults) = (0, 0);


sub some {
    my $n = $faults * $KEYS + $turn++ % $KEYS;

    $used{$n} = 1;
    send_one($n);
}


sub send_one {
    my ($n) = @_;

    # while nginx starts a worker again, nobody may be there

    my $c = eval {
        $stack->request('/v1/jobs', headers => ["Idempotency-Key: key-$n"],
            body => encode_json({ request => { model => 'mock-1',
                messages => [{ role => 'user',
                    content => "[[mock tag=k$n delay=20]] x" }] } }));
    } or return;

    push @open, [$n, $c];
}


sub collect {
    my @left;

    for my $o (@open) {
        my ($n, $c) = @$o;

        $c->wait(0.001);

        if (!$c->done) {
            push @left, $o;
            next;
        }

        $status{$c->status // 'none'}++;
        $told{$n}{decode_json($c->body)->{id}}++
            if ($c->status // 0) == 202 && $c->whole;
    }

    @open = @left;
}


my $end = time + 6;
my $next = time + 0.4;

while (time < $end) {
    some() while @open < 30;
    collect();

    next if time < $next;

    # in the middle of many

    if (++$faults % 2) {
        some() while @open < 30;
        $stack->kill_child('nginx');

    } else {
        $stack->signal('redis', 'STOP');
        some() while @open < 30;
        my $until = time + 0.7;
        collect() while time < $until;
        $stack->signal('redis', 'CONT');
    }

    $next = time + 0.3;
}

# every key is asked once more, in peace, until it answers

for my $n (sort { $a <=> $b } keys %used) {
    $stack->wait_for(10, sub {
        send_one($n) if !grep { $_->[0] == $n } @open;
        collect();
        return $told{$n};
    }, "key $n");
}

$stack->wait_for(10, sub { collect(); !@open }, 'the last answers');
$stack->wait_for(20, sub { !$stack->redis('ZCARD', 'weir:{0}:deadline') },
                 'the end of all jobs');

note join ', ', map { "$_: $status{$_}" } sort keys %status;
cmp_ok($status{202}, '>', keys %used, 'many were answered');
cmp_ok($status{503} // 0, '>', 0, 'some were refused');
cmp_ok($status{none} // 0, '>', 0, 'some were broken off');
is(scalar(grep { keys %{ $told{$_} } != 1 } keys %told), 0,
   'nobody was told two jobs of one key');
is(scalar(grep { $stack->calls("k$_") > 1 } keys %used), 0,
   'no question was asked twice');

my $lost = grep {
    my ($id) = keys %{ $told{$_} };
    $id =~ s/^job_//;
    ($stack->redis('HGET', "weir:{0}:run:$id", 'fin') // '') !~ /^completed:/;
} keys %told;
is($lost, 0, 'all that were told of are completed');

done_testing();
