# Redis in the middle of streams: connections that are lost, a restart, silence,
# keys that go: every stream ends whole or with an error, and who reads events
# has all of them.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time sleep);
use Weir::RedisProxy;
use Weir::Saying;
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api; weir_heartbeat 500ms;',
    processes => 1, worker => "attempts = 2\n    backoff = 200ms");

$stack->start;


# broken(NAME, CODE): a stream, one whose job is read, and one who comes later,
# while something is done to Redis; what came of the stream

sub broken {
    my ($name, $code, %o) = @_;

    my $s = Weir::Saying->new(stack => $stack, words => 60, every => 40, %o);
    my $c = $s->stream(headers => ["Idempotency-Key: $name"]);
    ok($c->wait(10, qr/w5 /), "$name: it has begun");
    my $e = $s->events_of($c)->open;
    ok($e->{client}->wait(10, qr/w5 /), "$name: and is read");

    $code->($c->header('X-Weir-Job') =~ s/^job_//r);

    my $late = $s->events_of($c);
    ok($c->wait(25), "$name: the end") or diag substr $c->body, -300;
    my $what = $s->is_sound($c, $name);

    return $what if $o{lost};

    is($e->text(25), $s->said, "$name: a reader has all");
    is($late->text(25), $s->said, "$name: and one who came later");

    my @at = map { $_->[0] } grep { $_->[1] =~ /w\d/ } $c->parts;
    my ($gap) = sort { $b <=> $a } map { $at[$_] - $at[$_ - 1] } 1 .. $#at;
    note sprintf '%s: %s, %d calls, %d resets, silent for %.1f s', $name,
                 $what, $stack->calls($s->tag), $e->{resets}, $gap;

    return $what;
}


sub cut_off {
    $stack->redis('CLIENT', 'KILL', 'TYPE', $_) for @_;
}


is(broken('nothing', sub { }), 'whole', 'nothing: whole');
is(broken('mail', sub { cut_off('pubsub') }), 'whole', 'mail: whole');
is(broken('twice', sub { cut_off('pubsub'); sleep 0.4; cut_off('pubsub') }),
   'whole', 'twice: whole');
is(broken('commands', sub { cut_off('normal') }), 'whole', 'commands: whole');
is(broken('both', sub { cut_off('normal', 'pubsub') }), 'whole',
   'both: whole');
is(broken('silent', sub {
    $stack->signal('redis', 'STOP');
    sleep 2;
    $stack->signal('redis', 'CONT');
}), 'whole', 'silent: whole');
is(broken('entries', sub { $stack->redis('DEL', "weir:{0}:events:$_[0]") }),
   'whole', 'entries that are gone: whole, from the outcome');
is(broken('late entries', sub {
    my $run = $_[0];
    $stack->wait_for(10, sub {
        $stack->redis('HGET', "weir:{0}:run:$run", 'fin');
    }, 'its end');
    $stack->redis('DEL', "weir:{0}:events:$run");
}), 'whole', 'entries that go with the end: whole');

broken('restart', sub {
    $stack->stop('redis');
    $stack->start('redis');
});


# an outcome that cannot be had just now, when weir_max_wait passes

my $proxy = Weir::RedisProxy->new(path => $stack->dir . '/proxy.sock',
                                  to => $stack->dir . '/redis.sock');
my $edge = Weir::Stack->new(edge_of => $stack, processes => 1,
    weir_redis => 'unix:' . $stack->dir . '/proxy.sock',
    location => 'weir_api; weir_max_wait 2s;')->start('nginx');

my $s = Weir::Saying->new(stack => $edge, words => 600, every => 2);
my $c = $s->stream;
ok($c->wait(10, qr/w5 /), 'outcome: it has begun');
my $run = $c->header('X-Weir-Job') =~ s/^job_//r;
my $outcome = "weir:{0}:outcome:$run:1000001";
$stack->redis('DEL', "weir:{0}:events:$run");
$proxy->rules({ on => 'GET', with => $outcome, reply => "-ERR not now\r\n",
                times => 8 });
ok($c->wait(10), 'outcome: the end');
is($s->is_sound($c, 'outcome'), 'whole', 'outcome: all of it');
is($proxy->count('GET', $outcome), 9, 'outcome: was asked for again');
$edge->end;


# all of it is lost

my $gone = broken('lost', sub {
    my $run = $_[0];

    $stack->redis('DEL', map { "weir:{0}:$_:$run" }
                         qw(run job request events readers waiting));
}, lost => 1, every => 100);
is($gone, 'cut', 'lost: an error');

$stack->end;

done_testing();
